/* SPDX-License-Identifier: Apache-2.0 */
/* A record as a line: numbers, and what trace_decode() has found to be text. */
#include "check/trace_print.h"

#include <inttypes.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "check/registers.h"

#define SOME_BYTES 16u /* of memory and of frames, in a line */

static void print_bytes(FILE *out, const struct trace_record *r, uint32_t from)
{
	for (uint32_t i = from; i < r->len && i < from + SOME_BYTES; i++)
		fprintf(out, " %02x", r->data[i]);
	if (r->len > from + SOME_BYTES)
		fputs(" ...", out);
}

static void print_device(FILE *out, const struct trace_record *r)
{
	const struct trace_device *d = &r->u.device;

	fprintf(out,
	        "a guest begins; %u queues, offered 0x%" PRIx64 ", %" PRIu32
	        " bytes of config space, memory",
	        d->nr_queues, d->offered, d->config_len);
	for (unsigned i = 0; i < d->nr_regions; i++) {
		uint64_t base, size;

		trace_region_at(r, i, &base, &size);
		fprintf(out, "%s 0x%" PRIx64 "+0x%" PRIx64, i ? "," : "", base, size);
	}
}

static void print_ring(FILE *out, const struct trace_record *r)
{
	const struct vq_addr *a = &r->u.ring.addr;

	fprintf(out,
	        "%" PRIu32 " entries at 0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64
	        "; accepted 0x%" PRIx64,
	        a->num, a->desc, a->avail, a->used, r->u.ring.accepted);
}

static void print_chain(FILE *out, const struct trace_record *r)
{
	fprintf(out, "%u:", r->u.chain.head);
	for (unsigned i = 0; i < r->u.chain.nr; i++) {
		const struct trace_desc d = trace_desc_at(r, i);
		const bool table = d.flags & VRING_DESC_F_INDIRECT;

		fprintf(out, " %s 0x%" PRIx64 "+%" PRIu32,
		        table                          ? "table"
		        : d.flags & VRING_DESC_F_WRITE ? "write"
		                                       : "read",
		        d.addr, d.len);
	}
	if (r->u.chain.cut)
		fputs(" and cannot be followed", out);
}

static void print_index(FILE *out, const struct trace_record *r)
{
	const bool avail = r->kind == TRACE_AVAIL;

	fprintf(out, "%u to %u", r->u.index.from, r->u.index.to);
	if (avail)
		fprintf(out, ", flags %u, used_event %u", r->u.index.flags, r->u.index.event);
	fputs(":", out);
	for (uint32_t i = 0; i < r->len / (avail ? 2 : 8); i++) {
		uint32_t id, len;

		if (avail) {
			fprintf(out, " %u", trace_head_at(r, i));
			continue;
		}
		trace_used_at(r, i, &id, &len);
		fprintf(out, " %" PRIu32 " (%" PRIu32 " bytes)", id, len);
	}
}

static void print_access(FILE *out, const struct trace_record *r)
{
	char text[128];

	fputs(value_text(&r->u.access, text, sizeof(text)), out);
}

static void print_frame(FILE *out, const struct trace_record *r)
{
	const uint32_t header = r->len < 12 ? r->len : 12;

	fprintf(out, "%s the guest, %" PRIu32 " bytes:", r->u.frame.to_guest ? "to" : "from",
	        r->u.frame.bytes > 12 ? r->u.frame.bytes - 12 : 0);
	print_bytes(out, r, header);
}

static void print_finding(FILE *out, const struct trace_record *r)
{
	(void)fwrite(r->data, 1, r->len, out);
	if (r->u.finding.has_pc)
		fprintf(out, "; guest at 0x%" PRIx64, r->u.finding.pc);
}

static void print_what(FILE *out, const struct trace_record *r)
{
	switch (r->kind) {
	case TRACE_DEVICE:
		print_device(out, r);
		break;
	case TRACE_READ:
	case TRACE_WRITE:
	case TRACE_KICK:
		print_access(out, r);
		break;
	case TRACE_QUEUE:
		print_ring(out, r);
		break;
	case TRACE_CHAIN:
		print_chain(out, r);
		break;
	case TRACE_MEMORY:
		fprintf(out, "0x%" PRIx64 ", %" PRIu32 " bytes:", r->u.addr, r->len);
		print_bytes(out, r, 0);
		break;
	case TRACE_AVAIL:
	case TRACE_USED:
		print_index(out, r);
		break;
	case TRACE_WISH:
		fprintf(out, "wants %s interrupt, the word is %u",
		        r->u.wish.interrupt ? "an" : "no", r->u.wish.word);
		break;
	case TRACE_INTERRUPT:
		fprintf(out, "0x%" PRIx32, r->u.bits);
		break;
	case TRACE_FRAME:
		print_frame(out, r);
		break;
	case TRACE_FINDING:
		print_finding(out, r);
		break;
	case TRACE_END:
		fprintf(out, "%" PRIu64 " records", r->u.records);
		break;
	default:
		fprintf(out, "kind %u of a later version", r->kind);
	}
}

void trace_print_text(FILE *out, const struct trace_device *device, const struct trace_record *r)
{
	const char *kind = trace_kind_name(r->kind);
	char queue[8] = "";

	if (r->queue != TRACE_NO_QUEUE)
		snprintf(queue, sizeof(queue), "q%u", r->queue);
	fprintf(out, "%12.6f %-5s %-3s %-9s ", (double)r->ns / 1e9, device->name, queue,
	        kind ? kind : "?");
	print_what(out, r);
	fputc('\n', out);
}
