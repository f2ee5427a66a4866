/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"

#define BYTES 40u

/* 40 bytes that say where they are, in pieces of 0, 1, 11, 0, 20 and 8. */
struct scattered {
	uint8_t data[BYTES];
	struct iovec iov[6];
};

static const size_t pieces[6] = {0, 1, 11, 0, 20, 8};

static void scatter(struct scattered *s)
{
	size_t at = 0;

	for (unsigned i = 0; i < BYTES; i++)
		s->data[i] = (uint8_t)i;
	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
		s->iov[i] = (struct iovec){s->data + at, pieces[i]};
		at += pieces[i];
	}
}

static void bytes_are_summed_up(unused void **state)
{
	struct scattered s;

	scatter(&s);
	assert_int_equal(iov_bytes(s.iov, 6), BYTES);
	assert_int_equal(iov_bytes(s.iov, 0), 0);
}

static void any_range_is_copied_out(unused void **state)
{
	struct scattered s;
	uint8_t out[BYTES + 8];

	scatter(&s);
	for (size_t off = 0; off <= BYTES + 2; off++) {
		for (size_t len = 0; len <= BYTES + 4; len++) {
			size_t there = off >= BYTES ? 0 : BYTES - off;
			size_t want = len < there ? len : there;

			memset(out, 0xee, sizeof(out));
			assert_int_equal(iov_read(s.iov, 6, off, out, len), want);
			if (want)
				assert_memory_equal(out, s.data + off, want);
			assert_int_equal(out[want], 0xee);
		}
	}
}

static void any_range_is_copied_in_and_nothing_else(unused void **state)
{
	struct scattered s, before;
	uint8_t in[BYTES];

	memset(in, 0xcc, sizeof(in));
	for (size_t off = 0; off <= BYTES; off++) {
		for (size_t len = 0; len <= BYTES; len++) {
			size_t want = len < BYTES - off ? len : BYTES - off;

			scatter(&s);
			scatter(&before);
			assert_int_equal(iov_write(s.iov, 6, off, in, len), want);
			for (size_t i = 0; i < BYTES; i++)
				assert_int_equal(s.data[i], i >= off && i < off + want
				                                    ? 0xcc
				                                    : before.data[i]);
			scatter(&s);
			assert_int_equal(iov_zero(s.iov, 6, off, len), want);
			for (size_t i = 0; i < BYTES; i++)
				assert_int_equal(s.data[i],
				                 i >= off && i < off + want ? 0 : before.data[i]);
		}
	}
}

static void nothing_is_copied_out_of_no_pieces(unused void **state)
{
	const struct iovec none = {0};
	uint8_t byte = 0xee;

	assert_int_equal(iov_read(&none, 0, 0, &byte, 1), 0);
	assert_int_equal(iov_write(&none, 0, 0, &byte, 1), 0);
	assert_int_equal(iov_zero(&none, 0, 0, 1), 0);
	assert_int_equal(iov_skip(NULL, 0, 1), 0);
	assert_int_equal(byte, 0xee);
}

static void what_is_left_after_a_skip_begins_behind_it(unused void **state)
{
	struct scattered s;
	uint8_t got[BYTES];

	for (size_t len = 0; len <= BYTES + 2; len++) {
		const size_t left = len < BYTES ? BYTES - len : 0;
		unsigned nr;

		scatter(&s);
		nr = iov_skip(s.iov, 6, len);
		assert_int_equal(iov_bytes(s.iov + nr, 6 - nr), left);
		assert_int_equal(iov_read(s.iov + nr, 6 - nr, 0, got, BYTES), left);
		assert_memory_equal(got, s.data + BYTES - left, left);
		if (len < BYTES)
			assert_int_not_equal(s.iov[nr].iov_len, 0);
		else
			assert_int_equal(nr, 6);
	}
}

static void a_skip_leaves_pieces_alone_that_it_has_used_up(unused void **state)
{
	struct scattered s;

	scatter(&s);
	assert_int_equal(iov_skip(s.iov, 6, 15), 4);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(s.iov[i].iov_len, pieces[i] - (i == 4 ? 3 : 0));
	assert_ptr_equal(s.iov[2].iov_base, s.data + 1);
	assert_ptr_equal(s.iov[4].iov_base, s.data + 15);
}

