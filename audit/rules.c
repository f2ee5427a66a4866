/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules for one frame (a guest that sends, receives, takes an interrupt) and, under load, for so many
 * kicks, interrupts and turns as there were. The article of which the differences are shown: pure virtio
 * against vhost-net, without measurements; docs/audit.md says where it errs.
 */
#include "audit/rules.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- one frame on its own */

/* Does doorbell move the frames? */
static bool ours(const struct audit_how *h)
{
	return !h->vhost && !h->peer;
}

/* Is a frame that is alone sent by the thread that kicks? */
static bool in_place(const struct audit_how *h, enum audit_dir dir)
{
	return ours(h) && h->kick_inline && dir == AUDIT_TX;
}

/* System calls to signal an eventfd: a write(); or, when a peer shares it, io_submit() and io_getevents(). */
static unsigned event_calls(const struct audit_how *h)
{
	return h->peer ? 2 : 1;
}

/* System calls for one interrupt: KVM_IRQ_LINE up and down; or KVM_SIGNAL_MSI, or by an eventfd. */
static unsigned signal_calls(const struct audit_how *h)
{
	if (h->irqfd)
		return event_calls(h);
	return h->split ? 1 : 2;
}

/* Exits for one interrupt: InterruptACK, and InterruptStatus when it traps. */
static unsigned interrupt_exits(const struct audit_how *h)
{
	return h->regs_trap ? 2 : 1;
}

double audit_alone(const struct audit_how *h, enum audit_dir dir, enum audit_event e)
{
	const bool tx = dir == AUDIT_TX;

	switch (e) {
	case AUDIT_KICKS:
		return tx;
	case AUDIT_INTERRUPTS:
	case AUDIT_TAKEN:
		return 1;
	case AUDIT_COPIES:
		return h->peer ? -1 : 1;
	case AUDIT_EXITS:
		return tx + interrupt_exits(h);
	case AUDIT_USER_EXITS:
		return (tx && h->kick_exit) + (h->regs_trap ? 2 : 0);
	case AUDIT_WAKEUPS:
		return ours(h) && !in_place(h, dir);
	case AUDIT_WORKER_WAKEUPS:
		return h->vhost;
	case AUDIT_THREAD_SYSCALLS:
		return in_place(h, dir) ? 0 : audit_alone(h, dir, AUDIT_SYSCALLS);
	case AUDIT_SYSCALLS: /* tx: epoll_wait, read, writev; rx: epoll_wait, readv, readv */
		return ours(h) ? (in_place(h, dir) ? 1 : 3) + signal_calls(h) : 0;
	case AUDIT_KERNEL_WORK:
		return h->irqfd && !h->split;
	}
	return -1;
}

double audit_article(const struct audit_how *h, enum audit_dir dir, enum audit_event e)
{
	if (h->peer)
		return -1;
	switch (e) {
	case AUDIT_EXITS:
	case AUDIT_COPIES:
		return 1;
	case AUDIT_USER_EXITS:
	case AUDIT_WAKEUPS:
		return h->vhost ? 0 : 1;
	case AUDIT_WORKER_WAKEUPS:
		return h->vhost ? 0 : -1;
	case AUDIT_SYSCALLS: /* rx: read, ioctl */
	case AUDIT_THREAD_SYSCALLS:
		return !h->vhost && dir == AUDIT_RX ? 2 : -1;
	default:
		return -1;
	}
}

const char *audit_article_text(const struct audit_how *h, enum audit_dir dir)
{
	if (h->peer) /* its own: a polling switch */
		return dir == AUDIT_TX
		               ? "copy + NIC doorbell"
		               : "copy + write(irqfd) + exit + entry (a polling guest: copy)";
	if (dir == AUDIT_TX)
		return h->vhost ? "exit + copy + host stack + entry"
		                : "exit + context switch + VMM work + copy + host stack + entry";
	return h->vhost ? "host stack + copy + exit + entry"
	                : "host stack + context switch + copy + VMM work + exit + entry";
}

