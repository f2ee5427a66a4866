/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "devices/net_features.h"
#include "devices/vnet_hdr.h"

#define F(name) FEATURE(VIRTIO_NET_F_##name)
#define ALL     (~UINT64_C(0))

/* A header as Linux fills it for TCP over IPv4 with segmentation: 54 bytes of headers. */
static struct virtio_net_hdr_v1 gso(uint8_t type)
{
	return (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = type,
		.hdr_len = htole16(54),
		.gso_size = htole16(1448),
		.csum_start = htole16(34),
		.csum_offset = htole16(16),
	};
}

static int tx(struct virtio_net_hdr_v1 *h, uint32_t len, uint64_t accepted)
{
	struct virtio_net_hdr_v1 before = *h;
	const char *why = "never set";
	int r = vnet_hdr_check_tx(h, len, accepted, &why);

	if (r) {
		assert_int_equal(r, -EINVAL);
		assert_non_null(why);
		assert_string_not_equal(why, "never set");
		assert_memory_equal(h, &before, sizeof(before));
	}
	return r;
}

static void a_zero_header_passes_with_no_features(unused void **state)
{
	struct virtio_net_hdr_v1 h = {0}, zero = {0};

	assert_int_equal(tx(&h, 60, 0), 0);
	assert_memory_equal(&h, &zero, sizeof(h));
	assert_int_equal(vnet_hdr_check_rx(&h, 60, 0), 0);
	assert_memory_equal(&h, &zero, sizeof(h));
}

static void frames_have_an_ethernet_header_and_an_end(unused void **state)
{
	struct virtio_net_hdr_v1 h = {0};

	for (uint32_t len = 0; len < VNET_FRAME_MIN; len++) {
		assert_int_equal(tx(&h, len, ALL), -EINVAL);
		assert_int_equal(vnet_hdr_check_rx(&h, len, ALL), -EINVAL);
	}
	assert_int_equal(tx(&h, VNET_FRAME_MIN, ALL), 0);
	assert_int_equal(tx(&h, VNET_FRAME_MAX, ALL), 0);
	assert_int_equal(tx(&h, VNET_FRAME_MAX + 1, ALL), -EINVAL);
	assert_int_equal(tx(&h, UINT32_MAX, ALL), -EINVAL);
	assert_int_equal(vnet_hdr_check_rx(&h, VNET_FRAME_MAX + 1, ALL), -EINVAL);
}

