/* SPDX-License-Identifier: Apache-2.0 */
/* More about features and what follows from them before the first frame (virtio 1.2, 2.2, 2.5, 5.1.3.1, 5.1.4.2, 6.1). */
#include <inttypes.h>

#include "check/state.h"
#include "devices/net_features.h"

#define F(name) FEATURE(VIRTIO_NET_F_##name)

/* Bits that our device does not have, by number: the headers of some distributions have no names for them. */
#define ORDER_PLATFORM 36u
#define SR_IOV         37u
#define ADMIN_VQ       41u
#define VQ_NOTF_COAL   52u
#define NOTF_COAL      53u
#define HASH_TUNNEL    51u
#define GUEST_HDRLEN   59u
#define RSC_EXT        61u
#define STANDBY        62u

/* In the spaces of all devices and of this one. Those of older devices (6, 24, 27) have no meaning in one of version 1. */
#define UNDEFINED                                                                           \
	(FEATURE(6) | FEATURE(24) | FEATURE(25) | FEATURE(26) | FEATURE(27) | FEATURE(30) | \
	 FEATURE(31) | FEATURE(58))

/* What virtio 1.4 has behind the first 64 is not for the versions that we are of. */
static enum verdict no_undefined(struct check *c, const struct virtio_access *a)
{
	if (!accepted(c, VIRTIO_F_VERSION_1))
		return SILENT;
	if (c->beyond && raises(a, VIRTIO_CONFIG_S_FEATURES_OK))
		return broken(c,
		              "accepted 0x%" PRIx32 " in word %u of the features, which has none",
		              c->beyond, c->beyond_page);
	return none_of(c, a, UNDEFINED, "is not defined");
}

static enum verdict no_sriov(struct check *c, const struct virtio_access *a)
{
	return none_of(c, a, FEATURE(SR_IOV), "is SR_IOV");
}

static enum verdict no_admin_vq(struct check *c, const struct virtio_access *a)
{
	return none_of(c, a, FEATURE(ADMIN_VQ), "is ADMIN_VQ");
}

static enum verdict access_platform(struct check *c, const struct virtio_access *a)
{
	return takes(c, a, VIRTIO_F_ACCESS_PLATFORM);
}

static enum verdict packed(struct check *c, const struct virtio_access *a)
{
	return takes(c, a, VIRTIO_F_RING_PACKED);
}

static enum verdict order_platform(struct check *c, const struct virtio_access *a)
{
	return takes(c, a, ORDER_PLATFORM);
}

static enum verdict standby(struct check *c, const struct virtio_access *a)
{
	return takes(c, a, STANDBY);
}

static enum verdict takes_hdrlen(struct check *c, const struct virtio_access *a)
{
	return takes(c, a, GUEST_HDRLEN);
}

/* ---- what needs what */

/* Beyond those of net_features[], which are those that our device has. RSC_EXT: its text means GUEST_TSO as well. */
static const struct {
	const char *name;
	unsigned bit;
	uint64_t all, any;
} more_deps[] = {
	{"HASH_TUNNEL", HASH_TUNNEL, F(CTRL_VQ), F(RSS) | F(HASH_REPORT)},
	{"VQ_NOTF_COAL", VQ_NOTF_COAL, F(CTRL_VQ), 0},
	{"NOTF_COAL", NOTF_COAL, F(CTRL_VQ), 0},
	{"RSC_EXT", RSC_EXT, 0, F(HOST_TSO4) | F(HOST_TSO6) | F(GUEST_TSO4) | F(GUEST_TSO6)},
};

static enum verdict lacks(struct check *c, const char *name, unsigned bit)
{
	return broken(c, "%s (bit %u) was accepted without what it needs: 0x%" PRIx64, name, bit,
	              c->asked);
}

static enum verdict net_deps(struct check *c, const struct virtio_access *a)
{
	const struct net_feature *f = net_features_missing(c->asked);

