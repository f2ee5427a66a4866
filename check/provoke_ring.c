// SPDX-License-Identifier: Apache-2.0
/* What a provoked device puts into its rings. */
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "check/provoke_priv.h"
#include "devices/net_features.h"
#include "devices/virtio.h"
#include "vmm/core/iov.h"

/* Turns of the loop that a batch waits at most: for company, for its time, for an acknowledgement. */
#define TURNS_REORDER 256u
#define TURNS_DELAY   128u
#define TURNS_ACK     512u
#define TURNS_STARVE  4096u
#define TURNS_DRY     256u
#define TURNS_JOIN    1024u /* in which a driver has come to rest */
#define STARVE_RINGS  2u
#define COMPANY       4u    /* buffers of which it is worth to change the order */
#define KEPT_MIN      16u   /* entries of a ring in which one less is no harm */
#define UNKNOWN_FLAG  0x10u /* and those above: of the flags of a received frame */
/* Of PROVOKE_AGAIN_NS: a few seconds in which the driver does nothing. */
#define OVERLOOKED_TRIES 15u
#define OVERLOOKED_MAX   3u /* once, what was shown may have been no question */
#define LIES_MAX         4u /* each may cost the driver a buffer for good */
#define FREE_MIN         8u /* ids of which one is not likely to be given out just now */

enum { RX, TX, CTRL }; /* kinds of queues */

static struct vq_used_elem *entry(const struct vq_batch *b, unsigned i)
{
	return &b->entry[(uint16_t)(b->from + i) % b->num];
}

static unsigned waiting(const struct vq_batch *b)
{
	return (uint16_t)(b->to - b->from);
}

/* One turn more, unless it has been @most of them: then all of it goes. True: it waits. */
static bool wait_on(struct provoke_queue *q, struct vq_batch *b, unsigned most)
{
	if (q->waited++ >= most) {
		q->waited = 0;
		return false;
	}
	b->to = b->from;
	return true;
}

static void swap(const struct vq_batch *b, unsigned i, unsigned k)
{
	const struct vq_used_elem was = *entry(b, i);

	*entry(b, i) = *entry(b, k);
	*entry(b, k) = was;
	if (b->slots) {
		const uint16_t slots = b->slots[i];

		b->slots[i] = b->slots[k];
		b->slots[k] = slots;
	}
}

/*
 * One that was drawn stays behind while several rings full of others pass it: until then it is the first that waits, and
 * is put behind the rest.
 */
static void starve(struct provoke_queue *q, struct vq_batch *b, unsigned others)
{
	if (q->starving > others)
		q->starving -= others;
	else if (q->starving == 0 && others >= COMPANY && dice_below(&q->dice, 2))
		q->starving = STARVE_RINGS * b->num;
	else
		q->starving = 0;
	if (q->starving)
		b->to--;
}

/* Are all that wait parts of frames that are known? Not behind a buffer that came back without one. */
static bool knows_frames(const struct provoke_queue *q, const struct vq_batch *b)
{
	unsigned buffers = 0;

	for (unsigned i = 0; i < q->nr_frames; i++)
		buffers += q->frames[i];
	return buffers == waiting(b);
}

/* The @nr buffers from @from on, of those in moved[], come from @at on. */
static void put_frame(struct provoke_queue *q, const struct vq_batch *b, unsigned from, unsigned nr,
                      unsigned at)
{
	for (unsigned i = 0; i < nr; i++) {
		*entry(b, at + i) = q->moved[from + i];
		if (b->slots)
			b->slots[at + i] = q->moved_slots[from + i];
	}
}

/* The parts of a frame come one behind the other (virtio 1.2, 5.1.6.4.1), and frames in any order. */
static void reorder_frames(struct provoke_queue *q, struct vq_batch *b)
{
	struct {
		uint16_t from, nr;
	} frame[VQ_NUM_MAX], drawn;
	unsigned at = 0;

	q->starving = 0;
	if (!knows_frames(q, b) || (q->nr_frames < COMPANY && wait_on(q, b, TURNS_REORDER)))
		return;
	q->waited = 0;
	for (unsigned i = 0; i < waiting(b); i++) {
		q->moved[i] = *entry(b, i);
		q->moved_slots[i] = b->slots ? b->slots[i] : 0;
	}
	for (unsigned i = 0; i < q->nr_frames; at += q->frames[i++]) {
		frame[i].from = u16_of(at);
		frame[i].nr = q->frames[i];
	}
	at = 0;
	for (unsigned i = 0; i < q->nr_frames; i++) {
		const unsigned k = i + dice_below(&q->dice, q->nr_frames - i);

		drawn = frame[k];
		frame[k] = frame[i];
		put_frame(q, b, drawn.from, drawn.nr, at);
		q->frames[i] = drawn.nr;
		at += drawn.nr;
	}
	if (q->nr_frames > 1)
		provoke_count(q->p, P_REORDER);
}

