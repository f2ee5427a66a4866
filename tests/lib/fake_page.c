/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fake_page.h"

#include <linux/virtio_mmio.h>

static int swallow_acks(void *arg, bool on)
{
	struct fake_page *p = arg;

	if (p->error < 0)
		return p->error;
	pthread_rwlock_wrlock(&p->lock);
	p->on = on;
	p->changes++;
	pthread_rwlock_unlock(&p->lock);
	return 0;
}

int fake_page_create(struct fake_page *p, struct virtio_mmio *t)
{
	const struct virtio_mmio_page page = {
		.reg = p->reg, .swallow_acks = swallow_acks, .arg = p};

	p->on = false;
	p->changes = 0;
	pthread_rwlock_init(&p->lock, NULL);
	return virtio_mmio_use_page(t, &page);
}

void fake_page_destroy(struct fake_page *p)
{
	pthread_rwlock_destroy(&p->lock);
}

uint32_t fake_page_readl(struct fake_page *p, uint64_t off)
{
	/* Acquire: as x86 loads are. Partner: whoever keeps the page. */
	return atomic_load_explicit(&p->reg[off / 4], memory_order_acquire);
}

void fake_page_writel(struct fake_page *p, struct virtio_mmio *t, uint64_t off, uint32_t val)
{
	bool swallowed = false;

	if (off == VIRTIO_MMIO_INTERRUPT_ACK) {
		pthread_rwlock_rdlock(&p->lock);
		swallowed = p->on;
		if (swallowed)
			atomic_fetch_add_explicit(&p->swallowed, 1, memory_order_relaxed);
		pthread_rwlock_unlock(&p->lock);
	}
	if (!swallowed)
		virtio_mmio_bus_ops.write(t, off, 4, val);
}

int fake_page_lie(struct fake_page *p, struct virtio_mmio *t)
{
	for (unsigned i = 0; i < VIRTIO_MMIO_PAGE_REGS; i++)
		if (fake_page_readl(p, 4 * i) != virtio_mmio_bus_ops.read(t, 4 * i, 4))
			return (int)(4 * i);
	return -1;
}
