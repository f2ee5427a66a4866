/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every chain that rings of 1, 2 and 4 entries can hold, right or wrong, judged by vq_pop() and by a
 * second walker that is written to be obvious: it keeps a list of where it has been.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "devices/vq.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/stride.h"
#include "vmm/core/compiler.h"

#define NEXT  VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define TABLE VRING_DESC_F_INDIRECT

#define MAX      4u                      /* entries of the largest ring */
#define HOLE     0x1000u                 /* below FAKE_MEM_BASE */
#define LEN      16u                     /* of a good buffer */
#define ALL      (2 * MAX + 1)           /* descriptors: ring, and a table that is one longer */
#define ROOM     ALL                     /* pieces: one more than a legal chain has */
#define TOO_LONG (16 * (VQ_NUM_MAX + 1)) /* bytes of a table; they do lie in memory */

/* One way to fill a descriptor. */
struct form {
	uint8_t flags;
	uint8_t next;
	enum { GOOD, EMPTY, OUTSIDE } buf;
};

struct forms {
	struct form form[96];
	unsigned nr;
};

/* All flags, with every next from 0 to @num (which is outside), and the first @bufs kinds of buffer. */
static void forms_make(struct forms *f, unsigned num, unsigned bufs)
{
	f->nr = 0;
	for (unsigned flags = 0; flags < 8; flags++)
		for (unsigned next = 0; next <= (flags & NEXT ? num : 0); next++)
			for (unsigned buf = 0; buf < bufs; buf++)
				f->form[f->nr++] = (struct form){
					.flags = u8_of(flags), .next = u8_of(next), .buf = buf};
}

/* One case, and where it is written to. */
struct bench {
	struct fake_mem m;
	struct fake_vq drv;
	struct vq q;
	gpa_t buf[ALL]; /* [0 .. num) of the ring, the others of the table */
	gpa_t table;
	struct vring_desc *table_host;
	uint64_t cases, legal, drawn;
	unsigned stride; /* run one of so many */

	unsigned num, head;
	bool indirect; /* the feature */
	struct form ring[MAX], tab[MAX + 1];
	uint32_t table_len; /* bytes, what descriptors claim */
	gpa_t table_at;
};

/* What the walk of a legal chain has to give. */
struct expected {
	struct {
		gpa_t addr;
		bool write;
	} piece[ALL];
	unsigned nr;
};

/* The obvious walker. True: a legal chain, in @e. */
static bool obvious(const struct bench *b, struct expected *e)
{
	bool been_ring[MAX] = {false}, been_table[MAX + 1] = {false};
	bool in_table = false, wrote = false;
	unsigned at = b->head;

	e->nr = 0;
	for (;;) {
		const struct form *f;
		bool *been;

		if (at >= (in_table ? b->table_len / 16 : b->num))
			return false;
		f = in_table ? &b->tab[at] : &b->ring[at];
		been = in_table ? &been_table[at] : &been_ring[at];
		if (*been)
			return false;
		*been = true;
		if (f->flags & TABLE) {
			if (!b->indirect || in_table || (f->flags & NEXT))
				return false;
			if (b->table_len == 0 || b->table_len % 16 != 0 ||
			    b->table_len / 16 > VQ_NUM_MAX || b->table_at != b->table)
				return false;
			in_table = true;
			at = 0;
			continue;
		}
		if (f->buf != GOOD || (wrote && !(f->flags & WRITE)))
			return false;
		wrote = f->flags & WRITE;
		e->piece[e->nr].addr = b->buf[in_table ? b->num + at : at];
		e->piece[e->nr++].write = wrote;
		if (!(f->flags & NEXT))
			return true;
		at = f->next;
	}
}

static void put(struct vring_desc *d, const struct bench *b, const struct form *f, gpa_t buf)
{
	d->flags = htole16(f->flags);
	d->next = htole16(f->next);
	if (f->flags & TABLE) {
		d->addr = htole64(b->table_at);
		d->len = htole32(b->table_len);
	} else {
		d->addr = htole64(f->buf == OUTSIDE ? HOLE : buf);
		d->len = htole32(f->buf == EMPTY ? 0 : LEN);
	}
}

/* Is what vq_pop() gave what the other walker found? */
static bool same(const struct bench *b, const struct vq_chain *c, const struct expected *e)
{
	unsigned nr_out = 0;

	for (unsigned i = 0; i < e->nr; i++)
		nr_out += !e->piece[i].write;
	if (c->nr_out != nr_out || c->nr_out + c->nr_in != e->nr || c->head != b->head ||
	    c->out_len != LEN * nr_out || c->in_len != LEN * (e->nr - nr_out))
		return false;
	for (unsigned i = 0; i < e->nr; i++)
		if (c->iov[i].iov_base != fake_at(&b->m, e->piece[i].addr, LEN) ||
		    c->iov[i].iov_len != LEN)
			return false;
	return true;
}

