/* SPDX-License-Identifier: Apache-2.0 */
/* Registers (virtio 1.2, 4.2.2) and the config space of a network device (2.5, 5.1.4). */
#include <inttypes.h>
#include <stddef.h>

#include "check/state.h"

#define RING_RESET 40 /* since virtio 1.2 */

static enum register_kind kind_of(const struct check *c, uint32_t off)
{
	return register_kind(off, c->dev.legacy);
}

static bool is_config(const struct virtio_access *a)
{
	return a->off >= VIRTIO_MMIO_CONFIG;
}

static enum verdict described(struct check *c, const struct virtio_access *a)
{
	const uint32_t reg = a->off & ~3u;

	if (is_config(a))
		return a->off - VIRTIO_MMIO_CONFIG + a->size <= c->dev.config_len
		               ? KEPT
		               : broken(c, "%u bytes of the config space at %u: it has %u", a->size,
		                        a->off - VIRTIO_MMIO_CONFIG, c->dev.config_len);
	if (c->dev.legacy && register_kind(reg, false) != register_kind(reg, true))
		return SILENT; /* of the other version: mmio-legacy.no-modern-regs */
	return kind_of(c, reg) != NO_REG ? KEPT : broken(c, "there is no register at 0x%03x", reg);
}

static enum verdict read_only(struct check *c, const struct virtio_access *a)
{
	if (is_config(a) || !a->write)
		return SILENT;
	return kind_of(c, a->off & ~3u) == READ_ONLY
	               ? broken(c, "0x%" PRIx64 " was written to register 0x%03x", a->val, a->off)
	               : KEPT;
}

static enum verdict write_only(struct check *c, const struct virtio_access *a)
{
	if (is_config(a) || a->write)
		return SILENT;
	return kind_of(c, a->off & ~3u) == WRITE_ONLY
	               ? broken(c, "register 0x%03x was read", a->off)
	               : KEPT;
}

static enum verdict control_32bit(struct check *c, const struct virtio_access *a)
{
	if (is_config(a))
		return SILENT;
	return a->size == 4 && a->off % 4 == 0
	               ? KEPT
	               : broken(c, "an access of %u bytes to register 0x%03x", a->size, a->off);
}

static const char *done_to(const struct virtio_access *a)
{
	return a->write ? "written" : "read";
}

/* Both, in any order: a bus may look at MagicValue, and its driver at both again (NetBSD). */
static enum verdict probe_magic(struct check *c, const struct virtio_access *a)
{
	const bool magic = reads(a, VIRTIO_MMIO_MAGIC_VALUE);
	const unsigned had = c->probe;

	if (had >= PROBE_BOTH)
		return SILENT;
	if (magic || reads(a, VIRTIO_MMIO_VERSION))
		return keeps((had | (magic ? PROBE_MAGIC : PROBE_VERSION)) == PROBE_BOTH);
	return broken(c, "0x%03x was %s, and before it %s", a->off, done_to(a),
	              had == PROBE_MAGIC     ? "only MagicValue"
	              : had == PROBE_VERSION ? "only Version"
	                                     : "neither MagicValue nor Version");
}

static enum verdict probe_devid(struct check *c, const struct virtio_access *a)
{
	if (c->probe != PROBE_BOTH || reads(a, VIRTIO_MMIO_MAGIC_VALUE) ||
	    reads(a, VIRTIO_MMIO_VERSION))
		return SILENT;
	return reads(a, VIRTIO_MMIO_DEVICE_ID)
	               ? KEPT
	               : broken(c, "behind MagicValue and Version 0x%03x was %s, not DeviceID read",
	                        a->off, done_to(a));
}

static enum verdict device_sel_first(struct check *c, const struct virtio_access *a)
{
	if (!reads(a, VIRTIO_MMIO_DEVICE_FEATURES))
		return SILENT;
	return c->device_sel ? KEPT
	                     : broken(c, "DeviceFeatures was read before a selector was written");
}

static enum verdict driver_sel_first(struct check *c, const struct virtio_access *a)
{
	if (!writes(a, VIRTIO_MMIO_DRIVER_FEATURES))
		return SILENT;
	return c->driver_sel ? KEPT : broken(c, "DriverFeatures was written before a selector was");
}

