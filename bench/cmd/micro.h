/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/micro.h - the rows without a network: what measures them, for rows_micro.c
 *
 * Each is a bench_row.measure; @row->arg is what it says here. All of them set BM_NS but where it is said otherwise.
 */
#ifndef DOORBELL_BENCH_MICRO_H
#define DOORBELL_BENCH_MICRO_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/cmd/bench.h"
#include "vmm/core/compiler.h"

#define MICRO_MEASURE(name)                                                                    \
	int name(const struct bench_env *env, const struct bench_row *row, unused void *state, \
	         struct bench_sample *s, char *why)

/* How long one round of @row is in this run, in ms. */
static inline unsigned micro_ms(const struct bench_env *env, const struct bench_row *row)
{
	const unsigned ms = env->seconds_div > 1 ? row->ms / env->seconds_div : row->ms;

	return ms > 0 ? ms : 1;
}

/* bench_row.can, of the rows with the same args below. */
#define MICRO_CAN(name) \
	int name(const struct bench_env *env, const struct bench_row *row, char *why)

MICRO_CAN(micro_can_cost);
MICRO_CAN(micro_can_vm); /* any that has a guest */
MICRO_CAN(micro_can_start);
MICRO_CAN(micro_can_boot);

/* micro_cost.c; arg: an enum cost_id, as a pointer */
MICRO_MEASURE(micro_cost);

/* micro_vcpu.c; arg: none. One userspace exit, there and back: BM_USERSPACE_EXITS of a guest's instruction, too. */
MICRO_MEASURE(micro_exit);
/* From the wish that a vCPU stops until it is out of its guest, which executes. */
MICRO_MEASURE(micro_stop);
/* KVM_RUN of a guest that leaves at once; arg: not NULL, each time on another thread than before. */
MICRO_MEASURE(micro_run);

/* micro_create.c; arg: */
struct micro_create {
	const char *mem; /* --mem of a machine with a NIC */
	bool drop;       /* measured is how it ends, not how it is made */
};
MICRO_MEASURE(micro_create);

/* micro_process.c; arg: */
struct micro_start {
	const char *net; /* --net */
	bool tap;        /* which takes a network of its own */
	bool end;        /* from the first KVM_RUN to the end, not until then */
};
MICRO_MEASURE(micro_start);
/* Private dirty memory beside the guest's: BM_BYTES. arg: a struct micro_start. */
MICRO_MEASURE(micro_memory);
/* A frame of a guest to --net echo and back, and an interrupt. arg: none. */
MICRO_MEASURE(micro_trip);

/* micro_boot.c; arg: */
enum micro_vmm { MICRO_DOORBELL, MICRO_QEMU, MICRO_QEMU_TUNED };
struct micro_boot {
	enum micro_vmm vmm;
};
/* exec to init of the run's kernel. */
MICRO_MEASURE(micro_boot);
/* What init finds: private dirty memory beside the guest's, BM_BYTES. */
MICRO_MEASURE(micro_boot_memory);

/* micro_ring.c; arg: a struct ring_work (bench/cmd/ring.h) */
MICRO_MEASURE(micro_ring);
/* Guest-physical addresses to pointers, in a machine with two regions; arg: bytes of what is looked up, as a pointer */
MICRO_MEASURE(micro_translate);

#endif