static void cut_leaves_the_rest_in_order(unused void **state)
{
	struct scattered s;
	struct iovec out[7];
	uint8_t got[BYTES];

	scatter(&s);
	for (size_t from = 0; from <= BYTES; from++) {
		for (size_t to = from; to <= BYTES; to++) {
			int n = iov_cut(s.iov, 6, from, to, out, 7);
			size_t len = BYTES - (to - from);

			assert_true(n >= 0 && n <= 7);
			assert_int_equal(iov_bytes(out, (unsigned)n), len);
			assert_int_equal(iov_read(out, (unsigned)n, 0, got, BYTES), len);
			assert_memory_equal(got, s.data, from);
			assert_memory_equal(got + from, s.data + to, BYTES - to);
			for (int i = 0; i < n; i++)
				assert_int_not_equal(out[i].iov_len, 0);
		}
	}
}

static void cut_behind_the_end_takes_what_there_is(unused void **state)
{
	struct scattered s;
	struct iovec out[7];

	scatter(&s);
	assert_int_equal(iov_cut(s.iov, 6, 39, 100, out, 7), 4);
	assert_int_equal(iov_bytes(out, 4), 39);
	assert_int_equal(iov_cut(s.iov, 6, 50, 100, out, 7), 4);
	assert_int_equal(iov_bytes(out, 4), BYTES);
	assert_int_equal(iov_cut(s.iov, 6, 0, 100, out, 7), 0);
	assert_int_equal(iov_cut(s.iov, 0, 0, 12, out, 7), 0);
}

static void cut_never_writes_more_than_room(unused void **state)
{
	struct scattered s;
	struct iovec out[7];

	scatter(&s);
	for (unsigned room = 0; room < 7; room++) {
		memset(out, 0x77, sizeof(out));
		/* Cuts the piece of 20 in two: five pieces. */
		assert_int_equal(iov_cut(s.iov, 6, 15, 17, out, room), room < 5 ? -ENOBUFS : 5);
		for (unsigned i = room; i < 7; i++)
			assert_int_equal(out[i].iov_len, 0x7777777777777777);
	}
}

static void any_pieces_are_copied_to_any_others(unused void **state)
{
	static const size_t cuts[][3] = {
		{40, 0, 0}, {1, 1, 38}, {0, 12, 30}, {7, 0, 0}, {11, 20, 8}};
	struct scattered s;
	struct iovec to[3];
	uint8_t got[BYTES + 4];

	scatter(&s);
	for (unsigned i = 0; i < ARRAY_SIZE(cuts); i++) {
		for (size_t len = 0; len <= BYTES + 2; len++) {
			const size_t *cut = cuts[i];
			const size_t room = cut[0] + cut[1] + cut[2];
			size_t want = len < room ? len : room;

			want = want < BYTES ? want : BYTES;
			memset(got, 0xee, sizeof(got));
			to[0] = (struct iovec){got, cut[0]};
			to[1] = (struct iovec){got + cut[0], cut[1]};
			to[2] = (struct iovec){got + cut[0] + cut[1], cut[2]};
			assert_int_equal(iov_copy(to, 3, s.iov, 6, len), want);
			assert_memory_equal(got, s.data, want);
			assert_int_equal(got[want], 0xee);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_summed_up),
		cmocka_unit_test(any_range_is_copied_out),
		cmocka_unit_test(any_range_is_copied_in_and_nothing_else),
		cmocka_unit_test(nothing_is_copied_out_of_no_pieces),
		cmocka_unit_test(any_pieces_are_copied_to_any_others),
		cmocka_unit_test(what_is_left_after_a_skip_begins_behind_it),
		cmocka_unit_test(a_skip_leaves_pieces_alone_that_it_has_used_up),
		cmocka_unit_test(cut_leaves_the_rest_in_order),
		cmocka_unit_test(cut_behind_the_end_takes_what_there_is),
		cmocka_unit_test(cut_never_writes_more_than_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
