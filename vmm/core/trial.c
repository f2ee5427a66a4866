/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/trial.h"

/* From here on, with t->on as it is now. */
static void begin_window(struct trial *t, uint64_t now_ns, uint64_t work)
{
	t->began_ns = now_ns;
	t->began_work = work;
	t->due_ns = now_ns + TRIAL_WINDOW_NS;
}

static void begin(struct trial *t, uint64_t now_ns, uint64_t work)
{
	t->running = true;
	t->window = 0;
	for (unsigned on = 0; on < 2; on++)
		t->work[on] = t->ns[on] = 0;
	begin_window(t, now_ns, work);
}

/* Without it, for longer each time. */
static void put_off(struct trial *t, uint64_t now_ns)
{
	t->due_ns = now_ns + (TRIAL_AGAIN_NS << t->again_shift);
	if (t->again_shift < TRIAL_AGAIN_SHIFT)
		t->again_shift++;
}

/* What was expected ends, however it does. */
static void stop_hoping(struct trial *t, uint64_t now_ns)
{
	if (t->kept && !t->sure)
		t->hoped_ns += now_ns - t->hoped_from;
}

/* Nothing follows from it, so it is off. One that has cost something is not begun again at once. */
static void give_up(struct trial *t, uint64_t now_ns)
{
	stop_hoping(t, now_ns);
	t->running = false;
	t->on = t->kept = false;
	if (t->window)
		put_off(t, now_ns);
	else
		t->due_ns = now_ns;
}

/* More than 1/@part more with it? In floating point, since either product may be larger than 64 bits. */
static bool gained(const struct trial *t, unsigned part)
{
	const double off = (double)t->work[0] / (double)t->ns[0];
	const double on = (double)t->work[1] / (double)t->ns[1];

	return on > off + off / part;
}

static void conclude(struct trial *t, uint64_t now_ns)
{
	stop_hoping(t, now_ns);
	t->running = false;
	t->kept = gained(t, t->kept ? TRIAL_GAIN_KEPT : TRIAL_GAIN);
	t->on = t->kept;
	t->trials++;
	t->sure = t->kept;
	if (t->kept) {
		t->paid++;
		t->hoped_ns = 0;
		t->again_shift = 0;
		t->due_ns = now_ns + TRIAL_KEPT_NS;
		return;
	}
	put_off(t, now_ns);
}

static void step(struct trial *t, uint64_t now_ns, uint64_t work)
{
	const uint64_t past = now_ns - t->began_ns, done = work - t->began_work;

	if (!t->running) {
		begin(t, now_ns, work);
		return;
	}
	if (past > TRIAL_LATE_NS || done < TRIAL_WORK_MIN) {
		give_up(t, now_ns);
		return;
	}
	t->work[t->on] += done;
	t->ns[t->on] += past;
	t->window++;
	if (t->window == TRIAL_WINDOWS ||
	    (t->window == 2 && !t->kept && !gained(t, TRIAL_GAIN_HOPE))) {
		conclude(t, now_ns);
		return;
	}
	t->on = !t->on;
	begin_window(t, now_ns, work);
}

bool trial_step(struct trial *t, uint64_t now_ns, uint64_t work)
{
	const bool was = t->on;

	if (trial_due(t, now_ns))
		step(t, now_ns, work);
	return t->on != was;
}

void trial_expect(struct trial *t, uint64_t now_ns)
{
	if (t->known || !trial_due(t, now_ns))
		return;
	t->known = t->kept = t->on = true;
	t->sure = false;
	t->hoped_from = now_ns;
	t->due_ns = now_ns;
	if (t->hoped_ns < TRIAL_KEPT_NS)
		t->due_ns += TRIAL_KEPT_NS - t->hoped_ns;
}

void trial_rest(struct trial *t, uint64_t ns)
{
	if (!t->kept || t->running)
		return;
	t->due_ns += ns;
	t->hoped_from += ns;
}

void trial_forget(struct trial *t, uint64_t now_ns)
{
	stop_hoping(t, now_ns);
	if (t->kept)
		t->due_ns = 0;
	t->running = t->kept = t->on = t->known = t->sure = false;
}
