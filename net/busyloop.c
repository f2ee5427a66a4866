/* SPDX-License-Identifier: Apache-2.0 */
#include "net/busyloop.h"

#include "vmm/core/compiler.h"

static void remember(struct busyloop *b, const struct busyloop_seen *s)
{
	b->looked_ns = s->now_ns;
	b->bytes = s->bytes;
	b->used[0] = s->rx;
	b->used[1] = s->tx;
}

void busyloop_begin(struct busyloop *b, const struct busyloop_seen *s)
{
	trial_forget(&b->trial, s->now_ns);
	b->alike = b->others = b->strays = 0;
	remember(b, s);
	b->busy_ns = s->now_ns;
	b->wait_ns = BUSYLOOP_LOOK_MIN_NS;
}

/* Was what has passed since the last look questions and answers? (Of more than 2^16 of a ring between two looks it may be wrong.) */
static bool is_traffic(const struct busyloop *b, const struct busyloop_seen *s)
{
	return trial_answers((uint16_t)(s->rx - b->used[0]), (uint16_t)(s->tx - b->used[1]),
	                     s->bytes - b->bytes, s->now_ns - b->looked_ns);
}

static unsigned frames_since(const struct busyloop *b, const struct busyloop_seen *s)
{
	return (unsigned)(uint16_t)(s->rx - b->used[0]) + (uint16_t)(s->tx - b->used[1]);
}

bool busyloop_look(struct busyloop *b, const struct busyloop_seen *s)
{
	const bool traffic = is_traffic(b, s), was = b->trial.on;
	const unsigned frames = frames_since(b, s);
	uint64_t quiet = BUSYLOOP_QUIET_NS;

	if (!traffic)
		trial_rest(&b->trial, s->now_ns - b->looked_ns);
	b->strays = traffic ? 0 : b->strays + frames;
	if (b->trial.kept && b->strays <= BUSYLOOP_STRAYS)
		quiet = BUSYLOOP_KEPT_QUIET_NS;
	b->others = !traffic && frames > BUSYLOOP_FEW ? b->others + 1 : 0;
	b->alike = traffic ? b->alike + 1 : 0;
	if (traffic) {
		b->busy_ns = s->now_ns;
		b->wait_ns = BUSYLOOP_LOOK_MIN_NS;
		b->work += s->bytes - b->bytes;
	} else if (b->wait_ns < BUSYLOOP_LOOK_MAX_NS) {
		b->wait_ns = min_u64(2 * b->wait_ns, BUSYLOOP_LOOK_MAX_NS);
	}
	remember(b, s);
	if (b->others >= BUSYLOOP_OTHERS || s->now_ns - b->busy_ns >= quiet)
		trial_forget(&b->trial, s->now_ns);
	else if (b->trial.running || (traffic && b->trial.known))
		trial_step(&b->trial, s->now_ns, b->work); /* without work it gives up */
	else if (b->alike >= BUSYLOOP_ALIKE)
		trial_expect(&b->trial, s->now_ns);
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
