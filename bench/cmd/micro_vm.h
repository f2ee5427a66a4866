/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/micro_vm.h - the smallest machine that the product's parts make: memory, a CPU, and a port that counts
 *
 * Its guest is guest_micro, which does what @word says.
 */
#ifndef DOORBELL_BENCH_MICRO_VM_H
#define DOORBELL_BENCH_MICRO_VM_H

#include <stdint.h>

#include "boot/cmdline.h"
#include "vmm/core/bus.h"
#include "vmm/vcpu.h"

struct bench_env;

struct micro_vm {
	struct kvm kvm;
	struct gmem mem;
	struct bus mmio, pio;
	struct cmdline cmdline;
	struct vcpu_env env;
	struct vcpu vcpu;
	bool has_vcpu;
	/* vCPU thread: each write to the debug-exit port. Set before vcpu_start(), or NULL. */
	void (*on_out)(void *arg);
	void *arg;
};

/* 0; or -errno with a line in @why (BENCH_WHY_MAX), then nothing is left. */
int micro_vm_create(struct micro_vm *m, const struct bench_env *env, const char *word, char *why);
void micro_vm_destroy(struct micro_vm *m); /* after vcpu_stop() */

/* May we have a VM at all? 0; or -EOPNOTSUPP with the reason in @why. */
int micro_vm_can(char *why);

#endif
