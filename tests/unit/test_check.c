/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every rule that is checked has a driver that breaks it, and one that keeps it: the tables below are faults in what is
 * otherwise right. all_rules_have_both() sees to it that none is left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "check/borne.h"
#include "check/check.h"
#include "check/report.h"
#include "check/state.h"
#include "devices/net_features.h"
#include "tests/lib/check_rig.h"
#include "tests/lib/check_ring_rules.h"
#include "vmm/core/gmem.h"
#include "vmm/core/le.h"

#define F(name) FEATURE(VIRTIO_NET_F_##name)
#define V1      FEATURE(VIRTIO_F_VERSION_1)
#define EVENT   FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define TABLES  FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define PLAIN   (V1 | F(MAC) | F(STATUS) | F(MTU))
#define SEGMENT (F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6) | F(HOST_UFO) | F(HOST_USO))
#define OFFERED (PLAIN | EVENT | TABLES | F(MRG_RXBUF) | F(GUEST_CSUM) | F(GUEST_TSO4) | SEGMENT)

#define NUM    8u
#define DESC   0x0000u /* of queue 0; those of queue 1 are 0x1000 further up */
#define AVAIL  0x0400u
#define USED   0x0800u
#define HDR    0x4000u
#define FRAME  0x5000u
#define TABLE  0x6000u
#define MEMORY 0x40000u
#define BIG    0x10000u

static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};

struct rig {
	struct gmem mem;
	struct check *c;
	struct check_device dev;
	struct vq_addr addr; /* of the queue that is served */
	uint8_t status;
};

static void *at(const struct rig *r, gpa_t where)
{
	return gmem_ptr(&r->mem, where, 1);
}

static void rig_begin(struct rig *r, uint64_t offered)
{
	*r = (struct rig){.dev = {
				  .offered = offered,
				  .config_len = sizeof(struct virtio_net_config),
				  .mem = &r->mem,
				  .num_max = {256, 256},
				  .nr_queues = 2,
			  }};
	memcpy(r->dev.config, mac, sizeof(mac));
	crig_make(r->dev, MEMORY, &r->mem, &r->c);
}

static void rig_end(struct rig *r)
{
	crig_unmake(&r->mem, r->c);
}

/* ---- accesses */

#define AS_IT_IS UINT64_MAX /* of Status: what the device has */

struct step {
	uint32_t off;
	unsigned size;
	bool write;
	uint64_t val;
};

#define R(reg, v)                              \
	{                                      \
		VIRTIO_MMIO_##reg, 4, false, v \
	}
#define W(reg, v)                             \
	{                                     \
		VIRTIO_MMIO_##reg, 4, true, v \
	}
#define C(off, size)                                       \
	{                                                  \
		VIRTIO_MMIO_CONFIG + (off), size, false, 0 \
	}

static uint64_t value(const struct rig *r, const struct step *s)
{
	const uint32_t off = s->off - VIRTIO_MMIO_CONFIG;

	if (s->off >= VIRTIO_MMIO_CONFIG && off < sizeof(mac))
		return mac[off];
	return s->val == AS_IT_IS ? r->status : s->val;
}

static void feed(struct rig *r, const struct step *s)
{
	struct virtio_watch *w = check_watch(r->c);
	const uint64_t val = value(r, s);
	const struct virtio_access a = {s->off, s->size, s->write, val, r->status};

	w->access(w, &a);
	if (s->write && s->off == VIRTIO_MMIO_STATUS)
		r->status = val ? (uint8_t)(r->status | val) : 0;
}

/* What a right driver does; faults name these places. */
/* clang-format off */
enum place {
	MAGIC, VERSION, DEVICE, RESET, RESET_SEEN, ACK, DRIVER, OFFER_SEL, OFFER, OFFER_SEL1, OFFER1, MTU, TAKE_SEL, TAKE,
	TAKE_SEL1, TAKE1, OK, OK_SEEN, GEN, MAC0, MAC1, GEN_AGAIN, LINK, SEL, READY_SEEN, MAX, SIZE, DESC_LO, DESC_HI,
	AVAIL_LO, AVAIL_HI, USED_LO, USED_HI, READY, GO, KICK, ISR, ISR_ACK, UNREADY, UNREADY_SEEN, END, END_SEEN, PLACES
};

