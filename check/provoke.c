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

#define BIT(id) (UINT64_C(1) << (id))
#define STEPS                                                                               \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK | \
	 VIRTIO_CONFIG_S_FEATURES_OK)
#define MAC_LEN       6u
#define TEARS         3u
#define SLOW_READS    3u
#define SPURIOUS_MAX  200u /* Linux shuts a line after 100000 that nobody wanted */
#define UNKNOWN_FIRST 42u  /* feature bits that no version of the specification has */
#define UNKNOWN_LAST  49u

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

static bool is_readable(uint32_t off)
{
	const enum register_kind kind = register_kind(off, false);

	return kind == READ_ONLY || kind == BOTH;
}

/* One read of QueueReady less is answered with 1. Any vCPU. */
static bool is_slow(struct provoke *p)
{
	unsigned left = atomic_load(&p->slow_ready);

	while (left && !atomic_compare_exchange_weak(&p->slow_ready, &left, left - 1))
		;
	return left;
}

static uint32_t on_read(struct virtio_provoke *hooks, uint32_t off, uint32_t val)
{
	struct provoke *p = provoke_of(hooks);

	if (!is_readable(off) && provoke_on(p, P_POISON)) {
		provoke_count(p, P_POISON);
		return (uint32_t)dice_roll(&p->dice);
	}
	if (off == VIRTIO_MMIO_INTERRUPT_STATUS && provoke_on(p, P_ISR_BITS)) {
		provoke_count(p, P_ISR_BITS);
		return val | ((uint32_t)dice_roll(&p->dice) &
		              ~(uint32_t)(VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG));
	}
	if (off == VIRTIO_MMIO_QUEUE_READY && is_slow(p)) {
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

static bool status_write(struct provoke *p, uint32_t *val)
{
	if (*val == 0) {
		atomic_store(&p->refusing, false);
		atomic_store(&p->slow_ready, 0);
		atomic_store(&p->ready, 0);
		return true;
	}
	if (!one_step(p, *val))
		return false;
	if ((*val & VIRTIO_CONFIG_S_FEATURES_OK) && provoke_on(p, P_FEATURES_REFUSED) &&
	    !atomic_exchange(&p->refused, true)) {
		atomic_store(&p->refusing, true);
		provoke_count(p, P_FEATURES_REFUSED);
	}
	if (!atomic_load(&p->refusing))
		return true;
	if (*val & VIRTIO_CONFIG_S_DRIVER_OK)
		atomic_store(&p->insisted, true);
	*val &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	return true;
}

static bool is_queue_register(uint32_t off)
{
	return off == VIRTIO_MMIO_QUEUE_NUM || off == VIRTIO_MMIO_QUEUE_READY ||
	       (off >= VIRTIO_MMIO_QUEUE_DESC_LOW && off <= VIRTIO_MMIO_QUEUE_USED_HIGH);
}

static void ready_write(struct provoke *p, uint32_t val)
{
	const unsigned queue = atomic_load(&p->queue_sel) % PROVOKE_QUEUES;
	const uint32_t bit = 1u << queue;

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
	if (off == VIRTIO_MMIO_QUEUE_READY)
		ready_write(p, val);
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

static bool on_write(struct virtio_provoke *hooks, uint32_t off, uint32_t *val)
{
	struct provoke *p = provoke_of(hooks);

	if (off == VIRTIO_MMIO_STATUS)
		return status_write(p, val);
	if (off == VIRTIO_MMIO_QUEUE_SEL)
		atomic_store(&p->queue_sel, *val);
	else if (off == VIRTIO_MMIO_INTERRUPT_ACK)
		ack_write(p);
	else if (is_queue_register(off))
		return queue_write(p, off, *val);
	return true;
}

/* ---- the config space */

/* Between its third and its fourth byte the address becomes what it is: whoever read the first ones has another's. */
static void tear(struct provoke *p, uint32_t off, uint8_t *buf, uint32_t len)
{
	if (p->tears == 0 || off >= MAC_LEN || (off == 0 && len >= MAC_LEN))
		return;
	if (off < MAC_LEN / 2) {
		for (uint32_t i = 0; i < len && off + i < MAC_LEN; i++)
			buf[i] ^= 0x54; /* still an address of one station */
		p->torn = true;
	} else if (p->torn) {
		p->torn = false;
		p->tears--;
		provoke_count(p, P_TORN_CONFIG);
		atomic_fetch_add(&p->dev->config_generation, 1);
	}
}

static void on_config_read(struct virtio_provoke *hooks, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct provoke *p = provoke_of(hooks);
	const uint32_t end = p->dev->ops->config_len;
	const uint32_t status = offsetof(struct virtio_net_config, status);
	const bool has_status = off <= status + 1 && off + len > status;

	if (provoke_on(p, P_TORN_CONFIG) && (p->dev->offered & FEATURE(VIRTIO_NET_F_MAC)))
		tear(p, off, buf, len);
	if (provoke_on(p, P_CONFIG_TAIL) && off + len > end) {
		for (uint32_t i = off < end ? end - off : 0; i < len; i++)
			buf[i] = (uint8_t)dice_roll(&p->dice);
		provoke_count(p, P_CONFIG_TAIL);
	}
	if (!has_status || !(p->dev->offered & FEATURE(VIRTIO_NET_F_STATUS)))
		return;
	if (provoke_on(p, P_STATUS_BITS)) {
		for (uint32_t i = 0; i < len; i++)
			if (off + i == status)
				buf[i] |= 0xff & ~(VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
			else if (off + i == status + 1)
				buf[i] = 0xff;
		provoke_count(p, P_STATUS_BITS);
	}
	if (p->link_down)
		provoke_ask(p, ACT_LINK_UP);
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

void provoke_act(struct provoke *p)
{
	const unsigned acts = atomic_exchange(&p->todo, 0);

	if ((acts & ACT_LINK_UP) && p->link_down) {
		p->link_down = false;
		provoke_count(p, P_LINK_FLAP); /* either way, for who records it */
		virtio_net_set_link(p->net, true);
	} else if ((acts & ACT_LINK) && !p->link_down && virtio_net_link(p->net)) {
		p->link_down = true;
		provoke_count(p, P_LINK_FLAP);
		virtio_net_set_link(p->net, false);
	}
	if ((acts & ACT_ANNOUNCE) && (p->dev->accepted & FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE))) {
		provoke_count(p, P_ANNOUNCE);
		virtio_net_announce(p->net);
	}
	if (acts & ACT_SPURIOUS)
		spurious(p);
	if ((acts & ACT_NEEDS_RESET) && atomic_load(&p->times[P_NEEDS_RESET]) == 0) {
		provoke_count(p, P_NEEDS_RESET);
		virtio_failed(p->dev, "provoked: it needs a reset");
	}
}

void provoke_switch(struct provoke *p, int round)
{
	uint64_t on = 0;

	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		if (provocations[i].when == PROVOKE_AT_BOOT)
			on |= p->set & BIT(i);
	if (round >= 0)
		on |= BIT(round);
	if (round >= 0 && provocations[round].tag >= PROVOKE_ILLEGAL && p->on_illegal)
		p->on_illegal(p->on_illegal_arg);
	p->round = round;
	p->interrupts = 0;
	for (unsigned i = 0; i < PROVOKE_QUEUES; i++)
		p->queue[i].lies = 0;
	atomic_store(&p->on, on);
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
	if (times == 0)
		return PROVOKE_NO_OCCASION;
	return r->lost ? PROVOKE_LOST : PROVOKE_SURVIVED;
}

void provoke_note(struct provoke *p, int round, const struct provoke_result *r)
{
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++) {
		const bool its =
			round >= 0 ? (int)i == round : provocations[i].when == PROVOKE_AT_BOOT;

		if (!its || !(p->set & BIT(i)))
			continue;
		p->result[i] = *r;
		p->result[i].times = atomic_load(&p->times[i]);
		p->result[i].verdict = judge(r, p->result[i].times);
	}
}

/* Nobody has to come up after that; but nobody may go on. */
static void note_refusal(struct provoke *p)
{
	struct provoke_result *r = &p->result[P_FEATURES_REFUSED];

	r->times = atomic_load(&p->times[P_FEATURES_REFUSED]);
	if (!(p->set & BIT(P_FEATURES_REFUSED)) || r->times == 0)
		return;
	r->verdict = atomic_load(&p->insisted) ? PROVOKE_STUCK : PROVOKE_SURVIVED;
}

void provoke_end(struct provoke *p)
{
	const struct provoke_result stuck = {.verdict = PROVOKE_STUCK};

	if (!p->baseline)
		provoke_note(p, -1, &stuck);
	else if (p->round >= 0)
		provoke_note(p, p->round, &stuck);
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		if ((p->set & BIT(i)) && p->result[i].verdict == PROVOKE_UNUSED)
			p->result[i].verdict = PROVOKE_NOT_TRIED;
	note_refusal(p);
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
	return p->result[P_FEATURES_REFUSED].verdict == PROVOKE_SURVIVED && !p->baseline;
}

void provoke_wait(struct provoke *p, bool paused)
{
	atomic_store(&p->paused, paused);
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

	provoke_queue_begin(&p->queue[queue]);
	if (p->hooks.first_kick)
		provoke_count(p, P_FIRST_KICK);
	return &p->queue[queue].hooks;
}

/* Of two that exclude each other: the seed says which. */
static void choose_polling(struct provoke *p)
{
	const uint64_t both = BIT(P_POLLING) | BIT(P_FIRST_KICK);

	if ((p->set & both) == both)
		p->set &= ~(dice_below(&p->dice, 2) ? BIT(P_POLLING) : BIT(P_FIRST_KICK));
}

int provoke_create(uint64_t set, uint64_t seed, struct provoke **out)
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
	choose_polling(p);
	p->hooks = (struct virtio_provoke){
		.read = on_read,
		.write = on_write,
		.config_read = on_config_read,
		.ctrl_refused = on_ctrl,
		.ctrl_ack = on_ctrl_ack,
		.queue = on_queue,
		.first_kick = p->set & BIT(P_FIRST_KICK),
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

int provoke_nic(struct provoke *p, struct nic_config *nic)
{
	static const uint16_t mtus[] = {1280, 1500, 9000, 65535};

	if (nic->queues != 1) {
		log_error("--provoke: %s: queues=%u: allowed is 1, as its peer has one pair",
		          nic->name, (unsigned)nic->queues);
		return -EINVAL;
	}
	if (nic->transport != NIC_MMIO) {
		log_error("--provoke: %s: transport=mmio-legacy: allowed is mmio", nic->name);
		return -EINVAL;
	}
	if (nic->mtu == 0 && (p->set & BIT(P_MTU))) {
		nic->mtu = mtus[dice_below(&p->dice, ARRAY_SIZE(mtus))];
		provoke_count(p, P_MTU);
	}
	p->mtu = (unsigned)nic->mtu;
	if (p->set & BIT(P_POLLING)) {
		nic->poll = POLL_ON;
		provoke_count(p, P_POLLING);
	}
	peer_take(nic, p);
	return 0;
}

void provoke_on_illegal(struct provoke *p, void (*fn)(void *arg), void *arg)
{
	p->on_illegal = fn;
	p->on_illegal_arg = arg;
}

/* With each bit as the seed says, and what needs one that is missing is missing, too. */
static void fewer_features(struct provoke *p)
{
	const uint64_t before = p->dev->offered;
	uint64_t left = before;

	for (unsigned i = 0; i < 64; i++)
		if (i != VIRTIO_F_VERSION_1 && dice_below(&p->dice, 4) == 0)
			left &= ~FEATURE(i);
	p->dev->offered = net_features_close(left);
	if (p->dev->offered != before)
		provoke_count(p, P_FEWER_FEATURES);
}

static void choose_sizes(struct provoke *p)
{
	for (unsigned i = 0; i < p->dev->nr_queues; i++)
		p->dev->queue[i].num_max = 32u << dice_below(&p->dice, 6);
	provoke_count(p, P_QUEUE_SIZES);
}

/* Ready queues that have not begun: a driver that does not reset finds them in use. */
static void hand_over(struct provoke *p)
{
	struct virtio_dev *d = p->dev;
	struct virtio_mmio *t = d->transport;

	for (unsigned i = 0; i < d->nr_queues; i++) {
		d->queue[i].ready = true;
		d->queue[i].addr.num = 3;
	}
	d->asked = dice_roll(&p->dice);
	d->status =
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;
	atomic_fetch_or(d->isr, VIRTIO_ISR_USED | VIRTIO_ISR_CONFIG);
	if (t) {
		t->feature_sel = t->accept_sel = 1;
		t->queue_sel = d->nr_queues - 1;
	}
	provoke_count(p, P_DIRTY_HANDOVER);
}

void provoke_device(struct provoke *p, struct virtio_net *net)
{
	p->net = net;
	p->dev = virtio_net_dev(net);
	p->tears = TEARS;
	p->torn = p->link_down = false;
	if (provoke_on(p, P_FEWER_FEATURES))
		fewer_features(p);
	if (provoke_on(p, P_UNKNOWN_FEATURES)) {
		for (unsigned i = UNKNOWN_FIRST; i <= UNKNOWN_LAST; i++)
			p->dev->offered |= FEATURE(i);
		provoke_count(p, P_UNKNOWN_FEATURES);
	}
	if (provoke_on(p, P_QUEUE_SIZES))
		choose_sizes(p);
	if (provoke_on(p, P_DIRTY_HANDOVER))
		hand_over(p);
	p->dev->provoke = &p->hooks;
}
