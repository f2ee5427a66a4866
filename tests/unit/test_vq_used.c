/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is used, and who tells whom. A comment before a case is the id of the clause in the standard's
 * list that it holds.
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

static void give(struct ring *r, unsigned n)
{
	while (n-- > 0)
		assert_true(fake_vq_add(&r->drv, &r->out, 1) >= 0);
	fake_vq_publish(&r->drv);
}

static void use(struct ring *r, unsigned n)
{
	while (n-- > 0) {
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
		vq_push(&r->q, r->c.head, 0);
	}
	vq_publish(&r->q);
}

static void reap(struct ring *r, unsigned n)
{
	unsigned head;
	uint32_t len;

	while (n-- > 0)
		assert_true(fake_vq_reap(&r->drv, &head, &len));
}

/* The event word for the @n-th entry since the start, in rings of 8; @n runs free. */
static uint16_t event_of(const struct ring *r, unsigned n)
{
	return r->drv.packed ? u16_of(n % 8 | (n / 8 % 2 ? 0 : 0x8000)) : u16_of(n);
}

/* @n requests all the way, in batches of one. */
static void run(struct ring *r, unsigned n)
{
	while (n-- > 0) {
		give(r, 1);
		use(r, 1);
		reap(r, 1);
	}
}

/* ---- used entries */

/* dev.used.len-first */
static void used_entries_appear_together_when_they_are_published(void **state)
{
	struct ring *r = *state;
	unsigned head;
	uint32_t len;

	for (unsigned i = 0; i < 3; i++)
		assert_true(fake_vq_add(&r->drv, &r->in, 1) >= 0);
	fake_vq_publish(&r->drv);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
		vq_push(&r->q, r->c.head, 60 + i);
		assert_int_equal(fake_vq_nr_used(&r->drv), 0);
	}
	vq_publish(&r->q);
	assert_int_equal(fake_vq_nr_used(&r->drv), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(fake_vq_reap(&r->drv, &head, &len));
		assert_int_equal(head, i);
		assert_int_equal(len, 60 + i);
	}
}

/* dev.used.id-valid */
static void requests_may_be_finished_in_any_order_each_once(void **state)
{
	struct ring *r = *state;
	uint16_t head[4];

	give(r, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
		head[i] = r->c.head;
	}
	vq_push(&r->q, head[2], 0);
	vq_push(&r->q, head[0], 0);
	vq_push(&r->q, head[3], 0);
	vq_push(&r->q, head[1], 0);
	vq_publish(&r->q);
	reap(r, 4); /* ends the process when a head is not outstanding */
	assert_int_equal(r->drv.nr_free, 8);
}

static void publishing_nothing_writes_nothing(void **state)
{
	struct ring *r = *state;

	memset(fake_at(&r->m, r->drv.addr.used, 4), 0x5a, 4);
	ring_remember(r);
	vq_publish(&r->q);
	ring_is_as_remembered(r);
}

static void a_ring_goes_round_as_often_as_it_is_used(void **state)
{
	struct ring *r = *state;

	for (unsigned total = 0; total < 70000; total += 7) {
		give(r, 7);
		use(r, 7);
		reap(r, 7);
	}
	if (!r->drv.packed)
		assert_int_equal(le16toh(r->drv.used->idx), 70000 - 65536);
	assert_int_equal(r->drv.nr_free, 8);
}

/* dev.desc.no-write-table: the ring code itself writes the used ring only */
static void descriptors_and_available_ring_are_never_written(void **state)
{
	struct ring *r = *state;
	uint8_t before[16 * 8 + 6 + 2 * 8];

	for (unsigned turn = 0; turn < 2; turn++) {
		ring_start(r, 8, turn ? EVENT_IDX : 0);
		give(r, 8);
		memcpy(before, r->drv.desc, sizeof(before)); /* the available ring follows */
		vq_kicks_off(&r->q);
		use(r, 8);
		vq_want_interrupt(&r->q);
		vq_kicks_on(&r->q);
		assert_memory_equal(before, r->drv.desc, sizeof(before));
	}
	for (unsigned i = 0; i < r->out.len; i++)
		assert_int_equal(*(uint8_t *)fake_at(&r->m, r->out.addr + i, 1), i);
}

/* ---- interrupts without EVENT_IDX */

/* dev.notif.must, dev.notif.suppress */
static void a_flag_of_the_driver_decides_about_interrupts(void **state)
{
	struct ring *r = *state;

	give(r, 3);
	use(r, 1);
	assert_true(vq_want_interrupt(&r->q));
	fake_vq_irq_off(&r->drv);
	use(r, 1);
	assert_false(vq_want_interrupt(&r->q));
	fake_vq_irq_on(&r->drv);
	use(r, 1);
	assert_true(vq_want_interrupt(&r->q));
}

