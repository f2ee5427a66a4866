/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only a packed ring has (virtio 1.2, 2.8). What it has in common with a split one: RING_EACH() in the
 * other test_vq*.c. A comment before a case is the id of the clause in the standard's list that it holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/uio.h>

#include "devices/virtio_watch.h"
#include "devices/vq.h"
#include "tests/lib/fake_packed.h"
#include "tests/lib/ring.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define NEXT      VRING_DESC_F_NEXT
#define WRITE     VRING_DESC_F_WRITE
#define TABLE     VRING_DESC_F_INDIRECT
#define WRAP      0x8000u

static void give(struct ring *r, unsigned pieces)
{
	struct fake_buf b[32];

	for (unsigned i = 0; i < pieces; i++)
		b[i] = fake_part(r->out, i, 1);
	assert_true(fake_vq_add(&r->drv, b, pieces) >= 0);
	fake_vq_publish(&r->drv);
}

static void pop(struct ring *r)
{
	assert_int_equal(vq_pop(&r->q, &r->c), 1);
}

static uint16_t flags_at(const struct ring *r, unsigned slot)
{
	return le16toh(r->drv.packed_desc[slot].flags) & (FAKE_AVAIL | FAKE_USED);
}

/* ---- what vq_check() thinks of addresses */

static void every_size_up_to_the_limit_is_taken(void **state)
{
	struct ring *r = *state;
	struct vq_addr a = r->drv.addr;

	a.desc = FAKE_MEM_BASE;
	for (a.num = 1; a.num <= VQ_NUM_MAX; a.num++)
		assert_int_equal(vq_check(&r->m.gmem, &a, true), 0);
	assert_int_equal(vq_check(&r->m.gmem, &a, true), -EINVAL);
	a.num = UINT32_MAX;
	assert_int_equal(vq_check(&r->m.gmem, &a, true), -EINVAL);
	a.num = 0;
	assert_int_equal(vq_check(&r->m.gmem, &a, true), -EINVAL);
}

static void misaligned_parts_are_refused(void **state)
{
	struct ring *r = *state;
	struct vq_addr a = r->drv.addr;

	a.desc += 8;
	assert_int_equal(vq_check(&r->m.gmem, &a, true), -EINVAL);
	a = r->drv.addr;
	a.avail += 2;
	assert_int_equal(vq_check(&r->m.gmem, &a, true), -EINVAL);
	a = r->drv.addr;
	a.used += 2;
	assert_int_equal(vq_check(&r->m.gmem, &a, true), -EINVAL);
}

static void each_part_must_lie_in_memory(void **state)
{
	struct ring *r = *state;
	const gpa_t nowhere[] = {0, FAKE_MEM_BASE - 16, r->m.end, UINT64_MAX - 15};
	struct vq_addr a = {8, r->m.end - 16 * 8, r->m.end - 4, r->m.end - 4};

	assert_int_equal(vq_check(&r->m.gmem, &a, true), 0);
	a.desc += 16;
	assert_int_equal(vq_check(&r->m.gmem, &a, true), -EFAULT);
	for (unsigned i = 0; i < ARRAY_SIZE(nowhere); i++) {
		a = r->drv.addr;
		a.desc = nowhere[i];
		assert_int_equal(vq_check(&r->m.gmem, &a, true), -EFAULT);
		a = r->drv.addr;
		a.avail = nowhere[i];
		assert_int_equal(vq_check(&r->m.gmem, &a, true), -EFAULT);
		a = r->drv.addr;
		a.used = nowhere[i];
		assert_int_equal(vq_check(&r->m.gmem, &a, true), -EFAULT);
	}
}

/* ---- round and round */

/*
 * dev.packed.any-size, dev.packed.one-used-per-list, dev.packed.start-in-order, dev.packed.id-from-last,
 * dev.packed.list-order
 */
