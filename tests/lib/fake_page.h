/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/fake_page.h - KVM's part in a register page: reads are loads, some writes end in the kernel */
#ifndef DOORBELL_TESTS_FAKE_PAGE_H
#define DOORBELL_TESTS_FAKE_PAGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio_mmio.h"

struct fake_page {
	_Atomic uint32_t reg[VIRTIO_MMIO_PAGE_REGS];
	pthread_rwlock_t lock; /* what SRCU is in KVM: off waits for writes that are under way */
	bool on;               /* the eventfd that swallows ACKs is there */
	unsigned changes;      /* of on */
	int error;             /* what the next changes fail with; 0: they do not */
	atomic_uint swallowed; /* ACKs */
};

/* Becomes @t's page. 0 or -errno of virtio_mmio_use_page(). */
int fake_page_create(struct fake_page *p, struct virtio_mmio *t);
void fake_page_destroy(struct fake_page *p);

/* What a vCPU's 4-byte accesses to the registers do. Any thread. */
uint32_t fake_page_readl(struct fake_page *p, uint64_t off);
void fake_page_writel(struct fake_page *p, struct virtio_mmio *t, uint64_t off, uint32_t val);

/* The first register that a trapped read sees differently, or -1. While nobody else does anything. */
int fake_page_lie(struct fake_page *p, struct virtio_mmio *t);

#endif
