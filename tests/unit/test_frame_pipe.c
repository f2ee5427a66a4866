/* SPDX-License-Identifier: Apache-2.0 */
/* Frames come out as they went in, in order and in one piece, and never more than fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/frame_pipe.h"

#define SIZE 4096u

static uint8_t byte_of(unsigned nr, size_t at)
{
	return (uint8_t)(nr * 13 + at);
}

static bool put(struct frame_pipe *p, unsigned nr, size_t len)
{
	uint8_t *to = frame_pipe_room(p, len);

	if (!to)
		return false;
	assert_int_equal((uintptr_t)to % 8, 0);
	for (size_t i = 0; i < len; i++)
		to[i] = byte_of(nr, i);
	frame_pipe_push(p, len);
	return true;
}

static bool get(struct frame_pipe *p, unsigned nr, size_t len)
{
	size_t got;
	const uint8_t *from = frame_pipe_front(p, &got);

	if (!from)
		return false;
	assert_int_equal(got, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(from[i], byte_of(nr, i));
	frame_pipe_pop(p);
	return true;
}

static size_t length_of(unsigned nr)
{
	return 1 + nr * 37 % (SIZE / 4);
}

static void frames_come_out_in_order_over_the_end_of_the_block(unused void **state)
{
	struct frame_pipe p;
	unsigned in = 0, out = 0;

	assert_int_equal(frame_pipe_init(&p, SIZE), 0);
	while (out < 5000) {
		while (put(&p, in, length_of(in)))
			in++;
		assert_true(in > out);
		for (unsigned n = 1 + out % 3; n && get(&p, out, length_of(out)); n--)
			out++;
	}
	while (get(&p, out, length_of(out)))
		out++;
	assert_int_equal(in, out);
	frame_pipe_free(&p);
}

static void largest_frame_fits_wherever_an_empty_pipe_stands(unused void **state)
{
	struct frame_pipe p;

	assert_int_equal(frame_pipe_init(&p, SIZE), 0);
	for (unsigned i = 0; i < 3 * SIZE; i++) {
		assert_true(put(&p, i, 1 + i % 9));
		assert_true(get(&p, i, 1 + i % 9));
		assert_true(put(&p, i, SIZE / 4));
		assert_true(get(&p, i, SIZE / 4));
	}
	assert_null(frame_pipe_room(&p, SIZE / 4 + 1));
	assert_null(frame_pipe_room(&p, 0));
	frame_pipe_free(&p);
}

static void full_pipe_refuses_and_keeps_what_it_has(unused void **state)
{
	struct frame_pipe p;
	unsigned nr = 0;

	assert_int_equal(frame_pipe_init(&p, SIZE), 0);
	while (put(&p, nr, 100))
		nr++;
	assert_int_equal(nr, SIZE / 112);
	for (unsigned i = 0; i < nr; i++)
		assert_true(get(&p, i, 100));
	assert_true(frame_pipe_empty(&p));
	assert_false(get(&p, 0, 0));
	frame_pipe_free(&p);
}

static void room_that_was_not_used_is_nothing(unused void **state)
{
	struct frame_pipe p;

	assert_int_equal(frame_pipe_init(&p, SIZE), 0);
	for (unsigned i = 0; i < 2 * SIZE; i++) {
		assert_non_null(frame_pipe_room(&p, 1 + i % 1000));
		assert_true(frame_pipe_empty(&p));
		assert_true(put(&p, i, 1 + i * 7 % 60));
		assert_non_null(frame_pipe_room(&p, 1000));
		assert_true(get(&p, i, 1 + i * 7 % 60));
	}
	/* Fewer bytes than there was room for. */
	for (unsigned i = 0; i < 2 * SIZE; i++) {
		memset(frame_pipe_room(&p, 900), byte_of(i, 0), 1);
		frame_pipe_push(&p, 1);
		assert_true(get(&p, i, 1));
	}
	frame_pipe_free(&p);
}

static void cleared_pipe_is_empty_and_says_how_many_there_were(unused void **state)
{
	struct frame_pipe p;

	assert_int_equal(frame_pipe_init(&p, SIZE), 0);
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 5; i++)
			assert_true(put(&p, i, length_of(i + round) % 500 + 1));
		assert_int_equal(frame_pipe_clear(&p), 5);
		assert_true(frame_pipe_empty(&p));
	}
	frame_pipe_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_out_in_order_over_the_end_of_the_block),
		cmocka_unit_test(largest_frame_fits_wherever_an_empty_pipe_stands),
		cmocka_unit_test(full_pipe_refuses_and_keeps_what_it_has),
		cmocka_unit_test(room_that_was_not_used_is_nothing),
		cmocka_unit_test(cleared_pipe_is_empty_and_says_how_many_there_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