static void run_case(struct bench *b)
{
	struct iovec iov[ROOM];
	struct vq_chain c = {.iov = iov, .room = ARRAY_SIZE(iov)};
	struct expected e;
	bool legal;
	int rc;

	if (b->drawn++ % b->stride != 0)
		return;
	for (unsigned i = 0; i < b->num; i++)
		put(&b->drv.desc[i], b, &b->ring[i], b->buf[i]);
	for (unsigned i = 0; i <= b->num; i++)
		put(&b->table_host[i], b, &b->tab[i], b->buf[b->num + i]);
	b->drv.avail->ring[0] = htole16(u16_of(b->head));
	b->drv.avail->idx = htole16(1);
	rc = vq_start(&b->q, &b->m.gmem, &b->drv.addr,
	              (struct vq_features){.indirect = b->indirect});
	if (rc)
		fail_msg("vq_start: %d", rc);
	rc = vq_pop(&b->q, &c);
	legal = obvious(b, &e);
	b->cases++;
	b->legal += legal;
	if (rc == (legal ? 1 : -EPROTO) && (!legal || same(b, &c, &e)))
		return;
	for (unsigned i = 0; i < b->num; i++)
		print_error("ring[%u]: flags %u next %u buf %d\n", i, b->ring[i].flags,
		            b->ring[i].next, (int)b->ring[i].buf);
	for (unsigned i = 0; i <= b->num; i++)
		print_error("table[%u]: flags %u next %u buf %d\n", i, b->tab[i].flags,
		            b->tab[i].next, (int)b->tab[i].buf);
	fail_msg("head %u, table of %u bytes, feature %d: vq_pop %d (%s), expected %s", b->head,
	         b->table_len, b->indirect, rc, rc < 0 ? b->q.why : "-",
	         legal ? "another chain" : "-EPROTO");
}

/* Whether any descriptor leads to the table. */
static bool leads_to_table(const struct bench *b)
{
	for (unsigned i = 0; i < b->num; i++)
		if (b->ring[i].flags & TABLE)
			return b->indirect;
	return false;
}

/* The next combination of @n forms out of @f; false after the last one. @digit starts as zeros. */
static bool count_up(const struct forms *f, unsigned *digit, struct form *out, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		digit[i] = (digit[i] + 1) % f->nr;
		out[i] = f->form[digit[i]];
		if (digit[i] != 0)
			return true;
	}
	return false;
}

static void forms_fill(const struct forms *f, struct form *out, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = f->form[0];
}

static void bench_up(struct bench *b, unsigned num)
{
	memset(b, 0, sizeof(*b));
	fake_mem_create(&b->m, KIB(64));
	fake_vq_init(&b->drv, &b->m, num, 0);
	b->num = num;
	b->stride = num > 1 ? STRIDE : 1;
	b->table = fake_alloc(&b->m, TOO_LONG, 16);
	b->table_host = fake_at(&b->m, b->table, 16 * (MAX + 1));
	for (unsigned i = 0; i < ALL; i++)
		b->buf[i] = fake_alloc(&b->m, LEN, 1);
	b->table_at = b->table;
	b->table_len = 16 * num;
}

static void bench_down(struct bench *b, uint64_t least)
{
	fake_mem_destroy(&b->m);
	print_message("%llu cases, %llu legal\n", (unsigned long long)b->cases,
	              (unsigned long long)b->legal);
	assert_true(b->cases >= least / b->stride);
	assert_true(b->legal > 0 && b->legal < b->cases);
}

/*
 * Every table that has one of @f in each of its first num entries, for the ring as it is. In the last
 * one of a table that is longer than the ring the chain ends.
 */
static void all_tables(struct bench *b, const struct forms *f)
{
	const bool looked_at = leads_to_table(b) && b->table_len != 0 && b->table_len != TOO_LONG;
	unsigned digit[MAX] = {0};

	forms_fill(f, b->tab, b->num);
	do
		run_case(b);
	while (looked_at && count_up(f, digit, b->tab, b->num));
}

static void every_ring_with_every_table(unsigned num, unsigned bufs, uint64_t least)
{
	unsigned digit[MAX] = {0};
	struct forms f;
	struct bench b;

	bench_up(&b, num);
	forms_make(&f, num, bufs);
	forms_fill(&f, b.ring, num);
	do
		for (unsigned way = 0; way < 2 * (num + 1) * (num + 3); way++) {
			const unsigned entries = way / 2 / (num + 1);

			b.indirect = way % 2;
			b.head = way / 2 % (num + 1); /* num is outside */
			b.table_len = entries > num + 1 ? TOO_LONG : 16 * entries;
			all_tables(&b, &f);
		}
	while (count_up(&f, digit, b.ring, num));
	bench_down(&b, least);
}

