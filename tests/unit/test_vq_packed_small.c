/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every packed ring of up to four descriptors with every combination of flags, right or wrong, from every place
 * and with every number in flight, and every table of up to four, judged by vq_pop() and by a second walker that is
 * written to be obvious. What becomes of good ones: test_vq_steps.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/uio.h>

#include "devices/vq.h"
#include "tests/lib/fake_packed.h"
#include "tests/lib/stride.h"
#include "vmm/core/compiler.h"

#define NEXT  VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define TABLE VRING_DESC_F_INDIRECT
#define WRAP  0x8000u

#define MAX       4u      /* entries of the largest ring */
#define TABLE_MAX 4u      /* of a table */
#define HOLE      0x1000u /* below FAKE_MEM_BASE */
#define LEN       16u     /* of a good buffer */

/* One way to fill a descriptor. */
struct form {
	uint16_t flags;
	enum { GOOD, EMPTY, OUTSIDE, NR_BUFS } buf;
};

/* One case, and where it is written to. */
struct bench {
	struct fake_mem m;
	struct fake_vq drv;
	struct vq q;
	gpa_t buf[MAX + TABLE_MAX]; /* of the ring, then of the table */
	gpa_t table;
	struct vring_packed_desc *table_host;
	uint64_t cases, legal, drawn;
	unsigned stride; /* run one of so many */

	unsigned num, from, in_flight; /* @from: 0 .. 2 * num - 1 */
	bool indirect;                 /* the feature */
	struct form ring[MAX], tab[TABLE_MAX];
	uint32_t table_len; /* bytes, what descriptors claim */
};

struct expected {
	gpa_t addr[MAX + TABLE_MAX];
	bool write[MAX + TABLE_MAX];
	unsigned nr, entries, last;
};

static bool add(struct expected *e, const struct form *f, gpa_t addr)
{
	const bool write = f->flags & WRITE;

	if (f->buf != GOOD || (e->nr && e->write[e->nr - 1] && !write))
		return false;
	e->addr[e->nr] = addr;
	e->write[e->nr++] = write;
	return true;
}

static bool obvious_table(const struct bench *b, struct expected *e)
{
	if (!b->indirect || b->table_len == 0 || b->table_len % 16 != 0)
		return false;
	for (unsigned i = 0; i < b->table_len / 16; i++)
		if ((b->tab[i].flags & TABLE) || !add(e, &b->tab[i], b->buf[MAX + i]))
			return false;
	return true;
}

/* The obvious walker. 1 a legal list, in @e; 0 nothing there; -1 a broken rule. */
static int obvious(const struct bench *b, struct expected *e)
{
	const bool first_lap = b->from < b->num;

	memset(e, 0, sizeof(*e));
	for (unsigned i = 0;; i++) {
		const unsigned slot = (b->from + i) % b->num;
		const struct form *f = &b->ring[slot];

		if (i == 0 && ((bool)(f->flags & FAKE_AVAIL) != first_lap ||
		               (bool)(f->flags & FAKE_USED) == first_lap))
			return 0;
		if (i == b->num - b->in_flight)
			return -1;
		e->entries = i + 1;
		e->last = slot;
		if (f->flags & TABLE)
			return i == 0 && !(f->flags & NEXT) && obvious_table(b, e) ? 1 : -1;
		if (!add(e, f, b->buf[slot]))
			return -1;
		if (!(f->flags & NEXT))
			return 1;
	}
}

static void put(struct vring_packed_desc *d, const struct bench *b, const struct form *f, gpa_t buf,
                unsigned id)
{
	d->flags = htole16(f->flags);
	d->id = htole16(u16_of(id));
	if (f->flags & TABLE) {
		d->addr = htole64(b->table);
		d->len = htole32(b->table_len);
	} else {
		d->addr = htole64(f->buf == OUTSIDE ? HOLE : buf);
		d->len = htole32(f->buf == EMPTY ? 0 : LEN);
	}
}

static bool same(const struct bench *b, const struct vq_chain *c, const struct expected *e)
{
	unsigned nr_out = 0;

	for (unsigned i = 0; i < e->nr; i++)
		nr_out += !e->write[i];
	if (c->nr_out != nr_out || c->nr_out + c->nr_in != e->nr || c->entries != e->entries ||
	    c->head != 100 + e->last || c->out_len != LEN * nr_out ||
	    c->in_len != LEN * (e->nr - nr_out))
		return false;
	for (unsigned i = 0; i < e->nr; i++)
		if (c->iov[i].iov_base != fake_at(&b->m, e->addr[i], LEN) ||
		    c->iov[i].iov_len != LEN)
			return false;
	return true;
}

static uint32_t place(const struct bench *b, unsigned at)
{
	at %= 2 * b->num;
	return at % b->num | (at < b->num ? WRAP : 0);
}

/* The descriptors, which nothing but this writes: vq_pop() only reads them. */
static void put_all(const struct bench *b)
{
	for (unsigned i = 0; i < b->num; i++)
		put(&b->drv.packed_desc[i], b, &b->ring[i], b->buf[i], 100 + i);
	for (unsigned i = 0; i < TABLE_MAX; i++)
		put(&b->table_host[i], b, &b->tab[i], b->buf[MAX + i], 200 + i);
}

