/* SPDX-License-Identifier: Apache-2.0 */
/* Bring-up, its steps and its features (virtio 1.2, 2.1, 2.2, 3.1). */
#include <inttypes.h>

#include "check/state.h"
#include "devices/net_features.h"

#define ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED      VIRTIO_CONFIG_S_FAILED
#define STEPS       (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)

#define LOOKS 10u /* CHECK_TICK_NS apart */
#define HOPES 3u

enum verdict hopes(struct check *c)
{
	return broken(
		c,
		"Status had shown NEEDS_RESET, and more than a second later %u kicks came, and "
		"no reset",
		HOPES);
}

static bool writes_status(const struct virtio_access *a)
{
	return writes(a, VIRTIO_MMIO_STATUS) && a->size == 4;
}

bool raises(const struct virtio_access *a, uint32_t bit)
{
	return writes_status(a) && (a->val & bit & ~(uint32_t)a->status);
}

/* Set-up of a queue. Not QueueReady := 0, by which drivers take back what they never gave. */
static bool sets_queue_up(const struct virtio_access *a)
{
	switch (a->off) {
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return !a->write;
	case VIRTIO_MMIO_QUEUE_NUM:
		return a->write;
	case VIRTIO_MMIO_QUEUE_READY:
		return a->write && a->val != 0;
	default:
		return a->write && is_ring_address(a->off);
	}
}

static bool goes_live(const struct virtio_access *a)
{
	return raises(a, DRIVER_OK);
}

/* Features are final: with FEATURES_OK, or, where there is no such step, with DRIVER_OK. */
static bool settles_features(const struct check *c, const struct virtio_access *a)
{
	return c->dev.legacy ? goes_live(a) : raises(a, FEATURES_OK);
}

/* ---- status */

static enum verdict no_clear_bit(struct check *c, const struct virtio_access *a)
{
	const uint32_t lost = a->status & ~(uint32_t)a->val & ~(uint32_t)NEEDS_RESET;

	if (!writes_status(a) || a->val == 0)
		return SILENT;
	return lost ? broken(c, "Status 0x%02x was written while it was 0x%02x: 0x%02x is lost",
	                     (unsigned)a->val, a->status, lost)
	            : KEPT;
}

static enum verdict failed_then_reset(struct check *c, const struct virtio_access *a)
{
	if (!writes_status(a) || !(a->status & FAILED))
		return SILENT;
	return raises(a, STEPS)
	               ? broken(c, "Status 0x%02x was written after FAILED, without a reset",
	                        (unsigned)a->val)
	               : keeps(a->val == 0);
}

/*
 * Before DRIVER_OK nothing is outstanding, and who does not look at Status does not know. Another vCPU may kick once more
 * before the reset; a second later, and again, somebody still counts on the device.
 */
static enum verdict needs_reset_no_trust(struct check *c, const struct virtio_access *a)
{
	enum verdict v = SILENT;

	if (c->failed == 0)
		return SILENT;
	if (writes_status(a))
		v = keeps(a->val == 0 || (a->val & FAILED));
	else if (writes(a, VIRTIO_MMIO_QUEUE_NOTIFY) && c->failed > LOOKS && ++c->hopes == HOPES)
		v = hopes(c);
	if (c->muted && v != SILENT && c->trust != BROKEN)
		c->trust = v;
	return v;
}

/* Each before a step that comes behind it: before the last one, all. */
static enum verdict set_progress(struct check *c, const struct virtio_access *a)
{
	const uint32_t steps = ACKNOWLEDGE | DRIVER | (c->dev.legacy ? 0 : FEATURES_OK);
	const uint32_t done = a->status | (c->ok_written ? FEATURES_OK : 0);

	if (!goes_live(a))
		return SILENT;
	return (done & steps) == steps
	               ? KEPT
	               : broken(c,
	                        "DRIVER_OK was raised while Status was 0x%02x: 0x%02x is missing",
	                        a->status, steps & ~done);
}

