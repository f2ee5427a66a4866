/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/stats.h - the counters, their names and units, in one table per kind of thing */
#ifndef DOORBELL_STATS_H
#define DOORBELL_STATS_H

#include <jansson.h>
#include <stdint.h>

struct nic;
struct vcpu;

/* Objects of numbers by stable names; NULL when there is no memory. Values may be a moment old. */
json_t *stats_of_vcpu(const struct vcpu *v);
json_t *stats_of_nic(const struct nic *n);

#endif
