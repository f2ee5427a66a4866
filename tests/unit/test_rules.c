/* SPDX-License-Identifier: Apache-2.0 */
/* The rules: what each set of mechanisms should cost, and how differences are judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "audit/rules.h"

/* ---- one frame */

struct expectation {
	const char *what;
	struct audit_how how;
	double exits[2], user_exits[2], wakeups, worker_wakeups, syscalls, kernel_work;
};

/* Of a frame out of the guest that who kicks sends: no wake-up, no epoll_wait() and no read() of the kick. */
static double in_place(const struct expectation *x, enum audit_dir d, double otherwise,
                       double saved)
{
	return x->how.kick_inline && d == AUDIT_TX ? otherwise - saved : otherwise;
}

#define SPLIT .split = true

static const struct expectation table[] = {
	{"pure", {SPLIT}, {2, 1}, {0, 0}, 1, 0, 4, 0},
	{"pure, kick=exit", {SPLIT, .kick_exit = true}, {2, 1}, {1, 0}, 1, 0, 4, 0},
	{"pure, kick=inline",
         {SPLIT, .kick_exit = true, .kick_inline = true},
         {2, 1},
         {1, 0},
         1,
         0,
         4,
         0},
	{"pure, regs=trap", {SPLIT, .regs_trap = true}, {3, 2}, {2, 2}, 1, 0, 4, 0},
	{"pure, both", {SPLIT, .regs_trap = true, .kick_exit = true}, {3, 2}, {3, 2}, 1, 0, 4, 0},
	{"pure, irqfd", {SPLIT, .irqfd = true}, {2, 1}, {0, 0}, 1, 0, 4, 0},
	{"pure, irqchip=kernel", {.irqfd = false}, {2, 1}, {0, 0}, 1, 0, 5, 0},
	{"pure, irqfd on a wire", {.irqfd = true}, {2, 1}, {0, 0}, 1, 0, 4, 1},
	{"vhost", {SPLIT, .vhost = true, .irqfd = true}, {2, 1}, {0, 0}, 0, 1, 0, 0},
	{"vhost, regs=trap",
         {SPLIT, .vhost = true, .irqfd = true, .regs_trap = true},
         {3, 2},
         {2, 2},
         0,
         1,
         0,
         0},
	{"vhost-user", {SPLIT, .peer = true, .irqfd = true}, {2, 1}, {0, 0}, 0, 0, 0, 0},
	{"vhost-user, kick=exit, regs=trap",
         {SPLIT, .peer = true, .irqfd = true, .kick_exit = true, .regs_trap = true},
         {3, 2},
         {3, 2},
         0,
         0,
         0,
         0},
	{"vhost-user on a wire", {.peer = true, .irqfd = true}, {2, 1}, {0, 0}, 0, 0, 0, 1},
	{"vhost on a wire", {.vhost = true, .irqfd = true}, {2, 1}, {0, 0}, 0, 1, 0, 1},
};

static void check_direction(const struct expectation *x, enum audit_dir d)
{
	print_message("%s, %s\n", x->what, d == AUDIT_TX ? "tx" : "rx");
	assert_true(audit_alone(&x->how, d, AUDIT_KICKS) == (d == AUDIT_TX));
	assert_true(audit_alone(&x->how, d, AUDIT_INTERRUPTS) == 1);
	assert_true(audit_alone(&x->how, d, AUDIT_EXITS) == x->exits[d]);
	assert_true(audit_alone(&x->how, d, AUDIT_USER_EXITS) == x->user_exits[d]);
	assert_true(audit_alone(&x->how, d, AUDIT_WAKEUPS) == in_place(x, d, x->wakeups, 1));
	assert_true(audit_alone(&x->how, d, AUDIT_WORKER_WAKEUPS) == x->worker_wakeups);
	assert_true(audit_alone(&x->how, d, AUDIT_SYSCALLS) == in_place(x, d, x->syscalls, 2));
	assert_true(audit_alone(&x->how, d, AUDIT_THREAD_SYSCALLS) ==
	            in_place(x, d, x->syscalls, x->syscalls));
	assert_true(audit_alone(&x->how, d, AUDIT_KERNEL_WORK) == x->kernel_work);
	assert_true(audit_alone(&x->how, d, AUDIT_COPIES) == (x->how.peer ? -1 : 1));
}

