/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a driver of a network device should have done and has not, as in stall.c by looking, CHECK_TICK_NS apart. A driver
 * that does nothing at all may have nothing to do; what counts against it is what it does meanwhile.
 */
#include <inttypes.h>

#include "check/ring.h"
#include "devices/net_features.h"

#define LOOKS         10u
#define LOOKS_GAVE_UP 50u

/* Another look at what is due. True, once: it has been due for @looks of them. */
static bool overdue(check_due *due, unsigned looks)
{
	if (*due == 0 || ++*due <= looks)
		return false;
	*due = 0;
	return true;
}

void late_done(struct check *c, check_due *due, const char *id)
{
	judged(c, id, keeps(*due != 0));
	*due = 0;
}

/* ---- what the device has said */

static void look_for_answers(struct check *c)
{
	struct check_net *n = &c->net;

	if (n->link_down && n->link_down < LOOKS)
		n->link_down++;
	if (overdue(&n->status, LOOKS))
		judged(c, "net.link-from-status",
		       broken(c, "an interrupt told of a new config space, and the status of the "
		                 "link was not read"));
	if (overdue(&n->speed, LOOKS))
		judged(c, "net.speed-reread",
		       broken(c, "the link came up, and its speed was not read again"));
	if (overdue(&n->announce_ack, LOOKS))
		judged(c, "announce.ack",
		       broken(c, "ANNOUNCE was read in the status, and not acknowledged"));
	if (overdue(&n->announce_peers, LOOKS))
		judged(c, "announce.peers",
		       broken(c, "ANNOUNCE was read in the status, and no frame told the peers"));
}

/* Behind the last access. */
static uint8_t status_of(const struct check *c)
{
	const struct virtio_access *a = &c->last;

	return writes(a, VIRTIO_MMIO_STATUS) ? (uint8_t)a->val : a->status;
}

static void look_for_an_end(struct check *c)
{
	/* Version 1 has no FEATURES_OK. */
	const uint8_t over =
		VIRTIO_CONFIG_S_FAILED | VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK;
	const uint8_t status = status_of(c);
	struct check_net *n = &c->net;

	if (!(status & VIRTIO_CONFIG_S_DRIVER) || (status & over) || c->ok_written ||
	    c->accesses != n->accesses) {
		n->accesses = c->accesses;
		n->gave_up = 1;
	} else if (overdue(&n->gave_up, LOOKS_GAVE_UP)) {
		judged(c, "feat.fail-when-unusable",
		       broken(c,
		              "nothing has happened for seconds, and Status is 0x%02x: neither "
		              "%s nor FAILED",
		              status, c->dev.legacy ? "DRIVER_OK" : "FEATURES_OK"));
	}
}

/* The device has refused the features: who does not begin anew gives up, and says so. */
static void look_for_failed(struct check *c)
{
	const uint8_t status = status_of(c);
	struct check_net *n = &c->net;

	if (!c->refused || c->live || (status & VIRTIO_CONFIG_S_FAILED) ||
	    c->accesses != n->refused_accesses) {
		n->refused_accesses = c->accesses;
		n->refused = 1;
	} else if (overdue(&n->refused, LOOKS_GAVE_UP)) {
		judged(c, "init.set-failed-on-error",
		       broken(c,
		              "FEATURES_OK was refused, nothing has happened for seconds, and "
		              "Status is 0x%02x, without FAILED",
		              status));
	}
}

/* ---- queues */

/* The available index, and how many buffers the device has or could take. */
static bool ring_holds(const struct check_queue *q, uint16_t *avail, uint16_t *nr)
{
	if (!q->served || !q->ready || !ring_offered(q, avail))
		return false;
	*nr = (uint16_t)(*avail - q->looked + q->outstanding);
	return true;
}

static const char *rule_of_empty(const struct check_queue *q, uint16_t avail)
{
	if (avail != 0 || q->offered)
		return "net.rx-replenish";
	return q->index == 0 ? "net.rx-filled-at-start" : "net.rx-mq-populate";
}

