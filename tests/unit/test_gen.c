/* SPDX-License-Identifier: Apache-2.0 */
/* The frames that gen sends, when, and what it says of those that come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "net/numbered.h"
#include "tests/lib/capture.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

static int setup(void **state)
{
	static struct rig r;

	rig_init(&r);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

static void go(struct rig *r, const char *keys)
{
	assert_int_equal(rig_open(r, "gen", keys, 0), 0);
	rig_run(r);
	assert_int_equal(rig_start(r, 0), 0);
}

static void sizes_and_rates_that_cannot_be_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{"size=59", "a number from 60 to 65553"},
		{"size=65554", "a number from 60 to 65553"},
		{"rate=100000001", "from 0 to 100000000"},
		{"rate=fast", "rate"},
		{"to=ff:ff:ff:ff:ff:ff", "the address of one NIC"},
	};
	struct capture c;
	int ret;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CAPTURED(&c, &ret, rig_open(*state, "gen", bad[i][0], 0));
		assert_int_equal(ret, -EINVAL);
		assert_one_line(&c, bad[i][1]);
	}
}

/* Those that the rig has, as another doorbell's sink would see them. */
static struct net_numbered_stats sunk(const struct rig *r)
{
	static struct numbered_filler filler;
	static struct numbered_check c;

	numbered_filler_make(&filler);
	c = (struct numbered_check){.filler = &filler};
	for (unsigned i = 0; i < r->nr_got; i++) {
		const struct iovec iov = {r->got[i].data, r->got[i].len};

		numbered_look(&c, &iov, 1, NET_HDR_LEN, r->got[i].len - NET_HDR_LEN);
	}
	return c.stats;
}

static void counted_frames_come_once_and_no_more(void **state)
{
	static const char *const keys[] = {
		"rate=0,count=3000",
		"rate=0,count=20,size=65553",
		"rate=100000000,count=2000,size=1514",
		"rate=5000,count=100,size=61",
	};
	static const unsigned nr[] = {3000, 20, 2000, 100};

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		struct rig *r = *state;
		uint64_t wakeups;

		r->pieces = i;
		go(r, keys[i]);
		assert_true(rig_wait_frames(r, nr[i]));
		rig_settle(r);
		wakeups = loop_wakeups(r->loop);
		rig_settle(r);
		assert_true(loop_wakeups(r->loop) - wakeups <= 5); /* it sleeps */
		assert_int_equal(r->nr_got, nr[i]);
		assert_int_equal(sunk(r).good, nr[i]);
		assert_memory_equal(r->got[0].data + NET_HDR_LEN, "\2\0\0\0\0\1", 6);
		teardown(state);
		setup(state);
	}
}

static void frames_are_for_whom_one_names(void **state)
{
	struct rig *r = *state;

	go(r, "rate=0,count=1,to=02:00:00:00:00:99");
	assert_true(rig_wait_frames(r, 1));
	assert_memory_equal(r->got[0].data + NET_HDR_LEN, "\2\0\0\0\0\x99", 6);
}

static void frames_do_not_come_faster_than_asked_for(void **state)
{
	const uint64_t begin = loop_now_ns();

	go(*state, "rate=1000,count=51");
	assert_true(rig_wait_frames(*state, 51));
	assert_true(loop_now_ns() - begin >= 50000000);
}

static void stalled_driver_gets_them_later_and_all(void **state)
{
	struct rig *r = *state;

	assert_int_equal(rig_open(r, "gen", "rate=0,count=100", 0), 0);
	r->budget = 1;
	assert_int_equal(rig_start(r, 0), 0);
	rig_want_recv(r, false);
	rig_run(r);
	rig_settle(r);
	assert_int_equal(r->nr_got, 0);
	rig_want_recv(r, true);
	assert_true(rig_wait_frames(r, 100));
	assert_int_equal(sunk(r).good, 100);
}

static void send_back(struct rig *r, unsigned i)
{
	const struct rig_frame *f = &r->got[i];

	assert_int_equal(rig_send(r, NULL, f->data + NET_HDR_LEN, f->len - NET_HDR_LEN), f->len);
}

static void what_comes_back_is_checked(void **state)
{
	struct rig *r = *state;
	const struct net_numbered_stats *s;
	uint8_t other[60] = {0};

	go(r, "rate=0,count=20,size=100");
	assert_true(rig_wait_frames(r, 20));
	s = r->b->numbered;
	for (unsigned i = 0; i < 10; i++)
		send_back(r, i);
	send_back(r, 3);
	send_back(r, 12);
	send_back(r, 11);
	r->got[13].data[NET_HDR_LEN + 99] ^= 1;
	send_back(r, 13);
	assert_int_equal(rig_send(r, NULL, other, sizeof(other)), sizeof(other) + NET_HDR_LEN);
	assert_int_equal(s->good, 12);
	assert_int_equal(s->duplicated, 1);
	assert_int_equal(s->reordered, 1);
	assert_int_equal(s->lost, 1);
	assert_int_equal(s->corrupted, 1);
	assert_int_equal(s->others, 1);
}

static void another_sender_is_not_mistaken_for_it(void **state)
{
	struct rig *r = *state, second;

	go(r, "rate=0,count=1");
	rig_init(&second);
	go(&second, "rate=0,count=1");
	assert_true(rig_wait_frames(r, 1) && rig_wait_frames(&second, 1));
	assert_int_equal(rig_send(r, NULL, second.got[0].data + NET_HDR_LEN, 60), 72);
	assert_int_equal(r->b->numbered->others, 1);
	rig_close(&second);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sizes_and_rates_that_cannot_be_are_refused),
		CASE(counted_frames_come_once_and_no_more),
		CASE(frames_are_for_whom_one_names),
		CASE(frames_do_not_come_faster_than_asked_for),
		CASE(stalled_driver_gets_them_later_and_all),
		CASE(what_comes_back_is_checked),
		CASE(another_sender_is_not_mistaken_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
