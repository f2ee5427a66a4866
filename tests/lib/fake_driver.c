/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fake_driver.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "devices/virtio_mmio.h"
#include "tests/lib/fake_packed.h"
#include "tests/lib/fake_page.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

/* The test itself is wrong: no framework is assumed, fuzz targets link this too. */
_Noreturn void fake_die(const char *what)
{
	fprintf(stderr, "fake driver: %s\n", what);
	abort();
}

/* ---- guest memory */

static void mem_create(struct fake_mem *m, uint64_t bytes, bool shared)
{
	const struct gmem_range range = {.base = FAKE_MEM_BASE, .size = align_up(bytes, KIB(4))};

	*m = (struct fake_mem){.next = range.base, .end = range.base + range.size};
	if (gmem_create(&m->gmem, &range, 1, shared))
		fake_die("no guest memory");
}

void fake_mem_create(struct fake_mem *m, uint64_t bytes)
{
	mem_create(m, bytes, false);
}

void fake_mem_create_shared(struct fake_mem *m, uint64_t bytes)
{
	mem_create(m, bytes, true);
}

void fake_mem_destroy(struct fake_mem *m)
{
	gmem_destroy(&m->gmem);
	*m = (struct fake_mem){0};
}

gpa_t fake_alloc(struct fake_mem *m, uint64_t bytes, uint64_t align)
{
	gpa_t at = align_up(m->next, align);

	if (at > m->end || bytes > m->end - at)
		fake_die("guest memory used up");
	m->next = at + bytes;
	return at;
}

void *fake_at(const struct fake_mem *m, gpa_t gpa, uint64_t len)
{
	void *p = gmem_ptr(&m->gmem, gpa, len);

	if (!p)
		fake_die("address outside guest memory");
	return p;
}

/* ---- buffers */

struct fake_buf fake_out(struct fake_mem *m, const void *src, uint32_t len)
{
	struct fake_buf b = {.addr = fake_alloc(m, len, 1), .len = len};

	memcpy(fake_at(m, b.addr, len), src, len);
	return b;
}

struct fake_buf fake_in(struct fake_mem *m, uint32_t len)
{
	struct fake_buf b = {.addr = fake_alloc(m, len, 1), .len = len, .write = true};

	memset(fake_at(m, b.addr, len), 0xa5, len);
	return b;
}

struct fake_buf fake_part(struct fake_buf b, uint32_t off, uint32_t len)
{
	if (off > b.len || len > b.len - off)
		fake_die("part outside its buffer");
	return (struct fake_buf){.addr = b.addr + off, .len = len, .write = b.write};
}

/* ---- one virtqueue; the packed layout is in fake_packed.c */

/* Entries from @from up to @to; both run free. */
static uint16_t distance(uint16_t from, uint16_t to)
{
	return (uint16_t)(to - from);
}

static void split_init(struct fake_vq *v, struct fake_mem *m)
{
	const uint64_t avail_len = 6 + 2 * (uint64_t)v->num, used_len = 6 + 8 * (uint64_t)v->num;

	v->addr.desc = fake_alloc(m, 16 * (uint64_t)v->num, VRING_DESC_ALIGN_SIZE);
	v->addr.avail = fake_alloc(m, avail_len, VRING_AVAIL_ALIGN_SIZE);
	v->addr.used = fake_alloc(m, used_len, VRING_USED_ALIGN_SIZE);
	v->desc = fake_at(m, v->addr.desc, 16 * (uint64_t)v->num);
	v->avail = fake_at(m, v->addr.avail, avail_len);
	v->used = fake_at(m, v->addr.used, used_len);
}

void fake_vq_init(struct fake_vq *v, struct fake_mem *m, uint32_t num, uint64_t features)
{
	const bool packed = features & FEATURE(VIRTIO_F_RING_PACKED);

	if (num == 0 || num > VQ_NUM_MAX || (!packed && (num & (num - 1))))
		fake_die("queue size");
	memset(v, 0, sizeof(*v));
	v->m = m;
	v->num = u16_of(num);
	v->addr.num = num;
	v->event_idx = features & FEATURE(VIRTIO_RING_F_EVENT_IDX);
	v->in_order = features & FEATURE(VIRTIO_F_IN_ORDER);
	v->packed = packed;
	if (packed)
		fake_packed_init(v, m);
	else
		split_init(v, m);
	fake_vq_clear(v);
}

static void split_clear(struct fake_vq *v)
{
	memset(v->desc, 0, 16 * (size_t)v->num);
	memset(v->avail, 0, 6 + 2 * (size_t)v->num);
	memset(v->used, 0, 6 + 8 * (size_t)v->num);
	v->next_avail = v->judged_avail = v->next_used = 0;
	v->batch = 0;
}

