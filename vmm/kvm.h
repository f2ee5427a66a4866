/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/kvm.h - the KVM ioctls that every CPU has; arch/<cpu>/ issues the others on the same descriptors */
#ifndef DOORBELL_KVM_H
#define DOORBELL_KVM_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/core/gmem.h"

struct arch_irqchip;
struct kvm_run;

struct kvm {
	int sys_fd; /* /dev/kvm */
	int vm_fd;
	uint32_t run_bytes; /* size of a vCPU's shared page(s) */
	unsigned max_vcpus;
	struct arch_irqchip *irqchip; /* arch/<cpu>/'s, or NULL: arch_vm_init() */
	uint32_t nr_slots;            /* memory slots in use: 0, 1, ... */
};

/*
 * Open /dev/kvm and make a VM. 0; or -errno after one log_error(): no such device, no right (and how to
 * get it), not API 12. On failure @k holds no descriptor.
 */
int kvm_open(struct kvm *k);
int kvm_try(struct kvm *k);    /* the same, but says nothing */
void kvm_close(struct kvm *k); /* descriptors -1 are fine */

int kvm_capability(const struct kvm *k,
                   int cap); /* of this VM: 0 no, > 0 yes or its value, < 0 -errno */

/*
 * Give guest memory to the VM, slot by region. Before irqchip, vCPUs and eventfds: the other way round
 * KVM waits out grace periods of 5 ms and more. 0 or -errno, logged.
 */
int kvm_add_memory(struct kvm *k, const struct gmem *m);

/*
 * @host, of @size bytes (both page multiples), is what the guest reads at @gpa without an exit; it cannot
 * write there: that is an MMIO exit. Borrowed, until after the last vCPU. When: as kvm_add_memory(). 0 or -errno, logged.
 */
int kvm_add_readonly(struct kvm *k, gpa_t gpa, const void *host, uint64_t size);

/* Writes of @val (4 bytes) to @gpa signal @fd in the kernel. 0 or -errno. */
int kvm_ioeventfd(struct kvm *k, gpa_t gpa, uint32_t val, int fd);
/*
 * The same for 4-byte writes of any value, or no longer: then all that @fd was to get it has got when this
 * returns, which takes a grace period. Any thread. 0 or -errno, logged.
 */
int kvm_ioeventfd_any(struct kvm *k, gpa_t gpa, int fd, bool on);

/*
 * A write to eventfd @fd is an edge of wire @gsi, until the VM or @fd is closed. After arch_vm_init(); any
 * number for one wire. 0 or -errno, logged.
 */
int kvm_irqfd(struct kvm *k, unsigned gsi, int fd);

/* A vCPU and its shared memory. *run is mapped run_bytes long: kvm_vcpu_close(). fd >= 0 or -errno. */
int kvm_vcpu_open(struct kvm *k, unsigned index, struct kvm_run **run);
void kvm_vcpu_close(struct kvm *k, int *fd, struct kvm_run **run);
/*
 * The statistics file of the VM or vCPU whose descriptor is @fd; to be closed. Of a vCPU before it runs: later the
 * call would wait for its KVM_RUN to end. A descriptor; or -errno, not logged: not in this KVM.
 */
int kvm_stats_open(int fd);
int kvm_vcpu_run(
	int fd); /* KVM_RUN: 0 or -errno; -EINTR and -EAGAIN mean look at nothing, call again */

#endif