static const struct step right[PLACES] = {
	[MAGIC] = R(MAGIC_VALUE, 0x74726976), [VERSION] = R(VERSION, 2), [DEVICE] = R(DEVICE_ID, 1),
	[RESET] = W(STATUS, 0), [RESET_SEEN] = R(STATUS, AS_IT_IS), [ACK] = W(STATUS, 1), [DRIVER] = W(STATUS, 3),
	[OFFER_SEL] = W(DEVICE_FEATURES_SEL, 0), [OFFER] = R(DEVICE_FEATURES, 0),
	[OFFER_SEL1] = W(DEVICE_FEATURES_SEL, 1), [OFFER1] = R(DEVICE_FEATURES, 1), [MTU] = C(10, 2),
	[TAKE_SEL] = W(DRIVER_FEATURES_SEL, 0), [TAKE] = W(DRIVER_FEATURES, PLAIN & UINT32_MAX),
	[TAKE_SEL1] = W(DRIVER_FEATURES_SEL, 1), [TAKE1] = W(DRIVER_FEATURES, PLAIN >> 32),
	[OK] = W(STATUS, 11), [OK_SEEN] = R(STATUS, AS_IT_IS),
	[GEN] = R(CONFIG_GENERATION, 0), [MAC0] = C(0, 1), [MAC1] = C(1, 1), [GEN_AGAIN] = R(CONFIG_GENERATION, 0),
	[LINK] = C(6, 2), [SEL] = W(QUEUE_SEL, 0), [READY_SEEN] = R(QUEUE_READY, 0), [MAX] = R(QUEUE_NUM_MAX, 256),
	[SIZE] = W(QUEUE_NUM, NUM), [DESC_LO] = W(QUEUE_DESC_LOW, DESC), [DESC_HI] = W(QUEUE_DESC_HIGH, 0),
	[AVAIL_LO] = W(QUEUE_AVAIL_LOW, AVAIL), [AVAIL_HI] = W(QUEUE_AVAIL_HIGH, 0),
	[USED_LO] = W(QUEUE_USED_LOW, USED), [USED_HI] = W(QUEUE_USED_HIGH, 0), [READY] = W(QUEUE_READY, 1),
	[GO] = W(STATUS, 15), [KICK] = W(QUEUE_NOTIFY, 0), [ISR] = R(INTERRUPT_STATUS, 1), [ISR_ACK] = W(INTERRUPT_ACK, 1),
	[UNREADY] = W(QUEUE_READY, 0), [UNREADY_SEEN] = R(QUEUE_READY, 0), [END] = W(STATUS, 0),
	[END_SEEN] = R(STATUS, AS_IT_IS),
};
/* clang-format on */

enum how { INSTEAD, IN_FRONT, WITHOUT };

struct fault {
	const char *rule;
	enum place place;
	enum how how;
	struct step step;
};