	if (!raises(a, VIRTIO_CONFIG_S_FEATURES_OK))
		return SILENT;
	if (f)
		return lacks(c, f->name, f->bit);
	for (unsigned i = 0; i < ARRAY_SIZE(more_deps); i++)
		if (accepted(c, more_deps[i].bit) &&
		    ((more_deps[i].all & ~c->asked) ||
		     (more_deps[i].any && !(more_deps[i].any & c->asked))))
			return lacks(c, more_deps[i].name, more_deps[i].bit);
	return KEPT;
}

static enum verdict needs_ctrl(struct check *c, const struct virtio_access *a, unsigned bit)
{
	if (!raises(a, VIRTIO_CONFIG_S_FEATURES_OK) || !accepted(c, bit))
		return SILENT;
	return accepted(c, VIRTIO_NET_F_CTRL_VQ)
	               ? KEPT
	               : broken(c, "bit %u was accepted without CTRL_VQ: 0x%" PRIx64, bit,
	                        c->asked);
}

static enum verdict hash_report(struct check *c, const struct virtio_access *a)
{
	return needs_ctrl(c, a, VIRTIO_NET_F_HASH_REPORT);
}

static enum verdict rx_extra(struct check *c, const struct virtio_access *a)
{
	return needs_ctrl(c, a, VIRTIO_NET_F_CTRL_RX_EXTRA);
}

/* An offer that contradicts itself: --provoke orphan-features. */
static enum verdict validates(struct check *c, const struct virtio_access *a)
{
	const uint32_t ends = VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED;
	const struct net_feature *f;

	if (!raises(a, ends) || c->ok_written || !net_features_missing(c->dev.offered))
		return SILENT;
	f = raises(a, VIRTIO_CONFIG_S_FEATURES_OK) ? net_features_missing(c->asked) : NULL;
	return f ? broken(c,
	                  "%s (bit %u) was offered without what it needs, and accepted: 0x%" PRIx64,
	                  f->name, f->bit, c->asked)
	         : KEPT;
}

/*
 * Who gives up for another reason does so again: --provoke unknown-features takes back what nobody knows once a driver has
 * given up, and nothing else.
 */
static enum verdict bears_unknown(struct check *c, const struct virtio_access *a)
{
	/* An offer that contradicts itself is a reason of its own. */
	if (c->unknown_seen && !c->ok_written && !net_features_missing(c->dev.offered) &&
	    raises(a, VIRTIO_CONFIG_S_FAILED))
		c->unknown_failed = true;
	if (!raises(a, VIRTIO_CONFIG_S_FEATURES_OK))
		return SILENT;
	if (c->unknown_seen)
		return KEPT;
	return c->unknown_failed ? broken(c, "it gave up (FAILED) when features that nobody knows "
	                                     "were offered, and goes on without them")
	                         : SILENT;
}