/* dev.notif.ignore-used-event */
static void used_event_is_ignored_without_the_feature(void **state)
{
	struct ring *r = *state;

	for (unsigned event = 0; event < 65536; event += 257) {
		fake_vq_raw_used_event(&r->drv, u16_of(event));
		give(r, 1);
		use(r, 1);
		assert_true(vq_want_interrupt(&r->q));
		reap(r, 1);
	}
}

static void a_batch_is_announced_once(void **state)
{
	struct ring *r = *state;

	give(r, 5);
	use(r, 5);
	assert_true(vq_want_interrupt(&r->q));
	assert_false(vq_want_interrupt(&r->q));
	vq_publish(&r->q);
	assert_false(vq_want_interrupt(&r->q));
}

static void unpublished_entries_are_no_reason_for_an_interrupt(void **state)
{
	struct ring *r = *state;

	give(r, 1);
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
	vq_push(&r->q, r->c.head, 0);
	assert_false(vq_want_interrupt(&r->q));
	vq_publish(&r->q);
	assert_true(vq_want_interrupt(&r->q));
}

/* ---- interrupts with EVENT_IDX */

/* dev.event_idx.ignore-flags */
static void the_flag_is_ignored_with_event_idx(void **state)
{
	struct ring *r = *state;

	ring_start(r, 8, EVENT_IDX);
	r->drv.avail->flags = htole16(VRING_AVAIL_F_NO_INTERRUPT);
	give(r, 1);
	use(r, 1);
	assert_true(vq_want_interrupt(&r->q));
}

/* dev.event_idx.suppress */
static void no_interrupt_while_used_event_is_ahead(void **state)
{
	struct ring *r = *state;
	unsigned wanted = 0;

	ring_start(r, 8, EVENT_IDX);
	fake_vq_raw_used_event(&r->drv, event_of(r, 5));
	for (unsigned i = 0; i < 8; i++) {
		give(r, 1);
		use(r, 1);
		if (vq_want_interrupt(&r->q)) {
			wanted++;
			assert_int_equal(i, 5);
		}
		reap(r, 1);
	}
	assert_int_equal(wanted, 1);
}

/* dev.event_idx.must: judged entry by entry, over both wraps of the index */
static void an_interrupt_follows_exactly_when_a_batch_passes_used_event(void **state)
{
	struct ring *r = *state;
	/* After how many entries an event looks the same again. */
	const unsigned period = r->drv.packed ? 16 : 65536;
	unsigned seed = 1, done = 65536;

	ring_start(r, 8, EVENT_IDX);
	for (unsigned turn = 0; turn < 40000; turn++) {
		unsigned n, event;
		bool expected = false;

		seed = seed * 1103515245u + 12345u;
		n = 1 + (seed >> 16) % 8;
		/* from 8 behind to 16 ahead of where we are, now and then anywhere */
		event = turn % 13 ? done + (seed >> 8) % 24 - 8 : seed >> 12;
		fake_vq_raw_used_event(&r->drv, event_of(r, event));
		give(r, n);
		use(r, n);
		for (unsigned i = 0; i < n; i++)
			expected |= (done + i - event) % period == 0;
		assert_int_equal(vq_want_interrupt(&r->q), expected);
		reap(r, n);
		done += n;
	}
}

static void a_silent_round_of_the_index_does_not_hide_a_wanted_interrupt(void **state)
{
	struct ring *r = *state;

	ring_start(r, 8, EVENT_IDX);
	for (unsigned i = 0; i < 65536 - 4; i++) {
		fake_vq_raw_used_event(&r->drv, u16_of((i + 100) & 0xffff));
		run(r, 1);
		assert_false(vq_want_interrupt(&r->q));
	}
	fake_vq_raw_used_event(&r->drv, 65536 - 3);
	give(r, 8);
	use(r, 8);
	assert_true(vq_want_interrupt(&r->q));
}

/* ---- kicks */

/* dev.notif.used-flags-01 */
static void kicks_are_asked_for_by_a_flag_without_event_idx(void **state)
{
	struct ring *r = *state;

	assert_true(fake_vq_wants_kick(&r->drv));
	vq_kicks_off(&r->q);
	assert_false(fake_vq_wants_kick(&r->drv));
	if (!r->drv.packed)
		assert_int_equal(le16toh(r->drv.used->flags), 1);
	assert_false(vq_kicks_on(&r->q));
	assert_true(fake_vq_wants_kick(&r->drv));
	if (!r->drv.packed)
		assert_int_equal(r->drv.used->flags, 0);
}

