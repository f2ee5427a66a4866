// SPDX-License-Identifier: Apache-2.0
#include "devices/net_features.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define F(name) FEATURE(VIRTIO_NET_F_##name)

#define GUEST_TSO (F(GUEST_TSO4) | F(GUEST_TSO6))
#define HOST_TSO  (F(HOST_TSO4) | F(HOST_TSO6))

/* clang-format off */
const struct net_feature net_features[] = {
	{"csum",                VIRTIO_NET_F_CSUM,                0, 0, 0},
	{"guest_csum",          VIRTIO_NET_F_GUEST_CSUM,          0, 0, 0},
	/* Linux asserts that it has a control queue before it uses this one. */
	{"ctrl_guest_offloads", VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, 0, 0, F(CTRL_VQ)},
	{"mtu",                 VIRTIO_NET_F_MTU,                 0, 0, 0},
	{"mac",                 VIRTIO_NET_F_MAC,                 0, 0, 0},
	{"guest_tso4",          VIRTIO_NET_F_GUEST_TSO4,          F(GUEST_CSUM), 0, 0},
	{"guest_tso6",          VIRTIO_NET_F_GUEST_TSO6,          F(GUEST_CSUM), 0, 0},
	{"guest_ecn",           VIRTIO_NET_F_GUEST_ECN,           0, GUEST_TSO, 0},
	{"guest_ufo",           VIRTIO_NET_F_GUEST_UFO,           F(GUEST_CSUM), 0, 0},
	{"host_tso4",           VIRTIO_NET_F_HOST_TSO4,           F(CSUM), 0, 0},
	{"host_tso6",           VIRTIO_NET_F_HOST_TSO6,           F(CSUM), 0, 0},
	{"host_ecn",            VIRTIO_NET_F_HOST_ECN,            0, HOST_TSO, 0},
	{"host_ufo",            VIRTIO_NET_F_HOST_UFO,            F(CSUM), 0, 0},
	{"mrg_rxbuf",           VIRTIO_NET_F_MRG_RXBUF,           0, 0, 0},
	{"status",              VIRTIO_NET_F_STATUS,              0, 0, 0},
	{"ctrl_vq",             VIRTIO_NET_F_CTRL_VQ,             0, 0, 0},
	{"ctrl_rx",             VIRTIO_NET_F_CTRL_RX,             F(CTRL_VQ), 0, 0},
	{"ctrl_vlan",           VIRTIO_NET_F_CTRL_VLAN,           F(CTRL_VQ), 0, 0},
	{"ctrl_rx_extra",       VIRTIO_NET_F_CTRL_RX_EXTRA,       0, 0, F(CTRL_VQ)},
	/* The request to announce is a bit of the status field. */
	{"guest_announce",      VIRTIO_NET_F_GUEST_ANNOUNCE,      F(CTRL_VQ), 0, F(STATUS)},
	{"mq",                  VIRTIO_NET_F_MQ,                  F(CTRL_VQ), 0, 0},
	{"ctrl_mac_addr",       VIRTIO_NET_F_CTRL_MAC_ADDR,       F(CTRL_VQ), 0, 0},
	{"any_layout",          VIRTIO_F_ANY_LAYOUT,              0, 0, 0},
	{"indirect_desc",       VIRTIO_RING_F_INDIRECT_DESC,      0, 0, 0},
	{"event_idx",           VIRTIO_RING_F_EVENT_IDX,          0, 0, 0},
	{"version_1",           VIRTIO_F_VERSION_1,               0, 0, 0},
	{"packed",              VIRTIO_F_RING_PACKED,             0, 0, 0},
	{"in_order",            VIRTIO_F_IN_ORDER,                0, 0, 0},
	/* A word of the driver to its transport: the rings say all that is in it. */
	{"notification_data",   VIRTIO_F_NOTIFICATION_DATA,       0, 0, 0},
	{"guest_uso4",          VIRTIO_NET_F_GUEST_USO4,          F(GUEST_CSUM), 0, 0},
	{"guest_uso6",          VIRTIO_NET_F_GUEST_USO6,          F(GUEST_CSUM), 0, 0},
	{"host_uso",            VIRTIO_NET_F_HOST_USO,            F(CSUM), 0, 0},
	/* It is told by that queue what to hash; virtio 1.3 has it as a recommendation. */
	{"hash_report",         VIRTIO_NET_F_HASH_REPORT,         0, 0, F(CTRL_VQ)},
	{"rss",                 VIRTIO_NET_F_RSS,                 F(CTRL_VQ), 0, 0},
	{"speed_duplex",        VIRTIO_NET_F_SPEED_DUPLEX,        0, 0, 0},
	{NULL, 0, 0, 0, 0},
};
/* clang-format on */

#define PRINT_MAX 512u /* bytes that hold every name of the table */

uint64_t net_features_known(void)
{
	uint64_t all = 0;

	for (const struct net_feature *f = net_features; f->name; f++)
		all |= FEATURE(f->bit);
	return all;
}

uint64_t net_features_legacy(uint64_t can)
{
	return net_features_close((can & UINT32_MAX) | FEATURE(VIRTIO_F_ANY_LAYOUT));
}

