/* SPDX-License-Identifier: Apache-2.0 */
/* check/record.h - doorbell check --record: writes down what drivers and devices do
 *
 * It looks on by devices/virtio_watch.h, beside whoever else does, and writes check/trace.h's file. The memory that the
 * device reads goes into it, too, so that the file can drive another device (tests/lib/replay.h).
 */
#ifndef DOORBELL_CHECK_RECORD_H
#define DOORBELL_CHECK_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct check_result;
struct provoke;
struct record;
struct rule;
struct virtio_dev;
struct virtio_watch;

/* As trace_writer_create(): @out is taken, also on failure. 0 or -errno, with *r NULL. */
int record_create(FILE *out, const char *path, struct record **r);
/* When nobody looks on any more. As trace_writer_destroy(). */
int record_destroy(struct record *r);

/* What a device does not say of itself. */
struct record_nic {
	unsigned index; /* below TRACE_NICS */
	uint8_t mac[6];
	uint16_t mtu; /* 0: none */
	bool legacy;  /* its registers are those of version 1 */
	/* Who provokes it, borrowed, as long as the device is there; NULL: nobody. And --seed. */
	const struct provoke *provoke;
	uint64_t seed;
};

/*
 * The guest begins, with @d as its device, which outlives the recording or is followed by another one of that index; when it is
 * provoked that has been set up, and goes by way of the recorder from now on. Who is to look on at it, next NULL.
 */
struct virtio_watch *record_device(struct record *r, struct virtio_dev *d,
                                   const struct record_nic *nic);
/* Any thread. A rule is found broken for the first time. */
void record_finding(struct record *r, unsigned nic, const struct rule *rule,
                    const struct check_result *res);

#endif
