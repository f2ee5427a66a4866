/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of version 1 with a network device behind them, and a driver that knows no other. A comment before a case is
 * the id of the clause in the standard's list that it holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "devices/virtio.h"
#include "devices/virtio_mmio.h"
#include "tests/lib/capture.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/le.h"

#define F          VRIG_F
#define ANY_LAYOUT FEATURE(VIRTIO_F_ANY_LAYOUT)
#define PAGE       VRIG_PAGE
#define NUM        16u
#define LEN        60u

static struct {
	struct vrig v; /* its vq[] lie as version 1 wants it: give_queue() */
	struct virtio_mmio mmio;
	uint32_t edges;
} rig;

static void count_edge(void *arg, unused unsigned gsi, bool level)
{
	uint32_t *edges = arg;

	*edges += level;
}

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig.v, (struct vrig_options){.legacy = true, .vq_size = 64, .pairs = 2});
	rig.edges = 0;
	virtio_mmio_legacy_init(&rig.mmio, rig.v.dev.core,
	                        (struct irq_line){.set = count_edge, .arg = &rig.edges});
	rig.v.dev.mmio = &rig.mmio;
	return 0;
}

static int teardown(unused void **state)
{
	vrig_destroy(&rig.v);
	return 0;
}

static uint32_t get(uint64_t off)
{
	return fake_readl(&rig.v.dev, off);
}

static void set(uint64_t off, uint32_t val)
{
	fake_writel(&rig.v.dev, off, val);
}

/* ---- a driver of version 1 */

static void begin(uint32_t features)
{
	set(VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE);
	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, features);
}

static void go(void)
{
	set(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
}

static uint32_t give_queue(unsigned i, uint32_t num, uint32_t align, uint64_t features)
{
	const uint32_t pfn = vrig_legacy_queue(&rig.v, i, num, align, features);

	set(VIRTIO_MMIO_QUEUE_SEL, i);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_PFN), 0);
	set(VIRTIO_MMIO_QUEUE_NUM, num);
	set(VIRTIO_MMIO_QUEUE_ALIGN, align);
	set(VIRTIO_MMIO_QUEUE_PFN, pfn);
	return pfn;
}

static void bring_up(uint64_t features)
{
	begin(u32_of(features));
	give_queue(NET_RX, NUM, PAGE, features);
	give_queue(NET_TX, NUM, PAGE, features);
	go();
	assert_true(rig.v.dev.core->started);
}

/* A frame of LEN bytes behind a header of @hdr_len goes out, as the backend sees it behind one of 12. */
static void expect_out(uint32_t hdr_len)
{
	uint8_t bytes[64 + LEN] = {0};
	struct fake_buf b;

	vrig_frame(bytes + hdr_len, LEN, vrig_mac, 1);
	b = fake_out(&rig.v.m, bytes, hdr_len + LEN);
	fake_net_forget_sent(rig.v.net);
	assert_true(fake_vq_add(&rig.v.vq[NET_TX], &b, 1) >= 0);
	vrig_go(&rig.v, NET_TX);
	assert_int_equal(rig.v.net->nr_sent, 1);
	assert_int_equal(rig.v.net->sent[0].len, NET_HDR_LEN + LEN);
	assert_memory_equal(rig.v.net->sent[0].data + NET_HDR_LEN, bytes + hdr_len, LEN);
}

/* A frame for @mac comes in behind a header of @hdr_len; @hdr_len 0: it does not come. */
static void expect_in(uint32_t hdr_len, const uint8_t mac[6])
{
	struct fake_buf b = fake_in(&rig.v.m, 2048);
	uint8_t frame[LEN];
	const uint8_t *got;
	unsigned head;
	uint32_t len;

	vrig_frame(frame, LEN, mac, 2);
	assert_true(fake_vq_add(&rig.v.vq[NET_RX], &b, 1) >= 0);
	vrig_go(&rig.v, NET_RX);
	fake_net_queue(rig.v.net, NULL, frame, LEN);
	fake_net_can_recv(rig.v.net);
	assert_int_equal(fake_vq_reap(&rig.v.vq[NET_RX], &head, &len), hdr_len > 0);
	if (hdr_len == 0)
		return;
	assert_int_equal(len, hdr_len + LEN);
	got = fake_at(&rig.v.m, b.addr, len);
	assert_memory_equal(got + hdr_len, frame, LEN);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(got[i], 0);
	if (hdr_len > 10)
		assert_int_equal(get_le16(got + 10), 1); /* num_buffers */
}

