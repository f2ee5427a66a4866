/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the control queue, judged by what happens to frames afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "devices/virtio_mmio.h"
#include "tests/lib/fake_page.h"
#include "tests/lib/vnet_layouts.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/le.h"

#define F   VRIG_F
#define OK  VIRTIO_NET_OK
#define ERR VIRTIO_NET_ERR

static struct vrig rig;

static const uint8_t foreign[6] = {0x52, 0x54, 0, 1, 2, 3};
static const uint8_t group[6] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t other_group[6] = {0x33, 0x33, 0, 0, 0, 2};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.mtu = 1500});
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

/* Up with @accept and some receive buffers. */
static void up(uint64_t accept)
{
	vrig_up(&rig, accept);
	for (unsigned i = 0; i < 256; i++) {
		struct fake_buf b = fake_in(&rig.m, 256);

		assert_true(fake_vq_add(&rig.vq[NET_RX], &b, 1) >= 0);
	}
	vrig_go(&rig, NET_RX);
}

/* Does a frame with @tag (0: none, else VLAN id) to @dst get through? */
static bool arrives_tagged(const uint8_t dst[6], unsigned tag)
{
	uint8_t frame[64];
	unsigned head, n = 0;
	uint32_t used;

	vrig_frame(frame, sizeof(frame), dst, 1);
	if (tag) {
		frame[12] = 0x81;
		frame[13] = 0;
		frame[14] = (uint8_t)(tag >> 8);
		frame[15] = (uint8_t)tag;
	}
	fake_net_queue(rig.net, NULL, frame, sizeof(frame));
	fake_net_can_recv(rig.net);
	while (fake_vq_reap(&rig.vq[NET_RX], &head, &used))
		n++;
	assert_in_range(n, 0, 1);
	return n;
}

static bool arrives(const uint8_t dst[6])
{
	return arrives_tagged(dst, 0);
}

static int rx_mode(uint8_t cmd, uint8_t on)
{
	return vrig_command(&rig, VIRTIO_NET_CTRL_RX, cmd, &on, 1);
}

/* A MAC table of @uni and @multi addresses, 00:..:01 counting up, groups from 33:..:01; @cut bytes short. */
static int mac_table(uint32_t uni, uint32_t multi, unsigned cut)
{
	static uint8_t data[8 + 6 * 1000];
	uint8_t *p = data;

	put_le32(p, uni);
	p += 4;
	for (uint32_t i = 1; i <= uni; i++, p += 6)
		memcpy(p, (const uint8_t[]){0x02, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}, 6);
	put_le32(p, multi);
	p += 4;
	for (uint32_t i = 1; i <= multi; i++, p += 6)
		memcpy(p, (const uint8_t[]){0x33, 0x33, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}, 6);
	return vrig_command(&rig, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data,
	                    (uint32_t)(p - data) - cut);
}

static int offloads(uint64_t set)
{
	uint8_t data[8];

	put_le64(data, set);
	return vrig_command(&rig, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
	                    VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, data, sizeof(data));
}

static int vlan(uint8_t cmd, unsigned id)
{
	uint8_t data[2];

	put_le16(data, (uint16_t)id);
	return vrig_command(&rig, VIRTIO_NET_CTRL_VLAN, cmd, data, sizeof(data));
}

/* ---- receive filter */

/* dev.mac.drop-others */
static void with_ctrl_rx_the_filter_is_on_from_the_start(unused void **state)
{
	up(VRIG_ALL);
	assert_true(arrives(vrig_mac));
	assert_true(arrives(broadcast));
	assert_false(arrives(foreign));
	assert_false(arrives(group));
	assert_int_equal(virtio_net_stats(rig.n)->rx_filtered, 2);
}

static void without_ctrl_rx_everything_arrives(unused void **state)
{
	up(VRIG_ALL & ~(F(CTRL_RX)));
	assert_true(arrives(foreign));
	assert_true(arrives(group));
	up(0);
	assert_true(arrives(foreign));
	assert_true(arrives_tagged(foreign, 7));
}

/*
 * dev.rxf.promisc, dev.rxf.allmulti, dev.rxf.alluni, dev.rxf.nomulti, dev.rxf.nouni, dev.rxf.nobcast,
 * dev.rxf.nomulti-bcast
 */
