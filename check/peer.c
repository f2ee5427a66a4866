// SPDX-License-Identifier: Apache-2.0
/*
 * Who asks a driver that is provoked. All of it is on the loop's thread:
 *
 *	nothing but the boot's     once more for each round       the end
 *	ARP, ping  ->  is there    on: questions until all are    the rest gives up
 *	an echo port?              answered -> off: some more     -> farewell
 *
 * A question is asked again when its answer has not come for PROVOKE_AGAIN_NS, TRIES times: of time that the guest could
 * use, so that one which gets no CPU of the host is not taken for one that is stuck. Frames may get lost on any network, so
 * those are reported, and are no failure.
 */
#include "check/peer.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "check/peer_wire.h"
#include "check/provoke_priv.h"
#include "check/questions.h"
#include "devices/net_features.h"
#include "devices/virtio.h"
#include "net/turn_round.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/tasks.h"
#include "vmm/nic_config.h"

#define TRIES         50u /* of a guest that could answer: seconds, for one that has others to run first */
#define UDP_TRIES     3u
#define AWAY_TRIES    600u /* of a driver that has reset the device, or a guest that boots once more */
#define BURST         16u /* questions of a round that are open at once */
#define QUESTIONS     48u /* of a usual round */
#define AFTERWARDS    8u
#define FLOOD         700u
#define FLOODS        95u /* to get an index of 16 bits round */
#define LATE          8u  /* frames for one that is just leaving */
#define QUESTIONS_MAX 768u
#define FAREWELLS     4u
#define RESTS \
	25u /* turns of the timer in which a driver may look at InterruptStatus; who polls need not */

enum stage { BASELINE, ECHO_PORT, DURING, AFTER, FAREWELL };

/*
 * A question that is asked again has another number: so an answer tells whether the first one was lost, or slow.
 */
#define SEQ_AGAIN 0x4000u
#define SEQ_MASK  (SEQ_AGAIN - 1)

struct asked {
	struct question q;
	bool answered; /* at all */
	bool lost;     /* only when it was asked again */
};

struct peer {
	struct peer_wire wire;
	struct provoke *p;
	struct loop *loop;
	struct loop_timer timer;
	struct loop_fd
		act; /* an eventfd, owned: provoke_act() is wanted, or all answers are there */
	struct parties who;
	uint8_t mac[6],
		mac_before[6];     /* the device's, and what it was before the driver changed it */
	bool driver_up, echo_port; /* UDP is answered */
	/* Back from a reset, and has not answered yet; in the life of the guest in which the round began? */
	bool returned;
	bool answers;    /* some came since the timer's last turn */
	struct task cpu; /* what the guest had of the host's CPUs in that turn, */
	uint64_t had_ns; /* and how much of the time since questions were asked again was its own */
	unsigned lives;
	unsigned floods; /* that are to come in this round */
	enum stage stage;
	struct provoke_result result; /* of this round */
	struct asked ask[QUESTIONS_MAX];
	unsigned nr, next, open; /* questions; the next one to send; sent and not answered */
	unsigned burst, tries;
	unsigned
		rests; /* turns left until it is asked whether it has borne the round; 0: it is being asked, or need not be */
	bool looks_away; /* it did not come to look at an interrupt: rests ran out */
	uint16_t seq;    /* of the next question */
};

struct peer_config {
	struct provoke *p;
};

/* ---- to the driver */

static void put_question(struct peer *peer, const struct question *q)
{
	uint8_t frame[QUESTION_MAX];
	const size_t len = question_write(q, &peer->who, frame);

	wire_put(&peer->wire, frame, len);
}

static void add(struct peer *peer, enum question_kind kind, unsigned len, bool wrong)
{
	struct asked *a = &peer->ask[peer->nr];

	if (peer->nr == QUESTIONS_MAX)
		return;
	*a = (struct asked){.q = {.kind = kind, .seq = peer->seq, .wrong = wrong}};
	a->q.len = (uint16_t)len;
	peer->seq = (uint16_t)((peer->seq + 1) & SEQ_MASK);
	peer->nr++;
}