/* Each kind of device has to offer one of the two: virtio 1.2, 6.2, 6.3. */
static bool of_legacy_device(uint64_t can)
{
	return (can & FEATURE(VIRTIO_F_ANY_LAYOUT)) && !(can & FEATURE(VIRTIO_F_VERSION_1));
}

static bool needs_met(const struct net_feature *f, uint64_t set)
{
	return !(f->needs_all & ~set) && (!f->needs_any || (f->needs_any & set));
}

static bool may_offer(const struct net_feature *f, uint64_t set)
{
	return needs_met(f, set) && !(f->offered_with & ~set);
}

const struct net_feature *net_features_missing(uint64_t set)
{
	for (const struct net_feature *f = net_features; f->name; f++)
		if ((set & FEATURE(f->bit)) && !needs_met(f, set))
			return f;
	return NULL;
}

static const struct net_feature *first_not_offerable(uint64_t set)
{
	for (const struct net_feature *f = net_features; f->name; f++)
		if ((set & FEATURE(f->bit)) && !may_offer(f, set))
			return f;
	return NULL;
}

uint64_t net_features_close(uint64_t set)
{
	const struct net_feature *f;

	set &= net_features_known();
	while ((f = first_not_offerable(set)))
		set &= ~FEATURE(f->bit);
	return set;
}

/*
 * @set without @gone and without whatever was fine only because of it. Not net_features_close():
 * a name that waits for a later +name must stay.
 */
static uint64_t remove_with_dependents(uint64_t set, uint64_t gone)
{
	const uint64_t before = set;

	set &= ~gone;
	for (bool again = true; again;) {
		again = false;
		for (const struct net_feature *f = net_features; f->name; f++) {
			if (!(set & FEATURE(f->bit)) || !may_offer(f, before) || may_offer(f, set))
				continue;
			set &= ~FEATURE(f->bit);
			again = true; /* somebody may have needed this one */
		}
	}
	return set;
}

const char *net_features_print(uint64_t set, char *buf, size_t size)
{
	size_t at = 0;

	if (size)
		buf[0] = '\0';
	for (const struct net_feature *f = net_features; f->name && at < size; f++) {
		int n;

		if (!(set & FEATURE(f->bit)))
			continue;
		n = snprintf(buf + at, size - at, "%s%s", at ? "," : "", f->name);
		at += n > 0 ? (size_t)n : 0;
	}
	return buf;
}

static const struct net_feature *find(const char *name, size_t len)
{
	for (const struct net_feature *f = net_features; f->name; f++)
		if (strlen(f->name) == len && !memcmp(f->name, name, len))
			return f;
	return NULL;
}

static int PRINTF_LIKE(3, 4) refuse(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, size, fmt, ap); /* a message that is cut is still a message */
	va_end(ap);
	return -EINVAL;
}

static int preset(const char *name, size_t len, uint64_t can, uint64_t *out)
{
	if (len == 7 && !memcmp(name, "default", len))
		*out = can & ~NET_ONLY_BY_NAME;
	else if (len == 7 && !memcmp(name, "minimal", len))
		*out = can & F(MAC);
	else if (len == 4 && !memcmp(name, "none", len))
		*out = 0;
	else
		return -EINVAL;
	*out |= FEATURE(of_legacy_device(can) ? VIRTIO_F_ANY_LAYOUT : VIRTIO_F_VERSION_1);
	return 0;
}

/* One "+name" or "-name" of @len bytes, sign included. */
static int apply(const char *word, size_t len, uint64_t can, uint64_t *set, char *why, size_t size)
{
	const struct net_feature *f = find(word + 1, len - 1);
	char allowed[PRINT_MAX];

	if (!f)
		return refuse(why, size, "no feature '%.*s'; there are %s", (int)len - 1, word + 1,
		              net_features_print(net_features_known(), allowed, sizeof(allowed)));
	if (word[0] == '-') {
		if (f->bit == VIRTIO_F_VERSION_1 && !of_legacy_device(can))
			return refuse(why, size, "version_1 cannot be removed: there is no other");
		*set = remove_with_dependents(*set, FEATURE(f->bit));
		return 0;
	}
	if (!(can & FEATURE(f->bit)))
		return refuse(why, size, "%s is not possible here; possible are %s", f->name,
		              net_features_print(can, allowed, sizeof(allowed)));
	*set |= FEATURE(f->bit);
	return 0;
}

int net_features_parse(const char *text, uint64_t can, uint64_t *out, char *why, size_t why_size)
{
	const char *at = text ? text : "default";
	size_t len = strcspn(at, "+-");
	const struct net_feature *f;
	uint64_t set;

	if (preset(at, len, can, &set))
		return refuse(why, why_size,
		              "'%.*s' is not a preset; start with default, minimal or none, then "
		              "+name and -name",
		              (int)len, at);
	while (*(at += len)) {
		int r;

		len = 1 + strcspn(at + 1, "+-");
		r = apply(at, len, can, &set, why, why_size);
		if (r)
			return r;
	}
	f = first_not_offerable(set);
	if (f) {
		uint64_t needs = f->needs_all | f->needs_any | f->offered_with;
		char names[PRINT_MAX];

		return refuse(why, why_size, "%s needs %s%s", f->name,
		              f->needs_any ? "one of " : "",
		              net_features_print(needs, names, sizeof(names)));
	}
	*out = set;
	return 0;
}