static const struct fault faults[] = {
	{"status.no-clear-bit", DRIVER, INSTEAD, W(STATUS, 2)},
	{"status.set-progress", OK, WITHOUT, R(STATUS, 0)},
	{"init.steps-one-by-one", ACK, INSTEAD, W(STATUS, 3)},
	{"status.failed-then-reset", DRIVER, IN_FRONT, W(STATUS, 0x81)},
	{"init.reset-first", RESET, WITHOUT, R(STATUS, 0)},
	{"init.ack-step", ACK, INSTEAD, W(STATUS, 2)},
	{"init.driver-step", DRIVER, WITHOUT, R(STATUS, 0)},
	{"reset.wait-for-zero", RESET_SEEN, WITHOUT, R(STATUS, 0)},
	{"init.features-before-ok", TAKE1, WITHOUT, R(STATUS, 0)},
	{"init.reread-features-ok", OK_SEEN, WITHOUT, R(STATUS, 0)},
	{"init.stop-after-failure", OK_SEEN, INSTEAD, R(STATUS, 3)},
	{"init.setup-after-negotiation", OK, IN_FRONT, W(QUEUE_NUM, NUM)},
	{"init.drvok-last", KICK, IN_FRONT, W(QUEUE_READY, 1)},
	{"init.no-kick-before-drvok", GO, IN_FRONT, W(QUEUE_NOTIFY, 0)},
	{"init.no-new-features-after-ok", OK_SEEN, IN_FRONT, W(DRIVER_FEATURES, 0x11)},
	{"init.no-cfg-write-early", OK, IN_FRONT, {VIRTIO_MMIO_CONFIG, 1, true, 1}},
	{"net.cfg-readonly", LINK, IN_FRONT, {VIRTIO_MMIO_CONFIG, 1, true, 1}},
	{"feat.no-unoffered", TAKE, INSTEAD,
         W(DRIVER_FEATURES, (PLAIN | F(SPEED_DUPLEX) | 2 | F(CTRL_VQ)) & UINT32_MAX)},
	{"feat.deps", TAKE, INSTEAD, W(DRIVER_FEATURES, (PLAIN | F(HOST_TSO4)) & UINT32_MAX)},
	{"feat.no-reserved-bit", TAKE1, INSTEAD, W(DRIVER_FEATURES, 1 | 1u << 12)},
	{"feat.no-foreign-transport-bit", TAKE1, INSTEAD, W(DRIVER_FEATURES, 1 | 1u << 7)},
	{"feat.no-foreign-type-bit", TAKE, INSTEAD,
         W(DRIVER_FEATURES, (PLAIN | 1u << 4) & UINT32_MAX)},
	{"feat.accept-version-1", TAKE1, INSTEAD, W(DRIVER_FEATURES, 0)},
	{"net.mac-negotiate", TAKE, INSTEAD, W(DRIVER_FEATURES, F(MTU))},
	{"net.mtu-negotiate", TAKE, INSTEAD, W(DRIVER_FEATURES, F(MAC))},
	{"cfg.generation-loop", GEN, WITHOUT, R(STATUS, 0)},
	{"cfg.generation-loop", GEN_AGAIN, WITHOUT, R(STATUS, 0)},
	{"cfg.check-feature-first", LINK, IN_FRONT, C(8, 2)},
	{"mmio.config-width", LINK, INSTEAD, C(6, 1)},
	{"mmio.config-width", MAC0, INSTEAD, C(0, 4)},
	{"mmio.no-undescribed-offset", LINK, IN_FRONT, {0x48, 4, false, 0}},
	{"mmio.no-undescribed-offset", LINK, IN_FRONT, {0x1f0, 4, false, 0}},
	{"mmio.no-write-readonly", LINK, IN_FRONT, W(MAGIC_VALUE, 0)},
	{"mmio.no-read-writeonly", LINK, IN_FRONT, R(QUEUE_NUM, 8)},
	{"mmio.control-32bit", LINK, IN_FRONT, {VIRTIO_MMIO_VERSION, 2, false, 2}},
	{"mmio.probe-magic-version", MAGIC, WITHOUT, R(STATUS, 0)},
	{"mmio.probe-magic-version", VERSION, WITHOUT, R(STATUS, 0)},
	{"mmio.probe-devid", DEVICE, WITHOUT, R(STATUS, 0)},
	{"mmio.devfeatsel-first", OFFER_SEL, WITHOUT, R(STATUS, 0)},
	{"mmio.drvfeatsel-first", TAKE_SEL, WITHOUT, R(STATUS, 0)},
	{"mmio.queuesel-first", SEL, WITHOUT, R(STATUS, 0)},
	{"mmio.qsize-le-max", SIZE, INSTEAD, W(QUEUE_NUM, 512)},
	{"mmio.qsize-le-max", MAX, WITHOUT, R(STATUS, 0)},
	{"mmio.qsize-le-max", MAX, INSTEAD, R(QUEUE_NUM_MAX, NUM / 2)}, /* a provoked device */
	{"mmio.qmax0-absent", SEL, INSTEAD, W(QUEUE_SEL, 7)},
	{"mmio.no-qreg-when-ready", GO, IN_FRONT, W(QUEUE_NUM, 4)},
	{"mmio.stop-by-ready0", UNREADY, INSTEAD, W(QUEUE_NUM, 0)},
	{"mmio.stop-by-ready0", UNREADY, INSTEAD, W(QUEUE_AVAIL_LOW, 0)},
	{"mmio.qreset-negotiated", GO, IN_FRONT, {0x0c0, 4, true, 1}},
	{"mmio.ready-values", READY, INSTEAD, W(QUEUE_READY, 3)},
	{"mmio.queue-not-in-use", READY_SEEN, WITHOUT, R(STATUS, 0)},
	{"mmio.addr-both-halves", USED_HI, WITHOUT, R(STATUS, 0)},
	{"mmio.size-before-ready", SIZE, WITHOUT, R(STATUS, 0)},
	{"mmio.qready0-readback", UNREADY_SEEN, WITHOUT, R(STATUS, 0)},
	{"notify.queue-index-valid", KICK, INSTEAD, W(QUEUE_NOTIFY, 2)},
	{"notify.queue-index-valid", KICK, INSTEAD, W(QUEUE_NOTIFY, 1)},
	{"mmio.irq-read-status", ISR, WITHOUT, R(STATUS, 0)},
	{"mmio.irq-ack", ISR_ACK, INSTEAD, W(INTERRUPT_ACK, 3)},
	{"mmio.intack-no-unknown", ISR_ACK, INSTEAD, W(INTERRUPT_ACK, 5)},
	{"mmio.no-shm", LINK, IN_FRONT, W(SHM_SEL, 0)},
	{"split.align", AVAIL_LO, INSTEAD, W(QUEUE_AVAIL_LOW, AVAIL + 1)},
	{"split.size-pow2", SIZE, INSTEAD, W(QUEUE_NUM, 7)},
	{"split.areas-in-ram", USED_HI, INSTEAD, W(QUEUE_USED_HIGH, 1)},
	{"feat.physical-addresses", USED_HI, INSTEAD, W(QUEUE_USED_HIGH, 1)},
};

