/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver and a device that run at the same time and sleep whenever the ring gives them nothing to do:
 * a barrier that is missing on either side ends as a notification that never comes, or as a report of
 * thread sanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "devices/vq.h"
#include "tests/lib/fake_driver.h"
#include "vmm/core/compiler.h"

#define SPLIT_REQUESTS  100000u               /* the indices wrap */
#define PACKED_REQUESTS 20000u                /* which they do all the time */
#define STALLED_NS      UINT64_C(10000000000) /* of spinning: while nobody runs, nobody is late */

struct pair {
	struct fake_mem m;
	struct fake_vq drv;
	struct vq q;
	unsigned requests;
	atomic_uint kick, interrupt;
	unsigned done;                   /* by the device */
	const char *why;                 /* the device gave up */
	unsigned kicks, interrupts;      /* how often they were rung */
	struct fake_buf out[16], in[16]; /* by head: a number to the device, its answer */
};

/* That this thread has run: what it waits for comes from a thread that has to have run, too. */
static uint64_t ran_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void ring(atomic_uint *bell)
{
	atomic_fetch_add_explicit(bell, 1, memory_order_release);
}

/*
 * False: nobody rang. Spinning, not a descriptor: the two sides meet at the moment of falling asleep far
 * more often when that takes nanoseconds.
 */
static bool sleep_on(atomic_uint *bell)
{
	const uint64_t end = ran_ns() + STALLED_NS;

	for (unsigned i = 1; !atomic_exchange_explicit(bell, 0, memory_order_acquire); i++) {
		if (i % 512 != 0)
			continue;
		if (ran_ns() > end)
			return false;
		sched_yield();
	}
	return true;
}

static const char *serve(struct pair *p, struct vq_chain *c)
{
	uint64_t number;
	int rc;

	vq_kicks_off(&p->q);
	while ((rc = vq_pop(&p->q, c)) == 1) {
		if (c->nr_out != 1 || c->nr_in != 1 || c->out_len != 8 || c->in_len != 8)
			return "the device got another chain than was made";
		memcpy(&number, c->iov[0].iov_base, sizeof(number));
		number = ~number;
		memcpy(c->iov[1].iov_base, &number, sizeof(number));
		vq_push(&p->q, c->head, sizeof(number));
		p->done++;
		if (p->done % 5 != 0)
			continue;
		vq_publish(&p->q);
		if (vq_want_interrupt(&p->q)) {
			p->interrupts++;
			ring(&p->interrupt);
		}
	}
	vq_publish(&p->q);
	if (vq_want_interrupt(&p->q)) {
		p->interrupts++;
		ring(&p->interrupt);
	}
	return rc < 0 ? p->q.why : NULL;
}

static void *device(void *arg)
{
	struct pair *p = arg;
	struct iovec iov[4];
	struct vq_chain c = {.iov = iov, .room = ARRAY_SIZE(iov)};

	while (p->done < p->requests && !p->why) {
		p->why = serve(p, &c);
		if (!p->why && !vq_kicks_on(&p->q) && p->done < p->requests && !sleep_on(&p->kick))
			p->why = "the device waits for a kick that does not come";
	}
	return NULL;
}

static unsigned submit(struct pair *p, unsigned next)
{
	const unsigned first = next;

	while (next < p->requests && p->drv.nr_free >= 2 && next - first < 1 + first % 7) {
		const unsigned i = p->drv.free_head;
		const uint64_t number = next++;

		memcpy(fake_at(&p->m, p->out[i].addr, 8), &number, sizeof(number));
		fake_vq_add(&p->drv, (struct fake_buf[]){p->out[i], p->in[i]}, 2);
	}
	if (next == first)
		return next;
	fake_vq_publish(&p->drv);
	if (fake_vq_wants_kick(&p->drv)) {
		p->kicks++;
		ring(&p->kick);
	}
	return next;
}

/* Takes all used entries; false when an answer is wrong. */
static bool collect(struct pair *p, unsigned *done)
{
	uint64_t asked, answer;
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(&p->drv, &head, &len)) {
		memcpy(&asked, fake_at(&p->m, p->out[head].addr, 8), sizeof(asked));
		memcpy(&answer, fake_at(&p->m, p->in[head].addr, 8), sizeof(answer));
		if (len != 8 || asked != (*done)++ || answer != ~asked)
			return false;
	}
	return true;
}

static void both_sides_sleep_and_wake(uint64_t features)
{
	struct pair *p = calloc(1, sizeof(*p));
	unsigned next = 0, done = 0;
	pthread_t thread;

	assert_non_null(p);
	p->requests = features & FEATURE(VIRTIO_F_RING_PACKED) ? PACKED_REQUESTS : SPLIT_REQUESTS;
	fake_mem_create(&p->m, KIB(64));
	fake_vq_init(&p->drv, &p->m, ARRAY_SIZE(p->out), features);
	for (unsigned i = 0; i < ARRAY_SIZE(p->out); i++) {
		p->out[i] = fake_out(&p->m, "12345678", 8);
		p->in[i] = fake_in(&p->m, 8);
	}
	assert_int_equal(vq_start(&p->q, &p->m.gmem, &p->drv.addr, vq_features_of(features)), 0);
	assert_int_equal(pthread_create(&thread, NULL, device, p), 0);
	while (done < p->requests) {
		const unsigned before = next + done;

		fake_vq_irq_off(&p->drv);
		next = submit(p, next);
		assert_true(collect(p, &done));
		if (next + done != before || done == p->requests || fake_vq_irq_on(&p->drv))
			continue;
		if (!sleep_on(&p->interrupt))
			fail_msg("the driver waits for an interrupt that does not come (%s)",
			         p->why ? p->why : "the device still runs");
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_null(p->why);
	assert_int_equal(p->done, p->requests);
	/* Suppression works in both directions: the ring was never idle for long. */
	assert_true(p->kicks < p->requests);
	assert_true(p->interrupts < p->requests);
	fake_mem_destroy(&p->m);
	free(p);
}

/* dev.notif.must */
static void no_notification_is_lost_with_flags(unused void **state)
{
	both_sides_sleep_and_wake(0);
}

/* dev.event_idx.must */
static void no_notification_is_lost_with_event_idx(unused void **state)
{
	both_sides_sleep_and_wake(FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

static void no_notification_is_lost_with_flags_packed(unused void **state)
{
	both_sides_sleep_and_wake(FEATURE(VIRTIO_F_RING_PACKED));
}

static void no_notification_is_lost_with_event_idx_packed(unused void **state)
{
	both_sides_sleep_and_wake(FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

static void no_notification_is_lost_in_order(unused void **state)
{
	both_sides_sleep_and_wake(FEATURE(VIRTIO_F_IN_ORDER) | FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

static void no_notification_is_lost_in_order_packed(unused void **state)
{
	both_sides_sleep_and_wake(FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER) |
	                          FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(no_notification_is_lost_with_flags),
		cmocka_unit_test(no_notification_is_lost_with_event_idx),
		cmocka_unit_test(no_notification_is_lost_with_flags_packed),
		cmocka_unit_test(no_notification_is_lost_with_event_idx_packed),
		cmocka_unit_test(no_notification_is_lost_in_order),
		cmocka_unit_test(no_notification_is_lost_in_order_packed),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