static void reorder(struct provoke_queue *q, struct vq_batch *b)
{
	const unsigned most = q->starving ? TURNS_STARVE : TURNS_REORDER;
	unsigned others = waiting(b);

	if (q->ordered || !b->entry || q->kind == CTRL)
		return;
	if (q->in_parts) {
		reorder_frames(q, b);
		return;
	}
	if (q->starving)
		swap(b, 0, --others);
	if (others < COMPANY && wait_on(q, b, most))
		return;
	if (others < COMPANY) /* nobody else comes */
		q->starving = 0;
	q->waited = 0;
	for (unsigned i = others; i > 1; i--)
		swap(b, i - 1, dice_below(&q->dice, i));
	if (others > 1)
		provoke_count(q->p, P_REORDER);
	starve(q, b, others);
}

static void delay(struct provoke_queue *q, struct vq_batch *b)
{
	if (q->patience == 0)
		q->patience = 1 + dice_below(&q->dice, TURNS_DELAY);
	if (wait_on(q, b, q->patience))
		return;
	q->patience = 0;
	provoke_count(q->p, P_DELAY);
	/* The parts of a received frame come together (virtio 1.2, 5.1.6.4.1). */
	if (b->entry && q->kind != RX)
		b->to = (uint16_t)(b->from + 1);
}

/* All at once, when the driver has none left; or when no more come. */
static void run_dry(struct provoke_queue *q, struct vq_batch *b)
{
	if (q->kind != RX || waiting(b) == 0)
		return;
	if (waiting(b) > q->gathered)
		q->waited = 0;
	q->gathered = waiting(b);
	if (q->gathered < b->num && wait_on(q, b, TURNS_DRY))
		return;
	q->waited = q->gathered = 0;
	provoke_count(q->p, P_DRY_RING);
}

/* The first one, for good. By its id: nobody else has that while it is out. */
static void keep_one(struct provoke_queue *q, struct vq_batch *b)
{
	unsigned i = 0;

	if (!q->kept) {
		if (!provoke_on(q->p, P_KEPT) || q->kind != TX || q->ordered || !b->entry ||
		    b->num < KEPT_MIN || waiting(b) == 0)
			return;
		q->kept = true;
		q->kept_id = le32toh(entry(b, 0)->id.raw);
	}
	while (i < waiting(b) && le32toh(entry(b, i)->id.raw) != q->kept_id)
		i++;
	if (i == waiting(b))
		return;
	swap(b, i, waiting(b) - 1);
	b->to--;
	b->content = waiting(b) == 0;
	provoke_count(q->p,
	              P_KEPT); /* of each batch that it is in: who records it asks by the count */
}

/* Of frames that are in one buffer each: what is behind the length has been written, and means nothing. */
static void shorten(struct provoke_queue *q, struct vq_batch *b)
{
	if (q->kind != RX || q->in_parts || !b->entry)
		return;
	for (unsigned i = 0; i < waiting(b); i++) {
		const uint32_t len = le32toh(entry(b, i)->len.raw);
		const uint32_t lengths[] = {0, 11, 12, 13, len ? len - 1 : 0};
		const uint32_t its = lengths[dice_below(&q->dice, ARRAY_SIZE(lengths))];

		if (its >= len || dice_below(&q->dice, 4))
			continue;
		entry(b, i)->len = le32_of(its);
		provoke_count(q->p, P_SHORT_LEN);
	}
}

/*
 * The first batch goes, and interrupts; the next one waits until that is being acknowledged: the driver, who looks at
 * the rings after that, finds it, and who had looked before does not.
 */
static void race(struct provoke_queue *q, struct vq_batch *b)
{
	const bool acknowledged = atomic_exchange(&q->acknowledged, false);

	if (!q->shown) {
		q->shown = true;
	} else if (acknowledged) {
		q->shown = false;
		q->waited = 0;
		provoke_count(q->p, P_ACK_RACE);
	} else if (!wait_on(q, b, TURNS_ACK)) {
		q->shown = false;
	}
}