const char *audit_rule_text(const struct audit_how *h, enum audit_dir dir)
{
	static const char *const text[3][2] = {
		{"exits 1/K + E/J, wake-ups <= 1/B, system calls 1 + 2/B + S/J, copies 1",
	         "exits E/J, wake-ups <= 1/B, system calls 1 + 2/B + S/J, copies 1"},
		{"exits 1/K + E/J, wake-ups of the vhost worker <= 1/B, system calls 0, copies 1",
	         "exits E/J, wake-ups of the vhost worker <= 1/B, system calls 0, copies 1"},
		{"exits 1/K + E/J, system calls 0; wake-ups and copies are the peer's",
	         "exits E/J, system calls 0; wake-ups and copies are the peer's"},
	};

	return text[h->peer ? 2 : h->vhost][dir != AUDIT_TX];
}

/* ---- rows */

uint64_t audit_tolerance(uint64_t events)
{
	return 16 + events / 200;
}

static struct audit_row *add_row(struct audit_rows *out, enum audit_dir dir, const char *event)
{
	struct audit_row *r = &out->row[out->nr++];

	*r = (struct audit_row){
		.dir = dir, .event = event, .article = -1, .alone = -1, .observed = AUDIT_UNKNOWN};
	return r;
}

static void PRINTF_LIKE(2, 3) say(struct audit_row *r, const char *fmt, ...)
{
	size_t len = strlen(r->why);
	va_list ap;

	if (len)
		len += (size_t)snprintf(r->why + len, sizeof(r->why) - len, "; ");
	if (len >= sizeof(r->why))
		return;
	va_start(ap, fmt);
	vsnprintf(r->why + len, sizeof(r->why) - len, fmt, ap);
	va_end(ap);
}

/* @nr more (less, when negative) than the rule says are due to @what. */
static void explain(struct audit_row *r, int64_t nr, const char *what)
{
	if (nr == 0)
		return;
	r->explained += nr;
	say(r, "%+" PRId64 " %s", nr, what);
}

/* As many as are left, at most @nr. */
static void explain_up_to(struct audit_row *r, int64_t nr, const char *what)
{
	const int64_t left = (int64_t)(r->observed - r->expected) - r->explained;

	if (left > 0)
		explain(r, left < nr ? left : nr, what);
}

/* As many as there are too few, at most @few; or too many, at most @many. */
static void explain_about(struct audit_row *r, int64_t few, int64_t many, const char *what)
{
	const int64_t left = (int64_t)(r->observed - r->expected) - r->explained;

	explain(r, left > many ? many : left < -few ? -few : left, what);
}

static void judge(struct audit_row *r)
{
	int64_t left;

	if (r->observed == AUDIT_UNKNOWN || r->expected == AUDIT_UNKNOWN) {
		r->verdict = AUDIT_NOT_VISIBLE;
		return;
	}
	left = (int64_t)(r->observed - r->expected) - r->explained;
	if (r->at_most && left < 0)
		left = 0;
	if ((uint64_t)(left < 0 ? -left : left) >
	    audit_tolerance(r->observed > r->expected ? r->observed : r->expected)) {
		r->verdict = AUDIT_UNEXPLAINED;
		say(r, "%+" PRId64 " unexplained", left);
	} else {
		r->verdict = r->explained ? AUDIT_EXPLAINED : AUDIT_EXPECTED;
	}
}

/* Per frame of both directions, as many as there were of each; as many of either, when nobody counts. */
static double mixed(const struct audit_nic *n, enum audit_event e,
                    double (*of)(const struct audit_how *h, enum audit_dir d, enum audit_event e))
{
	const double tx = of(&n->how, AUDIT_TX, e), rx = of(&n->how, AUDIT_RX, e);
	const bool known = n->flow[AUDIT_TX].frames != AUDIT_UNKNOWN;
	const double nr_tx = known ? (double)n->flow[AUDIT_TX].frames : 1;
	const double nr_rx = known ? (double)n->flow[AUDIT_RX].frames : 1;

	if (tx < 0 || rx < 0 || nr_tx + nr_rx < 1)
		return -1;
	return (tx * nr_tx + rx * nr_rx) / (nr_tx + nr_rx);
}

static struct audit_row *nic_row(struct audit_rows *out, const struct audit_nic *n,
                                 enum audit_dir dir, enum audit_event e, const char *event)
{
	struct audit_row *r = add_row(out, dir, event);

	if (dir == AUDIT_BOTH) {
		r->article = mixed(n, e, audit_article);
		r->alone = mixed(n, e, audit_alone);
	} else {
		r->article = audit_article(&n->how, dir, e);
		r->alone = audit_alone(&n->how, dir, e);
	}
	return r;
}