/* Those that nobody answers are open for ever, and not waited for. */
static void send_more(struct peer *peer)
{
	while (peer->next < peer->nr && peer->open < peer->burst) {
		struct asked *a = &peer->ask[peer->next++];

		put_question(peer, &a->q);
		peer->open += !a->q.wrong;
		peer->result.asked++;
	}
}

static void begin(struct peer *peer, unsigned burst)
{
	peer->next = peer->open = peer->tries = 0;
	peer->burst = burst;
	send_more(peer);
}

static unsigned longest(const struct peer *peer)
{
	const unsigned mtu = peer->p->mtu;

	return mtu && mtu + 14 < QUESTION_USUAL ? mtu + 14 : QUESTION_USUAL;
}

static void usual_questions(struct peer *peer, unsigned nr)
{
	const unsigned most = longest(peer);

	peer->nr = 0;
	add(peer, ASK_ARP, 0, false);
	for (unsigned i = 1; i < nr; i++)
		add(peer, peer->echo_port && i % 3 ? ASK_UDP : ASK_PING,
		    QUESTION_MIN + 18 + i * 397 % (most - QUESTION_MIN - 17), false);
}

/* ---- rounds */

static void lengths(struct peer *peer)
{
	static const unsigned ends[] = {52, 60, 64, 116, 128, 244, 256, 500, 512, 1012, 1024, 1460};
	const unsigned most = longest(peer);

	peer->nr = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		for (unsigned len = ends[i] - 4; len <= ends[i] + 4; len++)
			if (len >= QUESTION_MIN && len <= most)
				add(peer, ASK_PING, len, false);
	for (unsigned len = most - 4; len <= most; len++)
		add(peer, peer->echo_port ? ASK_UDP : ASK_PING, len, false);
	begin(peer, BURST);
}

static void flood(struct peer *peer)
{
	peer->nr = 0;
	for (unsigned i = 0; i < FLOOD; i++)
		add(peer, ASK_PING, 60, false);
	begin(peer, FLOOD);
}

/* More than the longest ring holds; of no use without IN_ORDER. */
static void batches(struct peer *peer)
{
	if (peer->p->dev->accepted & FEATURE(VIRTIO_F_IN_ORDER)) {
		peer->floods = 1;
		flood(peer);
	} else {
		usual_questions(peer, QUESTIONS);
		begin(peer, BURST);
	}
}

/* Who has taken the MTU has room for it. */
static void jumbo(struct peer *peer)
{
	const bool taken = peer->p->dev->accepted & FEATURE(VIRTIO_NET_F_MTU);
	const unsigned most = min_u32(peer->p->mtu + 14, QUESTION_MAX);

	usual_questions(peer, QUESTIONS);
	for (unsigned i = 1; taken && most > QUESTION_USUAL && i < peer->nr; i++)
		peer->ask[i].q.len =
			(uint16_t)(QUESTION_USUAL + 1 + i * 1237 % (most - QUESTION_USUAL));
	if (taken && most > QUESTION_USUAL)
		provoke_count(peer->p, P_JUMBO);
	begin(peer, BURST);
}

static void bad_checksums(struct peer *peer)
{
	const unsigned most = longest(peer);

	peer->nr = 0;
	for (unsigned i = 0; i < QUESTIONS; i++)
		add(peer, peer->echo_port && i % 4 < 2 ? ASK_UDP : ASK_PING,
		    min_u32(60 + 20 * i, most), i % 2);
	add(peer, ASK_PING, 60, false); /* answered last */
	begin(peer, BURST);
	provoke_count(peer->p, P_BAD_CHECKSUMS);
}