/*
 * Nothing was written to them, so one entry says it of all: that of the last one, where the first one's would be. In the
 * places of the others (split) stands what stood there when the ring was new.
 */
static void merge(struct provoke_queue *q, struct vq_batch *b)
{
	const unsigned nr = b->entry ? waiting(b) : b->requests;

	if (q->kind != TX || !q->ordered || (nr < COMPANY && wait_on(q, b, TURNS_REORDER)))
		return;
	q->waited = 0;
	if (nr < 2)
		return;
	provoke_count(q->p, P_BATCHES);
	if (!b->entry)
		return;
	*entry(b, 0) = *entry(b, nr - 1);
	for (unsigned i = 1; i < nr; i++)
		*entry(b, i) = (struct vq_used_elem){.id = le32_of(0)};
}

/*
 * A frame is shown, and the others when the driver kicks its transmit queue for the answer: mostly it has looked at what was
 * received, and not yet switched interrupts on again, and finds them when it looks once more behind that (virtio 1.2,
 * 2.7.14). What comes later waits until it has done anything.
 */
static void race_the_kick(struct provoke_queue *q, struct vq_batch *b)
{
	struct provoke *p = q->p;

	/* Sent behind the kick, and found without another one. */
	if (q->kind == TX && !p->in_kick && waiting(b))
		atomic_store(&p->raced, false);
	if (q->kind != RX || p->never_kicked || p->overlooked >= OVERLOOKED_MAX)
		return;
	if (p->in_kick) {
		p->baited = false;
		atomic_store(&p->raced, true);
		provoke_count(p, P_KICK_RACE);
	} else if (p->baited || atomic_load(&p->raced)) {
		b->to = b->from;
	} else {
		p->baited = true;
		if (knows_frames(q, b) && q->nr_frames > 1)
			b->to = (uint16_t)(b->from + q->frames[0]);
	}
}

static bool holds_sent(const struct provoke *p)
{
	for (unsigned i = 0; i < PROVOKE_QUEUES; i++)
		if (p->queue[i].holds)
			return true;
	return false;
}

/*
 * Sent buffers wait for a frame, and both are shown together when the driver has gone to sleep: who looks at one queue behind
 * an interrupt, and not at the other, hears of that no more. What it answers shows that it has looked at what was received.
 */
static void show_at_once(struct provoke_queue *q, struct vq_batch *b)
{
	struct provoke *p = q->p;

	if (q->kind == CTRL || p->never_kicked || p->overlooked >= OVERLOOKED_MAX)
		return;
	if (p->joining) {
		q->waited = 0;
		q->holds = false;
		if (q->kind == RX) {
			p->joined = true;
			provoke_count(p, P_ONE_INTERRUPT);
		}
	} else if (q->kind == TX) {
		p->joined = false;
		q->holds = wait_on(q, b, TURNS_STARVE);
	} else if (p->joined) {
		b->to = b->from;
	} else if (holds_sent(p) && !wait_on(q, b, TURNS_JOIN)) {
		b->to = b->from;
		provoke_ask(p, ACT_JOIN);
	}
}

void provoke_join(struct provoke *p)
{
	if (!provoke_on(p, P_ONE_INTERRUPT) || !holds_sent(p))
		return;
	p->joining = true;
	virtio_net_flush(p->net);
	p->joining = false;
}

bool provoke_unanswered(struct provoke *p, unsigned tries)
{
	if (!provoke_on(p, P_KICK_RACE) && !provoke_on(p, P_ONE_INTERRUPT))
		return false;
	if (tries % OVERLOOKED_TRIES == 0) {
		if (atomic_exchange(&p->raced, false) || p->joined)
			p->overlooked++;
		p->joined = false;
	}
	p->baited = false;
	return p->overlooked >= OVERLOOKED_MAX;
}

static void lie_about_length(struct provoke_queue *q, struct vq_batch *b)
{
	static const uint32_t lengths[] = {0, 11, 12, 70000, UINT32_MAX};

	for (unsigned i = 0; b->entry && i < waiting(b); i++) {
		if (dice_below(&q->dice, 4))
			continue;
		entry(b, i)->len = le32_of(lengths[dice_below(&q->dice, ARRAY_SIZE(lengths))]);
		provoke_count(q->p, P_USED_LEN);
	}
}

