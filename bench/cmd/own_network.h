/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/own_network.h - a network namespace for what may touch nobody else's network */
#ifndef DOORBELL_BENCH_OWN_NETWORK_H
#define DOORBELL_BENCH_OWN_NETWORK_H

#include <stdbool.h>

/*
 * The caller's thread gets a network of its own, with nothing but loopback, which is up. Who may not have one gets a
 * user namespace, too, in which it is root: that takes a process with one thread. False: *why, a static string, says
 * what was refused.
 */
bool enter_own_network(const char **why);

#endif