static void ask_round(struct peer *peer, int round)
{
	peer->stage = DURING;
	peer->result = (struct provoke_result){0};
	peer->floods = 0;
	peer->lives = peer->p->lives;
	provoke_switch(peer->p, round);
	switch (round) {
	case P_LENGTHS:
		provoke_count(peer->p, P_LENGTHS);
		lengths(peer);
		break;
	case P_FLOOD:
		provoke_count(peer->p, P_FLOOD);
		flood(peer);
		break;
	case P_DRY_RING:
		flood(peer);
		break;
	case P_ONE_INTERRUPT:
	case P_KICK_RACE: /* so few that the answers have buffers, and it need not be told that they are sent */
		usual_questions(peer, QUESTIONS);
		begin(peer, BURST / 4);
		break;
	case P_BATCHES:
		batches(peer);
		break;
	case P_INDEX_WRAP:
		provoke_count(peer->p, P_INDEX_WRAP);
		peer->floods = FLOODS - 1;
		flood(peer);
		break;
	case P_JUMBO:
		jumbo(peer);
		break;
	case P_BAD_CHECKSUMS:
		bad_checksums(peer);
		break;
	default:
		usual_questions(peer, QUESTIONS);
		begin(peer, BURST);
	}
}

/* The tame ones first: what comes behind one that a driver does not bear is not tried. -1: there are no more. */
static int next_round(const struct peer *peer)
{
	for (int tag = PROVOKE_LEGAL; tag <= PROVOKE_HARDENING; tag++)
		for (int i = 0; i < NR_PROVOCATIONS; i++)
			if ((int)provocations[i].tag == tag &&
			    provocations[i].when == PROVOKE_ROUND &&
			    (peer->p->set & ~peer->p->tried) >> i & 1)
				return i;
	return -1;
}

static void farewell(struct peer *peer)
{
	peer->stage = FAREWELL;
	peer->nr = peer->open = 0;
	peer->tries = 0;
	atomic_store(&peer->p->done, true);
}

static void advance(struct peer *peer)
{
	const int round = next_round(peer);

	if (round < 0) {
		farewell(peer);
		return;
	}
	peer->p->tried |= PROVOKE_BIT(round);
	ask_round(peer, round);
}

static void ask_afterwards(struct peer *peer)
{
	peer->rests = 0;
	usual_questions(peer, AFTERWARDS);
	begin(peer, BURST);
}

static bool has_seen_all(const struct peer *peer)
{
	const struct virtio_dev *d = peer->p->dev;

	return !d->isr || !(atomic_load(d->isr) & VIRTIO_ISR_CONFIG);
}

/* Who is busy with questions may come to look at an interrupt only behind the last one: that is what it is to bear. */
static void afterwards(struct peer *peer)
{
	const int round = peer->p->round;

	provoke_switch(peer->p, -1);
	peer->p->round = round; /* its verdict is open */
	peer->stage = AFTER;
	peer->nr = peer->next = peer->open = 0;
	peer->rests = RESTS;
	if (has_seen_all(peer) || peer->looks_away)
		ask_afterwards(peer);
}

static void ask_echo_port(struct peer *peer)
{
	peer->stage = ECHO_PORT;
	peer->nr = 0;
	add(peer, ASK_UDP, 60, false);
	begin(peer, BURST);
}

static void note(struct peer *peer, int round)
{
	peer->result.rebooted = round >= 0 && peer->lives != peer->p->lives;
	provoke_note(peer->p, round, &peer->result);
	peer->p->round = -1;
}

/* Before the first answer nobody had to be there. */
static void count_lost(struct peer *peer)
{
	for (unsigned i = 0; i < peer->next; i++)
		peer->result.lost += peer->ask[i].lost;
}

/* All questions are answered, or (@stuck) will not be. From none of the device's calls. */
static void stage_over(struct peer *peer, bool stuck)
{
	if (stuck)
		peer->result.verdict = PROVOKE_STUCK;
	if (peer->stage == DURING || peer->stage == AFTER)
		count_lost(peer);
	switch (peer->stage) {
	case BASELINE:
		if (stuck)
			return; /* the guest may take its time to boot */
		ask_echo_port(peer);
		break;
	case ECHO_PORT:
		peer->echo_port = !stuck;
		peer->result.verdict = PROVOKE_UNUSED;
		peer->p->baseline = true;
		note(peer, -1);
		advance(peer);
		break;
	case DURING:
		if (!stuck && peer->floods > 0) {
			peer->floods--;
			flood(peer);
			break;
		}
		if (stuck || !provoke_changes(peer->p))
			afterwards(peer);
		break;
	case AFTER:
		note(peer, peer->p->round);
		if (stuck)
			farewell(peer);
		else
			advance(peer);
		break;
	case FAREWELL:
		break;
	}
}