void fake_vq_clear(struct fake_vq *v)
{
	if (v->packed)
		fake_packed_clear(v);
	else
		split_clear(v);
	for (unsigned i = 0; i < v->num; i++) {
		/* In order, descriptors of a split ring are taken round and round (virtio 1.2, 2.7.9). */
		v->link[i] = u16_of(v->in_order && !v->packed ? (i + 1) % v->num : i + 1);
		v->count[i] = 0;
	}
	v->free_head = 0;
	v->nr_free = v->num;
}

static void desc_set(struct vring_desc *d, struct fake_buf b, unsigned flags, unsigned next)
{
	d->addr = htole64(b.addr);
	d->len = htole32(b.len);
	d->flags = htole16(u16_of(flags | (b.write ? VRING_DESC_F_WRITE : 0)));
	d->next = htole16(u16_of(next));
}

static gpa_t table_fill(struct fake_vq *v, unsigned owner, const struct fake_buf *b, unsigned n)
{
	struct vring_desc *d;

	if (n > VQ_NUM_MAX)
		fake_die("indirect table longer than any ring");
	if (v->table[owner] == 0 || v->room[owner] < n) {
		v->room[owner] = n > v->num ? u16_of(n) : v->num;
		v->table[owner] = fake_alloc(v->m, 16 * (uint64_t)v->room[owner], 16);
	}
	d = fake_at(v->m, v->table[owner], 16 * (uint64_t)n);
	for (unsigned i = 0; i < n; i++)
		desc_set(&d[i], b[i], i + 1 < n ? VRING_DESC_F_NEXT : 0, i + 1);
	return v->table[owner];
}

int fake_vq_add_table(struct fake_vq *v, const struct fake_buf *b, unsigned n, unsigned direct)
{
	const unsigned nr = direct < n ? direct + 1 : n; /* descriptors of the ring */
	const uint16_t head = v->free_head;
	uint16_t at = head;

	if (n == 0 || direct > n)
		fake_die("a request needs buffers");
	if (v->packed)
		return fake_packed_add(v, b, n, direct < n);
	if (nr > v->nr_free)
		return -ENOSPC;
	for (unsigned i = 0; i < nr; i++) {
		const uint16_t next = v->link[at];

		if (i < direct) {
			desc_set(&v->desc[at], b[i], i + 1 < nr ? VRING_DESC_F_NEXT : 0, next);
		} else {
			struct fake_buf t = {.len = 16 * (n - direct)};

			t.addr = table_fill(v, at, b + direct, n - direct);
			desc_set(&v->desc[at], t, VRING_DESC_F_INDIRECT, 0);
		}
		at = next;
	}
	v->free_head = at;
	v->nr_free = (uint16_t)(v->nr_free - nr);
	v->count[head] = u16_of(nr);
	fake_vq_raw_head(v, head);
	return head;
}

int fake_vq_add(struct fake_vq *v, const struct fake_buf *b, unsigned n)
{
	return fake_vq_add_table(v, b, n, n);
}

void fake_vq_publish(struct fake_vq *v)
{
	if (v->packed) {
		fake_packed_publish(v);
		return;
	}
	/*
	 * Release the entries (virtio 1.2, 2.7.13.3.1), and be a full barrier before the look at
	 * flags or avail_event (2.7.13.4.1): the partner of vq_kicks_on(). An exchange is both, and
	 * thread sanitizer understands it.
	 */
	__atomic_exchange_n(&v->avail->idx, htole16(v->next_avail), __ATOMIC_SEQ_CST);
}

bool fake_vq_wants_kick(struct fake_vq *v)
{
	const uint16_t old = v->judged_avail;
	uint16_t event;

	if (v->packed)
		return fake_packed_wants_kick(v);
	v->judged_avail = v->next_avail;
	if (!v->event_idx)
		return !(le16toh(__atomic_load_n(&v->used->flags, __ATOMIC_SEQ_CST)) &
		         VRING_USED_F_NO_NOTIFY);
	event = fake_vq_raw_avail_event(v);
	return distance((uint16_t)(event + 1), v->next_avail) < distance(old, v->next_avail);
}

unsigned fake_vq_nr_used(const struct fake_vq *v)
{
	if (v->packed)
		return fake_packed_nr_used(v);
	/* Acquire: the entries are complete before the index, vq_publish(). */
	return distance(v->next_used, le16toh(__atomic_load_n(&v->used->idx, __ATOMIC_ACQUIRE)));
}

