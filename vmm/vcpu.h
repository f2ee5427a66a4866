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
#include "vmm/kvm.h"

struct kvm_run;

/* Returns of KVM_RUN by reason; written by the vCPU's thread, others may read stale values. */
struct vcpu_stats {
	uint64_t exits_mmio, exits_pio, exits_other, exits_signal;
};

/* What a vCPU needs of its machine; all borrowed. */
struct vcpu_env {
	const struct bus *mmio, *pio;
	/* vCPU thread: the machine has come to an end. @why is "" unless it died. */
	void (*ended)(void *arg, enum arch_exit how, const char *why);
	void *arg;
};

struct vcpu {
	unsigned index;
	int fd;
	struct kvm_run *run;
	const struct vcpu_env *env;
	struct vcpu_stats stats;
	atomic_bool stop;
	bool has_thread;
	pthread_t thread;
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

#endif
