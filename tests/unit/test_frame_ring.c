/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "vmm/core/compiler.h"
#include "vmm/core/frame_ring.h"

#define SIZE 256u

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seed + i * 7);
}

static ssize_t pop(struct frame_ring *r, uint8_t *out, size_t room, size_t off)
{
	/* In three pieces, so that both the ring's seam and theirs are crossed. */
	struct iovec iov[3] = {{out, 5}, {out + 5, 6}, {out + 11, room - 11}};

	return frame_ring_pop(r, iov, 3, off);
}

static void frames_come_out_in_order_and_whole(unused void **state)
{
	struct frame_ring r;
	uint8_t in[SIZE], out[SIZE];
	unsigned pushed = 0, popped = 0;

	assert_int_equal(frame_ring_init(&r, SIZE), 0);
	srandom(3);
	while (popped < 20000) {
		size_t len = (size_t)(pushed * 13 % 97 + 1);

		fill(in, len, pushed);
		if (random() % 2 && frame_ring_push(&r, in, len) == 0)
			pushed++;
		if (random() % 2 && popped < pushed) {
			size_t want = (size_t)(popped * 13 % 97 + 1);

			memset(out, 0, sizeof(out));
			fill(in, want, popped);
			assert_int_equal(pop(&r, out, sizeof(out), 12), want);
			assert_memory_equal(out + 12, in, want);
			assert_int_equal(out[11], 0);
			popped++;
		}
	}
	frame_ring_free(&r);
}

static void empty_ring_gives_nothing(unused void **state)
{
	struct frame_ring r;
	uint8_t out[64];

	assert_int_equal(frame_ring_init(&r, SIZE), 0);
	assert_true(frame_ring_empty(&r));
	assert_int_equal(pop(&r, out, sizeof(out), 0), 0);
	assert_int_equal(frame_ring_clear(&r), 0);
	frame_ring_free(&r);
	frame_ring_free(&r);
}

static void full_ring_refuses_and_keeps_what_it_has(unused void **state)
{
	struct frame_ring r;
	uint8_t in[SIZE], out[SIZE];

	assert_int_equal(frame_ring_init(&r, SIZE), 0);
	fill(in, sizeof(in), 1);
	assert_int_equal(frame_ring_push(&r, in, SIZE), -ENOBUFS);
	assert_int_equal(frame_ring_push(&r, in, SIZE - 3), -ENOBUFS);
	assert_int_equal(frame_ring_push(&r, in, SIZE - 4), 0); /* exactly full */
	assert_int_equal(frame_ring_push(&r, in, 1), -ENOBUFS);
	assert_int_equal(pop(&r, out, sizeof(out), 0), SIZE - 4);
	assert_memory_equal(out, in, SIZE - 4);
	assert_true(frame_ring_empty(&r));
	for (unsigned i = 0; i < SIZE / 8; i++)
		assert_int_equal(frame_ring_push(&r, in + i, 4), 0);
	assert_int_equal(frame_ring_push(&r, in, 1), -ENOBUFS);
	assert_int_equal(frame_ring_clear(&r), SIZE / 8);
	assert_true(frame_ring_empty(&r));
	frame_ring_free(&r);
}

static void frame_too_large_for_the_reader_is_dropped_alone(unused void **state)
{
	struct frame_ring r;
	uint8_t in[64], out[32];

	assert_int_equal(frame_ring_init(&r, SIZE), 0);
	fill(in, sizeof(in), 9);
	assert_int_equal(frame_ring_push(&r, in, 64), 0);
	assert_int_equal(frame_ring_push(&r, in, 20), 0);
	assert_int_equal(pop(&r, out, sizeof(out), 0), -EMSGSIZE);
	assert_int_equal(pop(&r, out, sizeof(out), 0), 20);
	assert_memory_equal(out, in, 20);
	frame_ring_free(&r);
}

static void nothing_and_giants_are_refused(unused void **state)
{
	struct frame_ring r;
	uint8_t in[8] = {0};

	assert_int_equal(frame_ring_init(&r, SIZE), 0);
	assert_int_equal(frame_ring_push(&r, in, 0), -ENOBUFS);
	assert_int_equal(frame_ring_push(&r, in, SIZE_MAX), -ENOBUFS);
	assert_int_equal(frame_ring_push(&r, in, (size_t)1 << 32), -ENOBUFS);
	assert_true(frame_ring_empty(&r));
	frame_ring_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_out_in_order_and_whole),
		cmocka_unit_test(empty_ring_gives_nothing),
		cmocka_unit_test(full_ring_refuses_and_keeps_what_it_has),
		cmocka_unit_test(frame_too_large_for_the_reader_is_dropped_alone),
		cmocka_unit_test(nothing_and_giants_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