static void a_ring_of_one_is_judged_like_the_obvious_walker_does(unused void **state)
{
	every_ring_with_every_table(1, 3, 3000);
}

static void a_ring_of_two_is_judged_like_the_obvious_walker_does(unused void **state)
{
	every_ring_with_every_table(2, 2, 7000000);
}

/* Tables that are worth meeting from each ring. */
static const struct {
	uint32_t len;
	gpa_t at; /* 0: where the table is */
	struct form form[MAX + 1];
} tables[] = {
	{16, 0, {{0, 0, GOOD}}},
	{16, 0, {{WRITE, 0, GOOD}}},
	{16, 0, {{NEXT, 0, GOOD}}},
	{16, 0, {{NEXT, 1, GOOD}}},
	{16, 0, {{TABLE, 0, GOOD}}},
	{16, 0, {{0, 0, EMPTY}}},
	{16, 0, {{0, 0, OUTSIDE}}},
	{16, HOLE, {{0, 0, GOOD}}},
	{15, 0, {{0, 0, GOOD}}},
	{0, 0, {{0, 0, GOOD}}},
	{TOO_LONG, 0, {{0, 0, GOOD}}},
	{32, 0, {{NEXT, 1, GOOD}, {0, 0, GOOD}}},
	{32, 0, {{NEXT, 1, GOOD}, {WRITE, 0, GOOD}}},
	{32, 0, {{NEXT | WRITE, 1, GOOD}, {0, 0, GOOD}}},
	{32, 0, {{NEXT | WRITE, 1, GOOD}, {WRITE, 0, GOOD}}},
	{64, 0, {{NEXT, 3, GOOD}, {0, 0, GOOD}, {NEXT, 1, GOOD}, {NEXT, 2, GOOD}}},
	{80, 0, {{NEXT, 4, GOOD}, {0, 0, GOOD}, {0, 0, GOOD}, {0, 0, GOOD}, {WRITE, 0, GOOD}}},
	{80, 0, {{NEXT, 1, GOOD}, {NEXT, 2, GOOD}, {NEXT, 3, GOOD}, {NEXT, 4, GOOD}, {0, 0, GOOD}}},
	{80, 0, {{NEXT, 4, GOOD}, {0, 0, GOOD}, {0, 0, GOOD}, {0, 0, GOOD}, {NEXT, 0, GOOD}}},
	{80, 0, {{NEXT, 4, GOOD}, {0, 0, GOOD}, {0, 0, GOOD}, {0, 0, GOOD}, {NEXT, 5, GOOD}}},
};

static void a_ring_of_four_is_judged_like_the_obvious_walker_does(unused void **state)
{
	unsigned digit[MAX] = {0};
	struct forms f;
	struct bench b;

	bench_up(&b, 4);
	forms_make(&f, 4, 1);
	forms_fill(&f, b.ring, 4);
	do {
		b.indirect = false;
		run_case(&b);
		b.indirect = true;
		for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
			b.table_len = tables[i].len;
			b.table_at = tables[i].at ? tables[i].at : b.table;
			memcpy(b.tab, tables[i].form, sizeof(tables[i].form));
			run_case(&b);
			if (!leads_to_table(&b))
				break;
		}
	} while (count_up(&f, digit, b.ring, 4));
	bench_down(&b, 6000000);
}

/* From no, one, ... three direct descriptors into every table of four, and of five. */
static void a_table_of_four_is_judged_like_the_obvious_walker_does(unused void **state)
{
	static const unsigned entries[] = {1, 4, 5};
	struct forms f;
	struct bench b;

	bench_up(&b, 4);
	forms_make(&f, 4, 1);
	b.indirect = true;
	for (unsigned direct = 0; direct < 4; direct++) {
		for (unsigned i = 0; i < 4; i++)
			b.ring[i] = (struct form){.flags = i < direct ? NEXT : TABLE,
			                          .next = u8_of(i + 1)};
		for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
			b.table_len = 16 * entries[i];
			all_tables(&b, &f);
		}
	}
	bench_down(&b, 3500000);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(a_ring_of_one_is_judged_like_the_obvious_walker_does),
		cmocka_unit_test(a_ring_of_two_is_judged_like_the_obvious_walker_does),
		cmocka_unit_test(a_ring_of_four_is_judged_like_the_obvious_walker_does),
		cmocka_unit_test(a_table_of_four_is_judged_like_the_obvious_walker_does),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
