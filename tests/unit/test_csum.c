/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/csum.h"
#include "vmm/core/compiler.h"

/* RFC 1071 as it is written: 16 bits at a time, in memory order, carry added back. */
static uint16_t naive(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < len; i += 2) {
		uint8_t two[2] = {p[i], i + 1 < len ? p[i + 1] : 0};

		memcpy(&word, two, 2);
		sum += word;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* 0 and 0xffff are the same number in ones' complement; which one comes out does not matter. */
static void assert_same(uint16_t a, uint16_t b)
{
	assert_int_equal(a % 0xffff, b % 0xffff);
}

static void every_length_at_every_alignment_agrees_with_the_rfc(unused void **state)
{
	uint8_t buf[320];

	srandom(1);
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)random();
	for (size_t off = 0; off < 20; off++)
		for (size_t len = 0; len + off <= sizeof(buf); len++)
			assert_same(csum_sum(buf + off, len), naive(buf + off, len));
}

static void carries_are_not_lost(unused void **state)
{
	size_t len = 65536;
	uint8_t *buf = malloc(len);

	memset(buf, 0xff, len);
	for (size_t n = len - 40; n <= len; n++)
		assert_same(csum_sum(buf, n), naive(buf, n));
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(i * 31 >> 3);
	assert_same(csum_sum(buf, len), naive(buf, len));
	assert_same(csum_sum(buf + 1, len - 2), naive(buf + 1, len - 2));
	free(buf);
}

static void nothing_sums_up_to_zero(unused void **state)
{
	assert_int_equal(csum_sum("", 0), 0);
}

static void example_of_the_rfc(unused void **state)
{
	static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	static const uint8_t want[] = {0xdd, 0xf2};
	uint16_t sum = csum_sum(data, sizeof(data));

	assert_memory_equal(&sum, want, 2);
}

static void completed_frame_sums_up_with_its_pseudo_header(unused void **state)
{
	uint8_t frame[200];
	uint16_t pseudo;

	srandom(2);
	for (size_t len = 40; len < sizeof(frame); len++) {
		for (unsigned i = 0; i < sizeof(frame); i++)
			frame[i] = (uint8_t)random();
		memcpy(&pseudo, frame + 14 + 6, 2);
		assert_int_equal(csum_complete(frame, len, 14, 6), 0);
		/* What a receiver does: everything with the pseudo header is zero. */
		assert_int_equal(((uint32_t)csum_sum(frame + 14, len - 14) + pseudo) % 0xffff, 0);
	}
}

/* Every way to cut a frame in three, odd lengths and empty pieces among them. */
static void pieces_get_the_checksum_of_the_whole(unused void **state)
{
	uint8_t whole[61], cut[61], before[61];

	srandom(3);
	for (unsigned i = 0; i < sizeof(before); i++)
		before[i] = (uint8_t)random();
	memcpy(whole, before, sizeof(whole));
	assert_int_equal(csum_complete(whole, sizeof(whole) - 1, 13, 6), 0);
	for (size_t a = 0; a <= sizeof(cut); a++) {
		for (size_t b = a; b <= sizeof(cut); b++) {
			const struct iovec iov[] = {
				{cut, a}, {cut + a, b - a}, {cut + b, sizeof(cut) - b}};

			memcpy(cut, before, sizeof(cut));
			assert_int_equal(csum_complete_iov(iov, 3, sizeof(cut) - 1, 13, 6), 0);
			assert_memory_equal(cut, whole, sizeof(cut));
		}
	}
}

static void zero_is_written_as_ones(unused void **state)
{
	uint8_t frame[60];

	/* All of it sums up to 0xffff, so the complement is 0, which for UDP says "no checksum". */
	memset(frame, 0, sizeof(frame));
	frame[20] = frame[21] = 0xff;
	assert_int_equal(csum_complete(frame, sizeof(frame), 14, 30), 0);
	assert_int_equal(frame[44], 0xff);
	assert_int_equal(frame[45], 0xff);
}

static void field_outside_of_the_frame_is_refused(unused void **state)
{
	uint8_t frame[64] = {0}, before[64] = {0};

	assert_int_equal(csum_complete(frame, 64, 64, 0), -EINVAL);
	assert_int_equal(csum_complete(frame, 64, 63, 0), -EINVAL);
	assert_int_equal(csum_complete(frame, 64, 65, 0), -EINVAL);
	assert_int_equal(csum_complete(frame, 64, 0, 63), -EINVAL);
	assert_int_equal(csum_complete(frame, 64, 0, 64), -EINVAL);
	assert_int_equal(csum_complete(frame, 64, 40, 23), -EINVAL);
	assert_int_equal(csum_complete(frame, 64, 65535, 65535), -EINVAL);
	assert_int_equal(csum_complete(frame, 64, SIZE_MAX, 2), -EINVAL);
	assert_int_equal(csum_complete(frame, 64, 2, SIZE_MAX), -EINVAL);
	assert_int_equal(csum_complete(frame, 0, 0, 0), -EINVAL);
	assert_int_equal(csum_complete(frame, 1, 0, 0), -EINVAL);
	assert_memory_equal(frame, before, sizeof(frame));
	assert_int_equal(csum_complete(frame, 64, 62, 0), 0);
	assert_int_equal(csum_complete(frame, 64, 0, 62), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_at_every_alignment_agrees_with_the_rfc),
		cmocka_unit_test(carries_are_not_lost),
		cmocka_unit_test(nothing_sums_up_to_zero),
		cmocka_unit_test(example_of_the_rfc),
		cmocka_unit_test(completed_frame_sums_up_with_its_pseudo_header),
		cmocka_unit_test(pieces_get_the_checksum_of_the_whole),
		cmocka_unit_test(zero_is_written_as_ones),
		cmocka_unit_test(field_outside_of_the_frame_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
