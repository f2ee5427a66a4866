/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that a driver keeps within itself, and that show in what it bears: judged when all has been asked, by the answers that
 * came while the device did what it takes the rule to bear, and behind that. Whoever was not there any more when the
 * run ended has kept nothing and broken nothing.
 */
#include "check/borne.h"

#include <linux/virtio_ring.h>
#include <string.h>

#include "check/state.h"
#include "devices/net_features.h"

struct bearing {
	struct check *c;
	const struct provoke *p;
	const struct provocation *by;
	const struct provoke_result *r;
	enum provoke_id id;
};

static bool has(const struct bearing *b, unsigned bit)
{
	return b->r->accepted & FEATURE(bit);
}

static enum verdict answered_wrongly(const struct bearing *b)
{
	return broken(b->c, "%u wrong answer%s to %u question%s, and the device did this: %s",
	              b->r->corrupt, plural(b->r->corrupt), b->r->asked, plural(b->r->asked),
	              b->by->does);
}

/* Answers came, all of them right. */
static enum verdict goes_on(const struct bearing *b)
{
	if (b->r->times == 0 || b->r->cut)
		return SILENT;
	switch (b->r->verdict) {
	case PROVOKE_SURVIVED:
	case PROVOKE_LOST:
		return KEPT;
	case PROVOKE_CORRUPTED:
		return answered_wrongly(b);
	case PROVOKE_STUCK:
		return broken(b->c, "no answers came any more, and the device did this: %s",
		              b->by->does);
	default:
		return SILENT;
	}
}

/* There since the boot: who does not bear one of several has not said which, and who works has borne them all. */
static enum verdict comes_up(const struct bearing *b)
{
	const enum verdict v = goes_on(b);

	return v == BROKEN && !provoke_alone(b->p, b->id) ? SILENT : v;
}

/* Only the wrong questions have no answer that is right. Who is stuck has not trusted anybody. */
static enum verdict verifies(const struct bearing *b)
{
	return b->r->verdict == PROVOKE_STUCK ? SILENT : goes_on(b);
}

static enum verdict any_order(const struct bearing *b)
{
	return has(b, VIRTIO_F_RING_PACKED) ? SILENT : goes_on(b);
}

static enum verdict by_id(const struct bearing *b)
{
	return has(b, VIRTIO_F_RING_PACKED) ? goes_on(b) : SILENT;
}

static enum verdict in_parts(const struct bearing *b)
{
	return b->r->parts > 0 ? goes_on(b) : SILENT;
}

static enum verdict merges(const struct bearing *b)
{
	return has(b, VIRTIO_NET_F_MRG_RXBUF) ? goes_on(b) : SILENT;
}

static enum verdict does_not_merge(const struct bearing *b)
{
	return has(b, VIRTIO_NET_F_MRG_RXBUF) ? SILENT : goes_on(b);
}

static enum verdict compares_modulo(const struct bearing *b)
{
	return has(b, VIRTIO_RING_F_EVENT_IDX) && !has(b, VIRTIO_F_RING_PACKED) ? goes_on(b)
	                                                                        : SILENT;
}

static enum verdict looks_for_write(const struct bearing *b)
{
	return has(b, VIRTIO_F_RING_PACKED) ? goes_on(b) : SILENT;
}

static enum verdict looks_away(const struct bearing *b)
{
	return has(b, VIRTIO_F_VERSION_1) ? SILENT : goes_on(b);
}

/*
 * Who has looked behind the address and works has borne what there is not. Who gives up may do so for the features that
 * went with it, but not when it has run without them.
 */
static enum verdict needs_no_more(const struct bearing *b)
{
	const enum verdict v = comes_up(b);
	const bool ran = b->c->was_live && b->r->verdict == PROVOKE_STUCK;

	return b->c->was_behind_mac && (v != BROKEN || ran) ? v : SILENT;
}