/* ---- a direction */

static const char *suppressor(const struct audit_how *h)
{
	return h->event_idx ? "event_idx" : "the flag in the ring";
}

static void kicks(struct audit_rows *out, const struct audit_nic *n, enum audit_dir d)
{
	const struct audit_flow *f = &n->flow[d];
	struct audit_row *r = nic_row(out, n, d, AUDIT_KICKS, "kicks");

	r->at_most = true;
	r->expected = f->frames;
	r->observed = f->kicks;
	if (d == AUDIT_RX && f->stalls)
		say(r, "%" PRIu64 " times no buffer was left", f->stalls);
	else if (f->kicks < f->frames)
		say(r, "%" PRIu64 " frames went without, by %s", f->frames - f->kicks,
		    suppressor(&n->how));
	judge(r);
}

/* Of these frames, those that went between us and the host: with RSS another pair may have read them, or get them. */
static uint64_t host_frames(const struct audit_flow *f)
{
	return f->frames - f->taken + f->steered;
}

/* Where each is made: the system calls that moved a frame, the inboxes of RSS, and bytes that doorbell copied itself. */
static void observed_copies(struct audit_row *r, const struct audit_flow *f, enum audit_dir d)
{
	r->observed = f->moved + f->steered + f->taken;
	explain(r, d == AUDIT_RX ? (int64_t)f->lost : 0, "frames not for the driver");
	if (f->steered || f->taken)
		say(r, "%" PRIu64 " of them from pair to pair", f->steered + f->taken);
	if (f->bytes_copied && f->bytes) {
		const double frames =
			(double)f->frames * (double)f->bytes_copied / (double)f->bytes;

		r->observed += (uint64_t)frames;
		explain(r, (int64_t)frames,
		        "copied by doorbell: short, or for want of buffers or pieces");
	}
}

static void copies(struct audit_rows *out, const struct audit_nic *n, enum audit_dir d)
{
	const struct audit_flow *f = &n->flow[d];
	struct audit_row *r = nic_row(out, n, d, AUDIT_COPIES, "payload copies");

	/* With RSS: into an inbox, and out of one. */
	r->expected = host_frames(f) + f->steered + f->taken;
	if (n->how.vhost)
		say(r, n->copied_once ? "vhost-net counts none; experimental_zcopytx is 0"
		                      : "vhost-net counts none, and may be told not to copy");
	else if (n->how.sockets)
		say(r, "libslirp makes them");
	else if (f->moved == AUDIT_UNKNOWN)
		say(r, "its backend moves frames in ways of its own");
	else
		observed_copies(r, f, d);
	judge(r);
}

static void turns(struct audit_rows *out, const struct audit_nic *n, enum audit_dir d)
{
	const struct audit_flow *f = &n->flow[d];
	struct audit_row *r = nic_row(out, n, d, AUDIT_INTERRUPTS, "interrupts");

	/* One decision for each batch that is published, at most one batch in a turn. */
	r->at_most = true;
	r->expected = f->turns;
	r->observed = f->interrupts;
	if (f->suppressed)
		say(r, "%" PRIu64 " batches wanted none, by %s", f->suppressed,
		    suppressor(&n->how));
	judge(r);
	r = nic_row(out, n, d, AUDIT_SYSCALLS, "system calls");
	if (!in_place(&n->how, d))
		r->alone -= 1; /* epoll_wait() serves both directions */
	r->article = -1;
	r->expected = host_frames(f) + (d == AUDIT_TX ? f->kick_reads : f->drained) + f->wakes +
	              f->wake_reads + f->interrupts * signal_calls(&n->how);
	if (n->how.sockets) {
		say(r, "libslirp's are not counted");
	} else {
		r->observed = f->syscalls + f->kick_reads + f->wakes + f->wake_reads +
		              f->interrupts * signal_calls(&n->how);
		explain(r, d == AUDIT_RX ? (int64_t)f->kick_reads : 0, "reads of a kick");
		explain(r, (int64_t)f->again, "writes that found the host full");
		explain(r, d == AUDIT_RX ? (int64_t)f->lost : 0, "frames not for the driver");
	}
	judge(r);
}

