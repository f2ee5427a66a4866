/* SPDX-License-Identifier: Apache-2.0 */
/* What a finding was found by: the access, or the kick that led to a look at a ring; and where the guest was then. */
#include <inttypes.h>
#include <stdio.h>

#include "check/registers.h"
#include "check/state.h"

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

void shown_at(struct check *c, struct check_result *r)
{
	const struct check_queue *q = c->looking;

	r->queue = q ? (int)q->index : -1;
	if (c->now) {
		access_text(c->now, r->shown, sizeof(r->shown));
		/* Asked of KVM here and nowhere else: once for each rule that is broken. */
		r->has_pc = c->dev.pc && c->dev.pc(c->dev.arg, &r->pc);
	} else if (c->bearing) {
		snprintf(r->shown, sizeof(r->shown), "answers with --provoke %s", c->bearing);
	} else if (q && q->kick_ns) {
		snprintf(r->shown, sizeof(r->shown),
		         "look at queue %u, which was last kicked at %.6f s", q->index,
		         seconds(q->kick_ns - c->began_ns));
	} else if (q) {
		snprintf(r->shown, sizeof(r->shown), "look at queue %u, which was never kicked",
		         q->index);
	} else {
		snprintf(r->shown, sizeof(r->shown), "look at rings in which nothing moves");
	}
}