/* dev.tx.ignore-flags, dev.tx.no-trust-csum */
static void unknown_tx_flags_are_ignored(unused void **state)
{
	struct virtio_net_hdr_v1 h = {.flags = 0xfe};

	assert_int_equal(tx(&h, 60, ALL), 0);
	assert_int_equal(h.flags, 0);
	h = gso(VIRTIO_NET_HDR_GSO_NONE);
	h.flags = 0xff;
	assert_int_equal(tx(&h, 60, ALL), 0);
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

/* dev.tx.csum-fields */
static void csum_fields_without_needs_csum_do_not_pass(unused void **state)
{
	struct virtio_net_hdr_v1 h = {.csum_start = 0xffff, .csum_offset = 0xffff};

	assert_int_equal(tx(&h, 60, ALL), 0);
	assert_int_equal(h.csum_start | h.csum_offset, 0);
}

static void gso_fields_without_gso_type_do_not_pass(unused void **state)
{
	struct virtio_net_hdr_v1 h = gso(VIRTIO_NET_HDR_GSO_NONE);

	assert_int_equal(tx(&h, 60, ALL), 0);
	assert_int_equal(h.gso_size | h.hdr_len, 0);
	assert_int_equal(le16toh(h.csum_start), 34);
}

static void num_buffers_never_passes(unused void **state)
{
	struct virtio_net_hdr_v1 h = {.num_buffers = 0x1234};

	assert_int_equal(tx(&h, 60, ALL), 0);
	assert_int_equal(h.num_buffers, 0);
	h.num_buffers = 0x1234;
	assert_int_equal(vnet_hdr_check_rx(&h, 60, ALL), 0);
	assert_int_equal(h.num_buffers, 0);
}

/* dev.tx.csum-complete */
static void the_checksum_lies_inside_the_frame(unused void **state)
{
	static const struct {
		uint16_t start, offset;
		uint32_t len;
		int want;
	} row[] = {
		{34, 16, 52, 0},
		{34, 16, 51, -EINVAL},
		{0, 0, 14, 0},
		{12, 0, 14, 0},
		{13, 0, 14, -EINVAL},
		{0, 12, 14, 0},
		{0, 13, 14, -EINVAL},
		{0xffff, 0xffff, 65535, -EINVAL},
		{0xffff, 1, 60, -EINVAL}, /* no wrap at 16 bits */
		{1, 0xffff, 60, -EINVAL},
		{0xfffe, 0, 65536, 0},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		struct virtio_net_hdr_v1 h = {
			.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			.csum_start = htole16(row[i].start),
			.csum_offset = htole16(row[i].offset),
		};
		struct virtio_net_hdr_v1 g = h;

		assert_int_equal(tx(&h, row[i].len, ALL), row[i].want);
		assert_int_equal(vnet_hdr_check_rx(&g, row[i].len, ALL), row[i].want);
	}
}

static void tx_checksum_needs_the_feature(unused void **state)
{
	struct virtio_net_hdr_v1 h = gso(VIRTIO_NET_HDR_GSO_NONE);

	assert_int_equal(tx(&h, 60, ALL & ~F(CSUM)), -EINVAL);
	assert_int_equal(tx(&h, 60, F(CSUM)), 0);
}

static const struct {
	uint8_t type;
	uint64_t tx, rx;
} kinds[] = {
	{VIRTIO_NET_HDR_GSO_TCPV4, F(HOST_TSO4), F(GUEST_TSO4)},
	{VIRTIO_NET_HDR_GSO_TCPV6, F(HOST_TSO6), F(GUEST_TSO6)},
	{VIRTIO_NET_HDR_GSO_UDP, F(HOST_UFO), F(GUEST_UFO)},
	{VIRTIO_NET_HDR_GSO_UDP_L4, F(HOST_USO), F(GUEST_USO4)},
	{VIRTIO_NET_HDR_GSO_UDP_L4, F(HOST_USO), F(GUEST_USO6)},
	{VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, F(HOST_TSO4) | F(HOST_ECN),
         F(GUEST_TSO4) | F(GUEST_ECN)},
	{VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN, F(HOST_TSO6) | F(HOST_ECN),
         F(GUEST_TSO6) | F(GUEST_ECN)},
};

/*
 * dev.rx.gso-tcpv4, dev.rx.gso-tcpv6, dev.rx.gso-udp, dev.rx.gso-udp-l4, dev.rx.gso-none, dev.rx.ecn,
 * dev.rx.ecn-bit, dev.rx.gso-size
 */
static void each_gso_type_needs_its_feature(unused void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct virtio_net_hdr_v1 want = gso(kinds[i].type), h = want;

		assert_int_equal(tx(&h, 9000, F(CSUM) | kinds[i].tx), 0);
		assert_memory_equal(&h, &want, sizeof(h));
		assert_int_equal(vnet_hdr_check_rx(&h, 9000, F(GUEST_CSUM) | kinds[i].rx), 0);
		assert_memory_equal(&h, &want, sizeof(h));
		assert_int_equal(tx(&h, 9000, F(CSUM)), -EINVAL);
		assert_int_equal(vnet_hdr_check_rx(&h, 9000, F(GUEST_CSUM)), -EINVAL);
		/* Each bit of the set counts. */
		for (uint64_t left = kinds[i].tx; left; left &= left - 1)
			assert_int_equal(tx(&h, 9000, ALL & ~(left & -left)), -EINVAL);
	}
}

static void features_of_one_direction_do_not_help_the_other(unused void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct virtio_net_hdr_v1 h = gso(kinds[i].type);

		assert_int_equal(tx(&h, 9000, NET_GUEST_OFFLOADS), -EINVAL);
		assert_int_equal(vnet_hdr_check_rx(&h, 9000, NET_HOST_OFFLOADS), -EINVAL);
	}
}

