/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_watch.h - somebody looks on while a driver works: doorbell check, its recorder
 *
 * Several may, in a list; each is told in the order of the list, and leaves out (NULL) what is of no interest to it. Set
 * before any vCPU runs, and never while there is a driver. Without one (NULL) an access costs a branch, and so does each
 * look at the index of an available ring, each publication of used entries and the question for its interrupt, each
 * interrupt, each frame, each command of the control queue; a descriptor costs nothing.
 */
#ifndef DOORBELL_VIRTIO_WATCH_H
#define DOORBELL_VIRTIO_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iovec;
struct vq_addr;

/* A driver's access to its registers, 0x000 to 0x0ff, or the config space behind them. */
struct virtio_access {
	uint32_t off;
	unsigned size; /* bytes, 1 to 8 */
	bool write;
	uint64_t val;   /* what is written, or what reading has given */
	uint8_t status; /* the device's, before the access */
};

/* A command of a control queue, as the device has taken it. */
struct virtio_command {
	const uint8_t *data;      /* the readable part: the copy that the device has gone by */
	size_t held;              /* bytes at @data; fewer than out_len when that is very long */
	uint64_t out_len, in_len; /* of the chain: what is for reading, what for writing */
	uint8_t ack;              /* what the driver will be told */
	bool changed; /* the readable part is not any more what it was, and the driver has not got it back yet */
};

/*
 * Of one queue. On the thread that serves it. Split: @from and @to are indices, which run free. Packed: bits 0..14 are
 * a slot, bit 15 is the wrap counter there.
 */
struct vq_watch {
	/*
	 * Split: the device has read the index @to: the entries from @from up to it are there to be taken. None of them
	 * has been, so their chains are as the driver offers them. Not judged yet: the distance may be anything.
	 * Packed: the device has found the flags of @from, which is @to, available; nothing of what begins there has
	 * been taken.
	 */
	void (*avail)(struct vq_watch *w, uint16_t from, uint16_t to);
	/*
	 * The used entries from @from up to @to are about to be shown to the driver. Packed: the ids and lengths are
	 * written, and in part the flags, but not those of @from.
	 */
	void (*used)(struct vq_watch *w, uint16_t from, uint16_t to);
	/*
	 * The device has read what the driver wants: @word is flags, or with EVENT_IDX used_event; packed: all of the
	 * event, flags in the upper half. @interrupt: it gets one for what has been shown since the last time.
	 */
	void (*wish)(struct vq_watch *w, uint32_t word, bool interrupt);
	struct vq_watch *next; /* of another one; virtio_watch_queue() sets it */
};

struct virtio_watch {
	/* Any vCPU's thread, several at once: of a write before it has an effect, of a read after it. */
	void (*access)(struct virtio_watch *w, const struct virtio_access *a);
	/*
	 * Loop thread, at DRIVER_OK: from now on @queue is served, at the addresses @a, which have been judged. NULL:
	 * that one is of no interest.
	 */
	struct vq_watch *(*queue)(struct virtio_watch *w, unsigned queue, const struct vq_addr *a);
	/* Any thread that serves queues: VIRTIO_ISR_* of @bits are about to go up, and an interrupt follows. */
	void (*interrupt)(struct virtio_watch *w, uint32_t bits);
	/*
	 * On the thread of virtqueue @queue: the first @bytes of @iov, header (NET_HDR_LEN) and frame, have gone from it
	 * to the backend, or have come from there and are for it, unless a filter takes them away.
	 */
	void (*frame)(struct virtio_watch *w, unsigned queue, const struct iovec *iov, unsigned nr,
	              size_t bytes);
	/*
	 * Likewise, of transmit queues: the device is about to read the @bytes at @iov[0 .. nr), in guest memory. A copy of
	 * them, which it goes by instead, until the next call for that queue; or NULL.
	 */
	uint8_t *(*copy)(struct virtio_watch *w, unsigned queue, const struct iovec *iov,
	                 unsigned nr, size_t bytes);
	/*
	 * Likewise, of receive queues and the control queue: @bytes have been written to the buffer that was popped as
	 * @head, from its beginning on, and the driver has not been told.
	 */
	void (*wrote)(struct virtio_watch *w, unsigned queue, uint16_t head, uint32_t bytes);
	/* Loop thread: it has been carried out or refused, and its driver does not know yet. */
	void (*command)(struct virtio_watch *w, const struct virtio_command *cmd);
	struct virtio_watch *next;
};

/* For those who have something to tell: to all of the list @w, which may be empty. */

static inline void virtio_watch_access(struct virtio_watch *w, const struct virtio_access *a)
{
	for (; w; w = w->next)
		if (w->access)
			w->access(w, a);
}

static inline void virtio_watch_interrupt(struct virtio_watch *w, uint32_t bits)
{
	for (; w; w = w->next)
		if (w->interrupt)
			w->interrupt(w, bits);
}

static inline void virtio_watch_frame(struct virtio_watch *w, unsigned queue,
                                      const struct iovec *iov, unsigned nr, size_t bytes)
{
	for (; w; w = w->next)
		if (w->frame)
			w->frame(w, queue, iov, nr, bytes);
}

/* That of the first one that has one; or NULL. */
static inline uint8_t *virtio_watch_copy(struct virtio_watch *w, unsigned queue,
                                         const struct iovec *iov, unsigned nr, size_t bytes)
{
	uint8_t *copy = NULL;

	for (; w && !copy; w = w->next)
		if (w->copy)
			copy = w->copy(w, queue, iov, nr, bytes);
	return copy;
}

static inline void virtio_watch_wrote(struct virtio_watch *w, unsigned queue, uint16_t head,
                                      uint32_t bytes)
{
	for (; w; w = w->next)
		if (w->wrote)
			w->wrote(w, queue, head, bytes);
}

static inline void virtio_watch_command(struct virtio_watch *w, const struct virtio_command *cmd)
{
	for (; w; w = w->next)
		if (w->command)
			w->command(w, cmd);
}

/* Those that want to know more of @queue, as a list. */
static inline struct vq_watch *virtio_watch_queue(struct virtio_watch *w, unsigned queue,
                                                  const struct vq_addr *a)
{
	struct vq_watch *first = NULL, **end = &first;

	for (; w; w = w->next) {
		*end = w->queue ? w->queue(w, queue, a) : NULL;
		if (*end)
			end = &(*end)->next;
	}
	*end = NULL;
	return first;
}

static inline void vq_watch_avail(struct vq_watch *w, uint16_t from, uint16_t to)
{
	for (; w; w = w->next)
		if (w->avail)
			w->avail(w, from, to);
}

static inline void vq_watch_used(struct vq_watch *w, uint16_t from, uint16_t to)
{
	for (; w; w = w->next)
		if (w->used)
			w->used(w, from, to);
}

static inline void vq_watch_wish(struct vq_watch *w, uint32_t word, bool interrupt)
{
	for (; w; w = w->next)
		if (w->wish)
			w->wish(w, word, interrupt);
}

#endif