/* ---- registers */

/* dev.mmio.version */
static void it_is_version_1_and_has_no_newer_register(unused void **state)
{
	static const uint32_t newer[] = {0x044, 0x0ac, 0x0b0, 0x0b4, 0x0b8, 0x0bc, 0x0c0, 0x0fc};

	assert_int_equal(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(get(VIRTIO_MMIO_VERSION), 1);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_ID), 1);
	assert_int_not_equal(get(VIRTIO_MMIO_VENDOR_ID), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(newer); i++) {
		set(newer[i], 1);
		assert_int_equal(get(newer[i]), 0);
	}
}

/* dev.legacy.offer-any-layout */
static void it_offers_32_bits_with_any_layout(unused void **state)
{
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	assert_true(get(VIRTIO_MMIO_DEVICE_FEATURES) & ANY_LAYOUT);
	assert_true(get(VIRTIO_MMIO_DEVICE_FEATURES) & F(MRG_RXBUF));
	assert_false(get(VIRTIO_MMIO_DEVICE_FEATURES) & FEATURE(24)); /* NOTIFY_ON_EMPTY */
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
}

static void status_has_the_bits_of_version_1_only(unused void **state)
{
	begin(0);
	set(VIRTIO_MMIO_STATUS, 3 | VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 3);
	set(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK); /* not a reset */
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 3);
	go();
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 7);
}

/* ---- queues */

/* dev.legacy.vq-layout: by the formula of the kernel's header, for all sizes and boundaries */
static void parts_lie_where_the_formula_says(unused void **state)
{
	const gpa_t mark = rig.v.m.next;

	for (uint32_t num = 1; num <= 64; num *= 2)
		for (uint32_t align = 4; align <= 16384; align *= 2) {
			const struct vq_addr *a = &rig.v.dev.core->queue[NET_TX].addr;
			const struct vq_addr *want = &rig.v.vq[NET_TX].addr;

			rig.v.m.next = mark;
			begin(0);
			give_queue(NET_TX, num, align, 0);
			assert_int_equal(a->num, num);
			assert_int_equal(a->desc, want->desc);
			assert_int_equal(a->avail, want->avail);
			assert_int_equal(a->used, want->used);
			go();
			assert_true(rig.v.dev.core->started);
		}
}

/* dev.mmio-legacy.pfn-readback */
static void zero_takes_one_queue_back_and_no_other(unused void **state)
{
	uint32_t rx, tx;

	begin(0);
	rx = give_queue(NET_RX, NUM, PAGE, 0);
	tx = give_queue(NET_TX, NUM, PAGE, 0);
	go();
	set(VIRTIO_MMIO_QUEUE_SEL, NET_RX);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_PFN), rx);
	set(VIRTIO_MMIO_QUEUE_PFN, 0);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_PFN), 0);
	set(VIRTIO_MMIO_QUEUE_SEL, NET_TX);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_PFN), tx);
	expect_out(10);
	/* And it may come back, elsewhere, while the other one works: as a new ring. */
	give_queue(NET_RX, NUM, 64, 0);
	expect_in(10, vrig_mac);
	expect_out(10);
}

/* Else a capture would wait for them, and take others for them. */
static void frames_of_a_tx_queue_that_is_taken_back_do_not_come_again(unused void **state)
{
	fake_net_hold(rig.v.net);
	bring_up(0);
	expect_out(10);
	assert_int_equal(rig.v.net->nr_held, 1);
	set(VIRTIO_MMIO_QUEUE_SEL, NET_TX);
	set(VIRTIO_MMIO_QUEUE_PFN, 0);
	assert_int_equal(rig.v.net->nr_held, 0);
	assert_true(rig.v.net->gave_up);
	give_queue(NET_TX, NUM, PAGE, 0);
	expect_out(10);
	/* Nothing is on its way, but what a pause has taken back is still to come. */
	rig.v.net->gave_up = false;
	virtio_pause(rig.v.dev.core);
	virtio_resume(rig.v.dev.core);
	assert_int_equal(rig.v.net->nr_held, 0);
	set(VIRTIO_MMIO_QUEUE_SEL, NET_TX);
	set(VIRTIO_MMIO_QUEUE_PFN, 0);
	assert_true(rig.v.net->gave_up);
}