static void each_rx_mode_takes_effect_with_its_ack(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_PROMISC, 1), OK);
	assert_true(arrives(foreign) && arrives(group));
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_PROMISC, 0), OK);
	assert_false(arrives(foreign) || arrives(group));
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_ALLMULTI, 1), OK);
	assert_true(!arrives(foreign) && arrives(group));
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_ALLUNI, 1), OK);
	assert_true(arrives(foreign));
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_NOMULTI, 1), OK);
	assert_true(!arrives(group) && arrives(broadcast));
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_NOUNI, 1), OK);
	assert_false(arrives(foreign) || arrives(vrig_mac));
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_NOBCAST, 1), OK);
	assert_false(arrives(broadcast));
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_PROMISC, 1), OK);
	assert_true(arrives(broadcast) && arrives(group) && arrives(foreign) && arrives(vrig_mac));
}

/*
 * dev.rxf.promisc, dev.rxf.allmulti, dev.rxf.alluni, dev.rxf.nomulti, dev.rxf.nouni, dev.rxf.nobcast
 */
static void rx_modes_need_their_features(unused void **state)
{
	up(VRIG_ALL & ~F(CTRL_RX_EXTRA));
	for (uint8_t cmd = 0; cmd < 10; cmd++)
		assert_int_equal(rx_mode(cmd, 1), cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI ? OK : ERR);
	up(VRIG_ALL & ~(F(CTRL_RX)));
	for (uint8_t cmd = 0; cmd < 10; cmd++)
		assert_int_equal(rx_mode(cmd, 1), cmd >= VIRTIO_NET_CTRL_RX_ALLUNI &&
		                                                  cmd <= VIRTIO_NET_CTRL_RX_NOBCAST
		                                          ? OK
		                                          : ERR);
}

static void rx_modes_take_exactly_one_zero_or_one(unused void **state)
{
	static const uint8_t two[2] = {1, 1};

	up(VRIG_ALL);
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_PROMISC, 2), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_RX, 0, two, 2), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_RX, 0, two, 0), ERR);
	assert_false(arrives(foreign));
}

/* dev.mac.table-before-used */
static void listed_addresses_arrive_and_the_table_is_replaced(unused void **state)
{
	static const uint8_t second[6] = {0x02, 0, 0, 0, 0, 2};

	up(VRIG_ALL);
	assert_int_equal(mac_table(2, 1, 0), OK);
	assert_true(arrives(second) && arrives(group));
	assert_false(arrives(foreign) || arrives(other_group));
	assert_int_equal(mac_table(1, 2, 0), OK);
	assert_false(arrives(second));
	assert_true(arrives(other_group));
	assert_int_equal(mac_table(0, 0, 0), OK);
	assert_false(arrives(group));
	assert_true(arrives(vrig_mac));
}

static void a_table_that_is_too_large_lets_that_class_pass(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(mac_table(RX_FILTER_MACS, 0, 0), OK);
	assert_false(arrives(foreign) || arrives(group));
	assert_int_equal(mac_table(RX_FILTER_MACS, 1, 0), OK);
	assert_true(!arrives(foreign) && arrives(other_group));
	assert_int_equal(mac_table(RX_FILTER_MACS + 1, 1, 0), OK);
	assert_true(arrives(foreign) && arrives(group));
	assert_false(arrives(other_group));
	assert_int_equal(mac_table(900, 100, 0), OK);
	assert_true(arrives(foreign) && arrives(other_group));
	assert_int_equal(mac_table(0, 0, 0), OK);
	assert_false(arrives(foreign) || arrives(other_group));
}

static void a_malformed_mac_table_changes_nothing(unused void **state)
{
	uint8_t huge[8] = {0xff, 0xff, 0xff, 0xff};

	up(VRIG_ALL);
	assert_int_equal(mac_table(0, 1, 0), OK);
	for (unsigned cut = 1; cut <= 8 + 6 * 4; cut++)
		assert_int_equal(mac_table(2, 2, cut), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, 0, huge, 8), ERR);
	memset(huge, 0, 4);
	put_le32(huge + 4, 0x2aaaaaab); /* times 6 is 2 modulo 2^32 */
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, 0, huge, 8), ERR);
	memset(huge, 0, 8);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, 0, huge, 7), ERR);
	assert_true(arrives(group));
	assert_false(arrives(other_group));
}

