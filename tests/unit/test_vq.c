/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings against the fake driver: what is accepted, what is refused. Tables: test_vq_table.c. What only a packed
 * ring has: test_vq_packed.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "devices/vq.h"
#include "tests/lib/ring.h"
#include "vmm/core/compiler.h"

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define NEXT      VRING_DESC_F_NEXT
#define WRITE     VRING_DESC_F_WRITE

static unsigned give(struct ring *r)
{
	int head = fake_vq_add(&r->drv, &r->out, 1);

	assert_true(head >= 0);
	fake_vq_publish(&r->drv);
	return (unsigned)head;
}

/* ---- what vq_check() thinks of addresses */

static void sizes_other_than_powers_of_two_up_to_the_limit_are_refused(void **state)
{
	struct ring *r = *state;
	struct vq_addr a = r->drv.addr;

	for (uint32_t num = 0; num <= 4 * VQ_NUM_MAX; num++) {
		const bool good = num && (num & (num - 1)) == 0 && num <= VQ_NUM_MAX;

		a.num = num;
		assert_int_equal(vq_check(&r->m.gmem, &a, false), good ? 0 : -EINVAL);
	}
	a.num = UINT32_MAX;
	assert_int_equal(vq_check(&r->m.gmem, &a, false), -EINVAL);
	a.num = 0x80000000u;
	assert_int_equal(vq_check(&r->m.gmem, &a, false), -EINVAL);
}

static void misaligned_parts_are_refused(void **state)
{
	struct ring *r = *state;
	struct vq_addr a = r->drv.addr;

	a.desc += 8;
	assert_int_equal(vq_check(&r->m.gmem, &a, false), -EINVAL);
	a = r->drv.addr;
	a.avail += 1;
	assert_int_equal(vq_check(&r->m.gmem, &a, false), -EINVAL);
	a = r->drv.addr;
	a.used += 2;
	assert_int_equal(vq_check(&r->m.gmem, &a, false), -EINVAL);
}

static void each_part_must_lie_in_memory_with_its_event_word(void **state)
{
	struct ring *r = *state;
	const gpa_t end = r->m.end;
	struct vq_addr a = r->drv.addr;
	static const gpa_t nowhere[] = {0, FAKE_MEM_BASE - 16, UINT64_MAX - 15};

	a.desc = end - 16 * 8;
	a.avail = end - (6 + 2 * 8);
	a.used = end - (6 + 8 * 8 + 2); /* aligned to 4 */
	assert_int_equal(vq_check(&r->m.gmem, &a, false), 0);
	a.desc += 16;
	assert_int_equal(vq_check(&r->m.gmem, &a, false), -EFAULT);
	a.desc -= 16;
	a.avail += 2;
	assert_int_equal(vq_check(&r->m.gmem, &a, false), -EFAULT);
	a.avail -= 2;
	a.used += 4;
	assert_int_equal(vq_check(&r->m.gmem, &a, false), -EFAULT);
	for (unsigned i = 0; i < ARRAY_SIZE(nowhere); i++) {
		a = r->drv.addr;
		a.desc = nowhere[i];
		assert_int_equal(vq_check(&r->m.gmem, &a, false), -EFAULT);
		a = r->drv.addr;
		a.avail = nowhere[i];
		assert_int_equal(vq_check(&r->m.gmem, &a, false), -EFAULT);
		a = r->drv.addr;
		a.used = nowhere[i];
		assert_int_equal(vq_check(&r->m.gmem, &a, false), -EFAULT);
	}
}

static void a_refused_start_leaves_the_queue_stopped(void **state)
{
	struct ring *r = *state;
	struct vq_addr a = r->drv.addr;
	struct vq q = {0};

	a.used = 0;
	assert_int_equal(vq_start(&q, &r->m.gmem, &a, vq_features_of(r->layout)), -EFAULT);
	assert_false(vq_running(&q));
}