static void play(struct rig *r, const struct fault *f)
{
	for (unsigned i = 0; i < PLACES; i++) {
		const bool here = f && f->place == i;
		const enum how how = here ? f->how : IN_FRONT;

		if (here && how != WITHOUT)
			feed(r, &f->step);
		if (how == IN_FRONT)
			feed(r, &right[i]);
	}
}

static const struct check_result *result_of(const struct rig *r, const char *id)
{
	return crig_result(r->c, id);
}

static void expect_broken(const struct rig *r, const char *id)
{
	if (result_of(r, id)->broken == 0)
		fail_msg("%s was not found", id);
	assert_true(result_of(r, id)->why[0]);
}

/* What right drivers have kept, and faulty ones broken, over all tests. */
struct tally {
	bool kept[512], broken[512];
};

static void count(const struct rig *r, struct tally *t)
{
	for (size_t i = 0; i < nr_rules; i++)
		t->kept[i] |= check_result(r->c, i)->kept > 0;
}

static void expect_clean(const struct rig *r, const char *what)
{
	for (size_t i = 0; i < nr_rules; i++)
		if (check_result(r->c, i)->broken)
			fail_msg("%s: %s: %s", what, rules[i].id, check_result(r->c, i)->why);
}

static void each_fault_is_found(unused void **state)
{
	struct tally *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct rig r;

		rig_begin(&r, OFFERED);
		play(&r, &faults[i]);
		expect_broken(&r, faults[i].rule);
		t->broken[rule_find(faults[i].rule) - rules] = true;
		rig_end(&r);
	}
}

static void right_driver_is_clean(void **state)
{
	struct rig r;

	rig_begin(&r, OFFERED);
	play(&r, NULL);
	expect_clean(&r, "bring-up");
	assert_true(check_was_live(r.c));
	count(&r, *state);
	/* Once more, as after a reboot. */
	check_reboot(r.c, &r.dev);
	play(&r, NULL);
	expect_clean(&r, "second life");
	assert_int_equal(result_of(&r, "mmio.probe-magic-version")->kept, 2);
	assert_int_equal(result_of(&r, "mmio.probe-devid")->kept, 2);
	rig_end(&r);
}

static void driver_that_gives_up_and_begins_anew_is_clean(void **state)
{
	const struct step failed = W(STATUS, 0x81);
	struct rig r;

	rig_begin(&r, OFFERED);
	for (unsigned i = 0; i <= ACK; i++)
		feed(&r, &right[i]);
	feed(&r, &failed);
	for (unsigned i = RESET; i < PLACES; i++)
		feed(&r, &right[i]);
	expect_clean(&r, "after FAILED");
	count(&r, *state);
	rig_end(&r);
}

static void handlers_that_ended_without_a_word_are_found_at_the_reset(unused void **state)
{
	struct rig r;

	for (unsigned reads = 1; reads <= 2; reads++) {
		rig_begin(&r, OFFERED);
		for (unsigned i = 0; i <= GO; i++)
			feed(&r, &right[i]);
		for (unsigned i = 0; i < reads; i++)
			feed(&r, &right[ISR]);
		assert_int_equal(result_of(&r, "mmio.intack-handled")->broken, 0);
		feed(&r, &right[END]);
		assert_int_equal(result_of(&r, "mmio.intack-handled")->broken, reads > 1);
		rig_end(&r);
	}
}

static void acknowledgement_that_never_comes_is_found(void **state)
{
	struct tally *t = *state;
	struct rig r;

	rig_begin(&r, OFFERED);
	for (unsigned i = 0; i <= GO; i++)
		feed(&r, &right[i]);
	for (unsigned i = 0; i < 9; i++)
		feed(&r, &right[ISR]);
	expect_broken(&r, "mmio.intack-handled");
	t->broken[rule_find("mmio.intack-handled") - rules] = true;
	rig_end(&r);
}

/* ---- rings */

enum { RX, TX };

static void bring_up(struct rig *r, uint64_t accept)
{
	struct step s;

	for (unsigned i = 0; i <= READY; i++) {
		s = right[i];
		if (i == TAKE)
			s.val = accept & UINT32_MAX;
		if (i == TAKE1)
			s.val = accept >> 32;
		feed(r, &s);
	}
	for (unsigned i = SEL; i <= READY; i++) {
		s = right[i];
		if (i == SEL)
			s.val = 1;
		if (i == DESC_LO || i == AVAIL_LO || i == USED_LO)
			s.val += 0x1000;
		feed(r, &s);
	}
	feed(r, &right[GO]);
}

