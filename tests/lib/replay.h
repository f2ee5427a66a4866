/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/replay.h - the driver's side of a recording of doorbell check, against our own devices
 *
 * Devices as the recorded ones were, each with guest memory of its own, are driven by what is in the file: register
 * accesses, what the device read of memory, rings, frames from outside. They are recorded in their turn, and the two
 * recordings are compared: what registers read, used entries, what is in the buffers that were filled, whether an
 * interrupt was wanted, interrupts, and frames.
 * What the recorded device was provoked to do is done to this one, too: where something was changed it must have been
 * about to do what the recorded one was about to do.
 *
 * Everything is on one thread, and the device has its turn where the recorded one had asked whether an interrupt is wanted,
 * which is after each batch. So its batches are the recorded ones. What the two did at the same time at different places
 * is in the order of the file; of InterruptStatus, where that shows, nothing is compared.
 */
#ifndef DOORBELL_TESTS_REPLAY_H
#define DOORBELL_TESTS_REPLAY_H

#include <stdint.h>

struct replay_outcome {
	unsigned reads, used, wishes, interrupts, frames; /* compared */
	unsigned written; /* likewise: buffers, of a recording of version 3 */
	unsigned changes; /* what was provoked, likewise */
	uint64_t
		event; /* the number of the record of the first difference, 0 when there is none or it is one too many */
	char why[600]; /* it; "": there is none */
};

/*
 * @path: a recording. 0: it was replayed, see @out; -errno with the reason in out->why. @spoil NULL, or what to do to
 * each device when it is made.
 */
struct virtio_net;
int replay(const char *path, void (*spoil)(struct virtio_net *n), struct replay_outcome *out);

#endif