/* With IN_ORDER one entry may say it of all up to the one that it names (virtio 1.2, 2.7.9). */
static unsigned used_id(struct fake_vq *v, uint32_t *len)
{
	const struct vring_used_elem *e = &v->used->ring[v->next_used & (v->num - 1u)];
	unsigned id;

	if (v->batch == 0) {
		id = le32toh(e->id);
		*len = v->batch_len = le32toh(e->len);
		if (!v->in_order)
			return id;
		v->batch_id = id;
	}
	id = le16toh(v->avail->ring[v->next_used & (v->num - 1u)]);
	v->batch = id != v->batch_id;
	*len = v->batch ? 0 : v->batch_len;
	return id;
}

/* The descriptors of the request @head are the first to be taken again. */
static void split_free(struct fake_vq *v, uint16_t head)
{
	uint16_t last = head;

	for (unsigned i = 1; i < v->count[head]; i++)
		last = v->link[last];
	v->link[last] = v->free_head;
	v->free_head = head;
}

bool fake_vq_reap(struct fake_vq *v, unsigned *head, uint32_t *len)
{
	unsigned id;

	if (v->packed)
		return fake_packed_reap(v, head, len);
	if (fake_vq_nr_used(v) == 0)
		return false;
	id = used_id(v, len);
	if (id >= v->num || v->count[id] == 0)
		fake_die("the device returned what it was not given");
	/* Taken round and round: behind what is free comes the oldest. */
	if (v->in_order && id != (v->free_head + v->nr_free) % v->num)
		fake_die("the device used a request before an older one");
	if (!v->in_order)
		split_free(v, u16_of(id));
	v->nr_free = (uint16_t)(v->nr_free + v->count[id]);
	v->count[id] = 0;
	v->next_used++;
	*head = id;
	return true;
}

void fake_vq_irq_off(struct fake_vq *v)
{
	/* With the event index the driver just lets used_event fall behind (virtio 1.2, 2.7.7). */
	if (v->packed)
		fake_packed_irq(v, false);
	else if (!v->event_idx)
		__atomic_store_n(&v->avail->flags, htole16(VRING_AVAIL_F_NO_INTERRUPT),
		                 __ATOMIC_RELAXED);
}

bool fake_vq_irq_on(struct fake_vq *v)
{
	uint16_t *word;

	if (v->packed) {
		fake_packed_irq(v, true);
		return fake_vq_nr_used(v) > 0;
	}
	word = v->event_idx ? &v->avail->ring[v->num] : &v->avail->flags;
	/* Full barrier before the second look (2.7.14): the partner of vq_want_interrupt(). */
	__atomic_exchange_n(word, v->event_idx ? htole16(v->next_used) : 0, __ATOMIC_SEQ_CST);
	return fake_vq_nr_used(v) > 0;
}

/* ---- rule breakers */

void fake_vq_raw_desc(struct fake_vq *v, unsigned i, struct vring_desc d)
{
	if (v->packed) {
		v->packed_desc[i % v->num] = (struct vring_packed_desc){
			htole64(d.addr), htole32(d.len), htole16(d.next), htole16(d.flags)};
		return;
	}
	d.addr = htole64(d.addr);
	d.len = htole32(d.len);
	d.flags = htole16(d.flags);
	d.next = htole16(d.next);
	v->desc[i & (v->num - 1u)] = d;
}

void fake_vq_raw_head(struct fake_vq *v, uint16_t head)
{
	if (v->packed) {
		fake_packed_raw_offer(v, head >= v->num);
		return;
	}
	v->avail->ring[v->next_avail & (v->num - 1u)] = htole16(head);
	v->next_avail++;
}

void fake_vq_raw_avail_idx(struct fake_vq *v, uint16_t idx)
{
	if (v->packed)
		fake_packed_raw_offer(v, true);
	v->next_avail = idx;
	fake_vq_publish(v);
}

void fake_vq_raw_used_event(struct fake_vq *v, uint16_t idx)
{
	if (v->packed) {
		__atomic_store_n(v->driver_event,
		                 htole32(idx | (uint32_t)VRING_PACKED_EVENT_FLAG_DESC << 16),
		                 __ATOMIC_SEQ_CST);
		return;
	}
	__atomic_store_n(&v->avail->ring[v->num], htole16(idx), __ATOMIC_SEQ_CST);
}

uint16_t fake_vq_raw_avail_event(const struct fake_vq *v)
{
	const struct vring_used_elem *tail;

	if (v->packed)
		return le32toh(__atomic_load_n(v->device_event, __ATOMIC_SEQ_CST)) & UINT16_MAX;
	tail = &v->used->ring[v->num];
	return le16toh(__atomic_load_n((const uint16_t *)(const void *)tail, __ATOMIC_SEQ_CST));
}