/* A frame that is handed over wakes a thread that had nothing; those that follow find it awake. */
static void handing_over(struct audit_rows *out, const struct audit_flow *f)
{
	struct audit_row *r;

	if (!f->steered)
		return;
	r = add_row(out, AUDIT_RX, "wake-ups by handing over");
	r->at_most = true;
	r->expected = f->steered;
	r->observed = f->wakes;
	judge(r);
}

/* Two who count the same: is the instrument right? */
static void outside(struct audit_rows *out, const struct audit_nic *n, enum audit_dir d)
{
	const struct audit_flow *f = &n->flow[d];
	struct audit_row *r;

	if (n->how.vhost || f->outside == AUDIT_UNKNOWN)
		return;
	r = add_row(out, d, "frames of the interface");
	r->expected = f->frames;
	r->observed = f->outside;
	explain(r, (int64_t)(f->steered - f->taken), "on their way from pair to pair");
	explain(r, d == AUDIT_RX ? (int64_t)f->lost : 0, "not for the driver");
	judge(r);
}

/* ---- the NIC */

/* With a peer, that takes them from the eventfds: when they are exits to us, or tracefs is there. Or unknown. */
static uint64_t all_kicks(const struct audit_nic *n)
{
	if (n->how.peer)
		return n->how.kick_exit ? n->notifies : n->seen_kicks;
	return n->flow[AUDIT_TX].kicks + n->flow[AUDIT_RX].kicks + n->ctrl_kicks;
}

static uint64_t all_frames(const struct audit_nic *n)
{
	return n->flow[AUDIT_TX].frames + n->flow[AUDIT_RX].frames;
}

static uint64_t taken(const struct audit_nic *n)
{
	return n->acks + n->acks_swallowed;
}

/* As well as it is known. */
static uint64_t raised(const struct audit_nic *n)
{
	if (ours(&n->how))
		return n->interrupts;
	return n->seen_interrupts != AUDIT_UNKNOWN ? n->seen_interrupts : taken(n);
}

uint64_t audit_nic_user_exits(const struct audit_nic *n)
{
	return n->isr_reads + n->acks + n->notifies + n->config + n->others;
}

uint64_t audit_nic_exits(const struct audit_nic *n)
{
	const uint64_t kicks = all_kicks(n);

	return (kicks == AUDIT_UNKNOWN ? 0 : kicks) + taken(n) + n->isr_reads + n->config +
	       n->others;
}

/* What can be said of the eventfds that a peer shares. */
static void shared_events(struct audit_rows *out, const struct audit_nic *n)
{
	struct audit_row *r = nic_row(out, n, AUDIT_BOTH, AUDIT_KICKS, "kicks");

	r->expected = AUDIT_UNKNOWN;
	r->observed = all_kicks(n);
	say(r, r->observed == AUDIT_UNKNOWN ? "the peer takes them, and only tracefs tells"
	                                    : "for how many frames only the peer knows");
	judge(r);
	r = nic_row(out, n, AUDIT_BOTH, AUDIT_INTERRUPTS, "interrupts raised");
	r->expected = AUDIT_UNKNOWN;
	say(r, "by the peer, in a thread of its own");
	judge(r);
	r = nic_row(out, n, AUDIT_BOTH, AUDIT_TAKEN, "interrupts taken");
	r->expected = AUDIT_UNKNOWN;
	r->observed = taken(n);
	say(r, "of how many only the peer knows");
	judge(r);
}

static void interrupts(struct audit_rows *out, const struct audit_nic *n)
{
	struct audit_row *r = nic_row(out, n, AUDIT_BOTH, AUDIT_INTERRUPTS, "interrupts raised");

	r->at_most = n->how.vhost;
	r->expected = n->how.vhost ? all_frames(n) : n->interrupts;
	r->observed = n->seen_interrupts;
	if (r->observed == AUDIT_UNKNOWN && n->how.vhost) {
		say(r, "the kernel raises them and only tracefs tells");
	} else if (r->observed == AUDIT_UNKNOWN) {
		r->observed = n->interrupts;
		say(r, "as doorbell says, without tracefs");
	} else if (n->how.split && ours(&n->how)) { /* it looks at the NIC's thread */
		explain(r, -(int64_t)n->flow[AUDIT_TX].in_place_interrupts,
		        "raised by the threads that kicked");
	}
	judge(r);
	r = nic_row(out, n, AUDIT_BOTH, AUDIT_TAKEN, "interrupts taken");
	r->at_most = true;
	r->expected =
		n->how.vhost && n->seen_interrupts == AUDIT_UNKNOWN ? all_frames(n) : raised(n);
	r->observed = taken(n);
	if (raised(n) > taken(n))
		say(r, "%" PRIu64 " came while the handler ran", raised(n) - taken(n));
	judge(r);
}

