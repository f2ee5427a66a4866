/* SPDX-License-Identifier: Apache-2.0 */
/* devices/tx_burst.h - frames that come piece by piece: should a kick wait for more of them?
 *
 * A device that sends each frame at once is often quicker than the driver makes the next one: it goes to sleep and is
 * kicked again, and whoever receives on this host is woken for each single frame, perhaps on the CPU that it is sent on. To wait
 * a little costs a time-out, and saves all of that for what comes meanwhile. So a kick waits while
 *
 *	one way   nothing comes for the driver: nobody has been answered, so nobody waits for an answer
 *	pieces    what is sent comes in parts, the next one while the first is sent or within the time that would be waited; what
 *	          is there at once is sent at once
 *
 * and for a few times what sending such a part takes: the slower the machine, the longer, and where that is a
 * few microseconds, not at all. One kick of many does not wait, to see whether all this still is so.
 *
 * Plain numbers in and out: no clock, no system call. One thread.
 */
#ifndef DOORBELL_TX_BURST_H
#define DOORBELL_TX_BURST_H

#include <stdbool.h>
#include <stdint.h>

/* It waits for so many times what sending a part takes, ... */
#define TX_BURST_COSTS 8u
/* ... unless that is less: the kernel's timers are not finer (prctl(2), PR_SET_TIMERSLACK). */
#define TX_BURST_MIN_NS UINT64_C(50000)
/* When so many kicks in a row would have paid. */
#define TX_BURST_SURE 4u
#define TX_BURST_MAX  8u
/* Each so manieth kick does not wait. */
#define TX_BURST_PROBE 16u

/* Zero it. For tx_burst.c only. */
struct tx_burst {
	uint64_t received; /* frames that had come for the driver at the last kick */
	uint64_t began_ns; /* the last kick that did not wait, */
	unsigned parts; /* what was sent for it came in so many; 0: there was none, or it waited */
	uint64_t cost_ns,
		gap_ns; /* of a part, of late: to send it, and from it to the next; 0: not known */
	unsigned score; /* 0 .. TX_BURST_MAX */
	unsigned held;  /* kicks, since one was not */
};

/* Is there nothing to think about at a kick, now that @received frames have come for the driver? Then no clock is needed. */
bool tx_burst_two_way(struct tx_burst *b, uint64_t received);

/* Otherwise: a kick at @now_ns. For how long it waits, at most @max_ns; 0: not at all, and tx_burst_sent() follows. */
uint64_t tx_burst_kick(struct tx_burst *b, uint64_t now_ns, uint64_t max_ns);

/* What has not waited was sent by @now_ns, in so many parts: frames behind which the ring was empty. */
void tx_burst_sent(struct tx_burst *b, uint64_t now_ns, unsigned parts);

/* What has waited was sent, so many frames. */
void tx_burst_waited(struct tx_burst *b, unsigned frames);

#endif
