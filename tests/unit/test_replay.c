/* SPDX-License-Identifier: Apache-2.0 */
/* A driver is recorded, and the recording drives another device, which does the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/provoke_priv.h"
#include "check/record.h"
#include "check/trace.h"
#include "devices/virtio_mmio.h"
#include "devices/virtio_watch.h"
#include "tests/lib/replay.h"
#include "tests/lib/replay_rig.h"
#include "tests/lib/vnet_lanes.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/le.h"

#define STORED "tests/fuzz/corpus/trace/"
/* The beginning of a run of examples/driver under KVM, as version 1 wrote it: it comes up, and answers ARP and ping. */
#define DRIVER STORED "driver"

/* Each was made by what its name says; numbers: the least that is compared of it. */
static const struct {
	const char *path;
	unsigned used, frames, changes, written;
} stored[] = {
	{DRIVER, 5, 9, 0, 0},                      /* split rings */
	{STORED "driver_packed", 13, 42, 0, 0},    /* the same with packed ones */
	{STORED "driver_provoked", 23, 50, 16, 0}, /* --provoke: some at boot, and two rounds */
	{STORED "driver_provoked_packed", 21, 42, 17, 0},
	/* A device that fails, is reset, and receives until that has an effect; version 3 */
	{STORED "driver_reset_packed", 41, 155, 4, 90},
	{STORED "rig_pairs", 49, 132, 0, 0}, /* three pairs */
	{STORED "rig_nics", 64, 62, 0, 0},   /* two NICs in turns, one of them with packed rings */
	{STORED "rig_legacy", 41, 42, 0, 0}, /* registers of version 1 */
};

static void recorded_driver_gets_the_same_of_another_device(unused void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(stored); i++) {
		struct replay_outcome o;
		const int ret = replay(stored[i].path, NULL, &o);

		if (ret || o.why[0])
			fail_msg("%s: %d: %s", stored[i].path, ret, o.why);
		assert_true(o.reads > 5 && o.wishes == o.used && o.interrupts >= 2);
		if (o.used < stored[i].used || o.frames < stored[i].frames ||
		    o.changes < stored[i].changes || o.written < stored[i].written)
			fail_msg("%s: %u used, %u frames, %u changes, %u written", stored[i].path,
			         o.used, o.frames, o.changes, o.written);
	}
}

static void unplug(struct virtio_net *n)
{
	virtio_net_set_link(n, false);
}

static void device_that_does_something_else_is_found(unused void **state)
{
	struct replay_outcome o;

	assert_int_equal(replay(DRIVER, unplug, &o), 0);
	assert_non_null(strstr(o.why, "read "));
}

/* ---- recordings that are made here */

static void send(struct replay_rig *g, unsigned len)
{
	struct fake_vq *tx = &g->r.vq[NET_TX];
	uint8_t frame[12 + 1500] = {0};
	struct fake_buf b;
	uint32_t used;
	unsigned head;

	vrig_frame(frame + 12, len, vrig_mac, len);
	b = fake_out(&g->r.m, frame, 12 + len);
	assert_true(fake_vq_add_table(
			    tx, (struct fake_buf[]){fake_part(b, 0, 20), fake_part(b, 20, len - 8)},
			    2, len % 2 ? 2 : 0) >= 0);
	vrig_go(&g->r, NET_TX);
	assert_true(fake_vq_reap(tx, &head, &used));
}

static void receive(struct replay_rig *g, unsigned len)
{
	uint8_t frame[1500];

	vrig_frame(frame, len, vrig_mac, len);
	fake_net_queue(g->r.net, NULL, frame, len);
	fake_net_can_recv(g->r.net);
	vrig_pump(&g->r);
}

static void traffic(struct replay_rig *g)
{
	struct fake_buf in;

	for (unsigned i = 0; i < 16; i++) {
		in = fake_in(&g->r.m, 300);
		assert_true(fake_vq_add(&g->r.vq[NET_RX], &in, 1) >= 0);
	}
	vrig_go(&g->r, NET_RX);
	for (unsigned i = 60; i < 70; i++) {
		send(g, i);
		receive(g, i + 100);
	}
	receive(g, 900); /* several buffers, with MRG_RXBUF */
}