/* What many drivers do with the first two, and a device may refuse; hence no MUST. */
static enum verdict one_by_one(struct check *c, const struct virtio_access *a)
{
	const uint32_t new = (uint32_t)a->val &STEPS & ~(uint32_t)a->status;

	if (!writes_status(a) || new == 0)
		return SILENT;
	return new &(new - 1) ? broken(c, "Status went from 0x%02x to 0x%02x in one write",
	                               a->status, (unsigned)a->val)
	                      : KEPT;
}

/*
 * Firmware, or the kernel in front of kexec, has left it. A bus that only looks writes no step; and who raises one is the driver
 * that was at it before, on another CPU.
 */
static enum verdict reset_of_another(struct check *c, const struct virtio_access *a)
{
	if (!writes_status(a) || (a->val & FAILED))
		return SILENT;
	if (a->val == 0)
		return KEPT;
	c->found_begun = false; /* once */
	if (raises(a, STEPS))
		return SILENT;
	return broken(
		c, "behind a look at MagicValue Status goes from 0x%02x to 0x%02x, without a reset",
		a->status, (unsigned)a->val);
}

static enum verdict reset_first(struct check *c, const struct virtio_access *a)
{
	if (c->found_begun && c->was_reset)
		return reset_of_another(c, a);
	if (c->was_reset || !a->write)
		return SILENT;
	/* Not of a driver but of its bus, which Linux tells it as soon as it finds the device. */
	if (c->dev.legacy && a->off == VIRTIO_MMIO_GUEST_PAGE_SIZE)
		return SILENT;
	if (writes_status(a) && a->val == 0)
		return KEPT;
	/* Once: what follows is the same mistake. */
	c->was_reset = true;
	return broken(c, "the first write goes to register 0x%03x (0x%" PRIx64 "), not 0 to Status",
	              a->off, a->val);
}

static enum verdict ack_step(struct check *c, const struct virtio_access *a)
{
	if (!writes_status(a) || a->val == 0 || c->status_written || (a->val & FAILED))
		return SILENT;
	return a->val & ACKNOWLEDGE
	               ? KEPT
	               : broken(c, "the first step written to Status is 0x%02x", (unsigned)a->val);
}

static enum verdict driver_step(struct check *c, const struct virtio_access *a)
{
	const uint8_t both = ACKNOWLEDGE | DRIVER;

	if (!reads(a, VIRTIO_MMIO_DEVICE_FEATURES) && !writes(a, VIRTIO_MMIO_DRIVER_FEATURES))
		return SILENT;
	return (a->status & both) == both
	               ? KEPT
	               : broken(c, "features are dealt with while Status is 0x%02x", a->status);
}

/* A read that comes behind the reset, and (--provoke slow-reset) others until one finds 0. */
static enum verdict wait_for_zero(struct check *c, const struct virtio_access *a)
{
	const bool first =
		writes(&c->last, VIRTIO_MMIO_STATUS) && c->last.val == 0 && c->accesses > 0;
	const uint32_t was = c->resetting;

	if ((!first && !was) || is_of_anybody(a))
		return SILENT;
	c->resetting = reads(a, VIRTIO_MMIO_STATUS) ? u32_of(a->val) : 0;
	if (reads(a, VIRTIO_MMIO_STATUS))
		return keeps(a->val == 0);
	return was ? broken(c, "behind the reset Status was 0x%02x, and comes an access to 0x%03x",
	                    was, a->off)
	           : broken(c,
	                    "after the reset comes an access to 0x%03x instead of a read of Status",
	                    a->off);
}

static enum verdict reread_features_ok(struct check *c, const struct virtio_access *a)
{
	if (!c->ok_written || (!sets_queue_up(a) && !goes_live(a)))
		return SILENT;
	return c->ok_read ? KEPT
	                  : broken(c,
	                           "an access to 0x%03x follows on FEATURES_OK, and Status was not "
	                           "read",
	                           a->off);
}

