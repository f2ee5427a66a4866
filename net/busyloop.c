/* SPDX-License-Identifier: Apache-2.0 */
#include "net/busyloop.h"

static void remember(struct busyloop *b, const struct busyloop_seen *s)
{
	b->looked_ns = s->now_ns;
	b->bytes = s->bytes;
	b->used[0] = s->rx;
	b->used[1] = s->tx;
}

void busyloop_begin(struct busyloop *b, const struct busyloop_seen *s)
{
	trial_forget(&b->trial);
	b->trial.sure = BUSYLOOP_SURE;
	remember(b, s);
	b->busy_ns = s->now_ns;
	b->wait_ns = BUSYLOOP_LOOK_MIN_NS;
}

/* Since the last look: as much as a trial needs? Of each ring less than 2^16 requests were used. */
static bool is_traffic(const struct busyloop *b, const struct busyloop_seen *s)
{
	const uint64_t done =
		(uint64_t)(uint16_t)(s->rx - b->used[0]) + (uint16_t)(s->tx - b->used[1]);

	return done * TRIAL_WINDOW_NS >= TRIAL_WORK_MIN * (s->now_ns - b->looked_ns);
}

bool busyloop_look(struct busyloop *b, const struct busyloop_seen *s)
{
	const bool traffic = is_traffic(b, s), was = b->trial.on;

	if (traffic) {
		b->busy_ns = s->now_ns;
		b->wait_ns = BUSYLOOP_LOOK_MIN_NS;
		b->work += s->bytes - b->bytes;
	} else if (b->wait_ns < BUSYLOOP_LOOK_MAX_NS) {
		b->wait_ns *= 2;
	}
	remember(b, s);
	/* One that runs gives up when no work has been done. */
	if (traffic || b->trial.running)
		return trial_step(&b->trial, s->now_ns, b->work);
	if (s->now_ns - b->busy_ns >= BUSYLOOP_QUIET_NS)
		trial_forget(&b->trial);
	return b->trial.on != was;
}

uint64_t busyloop_next_ns(const struct busyloop *b)
{
	const uint64_t soon = b->looked_ns + BUSYLOOP_LOOK_MIN_NS,
		       late = b->looked_ns + BUSYLOOP_LOOK_MAX_NS;

	if (b->trial.running)
		return b->trial.due_ns;
	if (b->busy_ns != b->looked_ns)
		return b->looked_ns + b->wait_ns;
	if (b->trial.due_ns < soon)
		return soon;
	return b->trial.due_ns < late ? b->trial.due_ns : late;
}
