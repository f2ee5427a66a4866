/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/vcpu.h - one guest CPU and the thread that runs it */
#ifndef DOORBELL_VCPU_H
#define DOORBELL_VCPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/arch.h"
#include "vmm/core/bus.h"
#include "vmm/core/tasks.h"
#include "vmm/kvm.h"

struct kvm_run;

/* Returns of KVM_RUN by reason; written by the vCPU's thread, others may read stale values. */
struct vcpu_stats {
	uint64_t exits_mmio, exits_pio, exits_other, exits_signal;
};

/* What a vCPU needs of its machine; all borrowed. */
struct vcpu_env {
	const struct bus *mmio, *pio;
	const struct kvm *kvm;
	/* vCPU thread: the machine has come to an end. @why is "" unless it died. */
	void (*ended)(void *arg, enum arch_exit how, const char *why);
	void *arg;
};

struct vcpu {
	unsigned index;
	int fd;
	int stats_fd; /* kvm_stats_open(); -1: none */
	struct kvm_run *run;
	const struct vcpu_env *env;
	struct vcpu_stats stats;
	atomic_bool stop, pause; /* wishes of other threads */
	bool has_thread;
	pthread_t thread;
	pthread_mutex_t lock; /* of the two that follow */
	pthread_cond_t changed;
	bool parked;      /* the thread waits for the end of a pause */
	bool ended;       /* the thread enters the guest no more */
	struct task task; /* what it did; valid after vcpu_stop() */
	atomic_int tid;   /* of the thread, once it runs */
};

/* Opens the vCPU; arch_vcpus_init() then gives all of them their CPU model. 0 or -errno, logged. */
int vcpu_create(struct vcpu *v, struct kvm *k, unsigned index, const struct vcpu_env *env);
void vcpu_destroy(struct vcpu *v,
                  struct kvm *k); /* after vcpu_stop(); a zeroed one with fd -1 is fine */

int vcpu_start(struct vcpu *v); /* a thread that enters the guest; 0 or -errno */
/* Do not enter the guest again. Any thread, also the vCPU's own; returns at once. */
void vcpu_ask_stop(struct vcpu *v);
/* Out of the guest, and the thread is gone. No-op without thread. Not from a vCPU thread. */
void vcpu_stop(struct vcpu *v);

/*
 * Out of the guest, and it stays out until vcpu_resume(); its state can be read. Returns when that is so.
 * One thread at a time, not a vCPU's. No-op without thread or when it has ended.
 */
void vcpu_pause(struct vcpu *v);
void vcpu_resume(struct vcpu *v);

/* Any thread: is it this vCPU's? */
bool vcpu_is_me(struct vcpu *v);

#endif