/* An interface that is down sends nothing, and needs no buffers. */
static void look_for_buffers(struct check_queue *q)
{
	struct check *c = q->c;
	uint16_t avail, nr;

	if (!ring_holds(q, &avail, &nr))
		return;
	if (nr == 0 && q->dry && avail == q->dry_avail) {
		if (c->net.sent != q->dry_sent && overdue(&q->dry, LOOKS))
			judged(c, rule_of_empty(q, avail),
			       broken(c,
			              "queue %u has had no buffers for a second, in which %llu "
			              "frames were sent; the available index is %u",
			              q->index, (unsigned long long)(c->net.sent - q->dry_sent),
			              avail));
		return;
	}
	if (nr > 0) {
		judged(c, q->index ? "net.rx-mq-populate" : "net.rx-filled-at-start", KEPT);
		judged(c, "net.rx-replenish", keeps(avail != nr && avail != q->dry_avail));
	}
	q->dry = nr == 0;
	q->dry_avail = avail;
	q->dry_sent = c->net.sent;
}

/* ---- pairs that are off */

static void judge_idle(struct check_queue *q, uint16_t was, uint16_t avail)
{
	struct check *c = q->c;
	const struct check_net *n = &c->net;
	const char *id = n->pairs_refused ? "ctrl.check-ack"
	                 : n->pairs_said  ? "mq.tx-within-pairs"
	                                  : "mq.tx1-before";

	judged(c, id,
	       was == avail
	               ? KEPT
	               : broken(c,
	                        "queue %u: the available index went from %u to %u, and %u pairs "
	                        "are on%s",
	                        q->index, was, avail, n->pairs,
	                        n->pairs_refused ? ": more were refused" : ""));
}

/*
 * Behind a command that switches pairs off there may be what was on its way, and drivers (Linux) that take their own
 * queues down behind it: from the second look on nothing may come.
 */
static void look_at_idle(struct check_queue *q)
{
	const struct check_net *n = &q->c->net;
	uint16_t avail, nr;

	if (!ring_holds(q, &avail, &nr))
		return;
	if (n->pairs_said && n->pairs_looks < 2)
		q->idle_known = false;
	else if (q->idle_known || !n->pairs_said)
		judge_idle(q, q->idle_known ? q->idle_avail : 0, avail);
	q->idle_known = !n->pairs_said || n->pairs_looks >= 2;
	q->idle_avail = avail;
}

static void look_at_pairs(struct check *c, bool rx)
{
	for (unsigned i = 0; i < c->dev.nr_queues; i++) {
		struct check_queue *q = &c->queue[i];
		const bool on = i / 2 < c->net.pairs;
		const enum queue_kind kind = check_queue_kind(c, i);

		if (kind == QUEUE_TX && !on && net_has_several(c))
			look_at_idle(q);
		else
			q->idle_known = false;
		if (rx && kind == QUEUE_RX && (c->net.rx_pairs >> i / 2 & 1))
			look_for_buffers(q);
	}
}

void late_tx_early(struct check *c)
{
	if (!c->net.pairs_said)
		look_at_pairs(c, false);
}

void late_end(struct check *c)
{
	if (c->offer_refused)
		judged(c, "feat.fallback",
		       broken(c,
		              "it gave up (FAILED) before FEATURES_OK, when 0x%" PRIx64
		              " were offered, and did not begin anew",
		              c->dev.offered));
}

void late_look(struct check *c)
{
	if (c->net.pairs_looks < 2)
		c->net.pairs_looks++;
	if (c->failed)
		c->failed++;
	if (overdue(&c->torn, LOOKS))
		judged(c, "cfg.generation-loop", keeps_torn(c));
	look_for_answers(c);
	look_for_an_end(c);
	look_for_failed(c);
	look_at_pairs(c, true);
}