/* dev.event_idx.no-tail-write */
static void avail_event_is_not_touched_without_the_feature(void **state)
{
	struct ring *r = *state;
	void *tail = &r->drv.used->ring[8];

	memset(tail, 0x5a, 2);
	for (unsigned i = 0; i < 16; i++) {
		vq_kicks_off(&r->q);
		run(r, 1);
		vq_kicks_on(&r->q);
	}
	assert_int_equal(fake_vq_raw_avail_event(&r->drv), 0x5a5a);
}

/* dev.event_idx.used-flags-0 */
static void kicks_are_asked_for_by_an_event_with_the_feature(void **state)
{
	struct ring *r = *state;

	ring_start(r, 8, EVENT_IDX);
	for (unsigned i = 0; i < 70000; i += 2) {
		assert_false(vq_kicks_on(&r->q));
		assert_int_equal(fake_vq_raw_avail_event(&r->drv), event_of(r, i));
		give(r, 1);
		assert_true(fake_vq_wants_kick(&r->drv));
		vq_kicks_off(&r->q);
		give(r, 1);
		assert_false(fake_vq_wants_kick(&r->drv));
		use(r, 2);
		reap(r, 2);
		if (!r->drv.packed)
			assert_int_equal(r->drv.used->flags, 0);
	}
}

/* dev.notif.recheck */
static void asking_for_kicks_tells_of_requests_that_slipped_in(void **state)
{
	struct ring *r = *state;

	for (unsigned turn = 0; turn < 2; turn++) {
		ring_start(r, 8, turn ? EVENT_IDX : 0);
		vq_kicks_off(&r->q);
		assert_int_equal(vq_pop(&r->q, &r->c), 0);
		give(r, 2);
		assert_true(vq_kicks_on(&r->q));
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
		assert_true(vq_kicks_on(&r->q)); /* the second one is still there */
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
		assert_false(vq_kicks_on(&r->q));
		vq_unpop(&r->q, 1);
		assert_true(vq_kicks_on(&r->q));
	}
}

static void a_broken_index_counts_as_work(void **state)
{
	struct ring *r = *state;

	fake_vq_raw_avail_idx(&r->drv, 0x4000);
	assert_true(vq_kicks_on(&r->q));
	assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
}

/* ---- served by somebody else meanwhile */

static void a_queue_goes_on_where_somebody_else_left_it(void **state)
{
	struct ring *r = *state;
	struct vq other;

	for (unsigned i = 0; i < 3 * 65536 / 5; i++) {
		vq_start(&other, &r->m.gmem, &r->drv.addr, vq_features_of(r->layout));
		assert_int_equal(vq_resume(&other, vq_position(&r->q)), 0);
		give(r, 3);
		r->c.iov = r->iov;
		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(vq_pop(&other, &r->c), 1);
			vq_push(&other, r->c.head, 0);
		}
		vq_publish(&other);
		assert_int_equal(vq_resume(&r->q, vq_position(&other)), 0);
		reap(r, 3);
		give(r, 2);
		use(r, 2);
		reap(r, 2);
	}
	assert_int_equal(vq_pop(&r->q, &r->c), 0);
}