/* dev.mac.addr-before-used, dev.mmio.generation */
static void a_new_address_is_in_config_space_and_filter_before_its_ack(unused void **state)
{
	struct virtio_net_config c;
	uint32_t generation;

	up(VRIG_ALL);
	generation = rig.dev.core->config_generation;
	assert_int_equal(
		vrig_command(&rig, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, foreign, 6),
		OK);
	virtio_config_read(rig.dev.core, 0, &c, sizeof(c));
	assert_memory_equal(c.mac, foreign, 6);
	assert_int_not_equal(rig.dev.core->config_generation, generation);
	assert_true(arrives(foreign));
	assert_false(arrives(vrig_mac));
	/* A reset brings the first one back. */
	generation = rig.dev.core->config_generation;
	virtio_set_status(rig.dev.core, 0);
	virtio_config_read(rig.dev.core, 0, &c, sizeof(c));
	assert_memory_equal(c.mac, vrig_mac, 6);
	assert_int_not_equal(rig.dev.core->config_generation, generation);
}

/* dev.mmio.generation */
static void a_new_address_moves_the_generation_on_the_register_page_too(unused void **state)
{
	static struct virtio_mmio mmio; /* the device has them until it is gone */
	static struct fake_page page;

	up(VRIG_ALL);
	virtio_mmio_init(&mmio, rig.dev.core, (struct irq_line){0});
	assert_int_equal(fake_page_create(&page, &mmio), 0);
	assert_int_equal(
		vrig_command(&rig, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, foreign, 6),
		OK);
	assert_int_equal(fake_page_lie(&page, &mmio), -1);
	fake_page_destroy(&page);
}

static void what_no_nic_can_have_is_no_address(unused void **state)
{
	static const uint8_t zero[7];

	up(VRIG_ALL);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, 1, group, 6), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, 1, zero, 6), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, 1, foreign, 5), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, 1, zero, 7), ERR);
	assert_true(arrives(vrig_mac));
	assert_int_equal(virtio_net_stats(rig.n)->ctrl_errors, 4);
}

static void mac_commands_need_their_features(unused void **state)
{
	up(VRIG_ALL & ~(F(CTRL_RX)));
	assert_int_equal(mac_table(1, 1, 0), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, 1, foreign, 6), OK);
	up(VRIG_ALL & ~F(CTRL_MAC_ADDR));
	assert_int_equal(mac_table(1, 1, 0), OK);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, 1, foreign, 6), ERR);
}

/* dev.mac.empty-at-reset */
static void the_filter_is_empty_after_a_reset(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(mac_table(4, 1, 0), OK);
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 5), OK);
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_ALLUNI, 1), OK);
	assert_true(arrives(group) && arrives(foreign) && arrives_tagged(vrig_mac, 5));
	up(VRIG_ALL);
	assert_false(arrives(group) || arrives(foreign) || arrives_tagged(vrig_mac, 5));
}

/* dev.vlan.all-without, dev.vlan.listed, dev.vlan.unlisted */
static void only_listed_vlans_arrive(unused void **state)
{
	up(VRIG_ALL);
	assert_true(arrives(vrig_mac));
	assert_false(arrives_tagged(vrig_mac, 5));
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 5), OK);
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 4095), OK);
	assert_true(arrives_tagged(vrig_mac, 5) && arrives_tagged(vrig_mac, 4095));
	assert_false(arrives_tagged(vrig_mac, 6));
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_DEL, 5), OK);
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_DEL, 77), OK);
	assert_false(arrives_tagged(vrig_mac, 5));
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 4096), ERR);
	assert_int_equal(vlan(2, 5), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_VLAN, 0, foreign, 1), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_VLAN, 0, foreign, 3), ERR);
	up(VRIG_ALL & ~F(CTRL_VLAN));
	assert_true(arrives_tagged(vrig_mac, 5));
	assert_int_equal(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 5), ERR);
}

/* ---- announcements and offloads */

static unsigned status_field(void)
{
	uint8_t status[2];

	virtio_config_read(rig.dev.core, offsetof(struct virtio_net_config, status), status, 2);
	return get_le16(status);
}