/* The handler runs once for interrupts that come while it has not begun. */
static void explain_merged(struct audit_row *r, const struct audit_nic *n, unsigned each)
{
	explain(r, -(int64_t)((raised(n) - taken(n)) * each), "for interrupts that came together");
}

static void exits(struct audit_rows *out, const struct audit_nic *n)
{
	struct audit_row *r = nic_row(out, n, AUDIT_BOTH, AUDIT_EXITS, "exits (kick, registers)");

	r->expected = AUDIT_UNKNOWN;
	if (all_kicks(n) != AUDIT_UNKNOWN)
		r->expected = all_kicks(n) + raised(n) * interrupt_exits(&n->how);
	r->observed = n->seen_accesses;
	if (r->observed == AUDIT_UNKNOWN) {
		say(r, "only tracefs tells whose an exit was");
	} else {
		explain_merged(r, n, interrupt_exits(&n->how));
		if (n->how.regs_trap)
			explain(r, (int64_t)(n->isr_reads - taken(n)),
			        "status reads without an ACK");
		explain(r, (int64_t)(n->config + n->others), "at set-up and in the config space");
	}
	judge(r);

	r = nic_row(out, n, AUDIT_BOTH, AUDIT_USER_EXITS, "exits to userspace");
	r->expected =
		(n->how.kick_exit ? all_kicks(n) : 0) + (n->how.regs_trap ? 2 * raised(n) : 0);
	r->observed = audit_nic_user_exits(n);
	if (n->how.regs_trap) {
		explain_merged(r, n, 2);
		explain(r, (int64_t)(n->isr_reads - taken(n)), "status reads without an ACK");
	} else {
		explain(r, (int64_t)n->acks, "ACKs while a config change was pending");
	}
	explain(r, (int64_t)(n->config + n->others), "at set-up and in the config space");
	judge(r);
}

static void wakeups(struct audit_rows *out, const struct audit_nic *n)
{
	struct audit_row *r =
		nic_row(out, n, AUDIT_BOTH, AUDIT_WAKEUPS, "wake-ups of the I/O thread");

	r->at_most = true;
	/* Waits; for the lock of a call; and for who kicked. */
	r->expected = n->wakeups + n->calls + n->turns_waited;
	r->observed = n->sleeps;
	if (r->observed == AUDIT_UNKNOWN)
		say(r, "no such thread in /proc");
	else if (n->wakeups > n->sleeps)
		say(r, "%" PRIu64 " times there was work already", n->wakeups - n->sleeps);
	if (n->poll_hits)
		say(r, "%" PRIu64 " times it was awake, looking", n->poll_hits);
	if (n->flow[AUDIT_TX].in_place)
		say(r, "%" PRIu64 " kicks were served by who kicked", n->flow[AUDIT_TX].in_place);
	if (n->turns_waited)
		say(r, "%" PRIu64 " times it may have waited for who kicked", n->turns_waited);
	judge(r);
}

static void worker_wakeups(struct audit_rows *out, const struct audit_nic *n)
{
	struct audit_row *r =
		nic_row(out, n, AUDIT_BOTH, AUDIT_WORKER_WAKEUPS, "wake-ups of vhost's worker");

	r->at_most = true;
	r->expected = all_frames(n) + all_kicks(n);
	r->observed = n->worker_sleeps;
	if (r->observed == AUDIT_UNKNOWN)
		say(r, "no such worker in /proc, or not ours to see");
	else if (all_frames(n) > n->worker_sleeps)
		say(r, "%" PRIu64 " frames found it awake", all_frames(n) - n->worker_sleeps);
	judge(r);
}

/* A file is opened, read and closed; where there is none, only the first of these. */
static uint64_t share_calls(const struct audit_nic *n)
{
	return 3 * n->poll_checks;
}