/* dev.mmio-legacy.reset-pfn */
static void reset_forgets_the_queues_and_keeps_the_page_size(unused void **state)
{
	bring_up(0);
	set(VIRTIO_MMIO_STATUS, 0);
	for (unsigned i = 0; i < 2; i++) {
		set(VIRTIO_MMIO_QUEUE_SEL, i);
		assert_int_equal(get(VIRTIO_MMIO_QUEUE_PFN), 0);
	}
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 0);
	/* Linux writes it when it finds the device, and resets that afterwards. */
	set(VIRTIO_MMIO_STATUS, 1);
	set(VIRTIO_MMIO_STATUS, 3);
	give_queue(NET_TX, NUM, PAGE, 0);
	go();
	expect_out(10);
}

static void queue_without_page_size_or_boundary_is_ignored(unused void **state)
{
	struct capture cap;

	set(VIRTIO_MMIO_STATUS, 1);
	set(VIRTIO_MMIO_STATUS, 3);
	capture_begin(&cap);
	give_queue(NET_TX, NUM, PAGE, 0);
	capture_end(&cap);
	assert_non_null(strstr(cap.text, "GuestPageSize was not written"));
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_PFN), 0);
	set(VIRTIO_MMIO_GUEST_PAGE_SIZE, 4095);
	set(VIRTIO_MMIO_QUEUE_PFN, 1);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_PFN), 0);
	begin(0);
	set(VIRTIO_MMIO_QUEUE_SEL, NET_TX);
	set(VIRTIO_MMIO_QUEUE_NUM, NUM);
	set(VIRTIO_MMIO_QUEUE_ALIGN, 100);
	set(VIRTIO_MMIO_QUEUE_PFN, 1);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_PFN), 0);
}

static void numbers_that_make_no_ring_break_the_device_and_nothing_else(unused void **state)
{
	static const uint32_t sizes[] = {0, 3, 65, UINT32_MAX};

	for (unsigned i = 0; i <= ARRAY_SIZE(sizes); i++) {
		begin(0);
		set(VIRTIO_MMIO_GUEST_PAGE_SIZE, 1u << 31);
		set(VIRTIO_MMIO_QUEUE_SEL, NET_TX);
		set(VIRTIO_MMIO_QUEUE_NUM, i < ARRAY_SIZE(sizes) ? sizes[i] : NUM);
		set(VIRTIO_MMIO_QUEUE_ALIGN, 1u << 31);
		set(VIRTIO_MMIO_QUEUE_PFN, UINT32_MAX);
		go();
		assert_false(rig.v.dev.core->started);
	}
	set(VIRTIO_MMIO_QUEUE_SEL, UINT32_MAX);
	set(VIRTIO_MMIO_QUEUE_ALIGN, PAGE);
	set(VIRTIO_MMIO_QUEUE_PFN, 1);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	bring_up(0); /* after a reset all is well */
	expect_out(10);
}

/* ---- frames */

/* dev.legacy.detect-driver */
static void headers_have_10_bytes(unused void **state)
{
	bring_up(0);
	expect_out(10);
	expect_in(10, vrig_mac);
	assert_true(rig.edges > 0);
	assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

static void headers_have_12_bytes_with_mrg_rxbuf(unused void **state)
{
	bring_up(F(MRG_RXBUF) | FEATURE(VIRTIO_RING_F_EVENT_IDX));
	expect_out(12);
	expect_in(12, vrig_mac);
}

/* dev.legacy.use-early */
static void queues_work_before_driver_ok(unused void **state)
{
	begin(0);
	give_queue(NET_TX, NUM, PAGE, 0);
	expect_out(10);
	give_queue(NET_RX, NUM, PAGE, 0); /* and further ones are welcome */
	expect_in(10, vrig_mac);
	expect_out(10);
	/* Linux up to 5.18: BUG_ON(status & VIRTIO_CONFIG_S_DRIVER_OK). */
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 3);
	go();
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 7);
	expect_out(10);
	expect_in(10, vrig_mac);
}

