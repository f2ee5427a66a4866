/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/cost_tap.h - what it costs to give a frame to the host's network */
#ifndef DOORBELL_BENCH_COST_TAP_H
#define DOORBELL_BENCH_COST_TAP_H

/* As cost_measure(): in a process and a network of its own, which ordinary users may have where namespaces are allowed. */
int cost_tap_write(unsigned ms, double *ns, char *why);

#endif