static enum verdict knows_unknown(const struct bearing *b)
{
	return provoke_speed_unknown(b->p) ? comes_up(b) : SILENT;
}

static const struct borne_rule {
	const char *id;
	enum provoke_id by;
	enum verdict (*judge)(const struct bearing *b);
} borne_rules[] = {
	{"notif.handle-spurious", P_SPURIOUS, goes_on},
	{"notif.handle-spurious", P_CONFIG_IRQ, goes_on},
	{"notif.handle-spurious", P_SHARED_LINE, comes_up},
	{"notif.handle-suppressed", P_UNASKED, goes_on},
	{"mmio.irq-both-bits", P_BOTH_BITS, goes_on},
	{"mmio.irq-all-queues", P_ONE_INTERRUPT, goes_on},
	{"mmio.intstatus-ignore-unknown", P_ISR_BITS, goes_on},
	{"used.any-order", P_REORDER, any_order},
	{"packed.used-by-id", P_REORDER, by_id},
	{"used.ignore-past-len", P_SHORT_LEN, goes_on},
	{"used.no-trust-past-len", P_BUFFER_TAIL, goes_on},
	{"used.legacy-len-zero", P_TX_LEN, looks_away},
	{"packed.len-only-with-write", P_TX_LEN, looks_for_write},
	{"packed.ignore-next-in-used", P_USED_NEXT, by_id},
	{"event_idx.used-event-wrap", P_INDEX_WRAP, compares_modulo},
	{"notif.recheck-after-enable", P_KICK_RACE, goes_on},
	{"inorder.batch-used", P_BATCHES, goes_on},
	{"net.tx-reclaim", P_DELAY, goes_on},
	{"net.rx-num-buffers", P_LENGTHS, in_parts},
	{"net.rx-num-buffers", P_JUMBO, in_parts},
	{"net.rx-num-buffers-sane", P_NUM_BUFFERS, merges},
	{"net.rx-single-without-mrg", P_NUM_BUFFERS, does_not_merge},
	{"net.rx-csum-fields", P_HEADER_POISON, goes_on},
	{"net.rx-hdrlen-hint", P_HDR_LEN, goes_on},
	{"net.rx-ignore-unknown-flags", P_RX_FLAGS, goes_on},
	{"net.rx-no-trust-csum", P_BAD_CHECKSUMS, verifies},
	{"cfg.no-size-limit", P_CONFIG_TAIL, comes_up},
	{"cfg.only-min-size", P_SHORT_CONFIG, needs_no_more},
	{"net.speed-unknown", P_SPEED, knows_unknown},
};

bool borne_only(const struct rule *rule)
{
	for (size_t i = 0; i < ARRAY_SIZE(borne_rules); i++)
		if (strcmp(borne_rules[i].id, rule->id) == 0)
			return true;
	return false;
}

bool borne_by(const struct rule *rule, enum provoke_id id)
{
	for (size_t i = 0; i < ARRAY_SIZE(borne_rules); i++)
		if (borne_rules[i].by == id && strcmp(borne_rules[i].id, rule->id) == 0)
			return true;
	return false;
}

void check_borne(struct check *c, const struct provoke *p)
{
	pthread_mutex_lock(&c->lock);
	c->muted = false; /* what was illegal is what is judged here */
	for (size_t i = 0; i < ARRAY_SIZE(borne_rules); i++) {
		const struct borne_rule *rule = &borne_rules[i];
		const struct bearing b = {.c = c,
		                          .p = p,
		                          .by = &provocations[rule->by],
		                          .r = provoke_result(p, rule->by),
		                          .id = rule->by};

		c->bearing = b.by->name;
		judged(c, rule->id, rule->judge(&b));
	}
	c->bearing = provocations[P_NEEDS_RESET].name;
	judged(c, "status.needs-reset-no-trust", c->trust == BROKEN ? hopes(c) : c->trust);
	c->bearing = NULL;
	c->muted = true; /* the run is over */
	pthread_mutex_unlock(&c->lock);
}
