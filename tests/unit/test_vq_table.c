/* SPDX-License-Identifier: Apache-2.0 */
/* Indirect tables (virtio 1.2, 2.7.5.3 and 2.8.7): which are taken, which are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "devices/vq.h"
#include "tests/lib/ring.h"
#include "vmm/core/compiler.h"

#define INDIRECT FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define TABLE    VRING_DESC_F_INDIRECT

/* ---- tables that are taken */

static void an_indirect_table_as_long_as_the_ring_is_taken(void **state)
{
	struct ring *r = *state;
	struct fake_buf b[8];

	for (unsigned i = 0; i < ARRAY_SIZE(b); i++)
		b[i] = fake_part(r->out, 8 * i, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_true(fake_vq_add_table(&r->drv, b, 8, 0) >= 0);
	fake_vq_publish(&r->drv);
	ring_turn_over(r, 8);
	assert_int_equal(r->c.nr_out, 8);
}

/* What Linux does on a short ring: it was declared broken. */
static void a_frame_of_nineteen_pieces_is_taken_from_a_ring_of_sixteen(void **state)
{
	struct ring *r = *state;
	struct fake_buf b[19];

	for (unsigned i = 0; i < ARRAY_SIZE(b); i++)
		b[i] = fake_part(r->out, i, 1);
	for (unsigned num = 1; num <= 16; num *= 2) {
		ring_start(r, num, INDIRECT);
		for (unsigned i = 0; i < num; i++)
			assert_true(fake_vq_add_table(&r->drv, b, ARRAY_SIZE(b), 0) >= 0);
		assert_int_equal(fake_vq_add_table(&r->drv, b, ARRAY_SIZE(b), 0), -ENOSPC);
		fake_vq_publish(&r->drv);
		ring_turn_over(r, num);
		assert_int_equal(r->c.nr_out, ARRAY_SIZE(b));
		assert_int_equal(r->c.entries, 1);
		for (unsigned i = 0; i < ARRAY_SIZE(b); i++)
			assert_ptr_equal(r->c.iov[i].iov_base, fake_at(&r->m, b[i].addr, 1));
	}
}

static void the_longest_table_is_taken_from_the_shortest_ring(void **state)
{
	struct iovec iov[VQ_NUM_MAX];
	struct ring *r = *state;

	ring_start(r, 1, INDIRECT);
	ring_desc(r, 0, ring_table(r, VQ_NUM_MAX, 0), TABLE, 0);
	ring_offer(r);
	assert_int_equal(vq_pop(&r->q, &r->c), -ENOBUFS);
	r->c.iov = iov;
	r->c.room = ARRAY_SIZE(iov);
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
	assert_int_equal(r->c.nr_out, VQ_NUM_MAX);
}

/* dev.indirect.mixed-chain */
static void direct_descriptors_may_come_before_a_table(void **state)
{
	struct ring *r = *state;
	const struct fake_buf b[] = {fake_part(r->out, 0, 1), fake_part(r->out, 1, 1),
	                             fake_part(r->out, 2, 1), fake_part(r->out, 3, 1),
	                             fake_part(r->in, 0, 1),  fake_part(r->in, 1, 1)};

	for (unsigned direct = 0; direct <= ARRAY_SIZE(b); direct++) {
		assert_true(fake_vq_add_table(&r->drv, b, ARRAY_SIZE(b), direct) >= 0);
		fake_vq_publish(&r->drv);
		ring_turn_over(r, 1);
		assert_int_equal(r->c.nr_out, 4);
		assert_int_equal(r->c.nr_in, 2);
		assert_int_equal(r->c.entries, direct + (direct < ARRAY_SIZE(b)));
		for (unsigned i = 0; i < ARRAY_SIZE(b); i++)
			assert_ptr_equal(r->c.iov[i].iov_base, fake_at(&r->m, b[i].addr, 1));
	}
}

/* dev.indirect.ignore-write-flag, dev.packed.indirect-all-entries */
static void the_write_flag_on_an_indirect_descriptor_means_nothing(void **state)
{
	struct ring *r = *state;

	for (unsigned extra = 0; extra <= WRITE; extra += WRITE) {
		ring_start(r, 8, INDIRECT);
		ring_desc(r, 0, ring_table(r, 3, 0), TABLE | extra, 0);
		ring_offer(r);
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
		assert_int_equal(r->c.nr_out, 3);
		assert_int_equal(r->c.nr_in, 0);
	}
}

static void an_indirect_table_needs_no_alignment(void **state)
{
	struct ring *r = *state;

	for (unsigned odd = 1; odd < 16; odd += 2) {
		ring_start(r, 8, INDIRECT);
		ring_desc(r, 0, ring_table(r, 2, odd), TABLE, 0);
		ring_offer(r);
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
		assert_int_equal(r->c.out_len, 128);
	}
}

/* ---- tables that break a rule */

static void a_next_outside_its_table_is_refused(void **state)
{
	struct ring *r = *state;
	struct fake_buf t = ring_table(r, 3, 0);

	t.len = 32; /* the second of two leads to the third */
	ring_desc(r, 0, t, TABLE, 0);
	ring_refuses(r, "next descriptor outside its indirect table");
}

static void a_loop_in_a_table_is_refused(void **state)
{
	struct ring *r = *state;
	struct fake_buf t = ring_table(r, 4, 0);
	struct vring_desc *d = fake_at(&r->m, t.addr, t.len);

	d[3].flags = htole16(NEXT);
	d[3].next = htole16(0);
	ring_desc(r, 0, t, TABLE, 0);
	ring_refuses(r, "chain too long, or a loop in its indirect table");
}

static void a_loop_in_a_table_longer_than_the_ring_is_refused(void **state)
{
	struct ring *r = *state;
	struct fake_buf t = ring_table(r, 300, 0);
	struct vring_desc *d = fake_at(&r->m, t.addr, t.len);

	for (unsigned back = 0; back < 300; back += 23) {
		ring_start(r, 8, INDIRECT);
		d[299].flags = htole16(NEXT);
		d[299].next = htole16(u16_of(back));
		ring_desc(r, 0, t, TABLE, 0);
		ring_refuses(r, "chain too long, or a loop in its indirect table");
	}
}

static void a_table_that_is_the_ring_itself_does_not_go_round_for_ever(void **state)
{
	struct ring *r = *state;
	const struct fake_buf ring = {.addr = r->drv.addr.desc, .len = 16 * 8};

	ring_desc(r, 0, ring, TABLE, 0);
	ring_refuses(r, "indirect table inside an indirect table");
}

static void ring_and_table_together_may_not_exceed_the_longest_ring(void **state)
{
	struct iovec iov[VQ_NUM_MAX + 1];
	struct ring *r = *state;

	for (unsigned in_table = 1; in_table <= 2; in_table++) {
		ring_start(r, VQ_NUM_MAX, INDIRECT);
		r->c.iov = iov;
		r->c.room = ARRAY_SIZE(iov);
		for (unsigned i = 0; i < VQ_NUM_MAX - 1; i++)
			ring_desc(r, i, r->out, NEXT, i + 1);
		ring_desc(r, VQ_NUM_MAX - 1, ring_table(r, in_table, 0), TABLE, 0);
		if (in_table == 2) {
			ring_refuses(r, "chain too long, or a loop in its indirect table");
			continue;
		}
		ring_offer(r);
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
		assert_int_equal(r->c.nr_out, VQ_NUM_MAX);
		assert_int_equal(r->c.entries, VQ_NUM_MAX);
	}
}

static void a_table_without_the_feature_is_refused(void **state)
{
	struct ring *r = *state;

	ring_start(r, 8, 0);
	ring_desc(r, 0, ring_table(r, 2, 0), TABLE, 0);
	ring_refuses(r, "indirect table although INDIRECT_DESC was not accepted");
}

static void a_table_inside_a_table_is_refused(void **state)
{
	struct ring *r = *state;
	struct fake_buf t = ring_table(r, 2, 0);
	struct vring_desc *d = fake_at(&r->m, t.addr, t.len);
	struct vring_packed_desc *p = fake_at(&r->m, t.addr, t.len);

	*(r->drv.packed ? &p[1].flags : &d[1].flags) = htole16(TABLE);
	ring_desc(r, 0, t, TABLE, 0);
	ring_refuses(r, "indirect table inside an indirect table");
}

static void a_table_with_a_next_descriptor_is_refused(void **state)
{
	struct ring *r = *state;

	ring_desc(r, 0, ring_table(r, 2, 0), TABLE | NEXT, 1);
	ring_desc(r, 1, r->out, 0, 0);
	ring_refuses(r, "descriptor with both INDIRECT and NEXT");
}

static void a_table_of_no_or_broken_length_is_refused(void **state)
{
	struct ring *r = *state;
	static const uint32_t bad[] = {0, 1, 15, 17, 31, 0xfffffff1u};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fake_buf t = ring_table(r, 2, 0);

		ring_start(r, 8, INDIRECT);
		t.len = bad[i];
		ring_desc(r, 0, t, TABLE, 0);
		ring_refuses(r, "length of an indirect table is not a multiple of 16 above 0");
	}
}