struct piece {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

#define N VRING_DESC_F_NEXT
#define D VRING_DESC_F_WRITE
#define I VRING_DESC_F_INDIRECT

/* One or two chains in an otherwise empty ring. */
struct offer {
	const char *rule; /* that is broken; NULL: none */
	uint64_t accept;
	unsigned queue;
	struct piece d[3], table[3];
	uint16_t head[2];
	uint16_t idx; /* of the available ring */
	uint16_t flags;
	uint8_t hdr[12];
	uint32_t shift; /* the frame begins so much earlier */
};

static void put_pieces(const struct rig *r, gpa_t where, const struct piece *p, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		uint8_t *d = at(r, where + 16 * (gpa_t)i);

		put_le64(d, p[i].addr);
		put_le32(d + 8, p[i].len);
		put_le16(d + 12, p[i].flags);
		put_le16(d + 14, p[i].next);
	}
}

static void put_offer(struct rig *r, const struct offer *o)
{
	const gpa_t q = 0x1000 * (gpa_t)o->queue;

	put_pieces(r, q + DESC, o->d, 3);
	put_pieces(r, TABLE, o->table, 3);
	memcpy(at(r, HDR), o->hdr, 12);
	memcpy((uint8_t *)at(r, HDR) + 12 - o->shift + 6, mac, 6);
	memcpy((uint8_t *)at(r, FRAME) + 6, mac, 6);
	put_le16(at(r, q + AVAIL), o->flags);
	put_le16(at(r, q + AVAIL + 2), o->idx);
	put_le16(at(r, q + AVAIL + 4), o->head[0]);
	put_le16(at(r, q + AVAIL + 6), o->head[1]);
}

/* The device begins with a queue. */
static struct vq_watch *serve(struct rig *r, unsigned queue)
{
	const gpa_t q = 0x1000 * (gpa_t)queue;
	struct virtio_watch *w = check_watch(r->c);

	r->addr = (struct vq_addr){NUM, q + DESC, q + AVAIL, q + USED};
	return w->queue(w, queue, &r->addr);
}

static struct vq_watch *offer(struct rig *r, const struct offer *o)
{
	struct vq_watch *q = serve(r, o->queue);

	put_offer(r, o);
	q->avail(q, 0, o->idx);
	return q;
}

#define ONE .idx = 1
#define SEND                    \
	{HDR, 12, N, 1},        \
	{                       \
		FRAME, 60, 0, 0 \
	}
#define GSO (PLAIN | SEGMENT)

