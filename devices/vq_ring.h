/* SPDX-License-Identifier: Apache-2.0 */
/* devices/vq_ring.h - what the two layouts of a virtqueue share: for vq*.c, and nobody else
 *
 * Words of guest memory that say whose a descriptor is are loaded and stored here, once each and with
 * the order that the comment at the call explains. Their partners are in the driver.
 */
#ifndef DOORBELL_VQ_RING_H
#define DOORBELL_VQ_RING_H

#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/vq.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

static inline uint16_t vq_load_relaxed(const le16 *word)
{
	return le16toh(__atomic_load_n(&word->raw, __ATOMIC_RELAXED));
}

static inline uint16_t vq_load_acquire(const le16 *word)
{
	return le16toh(__atomic_load_n(&word->raw, __ATOMIC_ACQUIRE));
}

static inline void vq_store_relaxed(le16 *word, uint16_t v)
{
	__atomic_store_n(&word->raw, htole16(v), __ATOMIC_RELAXED);
}

static inline void vq_store_release(le16 *word, uint16_t v)
{
	__atomic_store_n(&word->raw, htole16(v), __ATOMIC_RELEASE);
}

#if defined(__SANITIZE_THREAD__)
#define VQ_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VQ_THREAD_SANITIZER 1
#endif
#endif

/*
 * Order our stores before the loads that follow: publish, then look. Thread sanitizer does not model a
 * fence; there a read-modify-write of @word, which only the device writes, does the same.
 */
static inline void vq_full_fence(le16 *word)
{
#ifdef VQ_THREAD_SANITIZER
	__atomic_fetch_add(&word->raw, 0, __ATOMIC_SEQ_CST);
#else
	(void)word;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static inline int vq_broken(struct vq *q, const char *why)
{
	q->why = why;
	return -EPROTO;
}

/*
 * vq_add_buffer() for what is not one piece, or finds no room, or is wrong: in vq.c, so that the usual case
 * has no array on its stack. Pieces that do not fit are counted, so that the caller sees it.
 */
const char *vq_add_pieces(const struct vq *q, struct vq_chain *c, gpa_t addr, uint32_t len,
                          bool write);

/* gmem_ptr(), but it looks first where the last buffer was: a driver's buffers mostly lie in one region. */
static inline void *vq_host(struct vq *q, gpa_t addr, uint32_t len)
{
	const struct gmem_region *r = q->last;

	if (unlikely(addr - r->base >= r->size)) {
		r = gmem_region_of(q->mem, addr);
		if (!r)
			return NULL;
		q->last = r;
	}
	return len > 0 && len <= r->size - (addr - r->base) ? r->host + (addr - r->base) : NULL;
}

/* Append the buffer of a descriptor to @c. NULL or the broken rule. */
static inline const char *vq_add_buffer(struct vq *q, struct vq_chain *c, gpa_t addr, uint32_t len,
                                        bool write)
{
	const unsigned at = c->nr_out + c->nr_in;
	void *host;

	if (unlikely(!write && c->nr_in > 0))
		return "readable descriptor after a writable one";
	if (unlikely((uint64_t)c->out_len + c->in_len + len > UINT32_MAX))
		return "chain of 4 GiB or more";
	host = vq_host(q, addr, len);
	if (unlikely(!host || at >= c->room))
		return vq_add_pieces(q, c, addr, len, write);
	c->iov[at] = (struct iovec){.iov_base = host, .iov_len = len};
	*(write ? &c->nr_in : &c->nr_out) += 1;
	*(write ? &c->in_len : &c->out_len) += len;
	return NULL;
}

/* What ids a driver has used, that of the last offer first. */
struct vq_ids {
	uint16_t id[VQ_NUM_MAX];
	unsigned nr;
	enum vq_id { VQ_ID_UNKNOWN, VQ_ID_SEEN, VQ_ID_BUSY } state[VQ_NUM_MAX];
};

/* @id, below the size of the ring, is @state at least. False: that was known. */
static inline bool vq_ids_note(struct vq_ids *s, unsigned id, enum vq_id state)
{
	if (s->state[id] >= state)
		return false;
	if (s->state[id] == VQ_ID_UNKNOWN)
		s->id[s->nr++] = u16_of(id);
	s->state[id] = state;
	return true;
}

/*
 * The indirect table at @addr, @len bytes of descriptors of 16, which both layouts have: *nr of them at
 * *table, at most VQ_NUM_MAX. NULL or the broken rule.
 */
static inline const char *vq_find_table(const struct vq *q, gpa_t addr, uint32_t len,
                                        const void **table, unsigned *nr)
{
	if (!q->indirect)
		return "indirect table although INDIRECT_DESC was not accepted";
	if (len == 0 || len % 16 != 0)
		return "length of an indirect table is not a multiple of 16 above 0";
	if (len > VQ_NUM_MAX * 16)
		return "indirect table longer than any ring may be";
	*table = gmem_ptr(q->mem, addr, len);
	if (!*table)
		return "indirect table outside guest memory";
	*nr = len / 16;
	return NULL;
}

#endif
