/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of requests in small rings: every sequence of so many steps of driver and device, compared with
 * lists. In each layout of the ring, each with and without IN_ORDER.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/uio.h>

#include "devices/vq.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/stride.h"
#include "vmm/core/compiler.h"

#define PACKED   FEATURE(VIRTIO_F_RING_PACKED)
#define IN_ORDER FEATURE(VIRTIO_F_IN_ORDER)

#define MAX   4u                      /* entries of the largest ring */
#define STEPS (STRIDE > 1 ? 8u : 10u) /* in a sequence */
#define LEN   16u                     /* of a buffer */

struct bench {
	struct fake_mem m;
	struct fake_vq drv;
	struct vq q;
	struct fake_buf out, in;
	uint64_t features;
	uint64_t cases, legal;
};

struct request {
	unsigned id, entries;
	bool in;        /* it has bytes for the device to write, ... */
	uint32_t len;   /* ... which writes so many */
	unsigned order; /* popped as which one? The last one may be given back */
};

/* A ring, as lists of requests, oldest first. */
struct list {
	struct request r[STEPS];
	unsigned nr;
};

struct model {
	struct list given;  /* by the driver */
	struct list flight; /* popped, not pushed */
	struct list used;   /* pushed, not published */
	unsigned popped;
};

static void append(struct list *l, struct request r)
{
	l->r[l->nr++] = r;
}

static struct request cut(struct list *l, unsigned i)
{
	const struct request r = l->r[i];

	memmove(l->r + i, l->r + i + 1, (--l->nr - i) * sizeof(l->r[0]));
	return r;
}

/* ---- steps: false where one is not possible */

static bool give(struct bench *b, struct model *m, unsigned n, bool in)
{
	const struct fake_buf buf[2] = {in ? b->in : b->out, b->out};
	const int id = fake_vq_add(&b->drv, buf, n);

	if (id < 0)
		return false;
	fake_vq_publish(&b->drv);
	append(&m->given, (struct request){.id = (unsigned)id, .entries = n, .in = in});
	return true;
}

static bool give_one_to_read(struct bench *b, struct model *m)
{
	return give(b, m, 1, false);
}

static bool give_two_to_read(struct bench *b, struct model *m)
{
	return give(b, m, 2, false);
}

static bool give_one_to_write(struct bench *b, struct model *m)
{
	return give(b, m, 1, true);
}

static bool pop(struct bench *b, struct model *m)
{
	struct iovec iov[2];
	struct vq_chain c = {.iov = iov, .room = 2};
	struct request r;

	assert_int_equal(vq_waiting(&b->q), m->given.nr > 0);
	assert_int_equal(vq_pop(&b->q, &c), m->given.nr > 0);
	if (m->given.nr == 0)
		return false;
	r = cut(&m->given, 0);
	assert_int_equal(c.head, r.id);
	assert_int_equal(c.entries, r.entries);
	assert_int_equal(c.nr_in, r.in);
	assert_int_equal(c.nr_out, r.entries - r.in);
	r.order = ++m->popped;
	/* Into every second one nothing, although it could be. */
	r.len = r.in && r.order % 2 ? LEN / 2 : 0;
	append(&m->flight, r);
	return true;
}

static bool unpop(struct bench *b, struct model *m)
{
	const unsigned n = m->flight.nr;

	if (n == 0 || m->flight.r[n - 1].order != m->popped)
		return false;
	m->popped--;
	vq_unpop(&b->q, 1);
	memmove(m->given.r + 1, m->given.r, m->given.nr++ * sizeof(m->given.r[0]));
	m->given.r[0] = cut(&m->flight, n - 1);
	return true;
}

static bool push(struct bench *b, struct model *m, unsigned i)
{
	const struct request r = cut(&m->flight, i);

	vq_push(&b->q, u16_of(r.id), r.len);
	append(&m->used, r);
	return true;
}

static bool push_oldest(struct bench *b, struct model *m)
{
	return m->flight.nr > 0 && push(b, m, 0);
}