static void a_table_longer_than_any_ring_is_refused(void **state)
{
	struct ring *r = *state;
	static const uint32_t bad[] = {(VQ_NUM_MAX + 1) * 16, 65536 * 16, 0xfffffff0u};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fake_buf t = ring_table(r, 9, 0);

		ring_start(r, 8, INDIRECT);
		t.len = bad[i];
		ring_desc(r, 0, t, TABLE, 0);
		ring_refuses(r, "indirect table longer than any ring may be");
	}
}

static void a_table_outside_memory_is_refused(void **state)
{
	struct ring *r = *state;
	const gpa_t bad[] = {0, r->m.end - 16, UINT64_MAX - 15};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_start(r, 8, INDIRECT);
		ring_desc(r, 0, (struct fake_buf){.addr = bad[i], .len = 32}, TABLE, 0);
		ring_refuses(r, "indirect table outside guest memory");
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		RING_EACH(an_indirect_table_as_long_as_the_ring_is_taken),
		RING_EACH(a_frame_of_nineteen_pieces_is_taken_from_a_ring_of_sixteen),
		RING_EACH(the_longest_table_is_taken_from_the_shortest_ring),
		RING_SPLIT(direct_descriptors_may_come_before_a_table),
		RING_EACH(the_write_flag_on_an_indirect_descriptor_means_nothing),
		RING_EACH(an_indirect_table_needs_no_alignment),
		RING_SPLIT(a_next_outside_its_table_is_refused),
		RING_SPLIT(a_loop_in_a_table_is_refused),
		RING_SPLIT(a_loop_in_a_table_longer_than_the_ring_is_refused),
		RING_SPLIT(a_table_that_is_the_ring_itself_does_not_go_round_for_ever),
		RING_SPLIT(ring_and_table_together_may_not_exceed_the_longest_ring),
		RING_EACH(a_table_without_the_feature_is_refused),
		RING_EACH(a_table_inside_a_table_is_refused),
		RING_EACH(a_table_with_a_next_descriptor_is_refused),
		RING_EACH(a_table_of_no_or_broken_length_is_refused),
		RING_EACH(a_table_longer_than_any_ring_is_refused),
		RING_EACH(a_table_outside_memory_is_refused),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