/* ---- queues */

static bool is_legacy_queue(uint32_t off)
{
	return off == VIRTIO_MMIO_QUEUE_ALIGN || off == VIRTIO_MMIO_QUEUE_PFN;
}

static enum verdict queue_sel_first(struct check *c, const struct virtio_access *a)
{
	if (a->off != VIRTIO_MMIO_QUEUE_NUM_MAX && a->off != VIRTIO_MMIO_QUEUE_NUM &&
	    a->off != VIRTIO_MMIO_QUEUE_READY && !is_ring_address(a->off) &&
	    !(c->dev.legacy && is_legacy_queue(a->off)))
		return SILENT;
	return c->queue_sel ? KEPT
	                    : broken(c, "register 0x%03x was %s before QueueSel was written",
	                             a->off, a->write ? "written" : "read");
}

static enum verdict size_le_max(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = selected(c);
	uint32_t max;

	if (!writes(a, VIRTIO_MMIO_QUEUE_NUM) || !q)
		return SILENT;
	max = c->dev.num_max[q->index];
	if (q->max_read && q->max < max) /* a provoked one says less than it can do */
		max = q->max;
	if (a->val > max)
		return broken(c, "queue %u is to have %" PRIu64 " entries, possible are %u",
		              q->index, a->val, max);
	return q->max_read ? KEPT
	                   : broken(c,
	                            "queue %u is to have %" PRIu64 " entries, and nobody asked how "
	                            "many are possible",
	                            q->index, a->val);
}

static enum verdict absent_queue(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = selected(c);

	if (!writes(a, VIRTIO_MMIO_QUEUE_NUM) && !is_ring_address(a->off))
		return SILENT;
	/* What is taken out of the registers is none that is set up. */
	if (q && q->max_read && q->max == 0 && a->val)
		return broken(c, "queue %u is set up, and QueueNumMax read 0", q->index);
	return q ? KEPT : broken(c, "queue %u is set up, and does not exist", c->queue_nr);
}

static enum verdict no_change_when_ready(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = selected(c);

	if (!q || (!writes(a, VIRTIO_MMIO_QUEUE_NUM) && !(a->write && is_ring_address(a->off))))
		return SILENT;
	/* Ready by this driver, or found so: one before it has left the device as it was. */
	return q->ready || q->found_ready
	               ? broken(c, "register 0x%03x of queue %u was written while it was ready",
	                        a->off, q->index)
	               : KEPT;
}

static enum verdict ready_values(struct check *c, const struct virtio_access *a)
{
	if (!writes(a, VIRTIO_MMIO_QUEUE_READY))
		return SILENT;
	return a->val <= 1 ? KEPT : broken(c, "%" PRIu64 " was written to QueueReady", a->val);
}

/* Rules about the moment at which a queue becomes ready. */
static struct check_queue *becomes_ready(struct check *c, const struct virtio_access *a)
{
	return writes(a, VIRTIO_MMIO_QUEUE_READY) && a->val == 1 ? selected(c) : NULL;
}

static enum verdict not_in_use(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = becomes_ready(c, a);

	if (!q)
		return SILENT;
	if (!q->ready_read)
		return broken(c, "queue %u was made ready, and QueueReady not read before",
		              q->index);
	return q->found_ready
	               ? broken(c, "queue %u was made ready, and QueueReady had read 1 before",
	                        q->index)
	               : KEPT;
}

static enum verdict both_halves(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = becomes_ready(c, a);

	if (!q)
		return SILENT;
	return q->halves == 0x3f ? KEPT
	                         : broken(c,
	                                  "of the six halves of its addresses, queue %u was given "
	                                  "0x%02x",
	                                  q->index, q->halves);
}

static enum verdict size_before_ready(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = becomes_ready(c, a);

	if (!q)
		return SILENT;
	return q->num_written ? KEPT
	                      : broken(c, "queue %u was made ready without a size", q->index);
}

