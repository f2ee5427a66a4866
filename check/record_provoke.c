/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a provoked device does: the recorder stands between it and who provokes it, and compares what comes out of each
 * hook with what went in. By whom, a count says that went up; what none of the hooks shows is found by that alone, before
 * the next record.
 */
#include <string.h>
#include <sys/uio.h>

#include "check/record_priv.h"
#include "devices/virtio.h"

#define HEADER 12u /* bytes of struct virtio_net_hdr_v1 */
#define CONFIG 64u /* of one access, more than any has */

/* Where it shows. */
static const uint8_t place_of[NR_PROVOCATIONS] = {
	[P_STRICT_STATUS] = TRACE_AT_WRITE,
	[P_FEATURES_REFUSED] = TRACE_AT_WRITE,
	[P_LATE_QUEUES] = TRACE_AT_WRITE,
	[P_SLOW_READY] = TRACE_AT_READ,
	[P_SLOW_RESET] = TRACE_AT_READ,
	[P_POISON] = TRACE_AT_READ,
	[P_ISR_BITS] = TRACE_AT_READ,
	[P_TORN_CONFIG] = TRACE_AT_CONFIG,
	[P_CONFIG_TAIL] = TRACE_AT_CONFIG,
	[P_STATUS_BITS] = TRACE_AT_CONFIG,
	[P_CTRL_ERROR] = TRACE_AT_COMMAND,
	[P_CTRL_ACK] = TRACE_AT_ACK,
	[P_REORDER] = TRACE_AT_BATCH,
	[P_DELAY] = TRACE_AT_BATCH,
	[P_ACK_RACE] = TRACE_AT_BATCH,
	[P_USED_LEN] = TRACE_AT_BATCH,
	[P_BAD_ID] = TRACE_AT_BATCH,
	[P_USED_TWICE] = TRACE_AT_BATCH,
	[P_CHAIN_ID] = TRACE_AT_BATCH,
	[P_FREE_ID] = TRACE_AT_BATCH,
	[P_INDEX_JUMP] = TRACE_AT_BATCH,
	[P_EVENT_WORDS] = TRACE_AT_WORDS,
	[P_WRONG_WORDS] = TRACE_AT_WORDS,
	[P_HEADER_POISON] = TRACE_AT_HEADER,
	[P_NUM_BUFFERS] = TRACE_AT_HEADER,
	[P_LOCKED_QUEUES] = TRACE_AT_WRITE,
	[P_NEVER_OK] = TRACE_AT_WRITE,
	[P_EARLY_FAILURE] = TRACE_AT_WRITE,
	[P_ODD_QUEUES] = TRACE_AT_READ,
	[P_SHORT_CONFIG] = TRACE_AT_CONFIG,
	[P_GATED_CONFIG] = TRACE_AT_CONFIG,
	[P_DRY_RING] = TRACE_AT_BATCH,
	[P_KEPT] = TRACE_AT_BATCH,
	[P_SHORT_LEN] = TRACE_AT_BATCH,
	[P_TX_LEN] = TRACE_AT_BATCH,
	[P_USED_NEXT] = TRACE_AT_BATCH,
	[P_BATCHES] = TRACE_AT_BATCH,
	[P_KICK_RACE] = TRACE_AT_BATCH,
	[P_ONE_INTERRUPT] = TRACE_AT_BATCH,
	[P_HDR_LEN] = TRACE_AT_HEADER,
	[P_RX_FLAGS] = TRACE_AT_HEADER,
	[P_SPEED] = TRACE_AT_CONFIG,
	[P_STRICT_FEATURES] = TRACE_AT_WRITE,
	[P_STRICT_INTERRUPTS] = TRACE_PLACES /* WISH has it */,
	[P_DEMANDED_FEATURE] = TRACE_AT_WRITE,
};

