/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_iov.h"
#include "vmm/core/compiler.h"

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
			assert_int_equal(iov_get(s.iov, 6, off, out, len), want);
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
			assert_int_equal(iov_put(s.iov, 6, off, in, len), want);
			for (size_t i = 0; i < BYTES; i++)
				assert_int_equal(s.data[i], i >= off && i < off + want
				                                    ? 0xcc
				                                    : before.data[i]);
			scatter(&s);
			iov_zero(s.iov, 6, off, len);
			for (size_t i = 0; i < BYTES; i++)
				assert_int_equal(s.data[i],
				                 i >= off && i < off + want ? 0 : before.data[i]);
		}
	}
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
			assert_int_equal(iov_bytes(out, n), len);
			assert_int_equal(iov_get(out, n, 0, got, BYTES), len);
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
	assert_int_equal(iov_bytes(out, iov_cut(s.iov, 6, 39, 100, out, 7)), 39);
	assert_int_equal(iov_bytes(out, iov_cut(s.iov, 6, 50, 100, out, 7)), BYTES);
	assert_int_equal(iov_cut(s.iov, 6, 0, 100, out, 7), 0);
	assert_int_equal(iov_cut(s.iov, 0, 0, 12, out, 7), 0);
}

static void cut_never_writes_more_than_room(unused void **state)
{
	struct scattered s;
	struct iovec out[7];

	scatter(&s);
	for (int room = 0; room < 7; room++) {
		memset(out, 0x77, sizeof(out));
		/* Cuts the piece of 20 in two: five pieces. */
		assert_int_equal(iov_cut(s.iov, 6, 15, 17, out, room), room < 5 ? -ENOBUFS : 5);
		for (int i = room; i < 7; i++)
			assert_int_equal(out[i].iov_len, 0x7777777777777777);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_summed_up),
		cmocka_unit_test(any_range_is_copied_out),
		cmocka_unit_test(any_range_is_copied_in_and_nothing_else),
		cmocka_unit_test(cut_leaves_the_rest_in_order),
		cmocka_unit_test(cut_behind_the_end_takes_what_there_is),
		cmocka_unit_test(cut_never_writes_more_than_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