static void each_set_of_mechanisms_has_its_cost(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		check_direction(&table[i], AUDIT_TX);
		check_direction(&table[i], AUDIT_RX);
	}
}

static void the_article_sees_no_wakeup_under_vhost(unused void **state)
{
	const struct audit_how pure = {SPLIT}, vhost = {SPLIT, .vhost = true};

	assert_true(audit_article(&pure, AUDIT_TX, AUDIT_EXITS) == 1);
	assert_true(audit_article(&pure, AUDIT_TX, AUDIT_WAKEUPS) == 1);
	assert_true(audit_article(&pure, AUDIT_RX, AUDIT_SYSCALLS) == 2);
	assert_true(audit_article(&pure, AUDIT_RX, AUDIT_KERNEL_WORK) < 0);
	assert_true(audit_article(&vhost, AUDIT_RX, AUDIT_WORKER_WAKEUPS) == 0);
	assert_true(audit_article(&vhost, AUDIT_TX, AUDIT_USER_EXITS) == 0);
	assert_string_equal(audit_article_text(&vhost, AUDIT_TX),
	                    "exit + copy + host stack + entry");
	assert_non_null(strstr(audit_rule_text(&pure, AUDIT_TX), "1/K + E/J"));
	assert_non_null(strstr(audit_rule_text(&vhost, AUDIT_RX), "system calls 0"));
}

/* ---- under load */

/*
 * 1000 frames out and 2000 in: 200 kicks, 100 + 300 interrupts, 100 + 400 turns, of which one ended for want
 * of buffers. Nothing is left to explain but what a test adds.
 */
static struct audit_nic busy(struct audit_how how)
{
	struct audit_nic n = {
		.how = how,
		.flow = {{.frames = 1000,
	                  .kicks = 200,
	                  .kick_reads = 100,
	                  .turns = 100,
	                  .interrupts = 100,
	                  .syscalls = 1000,
	                  .bytes = 64000,
	                  .moved = 1000,
	                  .outside = 1000},
	                 {.frames = 2000,
	                  .turns = 400,
	                  .drained = 400,
	                  .interrupts = 300,
	                  .suppressed = 100,
	                  .syscalls = 2400,
	                  .bytes = 128000,
	                  .moved = 2000,
	                  .outside = 2000}},
		.interrupts = 400,
		.acks_swallowed = 400,
		.wakeups = 450,
		.sleeps = 440,
		.worker_sleeps = AUDIT_UNKNOWN,
		.seen_accesses = 600,
		.seen_interrupts = 400,
		.seen_syscalls = 450 + 1000 + 2400 + 100 + 400,
		.copied_once = true,
	};

	n.how.split = true;
	n.how.event_idx = true;
	if (how.vhost) {
		for (unsigned i = 0; i < 2; i++)
			n.flow[i] = (struct audit_flow){.frames = n.flow[i].frames,
			                                .kicks = n.flow[i].kicks,
			                                .outside = n.flow[i].outside};
		n.interrupts = n.wakeups = n.sleeps = n.seen_syscalls = 0;
		n.worker_sleeps = 700;
	}
	return n;
}

static const struct audit_row *row(const struct audit_rows *rows, enum audit_dir d,
                                   const char *event)
{
	static const struct audit_row none;

	for (unsigned i = 0; i < rows->nr; i++)
		if (rows->row[i].dir == d && strncmp(rows->row[i].event, event, strlen(event)) == 0)
			return &rows->row[i];
	fail_msg("no row '%s'", event);
	return &none;
}

static void assert_no_row_is_unexplained(const struct audit_rows *rows)
{
	for (unsigned i = 0; i < rows->nr; i++) {
		print_message("%s: %s\n", rows->row[i].event, rows->row[i].why);
		assert_int_not_equal(rows->row[i].verdict, AUDIT_UNEXPLAINED);
	}
}

