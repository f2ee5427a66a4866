/* SPDX-License-Identifier: Apache-2.0 */
/* check/check.h - judges a driver by what it does to one network device
 *
 * Register accesses, chains, commands and used entries come in through devices/virtio_watch.h, on the threads where they
 * happen; a lock puts them in a row. Rules are small functions in rules_*.c and stall.c, what they need to know is kept
 * in state.c and net.c, what they find is in results.
 */
#ifndef DOORBELL_CHECK_H
#define DOORBELL_CHECK_H

#include <stdint.h>

#include "check/rule.h"

struct check;
struct gmem;
struct virtio_watch;

struct virtio_access;

#define CHECK_CONFIG 64u
#define CHECK_SLOTS  4u

/* What became of one rule. */
struct check_result {
	uint64_t kept, broken; /* how often */
	uint64_t first_ns;     /* since check_create(); when it was first broken */
	char why[200];         /* what the driver did then, */
	char shown[128];       /* what it was seen by, */
	int queue;             /* at which virtqueue; -1: at none of them */
	bool has_pc;
	uint64_t pc; /* and where the guest was */
};

/* The device that is driven. */
struct check_device {
	const char *name; /* "net0"; borrowed */
	uint64_t offered;
	bool legacy; /* its registers are those of version 1 */
	uint32_t config_len;
	uint8_t config[CHECK_CONFIG]; /* struct virtio_net_config, at the beginning */
	const struct gmem *mem;       /* borrowed */
	uint32_t num_max[32];
	unsigned nr_queues;
	/*
	 * Where the guest's CPU is whose thread calls: behind the instruction of a write, at that of a read. False: it
	 * is none of its. NULL: nobody knows.
	 */
	bool (*pc)(void *arg, uint64_t *out);
	/*
	 * Is an interrupt of the device sent to a CPU when it comes; on the thread of that CPU: and has it taken all that
	 * were sent? False: or nobody knows. NULL: nobody knows. Any thread, with the checker's lock.
	 */
	bool (*hears)(void *arg);
	/* A rule is broken for the first time: on the thread that saw it, with the checker's lock. NULL: nobody asks. */
	void (*found)(void *arg, const struct rule *rule, const struct check_result *res);
	void *arg; /* of all three */
};

/* Why nothing happens in one queue: the first of the things that would have had to happen, and has not. */
struct check_stall {
	const char *rule; /* that asks for it */
	const char *why;
	uint64_t since_ns; /* of check_create() */
};

int check_create(const struct check_device *d, struct check **out); /* 0 or -ENOMEM */
void check_destroy(struct check *c);                                /* NULL is fine */

/*
 * The guest begins anew, with the device @d, which may offer other things: what was found is kept, what was known of its
 * driver is not.
 */
void check_reboot(struct check *c, const struct check_device *d);

/* Any thread. No more findings: the device has done what no driver has to bear. */
void check_mute(struct check *c);

struct virtio_watch *check_watch(struct check *c);

/* Any vCPU, when the device is driven by registers: an access to slot @slot < CHECK_SLOTS, behind which nothing is. */
void check_slot(struct check *c, unsigned slot, const struct virtio_access *a);

/*
 * Something that should have happened and did not is found by looking now and then: every CHECK_TICK_NS. Any thread,
 * while guest memory is there.
 */
#define CHECK_TICK_NS UINT64_C(100000000)
void check_tick(struct check *c);

/* Of rules[@rule]. After the last vCPU has stopped. */
const struct check_result *check_result(const struct check *c, size_t rule);
/* The guest has ended, and its memory is there still: what the rings hold. */
void check_last_look(struct check *c);
/* After check_last_look(): how the driver has come to nothing, in words; NULL: it has not. */
const char *check_trouble(const struct check *c);
/* At the last look, when it was so for a second; NULL: something happens there, or nothing has to. */
const struct check_stall *check_stall(const struct check *c, unsigned queue);
unsigned check_nr_queues(const struct check *c);
const char *check_name(const struct check *c);
/* Has the driver got as far as DRIVER_OK? Did it touch the device at all? */
bool check_was_live(const struct check *c);
bool check_was_touched(const struct check *c);
/* Did it look at its registers, and write to none of them? */
bool check_was_left_alone(const struct check *c);

#endif
