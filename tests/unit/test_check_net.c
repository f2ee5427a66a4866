/* SPDX-License-Identifier: Apache-2.0 */
/* Features, frames, buffers and the link: each rule has a driver that breaks it and one that keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#define VIRTIO_MMIO_NO_LEGACY
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <netinet/tcp.h>
#include <string.h>

#include "check/frame.h"
#include "check/report.h"
#include "check/state.h"
#include "devices/virtio_watch.h"
#include "tests/lib/check_rig.h"
#include "tests/lib/pkt.h"
#include "vmm/core/le.h"

#define F     CRIG_F
#define BASE  (CRIG_V1 | F(MAC) | F(STATUS) | F(MTU))
#define BIT   FEATURE
#define ECN   VIRTIO_NET_HDR_GSO_ECN
#define TSO   (BASE | F(CSUM) | F(HOST_TSO4))
#define HASH  (BASE | F(CTRL_VQ) | F(HASH_REPORT))
#define MAKES (CRIG_V1 | F(STATUS)) /* its own address */
#define CWR   0x80u

/* ---- features */

struct choice {
	const char *rule; /* that is broken; NULL: none */
	uint64_t offered, accept;
};

static const struct choice choices[] = {
	{"feat.no-undefined-bit", BASE | BIT(25), BASE | BIT(25)},
	{"feat.no-undefined-bit", BASE, BASE | BIT(27)},
	{"feat.accept-access-platform", BASE | BIT(33), BASE},
	{"feat.accept-packed", BASE | BIT(34), BASE},
	{"feat.accept-order-platform", BASE | BIT(36), BASE},
	{"feat.no-sriov", BASE | BIT(37), BASE | BIT(37)},
	{"mmio.no-admin-vq", BASE | BIT(41), BASE | BIT(41)},
	{"net.standby-accept", BASE | BIT(62), BASE},
	{"net.tx-accept-hdrlen", BASE | BIT(59), BASE},
	{"net.feat-deps", BASE | F(GUEST_TSO4), BASE | F(GUEST_TSO4)},
	{"net.feat-deps", BASE | BIT(51) | F(CTRL_VQ), BASE | BIT(51) | F(CTRL_VQ)},
	{"net.feat-deps", BASE | BIT(53), BASE | BIT(53)},
	{"net.feat-deps", BASE | BIT(61), BASE | BIT(61)},
	{"net.hash-report-needs-ctrl", HASH, HASH & ~F(CTRL_VQ)},
	{"net.rx-extra-needs-ctrl", BASE | F(CTRL_RX_EXTRA), BASE | F(CTRL_RX_EXTRA)},

	{NULL, BASE | BIT(33) | BIT(36) | BIT(59) | BIT(62),
         BASE | BIT(33) | BIT(36) | BIT(59) | BIT(62)},
	{NULL, BASE | BIT(34), BASE | BIT(34)},
	{NULL, BASE | BIT(25) | BIT(37), BASE},
	{NULL, HASH | F(CTRL_RX_EXTRA), HASH | F(CTRL_RX_EXTRA)},
	{NULL, TSO | BIT(61), TSO | BIT(61)},
};

static void each_wrong_choice_is_found_and_no_right_one(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		struct check_rig r;

		crig_begin(&r, choices[i].offered);
		crig_negotiate(&r, choices[i].accept);
		if (choices[i].rule)
			crig_expect_broken(&r, choices[i].rule, *state);
		else
			crig_expect_clean(&r, "choice", *state);
		crig_end(&r);
	}
}