/* Each kick an exit to us, each status read and ACK too: nothing of it needs tracefs. */
static void the_guests_share_of_a_peers_work_is_judged(unused void **state)
{
	struct audit_nic n = {
		.how = {SPLIT, .peer = true, .irqfd = true, .kick_exit = true, .regs_trap = true},
		.flow = {{.frames = AUDIT_UNKNOWN}, {.frames = AUDIT_UNKNOWN}},
		.notifies = 500,
		.acks = 300,
		.isr_reads = 300,
		.seen_accesses = 1100,
		.seen_kicks = 500,
		.seen_interrupts = AUDIT_UNKNOWN,
		.worker_sleeps = AUDIT_UNKNOWN,
	};
	struct audit_rows rows;

	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	assert_int_equal(audit_nic_exits(&n), 1100);
	assert_int_equal(row(&rows, AUDIT_BOTH, "kicks")->observed, 500);
	assert_int_equal(row(&rows, AUDIT_BOTH, "exits (kick")->expected, 1100);
	assert_int_equal(row(&rows, AUDIT_BOTH, "exits to userspace")->expected, 1100);
	assert_int_equal(row(&rows, AUDIT_BOTH, "exits to userspace")->verdict, AUDIT_EXPECTED);
	/* A kick that came back from nowhere is found. */
	n.seen_accesses = 1400;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "exits (kick")->verdict, AUDIT_UNEXPLAINED);
}

static void a_wire_that_a_peer_pulls_takes_its_own_workers(unused void **state)
{
	const struct audit_nic n = {
		.how = {.peer = true, .irqfd = true},
		.acks_swallowed = 300,
		.seen_accesses = AUDIT_UNKNOWN,
		.seen_kicks = AUDIT_UNKNOWN,
		.seen_interrupts = AUDIT_UNKNOWN,
		.seen_syscalls = AUDIT_UNKNOWN,
	};
	struct audit_rows rows;

	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "kernel-worker runs")->verdict, AUDIT_NOT_VISIBLE);
	assert_int_equal(row(&rows, AUDIT_BOTH, "exits (kick")->verdict, AUDIT_NOT_VISIBLE);
	assert_int_equal(audit_nic_exits(&n), 300);
}

static void pure_that_follows_the_rules_is_as_expected(unused void **state)
{
	const struct audit_nic n = busy((struct audit_how){.vhost = false});
	struct audit_rows rows;
	const struct audit_row *r;

	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	r = row(&rows, AUDIT_BOTH, "exits to userspace");
	assert_int_equal(r->expected, 0);
	assert_int_equal(r->observed, 0);
	assert_int_equal(r->verdict, AUDIT_EXPECTED);
	r = row(&rows, AUDIT_BOTH, "exits (kick");
	assert_int_equal(r->expected, 600); /* 1/K + E/J, times frames */
	assert_int_equal(r->observed, 600);
	r = row(&rows, AUDIT_RX, "system calls"); /* 1 + (turn) + (interrupt) */
	assert_int_equal(r->expected, 2000 + 400 + 300);
	assert_int_equal(r->observed, r->expected);
	assert_true(r->alone == 3);
	r = row(&rows, AUDIT_TX, "kicks");
	assert_non_null(strstr(r->why, "800 frames went without, by event_idx"));
	/* 1000 times 2, 2000 times 1. */
	r = row(&rows, AUDIT_BOTH, "exits (kick");
	assert_true(r->alone > 1.333 && r->alone < 1.334);
}

/* A third of its wake-ups is work that it found while it looked: no kick is read, and nobody slept. */
static void looking_instead_of_sleeping_is_explained(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.vhost = false});
	struct audit_rows rows;

	n.wakeups -= 150;
	n.sleeps = n.wakeups;
	n.poll_asks = 90000;
	n.poll_hits = 150;
	n.poll_checks = 20;
	n.seen_syscalls += n.poll_asks - 150 + 3 * n.poll_checks;
	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls of")->explained, 90060);
	/* It looked before the trace began anew, and the counters had it. */
	n.seen_syscalls -= 900;
	n.poll_asks_before = 1000;
	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls of")->explained, 90060 - 900);
	n.seen_syscalls = AUDIT_UNKNOWN;
	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	/* Kicks that nobody asked for are found as before. */
	n.flow[AUDIT_TX].kicks += n.flow[AUDIT_TX].frames;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_TX, "kicks")->verdict, AUDIT_UNEXPLAINED);
}