/* dev.ann.clear, dev.cfg.change-irq */
static void an_announcement_is_asked_for_until_it_is_acknowledged(unused void **state)
{
	up(VRIG_ALL);
	virtio_net_announce(rig.n);
	assert_int_equal(status_field(), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	assert_true(virtio_isr(rig.dev.core) & VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_ANNOUNCE, 1, NULL, 0), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_ANNOUNCE, 0, foreign, 1), ERR);
	assert_int_equal(status_field(), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_ANNOUNCE, 0, NULL, 0), OK);
	assert_int_equal(status_field(), VIRTIO_NET_S_LINK_UP);
	virtio_net_announce(rig.n);
	virtio_set_status(rig.dev.core, 0);
	assert_int_equal(status_field(), VIRTIO_NET_S_LINK_UP);
}

/* dev.ann.gated */
static void nobody_is_asked_to_announce_who_did_not_accept_that(unused void **state)
{
	virtio_net_announce(rig.n);
	up(VRIG_ALL & ~F(GUEST_ANNOUNCE));
	virtio_net_announce(rig.n);
	assert_int_equal(status_field(), VIRTIO_NET_S_LINK_UP);
	assert_false(virtio_isr(rig.dev.core) & VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_ANNOUNCE, 0, NULL, 0), ERR);
}

/* dev.off.default-on */
static void offloads_are_switched_in_backend_and_judgement(unused void **state)
{
	up(VRIG_ALL);
	assert_int_equal(rig.n->offloads, NET_GUEST_OFFLOADS);
	assert_int_equal(offloads(F(GUEST_CSUM)), OK);
	assert_int_equal(rig.net->offloads, F(GUEST_CSUM));
	assert_int_equal(rig.n->offloads, F(GUEST_CSUM));
	assert_int_equal(offloads(0), OK);
	assert_int_equal(rig.net->offloads, 0);
	assert_int_equal(offloads(NET_GUEST_OFFLOADS), OK);
	assert_int_equal(rig.net->offloads, NET_GUEST_OFFLOADS);
	/* What cannot be without checksums is not switched on without them. */
	assert_int_equal(offloads(F(GUEST_TSO4)), OK);
	assert_int_equal(rig.net->offloads, 0);
}

/* dev.off.default-on */
static void offloads_that_were_not_accepted_are_refused(unused void **state)
{
	up(VRIG_ALL & ~F(GUEST_UFO));
	assert_int_equal(offloads(NET_GUEST_OFFLOADS), ERR);
	assert_int_equal(offloads(F(CSUM)), ERR);
	assert_int_equal(offloads(FEATURE(63)), ERR);
	assert_int_equal(rig.net->nr_set_offloads, 0);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 1, foreign, 6), ERR);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, foreign, 6), ERR);
	rig.net->offloads_err = -EIO;
	assert_int_equal(offloads(0), ERR);
	assert_int_equal(rig.n->offloads, NET_GUEST_OFFLOADS & ~F(GUEST_UFO));
	up(VRIG_ALL & ~(F(CTRL_GUEST_OFFLOADS)));
	rig.net->offloads_err = 0;
	assert_int_equal(offloads(0), ERR);
}

static void a_frame_that_waits_is_judged_again_after_a_command(unused void **state)
{
	const struct virtio_net_hdr_v1 gso = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	                                      .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	                                      .hdr_len = htole16(54),
	                                      .gso_size = htole16(1448),
	                                      .csum_start = htole16(34),
	                                      .csum_offset = htole16(16)};
	static uint8_t frame[5000];
	struct fake_buf b;

	vrig_up(&rig, VRIG_ALL);
	b = fake_in(&rig.m, 100);
	assert_true(fake_vq_add(&rig.vq[NET_RX], &b, 1) >= 0);
	vrig_go(&rig, NET_RX);
	vrig_frame(frame, sizeof(frame), vrig_mac, 1);
	fake_net_queue(rig.net, &gso, frame, sizeof(frame));
	fake_net_can_recv(rig.net);
	assert_int_equal(offloads(0), OK);
	b = fake_in(&rig.m, 8192);
	assert_true(fake_vq_add(&rig.vq[NET_RX], &b, 1) >= 0);
	vrig_go(&rig, NET_RX);
	assert_int_equal(fake_vq_nr_used(&rig.vq[NET_RX]), 0);
	assert_int_equal(virtio_net_stats(rig.n)->rx_dropped, 1);
}

/* ---- form */

