/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/vu_case.h - a NIC and a fake peer that find each other by a socket in a folder of their own
 *
 * A host failure, or what does not come in time, ends the process with a message.
 */
#ifndef DOORBELL_TESTS_VU_CASE_H
#define DOORBELL_TESTS_VU_CASE_H

#include "tests/lib/fake_peer.h"
#include "tests/lib/vu_rig.h"

struct vu_case {
	struct vu_rig rig;
	struct fake_peer peer; /* nobody listens or connects yet */
	char dir[32], path[64];
	unsigned fds_before;
};

/* Of any NIC of these. */
extern const struct net_common vu_case_common;

/* For cmocka: 0 or -1, which is also what a descriptor gives that was left open. */
int vu_case_setup(struct vu_case *c);
int vu_case_teardown(struct vu_case *c); /* c->rig was created */
/* As vu_rig_create() with socket= and @more keys. */
int vu_case_create(struct vu_case *c, const char *more, const struct net_common *common);
/* From nothing to a running driver whose frames come back. */
void vu_case_start(struct vu_case *c);
/* The peer is lost, and the next one serves. */
void vu_case_goes_on(struct vu_case *c);
/*
 * Every frame has come, and its buffer is back: vu_rig_traffic() may end with a whole ring of frames that came,
 * of which none is used yet (a peer publishes one ring after the other), and vu_rig_send() sends nothing then.
 */
void vu_case_settles(struct vu_case *c);

/* Conditions for vu_rig_until(); @c is a struct vu_case. */
bool vu_case_all_came(void *c); /* what was sent */
bool vu_case_tx_back(void *c);  /* no frame is with the device */

#endif