static void starting_writes_nothing_to_guest_memory(void **state)
{
	struct ring *r = *state;
	ring_start(r, 16, EVENT_IDX);
	fake_vq_raw_used_event(&r->drv, 0x5a5a);
	memset(fake_at(&r->m, r->drv.addr.used, 4), 0x5a, 4);
	vq_stop(&r->q);
	ring_remember(r);
	assert_int_equal(
		vq_start(&r->q, &r->m.gmem, &r->drv.addr, vq_features_of(r->layout | EVENT_IDX)),
		0);
	ring_is_as_remembered(r);
}

static void a_stopped_queue_is_empty_and_does_nothing(void **state)
{
	struct ring *r = *state;

	give(r);
	vq_stop(&r->q);
	ring_remember(r);
	assert_false(vq_running(&r->q));
	assert_int_equal(vq_pop(&r->q, &r->c), 0);
	vq_unpop(&r->q, 1);
	vq_push(&r->q, 0, 1);
	vq_publish(&r->q);
	assert_false(vq_want_interrupt(&r->q));
	vq_kicks_off(&r->q);
	assert_false(vq_kicks_on(&r->q));
	assert_int_equal(vq_resume(&r->q, 77), 0);
	assert_int_equal(vq_position(&r->q), 0);
	ring_is_as_remembered(r);
}

/* ---- requests that are taken */

static void an_empty_ring_gives_nothing(void **state)
{
	struct ring *r = *state;

	assert_int_equal(vq_pop(&r->q, &r->c), 0);
	assert_false(vq_want_interrupt(&r->q));
}

/* dev.packed.list-order */
static void a_request_comes_with_its_readable_part_first(void **state)
{
	struct ring *r = *state;
	const struct fake_buf b[] = {fake_part(r->out, 0, 12), fake_part(r->out, 12, 52),
	                             fake_part(r->in, 0, 1), fake_part(r->in, 1, 63)};
	int head = fake_vq_add(&r->drv, b, ARRAY_SIZE(b));

	assert_int_equal(vq_pop(&r->q, &r->c), 0); /* not published */
	fake_vq_publish(&r->drv);
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
	assert_int_equal(r->c.head, head);
	assert_int_equal(r->c.nr_out, 2);
	assert_int_equal(r->c.nr_in, 2);
	assert_int_equal(r->c.out_len, 64);
	assert_int_equal(r->c.in_len, 64);
	for (unsigned i = 0; i < ARRAY_SIZE(b); i++) {
		assert_ptr_equal(r->c.iov[i].iov_base, fake_at(&r->m, b[i].addr, b[i].len));
		assert_int_equal(r->c.iov[i].iov_len, b[i].len);
	}
	assert_int_equal(vq_pop(&r->q, &r->c), 0);
}

static void a_chain_as_long_as_the_ring_is_taken(void **state)
{
	struct ring *r = *state;
	struct fake_buf b[8];

	for (unsigned i = 0; i < ARRAY_SIZE(b); i++)
		b[i] = fake_part(r->out, 8 * i, 8);
	assert_true(fake_vq_add(&r->drv, b, 8) >= 0);
	fake_vq_publish(&r->drv);
	ring_turn_over(r, 1);
	assert_int_equal(r->c.nr_out, 8);
	assert_int_equal(r->c.out_len, 64);
}

static void unknown_descriptor_flags_mean_nothing(void **state)
{
	struct ring *r = *state;

	ring_desc(r, 0, r->out, r->drv.packed ? 0x7f78 : 0xfff8, 0);
	ring_offer(r);
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
	assert_int_equal(r->c.nr_out, 1);
}