static void rings_of_every_size_go_round_with_lists_of_every_length(void **state)
{
	static const unsigned sizes[] = {1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 17, 100, 1000, 1024};
	struct ring *r = *state;
	unsigned seed = 1, head;
	uint32_t len;

	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		const unsigned longest = min_u32(sizes[s], 20);

		ring_start(r, sizes[s], 0);
		for (unsigned turn = 0; turn < 3000; turn++) {
			const unsigned n =
				1 + (seed = seed * 1103515245u + 12345u) / 65536 % longest;

			give(r, n);
			pop(r);
			assert_int_equal(r->c.nr_out, n);
			assert_int_equal(r->c.entries, n);
			for (unsigned i = 0; i < n; i++)
				assert_ptr_equal(r->c.iov[i].iov_base,
				                 fake_at(&r->m, r->out.addr + i, 1));
			assert_int_equal(vq_pop(&r->q, &r->c), 0);
			vq_push(&r->q, r->c.head, 0);
			vq_publish(&r->q);
			assert_true(fake_vq_reap(&r->drv, &head, &len));
			assert_int_equal(head, r->c.head);
		}
		assert_int_equal(r->drv.nr_free, sizes[s]);
	}
}

/* dev.packed.write-in-order: as they are finished, wherever they stood */
static void lists_of_different_lengths_are_finished_in_any_order(void **state)
{
	struct ring *r = *state;
	uint16_t head[4];
	unsigned id;
	uint32_t len;

	ring_start(r, 11, 0);
	for (unsigned turn = 0; turn < 200; turn++) {
		for (unsigned i = 0; i < 4; i++) {
			give(r, 1 + (turn + i) % 4);
			pop(r);
			head[i] = r->c.head;
		}
		for (unsigned i = 0; i < 4; i++)
			vq_push(&r->q, head[(i + turn) % 4], 0);
		vq_publish(&r->q);
		for (unsigned i = 0; i < 4; i++) {
			assert_true(fake_vq_reap(&r->drv, &id, &len));
			assert_int_equal(id, head[(i + turn) % 4]);
		}
		assert_int_equal(r->drv.nr_free, 11);
	}
}

static void lists_given_back_behind_one_that_is_used_come_again(void **state)
{
	struct ring *r = *state;
	uint16_t head[3];

	ring_start(r, 7, 0);
	for (unsigned i = 0; i < 3; i++) {
		give(r, 1 + i);
		pop(r);
		head[i] = r->c.head;
	}
	vq_push(&r->q, head[1], 0); /* written where the first one stood */
	vq_unpop(&r->q, 1);
	vq_publish(&r->q);
	pop(r);
	assert_int_equal(r->c.head, head[2]);
	assert_int_equal(r->c.nr_out, 3);
}

/* ---- whose a descriptor is */

/* dev.packed.avail-flip */
static void what_is_left_from_the_lap_before_is_not_taken(void **state)
{
	struct ring *r = *state;

	for (unsigned lap = 0; lap < 5; lap++) {
		give(r, 8); /* seven of eight slots keep the flags that the driver wrote */
		ring_turn_over(r, 1);
		assert_int_equal(vq_pop(&r->q, &r->c), 0);
		assert_false(vq_kicks_on(&r->q));
	}
}

/* dev.packed.avail-flip */
static void flags_of_another_lap_are_not_available(void **state)
{
	struct ring *r = *state;

	for (unsigned flags = 0; flags < 4; flags++) {
		const unsigned bits = (flags & 1 ? FAKE_AVAIL : 0) | (flags & 2 ? FAKE_USED : 0);

		for (unsigned lap = 0; lap < 2; lap++) {
			ring_start(r, 8, 0);
			assert_int_equal(vq_resume(&r->q, lap ? 0 : WRAP | WRAP << 16), 0);
			ring_desc(r, 0, r->out, bits, 0);
			assert_int_equal(vq_pop(&r->q, &r->c),
			                 bits == (lap ? FAKE_USED : FAKE_AVAIL));
		}
	}
}

static void descriptors_in_flight_that_are_offered_again_are_refused(void **state)
{
	struct ring *r = *state;

	ring_start(r, 5, 0);
	for (unsigned i = 0; i < 5; i++) {
		give(r, 1);
		pop(r);
	}
	assert_int_equal(vq_pop(&r->q, &r->c), 0);
	fake_vq_raw_head(&r->drv, 0);
	fake_vq_publish(&r->drv);
	assert_true(vq_kicks_on(&r->q));
	assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
	assert_string_equal(r->q.why, "more requests than the ring has entries");
}

static void a_list_into_descriptors_in_flight_is_refused(void **state)
{
	struct ring *r = *state;

	for (unsigned taken = 0; taken < 5; taken++) {
		ring_start(r, 5, 0);
		for (unsigned i = 0; i < taken; i++) {
			give(r, 1);
			pop(r);
		}
		for (unsigned i = 0; i < 5; i++)
			r->drv.packed_desc[i] = (struct vring_packed_desc){
				htole64(r->out.addr), htole32(1), 0, htole16(NEXT | FAKE_AVAIL)};
		assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
		assert_string_equal(r->q.why, "chain longer than what is free of the ring");
	}
}