/* It is kept by who stops: a bring-up in which nothing fails says nothing of it. */
static enum verdict stop_after_failure(struct check *c, const struct virtio_access *a)
{
	const bool failed = a->status & FAILED, refused = c->ok_read && c->refused;
	const bool goes_on = (sets_queue_up(a) && a->write) || goes_live(a) ||
	                     writes(a, VIRTIO_MMIO_QUEUE_NOTIFY);

	if (!failed && !refused)
		return SILENT;
	if (!goes_on)
		return keeps(writes_status(a) && (a->val == 0 || raises(a, FAILED)));
	return failed ? broken(c, "a write to 0x%03x after FAILED", a->off)
	              : broken(c,
	                       "a write to 0x%03x after Status was read without FEATURES_OK: the "
	                       "device had refused",
	                       a->off);
}

static enum verdict setup_after_negotiation(struct check *c, const struct virtio_access *a)
{
	/* With a refusal it is stop_after_failure(). */
	if (!sets_queue_up(a) || c->ok_written || c->dev.legacy)
		return SILENT;
	/* No bring-up: a stray look, or (NetBSD) what was given is taken out of the registers behind a reset. */
	if (!(a->status & (ACKNOWLEDGE | DRIVER)) && !writes(a, VIRTIO_MMIO_QUEUE_READY))
		return SILENT;
	return broken(c, "queue %u is set up (0x%03x) while Status is 0x%02x, before FEATURES_OK",
	              c->queue_nr, a->off, a->status);
}

static enum verdict setup_in_time(struct check *c, const struct virtio_access *a)
{
	const enum verdict v = setup_after_negotiation(c, a);

	return v == SILENT ? keeps(sets_queue_up(a) && (a->status & FEATURES_OK)) : v;
}

static enum verdict drvok_last(struct check *c, const struct virtio_access *a)
{
	const uint32_t begins = c->dev.legacy ? VIRTIO_MMIO_QUEUE_PFN : VIRTIO_MMIO_QUEUE_READY;

	if (!writes(a, begins) || a->val == 0)
		return SILENT;
	return a->status & DRIVER_OK
	               ? broken(c, "queue %u was made ready after DRIVER_OK", c->queue_nr)
	               : KEPT;
}

/* Nor is it early behind a DRIVER_OK that the device did not take, since it had failed. */
static enum verdict no_kick_before_drvok(struct check *c, const struct virtio_access *a)
{
	if (!writes(a, VIRTIO_MMIO_QUEUE_NOTIFY) || (a->status & NEEDS_RESET))
		return SILENT;
	if (c->live && !(a->status & DRIVER_OK))
		return SILENT;
	return a->status & DRIVER_OK ? KEPT
	                             : broken(c, "queue %u was kicked while Status was 0x%02x",
	                                      (unsigned)kicked_queue(c, a), a->status);
}

/* ---- features */

static enum verdict features_before_ok(struct check *c, const struct virtio_access *a)
{
	if (!raises(a, FEATURES_OK) || c->dev.legacy)
		return SILENT;
	if (c->asked && !c->offer_known)
		return broken(c, "0x%" PRIx64 " was accepted, and DeviceFeatures never read",
		              c->asked);
	/* Who wants nothing of word 0 may leave it as the reset has: VERSION_1 is in word 1. */
	return c->pages_written & 2
	               ? KEPT
	               : broken(c,
	                        "FEATURES_OK was raised before DriverFeatures had been written for "
	                        "%s",
	                        c->pages_written ? "word 1" : "either word");
}

static enum verdict no_new_features(struct check *c, const struct virtio_access *a)
{
	const unsigned shift = 32 * (c->driver_page & 1);

	if (goes_live(a))
		return keeps(a->status & FEATURES_OK);
	if (!writes(a, VIRTIO_MMIO_DRIVER_FEATURES) || !(a->status & FEATURES_OK) ||
	    c->driver_page > 1)
		return SILENT;
	return a->val == u32_of(c->asked >> shift)
	               ? KEPT
	               : broken(c, "word %u of the features became 0x%08x after FEATURES_OK",
	                        c->driver_page, (unsigned)a->val);
}