/* Where one shows as well, without a count of that. */
static bool shows_too(unsigned id, enum trace_place place)
{
	return (place == TRACE_AT_READ && (id == P_EARLY_FAILURE || id == P_UNKNOWN_FEATURES)) ||
	       (place == TRACE_AT_WRITE && id == P_SLOW_RESET) ||
	       (place == TRACE_AT_CONFIG && id == P_EARLY_ANNOUNCE);
}

/* ---- by whom; with the lock */

struct names {
	char text[512];
	size_t len;
	uint8_t tag; /* the worst */
};

static void add_name(struct names *n, enum provoke_id id)
{
	const struct provocation *p = &provocations[id];

	if (n->len + strlen(p->name) + 2 > sizeof(n->text))
		return;
	n->len += (size_t)snprintf(n->text + n->len, sizeof(n->text) - n->len, "%s%s",
	                           n->len ? "," : "", p->name);
	if (p->tag > n->tag)
		n->tag = (uint8_t)p->tag;
}

/* How often has it done so since it was last asked? */
static uint64_t news_of(struct record_provoke *p, enum provoke_id id)
{
	const uint64_t times = provoke_times(p->by, id), news = times - p->seen[id];

	p->seen[id] = times;
	return news;
}

/*
 * Those that show at @place and have done something. None: those that may have; or (a batch that was kept back until after its
 * round) might have once.
 */
static bool find_names(struct record_provoke *p, enum trace_place place, struct names *n)
{
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		if (place_of[i] == place && news_of(p, i))
			add_name(n, i);
	if (n->len)
		return true;
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		if ((place_of[i] == place || shows_too(i, place)) && provoke_in_force(p->by, i))
			add_name(n, i);
	for (unsigned i = 0; i < NR_PROVOCATIONS && !n->len; i++)
		if (place_of[i] == place && p->seen[i])
			add_name(n, i);
	return false;
}

static struct trace_record provoke_record(const struct record_device *d, const struct names *n)
{
	struct trace_record t = record_of(d, TRACE_PROVOKE);

	t.u.provoke.seed = d->provoke.seed;
	t.u.provoke.tag = n->tag;
	t.u.provoke.names = u16_of(n->len);
	return t;
}

/* Each time is one record: a cable that goes out and in again is in, and interrupts that come for nothing have a number. */
static void put_acts(struct record_device *d, enum provoke_id id, uint64_t nr)
{
	struct names n = {.len = 0};

	add_name(&n, id);
	for (; nr > 0; nr--) {
		struct trace_record t = provoke_record(d, &n);

		trace_put(d->r->w, &t, &(struct iovec){n.text, n.len}, 1);
	}
}

void record_acts(struct record_device *d)
{
	struct record_provoke *p = &d->provoke;

	if (likely(!p->by))
		return;
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++)
		if (place_of[i] == TRACE_AT_NONE)
			put_acts(d, i, news_of(p, i));
}

/* ---- what was changed */

struct change {
	enum trace_place place;
	uint32_t at;
	uint16_t queue;
	void *was, *became;
	uint32_t was_len, became_len;
	bool always; /* also when nothing was, but something was done */
};

static void put_change(struct record_device *d, const struct change *c)
{
	const bool changed =
		c->was_len != c->became_len || memcmp(c->was, c->became, c->was_len) != 0;
	struct names n = {.len = 0};
	struct trace_record t;
	bool done;

	trace_lock(d->r->w);
	done = find_names(&d->provoke, c->place, &n);
	if (n.len && (changed || (done && c->always))) {
		struct iovec iov[] = {
			{n.text, n.len}, {c->was, c->was_len}, {c->became, c->became_len}};

		t = provoke_record(d, &n);
		t.queue = c->queue;
		t.u.provoke.place = (uint8_t)c->place;
		t.u.provoke.at = c->at;
		t.u.provoke.was = c->was_len;
		t.u.provoke.became = c->became_len;
		record_put(d, &t, iov, ARRAY_SIZE(iov));
	}
	trace_unlock(d->r->w);
}