/* Nothing was written to it, and the driver knows: packed, the entry does not have WRITE; version 1, it is to look away. */
static void fill_length(struct provoke_queue *q, struct vq_batch *b)
{
	const bool packed = q->p->dev->accepted & FEATURE(VIRTIO_F_RING_PACKED);

	if (q->kind != TX || !b->entry || (!packed && !q->p->legacy))
		return;
	for (unsigned i = 0; i < waiting(b); i++)
		entry(b, i)->len = le32_of((uint32_t)dice_roll(&q->dice));
	provoke_count(q->p, P_TX_LEN);
}

/* virtio 1.2, 2.8.6: reserved in used descriptors. */
static void say_next(struct provoke_queue *q, struct vq_batch *b)
{
	if (!b->slots || !waiting(b))
		return;
	b->flags = VRING_DESC_F_NEXT;
	provoke_count(q->p, P_USED_NEXT);
}

static void lie_about_id(struct provoke_queue *q, struct vq_batch *b)
{
	if (!b->entry || !waiting(b) || q->lies >= LIES_MAX || dice_below(&q->dice, 4))
		return;
	q->lies++;
	entry(b, 0)->id = le32_of(q->lies % 2 ? b->num + dice_below(&q->dice, 1000) : UINT32_MAX);
	provoke_count(q->p, P_BAD_ID);
}

/*
 * The device has done with the whole chain, so whoever believes it takes back nothing that is still in use. Who waits for the
 * answer to a command, and is right not to believe it, waits for ever.
 */
static void say_second(struct provoke_queue *q, struct vq_batch *b)
{
	if (!b->entry || q->kind == CTRL || q->lies >= LIES_MAX || dice_below(&q->dice, 2))
		return;
	for (unsigned i = 0; i < waiting(b); i++) {
		const int second = vq_second(b->vq, le32toh(entry(b, i)->id.raw));

		if (second < 0)
			continue;
		q->lies++;
		entry(b, i)->id = le32_of((uint32_t)second);
		provoke_count(q->p, P_CHAIN_ID);
		return;
	}
}

/*
 * The driver may be just about to give it out, and then it would have two meanings. Those that it takes next are mostly those
 * that it has had back first, or last, so it is one between them. Of sent buffers: those for receiving go out again at once.
 */
static void say_free(struct provoke_queue *q, struct vq_batch *b)
{
	uint16_t ids[VQ_NUM_MAX];
	unsigned nr;

	if (!b->entry || q->kind != TX || q->lies >= LIES_MAX || dice_below(&q->dice, 2))
		return;
	nr = vq_free_ids(b->vq, ids);
	if (nr < FREE_MIN)
		return;
	q->lies++;
	entry(b, 0)->id = le32_of(ids[nr / 4 + dice_below(&q->dice, nr / 2)]);
	provoke_count(q->p, P_FREE_ID);
}

static void use_twice(struct provoke_queue *q, struct vq_batch *b)
{
	if (!b->entry || q->lies >= LIES_MAX)
		return;
	if (waiting(b) < 2) {
		(void)wait_on(q, b, TURNS_REORDER);
		return;
	}
	q->waited = 0;
	q->lies++;
	*entry(b, 1) = *entry(b, 0);
	provoke_count(q->p, P_USED_TWICE);
}

static void jump(struct provoke_queue *q, struct vq_batch *b)
{
	if (!b->entry || b->slots || q->lies >= LIES_MAX / 2 || dice_below(&q->dice, 4))
		return; /* a packed ring has no index */
	q->lies++;
	b->lie = (uint16_t)(b->num + 1 + dice_below(&q->dice, 1000));
	provoke_count(q->p, P_INDEX_JUMP);
}

static void interrupts(struct provoke_queue *q)
{
	struct provoke *p = q->p;

	/* All pairs are on the device's thread. */
	if (provoke_on(p, P_BOTH_BITS) && p->change_tries == 0 && dice_below(&q->dice, 2)) {
		provoke_count(p, P_BOTH_BITS);
		p->dev->holds_line = true; /* for what is about to be shown as well */
		virtio_config(p->dev);
		p->dev->holds_line = false;
		provoke_ask(p, ACT_LINE); /* when the driver wants no interrupt for that */
	}
	if (provoke_on(p, P_UNASKED)) /* behind what is about to be shown */
		provoke_ask(p, ACT_UNASKED);
	if (provoke_on(p, P_CONFIG_IRQ) && dice_below(&q->dice, 4) == 0) {
		provoke_count(p, P_CONFIG_IRQ);
		virtio_config(p->dev);
	}
	if (provoke_on(p, P_SPURIOUS))
		provoke_ask(p, ACT_SPURIOUS);
	if (provoke_on(p, P_LINK_FLAP) && dice_below(&q->dice, 8) == 0)
		provoke_ask(p, ACT_LINK);
	if (provoke_on(p, P_ANNOUNCE) && dice_below(&q->dice, 8) == 0)
		provoke_ask(p, ACT_ANNOUNCE);
	if (provoke_on(p, P_NEEDS_RESET) && dice_below(&q->dice, 4) == 0)
		provoke_ask(p, ACT_NEEDS_RESET);
}