static void requests_in_flight_elsewhere_still_count(void **state)
{
	struct ring *r = *state;

	/* Five of eight were taken and not returned: three more may come, and no fourth. */
	give(r, 8);
	assert_int_equal(vq_resume(&r->q, 5), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
	assert_int_equal(vq_pop(&r->q, &r->c), 0);
	assert_int_equal(vq_resume(&r->q, 5), 0);
	fake_vq_raw_avail_idx(&r->drv, 9);
	assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
}

static void a_place_that_cannot_be_is_refused(void **state)
{
	struct ring *r = *state;

	run(r, 3);
	assert_int_equal(vq_resume(&r->q, 2), -EPROTO);
	assert_int_equal(vq_resume(&r->q, 3 + 9), -EPROTO);
	assert_int_equal(vq_resume(&r->q, 65536 + 3), -EPROTO);
	assert_int_equal(vq_resume(&r->q, UINT32_MAX), -EPROTO);
	assert_non_null(r->q.why);
	assert_int_equal(vq_resume(&r->q, 3 + 8), 0);
	assert_int_equal(vq_resume(&r->q, 3), 0);
	run(r, 1);
	vq_stop(&r->q);
	assert_int_equal(vq_resume(&r->q, 77), 0); /* nothing to do */
	assert_int_equal(vq_position(&r->q), 0);
}

/* ---- ids that are none, for who provokes */

static void free_ids_are(const struct ring *r, const unsigned *want, unsigned nr)
{
	uint16_t ids[VQ_NUM_MAX];

	assert_int_equal(vq_free_ids(&r->q, ids), nr);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(ids[i], want[i]);
}

static void ids_are_free_under_which_nothing_is_offered(void **state)
{
	const unsigned before[] = {1, 2, 3, 4, 5, 6, 7}, later[] = {3, 4, 5, 6, 7, 0, 1};
	struct ring *r = *state;

	give(r, 1);
	free_ids_are(r, before, 7); /* the device has not taken it */
	give(r, 2);
	use(r, 2);
	free_ids_are(r, later, 7); /* the longest not used first */

	/* Taken: only a packed ring knows which. Pushed and not shown: only a split one. */
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
	free_ids_are(r, later, r->drv.packed ? 7 : 0);
	vq_push(&r->q, r->c.head, 0);
	free_ids_are(r, later, r->drv.packed ? 0 : 7);
	vq_stop(&r->q);
	free_ids_are(r, NULL, 0);
}

static void no_part_of_a_chain_is_free(void **state)
{
	const struct fake_buf two[] = {((struct ring *)*state)->out, ((struct ring *)*state)->in};
	const unsigned free[] = {2, 3, 4, 5, 6, 7};
	struct ring *r = *state;

	assert_int_equal(fake_vq_add(&r->drv, two, 2), 0);
	fake_vq_publish(&r->drv);
	free_ids_are(r, free, 6);
	/* However it goes on: round, and out of the ring. */
	r->drv.desc[1].flags |= VRING_DESC_F_NEXT;
	r->drv.desc[1].next = 0;
	free_ids_are(r, free, 6);
	r->drv.desc[1].next = 8;
	free_ids_are(r, free, 6);
	r->drv.avail->ring[0] = 8;
	free_ids_are(r, (unsigned[]){2, 3, 4, 5, 6, 7, 1, 0}, 8);
}

static void a_chain_has_a_second_descriptor_or_not(void **state)
{
	const struct fake_buf two[] = {((struct ring *)*state)->out, ((struct ring *)*state)->in};
	struct ring *r = *state;
	int head;

	assert_int_equal(fake_vq_add(&r->drv, two, 2), 0);
	assert_int_equal(vq_second(&r->q, 0), r->drv.packed ? -ENOENT : 1);
	assert_int_equal(vq_second(&r->q, 1), -ENOENT);
	assert_int_equal(vq_second(&r->q, 8), -ENOENT);
	assert_int_equal(vq_second(&r->q, UINT32_MAX), -ENOENT);
	head = fake_vq_add_table(&r->drv, two, 2, 0);
	assert_true(head > 0);
	assert_int_equal(vq_second(&r->q, (uint32_t)head), -ENOENT);
	vq_stop(&r->q);
	assert_int_equal(vq_second(&r->q, 0), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		RING_EACH(used_entries_appear_together_when_they_are_published),
		RING_ANY_ORDER(requests_may_be_finished_in_any_order_each_once),
		RING_EACH(publishing_nothing_writes_nothing),
		RING_EACH(a_ring_goes_round_as_often_as_it_is_used),
		RING_SPLIT(descriptors_and_available_ring_are_never_written),
		RING_EACH(a_flag_of_the_driver_decides_about_interrupts),
		RING_EACH(used_event_is_ignored_without_the_feature),
		RING_EACH(a_batch_is_announced_once),
		RING_EACH(unpublished_entries_are_no_reason_for_an_interrupt),
		RING_SPLIT(the_flag_is_ignored_with_event_idx),
		RING_EACH(no_interrupt_while_used_event_is_ahead),
		RING_EACH(an_interrupt_follows_exactly_when_a_batch_passes_used_event),
		RING_SPLIT(a_silent_round_of_the_index_does_not_hide_a_wanted_interrupt),
		RING_EACH(kicks_are_asked_for_by_a_flag_without_event_idx),
		RING_SPLIT(avail_event_is_not_touched_without_the_feature),
		RING_EACH(kicks_are_asked_for_by_an_event_with_the_feature),
		RING_EACH(asking_for_kicks_tells_of_requests_that_slipped_in),
		RING_EACH(a_broken_index_counts_as_work),
		RING_EACH(a_queue_goes_on_where_somebody_else_left_it),
		RING_SPLIT(requests_in_flight_elsewhere_still_count),
		RING_SPLIT(a_place_that_cannot_be_is_refused),
		RING_ANY_ORDER(ids_are_free_under_which_nothing_is_offered),
		RING_SPLIT(no_part_of_a_chain_is_free),
		RING_ANY_ORDER(a_chain_has_a_second_descriptor_or_not),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