static void a_driver_that_goes_away_without_a_word_is_found(void **state)
{
	struct check_rig r;

	for (unsigned failed = 0; failed < 2; failed++) {
		crig_begin(&r, BASE);
		crig_write(&r, VIRTIO_MMIO_STATUS, 0);
		crig_read(&r, VIRTIO_MMIO_STATUS, 0);
		crig_write(&r, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
		crig_ticks(&r, 100); /* its driver may have to be loaded */
		crig_write(&r, VIRTIO_MMIO_STATUS, 3);
		if (failed)
			crig_write(&r, VIRTIO_MMIO_STATUS, 3 | VIRTIO_CONFIG_S_FAILED);
		crig_ticks(&r, 100);
		if (!failed)
			crig_expect_broken(&r, "feat.fail-when-unusable", *state);
		crig_end(&r);
	}
}

/* What it kicks for is outstanding for ever; a last kick, or one while it is about to reset the device, is nothing. */
static void who_counts_on_a_device_that_has_failed_is_found(void **state)
{
	static const struct {
		bool looks, lasts, broken;
		unsigned kicks, ends; /* the latter by that written to Status */
	} how[] = {
		{true, true, true, 3, 0},   {true, true, false, 2, 0},
		{true, false, false, 9, 0}, {true, true, false, 0, 0x8f},
		{false, true, false, 9, 0}, /* as Linux: it does not know */
	};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		struct check_rig r;

		crig_begin(&r, BASE);
		crig_up(&r, BASE);
		r.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
		if (how[i].looks)
			crig_read(&r, VIRTIO_MMIO_STATUS, r.status);
		crig_ticks(&r, how[i].lasts ? 12 : 9);
		for (unsigned k = 0; k < how[i].kicks; k++)
			crig_write(&r, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
		if (how[i].broken)
			crig_expect_broken(&r, "status.needs-reset-no-trust", *state);
		else
			crig_expect_clean(&r, "a device that has failed", *state);
		crig_write(&r, VIRTIO_MMIO_STATUS, how[i].ends);
		if (how[i].looks && !how[i].broken)
			crig_expect_clean(&r, "and its end", *state);
		crig_read(&r, VIRTIO_MMIO_STATUS, how[i].ends);
		crig_up(&r, BASE); /* which is forgotten */
		crig_ticks(&r, 12);
		for (unsigned k = 0; k < 9; k++)
			crig_write(&r, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
		if (!how[i].broken)
			crig_expect_clean(&r, "the next life", *state);
		crig_end(&r);
	}
}

/* FEATURES_OK does not stand. */
static void be_refused(struct check_rig *r)
{
	crig_begin(r, BASE);
	crig_negotiate(r, BASE);
	r->status = 3;
	crig_read(r, VIRTIO_MMIO_STATUS, 3);
}

static void a_driver_that_is_refused_and_says_nothing_is_found(void **state)
{
	struct check_rig r;

	be_refused(&r);
	crig_ticks(&r, 40);
	crig_expect_clean(&r, "it may take its time", *state);
	crig_ticks(&r, 20);
	crig_expect_broken(&r, "init.set-failed-on-error", *state);
	crig_end(&r);
	be_refused(&r);
	crig_write(&r, VIRTIO_MMIO_STATUS, 3 | VIRTIO_CONFIG_S_FAILED);
	crig_ticks(&r, 60);
	crig_expect_clean(&r, "it has said so", *state);
	crig_end(&r);
	be_refused(&r);
	crig_write(&r, VIRTIO_MMIO_STATUS, 0);
	crig_ticks(&r, 60);
	crig_expect_clean(&r, "it may try again", *state);
	crig_end(&r);
}

/* As far as the offer, of which @word is the second one. */
static void read_offer(struct check_rig *r, uint32_t word)
{
	crig_read(r, VIRTIO_MMIO_MAGIC_VALUE, 0x74726976);
	crig_read(r, VIRTIO_MMIO_VERSION, 2);
	crig_read(r, VIRTIO_MMIO_DEVICE_ID, 1);
	crig_write(r, VIRTIO_MMIO_STATUS, 0);
	crig_read(r, VIRTIO_MMIO_STATUS, 0);
	crig_write(r, VIRTIO_MMIO_STATUS, 1);
	crig_write(r, VIRTIO_MMIO_STATUS, 3);
	crig_write(r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	crig_read(r, VIRTIO_MMIO_DEVICE_FEATURES, word);
}

/* What needs CTRL_VQ is offered without it. */
static void an_offer_that_contradicts_itself_is_seen_through(void **state)
{
	const uint64_t orphan = BASE | F(CTRL_RX);
	struct check_rig r;

	crig_begin(&r, orphan);
	crig_negotiate(&r, orphan);
	crig_expect_broken(&r, "feat.validate-offer", *state);
	crig_end(&r);
	crig_begin(&r, orphan);
	crig_negotiate(&r, BASE);
	crig_expect_clean(&r, "less is taken", *state);
	crig_end(&r);
	crig_begin(&r, orphan);
	read_offer(&r, 1);
	crig_write(&r, VIRTIO_MMIO_STATUS, 3 | VIRTIO_CONFIG_S_FAILED);
	crig_expect_clean(&r, "it gives up", *state);
	crig_end(&r);
}

static void features_that_nobody_knows_are_no_reason_to_give_up(void **state)
{
	static const struct {
		uint32_t first, second; /* words of the offer */
		uint32_t end;           /* of the first bring-up: status */
		bool wrong;
	} how[] = {
		{0x3fc01, 1, VIRTIO_CONFIG_S_FAILED | 3, true},
		{0x3fc01, 0x3fc01, VIRTIO_CONFIG_S_FAILED | 3, false}, /* that was not why */
		{0x3fc01, 1, 0, false},                                /* just another beginning */
		{1, 1, VIRTIO_CONFIG_S_FAILED | 3, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		struct check_rig r;

		crig_begin(&r, BASE);
		read_offer(&r, how[i].first);
		crig_write(&r, VIRTIO_MMIO_STATUS, how[i].end);
		crig_read(&r, VIRTIO_MMIO_STATUS, how[i].end);
		read_offer(&r, how[i].second);
		for (unsigned word = 0; word < 2; word++) {
			crig_write(&r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
			crig_write(&r, VIRTIO_MMIO_DRIVER_FEATURES,
			           (BASE >> (32 * word)) & UINT32_MAX);
		}
		crig_write(&r, VIRTIO_MMIO_STATUS, 11);
		if (how[i].wrong)
			crig_expect_broken(&r, "feat.unknown-not-fatal", *state);
		else
			crig_expect_clean(&r, "no reason", *state);
		crig_end(&r);
	}
}

static void expect_quiet(const struct check_rig *r, const char *id)
{
	assert_int_equal(crig_result(r->c, id)->broken, 0);
}

static void driver_that_gives_up_for_want_of_a_feature_is_found(void **state)
{
	static const uint64_t odd = BASE | CRIG_F(HOST_TSO4); /* contradicts itself */
	static const struct {
		uint64_t offered;
		bool reads, accepts, again, wrong;
		uint32_t config; /* what it reads there behind the offer, unless it is 0: 2 bytes */
		bool is_short;
	} how[] = {
		{CRIG_V1, true, false, false, true, 0, false},
		{BASE, true, false, false, true, 0, false},
		{BASE, false, false, false, false, 0, false}, /* it has not even looked */
		{BASE, true, true, false, false, 0, false},
		{BASE, true, false, true, false, 0, false},
		{odd, true, false, false, false, 0, false},
		{BASE, true, false, false, true, 4, false},   /* of the address */
		{BASE, true, false, false, false, 10, false}, /* an MTU that is too small */
		{BASE, true, false, false, false, 0, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		struct check_rig r;

		crig_begin(&r, how[i].offered);
		if (how[i].is_short)
			r.c->dev.config_len = 6;
		if (how[i].accepts)
			crig_negotiate(&r, how[i].offered & ~CRIG_F(HOST_TSO4));
		else if (how[i].reads)
			read_offer(&r, u32_of(how[i].offered >> 32));
		if (how[i].config)
			crig_config(&r, how[i].config, 2, 0);
		crig_write(&r, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FAILED | 3);
		if (how[i].again)
			crig_up(&r, how[i].offered);
		check_last_look(r.c);
		if (how[i].wrong)
			crig_expect_broken(&r, "feat.fallback", *state);
		else
			expect_quiet(&r, "feat.fallback");
		crig_end(&r);
	}
}

static void wide_reads_of_the_config_space_are_found(void **state)
{
	struct check_rig r;

	crig_begin(&r, BASE);
	crig_up(&r, BASE);
	crig_config(&r, 6, 2, 1);
	crig_config(&r, 10, 2, CRIG_MTU);
	crig_config(&r, 0, 1, 2);
	crig_expect_clean(&r, "fields", *state);
	crig_config(&r, 0, 8, 0);
	crig_expect_broken(&r, "cfg.no-atomic-wide", *state);
	crig_expect_broken(&r, "cfg.no-atomic-multi", *state);
	crig_end(&r);
	crig_begin(&r, BASE);
	crig_up(&r, BASE);
	crig_config(&r, 8, 4, 0);
	crig_expect_broken(&r, "cfg.no-atomic-multi", *state);
	crig_end(&r);
}

static void the_control_queue_has_its_place(void **state)
{
	static const struct {
		uint64_t accept;
		unsigned ctrl;
		bool right;
	} cases[] = {
		{BASE | F(CTRL_VQ), 2, true},
		{BASE | F(CTRL_VQ), 4, false},
		{BASE | F(CTRL_VQ) | F(MQ), 4, true},
		{BASE | F(CTRL_VQ) | F(MQ), 2, false},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct check_rig r;

		crig_begin(&r, BASE | F(CTRL_VQ) | F(MQ));
		crig_negotiate(&r, cases[i].accept);
		for (unsigned q = 0; q < 2; q++)
			crig_ready(&r, q);
		crig_ready(&r, cases[i].ctrl);
		crig_go(&r);
		if (cases[i].right)
			crig_expect_clean(&r, "control queue", *state);
		else
			crig_expect_broken(&r, "ctrl.queue-position", *state);
		crig_end(&r);
	}
}

/* ---- frames */

enum kind { UDP, UDP6, TCP, ARP };

struct sent {
	const char *rule; /* that is broken; NULL: none */
	uint64_t accept;
	enum kind kind;
	uint8_t flags, gso;
	uint16_t hdr_len, start, off;
	size_t data;    /* bytes behind UDP or TCP */
	unsigned spoil; /* the byte of the frame that is not what it was; 0: none */
	uint8_t tcp;    /* TH_* and CWR */
	bool partial;
	uint8_t from; /* first byte of the source; 0: ours */
	unsigned tags, times;
};

#define PARTIAL .flags = 1, .start = 34, .off = 16, .partial = true
#define SEGMENT PARTIAL, .data = 3000
#define GSO     .gso = 1

static const struct sent frames[] = {
	{"net.mac-use", BASE, UDP, .from = 0x52, .times = 3},
	{"net.mac-local-admin", MAKES, UDP, .from = 0x50, .times = 3},
	{"net.mac-local-admin", MAKES, UDP, .from = 0x53, .times = 3},
	{"ctrl.mac-addr-set", MAKES | F(CTRL_VQ) | F(CTRL_MAC_ADDR), UDP, .from = 0x52, .times = 3},
	{"net.mtu-tx-limit", BASE, UDP, .data = 1473},
	{"net.mtu-tx-limit", BASE, UDP, .data = 1473, .tags = 1},
	{"net.tx-full-csum", BASE, UDP, .data = 9, .spoil = 14 + 20 + 8},
	{"net.tx-full-csum", BASE, UDP6, .data = 9, .spoil = 14 + 40 + 8},
	{"net.tx-full-csum", BASE, TCP, .data = 9, .spoil = 14 + 20 + 4},
	{"net.tx-full-csum", BASE, UDP, .data = 9, .spoil = 14 + 8},
	{"net.tx-csum-preceding", TSO, TCP, PARTIAL, .spoil = 14 + 8},
	{"net.tx-csum-pseudo", TSO, TCP, PARTIAL, .spoil = 34 + 16},
	{"net.tx-csum-pseudo", TSO, TCP, .flags = 1, .start = 34, .off = 16, .data = 5},
	{"net.tx-csum-range", TSO, TCP, .flags = 1, .start = 46, .off = 16, .data = 99},
	{"net.tx-csum-range", TSO, TCP, .flags = 1, .start = 34, .off = 6, .data = 99},
	{"net.tx-csum-range", TSO, UDP, .flags = 1, .start = 34, .off = 16, .data = 99},
	{"net.tx-csum-range", TSO, UDP, .flags = 1, .start = 14, .off = 26, .data = 99},
	{"net.tx-ecn-needs-feature", TSO, TCP, SEGMENT, GSO, .hdr_len = 54, .tcp = CWR},
	{"net.tx-ecn-needs-feature", TSO, TCP, SEGMENT, .gso = 1 | ECN, .hdr_len = 54},
	{"net.tx-ecn-bit", TSO | F(HOST_ECN), TCP, SEGMENT, GSO, .hdr_len = 54, .tcp = CWR},
	{"net.tx-hdrlen-min", TSO, TCP, SEGMENT, GSO, .hdr_len = 53},
	{"net.tx-hdrlen-exact", TSO | BIT(59), TCP, SEGMENT, GSO, .hdr_len = 55},

	{NULL, BASE, UDP, .data = 1472},
	{NULL, BASE, UDP, .data = 1472, .tags = 2},
	{NULL, BASE, UDP6, .data = 33},
	{NULL, BASE, TCP, .data = 7},
	{NULL, BASE, ARP, .data = 0},
	{NULL, BASE & ~F(STATUS), ARP, .data = 0},
	{NULL, HASH, UDP, .data = 7},
	{NULL, MAKES, UDP, .from = 0x52, .times = 5},
	{NULL, MAKES | F(CTRL_VQ) | F(CTRL_MAC_ADDR), UDP, .times = 5},
	{NULL, TSO, TCP, PARTIAL, .data = 9},
	{NULL, TSO, ARP, .flags = 1, .off = 20},
	{NULL, TSO, UDP, .flags = 1, .start = 76, .off = 16, .data = 99}, /* TCP in VXLAN */
	{NULL, TSO, TCP, SEGMENT, GSO, .hdr_len = 54},
	{NULL, TSO, TCP, SEGMENT, GSO, .hdr_len = 100},
	{NULL, TSO | F(HOST_ECN), TCP, SEGMENT, .gso = 1 | ECN, .hdr_len = 54, .tcp = CWR},
	{NULL, TSO | BIT(59), TCP, SEGMENT, GSO, .hdr_len = 54},
};

static size_t build(uint8_t *out, const struct sent *s)
{
	const struct pkt_tcp tcp = {.flags = TH_ACK | s->tcp, .partial = s->partial};
	struct pkt_ends ends = {.src = 0x0a000001, .dst = 0x0a000002, .sport = 7, .dport = 9};
	static uint8_t data[PKT_MAX];

	memcpy(ends.src_mac, crig_mac, 6);
	if (s->from)
		ends.src_mac[0] = s->from;
	memset(data, 0x5a, s->data);
	switch (s->kind) {
	case UDP:
		return pkt_udp(out, &ends, data, s->data);
	case UDP6:
		return pkt_udp6(out, &ends, data, s->data);
	case TCP:
		return pkt_tcp(out, &ends, &tcp, data, s->data);
	default:
		return pkt_arp_request(out, ends.src_mac, ends.src, ends.dst);
	}
}

/* Tags behind the addresses. */
static size_t tag(uint8_t *frame, size_t len, unsigned nr)
{
	static const uint8_t one[] = {0x81, 0, 0, 7};

	for (; nr; nr--, len += 4) {
		memmove(frame + 16, frame + 12, len - 12);
		memcpy(frame + 12, one, 4);
	}
	return len;
}

/* What is sent with a header of @hdr bytes; the length of all. */
static size_t put_sent(uint8_t *out, const struct sent *s, size_t hdr)
{
	size_t len = build(out + hdr, s);

	if (s->spoil)
		out[hdr + s->spoil] ^= 0x10;
	out[0] = s->flags;
	out[1] = s->gso;
	put_le16(out + 2, s->hdr_len);
	put_le16(out + 4, s->gso ? 1000 : 0);
	put_le16(out + 6, s->start);
	put_le16(out + 8, s->off);
	return hdr + tag(out + hdr, len, s->tags);
}

static void each_wrong_frame_is_found_and_no_right_one(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		static uint8_t data[20 + PKT_MAX + 8];
		const struct sent *s = &frames[i];
		struct check_rig r;
		size_t len;

		memset(data, 0, 20);
		crig_begin(&r, s->accept);
		crig_up(&r, s->accept);
		if (s->accept & F(STATUS))
			crig_config(&r, 6, 2, VIRTIO_NET_S_LINK_UP);
		len = put_sent(data, s, s->accept & F(HASH_REPORT) ? 20 : 12);
		for (unsigned k = 0; k < (s->times ? s->times : 1); k++)
			crig_send(&r, 1, data, len);
		if (s->rule)
			crig_expect_broken(&r, s->rule, *state);
		else
			crig_expect_clean(&r, "frame", *state);
		crig_end(&r);
	}
}

/* A bridge behind the port: what it forwards comes from others. */
static void frames_of_others_are_fine_behind_ones_own(void **state)
{
	const struct sent own = {NULL, BASE, UDP, .data = 0},
			  foreign = {NULL, BASE, UDP, .from = 0x52};
	uint8_t data[256] = {0};
	struct check_rig r;

	crig_begin(&r, BASE);
	crig_up(&r, BASE);
	for (unsigned i = 0; i < 10; i++)
		crig_send(&r, 1, data, put_sent(data, i == 2 ? &own : &foreign, 12));
	crig_expect_clean(&r, "bridge", *state);
	crig_end(&r);
}

static void an_address_that_was_told_is_ones_own(void **state)
{
	static const uint8_t set[] = {1, 1, 0x52, 1, 2, 3, 4, 5};
	const uint64_t accept = MAKES | F(CTRL_VQ) | F(CTRL_MAC_ADDR);
	const struct sent s = {NULL, accept, UDP, .from = 0x52};
	uint8_t data[256] = {0};
	struct check_rig r;

	crig_begin(&r, accept);
	crig_up(&r, accept);
	crig_command(&r, set, sizeof(set), VIRTIO_NET_OK);
	for (unsigned i = 0; i < 5; i++)
		crig_send(&r, 1, data, put_sent(data, &s, 12));
	crig_expect_clean(&r, "told", *state);
	crig_end(&r);
}

static void a_header_without_the_hash_is_found(void **state)
{
	const struct sent s = {NULL, HASH, UDP, .data = 0};
	uint8_t data[256] = {0};
	struct check_rig r;

	crig_begin(&r, HASH);
	crig_up(&r, HASH);
	crig_send(&r, 1, data, put_sent(data, &s, 12));
	crig_expect_broken(&r, "net.tx-hdr-same-size", *state);
	crig_expect_broken(&r, "net.hdr-12-bytes", *state);
	crig_end(&r);
}

/* Whatever a frame says of itself, no more is read of it than there is. */
static void frames_that_end_anywhere_are_survived(unused void **state)
{
	for (enum kind kind = UDP; kind <= ARP; kind++) {
		static uint8_t data[PKT_MAX];
		const struct sent s = {NULL, TSO, kind, PARTIAL, .data = 40};
		const size_t len = build(data, &s);

		for (size_t held = 0; held <= len; held++) {
			/* So that a sanitizer sees where it ends. */
			uint8_t *cut = test_malloc(held);
			struct frame f;
			bool known;

			memcpy(cut, data, held);
			if (frame_parse(&f, cut, held, len)) {
				frame_ip_sum_ok(&f);
				frame_l4_sum_ok(&f, &known);
				frame_holds_pseudo(&f, 50, &known);
				frame_announces(&f);
				frame_names_sender(&f);
			}
			test_free(cut);
		}
	}
}

/* ---- buffers */

struct posted {
	const char *rule;
	uint64_t accept;
	size_t len;
};

static const struct posted buffers[] = {
	{"net.mtu-rx-room", BASE, 12 + 14 + CRIG_MTU - 1},
	{"net.mtu-rx-room", BASE | F(MRG_RXBUF), 100},
	{"net.rx-hdr-size", HASH, 1526},
	{"net.rx-hdr-size", HASH | F(MRG_RXBUF), 12},
	{NULL, BASE, 1526},
	{NULL, BASE | F(MRG_RXBUF), 256},
	{NULL, HASH, 1534},
	{NULL, HASH | F(MRG_RXBUF), 1526},
};

static void each_buffer_without_room_is_found_and_no_right_one(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
		struct check_rig r;

		crig_begin(&r, buffers[i].accept);
		crig_up(&r, buffers[i].accept);
		crig_offer(&r, 0, NULL, buffers[i].len);
		crig_look(&r, 0);
		if (buffers[i].rule)
			crig_expect_broken(&r, buffers[i].rule, *state);
		else
			crig_expect_clean(&r, "buffer", *state);
		crig_end(&r);
	}
}

static void a_buffer_outside_memory_is_found(void **state)
{
	struct check_rig r;

	crig_begin(&r, BASE);
	crig_up(&r, BASE);
	crig_offer(&r, 0, NULL, 0x1000000);
	crig_look(&r, 0);
	crig_expect_broken(&r, "feat.physical-addresses", *state);
	crig_end(&r);
}

static void send_one(struct check_rig *r)
{
	const struct sent s = {NULL, BASE, UDP, .data = 0};
	uint8_t data[256] = {0};

	crig_send(r, 1, data, put_sent(data, &s, 12));
}

static void a_driver_without_receive_buffers_is_found(void **state)
{
	struct check_rig r;

	crig_begin(&r, BASE);
	crig_up(&r, BASE);
	crig_ticks(&r, 50);
	crig_expect_clean(&r, "an interface that is down", *state);
	send_one(&r);
	crig_ticks(&r, 20);
	crig_expect_broken(&r, "net.rx-filled-at-start", *state);
	crig_end(&r);
}

static void a_driver_that_lets_its_buffers_run_out_is_found(void **state)
{
	struct check_rig r;

	crig_begin(&r, BASE);
	crig_up(&r, BASE);
	for (unsigned i = 0; i < 20; i++) {
		crig_offer(&r, 0, NULL, 1526);
		crig_look(&r, 0);
		crig_ticks(&r, 1);
		if (i % 4)
			crig_use(&r, 0);
		send_one(&r);
	}
	crig_expect_clean(&r, "refilled", *state);
	crig_use(&r, 0);
	crig_ticks(&r, 50);
	crig_expect_clean(&r, "silence", *state);
	send_one(&r);
	crig_ticks(&r, 20);
	crig_expect_broken(&r, "net.rx-replenish", *state);
	crig_end(&r);
}

/* ---- the link */

static void frames_into_a_link_that_is_down_are_found(void **state)
{
	struct check_rig r;

	crig_begin(&r, BASE);
	crig_up(&r, BASE);
	crig_offer(&r, 0, NULL, 1526);
	crig_look(&r, 0);
	crig_config(&r, 6, 2, VIRTIO_NET_S_LINK_UP);
	send_one(&r);
	crig_config(&r, 6, 2, 0);
	send_one(&r);
	crig_expect_clean(&r, "on its way", *state);
	crig_ticks(&r, 5);
	send_one(&r);
	crig_expect_broken(&r, "net.link-from-status", *state);
	crig_end(&r);
}

static void config_interrupt(struct check_rig *r)
{
	crig_read(r, VIRTIO_MMIO_INTERRUPT_STATUS, VIRTIO_MMIO_INT_CONFIG);
	crig_write(r, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
}

static void a_new_state_of_the_link_is_read(void **state)
{
	const uint64_t accept = BASE | F(SPEED_DUPLEX);
	struct check_rig r;

	crig_begin(&r, accept);
	crig_up(&r, accept);
	crig_config(&r, 6, 2, 0);
	config_interrupt(&r);
	crig_config(&r, 6, 2, VIRTIO_NET_S_LINK_UP);
	crig_config(&r, 12, 4, 10000);
	crig_ticks(&r, 30);
	crig_expect_clean(&r, "read", *state);
	config_interrupt(&r);
	crig_ticks(&r, 30);
	crig_expect_broken(&r, "net.link-from-status", *state);
	crig_config(&r, 6, 2, 0);
	config_interrupt(&r);
	crig_config(&r, 6, 2, VIRTIO_NET_S_LINK_UP);
	crig_ticks(&r, 30);
	crig_expect_broken(&r, "net.speed-reread", *state);
	crig_end(&r);
}

static void a_link_that_was_not_negotiated_is_not_looked_at(void **state)
{
	struct check_rig r;

	crig_begin(&r, BASE);
	crig_up(&r, BASE & ~F(STATUS));
	crig_config(&r, 6, 2, VIRTIO_NET_S_LINK_UP);
	crig_expect_broken(&r, "net.link-assume-up", *state);
	crig_end(&r);
}

/* ---- the tables */

static void all_have_both(void **state)
{
	crig_expect_both(*state, check_net_ids);
}

static void what_cannot_be_seen_says_why(unused void **state)
{
	for (size_t i = 0; i < nr_rules; i++) {
		if (rules[i].advice && rule_unseen(&rules[i]))
			fail_msg("%s is checked, and cannot be seen", rules[i].id);
		if (!rules[i].advice && !rule_unseen(&rules[i]))
			fail_msg("%s is not checked, and nobody says why", rules[i].id);
		assert_int_equal(rule_sight(&rules[i]) == RULE_SEEN, rules[i].advice != NULL);
	}
}

static void names_are_unique_and_found(unused void **state)
{
	for (size_t i = 0; i < nr_rules; i++)
		assert_ptr_equal(rule_find(rules[i].id), &rules[i]);
	assert_null(rule_find("init.rset-first"));
	assert_string_equal(rule_meant("init.rset-first"), "init.reset-first");
	assert_string_equal(rule_meant("net.hdr-12-byte"), "net.hdr-12-bytes");
	assert_string_equal(rule_meant("reset-first"), "init.reset-first");
	assert_null(rule_meant("nope"));
	assert_null(rule_meant(""));
	assert_null(
		rule_meant("one that is longer than the id of any of the rules is, and like none"));
}

int main(void)
{
	static struct check_tally tally;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(each_wrong_choice_is_found_and_no_right_one, &tally),
		cmocka_unit_test_prestate(a_driver_that_goes_away_without_a_word_is_found, &tally),
		cmocka_unit_test_prestate(who_counts_on_a_device_that_has_failed_is_found, &tally),
		cmocka_unit_test_prestate(a_driver_that_is_refused_and_says_nothing_is_found,
	                                  &tally),
		cmocka_unit_test_prestate(an_offer_that_contradicts_itself_is_seen_through, &tally),
		cmocka_unit_test_prestate(features_that_nobody_knows_are_no_reason_to_give_up,
	                                  &tally),
		cmocka_unit_test_prestate(driver_that_gives_up_for_want_of_a_feature_is_found,
	                                  &tally),
		cmocka_unit_test_prestate(wide_reads_of_the_config_space_are_found, &tally),
		cmocka_unit_test_prestate(the_control_queue_has_its_place, &tally),
		cmocka_unit_test_prestate(each_wrong_frame_is_found_and_no_right_one, &tally),
		cmocka_unit_test_prestate(frames_of_others_are_fine_behind_ones_own, &tally),
		cmocka_unit_test_prestate(an_address_that_was_told_is_ones_own, &tally),
		cmocka_unit_test_prestate(a_header_without_the_hash_is_found, &tally),
		cmocka_unit_test(frames_that_end_anywhere_are_survived),
		cmocka_unit_test_prestate(each_buffer_without_room_is_found_and_no_right_one,
	                                  &tally),
		cmocka_unit_test_prestate(a_buffer_outside_memory_is_found, &tally),
		cmocka_unit_test_prestate(a_driver_without_receive_buffers_is_found, &tally),
		cmocka_unit_test_prestate(a_driver_that_lets_its_buffers_run_out_is_found, &tally),
		cmocka_unit_test_prestate(frames_into_a_link_that_is_down_are_found, &tally),
		cmocka_unit_test_prestate(a_new_state_of_the_link_is_read, &tally),
		cmocka_unit_test_prestate(a_link_that_was_not_negotiated_is_not_looked_at, &tally),
		cmocka_unit_test_prestate(all_have_both, &tally),
		cmocka_unit_test(what_cannot_be_seen_says_why),
		cmocka_unit_test(names_are_unique_and_found),
	};

	return cmocka_run_group_tests_name("check_net", tests, NULL, NULL);
}
