/* SPDX-License-Identifier: Apache-2.0 */
#include "check/trace_summary.h"

#include <inttypes.h>
#include <string.h>

#include "check/provoke.h"
#include "vmm/core/compiler.h"

static void add_to_queue(struct trace_queue_sum *q, const struct trace_record *r)
{
	switch (r->kind) {
	case TRACE_KICK:
		q->kicks++;
		break;
	case TRACE_AVAIL:
		q->looks++;
		break;
	case TRACE_CHAIN:
		q->chains++;
		break;
	case TRACE_USED:
		q->used += r->len / 8;
		for (uint32_t i = 0; i < r->len / 8; i++) {
			uint32_t id, len;

			trace_used_at(r, i, &id, &len);
			q->used_bytes += len;
		}
		break;
	case TRACE_WISH:
		q->asked++;
		q->wanted += r->u.wish.interrupt;
		break;
	case TRACE_FRAME:
		q->frames++;
		q->frame_bytes += r->u.frame.bytes;
		break;
	default:
		break;
	}
}

void trace_sum_add(struct trace_sum *s, const struct trace_device *device,
                   const struct trace_record *r)
{
	s->records++;
	s->last_ns = r->ns;
	if (!device->name[0])
		return;
	memcpy(s->nic[r->nic].name, device->name, sizeof(device->name));
	s->nic[r->nic].nr_queues = device->nr_queues;
	s->nic[r->nic].lives += r->kind == TRACE_DEVICE;
	s->nic[r->nic].reads += r->kind == TRACE_READ;
	s->nic[r->nic].writes += r->kind == TRACE_WRITE;
	s->nic[r->nic].interrupts += r->kind == TRACE_INTERRUPT;
	s->nic[r->nic].findings += r->kind == TRACE_FINDING;
	if (r->kind == TRACE_PROVOKE)
		s->nic[r->nic].provoked[r->u.provoke.tag]++;
	if (r->queue != TRACE_NO_QUEUE)
		add_to_queue(&s->nic[r->nic].queue[r->queue], r);
}

static void print_queue(FILE *out, unsigned i, const struct trace_queue_sum *q)
{
	const bool to_guest = i % 2 == 0;

	if (!q->kicks && !q->looks)
		return;
	fprintf(out,
	        "  queue %u: %" PRIu64 " kicks; %" PRIu64 " chains in %" PRIu64 " looks, %" PRIu64
	        " used (%" PRIu64 " bytes written); %" PRIu64 " of %" PRIu64
	        " times an interrupt was wanted",
	        i, q->kicks, q->chains, q->looks, q->used, q->used_bytes, q->wanted, q->asked);
	if (q->frames)
		fprintf(out, "; %" PRIu64 " frames %s the guest (%" PRIu64 " bytes with headers)",
		        q->frames, to_guest ? "to" : "from", q->frame_bytes);
	fputc('\n', out);
}

static void print_provoked(FILE *out, const uint64_t *provoked, unsigned nr)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < nr; i++)
		all += provoked[i];
	if (!all)
		return;
	fprintf(out, "  provoked %" PRIu64 " times:", all);
	for (unsigned i = 0; i < nr; i++)
		if (provoked[i])
			fprintf(out, " %" PRIu64 " %s", provoked[i],
			        provoke_tag_name((enum provoke_tag)i));
	fputc('\n', out);
}

void trace_sum_print(const struct trace_sum *s, FILE *out)
{
	fprintf(out, "%" PRIu64 " records up to %.6f s\n", s->records, (double)s->last_ns / 1e9);
	for (unsigned n = 0; n < TRACE_NICS; n++) {
		if (!s->nic[n].name[0])
			continue;
		fprintf(out,
		        "%s: a guest began %" PRIu64 " times; %" PRIu64 " registers read, %" PRIu64
		        " written; %" PRIu64 " interrupts; %" PRIu64 " findings\n",
		        s->nic[n].name, s->nic[n].lives, s->nic[n].reads, s->nic[n].writes,
		        s->nic[n].interrupts, s->nic[n].findings);
		print_provoked(out, s->nic[n].provoked, ARRAY_SIZE(s->nic[n].provoked));
		for (unsigned i = 0; i < s->nic[n].nr_queues; i++)
			print_queue(out, i, &s->nic[n].queue[i]);
	}
}