/* dev.ctrl.unknown-err */
static void every_other_class_and_command_is_answered_with_err(unused void **state)
{
	up(VRIG_ALL);
	for (unsigned class = 0; class < 256; class ++) {
		for (unsigned cmd = 0; cmd < 256; cmd += class < 8 ? 1 : 51) {
			/* Without data only this one is complete. */
			bool good = class == VIRTIO_NET_CTRL_ANNOUNCE &&
			            cmd == VIRTIO_NET_CTRL_ANNOUNCE_ACK;

			assert_int_equal(vrig_command(&rig, (uint8_t) class, (uint8_t)cmd, NULL, 0),
			                 good ? OK : ERR);
		}
	}
	assert_int_equal(fake_status(&rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
}

/* dev.framing.any */
static void a_command_may_lie_in_any_pieces(unused void **state)
{
	static const uint8_t bytes[] = {VIRTIO_NET_CTRL_MAC,
	                                VIRTIO_NET_CTRL_MAC_TABLE_SET,
	                                1,
	                                0,
	                                0,
	                                0,
	                                0x02,
	                                0,
	                                0,
	                                0,
	                                0,
	                                9,
	                                1,
	                                0,
	                                0,
	                                0,
	                                0x33,
	                                0x33,
	                                0,
	                                0,
	                                0,
	                                9};
	static const uint8_t nine[6] = {0x33, 0x33, 0, 0, 0, 9};

	for (uint32_t first = 1; first <= sizeof(bytes); first++) {
		for (int direct = -1; direct < 3; direct++) {
			struct fake_buf whole, ack, b[40];
			unsigned n = 0, head;
			uint32_t used;

			up(VRIG_ALL);
			whole = fake_out(&rig.m, bytes, sizeof(bytes));
			ack = fake_in(&rig.m, 16);
			b[n++] = fake_part(whole, 0, first);
			for (uint32_t at = first; at < sizeof(bytes); at++)
				b[n++] = fake_part(whole, at, 1);
			b[n++] = fake_part(ack, 0, 1);
			b[n++] = fake_part(ack, 1, 15);
			if (direct < 0)
				assert_true(fake_vq_add(&rig.vq[NET_CTRL], b, n) >= 0);
			else
				assert_true(fake_vq_add_table(&rig.vq[NET_CTRL], b, n,
				                              (unsigned)direct) >= 0);
			vrig_go(&rig, NET_CTRL);
			assert_true(fake_vq_reap(&rig.vq[NET_CTRL], &head, &used));
			assert_int_equal(used, 1);
			assert_int_equal(*(uint8_t *)fake_at(&rig.m, ack.addr, 1), OK);
			assert_int_equal(*(uint8_t *)fake_at(&rig.m, ack.addr + 1, 1), 0xa5);
			assert_true(arrives(nine));
		}
	}
}

static void a_command_without_room_for_the_verdict_comes_back_undone(unused void **state)
{
	static const uint8_t promisc[3] = {VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1};
	struct fake_buf b;
	unsigned head;
	uint32_t used;

	up(VRIG_ALL);
	b = fake_out(&rig.m, promisc, sizeof(promisc));
	assert_true(fake_vq_add(&rig.vq[NET_CTRL], &b, 1) >= 0);
	vrig_go(&rig, NET_CTRL);
	assert_true(fake_vq_reap(&rig.vq[NET_CTRL], &head, &used));
	assert_int_equal(used, 0);
	assert_false(arrives(foreign));
	/* And one without a command. */
	b = fake_in(&rig.m, 1);
	assert_true(fake_vq_add(&rig.vq[NET_CTRL], &b, 1) >= 0);
	vrig_go(&rig, NET_CTRL);
	assert_true(fake_vq_reap(&rig.vq[NET_CTRL], &head, &used));
	assert_int_equal(used, 1);
	assert_int_equal(*(uint8_t *)fake_at(&rig.m, b.addr, 1), ERR);
	assert_int_equal(virtio_net_stats(rig.n)->ctrl_commands, 2);
	assert_int_equal(virtio_net_stats(rig.n)->ctrl_errors, 2);
}

static void commands_in_many_pieces_are_served_one_in_a_turn(unused void **state)
{
	struct fake_vq *ctrl = &rig.vq[NET_CTRL];
	struct fake_buf whole, b[NET_CTRL_QUEUE_SIZE];
	uint8_t junk[NET_CTRL_QUEUE_SIZE - 1] = {0xff};
	const unsigned nr = NET_CTRL_QUEUE_SIZE;

	up(VRIG_ALL);
	whole = fake_out(&rig.m, junk, sizeof(junk));
	for (unsigned i = 0; i + 1 < nr; i++)
		b[i] = fake_part(whole, i, 1);
	b[nr - 1] = fake_in(&rig.m, 1);
	for (unsigned i = 0; i < nr; i++)
		assert_true(fake_vq_add_table(ctrl, b, nr, 0) >= 0);
	fake_vq_publish(ctrl);
	fake_kick(&rig.dev, NET_CTRL);
	for (unsigned i = 1; i <= nr; i++) {
		assert_true(vrig_pump_once(&rig));
		assert_int_equal(fake_vq_nr_used(ctrl), i);
	}
	assert_true(vrig_pump_once(&rig));
	assert_false(vrig_pump_once(&rig));
	assert_int_equal(virtio_net_stats(rig.n)->ctrl_kicks, 1);
	assert_int_equal(virtio_net_stats(rig.n)->ctrl_errors, nr);
}

static void a_broken_control_ring_needs_a_reset(unused void **state)
{
	up(VRIG_ALL);
	fake_vq_raw_head(&rig.vq[NET_CTRL], 64);
	vrig_go(&rig, NET_CTRL);
	assert_true(fake_status(&rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET);
	up(VRIG_ALL);
	assert_int_equal(rx_mode(VIRTIO_NET_CTRL_RX_PROMISC, 1), OK);
}

static void a_control_queue_that_was_not_accepted_is_not_served(unused void **state)
{
	struct fake_vq *vqs[3] = {&rig.vq[0], &rig.vq[1], &rig.vq[2]};
	uint64_t features = FEATURE(VIRTIO_F_VERSION_1) | F(CTRL_RX_EXTRA);
	const uint8_t bytes[3] = {VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, 1};
	struct fake_buf b[2];

	for (unsigned i = 0; i < 3; i++)
		fake_vq_init(vqs[i], &rig.m, 64, features);
	assert_int_equal(fake_probe(&rig.dev, features, vqs, 3), 0);
	b[0] = fake_out(&rig.m, bytes, sizeof(bytes));
	b[1] = fake_in(&rig.m, 1);
	assert_true(fake_vq_add(&rig.vq[NET_CTRL], b, 2) >= 0);
	fake_vq_publish(&rig.vq[NET_CTRL]);
	fake_kick(&rig.dev, NET_CTRL);
	vrig_pump(&rig);
	assert_int_equal(fake_vq_nr_used(&rig.vq[NET_CTRL]), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(with_ctrl_rx_the_filter_is_on_from_the_start),
		CASE(without_ctrl_rx_everything_arrives),
		CASE(each_rx_mode_takes_effect_with_its_ack),
		CASE(rx_modes_need_their_features),
		CASE(rx_modes_take_exactly_one_zero_or_one),
		CASE(listed_addresses_arrive_and_the_table_is_replaced),
		CASE(a_table_that_is_too_large_lets_that_class_pass),
		CASE(a_malformed_mac_table_changes_nothing),
		CASE(a_new_address_is_in_config_space_and_filter_before_its_ack),
		CASE(a_new_address_moves_the_generation_on_the_register_page_too),
		CASE(what_no_nic_can_have_is_no_address),
		CASE(mac_commands_need_their_features),
		CASE(the_filter_is_empty_after_a_reset),
		CASE(only_listed_vlans_arrive),
		CASE(an_announcement_is_asked_for_until_it_is_acknowledged),
		CASE(nobody_is_asked_to_announce_who_did_not_accept_that),
		CASE(offloads_are_switched_in_backend_and_judgement),
		CASE(offloads_that_were_not_accepted_are_refused),
		CASE(a_frame_that_waits_is_judged_again_after_a_command),
		CASE(every_other_class_and_command_is_answered_with_err),
		CASE(a_command_may_lie_in_any_pieces),
		CASE(a_command_without_room_for_the_verdict_comes_back_undone),
		CASE(commands_in_many_pieces_are_served_one_in_a_turn),
		CASE(a_broken_control_ring_needs_a_reset),
		CASE(a_control_queue_that_was_not_accepted_is_not_served),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