static void ids_are_any_numbers_even_the_same(void **state)
{
	static const uint16_t ids[] = {UINT16_MAX, 8, 1024, 0, UINT16_MAX, 300};
	struct ring *r = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
		fake_vq_raw_desc(&r->drv, i,
		                 (struct vring_desc){r->out.addr, 1, FAKE_AVAIL, ids[i]});
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		pop(r);
		assert_int_equal(r->c.head, ids[i]);
	}
	for (unsigned i = ARRAY_SIZE(ids); i > 0; i--)
		vq_push(&r->q, ids[i - 1], 0);
	vq_publish(&r->q);
	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		assert_int_equal(flags_at(r, i), FAKE_AVAIL | FAKE_USED);
		assert_int_equal(le16toh(r->drv.packed_desc[i].id), ids[ARRAY_SIZE(ids) - 1 - i]);
	}
}

static void a_table_behind_another_descriptor_is_refused(void **state)
{
	struct ring *r = *state;

	ring_start(r, 8, INDIRECT);
	ring_desc(r, 0, r->out, NEXT, 0);
	ring_desc(r, 1, ring_table(r, 2, 0), TABLE, 0);
	ring_refuses(r, "indirect table behind another descriptor");
}

/* ---- used descriptors */

/* dev.packed.used-write-flag */
static void a_used_descriptor_says_whether_something_was_written(void **state)
{
	struct ring *r = *state;

	for (unsigned i = 0; i < 2; i++) {
		assert_true(fake_vq_add(&r->drv, &r->in, 1) >= 0);
		fake_vq_publish(&r->drv);
		pop(r);
		vq_push(&r->q, r->c.head, i * 60);
	}
	vq_publish(&r->q);
	assert_false(le16toh(r->drv.packed_desc[0].flags) & WRITE);
	assert_true(le16toh(r->drv.packed_desc[1].flags) & WRITE);
	assert_int_equal(le32toh(r->drv.packed_desc[1].len), 60);
}

/* The flags of the first one are written last. */
/* dev.rx.publish-together */
static void a_batch_becomes_visible_by_the_flags_of_its_first_descriptor(void **state)
{
	struct ring *r = *state;

	ring_start(r, 5, 0);
	for (unsigned turn = 0; turn < 20; turn++) {
		const unsigned first = r->drv.at_used.slot;

		for (unsigned i = 0; i < 4; i++) {
			give(r, 1);
			pop(r);
			vq_push(&r->q, r->c.head, 0);
			assert_true(flags_at(r, first) == FAKE_AVAIL ||
			            flags_at(r, first) == FAKE_USED);
			assert_int_equal(fake_vq_nr_used(&r->drv), 0);
		}
		vq_publish(&r->q);
		assert_int_equal(fake_vq_nr_used(&r->drv), 4);
		for (unsigned i = 0; i < 4; i++)
			assert_true(fake_vq_reap(&r->drv, &(unsigned){0}, &(uint32_t){0}));
	}
}

/* dev.packed.freeze-used, dev.packed.no-write-readable */
static void only_used_descriptors_are_written_and_those_once(void **state)
{
	struct ring *r = *state;

	give(r, 3);
	give(r, 2);
	pop(r);
	vq_push(&r->q, r->c.head, 0);
	vq_publish(&r->q);
	ring_remember(r);
	pop(r);
	vq_push(&r->q, r->c.head, 0);
	/* Id and length of the next one, at slot 3: nothing else has changed before it is published. */
	((struct vring_packed_desc *)(void *)((char *)r->copy +
	                                      (r->drv.addr.desc - FAKE_MEM_BASE)))[3] =
		r->drv.packed_desc[3];
	ring_is_as_remembered(r);
	assert_int_equal(flags_at(r, 3), FAKE_AVAIL);
}

/* ---- IN_ORDER (virtio 1.2, 2.8.8) */

static void add(struct ring *r, struct fake_buf b, uint32_t written)
{
	assert_true(fake_vq_add(&r->drv, &b, 1) >= 0);
	fake_vq_publish(&r->drv);
	pop(r);
	vq_push(&r->q, r->c.head, written);
}

