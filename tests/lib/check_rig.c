/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/check_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#define VIRTIO_MMIO_NO_LEGACY
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "check/rule.h"
#include "devices/virtio_watch.h"
#include "devices/vq.h"
#include "vmm/core/le.h"

/* Queue i has its parts at these places of its page, and a page for what it sends. */
#define DESC   0x000u
#define AVAIL  0x400u
#define USED   0x800u
#define DATA   0x10000u
#define ROOM   0x20000u /* all that is received goes there */
#define MEMORY 0x40000u

const uint8_t crig_mac[6] = {2, 1, 2, 3, 4, 5};

void crig_make(struct check_device dev, uint64_t bytes, struct gmem *mem, struct check **c)
{
	const struct gmem_range range = {0, bytes};

	dev.name = "net0";
	dev.mem = mem;
	assert_int_equal(gmem_create(mem, &range, 1, false), 0);
	assert_int_equal(check_create(&dev, c), 0);
}

void crig_unmake(struct gmem *mem, struct check *c)
{
	check_destroy(c);
	gmem_destroy(mem);
}

void crig_begin(struct check_rig *r, uint64_t offered)
{
	struct check_device dev = {
		.offered = offered,
		.config_len = sizeof(struct virtio_net_config),
		.nr_queues = CRIG_QUEUES,
	};
	struct virtio_net_config config = {.rss_max_key_size = CRIG_KEY};

	*r = (struct check_rig){0};
	memcpy(config.mac, crig_mac, sizeof(crig_mac));
	put_le16(&config.status, VIRTIO_NET_S_LINK_UP);
	put_le16(&config.mtu, CRIG_MTU);
	put_le16(&config.max_virtqueue_pairs, CRIG_QUEUES / 2);
	put_le16(&config.rss_max_indirection_table_length, CRIG_TABLE);
	put_le32(&config.supported_hash_types, CRIG_TYPES);
	memcpy(dev.config, &config, sizeof(config));
	for (unsigned i = 0; i < CRIG_QUEUES; i++)
		dev.num_max[i] = 256;
	crig_make(dev, MEMORY, &r->mem, &r->c);
}

void crig_end(struct check_rig *r)
{
	crig_unmake(&r->mem, r->c);
}

/* ---- accesses */

static void feed(struct check_rig *r, struct virtio_access a)
{
	struct virtio_watch *w = check_watch(r->c);

	a.status = r->status;
	w->access(w, &a);
	if (a.write && a.off == VIRTIO_MMIO_STATUS)
		r->status = a.val ? (uint8_t)(r->status | a.val) : 0;
}

void crig_write(struct check_rig *r, uint32_t off, uint64_t val)
{
	feed(r, (struct virtio_access){.off = off, .size = 4, .write = true, .val = val});
}

void crig_read(struct check_rig *r, uint32_t off, uint64_t val)
{
	feed(r, (struct virtio_access){.off = off, .size = 4, .val = val});
}

void crig_config(struct check_rig *r, uint32_t off, unsigned size, uint64_t val)
{
	feed(r, (struct virtio_access){.off = VIRTIO_MMIO_CONFIG + off, .size = size, .val = val});
}

