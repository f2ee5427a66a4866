/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/replay.h - the driver's side of a recording of doorbell check, against our own device
 *
 * A device as the recorded one was, with its guest memory, is driven by what is in the file: register accesses, what
 * the device read of memory, indices, frames from outside. It is recorded in its turn, and the two recordings are compared:
 * what registers read, used entries, whether an interrupt was wanted, interrupts, and frames.
 *
 * Everything is on one thread, and the device has its turn where the recorded one had asked whether an interrupt is wanted,
 * which is after each batch. So its batches are the recorded ones. What the two did at the same time at different places
 * is in the order of the file; of InterruptStatus, where that shows, nothing is compared.
 */
#ifndef DOORBELL_TESTS_REPLAY_H
#define DOORBELL_TESTS_REPLAY_H

#include <stdio.h>

struct replay_outcome {
	unsigned reads, used, wishes, interrupts, frames; /* compared */
	char why[300]; /* the first difference; "": there is none */
};

/*
 * @path: a recording of one NIC with one pair of queues, split rings. 0: it was replayed, see @out; -errno with the reason in
 * out->why. @spoil NULL, or what to do to the device when it is made.
 */
struct virtio_net;
int replay(const char *path, void (*spoil)(struct virtio_net *n), struct replay_outcome *out);

#endif