static const struct offer wrong[] = {
	{"split.desc-nonempty",
         PLAIN,
         TX,
         {{HDR, 12, N, 1}, {FRAME, 60, N, 2}, {FRAME, 0, 0, 0}},
         ONE},
	{"split.readable-before-writable",
         PLAIN,
         TX,
         {{HDR, 12, N | D, 1}, {FRAME, 60, 0, 0}},
         ONE},
	{"split.desc-in-ram", PLAIN, TX, {{UINT64_MAX - 4, 72, 0, 0}}, ONE},
	{"split.desc-flags-known", PLAIN, TX, {{HDR, 72, 0x10, 0}}, ONE},
	{"split.next-in-range", PLAIN, TX, {{HDR, 12, N, 8}}, ONE},
	{"split.no-loop", PLAIN, TX, {{HDR, 12, N, 1}, {FRAME, 60, N, 0}}, ONE},
	{"split.head-in-range", PLAIN, TX, {SEND}, .head = {8}, ONE},
	{"split.head-not-outstanding", PLAIN, TX, {SEND}, .head = {0, 1}, .idx = 2},
	{"split.head-not-outstanding",
         PLAIN,
         TX,
         {{HDR, 72, 0, 0}, {HDR, 12, N, 0}},
         .head = {0, 1},
         .idx = 2},
	{"split.avail-no-overrun", PLAIN, TX, {SEND}, .idx = 1000},
	{"split.avail-idx-no-decrement", PLAIN, TX, {SEND}, .idx = 65535},
	{"indirect.negotiated", PLAIN, TX, {{TABLE, 32, I, 0}}, {SEND}, ONE},
	{"indirect.no-nesting", PLAIN | TABLES, TX, {{TABLE, 32, I, 0}}, {{TABLE, 16, I, 0}}, ONE},
	{"indirect.no-next", PLAIN | TABLES, TX, {{TABLE, 32, I | N, 1}}, {SEND}, ONE},
	{"indirect.table-len", PLAIN | TABLES, TX, {{TABLE, 30, I, 0}}, {SEND}, ONE},
	{"indirect.table-len", PLAIN | TABLES, TX, {{TABLE, 0, I, 0}}, {SEND}, ONE},
	{"indirect.next-in-table",
         PLAIN | TABLES,
         TX,
         {{TABLE, 32, I, 0}},
         {{HDR, 12, N, 2}, {FRAME, 60, 0, 0}},
         ONE},
	{"indirect.next-in-table",
         PLAIN | TABLES,
         TX,
         {{TABLE, 32, I, 0}},
         {{HDR, 12, N, 1}, {FRAME, 60, N, 0}},
         ONE},
	{"notif.avail-flags-01", PLAIN, TX, {SEND}, ONE, .flags = 2},
	{"event_idx.avail-flags-0", PLAIN | EVENT, TX, {SEND}, ONE, .flags = 1},
	{"net.rx-writable-only", PLAIN, RX, {{HDR, 12, N, 1}, {BIG, 1514, D, 0}}, ONE},
	{"net.rx-mrg-min", PLAIN | F(MRG_RXBUF), RX, {{BIG, 11, D, 0}}, ONE},
	{"net.rx-buf-big", PLAIN | F(GUEST_CSUM) | F(GUEST_TSO4), RX, {{BIG, 4096, D, 0}}, ONE},
	{"net.rx-buf-1526", PLAIN, RX, {{BIG, 1525, D, 0}}, ONE},
	{"net.tx-hdr-present", PLAIN, TX, {{HDR, 12, 0, 0}}, ONE},
	{"net.tx-hdr-present", PLAIN, TX, {{HDR, 72, N, 1}, {FRAME, 60, D, 0}}, ONE},
	{"net.hdr-12-bytes", PLAIN, TX, {{HDR, 70, 0, 0}}, ONE, .shift = 2},
	{"net.tx-num-buffers-0", PLAIN, TX, {SEND}, ONE, .hdr = {[10] = 1}},
	{"net.tx-flags-0-without-csum", PLAIN, TX, {SEND}, ONE, .hdr = {1}},
	{"net.tx-no-rx-flags", PLAIN | F(CSUM), TX, {SEND}, ONE, .hdr = {2}},
	{"net.tx-gso-none", PLAIN | F(CSUM), TX, {SEND}, ONE, .hdr = {1, 1}},
	{"net.tx-gso-tcpv4", GSO & ~F(HOST_TSO4), TX, {SEND}, ONE, .hdr = {1, 1, [4] = 9}},
	{"net.tx-gso-tcpv6", GSO & ~F(HOST_TSO6), TX, {SEND}, ONE, .hdr = {1, 4, [4] = 9}},
	{"net.tx-gso-udp", GSO & ~F(HOST_UFO), TX, {SEND}, ONE, .hdr = {1, 3, [4] = 9}},
	{"net.tx-gso-udp-l4", GSO & ~F(HOST_USO), TX, {SEND}, ONE, .hdr = {1, 5, [4] = 9}},
	{"net.tx-gso-needs-csum", GSO, TX, {SEND}, ONE, .hdr = {0, 1, [4] = 9}},
	{"net.tx-gso-size", GSO, TX, {SEND}, ONE, .hdr = {1, 1}},
	{"net.tx-csum-range", GSO, TX, {SEND}, ONE, .hdr = {1, [6] = 50, [8] = 9}},
};

static const struct offer good[] = {
	{NULL, PLAIN, TX, {SEND}, ONE},
	{NULL, PLAIN, TX, {{HDR, 72, 0, 0}, {HDR, 72, 0, 0}}, .head = {1, 0}, .idx = 2, .flags = 1},
	{NULL, PLAIN | EVENT | TABLES, TX, {{TABLE, 32, I, 0}}, {SEND}, ONE},
	{NULL, PLAIN, RX, {{BIG, 1526, D, 0}}, ONE},
	{NULL, PLAIN | F(MRG_RXBUF), RX, {{BIG, 12, D, 0}}, ONE},
	{NULL, PLAIN | F(GUEST_CSUM) | F(GUEST_TSO4), RX, {{BIG, 65562, D, 0}}, ONE},
	{NULL, GSO, TX, {SEND}, ONE, .hdr = {1, 1, [4] = 9, [6] = 34, [8] = 16}},
	{NULL, GSO, TX, {SEND}, ONE, .hdr = {1, 4, [4] = 9, [6] = 34, [8] = 16}},
	{NULL, GSO, TX, {SEND}, ONE, .hdr = {1, 3, [4] = 9, [6] = 34, [8] = 6}},
	{NULL, GSO, TX, {SEND}, ONE, .hdr = {1, 5, [4] = 9, [6] = 34, [8] = 6}},
};