void crig_negotiate(struct check_rig *r, uint64_t accept)
{
	crig_read(r, VIRTIO_MMIO_MAGIC_VALUE, 0x74726976);
	crig_read(r, VIRTIO_MMIO_VERSION, 2);
	crig_read(r, VIRTIO_MMIO_DEVICE_ID, 1);
	crig_write(r, VIRTIO_MMIO_STATUS, 0);
	crig_read(r, VIRTIO_MMIO_STATUS, 0);
	crig_write(r, VIRTIO_MMIO_STATUS, 1);
	crig_write(r, VIRTIO_MMIO_STATUS, 3);
	for (unsigned word = 0; word < 2; word++) { /* what is there is the test's */
		crig_write(r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, word);
		crig_read(r, VIRTIO_MMIO_DEVICE_FEATURES, 0);
	}
	for (unsigned word = 0; word < 2; word++) {
		crig_write(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		crig_write(r, VIRTIO_MMIO_DRIVER_FEATURES, (accept >> (32 * word)) & UINT32_MAX);
	}
	crig_write(r, VIRTIO_MMIO_STATUS, 11);
	crig_read(r, VIRTIO_MMIO_STATUS, 11);
	r->accept = accept;
}

void crig_ready(struct check_rig *r, unsigned queue)
{
	const uint32_t at = 0x1000 * queue;

	crig_write(r, VIRTIO_MMIO_QUEUE_SEL, queue);
	crig_read(r, VIRTIO_MMIO_QUEUE_READY, 0);
	crig_read(r, VIRTIO_MMIO_QUEUE_NUM_MAX, 256);
	crig_write(r, VIRTIO_MMIO_QUEUE_NUM, CRIG_NUM);
	crig_write(r, VIRTIO_MMIO_QUEUE_DESC_LOW, at + DESC);
	crig_write(r, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	crig_write(r, VIRTIO_MMIO_QUEUE_AVAIL_LOW, at + AVAIL);
	crig_write(r, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0);
	crig_write(r, VIRTIO_MMIO_QUEUE_USED_LOW, at + USED);
	crig_write(r, VIRTIO_MMIO_QUEUE_USED_HIGH, 0);
	crig_write(r, VIRTIO_MMIO_QUEUE_READY, 1);
	r->watch[queue] = NULL;
}

void crig_go(struct check_rig *r)
{
	struct virtio_watch *w = check_watch(r->c);

	crig_write(r, VIRTIO_MMIO_STATUS, 15);
	for (unsigned i = 0; i < CRIG_QUEUES; i++) {
		const gpa_t at = 0x1000 * (gpa_t)i;
		const struct vq_addr addr = {CRIG_NUM, at + DESC, at + AVAIL, at + USED};

		r->watch[i] = w->queue(w, i, &addr);
	}
}

void crig_up(struct check_rig *r, uint64_t accept)
{
	const bool several = accept & (CRIG_F(MQ) | CRIG_F(RSS));
	const bool ctrl = accept & CRIG_F(CTRL_VQ);

	crig_negotiate(r, accept);
	for (unsigned i = 0; i < (several ? CRIG_QUEUES : 2u + ctrl); i++)
		crig_ready(r, i);
	crig_go(r);
}

/* ---- rings */

static uint8_t *place(const struct check_rig *r, gpa_t where)
{
	return gmem_ptr(&r->mem, where, 1);
}

void crig_offer(struct check_rig *r, unsigned queue, const void *data, size_t len)
{
	const gpa_t q = 0x1000 * (gpa_t)queue, at = data ? DATA + 2 * q : ROOM;
	const unsigned i = r->avail[queue] % CRIG_NUM;
	uint8_t *d = place(r, q + DESC + 16 * (gpa_t)i);

	if (data)
		memcpy(place(r, at), data, len);
	put_le64(d, at);
	put_le32(d + 8, (uint32_t)len);
	put_le16(d + 12, data ? 0 : VRING_DESC_F_WRITE);
	put_le16(place(r, q + AVAIL + 4 + 2 * (gpa_t)i), (uint16_t)i);
	put_le16(place(r, q + AVAIL + 2), ++r->avail[queue]);
}

void crig_look(struct check_rig *r, unsigned queue)
{
	struct vq_watch *w = r->watch[queue];

	w->avail(w, r->used[queue], r->avail[queue]);
}

void crig_use(struct check_rig *r, unsigned queue)
{
	const gpa_t used = 0x1000 * (gpa_t)queue + USED;
	struct vq_watch *w = r->watch[queue];
	const uint16_t from = r->used[queue];

	for (; r->used[queue] != r->avail[queue]; r->used[queue]++)
		put_le32(place(r, used + 4 + 8 * (gpa_t)(r->used[queue] % CRIG_NUM)),
		         r->used[queue] % CRIG_NUM);
	w->used(w, from, r->used[queue]);
	put_le16(place(r, used + 2), r->used[queue]);
}

void crig_send(struct check_rig *r, unsigned queue, const void *data, size_t len)
{
	crig_offer(r, queue, data, len);
	crig_look(r, queue);
	crig_use(r, queue);
}

void crig_command(struct check_rig *r, const void *data, size_t len, uint8_t ack)
{
	const struct virtio_command cmd = {
		.data = data, .held = len, .out_len = len, .in_len = 1, .ack = ack};
	struct virtio_watch *w = check_watch(r->c);

	w->command(w, &cmd);
}

void crig_ticks(struct check_rig *r, unsigned nr)
{
	while (nr--)
		check_tick(r->c);
}

/* ---- what was found */

size_t crig_rule(const char *id)
{
	const struct rule *rule = rule_find(id);

	if (!rule || !rule->advice)
		fail_msg("%s is not a rule that is checked", id);
	return (size_t)(rule - rules);
}

const struct check_result *crig_result(const struct check *c, const char *id)
{
	return check_result(c, crig_rule(id));
}

void crig_expect_broken(const struct check_rig *r, const char *id, struct check_tally *t)
{
	const struct check_result *res = crig_result(r->c, id);

	if (!res->broken || !res->why[0])
		fail_msg("%s was not found", id);
	t->broken[crig_rule(id)] = true;
}

void crig_expect_clean(const struct check_rig *r, const char *what, struct check_tally *t)
{
	for (size_t i = 0; i < nr_rules; i++) {
		const struct check_result *res = check_result(r->c, i);

		if (res->broken)
			fail_msg("%s: %s: %s", what, rules[i].id, res->why);
		t->kept[i] |= res->kept > 0;
	}
}

void crig_expect_both(const struct check_tally *t, const char *const *ids)
{
	for (; *ids; ids++) {
		if (!t->broken[crig_rule(*ids)])
			fail_msg("no driver breaks %s", *ids);
		if (!t->kept[crig_rule(*ids)])
			fail_msg("no driver keeps %s", *ids);
	}
}

const char *const check_net_ids[] = {
	"feat.no-undefined-bit",
	"feat.fail-when-unusable",
	"feat.validate-offer",
	"feat.unknown-not-fatal",
	"feat.fallback",
	"init.set-failed-on-error",
	"status.needs-reset-no-trust",
	"feat.accept-access-platform",
	"feat.physical-addresses",
	"feat.accept-packed",
	"feat.accept-order-platform",
	"feat.no-sriov",
	"mmio.no-admin-vq",
	"net.feat-deps",
	"net.hash-report-needs-ctrl",
	"net.rx-extra-needs-ctrl",
	"cfg.no-atomic-wide",
	"cfg.no-atomic-multi",
	"net.mac-use",
	"net.mac-local-admin",
	"net.link-assume-up",
	"net.link-from-status",
	"net.standby-accept",
	"net.speed-reread",
	"net.mtu-rx-room",
	"net.rx-filled-at-start",
	"net.rx-hdr-size",
	"net.rx-replenish",
	"net.mtu-tx-limit",
	"net.tx-hdr-same-size",
	"net.tx-full-csum",
	"net.tx-csum-preceding",
	"net.tx-csum-pseudo",
	"net.tx-ecn-needs-feature",
	"net.tx-ecn-bit",
	"net.tx-hdrlen-exact",
	"net.tx-hdrlen-min",
	"net.tx-accept-hdrlen",
	"ctrl.queue-position",
	"ctrl.mac-addr-set",
	NULL,
};

const char *const check_ctrl_ids[] = {
	"offloads.negotiated",
	"ctrl.framing",
	"ctrl.wait-for-used",
	"ctrl.check-ack",
	"ctrl.class-negotiated",
	"ctrl.rx-negotiated",
	"ctrl.rx-extra-negotiated",
	"ctrl.rx-data-bool",
	"ctrl.mac-negotiated",
	"ctrl.mac-table-format",
	"ctrl.vlan-id",
	"announce.peers",
	"announce.ack",
	"net.rx-mq-populate",
	"mq.configure-first",
	"mq.pairs-range",
	"mq.tx1-before",
	"mq.tx-within-pairs",
	"rss.negotiated",
	"rss.table-enabled",
	"rss.table-pow2",
	"rss.mask-limit",
	"rss.hash-types",
	"rss.key-limit",
	"rssctx.negotiated",
	NULL,
};

static bool is_in(const char *id, const char *const *ids)
{
	while (*ids && strcmp(*ids, id) != 0)
		ids++;
	return *ids;
}

const char *const check_slot_ids[] = {
	"mmio.bad-magic",    "mmio.bad-version",      "mmio.devid0-ignore",
	"mmio.devid0-abort", "mmio.devid0-no-access", NULL,
};

bool crig_covers(const char *id)
{
	return is_in(id, check_net_ids) || is_in(id, check_ctrl_ids) || is_in(id, check_slot_ids);
}
