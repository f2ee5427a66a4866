/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers of version 1: registers (virtio 1.2, 4.2.4), rings (2.7.2), framing (5.1.6.6). */
#include <inttypes.h>
#include <string.h>

#include "check/ring.h"
#include "vmm/core/gmem.h"
#include "vmm/core/le.h"

#define FRAME_MIN 14u

uint32_t legacy_header_len(const struct check *c)
{
	return accepted(c, VIRTIO_NET_F_MRG_RXBUF) ? 12 : 10;
}

static bool goes_live(const struct virtio_access *a)
{
	return writes(a, VIRTIO_MMIO_STATUS) &&
	       (a->val & VIRTIO_CONFIG_S_DRIVER_OK & ~(uint64_t)a->status);
}

/* The queue that is given to the device. */
static struct check_queue *given(struct check *c, const struct virtio_access *a)
{
	return c->dev.legacy && writes(a, VIRTIO_MMIO_QUEUE_PFN) && a->val ? selected(c) : NULL;
}

/* ---- what is known */

void legacy_ready(struct check *c, const struct virtio_access *a)
{
	struct check_queue *q = given(c, a);
	struct vq_addr *at = q ? &q->addr : NULL;

	if (!q || q->served || !c->page_size || !q->align)
		return;
	at->desc = (a->val & UINT32_MAX) * c->page_size;
	at->avail = at->desc + 16 * (gpa_t)at->num;
	at->used = align_up(at->avail + 2 * (3 + (gpa_t)at->num), q->align);
	ring_ready(q);
}

void legacy_track(struct check *c, const struct virtio_access *a)
{
	struct check_queue *q = selected(c);

	if (!c->dev.legacy)
		return;
	if (writes(a, VIRTIO_MMIO_GUEST_PAGE_SIZE) && is_power_of_two(a->val))
		c->page_size = u32_of(a->val);
	if (q && writes(a, VIRTIO_MMIO_QUEUE_ALIGN) && is_power_of_two(a->val))
		q->align = u32_of(a->val);
	if (q && writes(a, VIRTIO_MMIO_QUEUE_PFN)) {
		q->ready = a->val != 0;
		q->served &= q->ready;
	}
}

/* ---- bring-up and features */

static enum verdict skip_features_ok(struct check *c, const struct virtio_access *a)
{
	if (!c->dev.legacy || !writes(a, VIRTIO_MMIO_STATUS))
		return SILENT;
	return a->val & VIRTIO_CONFIG_S_FEATURES_OK
	               ? broken(c,
	                        "0x%02x, with FEATURES_OK, was written to Status of a version 1 "
	                        "device",
	                        (unsigned)a->val)
	               : keeps(goes_live(a));
}

static enum verdict any_layout(struct check *c, const struct virtio_access *a)
{
	const uint64_t bit = FEATURE(VIRTIO_F_ANY_LAYOUT);

	if (!c->dev.legacy || !goes_live(a) || !(c->dev.offered & bit))
		return SILENT;
	return c->asked & bit ? KEPT
	                      : broken(c, "accepted 0x%" PRIx64 " of 0x%" PRIx64, c->asked,
	                               c->dev.offered);
}

static enum verdict bit_30(struct check *c, const struct virtio_access *a)
{
	if (!c->dev.legacy || !goes_live(a))
		return SILENT;
	return c->asked & FEATURE(30) ? broken(c, "accepted 0x%" PRIx64, c->asked) : KEPT;
}

/* ---- the address in the config space, which has no generation */

static enum verdict read_twice(struct check *c, const struct virtio_access *a)
{
	if (!c->dev.legacy || c->mac_reads < 2 || reads_config(a) || is_of_anybody(a))
		return SILENT;
	if (c->mac_readings < 2)
		return broken(c, "the address was taken by %u reads of %u bytes together",
		              c->mac_reads, c->mac_bytes);
	return c->mac_agrees ? KEPT
	                     : broken(c,
	                              "the address was read %u times, and what came last is not "
	                              "what came before that",
	                              c->mac_readings);
}

/* ---- registers */

static bool any_queue_ready(const struct check *c)
{
	for (unsigned i = 0; i < c->dev.nr_queues; i++)
		if (c->queue[i].ready)
			return true;
	return false;
}