static void each_wrong_offer_is_found(void **state)
{
	struct tally *t = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct rig r;

		rig_begin(&r, wrong[i].accept);
		bring_up(&r, wrong[i].accept);
		expect_clean(&r, wrong[i].rule);
		offer(&r, &wrong[i]);
		expect_broken(&r, wrong[i].rule);
		t->broken[rule_find(wrong[i].rule) - rules] = true;
		rig_end(&r);
	}
}

static void right_offers_are_clean(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct rig r;

		rig_begin(&r, good[i].accept);
		bring_up(&r, good[i].accept);
		offer(&r, &good[i]);
		expect_clean(&r, "offer");
		count(&r, *state);
		rig_end(&r);
	}
}

/* More pieces in a table, and more bytes in a chain, than a small ring and a small memory have room for. */
static void long_and_big_chains_are_found(void **state)
{
	static const char *const ids[] = {"indirect.chain-le-queue-size", "split.chain-bytes"};
	struct tally *t = *state;
	struct offer o = {NULL, PLAIN | TABLES, TX, {{TABLE, 16 * (NUM + 1), I, 0}}, .idx = 1};

	for (unsigned kind = 0; kind < 2; kind++) {
		struct piece p[NUM + 1];
		struct rig r;

		rig_begin(&r, o.accept);
		bring_up(&r, o.accept);
		put_offer(&r, &o);
		for (unsigned i = 0; i <= NUM; i++)
			p[i] = (struct piece){HDR, kind ? UINT32_MAX : 8, i < NUM ? N : 0,
			                      (uint16_t)(i + 1)};
		put_pieces(&r, TABLE, p, NUM + 1);
		serve(&r, TX)->avail(serve(&r, TX), 0, 1);
		expect_broken(&r, ids[kind]);
		t->broken[rule_find(ids[kind]) - rules] = true;
		rig_end(&r);
	}
}

static void used_descriptors_may_be_offered_again(unused void **state)
{
	struct offer o = {NULL, PLAIN, TX, {SEND}, ONE};
	struct vq_watch *q;
	struct rig r;

	rig_begin(&r, PLAIN);
	bring_up(&r, PLAIN);
	q = offer(&r, &o);
	put_le32(at(&r, 0x1000 + USED + 4), 0);
	q->used(q, 0, 1);
	o.idx = 2;
	put_offer(&r, &o);
	q->avail(q, 1, 2);
	expect_clean(&r, "the second time");
	/* And a third time, which is too early. */
	o.idx = 3;
	put_offer(&r, &o);
	q->avail(q, 2, 3);
	expect_broken(&r, "split.head-not-outstanding");
	rig_end(&r);
}

/* ---- what does not happen */

static void look_often(struct rig *r)
{
	for (unsigned i = 0; i < 12; i++)
		check_tick(r->c);
}

/* The device has seen one chain; there is another one. */
static void forget_the_kick(struct rig *r, uint64_t accept)
{
	struct offer o = {NULL,           accept,  TX, {{HDR, 72, 0, 0}, {HDR, 72, 0, 0}},
	                  .head = {0, 1}, .idx = 1};

	rig_begin(r, accept);
	bring_up(r, accept);
	offer(r, &o);
	if (accept & EVENT)
		put_le16(at(r, 0x1000 + USED + 4 + 8 * NUM), 1); /* avail_event */
	check_tick(r->c);
	put_le16(at(r, 0x1000 + AVAIL + 2), 2);
}

static void missing_kick_is_found(void **state)
{
	static const char *const ids[] = {"notif.must-kick", "event_idx.must-kick"};
	const struct step kick = W(QUEUE_NOTIFY, 1);
	struct tally *t = *state;

	for (unsigned event = 0; event < 2; event++) {
		struct rig r;

		forget_the_kick(&r, PLAIN | (event ? EVENT : 0));
		count(&r, t);
		for (unsigned i = 0; i < 9; i++)
			check_tick(r.c);
		expect_clean(&r, "a kick may still come");
		feed(&r, &kick);
		look_often(&r);
		expect_clean(&r, "the device may be slow");
		if (event)
			put_le16(at(&r, 0x1000 + USED + 4 + 8 * NUM), 2);
		put_le16(at(&r, 0x1000 + AVAIL + 2), 3);
		look_often(&r);
		expect_broken(&r, ids[event]);
		t->broken[rule_find(ids[event]) - rules] = true;
		rig_end(&r);
	}
}