enum verdict none_of(struct check *c, const struct virtio_access *a, uint64_t bad, const char *what)
{
	if (!settles_features(c, a))
		return SILENT;
	return c->asked & bad ? broken(c, "accepted 0x%" PRIx64 ", of which 0x%" PRIx64 " %s",
	                               c->asked, c->asked & bad, what)
	                      : KEPT;
}

static enum verdict no_unoffered(struct check *c, const struct virtio_access *a)
{
	/* With --provoke unknown-features there is something. */
	if (c->beyond && !c->unknown_seen && settles_features(c, a))
		return broken(c, "accepted 0x%" PRIx32 " in word %u, of which nothing was offered",
		              c->beyond, c->beyond_page);
	return none_of(c, a, ~c->dev.offered, "was not offered");
}

static enum verdict no_reserved(struct check *c, const struct virtio_access *a)
{
	return none_of(c, a, UINT64_C(0xff) << 42, "is for the future");
}

static enum verdict no_foreign_transport(struct check *c, const struct virtio_access *a)
{
	return none_of(c, a, FEATURE(37) | FEATURE(39) | FEATURE(41), "is for PCI");
}

static enum verdict no_foreign_type(struct check *c, const struct virtio_access *a)
{
	return none_of(c, a, FEATURE(4), "does not belong to a network device");
}

static enum verdict deps(struct check *c, const struct virtio_access *a)
{
	const struct net_feature *f = net_features_missing(c->asked);

	if (!settles_features(c, a))
		return SILENT;
	return f ? broken(c, "%s (bit %u) was accepted without what it needs: 0x%" PRIx64, f->name,
	                  f->bit, c->asked)
	         : KEPT;
}

enum verdict takes(struct check *c, const struct virtio_access *a, unsigned bit)
{
	if (!settles_features(c, a) || !(c->dev.offered & FEATURE(bit)))
		return SILENT;
	return accepted(c, bit) ? KEPT
	                        : broken(c, "bit %u was offered and not accepted: 0x%" PRIx64, bit,
	                                 c->asked);
}

static enum verdict version_1(struct check *c, const struct virtio_access *a)
{
	return takes(c, a, VIRTIO_F_VERSION_1);
}

static enum verdict takes_mac(struct check *c, const struct virtio_access *a)
{
	return takes(c, a, VIRTIO_NET_F_MAC);
}

static enum verdict takes_mtu(struct check *c, const struct virtio_access *a)
{
	return takes(c, a, VIRTIO_NET_F_MTU);
}

const struct access_rule init_rules[] = {
	{"status.no-clear-bit", no_clear_bit},
	{"status.failed-then-reset", failed_then_reset},
	{"status.set-progress", set_progress},
	{"init.steps-one-by-one", one_by_one},
	{"init.reset-first", reset_first},
	{"status.needs-reset-no-trust", needs_reset_no_trust},
	{"init.ack-step", ack_step},
	{"init.driver-step", driver_step},
	{"reset.wait-for-zero", wait_for_zero},
	{"init.reread-features-ok", reread_features_ok},
	{"init.stop-after-failure", stop_after_failure},
	{"init.setup-after-negotiation", setup_in_time},
	{"init.drvok-last", drvok_last},
	{"init.no-kick-before-drvok", no_kick_before_drvok},
	{"init.features-before-ok", features_before_ok},
	{"init.no-new-features-after-ok", no_new_features},
	{"feat.no-unoffered", no_unoffered},
	{"feat.deps", deps},
	{"feat.no-reserved-bit", no_reserved},
	{"feat.no-foreign-transport-bit", no_foreign_transport},
	{"feat.no-foreign-type-bit", no_foreign_type},
	{"feat.accept-version-1", version_1},
	{"net.mac-negotiate", takes_mac},
	{"net.mtu-negotiate", takes_mtu},
	{NULL, NULL},
};
