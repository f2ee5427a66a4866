/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/vm.h - the life of one virtual machine */
#ifndef DOORBELL_VM_H
#define DOORBELL_VM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/config.h"

struct console;
struct loop;
struct nic;
struct task;
struct vm; /* opaque; owns memory, buses, devices, backends, vCPU and I/O threads */

enum vm_end_kind {                  /* why vm_run() came back */
	           VM_END_SHUTDOWN, /* guest powered off */
	           VM_END_RESET,    /* guest asked for a reboot */
	           VM_END_VERDICT,  /* guest wrote a byte to the debug-exit port */
	           VM_END_STOPPED,  /* vm_stop(): the user's wish */
	           VM_END_TIMEOUT,  /* --timeout */
	           VM_END_DEAD,     /* triple fault, internal error: logged with registers */
};

struct vm_end {
	enum vm_end_kind kind;
	uint8_t verdict; /* with VM_END_VERDICT */
};

/*
 * Do everything that can fail for an ordinary reason: open KVM, map memory, load the images, open
 * backends, wire devices. No guest code runs yet. @cfg, @loop and @console (NULL: none) are borrowed
 * and outlive the VM; @loop is the one that vm_run() will run.
 * 0, with *out owned by the caller; or -errno, everything undone, *out NULL, and one log_error().
 * -EINVAL, -ENOENT and their like are the user's input, see run.c.
 */
int vm_create(const struct vm_config *cfg, struct loop *loop, struct console *console,
              struct vm **out);

/*
 * Start the threads and serve the main loop on this thread until the machine ends. Once, and once more
 * after each vm_reset(). 0 or -errno, logged: the host failed.
 */
int vm_run(struct vm *vm, struct vm_end *end);

/*
 * After vm_run(): another life for the guest, on a machine made as by vm_create(). What belongs to the host
 * goes on: NIC backends, links and paths as they were set. 0 or -errno, logged; then only vm_destroy().
 */
int vm_reset(struct vm *vm);

/*
 * Any thread. The first reason counts, later ones are ignored, but for the user's wish that ends a guest
 * which just reboots. vm_run() returns soon.
 */
void vm_stop(struct vm *vm, struct vm_end end);

void vm_destroy(struct vm *vm); /* NULL is fine; not inside vm_run() */

/* What is where, from the configuration alone; and which entry of virtio[] a NIC, or a slot without one, has. */
void vm_map(const struct vm_config *cfg, struct machine_map *map);
unsigned vm_nic_place(const struct vm_config *cfg, unsigned nic);
unsigned vm_slot_place(const struct vm_config *cfg, unsigned slot);
/* The same as JSON, for --print-machine. 0 or -errno. */
int vm_print_machine(const struct vm_config *cfg, FILE *out);

bool vm_has_rings(const struct vm *vm); /* might somebody else serve the rings of a NIC? */

/* Counters of this life; after vm_run(), or during it with values that may be a moment old. NULL: no memory. */
json_t *vm_stats(const struct vm *vm);

/* Any thread. Where the guest's CPU is whose thread calls, within an exit. False: it is none of its. */
bool vm_guest_pc(struct vm *vm, uint64_t *pc);

/*
 * Any thread, while it runs. Is an interrupt of NIC @nic sent to the guest's CPU when it comes? On that CPU's thread, within
 * an exit: and has it taken all that were sent? False: or nobody knows, as with several CPUs and with --irqchip kernel.
 */
bool vm_hears(struct vm *vm, unsigned nic);

/* After vm_run(): has the guest stopped for good, all CPUs halted with interrupts off? *pc: where the first one has. */
bool vm_rests(const struct vm *vm, uint64_t *pc);

/* ---- while it runs; main loop's thread */

json_t *vm_status(struct vm *vm); /* running or paused, its NICs and links; NULL: no memory */
/*
 * What the guest's CPUs have had of the host's, as that of one: the mean of their cpu_ns and runqueue_ns; ready when one of
 * them is.
 */
void vm_cpu_time(const struct vm *vm, struct task *mean);
void vm_pause(struct vm *vm); /* no vCPU executes anything until vm_resume() */
void vm_resume(struct vm *vm);
bool vm_is_paused(const struct vm *vm);
struct nic *vm_nic(struct vm *vm, const char *name); /* NULL: there is none of that name */

#endif