static void say_farewell(struct peer *peer)
{
	uint8_t frame[QUESTION_MAX];
	const size_t len = question_farewell(&peer->who, frame);

	if (peer->tries++ < FAREWELLS)
		wire_put(&peer->wire, frame, len);
}

/* A driver may set another address. What it had sent before comes from the one before. */
static void look_at_address(struct peer *peer)
{
	struct virtio_dev *d = peer->p->dev;
	uint8_t now[6];

	if (!(d->accepted & FEATURE(VIRTIO_NET_F_MAC)))
		return;
	d->ops->config_read(d, 0, now, sizeof(now));
	if (memcmp(now, peer->mac, sizeof(now)) == 0)
		return;
	memcpy(peer->mac_before, peer->mac, sizeof(now));
	memcpy(peer->mac, now, sizeof(now));
	memcpy(peer->who.guest_mac, now, sizeof(now));
}

/* It has been reset, or is being: who does that means to come back. Not when the device asked for it and nobody came. */
static bool is_away(const struct peer *peer)
{
	return peer->returned || (!wire_started(&peer->wire) &&
	                          !(peer->p->dev->status & VIRTIO_CONFIG_S_NEEDS_RESET));
}

static unsigned tries_of(const struct peer *peer)
{
	if (peer->stage == ECHO_PORT) /* nobody needs to have one */
		return UDP_TRIES;
	return is_away(peer) ? AWAY_TRIES : TRIES;
}

static void ask_again(struct peer *peer)
{
	if (++peer->tries > tries_of(peer) && peer->stage != BASELINE) {
		stage_over(peer, true);
		return;
	}
	if (provoke_unanswered(peer->p, peer->tries)) {
		stage_over(peer, true);
		return;
	}
	if (!wire_started(&peer->wire))
		return;
	look_at_address(peer);
	for (unsigned i = 0; i < peer->next; i++) {
		const struct asked *a = &peer->ask[i];
		struct question again;

		if (a->answered || a->q.wrong)
			continue;
		again = a->q;
		again.seq |= SEQ_AGAIN;
		put_question(peer, &again);
	}
}

/*
 * Of one turn: less what its CPUs stood in line for one of the host's, and nothing while they stand there since before.
 * When nobody knows, all of it.
 */
static uint64_t its_own(struct peer *peer)
{
	const struct provoke *p = peer->p;
	const struct task was = peer->cpu;
	uint64_t waited;

	if (!p->cpu_time)
		return p->again_ns;
	p->cpu_time(p->cpu_time_arg, &peer->cpu);
	if (peer->cpu.cpu_ns == 0)
		return p->again_ns;
	if (peer->cpu.ready && peer->cpu.cpu_ns == was.cpu_ns)
		return 0;
	waited = peer->cpu.runqueue_ns - was.runqueue_ns;
	return p->again_ns - min_u64(waited, p->again_ns);
}

/* Has it had half of a turn? */
static bool had_its_turn(struct peer *peer)
{
	peer->had_ns += its_own(peer);
	if (peer->had_ns < peer->p->again_ns / 2)
		return false;
	peer->had_ns = 0;
	return true;
}

static bool all_answered(const struct peer *peer)
{
	return peer->open == 0 && peer->next == peer->nr && peer->nr > 0;
}

