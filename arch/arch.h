/* SPDX-License-Identifier: Apache-2.0 */
/* arch/arch.h - all that the rest of doorbell knows of a CPU: one constant and sixteen functions that each
 * arch/<cpu>/ provides. Which folder is linked decides; there is no #ifdef.
 */
#ifndef DOORBELL_ARCH_H
#define DOORBELL_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/flat.h"
#include "boot/image.h"
#include "boot/machine_map.h"
#include "vmm/core/gmem.h"
#include "vmm/kvm.h"

struct bus;
struct kvm_run;
struct cmdline;

/* Who has the interrupt controller that devices are wired to. */
enum irqchip {
	IRQCHIP_KERNEL, /* KVM */
	IRQCHIP_SPLIT,  /* doorbell; KVM has what belongs to each CPU */
};

/* Where a platform device is on this CPU. base 0: this CPU has none. */
struct arch_place {
	bool pio;      /* port I/O, else MMIO */
	uint64_t base; /* address or port */
	uint64_t size;
	unsigned gsi;
};

struct arch_desc {
	const char *name; /* "x86_64": as uname -m and ARCH= */
	/* virtio-mmio device i: registers at virtio_base + i * virtio_stride, GSI virtio_gsi + i. */
	gpa_t virtio_base;
	uint64_t virtio_stride;
	unsigned virtio_gsi;
	unsigned max_virtio;
	struct arch_place uart;       /* 16550, byte stride */
	struct arch_place power;      /* devices/power.h: sleep control, sleep status, reset */
	struct arch_place i8042;      /* reset request of old kernels */
	struct arch_place debug_exit; /* one byte: the guest's verdict */
	enum announce default_announce;
	/* Guests see what our cached writes put into memory that they read as a device's: regs=page is the default. */
	bool register_page;
	unsigned announce_mask;       /* 1 << enum announce that this CPU supports */
	enum irqchip default_irqchip; /* with the default announce; with others the kernel's */
	unsigned irqchip_mask;        /* 1 << enum irqchip that this CPU supports */
	const char *console;          /* what to put on a Linux command line: "console=ttyS0" */
};

extern const struct arch_desc arch_desc;

/* RAM of @bytes as ranges around this CPU's holes. Number of ranges (>= 1). */
unsigned arch_ram_ranges(uint64_t bytes, struct gmem_range out[GMEM_MAX_REGIONS]);

struct arch_ahead;

struct arch_vm_config {
	const struct machine_map *map;
	enum irqchip irqchip;
	struct bus *mmio; /* gets what this CPU's part of the machine has there; outlives the VM */
};

/*
 * After memory slots, before vCPUs: interrupt controller and what else a VM of this CPU has. 0 or
 * -errno, logged; arch_vm_free() in both cases.
 */
int arch_vm_init(struct kvm *k, const struct arch_vm_config *cfg);
/* No vCPU and no device runs. A VM without arch_vm_init() is fine. */
void arch_vm_free(struct kvm *k);
/*
 * Ask /dev/kvm, open as @kvm_fd, what needs no VM and takes long. On vmm/kvm_ahead.h's thread. NULL: not
 * now; it is asked when it is needed.
 */
struct arch_ahead *arch_ahead_ask(int kvm_fd);
void arch_ahead_free(struct arch_ahead *a); /* NULL is fine */
/*
 * After kvm_vcpu_open() of all @nr_cpus vCPUs: CPU model (CPUID, MSRs), state at reset. One call for
 * all, because asking KVM what this host's CPU can do is slow and has one answer, which @ahead (or NULL)
 * gives away. 0 or -errno, logged.
 */
int arch_vcpus_init(struct kvm *k, const int *vcpu_fds, unsigned nr_cpus, struct arch_ahead *ahead);
/*
 * Drive wire @gsi of the interrupt controller. Any thread. An irqfd on it (kvm_irqfd()) sends what an
 * edge of the wire would send, and may be assigned before the guest has programmed anything.
 */
void arch_irq_set(const struct kvm *k, unsigned gsi, bool level);
/*
 * Any thread. Is an edge of wire @gsi sent to a CPU when it comes, before arch_irq_set(), or the write to an irqfd, returns?
 * False: the guest has it masked; or the interrupt controller is the kernel's, which may send it later.
 */
bool arch_irq_open(const struct kvm *k, unsigned gsi);

/* How the first CPU begins; filled by arch_boot(), used by arch_vcpu_start(). Each CPU reads its part. */
struct arch_entry {
	uint64_t pc;
	uint64_t arg[5]; /* registers that the boot protocol wants */
	unsigned mode;   /* private to arch/<cpu>/ */
};

struct arch_boot_config {
	const char *kernel;      /* path */
	struct flat_place flat;  /* not given: the file says what it is */
	const char *initrd;      /* path or NULL */
	struct cmdline *cmdline; /* the user's words; arch_boot() adds what announces devices */
	const struct machine_map *map;
	const struct gmem *mem;
};

/*
 * Load kernel and initrd, write tables (ACPI, zero page, PVH start info, device tree), say where to
 * start. 0; or -errno after one log_error() that names the file and what is wrong with it: then it is
 * bad input when -EINVAL, -ENOENT, -E2BIG, ...; the caller maps errors to exit status 2.
 */
int arch_boot(const struct arch_boot_config *cfg, struct arch_entry *entry);
/* CPU 0, before its first KVM_RUN. The others wait for the guest to start them. 0 or -errno, logged. */
int arch_vcpu_start(int vcpu_fd, const struct arch_entry *entry);

/* What a vCPU exit that is not plain MMIO or port I/O means. */
enum arch_exit {
	ARCH_EXIT_CONTINUE, /* dealt with */
	ARCH_EXIT_SHUTDOWN, /* guest powered off */
	ARCH_EXIT_RESET,    /* guest asked for a reboot */
	ARCH_EXIT_DEAD,     /* triple fault, internal error, entry failure: *why says which */
};
enum arch_exit arch_handle_exit(const struct kvm *k, const struct kvm_run *run, char *why,
                                size_t why_size);

/*
 * What the fields isa and exit_reason of the tracepoint kvm_exit mean. *memory: a fault on guest-physical
 * memory, as which an access to MMIO comes, too. Any numbers.
 */
const char *arch_exit_name(uint64_t isa, uint64_t reason, bool *memory);

/* Where a vCPU is: @vcpu_fd's own thread, or any while it is out of the guest. 0 or -errno. */
int arch_vcpu_pc(int vcpu_fd, uint64_t *pc);
/*
 * @vcpu_fd is out of the guest: will it do nothing more unless another CPU starts it? Because it has halted with interrupts off, or
 * was never started.
 */
bool arch_vcpu_rests(int vcpu_fd);
/* @vcpu_fd's own thread: does the CPU accept interrupts, and has it taken all that were sent to it? False: or KVM does not say. */
bool arch_vcpu_took_all(int vcpu_fd);
/* Registers as text, several lines, for the message about a dead guest. Any state; returns @buf. */
const char *arch_vcpu_describe(int vcpu_fd, char *buf, size_t size);

#endif
