/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/tx_burst.h"

#include "vmm/core/compiler.h"

/* Mean of late: the newest counts for a quarter. */
static void note(uint64_t *mean, uint64_t ns)
{
	*mean = *mean ? (3 * *mean + ns) / 4 : ns;
}

static uint64_t wait_ns(const struct tx_burst *b, uint64_t max_ns)
{
	return min_u64(TX_BURST_COSTS * b->cost_ns, max_ns);
}

/* The next kick has come: would it have paid to wait at the last one? */
static void judge(struct tx_burst *b, uint64_t now_ns, uint64_t max_ns)
{
	const uint64_t wait = wait_ns(b, max_ns);
	const unsigned parts = b->parts;

	/* A pause says that there was one, not how long they are. */
	note(&b->gap_ns, min_u64(now_ns - b->began_ns, 4 * max_ns) / parts);
	b->parts = 0;
	if (wait >= TX_BURST_MIN_NS && (parts > 1 || b->gap_ns < wait))
		b->score += b->score < TX_BURST_MAX;
	else
		b->score -= b->score > 0;
}

bool tx_burst_two_way(struct tx_burst *b, uint64_t received)
{
	if (b->received == received)
		return false;
	b->received = received;
	b->score = b->parts = 0;
	return true;
}

uint64_t tx_burst_kick(struct tx_burst *b, uint64_t now_ns, uint64_t max_ns)
{
	if (b->parts)
		judge(b, now_ns, max_ns);
	b->began_ns = now_ns;
	if (b->score < TX_BURST_SURE)
		return 0;
	if (++b->held < TX_BURST_PROBE)
		return wait_ns(b, max_ns);
	b->held = 0;
	return 0;
}

void tx_burst_sent(struct tx_burst *b, uint64_t now_ns, unsigned parts)
{
	b->parts = parts;
	if (parts)
		note(&b->cost_ns, (now_ns - b->began_ns) / parts);
}

void tx_burst_waited(struct tx_burst *b, unsigned frames)
{
	if (frames < 2)
		b->score /= 2;
}