static void on_timer(void *arg)
{
	struct peer *peer = arg;

	if (atomic_load(&peer->p->paused))
		goto again;
	if (peer->p->link_down)
		provoke_ask(peer->p, ACT_LINK_UP);
	if (peer->p->early_announce)
		provoke_ask(peer->p, ACT_EARLY_ANNOUNCE);
	if (peer->stage == DURING && all_answered(peer)) /* the next change, or the end of them */
		provoke_ask(peer->p, ACT_CHANGE);
	if (peer->stage == FAREWELL)
		say_farewell(peer);
	else if (peer->rests > 0) {
		/* One who did not come to look in all that time, as who polls, is not waited for again. */
		peer->looks_away = --peer->rests == 0;
		if (has_seen_all(peer) || peer->looks_away)
			ask_afterwards(peer);
	} else if (peer->answers) /* who is slow is not asked twice, which would make him slower */
		peer->tries = 0;
	else if (peer->driver_up && peer->open > 0 && !peer->p->link_down && had_its_turn(peer))
		ask_again(peer); /* also of a device that has failed: somebody has to give up */
again:
	peer->answers = false;
	(void)loop_timer_at(peer->loop, &peer->timer, loop_now_ns() + peer->p->again_ns);
}

static void on_act(void *arg, unused uint32_t revents)
{
	struct peer *peer = arg;

	fd_event_take(peer->act.fd);
	provoke_act(peer->p);
	if (all_answered(peer) && peer->stage != FAREWELL)
		stage_over(peer, false);
}

/* ---- from the driver */

static void learn(struct peer *peer, const uint8_t *frame, size_t len)
{
	uint32_t ip;

	/* Whoever sends ARP says who he is; 0.0.0.0 only asks. */
	if (len < 42 || frame[12] != 8 || frame[13] != 6)
		return;
	memcpy(peer->who.guest_mac, frame + 6, 6);
	ip = (uint32_t)frame[28] << 24 | (uint32_t)frame[29] << 16 | (uint32_t)frame[30] << 8 |
	     frame[31];
	if (ip != 0)
		peer->who.guest_ip = ip;
}

static struct asked *find(struct peer *peer, const struct question *q)
{
	for (unsigned i = 0; i < peer->next; i++) {
		struct asked *a = &peer->ask[i];

		if (a->q.kind == q->kind && (q->kind == ASK_ARP || a->q.seq == (q->seq & SEQ_MASK)))
			return a;
	}
	return NULL;
}

/* Whoever has accepted the device's address uses it. */
static bool from_driver(struct peer *peer, const uint8_t *frame)
{
	look_at_address(peer);
	return !(peer->p->dev->accepted & FEATURE(VIRTIO_NET_F_MAC)) ||
	       memcmp(frame + 6, peer->mac, sizeof(peer->mac)) == 0 ||
	       memcmp(frame + 6, peer->mac_before, sizeof(peer->mac)) == 0;
}

static void take_answer(struct peer *peer, const struct question *known, const uint8_t *frame,
                        size_t len)
{
	struct asked *a = find(peer, known);
	struct question right;

	if (!a) /* of a round before */
		return;
	right = a->q;
	right.seq = known->seq;
	if (right.wrong || !answer_right(frame, len, &right) || !from_driver(peer, frame)) {
		peer->result.corrupt++;
		return;
	}
	if (known->kind != ASK_ARP && !(known->seq & SEQ_AGAIN))
		a->lost = false;
	else if (!a->answered)
		a->lost = known->kind != ASK_ARP;
	if (a->answered)
		return;
	a->answered = peer->answers = true;
	if (peer->returned) {
		peer->returned = false;
		peer->tries = 0;
	}
	peer->open--;
	send_more(peer);
	if (peer->open == 0)
		fd_event_set(peer->act.fd);
}

static void on_frame(void *arg, uint8_t *frame, size_t kept, size_t len)
{
	struct peer *peer = arg;
	struct question q;

	learn(peer, frame, kept);
	if (answer_known(frame, kept, &peer->who, &q)) {
		take_answer(peer, &q, frame, kept);
	} else if (kept == len) {
		turn_round(frame, kept);
		wire_put(&peer->wire, frame, kept);
	}
}

