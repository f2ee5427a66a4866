// SPDX-License-Identifier: Apache-2.0
/* What a provoked device's registers and config space say, and what happens to all of it at once. */
#include "check/provoke.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "check/peer.h"
#include "check/provoke_priv.h"
#include "check/registers.h"
#include "devices/net_features.h"
#include "devices/virtio.h"
#include "devices/virtio_mmio.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/nic_config.h"

#define STEPS                                                                               \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK | \
	 VIRTIO_CONFIG_S_FEATURES_OK)
#define MAC_LEN      6u
#define TEARS        3u
#define SLOW_READS   3u
#define CHANGES_MAX  2u
#define CHANGE_TRIES 25u  /* turns of the peer's timer, for all of them */
#define SPURIOUS_MAX 200u /* Linux shuts a line after 100000 that nobody wanted */

/* The mixing function of splitmix64, by its constants. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t dice_roll(struct dice *d)
{
	const uint64_t n = atomic_fetch_add_explicit(&d->drawn, 1, memory_order_relaxed) + 1;

	return mix(d->seed + n * UINT64_C(0x9e3779b97f4a7c15));
}

static struct provoke *provoke_of(struct virtio_provoke *hooks)
{
	return container_of(hooks, struct provoke, hooks);
}

/* ---- registers */

static bool is_readable(const struct provoke *p, uint32_t off)
{
	const enum register_kind kind = register_kind(off, p->legacy);

	return kind == READ_ONLY || kind == BOTH;
}

/* One read less is answered with what the register was. Any vCPU. */
static bool is_slow(_Atomic unsigned *reads)
{
	unsigned left = atomic_load(reads);

	while (left && !atomic_compare_exchange_weak(reads, &left, left - 1))
		;
	return left;
}

/* P_UNKNOWN_FEATURES: once the driver has given up, it is shown that nothing else was the reason. */
static uint32_t offered_word(struct provoke *p, uint32_t val)
{
	const uint32_t sel = atomic_load(&p->feature_sel);

	if (atomic_load(&p->known_only))
		return sel == 1 ? val & ~PROVOKE_UNKNOWN_WORD1 : val;
	return sel > 1 ? UINT32_MAX : val;
}

static uint32_t on_read(struct virtio_provoke *hooks, uint32_t off, uint32_t val)
{
	struct provoke *p = provoke_of(hooks);

	atomic_store(&p->raced, false);
	if (!is_readable(p, off) && provoke_on(p, P_POISON)) {
		provoke_count(p, P_POISON);
		return (uint32_t)dice_roll(&p->dice);
	}
	if (off == VIRTIO_MMIO_STATUS && atomic_load(&p->failing))
		return val | VIRTIO_CONFIG_S_NEEDS_RESET;
	if (off == VIRTIO_MMIO_DEVICE_FEATURES && provoke_on(p, P_UNKNOWN_FEATURES))
		return offered_word(p, val);
	if (off == VIRTIO_MMIO_QUEUE_NUM_MAX && provoke_on(p, P_ODD_QUEUES))
		return provoke_num_max(p, atomic_load(&p->queue_sel), val);
	if (off == VIRTIO_MMIO_INTERRUPT_STATUS && provoke_on(p, P_ISR_BITS)) {
		provoke_count(p, P_ISR_BITS);
		return val | ((uint32_t)dice_roll(&p->dice) &
		              ~(uint32_t)(VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG));
	}
	if (off == VIRTIO_MMIO_STATUS && is_slow(&p->slow_reset)) {
		provoke_count(p, P_SLOW_RESET);
		return atomic_load(&p->slow_status);
	}
	if (off == VIRTIO_MMIO_QUEUE_READY && is_slow(&p->slow_ready)) {
		provoke_count(p, P_SLOW_READY);
		return 1;
	}
	return val;
}

/* False: it takes two steps at once. */
static bool one_step(struct provoke *p, uint32_t val)
{
	const uint32_t steps = val & ~(uint32_t)p->dev->status & STEPS;

	if (!provoke_on(p, P_STRICT_STATUS))
		return true;
	provoke_count(p, P_STRICT_STATUS);
	return (steps & (steps - 1)) == 0;
}

