/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/kvm_stats.h - what KVM counts of a VM or a vCPU (kernel: Documentation/virt/kvm/api.rst, 4.133) */
#ifndef DOORBELL_KVM_STATS_H
#define DOORBELL_KVM_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kvm_stat {
	const char *name; /* the kernel's */
	uint64_t value;
	bool found; /* kernels differ in what they count */
};

/*
 * Fill value and found of @stat[0 .. nr) from the @len bytes of a statistics file. Only single numbers;
 * histograms are not found. 0; or -EINVAL when it is no such file.
 */
int kvm_stats_parse(const void *file, size_t len, struct kvm_stat *stat, unsigned nr);

/* The same from kvm_stats_open(), whatever the VM or vCPU does meanwhile. 0 or -errno, not logged. */
int kvm_stats_read(int file, struct kvm_stat *stat, unsigned nr);

#endif