static void session(struct replay_rig *g, uint64_t features)
{
	uint8_t on = 1;

	vrig_up(&g->r, features);
	traffic(g);
	if (features & VRIG_F(CTRL_RX))
		assert_int_equal(
			vrig_command(&g->r, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1),
			VIRTIO_NET_OK);
}

#define PACKED FEATURE(VIRTIO_F_RING_PACKED)

static void sessions_of_any_features_can_be_replayed(unused void **state)
{
	static const uint64_t layouts[] = {0, PACKED, PACKED | FEATURE(VIRTIO_F_IN_ORDER),
	                                   FEATURE(VIRTIO_F_IN_ORDER)};
	static const uint64_t features[] = {VRIG_ALL, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX),
	                                    VRIG_ALL & ~VRIG_F(MRG_RXBUF),
	                                    VRIG_F(CTRL_VQ) | VRIG_F(CTRL_RX),
	                                    FEATURE(VIRTIO_RING_F_INDIRECT_DESC)};

	for (unsigned i = 0; i < ARRAY_SIZE(features) * ARRAY_SIZE(layouts); i++) {
		const uint64_t accept = features[i % ARRAY_SIZE(features)];
		struct replay_outcome o;
		struct replay_rig g;

		vrig_layout(layouts[i / ARRAY_SIZE(features)]);
		replay_rig_begin(&g);
		session(&g, accept | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
		/* And once more after a reset. */
		session(&g, accept | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
		replay_rig_end(&g);
		o = replay_rig_same(&g);
		assert_true(o.used > 20 && o.frames == 2 * 21);
		assert_true(o.written >= 2 * 10);
	}
	vrig_layout(0);
}

static void several_pairs_can_be_replayed(unused void **state)
{
	const uint8_t pairs[2] = {3, 0};
	struct replay_outcome o;
	struct lane lane[3];
	struct replay_rig g = {.record = NULL};

	replay_rig_file(&g);
	replay_rig_nic(&g, 0, (struct vrig_options){.pairs = 3, .without = VRIG_F(RSS)});
	vrig_up(&g.r, VRIG_ALL);
	for (unsigned i = 0; i < 3; i++)
		lane_init(&lane[i], &g.r, i);
	assert_int_equal(vrig_command(&g.r, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
	                              pairs, sizeof(pairs)),
	                 VIRTIO_NET_OK);
	for (unsigned k = 0; k < 24; k++) {
		struct lane *l = &lane[k % 3];

		lane_post_rx(l, 4);
		lane_arrive(l, 1 + k % 4);
		fake_net_can_recv(g.r.nets[k % 3]);
		vrig_pump(&g.r);
		lane_send(l, 3);
		vrig_pump(&g.r);
		lane_reap(l);
		lane_check_out(l);
	}
	replay_rig_end(&g);
	o = replay_rig_same(&g);
	assert_true(o.used > 40 && o.frames >= 24 * 4);
}

/* They share a file; each has its own numbers in it. */
static void several_nics_can_be_replayed(unused void **state)
{
	struct replay_rig g = {.record = NULL}, *other = calloc(1, sizeof(*other));
	struct replay_outcome o;

	assert_non_null(other);
	replay_rig_file(&g);
	replay_rig_nic(&g, 0, (struct vrig_options){.mem_bytes = 0});
	other->record = g.record;
	replay_rig_nic(other, 5, (struct vrig_options){.mem_bytes = 0});
	session(&g, VRIG_ALL);
	vrig_layout(PACKED);
	session(other, VRIG_ALL);
	vrig_layout(0);
	for (unsigned i = 0; i < 8; i++) {
		send(&g, 80 + i);
		receive(other, 70 + i);
		send(other, 90 + i);
		receive(&g, 60 + i);
	}
	vrig_destroy(&other->r);
	free(other);
	replay_rig_end(&g);
	o = replay_rig_same(&g);
	assert_true(o.frames >= 2 * 21 + 2 * 8); /* as far as there are buffers */
}

static void legacy_up(struct replay_rig *g, uint64_t features)
{
	const struct fake_dev *d = &g->r.dev;

	fake_writel(d, VIRTIO_MMIO_GUEST_PAGE_SIZE, VRIG_PAGE);
	fake_writel(d, VIRTIO_MMIO_STATUS, 0);
	fake_writel(d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	fake_writel(d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	fake_writel(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	fake_writel(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	for (unsigned i = NET_RX; i <= NET_TX; i++) {
		fake_writel(d, VIRTIO_MMIO_QUEUE_SEL, i);
		assert_int_equal(fake_readl(d, VIRTIO_MMIO_QUEUE_PFN), 0);
		fake_writel(d, VIRTIO_MMIO_QUEUE_NUM, 16);
		fake_writel(d, VIRTIO_MMIO_QUEUE_ALIGN, VRIG_PAGE);
		fake_writel(d, VIRTIO_MMIO_QUEUE_PFN,
		            vrig_legacy_queue(&g->r, i, 16, VRIG_PAGE, features));
	}
	fake_add_status(d, VIRTIO_CONFIG_S_DRIVER_OK);
}

/* Headers are of 10 bytes, or of 12. */
static void registers_of_version_1_can_be_replayed(unused void **state)
{
	static const uint64_t features[] = {FEATURE(VIRTIO_RING_F_INDIRECT_DESC),
	                                    FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
	                                            FEATURE(VIRTIO_RING_F_EVENT_IDX) |
	                                            VRIG_F(MRG_RXBUF)};
	struct replay_outcome o;
	struct replay_rig g = {.record = NULL};

	replay_rig_file(&g);
	replay_rig_nic(&g, 0, (struct vrig_options){.legacy = true});
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		legacy_up(&g, features[i]);
		traffic(&g);
	}
	for (unsigned i = 0; i < 18; i++)
		(void)fake_readl(&g.r.dev, VIRTIO_MMIO_VERSION);
	replay_rig_end(&g);
	o = replay_rig_same(&g);
	assert_true(o.used > 20 && o.frames == 2 * 21);
}

/* What a provocation was about is compared, too. */
static void change_of_something_else_is_found(unused void **state)
{
	struct replay_outcome o;
	struct trace_reader r;
	struct trace_record t;
	uint8_t bytes[64];
	char path[] = "/tmp/doorbell-test-XXXXXX";
	long at = 0;
	FILE *f = fopen(STORED "driver_provoked", "r"), *copy = fdopen(mkstemp(path), "w+");
	size_t n;

	assert_true(f && copy);
	while ((n = fread(bytes, 1, sizeof(bytes), f)) > 0)
		assert_int_equal(fwrite(bytes, 1, n, copy), n);
	rewind(f);
	assert_int_equal(trace_open(&r, f), 0);
	while (!at && trace_next(&r, &t) == 1)
		if (t.kind == TRACE_PROVOKE && t.u.provoke.place == TRACE_AT_CONFIG)
			at = (long)(r.at - trace_bytes(r.buf)) + (trace_was(&t) - r.buf);
	assert_true(at > 0);
	assert_int_equal(fseek(copy, at, SEEK_SET), 0);
	fputc(0x99, copy);
	assert_int_equal(fclose(copy), 0);
	assert_int_equal(replay(path, NULL, &o), 0);
	assert_int_equal(o.event, r.records);
	assert_non_null(strstr(o.why, "was about to do something else"));
	trace_close(&r);
	fclose(f);
	unlink(path);
}

/* The first record of that kind and queue in the recording at @path: its byte @at behind the head becomes @to. Its number. */
static uint64_t change_byte(const char *path, enum trace_kind kind, unsigned queue, long at,
                            uint8_t to)
{
	struct trace_reader r;
	struct trace_record t;
	FILE *f = fopen(path, "r+");
	long place = 0;

	assert_non_null(f);
	assert_int_equal(trace_open(&r, f), 0);
	while (!place && trace_next(&r, &t) == 1)
		if (t.kind == kind && t.queue == queue)
			place = (long)(r.at - trace_bytes(r.buf)) + (long)TRACE_HEAD + at;
	trace_close(&r);
	assert_true(place > 0);
	assert_int_equal(fseek(f, place, SEEK_SET), 0);
	fputc(to, f);
	fclose(f);
	return r.records;
}

/* A used entry, or a buffer, of the recording that says something else is what the comparison is about. */
static void changed_recording_is_found(unused void **state)
{
	static const struct {
		enum trace_kind kind;
		unsigned queue;
		long at; /* behind the head; of WRITTEN the digest, or what is shown of it */
		const char *says;
	} all[] = {
		{TRACE_USED, NET_RX, 12, "used      0 to 1"},
		{TRACE_WRITTEN, NET_RX, 9, "written   0: 172 bytes"},
		{TRACE_WRITTEN, NET_RX, 16 + 12, "written   0: 172 bytes"},
		{TRACE_WRITTEN, NET_CTRL, 16, "written   0: 1 bytes"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		struct replay_outcome o;
		struct replay_rig g;
		uint64_t event;

		replay_rig_begin(&g);
		session(&g, VRIG_ALL & ~VRIG_F(MQ) & ~VRIG_F(RSS));
		replay_rig_end(&g);
		event = change_byte(g.path, all[i].kind, all[i].queue, all[i].at, 0x99);
		assert_int_equal(replay(g.path, NULL, &o), 0);
		assert_int_equal(o.event, event);
		if (!strstr(o.why, all[i].says))
			fail_msg("%u: %s", i, o.why);
		assert_non_null(strstr(o.why, "what this device did: net0"));
		unlink(g.path);
	}
}

/* As versions before 3: what was written is not there, and not compared. */
static void older_recordings_have_less(unused void **state)
{
	struct replay_outcome o;

	assert_int_equal(replay(DRIVER, NULL, &o), 0);
	assert_int_equal(o.written, 0);
	assert_int_equal(o.why[0], 0);
}

static void a_short_config_space_is_recorded_as_it_is(unused void **state)
{
	static const provoke_set sets[] = {0, PROVOKE_BIT(P_SHORT_CONFIG)};

	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
		struct replay_rig g = {.record = NULL};
		struct trace_reader r;
		struct trace_record t;
		FILE *f;

		replay_rig_file(&g);
		assert_int_equal(provoke_create(sets[i], 3, &g.provoke), 0);
		replay_rig_nic(&g, 0, (struct vrig_options){.mem_bytes = 0});
		replay_rig_end(&g);
		provoke_destroy(g.provoke);
		f = fopen(g.path, "r");
		assert_non_null(f);
		assert_int_equal(trace_open(&r, f), 0);
		assert_int_equal(trace_next(&r, &t), 1);
		assert_int_equal(t.kind, TRACE_DEVICE);
		assert_int_equal(t.u.device.config_len, i ? 6 : sizeof(struct virtio_net_config));
		trace_close(&r);
		fclose(f);
		unlink(g.path);
	}
}

static void what_cannot_be_replayed_is_refused(unused void **state)
{
	struct replay_outcome o;

	assert_int_equal(replay("/dev/null", NULL, &o), -EPROTO);
	assert_int_equal(replay("/nowhere", NULL, &o), -ENOENT);
}

/* ---- rings that break rules */

/* What the recording has of the chains of @queue: descriptors of each, and whether it was cut. */
struct chains {
	unsigned nr, descs[8];
	bool cut[8];
	unsigned memory; /* bytes */
};

static struct chains read_chains(const char *path)
{
	FILE *in = fopen(path, "r");
	struct chains c = {0};
	struct trace_reader r;
	struct trace_record t;
	int ret;

	assert_non_null(in);
	assert_int_equal(trace_open(&r, in), 0);
	while ((ret = trace_next(&r, &t)) == 1) {
		if (t.kind == TRACE_MEMORY)
			c.memory += t.len;
		if (t.kind != TRACE_CHAIN || c.nr == ARRAY_SIZE(c.descs))
			continue;
		c.descs[c.nr] = t.u.chain.nr;
		c.cut[c.nr++] = t.u.chain.cut;
	}
	if (ret < 0)
		fail_msg("%s", r.why);
	trace_close(&r);
	fclose(in);
	unlink(path);
	return c;
}

static void chains_that_go_wrong_are_recorded_as_far_as_they_go(unused void **state)
{
	const gpa_t outside = UINT64_C(1) << 40;
	struct chains c;
	struct fake_buf b;
	struct fake_vq *tx;
	struct replay_rig g;

	replay_rig_begin(&g);
	vrig_up(&g.r, VRIG_ALL);
	tx = &g.r.vq[NET_TX];
	b = fake_out(&g.r.m, "", 1);
	/* 0: a loop of two; 2: next outside; 3: outside memory; 4: a table in itself; 5: a huge piece. */
	fake_vq_raw_desc(tx, 0, (struct vring_desc){b.addr, 1, VRING_DESC_F_NEXT, 1});
	fake_vq_raw_desc(tx, 1, (struct vring_desc){b.addr, 1, VRING_DESC_F_NEXT, 0});
	fake_vq_raw_desc(tx, 2, (struct vring_desc){b.addr, 1, VRING_DESC_F_NEXT, 99});
	fake_vq_raw_desc(tx, 3, (struct vring_desc){outside, 1, 0, 0});
	fake_vq_raw_desc(tx, 4,
	                 (struct vring_desc){tx->addr.desc + 16 * 4, 16, VRING_DESC_F_INDIRECT, 0});
	fake_vq_raw_desc(tx, 5, (struct vring_desc){FAKE_MEM_BASE, UINT32_MAX, 0, 0});
	for (uint16_t i = 0; i < 7; i++)
		fake_vq_raw_head(tx, i == 1 ? 999 : i);
	fake_vq_raw_avail_idx(tx, 7);
	fake_kick(&g.r.dev, NET_TX);
	vrig_pump(&g.r);
	replay_rig_end(&g);
	c = read_chains(g.path);
	assert_int_equal(c.nr, 7);
	assert_int_equal(c.descs[0], 2 * VQ_NUM_MAX); /* the loop, as far as there is room */
	assert_true(c.cut[0]);
	assert_int_equal(c.descs[1], 0);
	assert_true(c.cut[1]);
	assert_int_equal(c.descs[2], 1);
	assert_true(c.cut[2]);
	assert_int_equal(c.descs[3], 1);
	assert_false(c.cut[3]);
	assert_int_equal(c.descs[4], 2);
	assert_true(c.cut[4]);
	assert_int_equal(c.descs[5], 1);
	assert_false(c.cut[5]);
	/* One byte each of the loop; nothing of what is outside. */
	assert_true(c.memory >= 2 * VQ_NUM_MAX);
	assert_true(c.memory < 2 * VQ_NUM_MAX + 200 * 1024);
}

static void index_that_cannot_be_is_recorded_without_entries(unused void **state)
{
	struct chains c;
	struct replay_rig g;

	replay_rig_begin(&g);
	vrig_up(&g.r, VRIG_ALL);
	fake_vq_raw_avail_idx(&g.r.vq[NET_TX], 1000);
	fake_kick(&g.r.dev, NET_TX);
	vrig_pump(&g.r);
	replay_rig_end(&g);
	c = read_chains(g.path);
	assert_int_equal(c.nr, 0);
}

/* Nothing says when the device has seen it, but that it does no more. */
static void index_that_cannot_be_is_found_once_more(unused void **state)
{
	struct replay_rig g;

	replay_rig_begin(&g);
	vrig_up(&g.r, VRIG_ALL);
	fake_vq_raw_avail_idx(&g.r.vq[NET_TX], 1000);
	fake_kick(&g.r.dev, NET_TX);
	vrig_pump(&g.r);
	assert_int_equal(fake_readl(&g.r.dev, VIRTIO_MMIO_STATUS), 0x4f);
	replay_rig_end(&g);
	assert_int_equal(replay_rig_same(&g).interrupts, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_driver_gets_the_same_of_another_device),
		cmocka_unit_test(device_that_does_something_else_is_found),
		cmocka_unit_test(sessions_of_any_features_can_be_replayed),
		cmocka_unit_test(several_pairs_can_be_replayed),
		cmocka_unit_test(several_nics_can_be_replayed),
		cmocka_unit_test(registers_of_version_1_can_be_replayed),
		cmocka_unit_test(change_of_something_else_is_found),
		cmocka_unit_test(changed_recording_is_found),
		cmocka_unit_test(older_recordings_have_less),
		cmocka_unit_test(a_short_config_space_is_recorded_as_it_is),
		cmocka_unit_test(what_cannot_be_replayed_is_refused),
		cmocka_unit_test(chains_that_go_wrong_are_recorded_as_far_as_they_go),
		cmocka_unit_test(index_that_cannot_be_is_recorded_without_entries),
		cmocka_unit_test(index_that_cannot_be_is_found_once_more),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