static void other_gso_types_are_refused(unused void **state)
{
	for (unsigned type = 1; type < 256; type++) {
		struct virtio_net_hdr_v1 h = gso((uint8_t)type), g = h;
		bool known = false;

		for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
			known |= kinds[i].type == type;
		assert_int_equal(tx(&h, 9000, ALL), known ? 0 : -EINVAL);
		assert_int_equal(vnet_hdr_check_rx(&g, 9000, ALL), known ? 0 : -EINVAL);
	}
}

/* dev.rx.gso-needs-csum, dev.rx.gso-size */
static void gso_needs_a_size_and_a_checksum(unused void **state)
{
	struct virtio_net_hdr_v1 h = gso(VIRTIO_NET_HDR_GSO_TCPV4);

	h.gso_size = 0;
	assert_int_equal(tx(&h, 9000, ALL), -EINVAL);
	assert_int_equal(vnet_hdr_check_rx(&h, 9000, ALL), -EINVAL);
	h = gso(VIRTIO_NET_HDR_GSO_TCPV4);
	h.flags = 0;
	assert_int_equal(tx(&h, 9000, ALL), -EINVAL);
	assert_int_equal(vnet_hdr_check_rx(&h, 9000, ALL), -EINVAL);
}

/* dev.tx.hdrlen, dev.rx.hdrlen */
static void a_wrong_hdr_len_is_made_harmless(unused void **state)
{
	static const struct {
		uint16_t given, want;
	} row[] = {{0, 52}, {51, 52}, {52, 52}, {54, 54}, {9000, 9000}, {9001, 52}, {65535, 52}};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		struct virtio_net_hdr_v1 h = gso(VIRTIO_NET_HDR_GSO_TCPV4);

		h.hdr_len = htole16(row[i].given);
		assert_int_equal(tx(&h, 9000, ALL), 0);
		assert_int_equal(le16toh(h.hdr_len), row[i].want);
	}
}

/* dev.rx.flags-0 */
static void rx_flags_are_zero_without_guest_csum(unused void **state)
{
	struct virtio_net_hdr_v1 h = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};

	assert_int_equal(vnet_hdr_check_rx(&h, 60, 0), 0);
	assert_int_equal(h.flags, 0);
}

/* dev.rx.no-rsc-info */
static void rx_data_valid_passes_with_guest_csum(unused void **state)
{
	struct virtio_net_hdr_v1 h = {.flags = 0xfe, .csum_start = 1, .csum_offset = 2};

	assert_int_equal(vnet_hdr_check_rx(&h, 60, F(GUEST_CSUM)), 0);
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_DATA_VALID); /* RSC_INFO and the rest do not */
	assert_int_equal(h.csum_start | h.csum_offset, 0);
}

/* dev.rx.flags-0, dev.rx.full-csum */
static void
rx_frame_without_its_checksum_is_not_for_a_driver_without_guest_csum(unused void **state)
{
	struct virtio_net_hdr_v1 h = gso(VIRTIO_NET_HDR_GSO_NONE);

	assert_int_equal(vnet_hdr_check_rx(&h, 60, 0), -EINVAL);
	assert_int_equal(vnet_hdr_check_rx(&h, 60, F(GUEST_CSUM)), 0);
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_zero_header_passes_with_no_features),
		cmocka_unit_test(frames_have_an_ethernet_header_and_an_end),
		cmocka_unit_test(unknown_tx_flags_are_ignored),
		cmocka_unit_test(csum_fields_without_needs_csum_do_not_pass),
		cmocka_unit_test(gso_fields_without_gso_type_do_not_pass),
		cmocka_unit_test(num_buffers_never_passes),
		cmocka_unit_test(the_checksum_lies_inside_the_frame),
		cmocka_unit_test(tx_checksum_needs_the_feature),
		cmocka_unit_test(each_gso_type_needs_its_feature),
		cmocka_unit_test(features_of_one_direction_do_not_help_the_other),
		cmocka_unit_test(other_gso_types_are_refused),
		cmocka_unit_test(gso_needs_a_size_and_a_checksum),
		cmocka_unit_test(a_wrong_hdr_len_is_made_harmless),
		cmocka_unit_test(rx_flags_are_zero_without_guest_csum),
		cmocka_unit_test(rx_data_valid_passes_with_guest_csum),
		cmocka_unit_test(
			rx_frame_without_its_checksum_is_not_for_a_driver_without_guest_csum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