static void a_buffer_across_two_regions_comes_in_two_pieces(void **state)
{
	struct ring *r = *state;
	const struct gmem_range range[] = {{MIB(1), KIB(64)}, {MIB(1) + KIB(64), KIB(64)}};
	struct fake_mem two = {.next = MIB(1), .end = MIB(1) + KIB(64)};
	struct fake_buf b = {.addr = MIB(1) + KIB(64) - 10, .len = 30, .write = true};
	struct fake_vq drv;
	struct vq q;

	assert_int_equal(gmem_create(&two.gmem, range, 2, false), 0);
	fake_vq_init(&drv, &two, 4, r->layout);
	assert_int_equal(vq_start(&q, &two.gmem, &drv.addr, vq_features_of(r->layout)), 0);
	assert_true(fake_vq_add(&drv, &b, 1) >= 0);
	fake_vq_publish(&drv);
	r->c.room = 1;
	assert_int_equal(vq_pop(&q, &r->c), -ENOBUFS);
	assert_int_equal(r->c.nr_in, 2);
	r->c.room = 2;
	assert_int_equal(vq_pop(&q, &r->c), 1);
	assert_int_equal(r->c.nr_in, 2);
	assert_int_equal(r->c.in_len, 30);
	assert_ptr_equal(r->c.iov[0].iov_base, gmem_ptr(&two.gmem, b.addr, 10));
	assert_int_equal(r->c.iov[0].iov_len, 10);
	assert_ptr_equal(r->c.iov[1].iov_base, gmem_ptr(&two.gmem, range[1].base, 20));
	assert_int_equal(r->c.iov[1].iov_len, 20);
	fake_mem_destroy(&two);
}

/* The queue remembers where the last buffer was: that must not decide where the next one is. */
static void buffers_are_found_in_whichever_region_they_lie(void **state)
{
	struct ring *r = *state;
	const struct gmem_range range[] = {{MIB(1), KIB(64)}, {MIB(2), KIB(64)}};
	const struct fake_buf good[] = {{.addr = MIB(2), .len = 10},
	                                {.addr = MIB(1) + KIB(64) - 1, .len = 1},
	                                {.addr = MIB(2) + KIB(64) - 7, .len = 7},
	                                {.addr = MIB(1) + KIB(60), .len = 5}};
	const struct fake_buf bad[] = {
		{.addr = MIB(1) + KIB(64), .len = 1},     {.addr = MIB(1) + KIB(64) - 1, .len = 2},
		{.addr = MIB(2) + KIB(64) - 1, .len = 2}, {.addr = MIB(2) + KIB(64), .len = 1},
		{.addr = MIB(2) - 1, .len = 2},           {.addr = MIB(1) - 1, .len = 2}};
	struct fake_mem two = {.next = MIB(1), .end = MIB(1) + KIB(60)};

	assert_int_equal(gmem_create(&two.gmem, range, 2, false), 0);
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(bad); i++) {
		struct fake_vq drv;
		struct vq q;

		fake_vq_init(&drv, &two, 8, r->layout);
		assert_int_equal(vq_start(&q, &two.gmem, &drv.addr, vq_features_of(r->layout)), 0);
		assert_true(fake_vq_add(&drv, good, i % 2 ? 4 : 3) >= 0);
		assert_true(fake_vq_add(&drv, &bad[i / 2], 1) >= 0);
		fake_vq_publish(&drv);
		assert_int_equal(vq_pop(&q, &r->c), 1);
		for (unsigned k = 0; k < r->c.nr_out; k++)
			assert_ptr_equal(r->c.iov[k].iov_base,
			                 gmem_ptr(&two.gmem, good[k].addr, good[k].len));
		assert_int_equal(vq_pop(&q, &r->c), -EPROTO);
		assert_string_equal(q.why, "descriptor outside guest memory");
	}
	fake_mem_destroy(&two);
}

static void a_chain_with_more_pieces_than_room_stays_in_the_ring(void **state)
{
	struct ring *r = *state;
	const struct fake_buf b[] = {fake_part(r->out, 0, 1), fake_part(r->out, 1, 1),
	                             fake_part(r->in, 0, 1)};
	struct iovec past = {.iov_len = 4711};

	assert_true(fake_vq_add(&r->drv, b, 3) >= 0);
	fake_vq_publish(&r->drv);
	for (unsigned room = 0; room < 3; room++) {
		r->c.room = room;
		r->iov[room] = past;
		assert_int_equal(vq_pop(&r->q, &r->c), -ENOBUFS);
		assert_int_equal(r->c.nr_out + r->c.nr_in, 3);
		assert_int_equal(r->iov[room].iov_len, past.iov_len);
	}
	r->c.room = 3;
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
}