/* Had the driver wanted none for what it was shown last? The queue's own thread counts those. */
static void count_left_out(struct provoke_queue *q)
{
	const struct virtio_net_stats *s =
		virtio_net_pair_stats(q->p->net, q->kind == CTRL ? 0 : q->index / 2);
	const uint64_t all = q->kind == RX   ? s->rx_interrupts_suppressed
	                     : q->kind == TX ? s->tx_interrupts_suppressed
	                                     : s->ctrl_interrupts_suppressed;

	if (q->showed && all != q->left_out)
		provoke_count(q->p, P_STRICT_INTERRUPTS);
	q->left_out = all;
}

static const struct {
	enum provoke_id id;
	void (*fn)(struct provoke_queue *q, struct vq_batch *b);
} batch_provocations[] = {
	{P_REORDER, reorder},         {P_DELAY, delay},
	{P_ACK_RACE, race},           {P_USED_LEN, lie_about_length},
	{P_BAD_ID, lie_about_id},     {P_USED_TWICE, use_twice},
	{P_INDEX_JUMP, jump},         {P_DRY_RING, run_dry},
	{P_SHORT_LEN, shorten},       {P_TX_LEN, fill_length},
	{P_USED_NEXT, say_next},      {P_BATCHES, merge},
	{P_KICK_RACE, race_the_kick}, {P_ONE_INTERRUPT, show_at_once},
	{P_CHAIN_ID, say_second},     {P_FREE_ID, say_free},
};

static struct provoke_queue *queue_of(struct vq_provoke *hooks)
{
	return container_of(hooks, struct provoke_queue, hooks);
}

/* So many buffers are shown: those of the first frames. */
static void forget_frames(struct provoke_queue *q, unsigned shown)
{
	unsigned i = 0;

	while (i < q->nr_frames && shown >= q->frames[i])
		shown -= q->frames[i++];
	q->nr_frames -= i;
	memmove(q->frames, q->frames + i, q->nr_frames * sizeof(*q->frames));
}

static void on_publish(struct vq_provoke *hooks, struct vq_batch *b)
{
	struct provoke_queue *q = queue_of(hooks);
	const unsigned all = waiting(b);

	if (provoke_on(q->p, P_STRICT_INTERRUPTS))
		count_left_out(q);
	keep_one(q, b);
	for (unsigned i = 0; i < ARRAY_SIZE(batch_provocations) && waiting(b); i++)
		if (provoke_on(q->p, batch_provocations[i].id))
			batch_provocations[i].fn(q, b);
	if (waiting(b))
		interrupts(q);
	b->content &= waiting(b) == 0; /* else the next turn may bring the rest */
	forget_frames(q, waiting(b));
	if (waiting(b) == all - (q->kept ? 1 : 0)) {
		q->in_parts = false;
		q->nr_frames = 0;
	}
	q->showed = waiting(b) > 0;
}

static void on_kicks_off(struct vq_provoke *hooks, struct vq_quiet *words)
{
	struct provoke_queue *q = queue_of(hooks);
	const bool event_idx = q->p->dev->accepted & FEATURE(VIRTIO_RING_F_EVENT_IDX);
	const uint16_t places[] = {0,
	                           UINT16_MAX,
	                           words->next_avail,
	                           (uint16_t)(words->next_avail + 2),
	                           (uint16_t)(words->next_avail + 128),
	                           (uint16_t)dice_roll(&q->dice)};
	const uint16_t place = places[dice_below(&q->dice, ARRAY_SIZE(places))];

	if (provoke_on(q->p, P_EVENT_WORDS)) {
		provoke_count(q->p, P_EVENT_WORDS);
		if (event_idx)
			words->event = place;
		else
			words->flags = dice_below(&q->dice, 2) ? VRING_USED_F_NO_NOTIFY : 0;
	}
	if (provoke_on(q->p, P_WRONG_WORDS)) {
		provoke_count(q->p, P_WRONG_WORDS);
		if (event_idx)
			words->flags = VRING_USED_F_NO_NOTIFY;
		else
			words->event = place;
	}
}