static void thread_calls(struct audit_rows *out, const struct audit_nic *n)
{
	const struct audit_flow *tx = &n->flow[AUDIT_TX], *rx = &n->flow[AUDIT_RX];
	struct audit_row *r = nic_row(out, n, AUDIT_BOTH, AUDIT_THREAD_SYSCALLS,
	                              "system calls of the I/O thread");
	const uint64_t reads = tx->kick_reads + rx->kick_reads + n->ctrl_reads + rx->wake_reads;
	/* What the threads did that kicked is among the frames, the interrupts and the self_kicks. */
	const uint64_t frames = tx->syscalls + rx->syscalls - tx->in_place_calls;
	const uint64_t signals = (n->interrupts - tx->in_place_interrupts) * signal_calls(&n->how);

	r->expected = n->wakeups + frames + reads + signals + rx->wakes;
	r->observed = n->seen_syscalls;
	if (r->observed == AUDIT_UNKNOWN && n->how.sockets) {
		say(r, "libslirp's are not counted");
	} else if (r->observed == AUDIT_UNKNOWN) {
		r->observed = r->expected + n->self_kicks + n->changes + n->timers + n->calls +
		              n->poll_asks + share_calls(n) + n->trial_calls;
		say(r, "as doorbell says, without tracefs");
	}
	explain(r, (int64_t)(n->self_kicks * event_calls(&n->how)), "work left for the next turn");
	explain(r, (int64_t)n->changes, "changes of what it waits for");
	explain(r, (int64_t)n->timers, "timers");
	explain(r, (int64_t)n->calls, "calls from other threads");
	explain(r, (int64_t)n->poll_asks, "times epoll was asked without waiting");
	explain_up_to(r, (int64_t)share_calls(n), "whether others want the CPU");
	explain(r, (int64_t)n->trial_calls, "whether vhost should poll");
	/* One to sleep, when it is not too late for that; one to let go, which looks for others who do. */
	if (n->seen_syscalls != AUDIT_UNKNOWN)
		explain_up_to(r, (int64_t)(2 * n->turns_waited), "waits for a thread that kicked");
	/*
	 * A poll(), and where the clock is no memory of the kernel, asking it the time; of the rings only that. Of each look
	 * two timers were counted.
	 */
	if (n->how.vhost && n->seen_syscalls != AUDIT_UNKNOWN)
		explain_up_to(r, (int64_t)n->timers, "looks at the interface and the rings");
	if (n->seen_syscalls != AUDIT_UNKNOWN)
		explain_about(r, (int64_t)n->poll_asks_before, (int64_t)n->poll_asks_behind,
		              "looks while counters were read");
	judge(r);
}

static void kernel_work(struct audit_rows *out, const struct audit_nic *n)
{
	struct audit_row *r = nic_row(out, n, AUDIT_BOTH, AUDIT_KERNEL_WORK, "kernel-worker runs");

	r->expected = n->how.irqfd && !n->how.split ? raised(n) : 0;
	if (n->how.peer && r->expected > 0)
		say(r, "ordered by the peer's threads");
	else
		r->observed = n->seen_work;
	if (n->seen_work == AUDIT_UNKNOWN && !r->why[0])
		say(r, "only tracefs tells");
	judge(r);
}

void audit_nic_rows(const struct audit_nic *n, struct audit_rows *out)
{
	out->nr = 0;
	for (enum audit_dir d = AUDIT_TX; d <= AUDIT_RX && !n->how.peer; d++) {
		kicks(out, n, d);
		if (!n->how.vhost)
			turns(out, n, d);
		copies(out, n, d);
		outside(out, n, d);
	}
	handing_over(out, &n->flow[AUDIT_RX]);
	if (n->how.peer)
		shared_events(out, n);
	else
		interrupts(out, n);
	exits(out, n);
	wakeups(out, n);
	if (n->how.vhost)
		worker_wakeups(out, n);
	thread_calls(out, n);
	kernel_work(out, n);
}