/* ---- life */

static void on_start(void *arg)
{
	struct peer *peer = arg;
	const bool was_reset = peer->wire.was_reset;

	peer->wire.was_reset = false;
	if (peer->driver_up) {
		/* A command that sets the number of pairs has all of them begin anew, too: that is no reset. */
		if (was_reset) {
			peer->returned = true;
			peer->tries = 0;
		}
		return;
	}
	peer->driver_up = true;
	usual_questions(peer, AFTERWARDS);
	begin(peer, 1); /* nobody answers a ping whose sender he does not know yet */
}

/* All buffers that are left, or LATE of them, get something that nobody has asked for. */
static void send_late(void *arg)
{
	struct peer *peer = arg;
	const struct question q = {
		.kind = ASK_PING, .len = (uint16_t)longest(peer), .seq = SEQ_MASK};

	uint8_t frame[QUESTION_MAX];
	const size_t len = question_write(&q, &peer->who, frame);

	for (unsigned i = 0; i < LATE && wire_push(&peer->wire, frame, len); i++)
		;
}

static void peer_destroy(void *arg)
{
	struct peer *peer = arg;

	loop_timer_off(&peer->timer);
	loop_del(&peer->act);
	peer->p->act_fd = -1;
	peer->p->late = NULL;
	fd_close(&peer->act.fd);
	wire_free(&peer->wire);
	free(peer);
}

static const struct wire_ops wire_ops = {
	.started = on_start,
	.frame = on_frame,
	.destroy = peer_destroy,
};

static int open_peer(struct peer *peer, unsigned pairs)
{
	int ret = wire_init(&peer->wire, pairs);

	if (ret < 0)
		return ret;
	ret = fd_eventfd();
	if (ret < 0)
		return ret;
	peer->act.fd = peer->p->act_fd = ret;
	peer->p->late = send_late;
	peer->p->late_arg = peer;
	ret = loop_add(peer->loop, &peer->act);
	return ret < 0 ? ret
	               : loop_timer_at(peer->loop, &peer->timer, loop_now_ns() + peer->p->again_ns);
}

static int peer_create(const void *config, const struct net_common *common, struct loop *l,
                       struct net_backend **out)
{
	const struct peer_config *cfg = config;
	struct peer *peer = calloc(1, sizeof(*peer));
	int ret = peer ? 0 : -ENOMEM;

	*out = NULL;
	if (ret == 0) {
		peer->wire = (struct peer_wire){.ops = &wire_ops, .arg = peer, .loop = l};
		peer->p = cfg->p;
		peer->loop = l;
		peer->timer = (struct loop_timer){.fn = on_timer, .arg = peer};
		peer->act =
			(struct loop_fd){.fd = -1, .events = EPOLLIN, .fn = on_act, .arg = peer};
		peer->who = (struct parties){.ip = PEER_IP, .guest_ip = PEER_GUEST_IP};
		memcpy(peer->who.mac, turn_round_mac, 6);
		memcpy(peer->mac, common->mac, 6);
		memcpy(peer->who.guest_mac, common->mac, 6);
		ret = open_peer(peer, 1 + common->more_pairs);
	}
	if (ret < 0) {
		log_error("%s: no peer: %s", common->nic, strerror(-ret));
		if (peer)
			peer_destroy(peer);
		return ret;
	}
	*out = &peer->wire.pair[0].b;
	return 0;
}

static const struct opt_def no_keys[] = {OPT_END};

static const struct net_kind peer_kind = {
	.name = "peer",
	.help = "asks a driver that is provoked",
	.keys = no_keys,
	.config_size = sizeof(struct peer_config),
	.one_loop = true,
	.create = peer_create,
};

void peer_take(struct nic_config *nic, struct provoke *p)
{
	const struct peer_config cfg = {p};

	opt_keys_free(nic->kind->keys, nic->backend);
	nic->kind = &peer_kind;
	memcpy(nic->backend, &cfg, sizeof(cfg));
}
