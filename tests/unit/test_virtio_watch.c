/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/uio.h>

#include "devices/virtio_watch.h"
#include "tests/lib/probe_device.h"
#include "vmm/core/compiler.h"

/* Notes what it is told, and what the queue looked like then. */
struct notes {
	struct virtio_watch watch;
	struct vq_watch queue;
	const struct vq *vq;
	const struct fake_vq *driver;
	unsigned queues, looks, shows;
	uint32_t num;
	uint16_t from, to, taken, shown;
	unsigned wishes, interrupts, accesses;
	bool wanted;
	uint32_t word;
	uint32_t bits, isr; /* that are about to go up, and those that were up then */
	const struct virtio_dev *dev;
};

static void on_avail(struct vq_watch *w, uint16_t from, uint16_t to)
{
	struct notes *n = container_of(w, struct notes, queue);

	n->looks++;
	n->from = from;
	n->to = to;
	n->taken = n->vq->next_avail;
}

static void on_used(struct vq_watch *w, unused uint16_t from, uint16_t to)
{
	struct notes *n = container_of(w, struct notes, queue);

	n->shows++;
	n->to = to;
	n->shown = n->driver->used->idx;
}

static void on_wish(struct vq_watch *w, uint32_t word, bool interrupt)
{
	struct notes *n = container_of(w, struct notes, queue);

	n->wishes++;
	n->word = word;
	n->wanted = interrupt;
}

static void on_interrupt(struct virtio_watch *w, uint32_t bits)
{
	struct notes *n = container_of(w, struct notes, watch);

	n->interrupts++;
	n->bits = bits;
	n->isr = n->dev ? virtio_isr(n->dev) : 0;
}

static void on_access(struct virtio_watch *w, unused const struct virtio_access *a)
{
	container_of(w, struct notes, watch)->accesses++;
}

static struct vq_watch *on_queue(struct virtio_watch *w, unsigned queue, const struct vq_addr *a)
{
	struct notes *n = container_of(w, struct notes, watch);

	n->num = a->num;
	n->queues++;
	return queue == 0 ? &n->queue : NULL;
}

static void watch_is_told_before_anything_is_taken_or_shown(unused void **state)
{
	struct probe *p = probe_create();
	struct notes n = {.watch = {.queue = on_queue},
	                  .queue = {.avail = on_avail, .used = on_used}};
	struct iovec iov[4];
	struct vq_chain c = {.iov = iov, .room = 4};
	struct fake_buf b;

	assert_non_null(p);
	n.vq = &p->queue[0].vq;
	n.driver = &p->vq[0];
	p->dev.watch = &n.watch;
	assert_int_equal(probe_bring_up(p, FEATURE(VIRTIO_F_VERSION_1)), 0);
	assert_int_equal(n.queues, 2);
	assert_int_equal(n.num, 8);
	b = fake_in(&p->m, 100);
	for (unsigned i = 0; i < 3; i++)
		assert_true(fake_vq_add(&p->vq[0], &b, 1) >= 0);
	fake_vq_publish(&p->vq[0]);
	assert_int_equal(vq_pop(&p->queue[0].vq, &c), 1);
	assert_int_equal(n.looks, 1);
	assert_int_equal(n.from, 0);
	assert_int_equal(n.to, 3);
	assert_int_equal(n.taken, 0);
	/* What it has found already is no news. */
	assert_int_equal(vq_pop(&p->queue[0].vq, &c), 1);
	assert_int_equal(n.looks, 1);
	vq_push(&p->queue[0].vq, c.head, 10);
	assert_int_equal(n.shows, 0);
	vq_publish(&p->queue[0].vq);
	assert_int_equal(n.shows, 1);
	assert_int_equal(n.to, 1);
	assert_int_equal(n.shown, 0);
	assert_int_equal(p->vq[0].used->idx, 1);
	/* Queue 1 is of no interest. */
	assert_true(fake_vq_add(&p->vq[1], &b, 1) >= 0);
	fake_vq_publish(&p->vq[1]);
	assert_int_equal(vq_pop(&p->queue[1].vq, &c), 1);
	assert_int_equal(n.looks, 1);
	probe_destroy(p);
}

static void watch_is_told_what_the_driver_wants_and_gets(unused void **state)
{
	struct probe *p = probe_create();
	struct notes n = {.watch = {.queue = on_queue, .interrupt = on_interrupt},
	                  .queue = {.wish = on_wish}};
	struct iovec iov[4];
	struct vq_chain c = {.iov = iov, .room = 4};
	struct fake_buf b;

	assert_non_null(p);
	p->dev.watch = &n.watch;
	assert_int_equal(
		probe_bring_up(p, FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_EVENT_IDX)),
		0);
	b = fake_in(&p->m, 100);
	for (unsigned i = 0; i < 2; i++)
		assert_true(fake_vq_add(&p->vq[0], &b, 1) >= 0);
	fake_vq_publish(&p->vq[0]);
	p->vq[0].avail->ring[p->vq[0].num] = htole16(1); /* used_event: only at the second one */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vq_pop(&p->queue[0].vq, &c), 1);
		vq_push(&p->queue[0].vq, c.head, 10);
		vq_publish(&p->queue[0].vq);
		if (vq_want_interrupt(&p->queue[0].vq))
			virtio_used_in(&p->dev, 0);
		assert_int_equal(n.wishes, i + 1);
		assert_int_equal(n.word, 1);
		assert_int_equal(n.wanted, i == 1);
		assert_int_equal(n.interrupts, i);
	}
	assert_int_equal(n.bits, VIRTIO_ISR_USED);
	probe_destroy(p);
}