static enum verdict page_size_first(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = given(c, a);

	if (c->dev.legacy && writes(a, VIRTIO_MMIO_GUEST_PAGE_SIZE)) {
		if (!is_power_of_two(a->val))
			return broken(c, "GuestPageSize is to be %" PRIu64, a->val);
		return a->val != c->page_size && any_queue_ready(c)
		               ? broken(c, "GuestPageSize becomes %" PRIu64 " under queues in use",
		                        a->val)
		               : SILENT;
	}
	if (!q)
		return SILENT;
	return c->page_size ? KEPT
	                    : broken(c,
	                             "queue %u is to begin at page 0x%" PRIx64
	                             ", and GuestPageSize was not written",
	                             q->index, a->val);
}

static enum verdict pfn_not_address(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = given(c, a);
	const gpa_t at = (a->val & UINT32_MAX) * c->page_size;

	if (!q || !c->page_size)
		return SILENT;
	return gmem_ptr(c->dev.mem, at, 1)
	               ? KEPT
	               : broken(c,
	                        "queue %u is to begin at page 0x%" PRIx64 " of %u bytes, 0x%" PRIx64
	                        ", outside of memory%s",
	                        q->index, a->val, c->page_size, at,
	                        gmem_ptr(c->dev.mem, a->val, 1) ? "; as an address it is inside"
	                                                        : "");
}

static enum verdict max_when_idle(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = selected(c);

	if (!c->dev.legacy || !q || !reads(a, VIRTIO_MMIO_QUEUE_NUM_MAX))
		return SILENT;
	return q->ready ? broken(c, "the size of queue %u was asked for while it was in use",
	                         q->index)
	                : KEPT;
}

static enum verdict align_pow2(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = given(c, a);

	if (c->dev.legacy && writes(a, VIRTIO_MMIO_QUEUE_ALIGN) && !is_power_of_two(a->val))
		return broken(c, "QueueAlign of queue %u is to be %" PRIu64, c->queue_nr, a->val);
	if (!q)
		return SILENT;
	return q->align ? KEPT
	                : broken(c, "QueuePFN of queue %u was written, and QueueAlign not before",
	                         q->index);
}

static enum verdict registers_of_the_version(struct check *c, const struct virtio_access *a)
{
	const uint32_t reg = a->off & ~3u;

	if (reg >= VIRTIO_MMIO_CONFIG)
		return SILENT;
	if (c->dev.legacy)
		return register_kind(reg, true) != NO_REG
		               ? KEPT
		               : broken(c, "register 0x%03x does not exist in version 1", reg);
	return reg == VIRTIO_MMIO_GUEST_PAGE_SIZE || reg == VIRTIO_MMIO_QUEUE_ALIGN ||
	                       reg == VIRTIO_MMIO_QUEUE_PFN
	               ? broken(c, "register 0x%03x is one of version 1", reg)
	               : SILENT;
}

static enum verdict size_from_device(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = given(c, a);

	if (!q)
		return SILENT;
	return q->max_read ? KEPT
	                   : broken(c, "queue %u was set up, and its size not asked for", q->index);
}

/*
 * A kick, and where the available ring has to be nothing was ever offered: no mistake by itself, if the first descriptor is
 * not filled in as for a driver that has its rings elsewhere.
 */
static enum verdict layout(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q =
		a->val < c->dev.nr_queues ? &c->queue[a->val % CHECK_QUEUES] : NULL;
	uint8_t len[4];
	uint16_t idx;

	if (!c->dev.legacy || !writes(a, VIRTIO_MMIO_QUEUE_NOTIFY) || !q || !ring_offered(q, &idx))
		return SILENT;
	if (idx || q->offered)
		return KEPT;
	if (gmem_read(c->dev.mem, q->addr.desc + 8, len, sizeof(len)) < 0 || !get_le32(len))
		return SILENT;
	return broken(c,
	              "queue %u was kicked, descriptor 0 has %u bytes, and the available ring at "
	              "0x%" PRIx64 " is empty",
	              q->index, get_le32(len), q->addr.avail);
}

const struct access_rule legacy_rules[] = {
	{"init.legacy-skip-features-ok", skip_features_ok},
	{"feat.legacy-accept-any-layout", any_layout},
	{"feat.legacy-no-bit30", bit_30},
	{"cfg.legacy-read-twice", read_twice},
	{"mmio-legacy.page-size-first", page_size_first},
	{"mmio-legacy.pfn-not-address", pfn_not_address},
	{"mmio-legacy.qmax-when-idle", max_when_idle},
	{"mmio-legacy.align-pow2", align_pow2},
	{"mmio-legacy.no-modern-regs", registers_of_the_version},
	{"legacy.vq-size-from-device", size_from_device},
	{"legacy.vq-layout", layout},
	{NULL, NULL},
};