/* Half of what was sent, a frame each time. */
static void what_the_threads_did_that_kicked_is_not_the_nics_threads(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.kick_exit = true, .kick_inline = true});
	struct audit_flow *tx = &n.flow[AUDIT_TX];
	struct audit_rows rows;

	tx->kicks += 500;
	tx->turns += 500;
	tx->interrupts += 500;
	tx->in_place = tx->in_place_calls = tx->in_place_interrupts = 500;
	n.notifies = 700;
	n.interrupts += 500;
	n.acks_swallowed += 500;
	n.seen_accesses += 1000;
	n.seen_syscalls -= 500; /* but for the interrupts, which were more */
	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "wake-ups")->observed, 440);
	assert_non_null(strstr(row(&rows, AUDIT_BOTH, "wake-ups")->why, "500 kicks were served"));
	n.seen_syscalls += 500;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls")->verdict, AUDIT_UNEXPLAINED);
}

/* Woken for something else, the NIC's thread finds one that kicked at work. */
static void waits_for_a_thread_that_kicked_are_explained(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.kick_exit = true, .kick_inline = true});
	struct audit_rows rows;
	const struct audit_row *r;

	n.notifies = 200;
	n.sleeps = n.wakeups + 100; /* each of its sleeps, and some behind */
	n.seen_syscalls += 150;     /* of these 50 did not have to sleep */
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "wake-ups")->verdict, AUDIT_UNEXPLAINED);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls of")->verdict, AUDIT_UNEXPLAINED);
	n.turns_waited = 100;
	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	r = row(&rows, AUDIT_BOTH, "system calls of");
	assert_int_equal(r->explained, 150);
	assert_non_null(strstr(r->why, "+150 waits for a thread that kicked"));
	assert_non_null(strstr(row(&rows, AUDIT_BOTH, "wake-ups")->why, "100 times it may have"));
	/* They explain two each, and no more. */
	n.seen_syscalls += 200;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls of")->verdict, AUDIT_UNEXPLAINED);
	n.seen_syscalls = AUDIT_UNKNOWN;
	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
}

static void vhost_that_follows_the_rules_is_as_expected(unused void **state)
{
	const struct audit_nic n = busy((struct audit_how){.vhost = true, .irqfd = true});
	struct audit_rows rows;
	const struct audit_row *r;

	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	r = row(&rows, AUDIT_BOTH, "wake-ups of vhost's worker");
	assert_int_equal(r->observed, 700);
	assert_true(r->article == 0 && r->alone == 1);
	assert_int_equal(row(&rows, AUDIT_BOTH, "interrupts raised")->observed, 400);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls")->expected, 0);
	r = row(&rows, AUDIT_TX, "payload copies"); /* nobody counts them */
	assert_int_equal(r->expected, 1000);
	assert_int_equal(r->verdict, AUDIT_NOT_VISIBLE);
}

/* busyloop=try: a timer that is set and fires, the time that is asked for, and what it tells the kernel. */
static void looks_whether_vhost_should_poll_are_explained(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.vhost = true, .irqfd = true});
	struct audit_rows rows;

	n.wakeups += 300;
	n.timers += 2 * 300;
	n.trial_calls = 400;
	n.seen_syscalls += 4 * 300 + 400;
	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	n.seen_syscalls += 600;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls of")->verdict, AUDIT_UNEXPLAINED);
	n.seen_syscalls = AUDIT_UNKNOWN;
	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls of")->explained, 1000);
}