static enum verdict ready0_readback(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = selected(c);

	if (!writes(&c->last, VIRTIO_MMIO_QUEUE_READY) || c->last.val != 0 || c->accesses == 0 ||
	    is_of_anybody(a))
		return SILENT;
	if (reads(a, VIRTIO_MMIO_QUEUE_READY))
		return KEPT;
	/* Behind a reset there is nothing to wait for: 0 is what it is. */
	return q && q->stopping ? broken(c,
	                                 "QueueReady of queue %u became 0, and 0x%03x was accessed "
	                                 "instead of reading it",
	                                 q->index, a->off)
	                        : SILENT;
}

/* What is zeroed while the device may use it is taken away, not given back. */
static enum verdict stop_by_ready(struct check *c, const struct virtio_access *a)
{
	const struct check_queue *q = selected(c);

	if (c->dev.legacy || !a->write || a->val != 0 || !q || !q->ready)
		return SILENT;
	switch (a->off) {
	case VIRTIO_MMIO_QUEUE_READY:
		return KEPT;
	case VIRTIO_MMIO_QUEUE_NUM:
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		return broken(c, "0 was written to register 0x%03x while queue %u is ready", a->off,
		              q->index);
	default:
		return SILENT;
	}
}

static enum verdict queue_reset(struct check *c, const struct virtio_access *a)
{
	if (c->dev.legacy || accepted(c, RING_RESET))
		return SILENT;
	if (a->off == QUEUE_RESET)
		return broken(c, "QueueReset was %s, and RING_RESET not accepted",
		              a->write ? "written" : "read");
	return keeps(writes(a, VIRTIO_MMIO_STATUS) && raises(a, VIRTIO_CONFIG_S_DRIVER_OK));
}

static enum verdict kick_valid(struct check *c, const struct virtio_access *a)
{
	const uint64_t queue = kicked_queue(c, a);