static void a_broken_chain_is_refused_even_where_the_room_has_ended(void **state)
{
	struct ring *r = *state;

	r->c.room = 1;
	ring_desc(r, 0, r->out, NEXT, 1);
	ring_desc(r, 1, r->out, NEXT, 2);
	ring_desc(r, 2, (struct fake_buf){.addr = 0, .len = 1}, 0, 0);
	ring_refuses(r, "descriptor outside guest memory");
}

static void the_index_is_read_again_only_when_our_copy_has_run_out(void **state)
{
	struct ring *r = *state;

	for (unsigned i = 0; i < 3; i++)
		give(r);
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
	fake_vq_raw_avail_idx(&r->drv, 0x4000);
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
	assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
}

static void requests_given_back_come_again_oldest_first(void **state)
{
	struct ring *r = *state;
	unsigned head[4];

	for (unsigned i = 0; i < 4; i++)
		head[i] = give(r);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
	vq_unpop(&r->q, 3);
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
		assert_int_equal(r->c.head, head[i]);
	}
	assert_int_equal(vq_pop(&r->q, &r->c), 0);
}

/* ---- requests that break a rule */

static void a_head_outside_the_ring_is_refused(void **state)
{
	struct ring *r = *state;
	static const uint16_t bad[] = {8, 300, UINT16_MAX};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_start(r, 8, 0);
		fake_vq_raw_head(&r->drv, bad[i]);
		fake_vq_publish(&r->drv);
		assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
		assert_string_equal(r->q.why,
		                    "available entry names a descriptor outside the ring");
	}
}

static void a_next_outside_the_ring_is_refused(void **state)
{
	struct ring *r = *state;

	ring_desc(r, 0, r->out, NEXT, 8);
	ring_refuses(r, "next descriptor outside the ring");
}

static void a_loop_in_the_ring_is_refused(void **state)
{
	struct ring *r = *state;

	for (unsigned period = 1; period <= 8; period++) {
		ring_start(r, 8, 0);
		for (unsigned i = 0; i < 8; i++)
			ring_desc(r, i, r->out, NEXT, (i + 1) % period);
		ring_refuses(r, "chain longer than the ring, or a loop");
	}
}

static void readable_after_writable_is_refused(void **state)
{
	struct ring *r = *state;

	ring_desc(r, 0, r->in, NEXT | WRITE, 1);
	ring_desc(r, 1, r->out, 0, 0);
	ring_refuses(r, "readable descriptor after a writable one");
}

static void a_buffer_outside_memory_is_refused(void **state)
{
	struct ring *r = *state;
	const struct fake_buf bad[] = {{.addr = 0, .len = 1},
	                               {.addr = FAKE_MEM_BASE - 1, .len = 2},
	                               {.addr = r->m.end - 1, .len = 2},
	                               {.addr = r->m.end, .len = 1},
	                               {.addr = UINT64_MAX, .len = 2},
	                               {.addr = FAKE_MEM_BASE, .len = UINT32_MAX}};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_start(r, 8, 0);
		ring_desc(r, 0, bad[i], i & 1 ? WRITE : 0, 0);
		ring_refuses(r, "descriptor outside guest memory");
	}
}

static void a_buffer_of_no_bytes_is_refused(void **state)
{
	struct ring *r = *state;

	ring_desc(r, 0, fake_part(r->out, 0, 0), 0, 0);
	ring_refuses(r, "descriptor of length zero");
}

