/* SPDX-License-Identifier: Apache-2.0 */
/* audit/rules.h - what each mechanism should cost, and what was counted: one against the other
 *
 * Plain numbers in, rows out: no JSON, no kernel. docs/audit.md has the rules in words.
 */
#ifndef DOORBELL_RULES_H
#define DOORBELL_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/core/compiler.h"

enum audit_dir { AUDIT_TX, AUDIT_RX, AUDIT_BOTH };

enum audit_event {
	AUDIT_KICKS,
	AUDIT_INTERRUPTS,
	AUDIT_TAKEN, /* interrupts that the driver acknowledged */
	AUDIT_EXITS,
	AUDIT_USER_EXITS,
	AUDIT_WAKEUPS,        /* of the NIC's thread */
	AUDIT_WORKER_WAKEUPS, /* of vhost's */
	AUDIT_SYSCALLS,
	AUDIT_THREAD_SYSCALLS, /* of these, the NIC's thread's */
	AUDIT_KERNEL_WORK,
	AUDIT_COPIES,
};

/* The mechanisms that serve a NIC. */
struct audit_how {
	bool vhost; /* the kernel serves the rings ... */
	bool peer;  /* ... or a process over vhost-user; else pure */
	bool sockets; /* behind it are sockets of a library: its system calls and copies are its own */
	bool kick_exit;   /* else ioeventfd */
	bool kick_inline; /* likewise, and a frame that is alone is sent by the thread that kicks */
	bool regs_trap;   /* else the register page */
	bool irqfd;       /* else ioctl */
	bool split;       /* the I/O-APIC is doorbell's, else KVM's */
	bool event_idx;   /* accepted by the driver */
};

#define AUDIT_UNKNOWN UINT64_MAX /* nobody counted it */

/* Everything below is what was added between two moments. */
struct audit_flow {
	/* frames: unknown when a peer moves them, and of a pair under vhost */
	uint64_t frames, kicks;
	/* Of the device, hence 0 when vhost serves: */
	uint64_t kick_reads, turns, interrupts, suppressed, stalls;
	uint64_t drained; /* rx: reads of the host that found nothing */
	uint64_t syscalls, again, bytes, bytes_copied;
	/* tx: turns of the threads that kicked, interrupts that they raised, and their other system calls. */
	uint64_t in_place, in_place_interrupts, in_place_calls;
	/* By the backend: frames that one writev() took from guest memory, or one readv() put there; or unknown. */
	uint64_t moved;
	/* rx, RSS: frames handed to a pair and taken by one, writes and reads of an eventfd for them. */
	uint64_t steered, taken, wakes, wake_reads;
	uint64_t lost;    /* taken from the host and not given to the driver */
	uint64_t outside; /* frames by the counters of the host's interface, or unknown */
};

struct audit_nic {
	struct audit_how how;
	struct audit_flow flow[2];                          /* AUDIT_TX, AUDIT_RX */
	uint64_t interrupts;                                /* raised by doorbell */
	uint64_t isr_reads, acks, notifies, config, others; /* accesses that were exits to it */
	uint64_t acks_swallowed, ctrl_kicks;
	uint64_t wakeups, changes, calls, timers, self_kicks, ctrl_reads; /* of the NIC's thread */
	/*
	 * Likewise: times it asked the kernel instead of sleeping, times it looked and found something, and times it asked
	 * whether others want the CPU.
	 */
	uint64_t poll_asks, poll_hits, poll_checks;
	/* Likewise, between the counters and the trace: at first only the counters may have it, at last only the trace. */
	uint64_t poll_asks_before, poll_asks_behind;
	uint64_t trial_calls;  /* likewise: for whether vhost should poll */
	uint64_t turns_waited; /* likewise: for a thread that kicked and had not finished yet */
	uint64_t sleeps, worker_sleeps; /* voluntary switches, or unknown */
	bool copied_once;               /* vhost: it copies each frame, and only once */
	/* By tracefs, or unknown: */
	uint64_t seen_accesses, seen_kicks, seen_interrupts, seen_work, seen_syscalls;
};

#define AUDIT_REASONS 32u

struct audit_vm {
	uint64_t frames;                                       /* of all NICs */
	uint64_t nic_exits, nic_user_exits;                    /* of all NICs, as counted */
	uint64_t exits;                                        /* KVM's count; or unknown */
	uint64_t halts, ports, host_irqs, irq_windows, faults; /* of these, KVM's count */
	uint64_t user_mmio, user_pio, user_other, user_signal;
	uint64_t injected, taken; /* interrupts; KVM's count, and of the NICs */
	uint64_t sleeps;          /* of the vCPU threads, or unknown */
	/* By tracefs: every exit but those for guest memory, by reason; nr 0: not visible. */
	struct {
		const char *name;
		uint64_t nr;
	} reason[AUDIT_REASONS];
	unsigned nr_reasons;
};

enum audit_verdict {
	AUDIT_OPEN, /* not judged yet */
	AUDIT_EXPECTED,
	AUDIT_EXPLAINED,
	AUDIT_UNEXPLAINED,
	AUDIT_NOT_VISIBLE,
};

struct audit_row {
	enum audit_dir dir;
	const char *event;
	double article, alone; /* per frame on its own: the article, our rules; < 0: says nothing */
	bool at_most;          /* expected is a bound */
	uint64_t expected, observed; /* or unknown */
	int64_t explained;           /* of the difference */
	enum audit_verdict verdict;
	char why[256]; /* what explains it, or why it is not visible; may be "" */
};

#define AUDIT_ROWS 20u

struct audit_rows {
	struct audit_row row[AUDIT_ROWS];
	unsigned nr;
};

/* What one frame that is alone costs with these mechanisms (AUDIT_BOTH is no direction). */
double audit_alone(const struct audit_how *h, enum audit_dir dir, enum audit_event e);
/* What the article's equations say it costs; < 0: nothing. */
double audit_article(const struct audit_how *h, enum audit_dir dir, enum audit_event e);
/* Both as equations. */
const char *audit_article_text(const struct audit_how *h, enum audit_dir dir);
const char *audit_rule_text(const struct audit_how *h, enum audit_dir dir);

void audit_nic_rows(const struct audit_nic *n, struct audit_rows *out);
/* The same for one of several queue pairs: what happens on its thread, and, under vhost, what nobody can tell of it. */
void audit_pair_rows(const struct audit_nic *n, struct audit_rows *out);
void audit_vm_rows(const struct audit_vm *v, struct audit_rows *out);

/* Exits of one NIC as they were counted: all, and those to userspace. */
uint64_t audit_nic_exits(const struct audit_nic *n);
uint64_t audit_nic_user_exits(const struct audit_nic *n);

/* What may happen while the counters are read one after the other. */
uint64_t audit_tolerance(uint64_t events);

#endif