	if (!writes(a, VIRTIO_MMIO_QUEUE_NOTIFY) || !(a->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return SILENT;
	if (queue >= c->dev.nr_queues)
		return broken(c, "queue %" PRIu64 " was kicked, and does not exist", queue);
	return c->queue[queue].ready
	               ? KEPT
	               : broken(c, "queue %u was kicked, and is not ready", (unsigned)queue);
}

/* ---- interrupts */

/* So many reads in a row that find the bit are no accident. */
#define IGNORED_MAX 8u

/* At a reset, so many are: the handler that found it first has ended without a word, and the second one, too. */
#define IGNORED_AT_RESET 2u

static enum verdict ack_of_bit(struct check *c, const struct virtio_access *a, unsigned bit)
{
	const unsigned ignored = c->isr_ignored[bit];

	if (writes(a, VIRTIO_MMIO_INTERRUPT_ACK))
		return keeps(ignored > 0 && (a->val >> bit & 1));
	if (writes(a, VIRTIO_MMIO_STATUS) && a->val == 0 && ignored >= IGNORED_AT_RESET &&
	    ignored <= IGNORED_MAX)
		return broken(c,
		              "InterruptStatus was read %u times with bit %u set, which was not "
		              "written to InterruptACK before the reset",
		              ignored, bit);
	if (!reads(a, VIRTIO_MMIO_INTERRUPT_STATUS) || !(a->val >> bit & 1) ||
	    ignored != IGNORED_MAX)
		return SILENT;
	return broken(c,
	              "InterruptStatus was read %u times with bit %u set, which was not written to "
	              "InterruptACK",
	              IGNORED_MAX + 1, bit);
}

static enum verdict ack_handled(struct check *c, const struct virtio_access *a)
{
	enum verdict all = SILENT;

	for (unsigned bit = 0; all != BROKEN && bit < ARRAY_SIZE(c->isr_ignored); bit++) {
		const enum verdict v = ack_of_bit(c, a, bit);

		all = v == SILENT ? all : v;
	}
	return all;
}

static enum verdict ack_seen(struct check *c, const struct virtio_access *a)
{
	const uint32_t strange = (uint32_t)a->val & ~c->isr_seen & ~c->isr_late;

	if (!writes(a, VIRTIO_MMIO_INTERRUPT_ACK))
		return SILENT;
	return strange & 3
	               ? broken(c, "0x%x was acknowledged, and InterruptStatus had not shown 0x%x",
	                        (unsigned)a->val, strange)
	               : KEPT;
}

/* Causes that were seen at once may be acknowledged one by one; and 0 acknowledges nothing. */
static enum verdict status_read(struct check *c, const struct virtio_access *a)
{
	if (!writes(a, VIRTIO_MMIO_INTERRUPT_ACK) || a->val == 0 ||
	    !(a->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return SILENT;
	return c->isr_looked || (a->val & (c->isr_seen | c->isr_late))
	               ? KEPT
	               : broken(c,
	                        "0x%x was acknowledged, and InterruptStatus not read since the "
	                        "acknowledgement before",
	                        (unsigned)a->val);
}

static enum verdict ack_known(struct check *c, const struct virtio_access *a)
{
	if (!writes(a, VIRTIO_MMIO_INTERRUPT_ACK))
		return SILENT;
	return a->val & ~UINT64_C(3)
	               ? broken(c, "0x%" PRIx64 " was written to InterruptACK", a->val)
	               : KEPT;
}

static enum verdict no_shm(struct check *c, const struct virtio_access *a)
{
	if (is_config(a))
		return SILENT;
	return a->off >= VIRTIO_MMIO_SHM_SEL && a->off <= VIRTIO_MMIO_SHM_BASE_HIGH
	               ? broken(c, "register 0x%03x is about shared memory", a->off)
	               : KEPT;
}

const struct access_rule mmio_rules[] = {
	{"mmio.no-undescribed-offset", described},
	{"mmio.no-write-readonly", read_only},
	{"mmio.no-read-writeonly", write_only},
	{"mmio.control-32bit", control_32bit},
	{"mmio.probe-magic-version", probe_magic},
	{"mmio.probe-devid", probe_devid},
	{"mmio.devfeatsel-first", device_sel_first},
	{"mmio.drvfeatsel-first", driver_sel_first},
	{"mmio.queuesel-first", queue_sel_first},
	{"mmio.qsize-le-max", size_le_max},
	{"mmio.qmax0-absent", absent_queue},
	{"mmio.no-qreg-when-ready", no_change_when_ready},
	{"mmio.ready-values", ready_values},
	{"mmio.queue-not-in-use", not_in_use},
	{"mmio.addr-both-halves", both_halves},
	{"mmio.size-before-ready", size_before_ready},
	{"mmio.qready0-readback", ready0_readback},
	{"mmio.stop-by-ready0", stop_by_ready},
	{"mmio.qreset-negotiated", queue_reset},
	{"notify.queue-index-valid", kick_valid},
	{"mmio.intack-handled", ack_handled},
	{"mmio.irq-read-status", status_read},
	{"mmio.irq-ack", ack_seen},
	{"mmio.intack-no-unknown", ack_known},
	{"mmio.no-shm", no_shm},
	{NULL, NULL},
};

/* ---- config space */

/* Fields of struct virtio_net_config: where, how wide, and the features of which one is needed. */
static const struct field {
	uint32_t off, width, count;
	uint64_t needs;
} fields[] = {
	{0, 1, 6, 0},
	{offsetof(struct virtio_net_config, status), 2, 1, FEATURE(VIRTIO_NET_F_STATUS)},
	{offsetof(struct virtio_net_config, max_virtqueue_pairs), 2, 1,
         FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_RSS)},
	{offsetof(struct virtio_net_config, mtu), 2, 1, FEATURE(VIRTIO_NET_F_MTU)},
	{offsetof(struct virtio_net_config, speed), 4, 1, FEATURE(VIRTIO_NET_F_SPEED_DUPLEX)},
	{offsetof(struct virtio_net_config, duplex), 1, 1, FEATURE(VIRTIO_NET_F_SPEED_DUPLEX)},
	{offsetof(struct virtio_net_config, rss_max_key_size), 1, 1,
         FEATURE(VIRTIO_NET_F_RSS) | FEATURE(VIRTIO_NET_F_HASH_REPORT)},
	{offsetof(struct virtio_net_config, rss_max_indirection_table_length), 2, 1,
         FEATURE(VIRTIO_NET_F_RSS)},
	{offsetof(struct virtio_net_config, supported_hash_types), 4, 1,
         FEATURE(VIRTIO_NET_F_RSS) | FEATURE(VIRTIO_NET_F_HASH_REPORT)},
};

static bool covers(const struct virtio_access *a, const struct field *f)
{
	const uint32_t off = a->off - VIRTIO_MMIO_CONFIG;

	return is_config(a) && off < f->off + f->width * f->count && off + a->size > f->off;
}

static const struct field *field_at(const struct virtio_access *a)
{
	const uint32_t off = a->off - VIRTIO_MMIO_CONFIG;

	for (unsigned i = 0; is_config(a) && i < ARRAY_SIZE(fields); i++)
		if (off >= fields[i].off && off < fields[i].off + fields[i].width * fields[i].count)
			return &fields[i];
	return NULL;
}

static enum verdict natural_width(struct check *c, const struct virtio_access *a)
{
	const struct field *f = field_at(a);

	if (!f || c->dev.legacy) /* any width: virtio 1.2, 4.2.4 asks for none */
		return SILENT;
	return a->size == f->width && (a->off - VIRTIO_MMIO_CONFIG - f->off) % f->width == 0
	               ? KEPT
	               : broken(c,
	                        "an access of %u bytes at offset %u of the config space, where "
	                        "fields "
	                        "have %u",
	                        a->size, a->off - VIRTIO_MMIO_CONFIG, f->width);
}

static enum verdict needs_feature(struct check *c, const struct field *f)
{
	if (!(c->dev.offered & f->needs))
		return broken(c,
		              "offset %u of the config space was read, and no feature that it "
		              "belongs to is offered",
		              f->off);
	return c->dev.offered & f->needs & c->offer_known
	               ? KEPT
	               : broken(c,
	                        "offset %u of the config space was read before the word of "
	                        "DeviceFeatures that has its feature",
	                        f->off);
}

/* Each field of which the access takes some: a wide one of the address may take the status, too. */
static enum verdict feature_first(struct check *c, const struct virtio_access *a)
{
	enum verdict v = SILENT;

	for (unsigned i = 0; v != BROKEN && !a->write && i < ARRAY_SIZE(fields); i++)
		if (fields[i].needs && covers(a, &fields[i]))
			v = needs_feature(c, &fields[i]);
	return v;
}

enum verdict keeps_torn(struct check *c)
{
	return broken(c,
	              "ConfigGeneration was 0x%" PRIx64 " before the address was read and another "
	              "one behind that, and the address was not read once more",
	              c->generation);
}

/* Only of the address: what one read gets needs no bracket, and each other field is one read. */
static enum verdict generation(struct check *c, const struct virtio_access *a)
{
	if (c->torn && raises(a, VIRTIO_CONFIG_S_DRIVER_OK)) {
		c->torn = 0; /* once */
		return keeps_torn(c);
	}
	if (c->dev.legacy || c->mac_reads < 2 || is_of_anybody(a) || reads_config(a))
		return SILENT;
	if (c->generation_before && reads(a, VIRTIO_MMIO_CONFIG_GENERATION))
		return keeps(a->val == c->generation); /* else it is to be read once more */
	return broken(c,
	              "the address was taken by %u reads, without one of ConfigGeneration %s them",
	              c->mac_reads, c->generation_before ? "behind" : "before");
}

static enum verdict read_only_config(struct check *c, const struct virtio_access *a)
{
	if (!is_config(a) || (c->dev.legacy && a->off + a->size <= VIRTIO_MMIO_CONFIG + 6))
		return SILENT;
	return a->write ? broken(c, "%u bytes were written at offset %u of the config space",
	                         a->size, a->off - VIRTIO_MMIO_CONFIG)
	                : KEPT;
}

static enum verdict no_early_write(struct check *c, const struct virtio_access *a)
{
	if (!is_config(a) || c->dev.legacy || (a->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return SILENT;
	return read_only_config(c, a);
}

const struct access_rule config_rules[] = {
	{"mmio.config-width", natural_width},        {"cfg.check-feature-first", feature_first},
	{"cfg.generation-loop", generation},         {"net.cfg-readonly", read_only_config},
	{"init.no-cfg-write-early", no_early_write}, {NULL, NULL},
};
