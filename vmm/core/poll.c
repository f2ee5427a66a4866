/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/poll.h"

#include <stddef.h>

#define HOPE_LOOK 2u
#define HOPE_MAX  3u
#define AWAY_STEP 2u /* four times as long */

const char *const poll_mode_names[] = {
	[POLL_OFF] = "off", [POLL_ON] = "on", [POLL_AUTO] = "auto", [POLL_TRY] = "try", NULL};

uint64_t poll_budget_ns(const struct poll_budget *b, uint64_t now_ns)
{
	if (b->mode == POLL_ON)
		return UINT64_MAX;
	if (b->mode == POLL_TRY)
		return POLL_PATIENCE_NS;
	if (b->mode == POLL_OFF || b->hope < HOPE_LOOK || now_ns < b->away_until_ns)
		return 0;
	return POLL_AUTO_NS;
}

void poll_budget_hit(struct poll_budget *b, uint64_t ns)
{
	if (ns >= POLL_NONE_NS && b->hope < HOPE_MAX)
		b->hope++;
}

void poll_budget_slept(struct poll_budget *b, uint64_t looked_ns, uint64_t ns)
{
	if (looked_ns == 0 && ns < POLL_SHORT_NS)
		poll_budget_hit(b, ns);
	else if (b->hope > 0)
		b->hope--;
}

bool poll_budget_check_due(const struct poll_budget *b, uint64_t now_ns)
{
	return b->mode == POLL_AUTO &&
	       now_ns - b->tried_ns >= (b->away_shift ? POLL_TRY_NS : POLL_CHECK_NS);
}

bool poll_budget_check(struct poll_budget *b, uint64_t now_ns, uint64_t delay_ns)
{
	const uint64_t past = now_ns - b->checked_ns, delayed = delay_ns - b->delay_ns;
	/* Of what was long ago nothing follows, nor of a time in which it slept. */
	const bool stale = past > 4 * POLL_CHECK_NS || b->checked_ns < b->away_until_ns;
	const bool enough = delayed < past / POLL_DELAY_SHARE;

	b->tried_ns = now_ns;
	if (!stale && enough && past < POLL_CHECK_NS)
		return false;
	b->checked_ns = now_ns;
	b->delay_ns = delay_ns;
	if (stale)
		return false;
	if (enough) {
		if (b->away_shift > 0)
			b->away_shift -= AWAY_STEP;
		return false;
	}
	b->away_until_ns = now_ns + (POLL_AWAY_NS << b->away_shift);
	if (POLL_AWAY_NS << b->away_shift < POLL_AWAY_MAX_NS)
		b->away_shift += AWAY_STEP;
	return true;
}
