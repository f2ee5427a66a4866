/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/stats.h - the counters, their names and units, in one table per kind of thing */
#ifndef DOORBELL_STATS_H
#define DOORBELL_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct kvm;
struct nic;
struct task;
struct vcpu;

/* Objects of numbers by stable names; NULL when there is no memory. Values may be a moment old. */
json_t *stats_of_vcpu(const struct vcpu *v);
json_t *stats_of_nic(const struct nic *n);
json_t *stats_of_kvm(const struct kvm *k);
json_t *stats_of_task(const struct task *t); /* also NULL: a name that is no text */
/* An array: the threads of this process, and with @vhost those that work for it in the kernel. */
json_t *stats_of_tasks(bool vhost);

#endif