/* dev.inorder.batch */
static void one_used_descriptor_stands_for_all_that_were_only_read(void **state)
{
	struct ring *r = *state;
	unsigned id;
	uint32_t len;

	ring_start(r, 6, FEATURE(VIRTIO_F_IN_ORDER));
	for (unsigned turn = 0; turn < 30; turn++) {
		const unsigned first = r->drv.at_used.slot;

		for (unsigned i = 0; i < 4; i++)
			add(r, r->out, 0);
		assert_int_equal(fake_vq_nr_used(&r->drv), 0);
		vq_publish(&r->q);
		assert_int_equal(le16toh(r->drv.packed_desc[first].id), r->c.head);
		for (unsigned i = 1; i < 4; i++)
			assert_int_not_equal(!(flags_at(r, (first + i) % 6) & FAKE_AVAIL),
			                     !(flags_at(r, (first + i) % 6) & FAKE_USED));
		assert_int_equal(fake_vq_nr_used(&r->drv), 4);
		for (unsigned i = 0; i < 4; i++) {
			assert_true(fake_vq_reap(&r->drv, &id, &len));
			assert_int_equal(len, 0);
		}
		assert_int_equal(id, r->c.head);
	}
}

/* dev.feat.in-order-kept */
static void each_that_was_written_has_its_length_in_order_too(void **state)
{
	static const bool in[] = {false, false, true, false, true, true, false, false};
	struct ring *r = *state;
	unsigned id;
	uint32_t len;

	ring_start(r, 11, FEATURE(VIRTIO_F_IN_ORDER));
	for (unsigned turn = 0; turn < 30; turn++) {
		for (unsigned i = 0; i < ARRAY_SIZE(in); i++)
			add(r, in[i] ? r->in : r->out, in[i] ? 10 + i : 0);
		vq_publish(&r->q);
		for (unsigned i = 0; i < ARRAY_SIZE(in); i++) {
			assert_true(fake_vq_reap(&r->drv, &id, &len));
			assert_int_equal(len, in[i] ? 10 + i : 0);
		}
		assert_int_equal(r->drv.nr_free, 11);
	}
}

/* ---- interrupts */

/* dev.packed.event-modes */
static void the_mode_of_the_driver_decides_about_interrupts(void **state)
{
	static const struct {
		uint64_t features;
		uint32_t word;
		bool wanted;
	} cases[] = {
		{0, 0u << 16, true},
		{0, 1u << 16, false},
		{0, 2u << 16, true}, /* without EVENT_IDX there is no such mode */
		{0, 2u << 16 | WRAP | 5, true},
		{0, 3u << 16, true},
		{EVENT_IDX, 0u << 16, true},
		{EVENT_IDX, 0u << 16 | 5, true},
		{EVENT_IDX, 1u << 16 | WRAP, false},
		{EVENT_IDX, 2u << 16 | WRAP, true},
		{EVENT_IDX, 2u << 16 | WRAP | 1, true},
		{EVENT_IDX, 2u << 16 | WRAP | 2, false},
		{EVENT_IDX, 2u << 16, false},           /* a lap later */
		{EVENT_IDX, 2u << 16 | WRAP | 8, true}, /* there is no such slot */
		{EVENT_IDX, 2u << 16 | WRAP | 0x7fff, true},
		{EVENT_IDX, 0xfffcu << 16, true}, /* reserved bits */
	};
	struct ring *r = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		ring_start(r, 8, cases[i].features);
		*r->drv.driver_event = htole32(cases[i].word);
		give(r, 2);
		pop(r);
		vq_push(&r->q, r->c.head, 0);
		vq_publish(&r->q);
		assert_int_equal(vq_want_interrupt(&r->q), cases[i].wanted);
	}
}

/* Every batch, from every place, for every event, against the obvious: is it among those that were passed? */
/* dev.packed.event-modes */
static void an_interrupt_follows_exactly_when_the_event_is_passed(void **state)
{
	struct ring *r = *state;

	for (unsigned num = 1; num <= 6; num++)
		for (unsigned from = 0; from < 2 * num; from++)
			for (unsigned n = 1; n <= num; n++)
				for (unsigned event = 0; event < 2 * num; event++) {
					const unsigned at = from % num | (from < num ? WRAP : 0);
					bool passed = false;

					ring_start(r, num, EVENT_IDX);
					r->drv.at_avail = r->drv.at_used = (struct fake_place){
						.slot = u16_of(from % num), .wrap = from < num};
					assert_int_equal(vq_resume(&r->q, at | at << 16), 0);
					fake_vq_raw_used_event(
						&r->drv,
						u16_of(event % num | (event < num ? WRAP : 0)));
					give(r, n);
					ring_turn_over(r, 1);
					for (unsigned i = 0; i < n; i++)
						passed |= (from + i) % (2 * num) == event;
					assert_int_equal(vq_want_interrupt(&r->q), passed);
				}
}