static bool push_newest(struct bench *b, struct model *m)
{
	/* The only one is the oldest, too. */
	return m->flight.nr > 1 && !(b->features & IN_ORDER) && push(b, m, m->flight.nr - 1);
}

/*
 * How many of @used are known to be done when the one at @i has been reaped, and not reaped: in order, a packed ring
 * has one used descriptor for all up to the next that can be written to, or to the end.
 */
static unsigned skipped(const struct bench *b, const struct list *used, unsigned i)
{
	unsigned n = 0;

	if (b->features != (PACKED | IN_ORDER))
		return 0;
	for (; i + 1 < used->nr && !used->r[i].in; i++)
		n++;
	return n;
}

static bool publish_and_reap(struct bench *b, struct model *m)
{
	const unsigned nr = m->used.nr;
	unsigned id;
	uint32_t len;

	assert_int_equal(fake_vq_nr_used(&b->drv), 0);
	vq_publish(&b->q);
	assert_int_equal(fake_vq_nr_used(&b->drv), nr);
	for (unsigned i = 0; i < nr; i++) {
		assert_true(fake_vq_reap(&b->drv, &id, &len));
		assert_int_equal(id, m->used.r[i].id);
		assert_int_equal(len, m->used.r[i].len);
		assert_int_equal(b->drv.batch, skipped(b, &m->used, i));
	}
	m->used.nr = 0;
	return nr > 0;
}

static bool (*const steps[])(struct bench *b, struct model *m) = {
	give_one_to_read, give_two_to_read, give_one_to_write, pop, unpop,
	push_oldest,      push_newest,      publish_and_reap,
};

/* ---- all of them */

static void every_sequence(unsigned num, uint64_t features)
{
	unsigned all = 1;
	struct bench b = {.features = features};

	fake_mem_create(&b.m, KIB(64));
	fake_vq_init(&b.drv, &b.m, num, features);
	b.out = fake_out(&b.m, "0123456789abcdef", LEN);
	b.in = fake_in(&b.m, LEN);
	for (unsigned i = 0; i < STEPS; i++)
		all *= ARRAY_SIZE(steps);
	for (unsigned i = 0; i < all;) {
		unsigned weight = all;
		struct model m = {0};
		bool possible = true;

		fake_vq_clear(&b.drv);
		assert_int_equal(vq_start(&b.q, &b.m.gmem, &b.drv.addr, vq_features_of(features)),
		                 0);
		for (unsigned k = 0; k < STEPS && possible; k++) {
			weight /= ARRAY_SIZE(steps);
			possible = steps[i / weight % ARRAY_SIZE(steps)](&b, &m);
		}
		b.cases++;
		b.legal += possible;
		/* What cannot be begun needs no continuation. */
		i += weight - i % weight;
	}
	fake_mem_destroy(&b.m);
	print_message("ring of %u: %llu cases, %llu possible\n", num, (unsigned long long)b.cases,
	              (unsigned long long)b.legal);
	assert_true(b.legal > 0 && b.legal < b.cases);
}

static void every_sequence_of_steps_is_done_as_lists_would(unused void **state)
{
	for (unsigned num = 1; num <= MAX; num *= 2)
		every_sequence(num, 0);
}

static void every_sequence_of_steps_is_done_as_lists_would_in_order(unused void **state)
{
	for (unsigned num = 1; num <= MAX; num *= 2)
		every_sequence(num, IN_ORDER);
}

static void every_sequence_of_steps_is_done_as_lists_would_packed(unused void **state)
{
	for (unsigned num = 1; num <= MAX; num++)
		every_sequence(num, PACKED);
}

static void every_sequence_of_steps_is_done_as_lists_would_packed_in_order(unused void **state)
{
	for (unsigned num = 1; num <= MAX; num++)
		every_sequence(num, PACKED | IN_ORDER);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(every_sequence_of_steps_is_done_as_lists_would),
		cmocka_unit_test(every_sequence_of_steps_is_done_as_lists_would_in_order),
		cmocka_unit_test(every_sequence_of_steps_is_done_as_lists_would_packed),
		cmocka_unit_test(every_sequence_of_steps_is_done_as_lists_would_packed_in_order),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