/* ---- the device */

uint32_t fake_readl(const struct fake_dev *f, uint64_t off)
{
	if (f->page && off < VIRTIO_MMIO_CONFIG)
		return fake_page_readl(f->page, off);
	return u32_of(virtio_mmio_bus_ops.read(f->mmio, off, 4));
}

void fake_writel(const struct fake_dev *f, uint64_t off, uint32_t val)
{
	if (f->page)
		fake_page_writel(f->page, f->mmio, off, val);
	else
		virtio_mmio_bus_ops.write(f->mmio, off, 4, val);
}

uint32_t fake_status(const struct fake_dev *f)
{
	return f->mmio ? fake_readl(f, VIRTIO_MMIO_STATUS) : f->core->status;
}

void fake_set_status(const struct fake_dev *f, uint32_t status)
{
	if (f->mmio)
		fake_writel(f, VIRTIO_MMIO_STATUS, status);
	else
		virtio_set_status(f->core, status);
}

void fake_add_status(const struct fake_dev *f, uint32_t bits)
{
	fake_set_status(f, fake_status(f) | bits);
}

static uint32_t offered_page(const struct fake_dev *f, uint32_t page)
{
	if (!f->mmio)
		return virtio_offered(f->core, page);
	fake_writel(f, VIRTIO_MMIO_DEVICE_FEATURES_SEL, page);
	return fake_readl(f, VIRTIO_MMIO_DEVICE_FEATURES);
}

uint64_t fake_offered(const struct fake_dev *f)
{
	return (uint64_t)offered_page(f, 1) << 32 | offered_page(f, 0);
}

static void accept_page(const struct fake_dev *f, uint32_t page, uint32_t bits)
{
	if (!f->mmio) {
		virtio_accept(f->core, page, bits);
		return;
	}
	fake_writel(f, VIRTIO_MMIO_DRIVER_FEATURES_SEL, page);
	fake_writel(f, VIRTIO_MMIO_DRIVER_FEATURES, bits);
}

int fake_negotiate(const struct fake_dev *f, uint64_t features)
{
	fake_set_status(f, 0);
	fake_add_status(f, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	fake_add_status(f, VIRTIO_CONFIG_S_DRIVER);
	accept_page(f, 1, u32_of(features >> 32));
	accept_page(f, 0, u32_of(features));
	fake_add_status(f, VIRTIO_CONFIG_S_FEATURES_OK);
	return fake_status(f) & VIRTIO_CONFIG_S_FEATURES_OK ? 0 : -ENODEV;
}

void fake_set_queue(const struct fake_dev *f, uint32_t queue, const struct vq_addr *a)
{
	struct virtio_queue *q;

	if (!f->mmio) {
		q = virtio_queue_at(f->core, queue, true);
		if (q)
			q->addr = *a;
		virtio_queue_ready(f->core, queue, true);
		return;
	}
	fake_writel(f, VIRTIO_MMIO_QUEUE_SEL, queue);
	fake_writel(f, VIRTIO_MMIO_QUEUE_NUM, a->num);
	fake_writel(f, VIRTIO_MMIO_QUEUE_DESC_LOW, u32_of(a->desc));
	fake_writel(f, VIRTIO_MMIO_QUEUE_DESC_HIGH, u32_of(a->desc >> 32));
	fake_writel(f, VIRTIO_MMIO_QUEUE_AVAIL_LOW, u32_of(a->avail));
	fake_writel(f, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, u32_of(a->avail >> 32));
	fake_writel(f, VIRTIO_MMIO_QUEUE_USED_LOW, u32_of(a->used));
	fake_writel(f, VIRTIO_MMIO_QUEUE_USED_HIGH, u32_of(a->used >> 32));
	fake_writel(f, VIRTIO_MMIO_QUEUE_READY, 1);
}

int fake_probe(const struct fake_dev *f, uint64_t features, struct fake_vq *const *vqs, unsigned nr)
{
	int rc = fake_negotiate(f, features);

	if (rc)
		return rc;
	for (unsigned i = 0; i < nr; i++)
		if (vqs[i])
			fake_set_queue(f, i, &vqs[i]->addr);
	fake_add_status(f, VIRTIO_CONFIG_S_DRIVER_OK);
	return fake_status(f) & VIRTIO_CONFIG_S_NEEDS_RESET ? -EIO : 0;
}

void fake_kick(const struct fake_dev *f, uint32_t queue)
{
	if (f->mmio)
		fake_writel(f, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	else
		virtio_kick(f->core, queue);
}