struct notes {
	struct vq_watch watch;
	unsigned wishes;
	uint32_t word;
	bool interrupt;
};

static void on_wish(struct vq_watch *w, uint32_t word, bool interrupt)
{
	struct notes *n = container_of(w, struct notes, watch);

	n->wishes++;
	n->word = word;
	n->interrupt = interrupt;
}

static void a_watch_is_told_what_the_driver_wants_and_gets(void **state)
{
	struct ring *r = *state;
	struct notes n = {.watch.wish = on_wish};

	ring_start(r, 4, EVENT_IDX);
	r->q.watch = &n.watch;
	fake_vq_raw_used_event(&r->drv, WRAP | 1); /* only at the second one */
	for (unsigned i = 0; i < 3; i++) {
		give(r, 1);
		pop(r);
		vq_push(&r->q, r->c.head, 0);
		vq_publish(&r->q);
		assert_int_equal(vq_want_interrupt(&r->q), i == 1);
		assert_int_equal(n.wishes, i + 1);
		assert_int_equal(n.word, VRING_PACKED_EVENT_FLAG_DESC << 16 | WRAP | 1);
		assert_int_equal(n.interrupt, i == 1);
	}
	/* Nothing new, nothing read. */
	assert_false(vq_want_interrupt(&r->q));
	assert_int_equal(n.wishes, 3);
}

static void news_of_more_than_two_laps_have_every_event(void **state)
{
	struct ring *r = *state;

	ring_start(r, 3, EVENT_IDX);
	for (unsigned event = 0; event < 6; event++) {
		fake_vq_raw_used_event(&r->drv, u16_of(event % 3 | (event < 3 ? WRAP : 0)));
		for (unsigned i = 0; i < 70000; i++) {
			give(r, 1);
			ring_turn_over(r, 1);
		}
		assert_true(vq_want_interrupt(&r->q));
		assert_false(vq_want_interrupt(&r->q));
	}
}

/* ---- kicks */

static void the_device_says_in_one_word_when_it_wants_a_kick(void **state)
{
	struct ring *r = *state;

	for (unsigned turn = 0; turn < 2; turn++) {
		ring_start(r, 3, turn ? EVENT_IDX : 0);
		for (unsigned i = 0; i < 12; i++) {
			const unsigned at = i % 3 | (i / 3 % 2 ? 0 : WRAP);

			vq_kicks_off(&r->q);
			assert_int_equal(le32toh(*r->drv.device_event), 1u << 16);
			assert_false(vq_kicks_on(&r->q));
			assert_int_equal(le32toh(*r->drv.device_event), turn ? 2u << 16 | at : 0);
			give(r, 1);
			ring_turn_over(r, 1);
		}
	}
}

static void a_wish_that_the_driver_knows_is_not_written_again(void **state)
{
	struct ring *r = *state;

	vq_kicks_off(&r->q);
	*r->drv.device_event = 0x5a5a5a5a;
	vq_kicks_off(&r->q);
	assert_int_equal(*r->drv.device_event, 0x5a5a5a5a);
	/* Somebody else may have written there meanwhile. */
	assert_int_equal(vq_resume(&r->q, vq_position(&r->q)), 0);
	vq_kicks_off(&r->q);
	assert_int_equal(le32toh(*r->drv.device_event), 1u << 16);
}

/* ---- served by somebody else meanwhile */

