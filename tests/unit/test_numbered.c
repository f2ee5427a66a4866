/* SPDX-License-Identifier: Apache-2.0 */
/* Frames with numbers: what happened to them on their way is counted as that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/numbered.h"
#include "vmm/core/compiler.h"

#define STREAM 7u

static struct numbered_filler filler;

struct fixture {
	struct numbered_check c;
	uint8_t frame[2048];
	uint32_t len;
};

static void make(struct fixture *f, uint64_t number, uint32_t len, uint32_t stream)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	const struct numbered_frame frame = {mac, mac, len, number, stream};
	/* In odd pieces. */
	const struct iovec iov[] = {{f->frame, 5}, {f->frame + 5, 40}, {f->frame + 45, 2003}};

	memset(f->frame, 0xee, sizeof(f->frame));
	numbered_write(&frame, &filler, iov, ARRAY_SIZE(iov), 0);
	assert_int_equal(f->frame[len], 0xee);
	f->len = len;
}

static void look(struct fixture *f)
{
	struct iovec iov[] = {{f->frame, 33}, {f->frame + 33, f->len - 33}};

	numbered_look(&f->c, iov, ARRAY_SIZE(iov), 0, f->len);
}

static void come(struct fixture *f, uint64_t number)
{
	make(f, number, 60 + (uint32_t)(number * 97 % 1900), STREAM);
	look(f);
}

static void is_counted(const struct fixture *f, struct net_numbered_stats want)
{
	assert_int_equal(f->c.stats.good, want.good);
	assert_int_equal(f->c.stats.lost, want.lost);
	assert_int_equal(f->c.stats.duplicated, want.duplicated);
	assert_int_equal(f->c.stats.reordered, want.reordered);
	assert_int_equal(f->c.stats.corrupted, want.corrupted);
	assert_int_equal(f->c.stats.others, want.others);
}

#define COUNTED(f, ...) is_counted(f, (struct net_numbered_stats){__VA_ARGS__})

/* Frames of somebody else. */
static struct fixture theirs(void)
{
	return (struct fixture){.c.filler = &filler};
}

/* Our own, of which @sent were sent. */
static struct fixture ours(uint64_t sent)
{
	return (struct fixture){
		.c = {.filler = &filler, .ours = true, .stream = STREAM, .sent = sent}};
}

static void frames_in_order_are_good(unused void **state)
{
	struct fixture f = theirs();

	for (uint64_t i = 0; i < 1000; i++)
		come(&f, i);
	COUNTED(&f, .good = 1000);
}

static void frames_from_somewhere_in_the_middle_are_not_lost_before(unused void **state)
{
	struct fixture f = theirs();

	come(&f, 5000000000);
	come(&f, 5000000001);
	come(&f, 4999999999); /* late, but nobody missed it */
	COUNTED(&f, .good = 3, .reordered = 1);
}

static void our_own_are_expected_from_the_first(unused void **state)
{
	struct fixture f = ours(10);

	come(&f, 3);
	COUNTED(&f, .good = 1, .lost = 3);
}

static void gap_is_lost_until_it_comes(unused void **state)
{
	struct fixture f = theirs();

	come(&f, 0);
	come(&f, 4);
	COUNTED(&f, .good = 2, .lost = 3);
	come(&f, 2);
	COUNTED(&f, .good = 3, .lost = 2, .reordered = 1);
	come(&f, 2);
	COUNTED(&f, .good = 3, .lost = 2, .reordered = 1, .duplicated = 1);
}

static void duplicate_is_known_within_the_window(unused void **state)
{
	struct fixture f = theirs();

	come(&f, 0);
	come(&f, NUMBERED_WINDOW - 1);
	come(&f, 0);
	COUNTED(&f, .good = 2, .lost = NUMBERED_WINDOW - 2, .duplicated = 1);
	come(&f, NUMBERED_WINDOW); /* takes the place of 0 in what is remembered */
	come(&f, 0);
	COUNTED(&f, .good = 3, .lost = NUMBERED_WINDOW - 2, .duplicated = 2);
	/* A leap over all of it: nothing of before is mistaken for a number of now. */
	come(&f, 10 * NUMBERED_WINDOW);
	come(&f, 10 * NUMBERED_WINDOW - 1);
	come(&f, 9 * NUMBERED_WINDOW + 1);
	COUNTED(&f, .good = 6, .reordered = 2, .duplicated = 2,
	        .lost = NUMBERED_WINDOW - 2 + 9 * NUMBERED_WINDOW - 1 - 2);
}

static void every_changed_byte_is_found(unused void **state)
{
	struct fixture f = ours(100);

	for (uint32_t at = 12; at < 90; at++) {
		make(&f, 0, 90, STREAM);
		f.frame[at] ^= 0x10;
		look(&f);
	}
	assert_int_equal(f.c.stats.good, 0);
	/* Without its type or magic it has no number, with another stream it is not ours. */
	COUNTED(&f, .corrupted = 78 - 10, .others = 10);
}

static void cut_or_longer_frame_is_corrupted(unused void **state)
{
	struct fixture f = theirs();

	make(&f, 0, 200, STREAM);
	f.len = 199;
	look(&f);
	f.len = 201;
	look(&f);
	f.len = NUMBERED_HEAD;
	look(&f);
	COUNTED(&f, .corrupted = 3);
}

static void number_that_was_not_sent_is_corrupted(unused void **state)
{
	struct fixture f = ours(10);

	come(&f, 9);
	come(&f, 10);
	COUNTED(&f, .good = 1, .lost = 9, .corrupted = 1);
	f = theirs();
	come(&f, UINT64_MAX);
	COUNTED(&f, .corrupted = 1);
}

static void new_sender_is_counted_from_its_first(unused void **state)
{
	struct fixture f = theirs();

	come(&f, 100);
	make(&f, 3, 60, STREAM + 1);
	look(&f);
	make(&f, 4, 60, STREAM + 1);
	look(&f);
	COUNTED(&f, .good = 3);
}

static void frame_without_a_number_is_another(unused void **state)
{
	struct fixture f = theirs();

	f.len = 60;
	look(&f);
	COUNTED(&f, .others = 1);
}

static int make_filler(unused void **state)
{
	numbered_filler_make(&filler);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_in_order_are_good),
		cmocka_unit_test(frames_from_somewhere_in_the_middle_are_not_lost_before),
		cmocka_unit_test(our_own_are_expected_from_the_first),
		cmocka_unit_test(gap_is_lost_until_it_comes),
		cmocka_unit_test(duplicate_is_known_within_the_window),
		cmocka_unit_test(every_changed_byte_is_found),
		cmocka_unit_test(cut_or_longer_frame_is_corrupted),
		cmocka_unit_test(number_that_was_not_sent_is_corrupted),
		cmocka_unit_test(new_sender_is_counted_from_its_first),
		cmocka_unit_test(frame_without_a_number_is_another),
	};

	return cmocka_run_group_tests(tests, make_filler, NULL);
}
