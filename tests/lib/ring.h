/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/ring.h - a ring between the fake driver and devices/vq.h, for cmocka tests
 *
 * What is true of both layouts, and with IN_ORDER, is one case, RING_EACH(), in which nothing looks into the ring.
 */
#ifndef DOORBELL_TESTS_RING_H
#define DOORBELL_TESTS_RING_H

#include <stdint.h>
#include <sys/uio.h>

#include "devices/vq.h"
#include "tests/lib/fake_driver.h"

struct ring {
	struct fake_mem m;
	struct fake_vq drv;
	struct vq q;
	struct iovec iov[32];
	struct vq_chain c;       /* with iov[] */
	void *copy;              /* ring_remember(); owned */
	struct fake_buf out, in; /* 64 bytes each; those of out are 0, 1, ... 63 */
	uint64_t layout;         /* of RING_PACKED and IN_ORDER */
};

/* For cmocka: *state is a struct ring of 8 entries with INDIRECT_DESC. */
int ring_setup(void **state);
int ring_setup_in_order(void **state);
int ring_setup_packed(void **state);
int ring_setup_packed_in_order(void **state);
int ring_teardown(void **state);

/* clang-format off */
#define RING_SPLIT(f)  {#f, f, ring_setup, ring_teardown, NULL}
#define RING_PACKED(f) {#f "_packed", f, ring_setup_packed, ring_teardown, NULL}
/* What IN_ORDER forbids is done in it. */
#define RING_ANY_ORDER(f) RING_SPLIT(f), RING_PACKED(f)
#define RING_EACH(f)                                                           \
	RING_ANY_ORDER(f),                                                     \
	{#f "_in_order", f, ring_setup_in_order, ring_teardown, NULL},         \
	{#f "_packed_in_order", f, ring_setup_packed_in_order, ring_teardown, NULL}
/* clang-format on */

/* Another ring of the same layout in the same memory. @features: VIRTIO_RING_F_* masks. */
void ring_start(struct ring *r, uint32_t num, uint64_t features);

/* Pop, push, publish, reap @n requests that are waiting. */
void ring_turn_over(struct ring *r, unsigned n);
/* Offer descriptor 0 of a ring that just started. */
void ring_offer(struct ring *r);
/* Likewise: the device must see that the rule @why is broken, and go no further. */
void ring_refuses(struct ring *r, const char *why);

/* Copy all guest memory; later: nobody has written to it. Once per case. */
void ring_remember(struct ring *r);
void ring_is_as_remembered(struct ring *r);

/*
 * Descriptor @i of the ring is @b with these flags, whatever it says about writing. Packed: @next is its id, and
 * it is available in the first lap, number 0 as soon as it is offered.
 */
void ring_desc(struct ring *r, unsigned i, struct fake_buf b, unsigned flags, unsigned next);
/*
 * @n descriptors of 64 readable bytes, each the next of the one before, in guest memory at an address
 * that is @align above a multiple of 16. Packed: with ids and NEXT flags that mean nothing.
 */
struct fake_buf ring_table(struct ring *r, unsigned n, uint64_t align);

#endif
