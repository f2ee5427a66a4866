/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
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

static void a_frame_that_is_being_written_holds_up_those_behind_it(unused void **state)
{
	struct frame_ring r;
	uint8_t in[2] = {1, 2}, out[64];
	size_t a, b, c, at;

	assert_int_equal(frame_ring_init(&r, SIZE), 0);
	assert_int_equal(frame_ring_reserve(&r, 1, &a), 0);
	assert_int_equal(frame_ring_reserve(&r, 1, &b), 0);
	frame_ring_fill(&r, b, in + 1, 1);
	assert_false(frame_ring_commit(&r, b));
	assert_true(frame_ring_empty(&r));
	assert_int_equal(frame_ring_peek(&r, &at), 0);
	frame_ring_fill(&r, a, in, 1);
	assert_true(frame_ring_commit(&r, a)); /* only now is there something to be told */
	assert_int_equal(frame_ring_reserve(&r, 1, &c), 0);
	frame_ring_fill(&r, c, in, 1);
	assert_false(frame_ring_commit(&r, c));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pop(&r, out, sizeof(out), 0), 1);
		assert_int_equal(out[0], in[i & 1]);
	}
	assert_true(frame_ring_empty(&r));
	frame_ring_free(&r);
}

static void part_of_a_frame_can_be_read_wherever_the_seam_is(unused void **state)
{
	struct frame_ring r;
	uint8_t in[100], out[100];
	const struct iovec iov = {out, sizeof(out)};
	size_t at;

	assert_int_equal(frame_ring_init(&r, SIZE), 0);
	assert_int_equal(frame_ring_push(&r, in, 1),
	                 0); /* never empty, so never anew from the start */
	for (unsigned i = 0; i < 2 * SIZE; i++) {
		const size_t len = 90 + i % 11, from = i % 80;

		fill(in, len, i);
		assert_int_equal(frame_ring_push(&r, in, len), 0);
		frame_ring_drop(&r);
		assert_int_equal(frame_ring_peek(&r, &at), len);
		assert_int_equal(frame_ring_read(&r, at + from, len - from, &iov, 1, 0),
		                 len - from);
		assert_memory_equal(out, in + from, len - from);
		assert_int_equal(frame_ring_read(&r, at, from, &iov, 1, 0), from);
		assert_memory_equal(out, in, from);
	}
	frame_ring_free(&r);
}

/* ---- several that put, one that takes */

#define WRITERS 3u
#define EACH    20000u

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t told, room;
	struct frame_ring r;
	atomic_uint next_writer;
};

static void *write_frames(void *arg)
{
	struct shared *s = arg;
	const unsigned who = atomic_fetch_add(&s->next_writer, 1);
	uint8_t in[60];

	for (unsigned i = 0; i < EACH; i++) {
		const size_t len = 8 + i % 50;
		size_t at;

		fill(in, len, i);
		in[0] = (uint8_t)who;
		in[1] = (uint8_t)i;
		pthread_mutex_lock(&s->lock);
		while (frame_ring_reserve(&s->r, len, &at) < 0)
			pthread_cond_wait(&s->room, &s->lock);
		pthread_mutex_unlock(&s->lock);
		frame_ring_fill(&s->r, at, in, len);
		pthread_mutex_lock(&s->lock);
		if (frame_ring_commit(&s->r, at))
			pthread_cond_signal(&s->told);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static void check_frame(struct shared *s, size_t at, size_t len, unsigned seen[WRITERS])
{
	uint8_t out[60], want[60];
	const struct iovec iov = {out, sizeof(out)};
	unsigned who;

	assert_int_equal(frame_ring_read(&s->r, at, len, &iov, 1, 0), len);
	who = out[0];
	assert_true(who < WRITERS);
	assert_int_equal(len, 8 + seen[who] % 50);
	fill(want, len, seen[who]);
	want[0] = (uint8_t)who;
	want[1] = (uint8_t)seen[who]++;
	assert_memory_equal(out, want, len);
}

static void frames_are_copied_without_the_lock(unused void **state)
{
	struct shared s = {.lock = PTHREAD_MUTEX_INITIALIZER,
	                   .told = PTHREAD_COND_INITIALIZER,
	                   .room = PTHREAD_COND_INITIALIZER};
	unsigned seen[WRITERS] = {0};
	pthread_t t[WRITERS];
	size_t at, len;

	assert_int_equal(frame_ring_init(&s.r, SIZE), 0);
	for (unsigned i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, write_frames, &s), 0);
	for (unsigned i = 0; i < WRITERS * EACH; i++) {
		pthread_mutex_lock(&s.lock);
		while ((len = frame_ring_peek(&s.r, &at)) == 0)
			pthread_cond_wait(&s.told, &s.lock);
		pthread_mutex_unlock(&s.lock);
		check_frame(&s, at, len, seen);
		pthread_mutex_lock(&s.lock);
		frame_ring_drop(&s.r);
		pthread_cond_broadcast(&s.room);
		pthread_mutex_unlock(&s.lock);
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(seen[i], EACH);
	}
	assert_true(frame_ring_empty(&s.r));
	frame_ring_free(&s.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_out_in_order_and_whole),
		cmocka_unit_test(empty_ring_gives_nothing),
		cmocka_unit_test(full_ring_refuses_and_keeps_what_it_has),
		cmocka_unit_test(frame_too_large_for_the_reader_is_dropped_alone),
		cmocka_unit_test(nothing_and_giants_are_refused),
		cmocka_unit_test(a_frame_that_is_being_written_holds_up_those_behind_it),
		cmocka_unit_test(part_of_a_frame_can_be_read_wherever_the_seam_is),
		cmocka_unit_test(frames_are_copied_without_the_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