static void late_frames(void *arg)
{
	const struct provoke *p = arg;

	if (p->late)
		p->late(p->late_arg);
}

/* What the hooks remember of a device that begins. */
static void forget(struct provoke *p)
{
	atomic_store(&p->refusing, false);
	atomic_store(&p->failing, false);
	atomic_store(&p->blind, false);
	atomic_store(&p->slow_ready, 0);
	atomic_store(&p->slow_reset, 0);
	atomic_store(&p->ready, 0);
	atomic_store(&p->queue_sel, 0);
	atomic_store(&p->feature_sel, 0);
}

/* As long as it has not been reset, the device is right to use what it has. */
static void reset_write(struct provoke *p)
{
	const uint32_t was = p->dev->status;

	if (provoke_on(p, P_LATE_FRAMES) && (p->dev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
		provoke_count(p, P_LATE_FRAMES);
		loop_call(p->dev->loop, late_frames, p);
	}
	forget(p);
	if (was && provoke_on(p, P_SLOW_RESET)) {
		atomic_store(&p->slow_status, was);
		atomic_store(&p->slow_reset, SLOW_READS);
	}
}

/* FEATURES_OK is written: is it not to be set? */
static bool refuses(struct provoke *p)
{
	if (p->dev->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return false;                 /* it is */
	if (provoke_on(p, P_STRICT_FEATURES)) /* by the device itself */
		provoke_count(p, P_STRICT_FEATURES);
	if (p->demanded) {
		provoke_count(p, P_DEMANDED_FEATURE);
		if (!(p->dev->asked & p->demanded))
			return true;
	}
	if (provoke_on(p, P_NEVER_OK)) {
		provoke_count(p, P_NEVER_OK);
		return true;
	}
	if (!provoke_on(p, P_FEATURES_REFUSED) || atomic_exchange(&p->refused, true))
		return false;
	provoke_count(p, P_FEATURES_REFUSED);
	return true;
}

static bool status_write(struct provoke *p, uint32_t *val)
{
	if (*val == 0) {
		reset_write(p);
		return true;
	}
	if (!one_step(p, *val))
		return false;
	if ((*val & VIRTIO_CONFIG_S_FEATURES_OK) && !atomic_load(&p->refusing) && refuses(p))
		atomic_store(&p->refusing, true);
	if ((*val & VIRTIO_CONFIG_S_FEATURES_OK) && provoke_on(p, P_EARLY_FAILURE) &&
	    !atomic_exchange(&p->failed, true)) {
		atomic_store(&p->failing, true);
		provoke_count(p, P_EARLY_FAILURE);
	}
	if ((*val & VIRTIO_CONFIG_S_FAILED) && !(p->dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		atomic_store(&p->known_only, true);
	if ((*val & VIRTIO_CONFIG_S_DRIVER_OK) && atomic_load(&p->refusing))
		atomic_store(&p->insisted, true);
	if (atomic_load(&p->failing)) { /* who looks only behind DRIVER_OK is right, too */
		atomic_store(&p->blind, !(*val & VIRTIO_CONFIG_S_FAILED));
		*val &= ~(uint32_t)VIRTIO_CONFIG_S_DRIVER_OK;
	}
	if (atomic_load(&p->refusing))
		*val &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	return true;
}

static bool is_queue_register(uint32_t off)
{
	return off == VIRTIO_MMIO_QUEUE_NUM || off == VIRTIO_MMIO_QUEUE_READY ||
	       (off >= VIRTIO_MMIO_QUEUE_DESC_LOW && off <= VIRTIO_MMIO_QUEUE_USED_HIGH);
}

static uint32_t selected_bit(struct provoke *p)
{
	const uint32_t queue = atomic_load(&p->queue_sel);

	return queue < PROVOKE_QUEUES ? 1u << queue : 0;
}

static void ready_write(struct provoke *p, uint32_t val)
{
	const uint32_t bit = selected_bit(p);

	if (val)
		atomic_fetch_or(&p->ready, bit);
	else if (atomic_fetch_and(&p->ready, ~bit) & bit)
		atomic_store(&p->slow_ready, provoke_on(p, P_SLOW_READY) ? SLOW_READS : 0);
}

static bool queue_write(struct provoke *p, uint32_t off, uint32_t val)
{
	if (provoke_on(p, P_LATE_QUEUES)) {
		provoke_count(p, P_LATE_QUEUES);
		if (!(p->dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
			return false;
	}
	if (off == VIRTIO_MMIO_QUEUE_READY) {
		ready_write(p, val);
	} else if (provoke_on(p, P_LOCKED_QUEUES) && (atomic_load(&p->ready) & selected_bit(p))) {
		provoke_count(p, P_LOCKED_QUEUES);
		return false;
	}
	return true;
}

static void flush(void *net)
{
	virtio_net_flush(net);
}

/* What has waited for this is used now, and only then the bits go down. */
static void ack_write(struct provoke *p)
{
	if (!provoke_on(p, P_ACK_RACE))
		return;
	for (unsigned i = 0; i < PROVOKE_QUEUES; i++)
		atomic_store(&p->queue[i].acknowledged, true);
	loop_call(p->dev->loop, flush, p->net);
}

static void flush_in_kick(void *arg)
{
	struct provoke *p = arg;

	/*
	 * What it kicks for first: later kicks are needed then, and who answers what is shown now cannot be taken for one who
	 * has not seen it.
	 */
	p->in_kick = true;
	virtio_net_take(p->net);
	virtio_net_flush(p->net);
	p->in_kick = false;
}

/* Of a transmit queue; with NOTIFICATION_DATA its number is in the lower half. */
static void kick_write(struct provoke *p, uint32_t val)
{
	if (provoke_on(p, P_KICK_RACE) && val % 2 && (val & UINT16_MAX) < PROVOKE_QUEUES)
		loop_call(p->dev->loop, flush_in_kick, p);
}

/* Gives the device a queue, or takes it back. */
static bool gives_queue(const struct provoke *p, uint32_t off)
{
	return off == (p->legacy ? VIRTIO_MMIO_QUEUE_PFN : VIRTIO_MMIO_QUEUE_READY);
}

static bool on_write(struct virtio_provoke *hooks, uint32_t off, uint32_t *val)
{
	struct provoke *p = provoke_of(hooks);

	atomic_store(&p->raced, false);
	if (atomic_load(&p->slow_reset) && (off != VIRTIO_MMIO_STATUS || *val != 0)) {
		/* Of what is lost, what follows comes; of a handler's acknowledgement nothing does. */
		if (p->on_illegal && off != VIRTIO_MMIO_INTERRUPT_ACK)
			p->on_illegal(p->on_illegal_arg);
		return false;
	}
	if (provoke_on(p, P_SHARED_LINE) && (off == VIRTIO_MMIO_STATUS || gives_queue(p, off)))
		provoke_ask(p, ACT_SHARED_LINE);
	if (off == VIRTIO_MMIO_STATUS)
		return status_write(p, val);
	if (off == VIRTIO_MMIO_QUEUE_SEL)
		atomic_store(&p->queue_sel, *val);
	else if (off == VIRTIO_MMIO_DEVICE_FEATURES_SEL)
		atomic_store(&p->feature_sel, *val);
	else if (off == VIRTIO_MMIO_INTERRUPT_ACK)
		ack_write(p);
	else if (off == VIRTIO_MMIO_QUEUE_NOTIFY)
		kick_write(p, *val);
	else if (is_queue_register(off))
		return queue_write(p, off, *val);
	return true;
}

/* ---- the control queue */

static bool on_ctrl(struct virtio_provoke *hooks, uint8_t class)
{
	struct provoke *p = provoke_of(hooks);

	if (!provoke_on(p, P_CTRL_ERROR))
		return false;
	provoke_count(p, P_CTRL_ERROR);
	return p->ctrl_commands[class]++ % 2;
}

static uint8_t on_ctrl_ack(struct virtio_provoke *hooks, uint8_t ack)
{
	struct provoke *p = provoke_of(hooks);

	if (!provoke_on(p, P_CTRL_ACK))
		return ack;
	provoke_count(p, P_CTRL_ACK);
	return (uint8_t)(2 + dice_below(&p->dice, 254));
}

/* ---- what takes the device's own calls */

void provoke_ask(struct provoke *p, unsigned acts)
{
	const unsigned before = atomic_fetch_or(&p->todo, acts);

	if ((before & acts) != acts && p->act_fd >= 0)
		fd_event_set(p->act_fd);
}

static void spurious(struct provoke *p)
{
	if (p->interrupts++ >= SPURIOUS_MAX)
		return;
	provoke_count(p, P_SPURIOUS);
	if (dice_below(&p->dice, 2))
		virtio_used(p->dev);
	else if (p->dev->tops)
		p->dev->tops->interrupt(p->dev->transport);
}

static bool is_live(const struct provoke *p)
{
	return p->dev->status & VIRTIO_CONFIG_S_DRIVER_OK;
}

/* Nothing of ours is pending: it is somebody else's. */
static void share_line(struct provoke *p)
{
	if (is_live(p) || virtio_isr(p->dev) || !p->dev->tops || p->neighbours++ >= SPURIOUS_MAX)
		return;
	provoke_count(p, P_SHARED_LINE);
	p->dev->tops->interrupt(p->dev->transport);
}

static void raise_line(struct provoke *p)
{
	if (virtio_isr(p->dev) && p->dev->tops)
		p->dev->tops->interrupt(p->dev->transport);
}

static void link_goes_down(struct provoke *p)
{
	p->link_down = true;
	p->down_seen = false;
	provoke_count(p, P_LINK_FLAP);
	virtio_net_set_link(p->net, false);
}

bool provoke_changes(const struct provoke *p)
{
	return provoke_on(p, P_BOTH_BITS) && is_live(p) &&
	       (p->dev->accepted & FEATURE(VIRTIO_NET_F_STATUS)) && p->changes < CHANGES_MAX &&
	       p->change_tries < CHANGE_TRIES;
}

/* The driver is at rest, so it will see nothing but that the link goes down. */
static void change(struct provoke *p)
{
	if (!provoke_changes(p))
		return;
	p->change_tries++;
	if (!p->link_down && virtio_net_link(p->net) && !virtio_isr(p->dev))
		link_goes_down(p);
}

/* And now both, with one interrupt: whoever overlooks the change takes the link for down, and nothing tells him again. */
static void change_and_use(struct provoke *p)
{
	p->changes++;
	p->dev->holds_line = true;
	virtio_net_set_link(p->net, true);
	if (p->late)
		p->late(p->late_arg);
	virtio_net_flush(p->net);
	virtio_used(p->dev); /* also when the driver wants to hear of nothing */
	p->dev->holds_line = false;
	raise_line(p);
}

/* Is it to stay down, for a driver that has not seen it? */
static bool stays_down(const struct provoke *p)
{
	return provoke_changes(p) && !p->down_seen;
}

void provoke_act(struct provoke *p)
{
	const unsigned acts = atomic_exchange(&p->todo, 0);

	if (acts & ACT_LINE)
		raise_line(p);
	if ((acts & ACT_LINK_UP) && p->link_down && is_live(p) && !stays_down(p)) {
		p->link_down = false;
		/* Either way, for who records it. */
		provoke_count(p, provoke_on(p, P_LATE_LINK) && !provoke_times(p, P_LINK_FLAP)
		                         ? P_LATE_LINK
		                         : P_LINK_FLAP);
		if (provoke_changes(p))
			change_and_use(p);
		else
			virtio_net_set_link(p->net, true);
	} else if ((acts & ACT_LINK) && !p->link_down && virtio_net_link(p->net)) {
		link_goes_down(p);
	} else if (acts & ACT_CHANGE) {
		change(p);
	}
	if ((acts & ACT_ANNOUNCE) && (p->dev->accepted & FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE))) {
		provoke_count(p, P_ANNOUNCE);
		virtio_net_announce(p->net);
	}
	if ((acts & ACT_EARLY_ANNOUNCE) && p->early_announce && is_live(p) &&
	    (p->dev->accepted & FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE))) {
		p->early_announce = false;
		provoke_count(p, P_EARLY_ANNOUNCE);
		virtio_net_announce(p->net);
	}
	if (acts & ACT_JOIN)
		provoke_join(p);
	if (acts & ACT_SHARED_LINE)
		share_line(p);
	if (acts & ACT_SPURIOUS)
		spurious(p);
	if (acts & ACT_UNASKED) {
		provoke_count(p, P_UNASKED);
		virtio_used(p->dev);
	}
	if ((acts & ACT_NEEDS_RESET) && atomic_load(&p->times[P_NEEDS_RESET]) == 0) {
		provoke_count(p, P_NEEDS_RESET);
		virtio_failed(p->dev, "provoked: it needs a reset");
	}
}

void provoke_switch(struct provoke *p, int round)
{
	provoke_set on = 0;

	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		if (provocations[i].when == PROVOKE_AT_BOOT)
			on |= p->set & PROVOKE_BIT(i);
	if (round >= 0)
		on |= PROVOKE_BIT(round);
	if (round >= 0 && provocations[round].tag >= PROVOKE_ILLEGAL && p->on_illegal)
		p->on_illegal(p->on_illegal_arg);
	if (round >= 0) {
		p->accepted = p->dev->accepted;
		atomic_store(&p->parts, 0);
	}
	p->round = round;
	p->interrupts = p->overlooked = p->changes = p->change_tries = 0;
	p->baited = p->joined = false;
	atomic_store(&p->raced, false);
	for (unsigned i = 0; i < PROVOKE_QUEUES; i++)
		p->queue[i].lies = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(p->on); i++)
		atomic_store(&p->on[i], (uint64_t)(on >> 64 * i));
	if (p->link_down)
		provoke_ask(p, ACT_LINK_UP);
}

/* ---- verdicts */

static enum provoke_verdict judge(const struct provoke_result *r, uint64_t times)
{
	if (r->verdict == PROVOKE_STUCK || r->verdict == PROVOKE_NOT_TRIED)
		return r->verdict;
	if (r->corrupt)
		return PROVOKE_CORRUPTED;
	if (r->rebooted)
		return PROVOKE_REBOOTED;
	if (times == 0)
		return PROVOKE_NO_OCCASION;
	return r->lost ? PROVOKE_LOST : PROVOKE_SURVIVED;
}

void provoke_note(struct provoke *p, int round, const struct provoke_result *r)
{
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++) {
		const bool its =
			round >= 0 ? (int)i == round : provocations[i].when == PROVOKE_AT_BOOT;

		if (!its || !(p->set & PROVOKE_BIT(i)))
			continue;
		p->result[i] = *r;
		p->result[i].times = atomic_load(&p->times[i]);
		p->result[i].accepted = p->accepted;
		p->result[i].parts = atomic_load(&p->parts);
		p->result[i].verdict = judge(r, p->result[i].times);
	}
}

/* Nobody has to come up with these; but nobody may go on as if nothing had been. */
#define MAY_GIVE_UP                                                                             \
	(PROVOKE_BIT(P_FEATURES_REFUSED) | PROVOKE_BIT(P_NEVER_OK) |                            \
	 PROVOKE_BIT(P_EARLY_FAILURE) | PROVOKE_BIT(P_ORPHANS) | PROVOKE_BIT(P_VERSION_ALONE) | \
	 PROVOKE_BIT(P_TINY_QUEUES) | PROVOKE_BIT(P_DEMANDED_FEATURE))

static void note_giving_up(struct provoke *p)
{
	const bool insisted = atomic_load(&p->insisted) || atomic_load(&p->blind);
	bool why = false;

	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		why |= (p->set & MAY_GIVE_UP & PROVOKE_BIT(i)) && atomic_load(&p->times[i]) > 0;
	p->gave_up = why && !insisted && !p->baseline && !p->was_live;
	for (unsigned i = 0; i < NR_PROVOCATIONS && p->gave_up; i++) {
		struct provoke_result *r = &p->result[i];
		const bool its = (MAY_GIVE_UP & PROVOKE_BIT(i)) && atomic_load(&p->times[i]) > 0;

		r->times = atomic_load(&p->times[i]);
		if (p->set & PROVOKE_BIT(i))
			r->verdict = its ? PROVOKE_SURVIVED : PROVOKE_NOT_TRIED;
	}
}

/* Of what is there since the boot, behind the first answers: a reset at the end, say. */
static void note_late_occasions(struct provoke *p)
{
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++) {
		struct provoke_result *r = &p->result[i];

		if (provocations[i].when != PROVOKE_AT_BOOT || r->verdict == PROVOKE_UNUSED)
			continue;
		r->times = atomic_load(&p->times[i]);
		if (r->verdict == PROVOKE_NO_OCCASION)
			r->verdict = judge(r, r->times);
	}
}

void provoke_cut(struct provoke *p, bool late)
{
	p->cut = !late || p->baseline;
}

void provoke_end(struct provoke *p)
{
	const bool gave_up = p->dev && (p->dev->status & VIRTIO_CONFIG_S_FAILED);
	const struct provoke_result stuck = {.verdict = PROVOKE_STUCK, .cut = !gave_up};

	if (!p->cut && (!p->baseline || p->round >= 0))
		provoke_note(p, p->baseline ? p->round : -1, &stuck);
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		if ((p->set & PROVOKE_BIT(i)) && p->result[i].verdict == PROVOKE_UNUSED)
			p->result[i].verdict = PROVOKE_NOT_TRIED;
	note_late_occasions(p);
	note_giving_up(p);
}

bool provoke_alone(const struct provoke *p, enum provoke_id id)
{
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		if (i != id && (p->set & PROVOKE_BIT(i)) && provocations[i].when == PROVOKE_AT_BOOT)
			return false;
	return true;
}

const struct provoke_result *provoke_result(const struct provoke *p, enum provoke_id id)
{
	return &p->result[id];
}

bool provoke_failed(const struct provoke *p)
{
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		if (p->result[i].verdict == PROVOKE_STUCK ||
		    p->result[i].verdict == PROVOKE_CORRUPTED)
			return true;
	return false;
}

bool provoke_gave_up(const struct provoke *p)
{
	return p->gave_up;
}

void provoke_wait(struct provoke *p, bool paused)
{
	atomic_store(&p->paused, paused);
}

void provoke_cpu_time(struct provoke *p, void (*fn)(void *arg, struct task *now), void *arg)
{
	p->cpu_time = fn;
	p->cpu_time_arg = arg;
}

uint64_t provoke_times(const struct provoke *p, enum provoke_id id)
{
	return atomic_load_explicit(&p->times[id], memory_order_relaxed);
}

bool provoke_in_force(const struct provoke *p, enum provoke_id id)
{
	return provoke_on(p, id);
}

bool provoke_done(const struct provoke *p)
{
	return atomic_load(&p->done);
}

/* ---- life */

static struct vq_provoke *on_queue(struct virtio_provoke *hooks, unsigned queue)
{
	struct provoke *p = provoke_of(hooks);

	p->was_live = true;
	provoke_queue_begin(&p->queue[queue]);
	if (p->hooks.first_kick)
		provoke_count(p, P_FIRST_KICK);
	return &p->queue[queue].hooks;
}

/* Of two that exclude each other the seed says which: in one of @n times @seldom. */
static void choose(struct provoke *p, enum provoke_id seldom, enum provoke_id often, unsigned n)
{
	const provoke_set both = PROVOKE_BIT(seldom) | PROVOKE_BIT(often);

	if ((p->set & both) == both)
		p->set &= ~(dice_below(&p->dice, n) ? PROVOKE_BIT(seldom) : PROVOKE_BIT(often));
}

static void choose_between(struct provoke *p)
{
	choose(p, P_POLLING, P_FIRST_KICK, 2);
	/* Without what stands behind the address much else has no occasion. */
	choose(p, P_SHORT_CONFIG, P_CONFIG_TAIL, 4);
	if (p->set & PROVOKE_BIT(P_SHORT_CONFIG))
		p->set &= ~PROVOKE_BIT(P_GATED_CONFIG);
	if (p->set & PROVOKE_BIT(P_TINY_QUEUES))
		p->set &= ~PROVOKE_BIT(P_QUEUE_SIZES);
}

int provoke_create(provoke_set set, uint64_t seed, struct provoke **out)
{
	struct provoke *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return -ENOMEM;
	p->set = set;
	p->dice.seed = mix(seed);
	p->act_fd = -1;
	p->again_ns = PROVOKE_AGAIN_NS;
	p->tears = TEARS;
	choose_between(p);
	p->hooks = (struct virtio_provoke){
		.read = on_read,
		.write = on_write,
		.config_read = provoke_config_read,
		.ctrl_refused = on_ctrl,
		.ctrl_ack = on_ctrl_ack,
		.queue = on_queue,
		.first_kick = p->set & PROVOKE_BIT(P_FIRST_KICK),
	};
	for (unsigned i = 0; i < PROVOKE_QUEUES; i++)
		provoke_queue_init(&p->queue[i], p, i);
	provoke_switch(p, -1);
	return 0;
}

void provoke_destroy(struct provoke *p)
{
	free(p);
}

/* About registers and steps that version 1 does not have, or features behind its 32; the address has no generation there. */
#define VERSION_2                                                                                 \
	(PROVOKE_BIT(P_FEATURES_REFUSED) | PROVOKE_BIT(P_NEVER_OK) |                              \
	 PROVOKE_BIT(P_EARLY_FAILURE) | PROVOKE_BIT(P_LATE_QUEUES) | PROVOKE_BIT(P_TORN_CONFIG) | \
	 PROVOKE_BIT(P_SLOW_READY) | PROVOKE_BIT(P_LOCKED_QUEUES) | PROVOKE_BIT(P_ODD_QUEUES) |   \
	 PROVOKE_BIT(P_UNKNOWN_FEATURES) | PROVOKE_BIT(P_VERSION_ALONE) |                         \
	 PROVOKE_BIT(P_NEEDS_RESET) | PROVOKE_BIT(P_STRICT_FEATURES) |                            \
	 PROVOKE_BIT(P_DEMANDED_FEATURE) | PROVOKE_BIT(P_IN_ORDER))

void provoke_nic(struct provoke *p, struct nic_config *nic)
{
	static const uint16_t mtus[] = {68, 1280, 1500, 9000, 65535};

	if (nic->transport == NIC_MMIO_LEGACY) {
		p->legacy = true;
		p->set &= ~VERSION_2;
		provoke_switch(p, -1);
	}
	if (p->set & PROVOKE_BIT(P_SHORT_CONFIG))
		nic->window = VIRTIO_MMIO_CONFIG + MAC_LEN;
	else if (nic->mtu == 0 && (p->set & PROVOKE_BIT(P_MTU))) {
		nic->mtu = mtus[dice_below(&p->dice, ARRAY_SIZE(mtus))];
		provoke_count(p, P_MTU);
	}
	p->mtu = (unsigned)nic->mtu;
	p->never_kicked = nic->poll == POLL_ON || (p->set & PROVOKE_BIT(P_POLLING));
	if (p->set & PROVOKE_BIT(P_POLLING)) {
		nic->poll = POLL_ON;
		provoke_count(p, P_POLLING);
	}
	peer_take(nic, p);
}

void provoke_on_illegal(struct provoke *p, void (*fn)(void *arg), void *arg)
{
	p->on_illegal = fn;
	p->on_illegal_arg = arg;
}

void provoke_device(struct provoke *p, struct virtio_net *net)
{
	p->net = net;
	p->dev = virtio_net_dev(net);
	p->lives++;
	p->tears = TEARS;
	p->torn = p->link_down = false;
	p->neighbours = 0;
	p->demanded = 0;
	for (unsigned i = 0; i < PROVOKE_QUEUES; i++)
		p->queue[i].left_out = 0; /* a new device counts anew */
	forget(p);                        /* a guest that boots again finds a new one */
	atomic_store(&p->known_only, false);
	provoke_shape(p);
	p->dev->provoke = &p->hooks;
}