static struct record_device *device_of(struct virtio_provoke *hooks)
{
	return container_of(hooks, struct record_device, provoke.hooks);
}

static uint32_t on_read(struct virtio_provoke *hooks, uint32_t off, uint32_t val)
{
	struct record_device *d = device_of(hooks);
	struct virtio_provoke *real = d->provoke.real;
	const uint32_t becomes = real->read(real, off, val);
	le32 was = le32_of(val), became = le32_of(becomes);

	put_change(d, &(struct change){.place = TRACE_AT_READ,
	                               .at = off,
	                               .queue = TRACE_NO_QUEUE,
	                               .was = &was,
	                               .became = &became,
	                               .was_len = sizeof(was),
	                               .became_len = sizeof(became)});
	return becomes;
}

static bool on_write(struct virtio_provoke *hooks, uint32_t off, uint32_t *val)
{
	struct record_device *d = device_of(hooks);
	struct virtio_provoke *real = d->provoke.real;
	le32 was = le32_of(*val), became;
	const bool has_effect = real->write(real, off, val);

	became = le32_of(*val);
	put_change(d, &(struct change){.place = TRACE_AT_WRITE,
	                               .at = off,
	                               .queue = TRACE_NO_QUEUE,
	                               .was = &was,
	                               .became = &became,
	                               .was_len = sizeof(was),
	                               .became_len = has_effect ? sizeof(became) : 0});
	return has_effect;
}

static void on_config_read(struct virtio_provoke *hooks, uint32_t off, uint8_t *buf, uint32_t len)
{
	struct record_device *d = device_of(hooks);
	struct virtio_provoke *real = d->provoke.real;
	uint8_t was[CONFIG];
	const uint32_t kept = min_u32(len, sizeof(was));

	memcpy(was, buf, kept);
	real->config_read(real, off, buf, len);
	/* The second half of an address that was torn is as it would be, but others have made way for it. */
	put_change(d, &(struct change){.place = TRACE_AT_CONFIG,
	                               .at = off,
	                               .queue = TRACE_NO_QUEUE,
	                               .was = was,
	                               .became = buf,
	                               .was_len = kept,
	                               .became_len = kept,
	                               .always = true});
}

static bool on_ctrl_refused(struct virtio_provoke *hooks, uint8_t class)
{
	struct record_device *d = device_of(hooks);
	struct virtio_provoke *real = d->provoke.real;
	uint8_t was = false, became = real->ctrl_refused(real, class);

	put_change(d, &(struct change){.place = TRACE_AT_COMMAND,
	                               .at = class,
	                               .queue = TRACE_NO_QUEUE,
	                               .was = &was,
	                               .became = &became,
	                               .was_len = 1,
	                               .became_len = 1,
	                               .always = true});
	return became;
}

static uint8_t on_ctrl_ack(struct virtio_provoke *hooks, uint8_t ack)
{
	struct record_device *d = device_of(hooks);
	struct virtio_provoke *real = d->provoke.real;
	uint8_t becomes = real->ctrl_ack(real, ack);

	put_change(d, &(struct change){.place = TRACE_AT_ACK,
	                               .queue = TRACE_NO_QUEUE,
	                               .was = &ack,
	                               .became = &becomes,
	                               .was_len = 1,
	                               .became_len = 1,
	                               .always = true});
	return becomes;
}

/* ---- queues */

static struct record_vq_provoke *queue_of(struct vq_provoke *hooks)
{
	return container_of(hooks, struct record_vq_provoke, hooks);
}

/*
 * How many are to be shown, and claimed; and of a split ring all @nr that wait, those up to @known of which stand there
 * already. Bytes.
 */
static uint32_t put_batch(uint8_t *p, const struct vq_batch *b, unsigned known, unsigned nr)
{
	put_le16(p, (uint16_t)(b->to - b->from));
	put_le16(p + 2, b->lie);
	for (unsigned i = known; b->entry && i < nr; i++)
		memcpy(p + 4 + 8 * (size_t)i, &b->entry[(uint16_t)(b->from + i) % b->num], 8);
	return 4 + (b->entry ? 8 * nr : 0);
}