static void run_case(struct bench *b)
{
	struct iovec iov[MAX + TABLE_MAX];
	struct vq_chain c = {.iov = iov, .room = ARRAY_SIZE(iov)};
	const struct vq_features f = {.packed = true, .indirect = b->indirect};
	struct expected e;
	int rc, want;

	if (b->num == 0 || b->drawn++ % b->stride != 0)
		return;
	rc = vq_start(&b->q, &b->m.gmem, &b->drv.addr, f);
	if (rc == 0)
		rc = vq_resume(&b->q, place(b, b->from) |
		                              place(b, b->from + 2 * b->num - b->in_flight) << 16);
	if (rc)
		fail_msg("vq_start or vq_resume: %d", rc);
	rc = vq_pop(&b->q, &c);
	want = obvious(b, &e);
	b->cases++;
	b->legal += want == 1;
	if (rc == (want < 0 ? -EPROTO : want) && (want != 1 || same(b, &c, &e)))
		return;
	for (unsigned i = 0; i < b->num; i++)
		print_error("ring[%u]: flags 0x%x buf %d\n", i, b->ring[i].flags,
		            (int)b->ring[i].buf);
	for (unsigned i = 0; i < TABLE_MAX; i++)
		print_error("table[%u]: flags 0x%x buf %d\n", i, b->tab[i].flags,
		            (int)b->tab[i].buf);
	fail_msg(
		"from %u, %u in flight, table of %u bytes, feature %d: vq_pop %d (%s), expected %d",
		b->from, b->in_flight, b->table_len, b->indirect, rc, rc < 0 ? b->q.why : "-",
		want);
}

static void bench_up(struct bench *b, unsigned num)
{
	memset(b, 0, sizeof(*b));
	fake_mem_create(&b->m, KIB(64));
	fake_vq_init(&b->drv, &b->m, num, FEATURE(VIRTIO_F_RING_PACKED));
	b->num = num;
	b->stride = num > 1 ? STRIDE : 1;
	b->table = fake_alloc(&b->m, 16 * TABLE_MAX, 16);
	b->table_host = fake_at(&b->m, b->table, 16 * TABLE_MAX);
	for (unsigned i = 0; i < ARRAY_SIZE(b->buf); i++)
		b->buf[i] = fake_alloc(&b->m, LEN, 1);
	b->table_len = 16;
}

static void bench_down(struct bench *b)
{
	fake_mem_destroy(&b->m);
	print_message("%llu cases, %llu legal\n", (unsigned long long)b->cases,
	              (unsigned long long)b->legal);
	assert_true(b->legal > 0 && b->legal < b->cases);
}

/* From everywhere, with everything in flight, with and without the feature. */
static void all_places(struct bench *b)
{
	for (b->from = 0; b->from < 2 * b->num; b->from++)
		for (b->in_flight = 0; b->in_flight <= b->num; b->in_flight++)
			for (unsigned f = 0; f < 2; f++) {
				b->indirect = f;
				run_case(b);
			}
}

static const unsigned bits[] = {NEXT, WRITE, TABLE, FAKE_AVAIL, FAKE_USED};

/* Combination @i of the first @nr flags. */
static uint16_t flags_of(unsigned i, unsigned nr)
{
	unsigned flags = 0;

	for (unsigned k = 0; k < nr; k++)
		flags |= i >> k & 1 ? bits[k] : 0;
	return u16_of(flags);
}

/* All rings of @num descriptors: all five flags of each, and the first @bufs kinds of buffer. */
static void every_ring(unsigned num, unsigned bufs)
{
	const unsigned forms = 32 * bufs;
	unsigned all = 1;
	struct bench b;

	bench_up(&b, num);
	for (unsigned i = 0; i < num; i++)
		all *= forms;
	for (unsigned i = 0; i < all; i++) {
		for (unsigned k = 0, left = i; k < num; k++, left /= forms)
			b.ring[k] = (struct form){flags_of(left % 32, 5), left % forms / 32};
		put_all(&b);
		all_places(&b);
	}
	bench_down(&b);
}

static void every_ring_of_one_is_judged_like_the_obvious_walker_does(unused void **state)
{
	every_ring(1, NR_BUFS);
}

static void every_ring_of_two_is_judged_like_the_obvious_walker_does(unused void **state)
{
	every_ring(2, NR_BUFS);
}

static void every_ring_of_three_is_judged_like_the_obvious_walker_does(unused void **state)
{
	every_ring(3, 1);
}

static void every_ring_of_four_is_judged_like_the_obvious_walker_does(unused void **state)
{
	every_ring(4, 1);
}

static void every_table_is_judged_like_the_obvious_walker_does(unused void **state)
{
	const unsigned forms = 8 * NR_BUFS;
	struct bench b;

	bench_up(&b, 2);
	b.indirect = true;
	b.ring[0].flags = TABLE | FAKE_AVAIL;
	for (unsigned i = 0; i < forms * forms * forms * forms; i++) {
		for (unsigned k = 0, left = i; k < TABLE_MAX; k++, left /= forms)
			b.tab[k] = (struct form){flags_of(left % 8, 3), left % forms / 8};
		for (unsigned len = 0; len <= 16 * TABLE_MAX; len += 8) {
			b.table_len = len;
			put_all(&b);
			run_case(&b);
		}
	}
	bench_down(&b);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(every_ring_of_one_is_judged_like_the_obvious_walker_does),
		cmocka_unit_test(every_ring_of_two_is_judged_like_the_obvious_walker_does),
		cmocka_unit_test(every_ring_of_three_is_judged_like_the_obvious_walker_does),
		cmocka_unit_test(every_ring_of_four_is_judged_like_the_obvious_walker_does),
		cmocka_unit_test(every_table_is_judged_like_the_obvious_walker_does),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