/* Flags and event are one word. */
static void watch_is_told_what_the_driver_of_a_packed_ring_wants(unused void **state)
{
	static const struct {
		uint32_t word;
		bool wanted;
	} all[] = {{VRING_PACKED_EVENT_FLAG_ENABLE << 16, true},
	           {VRING_PACKED_EVENT_FLAG_DISABLE << 16 | 5, false},
	           {VRING_PACKED_EVENT_FLAG_DESC << 16 | 0x8002, true},
	           {VRING_PACKED_EVENT_FLAG_DESC << 16 | 0x8007, false}};
	const uint64_t features = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_RING_PACKED) |
	                          FEATURE(VIRTIO_RING_F_EVENT_IDX);
	struct probe *p = probe_create();
	struct notes n = {.watch = {.queue = on_queue}, .queue = {.wish = on_wish}};
	struct iovec iov[4];
	struct vq_chain c = {.iov = iov, .room = 4};
	struct fake_buf b;

	assert_non_null(p);
	p->dev.watch = &n.watch;
	p->dev.offered |= features;
	fake_vq_init(&p->vq[0], &p->m, 16, features);
	fake_vq_init(&p->vq[1], &p->m, 8, features);
	assert_int_equal(probe_bring_up(p, features), 0);
	b = fake_in(&p->m, 100);
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		assert_true(fake_vq_add(&p->vq[0], &b, 1) >= 0);
		fake_vq_publish(&p->vq[0]);
		*p->vq[0].driver_event = htole32(all[i].word);
		assert_int_equal(vq_pop(&p->queue[0].vq, &c), 1);
		vq_push(&p->queue[0].vq, c.head, 10);
		vq_publish(&p->queue[0].vq);
		assert_int_equal(vq_want_interrupt(&p->queue[0].vq), all[i].wanted);
		assert_int_equal(n.wishes, i + 1);
		assert_int_equal(n.word, all[i].word);
		assert_int_equal(n.wanted, all[i].wanted);
	}
	probe_destroy(p);
}

static struct vq_watch *no_interest(unused struct virtio_watch *w, unused unsigned queue,
                                    unused const struct vq_addr *a)
{
	return NULL;
}

static void all_of_a_list_are_told(unused void **state)
{
	struct notes n[3] = {
		{.watch = {.access = on_access, .queue = on_queue}, .queue = {.avail = on_avail}},
		{.watch = {.queue = no_interest}},
		{.watch = {.access = on_access, .queue = on_queue}, .queue = {.wish = on_wish}}};
	const struct virtio_access a = {.size = 4};
	const struct vq_addr addr = {.num = 8};
	struct vq_watch *first;

	n[0].watch.next = &n[1].watch;
	n[1].watch.next = &n[2].watch;
	virtio_watch_access(&n[0].watch, &a);
	assert_int_equal(n[0].accesses + n[2].accesses, 2);
	virtio_watch_interrupt(&n[0].watch, 1); /* of interest to nobody */
	first = virtio_watch_queue(&n[0].watch, 0, &addr);
	assert_ptr_equal(first, &n[0].queue);
	assert_ptr_equal(first->next, &n[2].queue);
	assert_null(first->next->next);
	vq_watch_wish(first, 7, true);
	assert_int_equal(n[2].word, 7);
	assert_null(virtio_watch_queue(NULL, 0, &addr));
}

static void watch_is_told_of_interrupts_before_the_driver(unused void **state)
{
	struct probe *p = probe_create();
	struct notes n = {.watch = {.queue = on_queue, .interrupt = on_interrupt}};

	assert_non_null(p);
	n.dev = &p->dev;
	p->dev.watch = &n.watch;
	assert_int_equal(probe_bring_up(p, FEATURE(VIRTIO_F_VERSION_1)), 0);
	virtio_used(&p->dev);
	assert_int_equal(n.bits, VIRTIO_ISR_USED);
	assert_int_equal(n.isr, 0);
	assert_int_equal(virtio_isr(&p->dev), VIRTIO_ISR_USED);
	probe_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watch_is_told_before_anything_is_taken_or_shown),
		cmocka_unit_test(watch_is_told_what_the_driver_wants_and_gets),
		cmocka_unit_test(watch_is_told_what_the_driver_of_a_packed_ring_wants),
		cmocka_unit_test(all_of_a_list_are_told),
		cmocka_unit_test(watch_is_told_of_interrupts_before_the_driver),
	};

	return cmocka_run_group_tests_name("virtio_watch", tests, NULL, NULL);
}