/* A batch that is kept back comes again, with more behind it: what has become of it is told when some of it is shown. */
static void on_publish(struct vq_provoke *hooks, struct vq_batch *b)
{
	struct record_vq_provoke *q = queue_of(hooks);
	const uint16_t from = b->from;
	const unsigned nr = min_u32((uint16_t)(b->to - from), VQ_NUM_MAX);
	const uint32_t len = put_batch(q->before, b, q->held, nr);

	q->real->publish(q->real, b);
	if (b->to == from && b->lie == 0) {
		q->held = nr;
		return;
	}
	q->held = 0;
	put_batch(q->after, b, 0, nr);
	put_change(q->d, &(struct change){.place = TRACE_AT_BATCH,
	                                  .at = from,
	                                  .queue = q->index,
	                                  .was = q->before,
	                                  .became = q->after,
	                                  .was_len = len,
	                                  .became_len = len,
	                                  .always = true});
}

static void on_kicks_off(struct vq_provoke *hooks, struct vq_quiet *words)
{
	struct record_vq_provoke *q = queue_of(hooks);
	uint8_t was[4], became[4];

	put_le16(was, words->flags);
	put_le16(was + 2, words->event);
	q->real->kicks_off(q->real, words);
	put_le16(became, words->flags);
	put_le16(became + 2, words->event);
	put_change(q->d, &(struct change){.place = TRACE_AT_WORDS,
	                                  .at = words->next_avail,
	                                  .queue = q->index,
	                                  .was = was,
	                                  .became = became,
	                                  .was_len = sizeof(was),
	                                  .became_len = sizeof(became)});
}

static void on_rx_header(struct vq_provoke *hooks, struct virtio_net_hdr_v1 *h)
{
	struct record_vq_provoke *q = queue_of(hooks);
	uint8_t was[HEADER];

	memcpy(was, h, sizeof(was));
	q->real->rx_header(q->real, h);
	put_change(q->d, &(struct change){.place = TRACE_AT_HEADER,
	                                  .queue = q->index,
	                                  .was = was,
	                                  .became = h,
	                                  .was_len = sizeof(was),
	                                  .became_len = sizeof(was),
	                                  .always = true});
}

static void on_rx_tail(struct vq_provoke *hooks, const struct vq_tail *tail)
{
	struct record_vq_provoke *q = queue_of(hooks);

	q->real->rx_tail(q->real, tail);
}

static struct vq_provoke *on_queue(struct virtio_provoke *hooks, unsigned queue)
{
	struct record_device *d = device_of(hooks);
	struct vq_provoke *real = d->provoke.real->queue(d->provoke.real, queue);
	struct record_vq_provoke *q = &d->provoke.queue[queue];

	if (queue >= TRACE_QUEUES)
		return real;
	q->hooks = (struct vq_provoke){.publish = on_publish,
	                               .kicks_off = on_kicks_off,
	                               .rx_header = on_rx_header,
	                               .rx_tail = on_rx_tail,
	                               .log = real->log};
	q->real = real;
	q->d = d;
	q->index = u16_of(queue);
	q->held = 0;
	return &q->hooks;
}

void record_provoke_begin(struct record_device *d, const struct record_nic *nic)
{
	struct record_provoke *p = &d->provoke;

	p->by = nic->provoke;
	p->seed = nic->seed;
	p->real = d->dev->provoke;
	if (!p->by || !p->real) {
		p->by = NULL;
		return;
	}
	p->hooks = (struct virtio_provoke){
		.read = on_read,
		.write = on_write,
		.config_read = on_config_read,
		.ctrl_refused = on_ctrl_refused,
		.ctrl_ack = on_ctrl_ack,
		.queue = on_queue,
		.first_kick = p->real->first_kick,
	};
	d->dev->provoke = &p->hooks;
}
