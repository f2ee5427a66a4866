/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/net_sides.h - every kind of backend, with its outside, for the contract suite
 *
 * What an outside cannot do (a libslirp that goes away, a TAP that is full) is left out of its row.
 */
#ifndef DOORBELL_TESTS_NET_SIDES_H
#define DOORBELL_TESTS_NET_SIDES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/pair.h"
#include "tests/lib/net_rig.h"

struct side; /* both ends of one case */

struct side_kind {
	const char *name;
	size_t max_frame; /* largest that the outside can deliver, without header */
	int (*open)(struct side *s);
	void (*to_guest)(struct side *s, const uint8_t *frame, size_t len); /* NULL: see provoke */
	/* Without to_guest: what the guest does so that a frame comes, and whether it is that one. */
	void (*provoke)(struct side *s, unsigned i); /* NULL: nothing */
	bool (*is)(const uint8_t *f, size_t len, void *arg);
	size_t (*outside)(struct side *s, uint8_t *buf, size_t room); /* next frame that was sent */
	bool silent;                                                  /* no frame ever comes */
	bool fills;                    /* send() answers -EAGAIN when nobody reads outside */
	void (*leave)(struct side *s); /* the outside goes away */
	bool needs_tap;
};

struct side {
	const struct side_kind *kind;
	struct rig rig;
	int fd;                 /* the outside; -1: none */
	char path[64], own[64]; /* files to be removed; "": none */
	struct net_pairs pairs;
	struct rig *far; /* the other end of a pair; or NULL */
};

#define SIDE_KINDS_MAX 16u

extern const struct side_kind side_kinds[]; /* ended by name NULL */

int side_open(struct side *s,
              const struct side_kind *kind); /* rig and backend; the loop does not run */
void side_close(struct side *s);

/* Frame number @i: anybody can tell whether it came whole. */
void side_make_frame(uint8_t *f, size_t len, unsigned i);
size_t side_length_of(unsigned i);

struct side_want {
	unsigned i;
	size_t len;
};

/* For rig_find(): is it frame number @i of struct side_want? */
bool side_is_frame(const uint8_t *f, size_t len, void *want);

/* Let frame @i come to the guest, in the way of its kind; has it come? Waits for it. */
void side_provoke(struct side *s, unsigned i);
bool side_came(struct side *s, unsigned i);

#endif
