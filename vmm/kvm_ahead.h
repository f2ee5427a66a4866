/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/kvm_ahead.h - KVM's part of a start that needs nothing of the guest, on a thread of its own
 *
 * While the guest's files are read. To make a VM can mean to wait: its worker threads join the cgroups of
 * their creator, which takes a grace period of RCU (24 ms in the lab, on Debian 12's kernel; kernel:
 * kvm_vm_create_worker_thread()). What a vCPU can be takes 0.6 ms where CPUID traps.
 */
#ifndef DOORBELL_KVM_AHEAD_H
#define DOORBELL_KVM_AHEAD_H

struct arch_ahead;
struct kvm;
struct kvm_ahead;

/* NULL: not now; then all is done when it is needed. Says nothing of what fails: who needs it tries again. */
struct kvm_ahead *kvm_ahead_begin(void);
/*
 * Waits for the VM, which becomes @k, the caller's: 0; or -errno, also for NULL. Its sys_fd stays open until
 * kvm_ahead_end(): the thread may still be asking.
 */
int kvm_ahead_take(struct kvm_ahead *a, struct kvm *k);
/* Waits. What this CPU's part has asked; NULL: nothing. Borrowed. */
struct arch_ahead *kvm_ahead_answer(struct kvm_ahead *a);
/* Waits, and closes what nobody took. NULL is fine. */
void kvm_ahead_end(struct kvm_ahead *a);

#endif
