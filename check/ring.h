/* SPDX-License-Identifier: Apache-2.0 */
/* check/ring.h - the two layouts of a ring, and what they share; private to check/
 *
 * ring.c: what is the same in both. ring_split.c, ring_packed.c: split_X() and packed_X() are ring_X() of check/state.h,
 * or of this file, for that layout. All under the lock of the check.
 */
#ifndef DOORBELL_CHECK_RING_H
#define DOORBELL_CHECK_RING_H

#include "check/state.h"

/* In our memory and byte order. */
struct ring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next; /* split */
	uint16_t id;   /* packed */
};

/* The names of rules that both layouts have, each in its own section. */
struct ring_rules {
	const char *nonempty, *order, *in_ram, *flags, *negotiated, *alone, *limit;
	uint16_t known_flags;
};
extern const struct ring_rules split_rules, packed_rules;

/* Words as they are now: the driver, or the device on another thread, may write them. False: they are not in memory. */
bool ring_word(const struct check_queue *q, gpa_t at, uint16_t *out);
bool ring_in_memory(const struct check_queue *q, gpa_t at, uint64_t len);
/* Do @a, of @a_len bytes, and @b have no byte in common? Both are in memory. */
static inline bool ring_apart(gpa_t a, uint64_t a_len, gpa_t b, uint64_t b_len)
{
	return a + a_len <= b || b + b_len <= a;
}
/* Another queue that is ready and has memory of @q, which has not become ready yet; NULL: there is none. */
const struct check_queue *ring_shared_with(const struct check_queue *q);
/* Something of @q, at @at, is not in memory: no address of the guest's. */
void ring_outside(struct check_queue *q, const char *what, gpa_t at);
bool ring_is_zero(const struct check_queue *q, gpa_t at, uint64_t len);

/* Entry @i at @table, of the layout that @q has. False: it is not in memory. */
bool ring_read_desc(const struct check_queue *q, gpa_t table, unsigned i, struct ring_desc *d);
/* The same of the ring itself, and remembers its bytes for ring_unchanged(). */
bool ring_take_desc(struct check_queue *q, unsigned i, struct ring_desc *d);
/* The first @n bytes of descriptor @i are as they were. */
bool ring_unchanged(const struct check_queue *q, unsigned i, size_t n);

/* Judges the flags of a descriptor of the ring; false: it has a table, and the chain cannot be followed there. */
bool chain_flags(struct check_chain *ch, const struct ring_desc *d);
void chain_piece(struct check_chain *ch, const struct ring_desc *d);
/* The table of @d becomes part of what @l is about. */
/* Different bytes, different sum: nearly always. Of @len bytes, in 16s. */
uint64_t ring_sum(const struct check_queue *q, gpa_t at, uint32_t len);
void chain_remember_table(const struct check_chain *ch, const struct ring_desc *d,
                          struct check_list *l);
/* A table with so many pieces: no longer than the ring? */
void chain_limit(struct check_chain *ch);
/* The chain is complete. */
void chain_end(struct check_chain *ch);
/* It is about to come back, or its device to be reset: the table is as it was? */
void chain_back(struct check_queue *q, const struct check_list *l);
/* Descriptor @i, which the device has, was written. */
enum verdict ring_changed(struct check_queue *q, unsigned i);

/* ring_early.c: the device has found this one; and the driver kicks. */
void early_note(struct check_queue *q, uint16_t head, uint16_t index);
void early_at_kick(struct check_queue *q);

/* The index up to which the driver has offered. False: it is not in memory. */
bool ring_offered(const struct check_queue *q, uint16_t *avail);
/* A position as a kick names it, bit 15 the wrap counter, counted as @avail, what was offered, is. False: there is none such. */
bool ring_position(const struct check_queue *q, uint16_t code, uint16_t avail, uint16_t *out);
bool ring_device_wish(const struct check_queue *q, struct ring_wish *w);
bool ring_driver_wish(const struct check_queue *q, struct ring_wish *w);
/* Looks at what the device has: now and then, and (@end) when the driver resets the device. */
void ring_recheck(struct check_queue *q, bool end);
/* The next entry was written, and does not say that it is offered: the rule for that; NULL: it is not so. */
const char *ring_unmarked(const struct check_queue *q);

void split_ready(struct check_queue *q);
void split_avail(struct check_queue *q, uint16_t to);
void split_used(struct check_queue *q, uint16_t from, uint16_t to);
bool split_offered(const struct check_queue *q, uint16_t *avail);
bool split_device_wish(const struct check_queue *q, struct ring_wish *w);
bool split_driver_wish(const struct check_queue *q, struct ring_wish *w);
void split_recheck(struct check_queue *q, bool end);

void packed_ready(struct check_queue *q);
void packed_served(struct check_queue *q);
void packed_avail(struct check_queue *q);
void packed_used(struct check_queue *q, uint16_t from, uint16_t to);
bool packed_offered(const struct check_queue *q, uint16_t *avail);
bool packed_position(const struct check_queue *q, uint16_t code, uint16_t avail, uint16_t *out);
bool packed_device_wish(const struct check_queue *q, struct ring_wish *w);
bool packed_driver_wish(const struct check_queue *q, struct ring_wish *w);
void packed_recheck(struct check_queue *q, bool end);
const char *packed_unmarked(const struct check_queue *q);

#endif