static void a_position_has_both_slots_and_both_wrap_counters(void **state)
{
	struct ring *r = *state;

	ring_start(r, 5, 0);
	assert_int_equal(vq_position(&r->q), 0x80008000);
	give(r, 3);
	pop(r);
	assert_int_equal(vq_position(&r->q), 0x80008003);
	give(r, 2);
	pop(r);
	assert_int_equal(vq_position(&r->q),
	                 0x80000000); /* the next request is in the second lap */
	vq_unpop(&r->q, 1);
	assert_int_equal(vq_position(&r->q), 0x80008003);
	vq_unpop(&r->q, 1);
	ring_turn_over(r, 2);
	assert_int_equal(vq_position(&r->q), 0x00000000);
	give(r, 4);
	ring_turn_over(r, 1);
	assert_int_equal(vq_position(&r->q), 0x00040004);
	give(r, 2);
	ring_turn_over(r, 1);
	assert_int_equal(vq_position(&r->q), 0x80018001);
}

static void every_position_that_can_be_is_taken_and_no_other(void **state)
{
	static const unsigned sizes[] = {1, 2, 3, 5, 8};
	struct ring *r = *state;

	for (unsigned s = 0; s < ARRAY_SIZE(sizes); s++) {
		const unsigned num = sizes[s];

		ring_start(r, num, 0);
		for (unsigned i = 0; i < 4 * (num + 2) * (num + 2); i++) {
			const unsigned avail = i / 4 % (num + 2), used = i / 4 / (num + 2);
			const unsigned lap =
				avail + (i & 1 ? 0 : num) + 2 * num - (used + (i & 2 ? 0 : num));
			const bool good = avail < num && used < num && lap % (2 * num) <= num;
			const uint32_t at =
				avail | (i & 1 ? WRAP : 0) | used << 16 | (i & 2 ? WRAP << 16 : 0);

			assert_int_equal(vq_resume(&r->q, at), good ? 0 : -EPROTO);
			if (good)
				assert_int_equal(vq_position(&r->q), at);
			else
				assert_non_null(r->q.why);
		}
		assert_int_equal(vq_resume(&r->q, UINT32_MAX), -EPROTO);
	}
}

static void requests_in_flight_elsewhere_still_count(void **state)
{
	struct ring *r = *state;

	/* Five of eight were taken and not returned: three more may come, and no fourth. */
	for (unsigned i = 0; i < 8; i++)
		give(r, 1);
	assert_int_equal(vq_resume(&r->q, WRAP << 16 | WRAP | 5), 0);
	for (unsigned i = 0; i < 3; i++)
		pop(r);
	assert_int_equal(vq_pop(&r->q, &r->c), 0);
	fake_vq_raw_head(&r->drv, 0);
	fake_vq_publish(&r->drv);
	assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		RING_PACKED(every_size_up_to_the_limit_is_taken),
		RING_PACKED(misaligned_parts_are_refused),
		RING_PACKED(each_part_must_lie_in_memory),
		RING_PACKED(rings_of_every_size_go_round_with_lists_of_every_length),
		RING_PACKED(lists_of_different_lengths_are_finished_in_any_order),
		RING_PACKED(lists_given_back_behind_one_that_is_used_come_again),
		RING_PACKED(what_is_left_from_the_lap_before_is_not_taken),
		RING_PACKED(flags_of_another_lap_are_not_available),
		RING_PACKED(descriptors_in_flight_that_are_offered_again_are_refused),
		RING_PACKED(a_list_into_descriptors_in_flight_is_refused),
		RING_PACKED(ids_are_any_numbers_even_the_same),
		RING_PACKED(a_table_behind_another_descriptor_is_refused),
		RING_PACKED(a_used_descriptor_says_whether_something_was_written),
		RING_PACKED(a_batch_becomes_visible_by_the_flags_of_its_first_descriptor),
		RING_PACKED(only_used_descriptors_are_written_and_those_once),
		RING_PACKED(one_used_descriptor_stands_for_all_that_were_only_read),
		RING_PACKED(each_that_was_written_has_its_length_in_order_too),
		RING_PACKED(the_mode_of_the_driver_decides_about_interrupts),
		RING_PACKED(an_interrupt_follows_exactly_when_the_event_is_passed),
		RING_PACKED(a_watch_is_told_what_the_driver_wants_and_gets),
		RING_PACKED(news_of_more_than_two_laps_have_every_event),
		RING_PACKED(the_device_says_in_one_word_when_it_wants_a_kick),
		RING_PACKED(a_wish_that_the_driver_knows_is_not_written_again),
		RING_PACKED(a_position_has_both_slots_and_both_wrap_counters),
		RING_PACKED(every_position_that_can_be_is_taken_and_no_other),
		RING_PACKED(requests_in_flight_elsewhere_still_count),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