static void trapped_registers_cost_two_exits_for_each_interrupt(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.regs_trap = true});
	struct audit_rows rows;
	const struct audit_row *r;

	n.acks_swallowed = 0;
	n.acks = n.isr_reads = 390; /* ten came together with another one */
	n.seen_accesses = 200 + 2 * 390;
	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	r = row(&rows, AUDIT_BOTH, "exits to userspace");
	assert_int_equal(r->expected, 800);
	assert_int_equal(r->observed, 780);
	assert_int_equal(r->explained, -20);
	assert_int_equal(r->verdict, AUDIT_EXPLAINED);
}

/* A pair's thread reads 3000 frames, hands 2500 over and is handed 1500: 2000 are for its driver. */
static struct audit_nic steered(void)
{
	struct audit_nic n = busy((struct audit_how){.vhost = false});
	struct audit_flow *rx = &n.flow[AUDIT_RX];

	rx->steered = 2500;
	rx->taken = 1500;
	rx->wakes = 700;
	rx->wake_reads = 300;
	rx->syscalls = 3000 + rx->drained;
	rx->moved = rx->outside = 3000;
	n.seen_syscalls += 1000 + rx->wakes + rx->wake_reads;
	return n;
}

static void frames_that_are_handed_over_are_expected_to_cost_what_they_do(unused void **state)
{
	const struct audit_nic n = steered();
	struct audit_rows rows;
	const struct audit_row *r;

	audit_pair_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	r = row(&rows, AUDIT_RX, "system calls");
	assert_int_equal(r->expected, 3000 + 400 + 700 + 300 + 300);
	assert_int_equal(r->observed, r->expected);
	r = row(&rows, AUDIT_RX, "payload copies");
	assert_int_equal(r->observed, 3000 + 2500 + 1500);
	assert_int_equal(r->verdict, AUDIT_EXPECTED);
	assert_non_null(strstr(r->why, "4000 of them from pair to pair"));
	r = row(&rows, AUDIT_RX, "wake-ups by handing over");
	assert_int_equal(r->expected, 2500);
	assert_int_equal(r->observed, 700);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls")->verdict, AUDIT_EXPECTED);
	audit_nic_rows(&n, &rows);
	r = row(&rows, AUDIT_RX, "frames of the interface");
	assert_int_equal(r->verdict, AUDIT_EXPLAINED);
	assert_non_null(strstr(r->why, "+1000 on their way from pair to pair"));
}

static void
a_system_call_more_for_each_frame_that_is_handed_over_is_unexplained(unused void **state)
{
	struct audit_nic n = steered();
	struct audit_rows rows;

	n.flow[AUDIT_RX].syscalls += 2500;
	audit_pair_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_RX, "system calls")->verdict, AUDIT_UNEXPLAINED);
	n = steered();
	n.flow[AUDIT_RX].wakes = 3000; /* more than were handed over */
	audit_pair_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_RX, "wake-ups by handing")->verdict, AUDIT_UNEXPLAINED);
}

static void an_exit_more_for_each_frame_is_unexplained(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.vhost = false});
	struct audit_rows rows;
	const struct audit_row *r;

	n.notifies = 1000;
	audit_nic_rows(&n, &rows);
	r = row(&rows, AUDIT_BOTH, "exits to userspace");
	assert_int_equal(r->verdict, AUDIT_UNEXPLAINED);
	assert_non_null(strstr(r->why, "+1000 unexplained"));
	n.notifies = 0;
	n.config = 1000; /* this has a name */
	audit_nic_rows(&n, &rows);
	r = row(&rows, AUDIT_BOTH, "exits to userspace");
	assert_int_equal(r->verdict, AUDIT_EXPLAINED);
	assert_non_null(strstr(r->why, "+1000 at set-up and in the config space"));
}

static void more_than_a_bound_is_unexplained_and_less_is_not(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.vhost = false});
	struct audit_rows rows;

	n.sleeps = 2000;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "wake-ups of the I/O")->verdict, AUDIT_UNEXPLAINED);
	n.sleeps = 0;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "wake-ups of the I/O")->verdict, AUDIT_EXPECTED);
}

static void work_items_are_unexpected_on_messages_and_expected_on_wires(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.irqfd = true});
	struct audit_rows rows;

	n.seen_work = 400;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "kernel-worker")->verdict, AUDIT_UNEXPLAINED);
	n.how.split = false;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "kernel-worker")->verdict, AUDIT_EXPECTED);
}