/* ---- chains */

static bool is_kind(const struct check *c, const struct check_chain *ch, enum queue_kind kind)
{
	return check_queue_kind(c, ch->q->index) == kind;
}

/* Only without ANY_LAYOUT is there a rule about how a request is cut into pieces. */
static bool framed(const struct check *c)
{
	return c->dev.legacy && !accepted(c, VIRTIO_F_ANY_LAYOUT);
}

static enum verdict header_of_10(struct check *c, const struct check_chain *ch)
{
	const uint32_t len = legacy_header_len(c);
	const uint8_t *from = ch->start + 6; /* of a frame without a header in front: the sender */

	if (!c->dev.legacy || len != 10 || !is_kind(c, ch, QUEUE_TX) ||
	    ch->out_len < len + FRAME_MIN || ch->started < 24)
		return SILENT;
	if (memcmp(from + len, c->net.mac, 6) == 0)
		return KEPT;
	return memcmp(from + 12, c->net.mac, 6) == 0
	               ? broken(c, "queue %u, chain %u: the frame begins behind 12 bytes, not 10",
	                        ch->q->index, ch->head)
	               : SILENT;
}

/*
 * A buffer that may be one of several for a frame begins with a header or with data. Linux does not cut those, and the device
 * that is known to want headers alone does not want it here.
 */
static enum verdict header_alone(struct check *c, const struct check_chain *ch)
{
	if (!framed(c) || is_kind(c, ch, QUEUE_CTRL))
		return SILENT;
	if (ch->pieces >= 2 && ch->len[0] == legacy_header_len(c))
		return KEPT;
	return is_kind(c, ch, QUEUE_RX) && accepted(c, VIRTIO_NET_F_MRG_RXBUF)
	               ? SILENT
	               : broken(c,
	                        "queue %u, chain %u: the first of %u pieces has %u bytes, the "
	                        "header %u",
	                        ch->q->index, ch->head, ch->pieces, ch->len[0],
	                        legacy_header_len(c));
}

/* Of commands: @good, or what the lengths of the first pieces are. */
static enum verdict pieces(struct check *c, const struct check_chain *ch, bool good)
{
	return good ? KEPT
	            : broken(c, "queue %u, chain %u: pieces of %u, %u, %u, %u bytes, %u in all",
	                     ch->q->index, ch->head, ch->len[0], ch->len[1], ch->len[2], ch->len[3],
	                     ch->pieces);
}

static enum verdict command_alone(struct check *c, const struct check_chain *ch)
{
	if (!framed(c) || !is_kind(c, ch, QUEUE_CTRL))
		return SILENT;
	return pieces(c, ch, ch->len[0] == 2);
}

static enum verdict ack_alone(struct check *c, const struct check_chain *ch)
{
	if (!framed(c) || !is_kind(c, ch, QUEUE_CTRL))
		return SILENT;
	return pieces(c, ch, ch->in_len == 1);
}

static bool sets_mac_table(const struct check_chain *ch)
{
	return ch->started >= 2 && ch->start[0] == VIRTIO_NET_CTRL_MAC &&
	       ch->start[1] == VIRTIO_NET_CTRL_MAC_TABLE_SET;
}

static enum verdict data_alone(struct check *c, const struct check_chain *ch)
{
	if (!framed(c) || !is_kind(c, ch, QUEUE_CTRL) || sets_mac_table(ch) || ch->out_len <= 2)
		return SILENT;
	return pieces(c, ch, ch->pieces == 3);
}

static enum verdict two_tables(struct check *c, const struct check_chain *ch)
{
	if (!framed(c) || !is_kind(c, ch, QUEUE_CTRL) || !sets_mac_table(ch) || ch->started < 6)
		return SILENT;
	return pieces(c, ch,
	              ch->pieces == 4 && ch->len[1] == 4 + 6 * (uint64_t)get_le32(ch->start + 2));
}

const struct chain_rule legacy_chain_rules[] = {
	{"net.legacy-hdr-10-bytes", header_of_10},
	{"net.legacy-hdr-own-desc", header_alone},
	{"ctrl.legacy-cmd-desc", command_alone},
	{"ctrl.legacy-ack-desc", ack_alone},
	{"ctrl.legacy-data-desc", data_alone},
	{"ctrl.legacy-mac-table-desc", two_tables},
	{NULL, NULL},
};
