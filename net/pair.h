/* SPDX-License-Identifier: Apache-2.0 */
/* net/pair.h - where the two ends of a pair find each other */
#ifndef DOORBELL_PAIR_H
#define DOORBELL_PAIR_H

struct net_pair_end;

/*
 * The ends of pairs in one process; begins NULL, and is that again when all of them were destroyed. They are created and
 * destroyed on one thread, while the loop of neither runs.
 */
struct net_pairs {
	struct net_pair_end *first;
};

/* Has each of them found its other end? 0; or -EINVAL after one log_error(). */
int net_pairs_check(const struct net_pairs *all);

#endif