/* What most devices offer, and none has to. */
#define USUAL                                                       \
	(F(MAC) | F(STATUS) | F(CTRL_VQ) | F(CSUM) | F(MRG_RXBUF) | \
	 FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

/*
 * Who gives up between the look at the offer and FEATURES_OK, and does not begin anew, does so for what is, or is not,
 * offered: nothing else has happened there. It may be for what the config space says, when it has looked there, or for
 * want of one (--provoke short-config). The other half is in rules_late.c.
 */
static enum verdict falls_back(struct check *c, const struct virtio_access *a)
{
	if (raises(a, VIRTIO_CONFIG_S_DRIVER_OK))
		return keeps(USUAL & ~c->dev.offered);
	if (raises(a, VIRTIO_CONFIG_S_FAILED))
		c->offer_refused = c->device_sel && !c->ok_written && !c->unknown_seen &&
		                   !c->behind_mac &&
		                   c->dev.config_len > offsetof(struct virtio_net_config, status) &&
		                   (c->dev.offered & FEATURE(VIRTIO_F_VERSION_1)) &&
		                   !net_features_missing(c->dev.offered);
	return SILENT;
}

/* The other half is in rules_late.c. */
static enum verdict admits_failure(struct check *c, const struct virtio_access *a)
{
	return keeps(c->refused && !c->live && raises(a, VIRTIO_CONFIG_S_FAILED));
}

/* The other half is in rules_late.c. */
static enum verdict ends_somehow(struct check *c, const struct virtio_access *a)
{
	const uint8_t end = c->dev.legacy ? VIRTIO_CONFIG_S_DRIVER_OK : VIRTIO_CONFIG_S_FEATURES_OK;

	return keeps(raises(a, end | VIRTIO_CONFIG_S_FAILED));
}

/* ---- config space */

static enum verdict no_wide(struct check *c, const struct virtio_access *a)
{
	if (a->write || a->off < VIRTIO_MMIO_CONFIG)
		return SILENT;
	return a->size <= 4 ? KEPT
	                    : broken(c, "one read takes %u bytes, from offset %u on", a->size,
	                             a->off - VIRTIO_MMIO_CONFIG);
}

static enum verdict no_multi(struct check *c, const struct virtio_access *a)
{
	/* Where fields begin. */
	static const uint8_t begin[] = {0, 6, 8, 10, 12, 16, 17, 18, 20, 24};
	const uint32_t off = a->off - VIRTIO_MMIO_CONFIG;
	unsigned nr = 0;

	if (a->write || a->off < VIRTIO_MMIO_CONFIG || off >= begin[ARRAY_SIZE(begin) - 1])
		return SILENT;
	for (unsigned i = 0; i < ARRAY_SIZE(begin); i++)
		nr += begin[i] > off && begin[i] < off + a->size;
	return nr == 0 ? KEPT
	               : broken(c, "one read takes %u bytes, from offset %u on: %u fields", a->size,
	                        off, nr + 1);
}

static enum verdict link_unasked(struct check *c, const struct virtio_access *a)
{
	const uint32_t at = VIRTIO_MMIO_CONFIG + offsetof(struct virtio_net_config, status);

	if (a->write || a->off > at || a->off + a->size <= at ||
	    !(a->status & VIRTIO_CONFIG_S_FEATURES_OK) || accepted(c, VIRTIO_NET_F_STATUS))
		return SILENT;
	return broken(c, "the status of the link was read, and STATUS was not accepted");
}

/* ---- queues */

/* Is the queue where the driver has its commands, if it has one, the one that is that? */
static enum verdict ctrl_position(struct check *c, const struct virtio_access *a)
{
	const unsigned last = c->dev.nr_queues - 1;
	const unsigned here = net_has_several(c) ? last : 2, there = net_has_several(c) ? 2 : last;

	if (!raises(a, VIRTIO_CONFIG_S_DRIVER_OK) || !accepted(c, VIRTIO_NET_F_CTRL_VQ) || last < 2)
		return SILENT;
	if (c->queue[here].ready)
		return KEPT;
	/* In the other place: alone, and not one of a pair. */
	return here != there && c->queue[there].ready && !c->queue[there ^ 1].ready
	               ? broken(c, "queue %u is ready, and the control queue, %u, is not", there,
	                        here)
	               : SILENT;
}

const struct access_rule feature_rules[] = {
	{"feat.no-undefined-bit", no_undefined},
	{"feat.no-sriov", no_sriov},
	{"mmio.no-admin-vq", no_admin_vq},
	{"feat.accept-access-platform", access_platform},
	{"feat.accept-packed", packed},
	{"feat.accept-order-platform", order_platform},
	{"feat.fail-when-unusable", ends_somehow},
	{"feat.validate-offer", validates},
	{"feat.fallback", falls_back},
	{"feat.unknown-not-fatal", bears_unknown},
	{"init.set-failed-on-error", admits_failure},
	{"net.standby-accept", standby},
	{"net.tx-accept-hdrlen", takes_hdrlen},
	{"net.feat-deps", net_deps},
	{"net.hash-report-needs-ctrl", hash_report},
	{"net.rx-extra-needs-ctrl", rx_extra},
	{"cfg.no-atomic-wide", no_wide},
	{"cfg.no-atomic-multi", no_multi},
	{"net.link-assume-up", link_unasked},
	{"ctrl.queue-position", ctrl_position},
	{NULL, NULL},
};