static void a_chain_of_four_gigabytes_is_refused(void **state)
{
	const struct gmem_range range = {.base = 0, .size = GIB(2) + MIB(1)};
	const struct fake_buf half = {.addr = 0, .len = 0x80000000u};
	const struct fake_buf less = {.addr = 0, .len = 0x7fffffffu};
	struct fake_mem big = {.next = GIB(2), .end = GIB(2) + MIB(1)};
	struct ring *r = *state;
	struct fake_vq drv;
	struct vq q;

	if (gmem_create(&big.gmem, &range, 1, false) < 0)
		skip();
	fake_vq_init(&drv, &big, 4, r->layout);
	assert_int_equal(vq_start(&q, &big.gmem, &drv.addr, vq_features_of(r->layout)), 0);
	assert_true(fake_vq_add(&drv, (struct fake_buf[]){half, less}, 2) >= 0);
	assert_true(fake_vq_add(&drv, (struct fake_buf[]){half, half}, 2) >= 0);
	fake_vq_publish(&drv);
	assert_int_equal(vq_pop(&q, &r->c), 1);
	assert_int_equal(r->c.out_len, UINT32_MAX);
	assert_int_equal(vq_pop(&q, &r->c), -EPROTO);
	assert_string_equal(q.why, "chain of 4 GiB or more");
	fake_mem_destroy(&big);
}

static void an_index_that_jumps_or_goes_back_is_refused(void **state)
{
	struct ring *r = *state;
	static const uint16_t bad[] = {9, 0x8000, UINT16_MAX};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_start(r, 8, 0);
		fake_vq_raw_avail_idx(&r->drv, bad[i]);
		assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
		assert_string_equal(r->q.why, "more requests than the ring has entries");
	}
}

static void an_index_back_by_one_is_refused_with_requests_in_flight(void **state)
{
	struct ring *r = *state;

	give(r);
	give(r);
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
	fake_vq_raw_avail_idx(&r->drv, 1);
	assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
}

static void more_requests_than_entries_are_refused_until_used_ones_are_published(void **state)
{
	struct ring *r = *state;

	for (unsigned i = 0; i < 8; i++)
		give(r);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
	vq_push(&r->q, 0, 0);
	/* The driver cannot know yet that one is done. */
	fake_vq_raw_head(&r->drv, 0);
	fake_vq_publish(&r->drv);
	assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
	assert_string_equal(r->q.why, "more requests than the ring has entries");
	vq_publish(&r->q);
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		RING_SPLIT(sizes_other_than_powers_of_two_up_to_the_limit_are_refused),
		RING_SPLIT(misaligned_parts_are_refused),
		RING_SPLIT(each_part_must_lie_in_memory_with_its_event_word),
		RING_EACH(a_refused_start_leaves_the_queue_stopped),
		RING_EACH(starting_writes_nothing_to_guest_memory),
		RING_EACH(a_stopped_queue_is_empty_and_does_nothing),
		RING_EACH(an_empty_ring_gives_nothing),
		RING_EACH(a_request_comes_with_its_readable_part_first),
		RING_EACH(a_chain_as_long_as_the_ring_is_taken),
		RING_EACH(unknown_descriptor_flags_mean_nothing),
		RING_EACH(a_buffer_across_two_regions_comes_in_two_pieces),
		RING_EACH(buffers_are_found_in_whichever_region_they_lie),
		RING_EACH(a_chain_with_more_pieces_than_room_stays_in_the_ring),
		RING_EACH(a_broken_chain_is_refused_even_where_the_room_has_ended),
		RING_SPLIT(the_index_is_read_again_only_when_our_copy_has_run_out),
		RING_EACH(requests_given_back_come_again_oldest_first),
		RING_SPLIT(a_head_outside_the_ring_is_refused),
		RING_SPLIT(a_next_outside_the_ring_is_refused),
		RING_SPLIT(a_loop_in_the_ring_is_refused),
		RING_EACH(readable_after_writable_is_refused),
		RING_EACH(a_buffer_outside_memory_is_refused),
		RING_EACH(a_buffer_of_no_bytes_is_refused),
		RING_EACH(a_chain_of_four_gigabytes_is_refused),
		RING_SPLIT(an_index_that_jumps_or_goes_back_is_refused),
		RING_SPLIT(an_index_back_by_one_is_refused_with_requests_in_flight),
		RING_SPLIT(more_requests_than_entries_are_refused_until_used_ones_are_published),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