static void kick_that_nobody_wants_is_not_missed(unused void **state)
{
	struct rig r;

	forget_the_kick(&r, PLAIN);
	put_le16(at(&r, 0x1000 + USED), 1); /* no kicks, please */
	look_often(&r);
	expect_clean(&r, "suppressed");
	rig_end(&r);
	forget_the_kick(&r, PLAIN | EVENT);
	put_le16(at(&r, 0x1000 + USED + 4 + 8 * NUM), 7);
	look_often(&r);
	expect_clean(&r, "suppressed by the event");
	rig_end(&r);
}

static void ring_that_is_recycled_before_the_reset_is_found(void **state)
{
	const struct offer o = {NULL,           PLAIN,   TX, {{HDR, 72, 0, 0}, {HDR, 72, 0, 0}},
	                        .head = {0, 1}, .idx = 2};
	struct tally *t = *state;

	for (unsigned early = 0; early < 2; early++) {
		struct rig r;

		rig_begin(&r, PLAIN);
		bring_up(&r, PLAIN);
		offer(&r, &o);
		if (early)
			memset(at(&r, 0x1000 + AVAIL), 0, 64);
		feed(&r, &right[END]);
		if (early)
			expect_broken(&r, "cleanup.reset-before-unexpose");
		else
			expect_clean(&r, "reset");
		count(&r, t);
		rig_end(&r);
		t->broken[rule_find("cleanup.reset-before-unexpose") - rules] = true;
	}
}

/* ---- the table */

static void all_rules_have_both(void **state)
{
	const struct tally *t = *state;

	assert_true(nr_rules <= ARRAY_SIZE(t->kept));
	for (size_t i = 0; i < nr_rules; i++) {
		if (!rules[i].advice || borne_only(&rules[i]) || is_rule_of_others(rules[i].id) ||
		    crig_covers(rules[i].id) ||
		    strstr(rules[i].part, "legacy")) /* test_check_legacy.c */
			continue;
		if (!t->broken[i])
			fail_msg("no driver breaks %s", rules[i].id);
		if (!t->kept[i])
			fail_msg("no driver keeps %s", rules[i].id);
	}
}

/* ---- reports */

static void reports_tell_what_was_found(unused void **state)
{
	const struct fault f = {"init.reset-first", RESET, WITHOUT, R(STATUS, 0)};
	bool *ignored = calloc(nr_rules, sizeof(*ignored));
	struct report report = {.nr = 1, .ignored = ignored};
	char *text = NULL;
	size_t len;
	struct rig r;
	FILE *out;
	json_t *json;

	rig_begin(&r, OFFERED);
	play(&r, &f);
	report.checks = &r.c;
	assert_true(report_fails(&report));
	out = open_memstream(&text, &len);
	report_text(&report, out);
	report_junit(&report, out);
	fclose(out);
	assert_non_null(strstr(text, ": 1 rule broken, "));
	assert_non_null(
		strstr(text, "  MUST init.reset-first (virtio 1.2, 3.1.1), 1 time, first after"));
	assert_non_null(
		strstr(text, "name=\"init.reset-first\"><failure message=\"the first write goes"));
	assert_non_null(strstr(text, "name=\"split.no-loop\"><skipped"));
	free(text);
	json = report_json(&report);
	assert_true(json_is_true(json_object_get(json, "failed")));
	json_decref(json);
	ignored[rule_find("init.reset-first") - rules] = true;
	report.fail_on = FAIL_ON_MUST;
	assert_false(report_fails(&report));
	rig_end(&r);
	free(ignored);
}

int main(void)
{
	static struct tally tally;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(right_driver_is_clean, &tally),
		cmocka_unit_test_prestate(driver_that_gives_up_and_begins_anew_is_clean, &tally),
		cmocka_unit_test_prestate(each_fault_is_found, &tally),
		cmocka_unit_test(handlers_that_ended_without_a_word_are_found_at_the_reset),
		cmocka_unit_test_prestate(acknowledgement_that_never_comes_is_found, &tally),
		cmocka_unit_test_prestate(right_offers_are_clean, &tally),
		cmocka_unit_test_prestate(each_wrong_offer_is_found, &tally),
		cmocka_unit_test_prestate(long_and_big_chains_are_found, &tally),
		cmocka_unit_test(used_descriptors_may_be_offered_again),
		cmocka_unit_test_prestate(missing_kick_is_found, &tally),
		cmocka_unit_test(kick_that_nobody_wants_is_not_missed),
		cmocka_unit_test_prestate(ring_that_is_recycled_before_the_reset_is_found, &tally),
		cmocka_unit_test_prestate(all_rules_have_both, &tally),
		cmocka_unit_test(reports_tell_what_was_found),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