static void what_nobody_counted_is_not_visible_and_says_why(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.vhost = true, .irqfd = true});
	struct audit_rows rows;

	n.seen_accesses = n.seen_interrupts = n.seen_work = n.seen_syscalls = AUDIT_UNKNOWN;
	n.worker_sleeps = AUDIT_UNKNOWN;
	n.copied_once = false;
	audit_nic_rows(&n, &rows);
	assert_no_row_is_unexplained(&rows);
	for (unsigned i = 0; i < rows.nr; i++)
		if (rows.row[i].verdict == AUDIT_NOT_VISIBLE)
			assert_true(rows.row[i].why[0] != '\0');
	assert_int_equal(row(&rows, AUDIT_BOTH, "interrupts raised")->verdict, AUDIT_NOT_VISIBLE);
	assert_int_equal(row(&rows, AUDIT_BOTH, "wake-ups of vhost")->verdict, AUDIT_NOT_VISIBLE);
	assert_int_equal(row(&rows, AUDIT_RX, "payload")->verdict, AUDIT_NOT_VISIBLE);
}

static void frames_in_pieces_are_copies_of_ours(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.vhost = false});
	struct audit_rows rows;
	const struct audit_row *r;

	n.flow[AUDIT_RX].bytes_copied = 64000;
	audit_nic_rows(&n, &rows);
	r = row(&rows, AUDIT_RX, "payload copies");
	assert_int_equal(r->observed, 3000);
	assert_int_equal(r->verdict, AUDIT_EXPLAINED);
}

/* What is observed is not what is expected: it comes from the system calls that moved frames. */
static void a_copy_more_for_each_frame_is_unexplained(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.vhost = false});
	struct audit_rows rows;

	n.flow[AUDIT_RX].moved = 4000;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_RX, "payload copies")->observed, 4000);
	assert_int_equal(row(&rows, AUDIT_RX, "payload copies")->verdict, AUDIT_UNEXPLAINED);
	n.flow[AUDIT_RX].lost = 2000;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_RX, "payload copies")->verdict, AUDIT_EXPLAINED);
	n.flow[AUDIT_RX].moved = AUDIT_UNKNOWN;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_RX, "payload copies")->verdict, AUDIT_NOT_VISIBLE);
}

static void what_is_not_visible_of_a_pair_under_vhost_is_said(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.vhost = true, .irqfd = true});
	struct audit_rows rows;

	n.flow[AUDIT_TX].frames = n.flow[AUDIT_RX].frames = AUDIT_UNKNOWN;
	audit_pair_rows(&n, &rows);
	for (unsigned i = 0; i < rows.nr; i++)
		if (rows.row[i].verdict == AUDIT_NOT_VISIBLE)
			assert_true(rows.row[i].why[0] != '\0');
	assert_int_equal(row(&rows, AUDIT_TX, "kicks")->observed, 200);
	assert_int_equal(row(&rows, AUDIT_TX, "kicks")->verdict, AUDIT_NOT_VISIBLE);
	assert_int_equal(row(&rows, AUDIT_RX, "interrupts")->verdict, AUDIT_NOT_VISIBLE);
	assert_int_equal(row(&rows, AUDIT_RX, "payload")->verdict, AUDIT_NOT_VISIBLE);
	assert_int_equal(row(&rows, AUDIT_BOTH, "wake-ups of vhost")->verdict, AUDIT_NOT_VISIBLE);
	assert_int_equal(row(&rows, AUDIT_BOTH, "wake-ups of the I/O")->verdict, AUDIT_EXPECTED);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls")->verdict, AUDIT_EXPECTED);
	n.seen_syscalls = 100; /* doorbell has no business with these frames */
	audit_pair_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "system calls")->verdict, AUDIT_UNEXPLAINED);
}