static void kick_of_a_queue_that_is_not_there_begins_nothing(unused void **state)
{
	begin(0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, NET_TX);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
	assert_false(rig.v.dev.core->started);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 3);
}

static void bits_that_were_not_offered_keep_the_device_from_working(unused void **state)
{
	begin(FEATURE(30));
	give_queue(NET_TX, NUM, PAGE, 0);
	go();
	assert_false(rig.v.dev.core->started);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 3);
}

/* ---- config space */

static void write_mac(const uint8_t mac[6])
{
	for (unsigned i = 0; i < 6; i++)
		virtio_mmio_bus_ops.write(&rig.mmio, VIRTIO_MMIO_CONFIG + i, 1, mac[i]);
}

/* dev.legacy.cfg-write-early, dev.net.legacy-mac-writable */
static void the_address_may_be_written_at_any_time(unused void **state)
{
	static const uint8_t early[6] = {2, 9, 9, 9, 9, 1}, late[6] = {2, 9, 9, 9, 9, 2};

	begin(u32_of(F(MAC) | F(CTRL_VQ) | F(CTRL_RX)));
	write_mac(early);
	give_queue(NET_RX, NUM, PAGE, 0);
	go();
	expect_in(10, early);
	write_mac(late);
	assert_int_equal(virtio_mmio_bus_ops.read(&rig.mmio, VIRTIO_MMIO_CONFIG + 5, 1), 2);
	expect_in(10, late);
	expect_in(0, early);
	/* What is behind it stays. */
	virtio_mmio_bus_ops.write(&rig.mmio, VIRTIO_MMIO_CONFIG + 6, 2, 0);
	assert_int_equal(virtio_mmio_bus_ops.read(&rig.mmio, VIRTIO_MMIO_CONFIG + 6, 2), 1);
	/* A reset brings back its own. */
	set(VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(virtio_mmio_bus_ops.read(&rig.mmio, VIRTIO_MMIO_CONFIG, 1), vrig_mac[0]);
}

static void a_reset_before_the_start_forgets_the_address_too(unused void **state)
{
	static const uint8_t other[6] = {2, 9, 9, 9, 9, 1};

	set(VIRTIO_MMIO_STATUS, 0);
	write_mac(other);
	assert_int_equal(virtio_mmio_bus_ops.read(&rig.mmio, VIRTIO_MMIO_CONFIG + 1, 1), 9);
	set(VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(virtio_mmio_bus_ops.read(&rig.mmio, VIRTIO_MMIO_CONFIG + 1, 1),
	                 vrig_mac[1]);
}

static void path_without_us_is_refused(unused void **state)
{
	struct virtio_net_switch s;

	assert_true(virtio_net_set_path(rig.v.n, true, &s) < 0);
	assert_true(s.why[0]);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(it_is_version_1_and_has_no_newer_register),
		CASE(it_offers_32_bits_with_any_layout),
		CASE(status_has_the_bits_of_version_1_only),
		CASE(parts_lie_where_the_formula_says),
		CASE(zero_takes_one_queue_back_and_no_other),
		CASE(frames_of_a_tx_queue_that_is_taken_back_do_not_come_again),
		CASE(reset_forgets_the_queues_and_keeps_the_page_size),
		CASE(queue_without_page_size_or_boundary_is_ignored),
		CASE(numbers_that_make_no_ring_break_the_device_and_nothing_else),
		CASE(headers_have_10_bytes),
		CASE(headers_have_12_bytes_with_mrg_rxbuf),
		CASE(queues_work_before_driver_ok),
		CASE(kick_of_a_queue_that_is_not_there_begins_nothing),
		CASE(bits_that_were_not_offered_keep_the_device_from_working),
		CASE(a_reset_before_the_start_forgets_the_address_too),
		CASE(the_address_may_be_written_at_any_time),
		CASE(path_without_us_is_refused),
	};

	return cmocka_run_group_tests_name("virtio_mmio_legacy", tests, NULL, NULL);
}
