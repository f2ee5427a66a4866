/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/cost_tap.h - what it costs to give a frame to the host's network */
#ifndef DOORBELL_BENCH_COST_TAP_H
#define DOORBELL_BENCH_COST_TAP_H

/* bench_row.can: may we? 0 or -errno with a line in @why (BENCH_WHY_MAX); *@stop as in struct bench_env. */
int cost_tap_can(const volatile int *stop, char *why);
/* As cost_measure(): in a process and a network of its own, which ordinary users may have where namespaces are allowed. */
int cost_tap_write(unsigned ms, double *ns, char *why);

#endif