static void on_rx_header(struct vq_provoke *hooks, struct virtio_net_hdr_v1 *h)
{
	struct provoke_queue *q = queue_of(hooks);
	const bool merges = q->p->dev->accepted & FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	const uint16_t nr = le16toh((uint16_t)h->num_buffers);
	const uint16_t lies[] = {0, (uint16_t)(nr + 1), UINT16_MAX};
	const uint16_t hdr_lens[] = {0, 1, UINT16_MAX, (uint16_t)dice_roll(&q->dice)};

	if (merges && nr > 1) {
		q->in_parts = true;
		atomic_fetch_add_explicit(&q->p->parts, 1, memory_order_relaxed);
	}
	if (provoke_on(q->p, P_HDR_LEN)) {
		put_le16(&h->hdr_len, hdr_lens[dice_below(&q->dice, ARRAY_SIZE(hdr_lens))]);
		provoke_count(q->p, P_HDR_LEN);
	}
	if (provoke_on(q->p, P_RX_FLAGS)) {
		h->flags |= (uint8_t)(UNKNOWN_FLAG << dice_below(&q->dice, 4));
		provoke_count(q->p, P_RX_FLAGS);
	}
	if (q->nr_frames < VQ_NUM_MAX)
		q->frames[q->nr_frames++] = merges ? nr : 1;
	if (provoke_on(q->p, P_HEADER_POISON) && h->flags == 0 &&
	    h->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		h->csum_start = (uint16_t)dice_roll(&q->dice);
		h->csum_offset = (uint16_t)dice_roll(&q->dice);
		h->hdr_len = (uint16_t)dice_roll(&q->dice);
		h->gso_size = (uint16_t)dice_roll(&q->dice);
		provoke_count(q->p, P_HEADER_POISON);
	}
	if (provoke_on(q->p, P_NUM_BUFFERS) && (!merges || q->lies < LIES_MAX)) {
		q->lies++;
		put_le16(&h->num_buffers, lies[dice_below(&q->dice, ARRAY_SIZE(lies))]);
		provoke_count(q->p, P_NUM_BUFFERS);
	}
}

static void on_rx_tail(struct vq_provoke *hooks, const struct vq_tail *tail)
{
	struct provoke_queue *q = queue_of(hooks);

	if (!provoke_on(q->p, P_BUFFER_TAIL) || tail->len == 0)
		return;
	provoke_count(q->p, P_BUFFER_TAIL);
	for (size_t at = 0; at < tail->len; at += sizeof(uint64_t)) {
		const uint64_t junk = dice_roll(&q->dice);

		iov_write(tail->iov, tail->nr, tail->from + at, &junk,
		          min_size(sizeof(junk), tail->len - at));
	}
}

void provoke_queue_init(struct provoke_queue *q, struct provoke *p, unsigned index)
{
	q->hooks = (struct vq_provoke){.publish = on_publish,
	                               .kicks_off = on_kicks_off,
	                               .rx_header = on_rx_header,
	                               .rx_tail = on_rx_tail};
	q->p = p;
	q->index = index;
	q->dice.seed = dice_roll(&p->dice);
}

void provoke_queue_begin(struct provoke_queue *q)
{
	const uint64_t accepted = q->p->dev->accepted;

	/* Without MQ and RSS the control queue is behind the first pair (virtio 1.2, 5.1.2). */
	const uint64_t several = FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_RSS);
	const unsigned ctrl = accepted & several ? q->p->dev->nr_queues - 1 : 2;

	q->kind = q->index == ctrl && (accepted & FEATURE(VIRTIO_NET_F_CTRL_VQ)) ? CTRL
	          : q->index % 2                                                 ? TX
	                                                                         : RX;
	q->ordered = accepted & FEATURE(VIRTIO_F_IN_ORDER);
	q->waited = q->patience = q->starving = q->gathered = q->nr_frames = 0;
	q->shown = q->kept = q->in_parts = q->showed = false;
	q->log = (struct vq_log){.entry = q->logged, .slots = q->slots};
	q->hooks.log = q->ordered ? NULL : &q->log;
}
