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
	struct notes n = {.watch = {.queue = on_queue}, .queue = {on_avail, on_used}};
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(watch_is_told_before_anything_is_taken_or_shown),
	};

	return cmocka_run_group_tests_name("virtio_watch", tests, NULL, NULL);
}