static void the_instrument_is_compared_with_another_one(unused void **state)
{
	struct audit_nic n = busy((struct audit_how){.vhost = false});
	struct audit_rows rows;

	n.flow[AUDIT_RX].outside = 2500;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_RX, "frames of")->verdict, AUDIT_UNEXPLAINED);
	n.flow[AUDIT_RX].lost = 500;
	audit_nic_rows(&n, &rows);
	assert_int_equal(row(&rows, AUDIT_RX, "frames of")->verdict, AUDIT_EXPLAINED);
}

/* ---- the machine */

static void every_exit_has_a_reason(unused void **state)
{
	struct audit_vm v = {.nic_exits = 600,
	                     .exits = 1000,
	                     .faults = 50,
	                     .reason = {{"hlt", 250}, {"msr", 100}},
	                     .nr_reasons = 2,
	                     .injected = 500,
	                     .taken = 400,
	                     .halts = 250,
	                     .sleeps = 200};
	struct audit_rows rows;

	audit_vm_rows(&v, &rows);
	assert_no_row_is_unexplained(&rows);
	assert_non_null(strstr(row(&rows, AUDIT_BOTH, "exits")->why, "+250 hlt"));
	v.exits = 2000;
	audit_vm_rows(&v, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "exits")->verdict, AUDIT_UNEXPLAINED);
	v.nr_reasons = 0; /* nobody knows them: halts alone are counted */
	audit_vm_rows(&v, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "exits")->verdict, AUDIT_NOT_VISIBLE);
	assert_non_null(strstr(row(&rows, AUDIT_BOTH, "exits")->why, "+1100 of which only"));
	v.exits = AUDIT_UNKNOWN;
	audit_vm_rows(&v, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "exits")->verdict, AUDIT_NOT_VISIBLE);
}

static void many_reasons_do_not_overflow_the_row(unused void **state)
{
	struct audit_vm v = {.exits = 3200, .nr_reasons = AUDIT_REASONS};
	struct audit_rows rows;

	for (unsigned i = 0; i < AUDIT_REASONS; i++) {
		v.reason[i].name = "a reason with a rather long name";
		v.reason[i].nr = 100;
	}
	audit_vm_rows(&v, &rows);
	assert_int_equal(row(&rows, AUDIT_BOTH, "exits")->verdict, AUDIT_EXPLAINED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_set_of_mechanisms_has_its_cost),
		cmocka_unit_test(the_article_sees_no_wakeup_under_vhost),
		cmocka_unit_test(pure_that_follows_the_rules_is_as_expected),
		cmocka_unit_test(looking_instead_of_sleeping_is_explained),
		cmocka_unit_test(what_the_threads_did_that_kicked_is_not_the_nics_threads),
		cmocka_unit_test(waits_for_a_thread_that_kicked_are_explained),
		cmocka_unit_test(vhost_that_follows_the_rules_is_as_expected),
		cmocka_unit_test(the_guests_share_of_a_peers_work_is_judged),
		cmocka_unit_test(a_wire_that_a_peer_pulls_takes_its_own_workers),
		cmocka_unit_test(looks_whether_vhost_should_poll_are_explained),
		cmocka_unit_test(trapped_registers_cost_two_exits_for_each_interrupt),
		cmocka_unit_test(frames_that_are_handed_over_are_expected_to_cost_what_they_do),
		cmocka_unit_test(
			a_system_call_more_for_each_frame_that_is_handed_over_is_unexplained),
		cmocka_unit_test(an_exit_more_for_each_frame_is_unexplained),
		cmocka_unit_test(more_than_a_bound_is_unexplained_and_less_is_not),
		cmocka_unit_test(work_items_are_unexpected_on_messages_and_expected_on_wires),
		cmocka_unit_test(what_nobody_counted_is_not_visible_and_says_why),
		cmocka_unit_test(frames_in_pieces_are_copies_of_ours),
		cmocka_unit_test(a_copy_more_for_each_frame_is_unexplained),
		cmocka_unit_test(what_is_not_visible_of_a_pair_under_vhost_is_said),
		cmocka_unit_test(the_instrument_is_compared_with_another_one),
		cmocka_unit_test(every_exit_has_a_reason),
		cmocka_unit_test(many_reasons_do_not_overflow_the_row),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