/* One direction of a pair that vhost serves: its eventfds count kicks, all else is counted of the NIC as a whole. */
static void unseen_flow(struct audit_rows *out, const struct audit_nic *n, enum audit_dir d)
{
	static const struct {
		enum audit_event event;
		const char *name, *why;
	} rows[] = {
		{AUDIT_KICKS, "kicks",
	         "for how many frames the interface counts for all pairs together"},
		{AUDIT_INTERRUPTS, "interrupts", "all pairs have one wire"},
		{AUDIT_COPIES, "payload copies", "vhost-net counts none"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct audit_row *r = nic_row(out, n, d, rows[i].event, rows[i].name);

		r->expected = AUDIT_UNKNOWN;
		if (rows[i].event == AUDIT_KICKS)
			r->observed = n->flow[d].kicks;
		say(r, "%s", rows[i].why);
		judge(r);
	}
}

static void unseen_worker(struct audit_rows *out, const struct audit_nic *n)
{
	struct audit_row *r =
		nic_row(out, n, AUDIT_BOTH, AUDIT_WORKER_WAKEUPS, "wake-ups of vhost's worker");

	r->expected = AUDIT_UNKNOWN;
	say(r, "each pair has one, and all have one name");
	judge(r);
}

void audit_pair_rows(const struct audit_nic *n, struct audit_rows *out)
{
	out->nr = 0;
	for (enum audit_dir d = AUDIT_TX; d <= AUDIT_RX; d++) {
		if (n->how.vhost) {
			unseen_flow(out, n, d);
			continue;
		}
		kicks(out, n, d);
		turns(out, n, d);
		copies(out, n, d);
	}
	handing_over(out, &n->flow[AUDIT_RX]);
	wakeups(out, n);
	if (n->how.vhost)
		unseen_worker(out, n);
	thread_calls(out, n);
}

/* ---- the machine */

/* What KVM's own counters leave over is not unexplained: its reasons are for tracefs. */
static void leave_to_trace(struct audit_row *r)
{
	const int64_t left = (int64_t)(r->observed - r->expected) - r->explained;

	if (left <= (int64_t)audit_tolerance(r->observed))
		return;
	r->verdict = AUDIT_NOT_VISIBLE;
	say(r, "%+" PRId64 " of which only tracefs tells the reason", left);
}

static void vm_exits(struct audit_rows *out, const struct audit_vm *v)
{
	struct audit_row *r = add_row(out, AUDIT_BOTH, "exits");

	r->expected = v->nic_exits;
	r->observed = v->exits;
	if (r->observed == AUDIT_UNKNOWN) {
		say(r, "this KVM does not count");
		judge(r);
		return;
	}
	for (unsigned i = 0; i < v->nr_reasons; i++)
		explain(r, (int64_t)v->reason[i].nr, v->reason[i].name);
	if (!v->nr_reasons) {
		explain(r, (int64_t)v->halts, "halts");
		explain(r, (int64_t)v->ports, "port I/O");
		explain(r, (int64_t)v->host_irqs, "interrupts of the host");
		explain(r, (int64_t)v->irq_windows, "interrupt windows");
	}
	explain(r, (int64_t)v->faults, "guest memory");
	if (!v->nr_reasons)
		leave_to_trace(r);
	if (r->verdict != AUDIT_NOT_VISIBLE)
		judge(r);
}

void audit_vm_rows(const struct audit_vm *v, struct audit_rows *out)
{
	const uint64_t to_user = v->user_mmio + v->user_pio + v->user_other + v->user_signal;
	struct audit_row *r;

	out->nr = 0;
	vm_exits(out, v);
	r = add_row(out, AUDIT_BOTH, "exits to userspace");
	r->expected = v->nic_user_exits;
	r->observed = to_user;
	explain(r, (int64_t)v->user_pio, "ports (console)");
	explain(r, (int64_t)v->user_signal, "signals of doorbell's own");
	explain(r, (int64_t)v->user_other, "neither port nor MMIO");
	explain(r, (int64_t)(v->user_mmio - v->nic_user_exits), "MMIO of no NIC (I/O-APIC)");
	judge(r);

	r = add_row(out, AUDIT_BOTH, "interrupts injected");
	r->expected = v->taken;
	r->observed = v->injected;
	if (v->injected == AUDIT_UNKNOWN)
		say(r, "this KVM does not count");
	else
		explain(r, (int64_t)(v->injected - v->taken), "of others: timers, CPUs, console");
	judge(r);

	r = add_row(out, AUDIT_BOTH, "wake-ups of the vCPUs");
	r->at_most = true;
	r->expected = v->halts == AUDIT_UNKNOWN ? AUDIT_UNKNOWN : v->halts + to_user;
	r->observed = v->sleeps;
	if (r->observed == AUDIT_UNKNOWN)
		say(r, "no such threads in /proc");
	judge(r);
}
