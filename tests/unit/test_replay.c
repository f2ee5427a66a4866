/* SPDX-License-Identifier: Apache-2.0 */
/* A driver is recorded, and the recording drives another device, which does the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/record.h"
#include "check/trace.h"
#include "devices/virtio_mmio.h"
#include "devices/virtio_watch.h"
#include "tests/lib/replay.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/le.h"

/* The beginning of a run of examples/driver under KVM: it comes up, and answers ARP and ping. */
#define DRIVER "tests/fuzz/corpus/trace/driver"

static void recorded_driver_gets_the_same_of_another_device(unused void **state)
{
	struct replay_outcome o;
	int ret = replay(DRIVER, NULL, &o);

	if (ret || o.why[0])
		fail_msg("%d: %s", ret, o.why);
	assert_true(o.reads >= 20);
	assert_true(o.used >= 5 && o.wishes == o.used);
	assert_true(o.frames >= 9);
	assert_true(o.interrupts >= 2);
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

struct rig {
	struct vrig r;
	struct virtio_mmio mmio;
	struct record *record;
	char path[32];
};

static void no_wire(unused void *arg, unused unsigned gsi, unused bool level)
{
}

static void begin(struct rig *g)
{
	struct record_nic nic = {.index = 0};
	int fd;

	*g = (struct rig){.path = "/tmp/doorbell-test-XXXXXX"};

	fd = mkstemp(g->path);
	assert_true(fd >= 0);
	assert_int_equal(record_create(fdopen(fd, "w"), g->path, &g->record), 0);
	vrig_create(&g->r, (struct vrig_options){.vq_size = 16});
	virtio_mmio_init(&g->mmio, g->r.dev.core, (struct irq_line){.set = no_wire});
	g->r.dev.mmio = &g->mmio;
	memcpy(nic.mac, vrig_mac, sizeof(nic.mac));
	g->r.dev.core->watch = record_device(g->record, g->r.dev.core, &nic);
}

static void end(struct rig *g)
{
	vrig_destroy(&g->r);
	assert_int_equal(record_destroy(g->record), 0);
}

static void send(struct rig *g, unsigned len)
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

static void receive(struct rig *g, unsigned len)
{
	uint8_t frame[1500];

	vrig_frame(frame, len, vrig_mac, len);
	fake_net_queue(g->r.net, NULL, frame, len);
	fake_net_can_recv(g->r.net);
	vrig_pump(&g->r);
}

static void session(struct rig *g, uint64_t features)
{
	struct fake_buf in;
	uint8_t on = 1;

	vrig_up(&g->r, features);
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
	if (features & VRIG_F(CTRL_RX))
		assert_int_equal(
			vrig_command(&g->r, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1),
			VIRTIO_NET_OK);
}

static void expect_same(struct rig *g)
{
	struct replay_outcome o;
	int ret = replay(g->path, NULL, &o);

	unlink(g->path);
	if (ret || o.why[0])
		fail_msg("%d: %s", ret, o.why);
	assert_true(o.used > 20 && o.frames == 2 * 21);
}

static void sessions_of_any_features_can_be_replayed(unused void **state)
{
	static const uint64_t features[] = {VRIG_ALL, VRIG_ALL & ~FEATURE(VIRTIO_RING_F_EVENT_IDX),
	                                    VRIG_ALL & ~VRIG_F(MRG_RXBUF),
	                                    VRIG_F(CTRL_VQ) | VRIG_F(CTRL_RX),
	                                    FEATURE(VIRTIO_RING_F_INDIRECT_DESC)};

	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		struct rig g;

		begin(&g);
		session(&g, features[i] | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
		/* And once more after a reset. */
		session(&g, features[i] | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
		end(&g);
		expect_same(&g);
	}
}

/* A used entry of the recording that says something else is what the comparison is about. */
static void changed_recording_is_found(unused void **state)
{
	struct replay_outcome o;
	struct trace_reader r;
	struct trace_record t;
	struct rig g;
	uint64_t at = 0;
	FILE *f;

	begin(&g);
	session(&g, VRIG_ALL);
	end(&g);
	f = fopen(g.path, "r+");
	assert_non_null(f);
	assert_int_equal(trace_open(&r, f), 0);
	while (!at && trace_next(&r, &t) == 1)
		if (t.kind == TRACE_USED && t.queue == NET_RX)
			at = r.at - t.len;
	trace_close(&r);
	assert_true(at > 0);
	assert_int_equal(fseek(f, (long)at + 4, SEEK_SET), 0);
	fputc(1, f);
	fclose(f);
	assert_int_equal(replay(g.path, NULL, &o), 0);
	assert_non_null(strstr(o.why, "used 0 of queue 0: another"));
	unlink(g.path);
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
	struct rig g;

	begin(&g);
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
	end(&g);
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
	struct rig g;

	begin(&g);
	vrig_up(&g.r, VRIG_ALL);
	fake_vq_raw_avail_idx(&g.r.vq[NET_TX], 1000);
	fake_kick(&g.r.dev, NET_TX);
	vrig_pump(&g.r);
	end(&g);
	c = read_chains(g.path);
	assert_int_equal(c.nr, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_driver_gets_the_same_of_another_device),
		cmocka_unit_test(device_that_does_something_else_is_found),
		cmocka_unit_test(sessions_of_any_features_can_be_replayed),
		cmocka_unit_test(changed_recording_is_found),
		cmocka_unit_test(what_cannot_be_replayed_is_refused),
		cmocka_unit_test(chains_that_go_wrong_are_recorded_as_far_as_they_go),
		cmocka_unit_test(index_that_cannot_be_is_recorded_without_entries),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
