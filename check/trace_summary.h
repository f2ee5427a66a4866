/* SPDX-License-Identifier: Apache-2.0 */
/* check/trace_summary.h - how much of what a recording has */
#ifndef DOORBELL_CHECK_TRACE_SUMMARY_H
#define DOORBELL_CHECK_TRACE_SUMMARY_H

#include "check/trace.h"

struct trace_queue_sum {
	uint64_t kicks, looks, chains, used, used_bytes;
	uint64_t asked, wanted; /* whether an interrupt is wanted, and of these yes */
	uint64_t frames, frame_bytes;
};

struct trace_sum {
	struct {
		char name[32]; /* "": none */
		unsigned nr_queues;
		uint64_t lives, reads, writes, interrupts, findings;
		uint64_t provoked[4]; /* by enum provoke_tag */
		struct trace_queue_sum queue[TRACE_QUEUES];
	} nic[TRACE_NICS];
	uint64_t records, last_ns;
};

/* Of a zeroed one. @device: the one that @r is about. */
void trace_sum_add(struct trace_sum *s, const struct trace_device *device,
                   const struct trace_record *r);
void trace_sum_print(const struct trace_sum *s, FILE *out);

#endif
