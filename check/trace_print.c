/* SPDX-License-Identifier: Apache-2.0 */
/* A record as a line: numbers, and what trace_decode() has found to be text. */
#include "check/trace_print.h"

#include <inttypes.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "check/provoke.h"
#include "check/registers.h"
#include "vmm/core/le.h"

#define SOME_BYTES 16u /* of memory and of frames, in a line */

static void print_some(FILE *out, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len && i < SOME_BYTES; i++)
		fprintf(out, " %02x", p[i]);
	if (len > SOME_BYTES)
		fputs(" ...", out);
}

static void print_bytes(FILE *out, const struct trace_record *r, uint32_t from)
{
	print_some(out, r->data + from, r->len - from);
}

static void print_device(FILE *out, const struct trace_record *r)
{
	const struct trace_device *d = &r->u.device;

	fprintf(out,
	        "a guest begins; %s%u queues, offered 0x%" PRIx64 ", %" PRIu32
	        " bytes of config space, memory",
	        d->legacy ? "version 1, " : "", d->nr_queues, d->offered, d->config_len);
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

/* An index; or the slot of a packed ring and in which lap, by its wrap counter. */
static void print_place(FILE *out, const struct trace_record *r, uint16_t place)
{
	if (r->packed)
		fprintf(out, "%u/%u", place & (TRACE_WRAP - 1u), place / TRACE_WRAP);
	else
		fprintf(out, "%u", place);
}

static void print_index(FILE *out, const struct trace_record *r)
{
	const bool avail = r->kind == TRACE_AVAIL;

	print_place(out, r, r->u.index.from);
	fputs(" to ", out);
	print_place(out, r, r->u.index.to);
	if (avail) {
		fprintf(out, ", flags %u, %s ", r->u.index.flags,
		        r->packed ? "event" : "used_event");
		print_place(out, r, r->u.index.event);
	}
	fputs(":", out);
	for (uint32_t i = 0; i < r->len / (avail ? 2 : 8); i++) {
		uint32_t id, len;

		if (avail) {
			fprintf(out, " %u", trace_head_at(r, i));
			continue;
		}
		trace_used_at(r, i, &id, &len);
		fprintf(out, " %" PRIu32 " (%" PRIu32 " bytes)", r->packed ? id & UINT16_MAX : id,
		        len);
	}
}

static void print_wish(FILE *out, const struct trace_record *r)
{
	fprintf(out, "wants %s interrupt, ", r->u.wish.interrupt ? "an" : "no");
	if (r->packed) {
		fprintf(out, "flags %" PRIu32 ", event ", r->u.wish.word >> 16);
		print_place(out, r, (uint16_t)r->u.wish.word);
	} else {
		fprintf(out, "the word is %" PRIu32, r->u.wish.word);
	}
}

/* ---- provocations */

static void print_batch(FILE *out, const uint8_t *p, uint32_t len)
{
	fprintf(out, " %u", get_le16(p));
	if (get_le16(p + 2))
		fprintf(out, " and %u that are not there", get_le16(p + 2));
	for (uint32_t i = 4; i < len; i += 8)
		fprintf(out, "%s %" PRIu32 " (%" PRIu32 " bytes)", i == 4 ? " of" : ",",
		        get_le32(p + i), get_le32(p + i + 4));
}

static void print_value(FILE *out, const struct trace_record *r, const uint8_t *p, uint32_t len)
{
	switch (r->u.provoke.place) {
	case TRACE_AT_READ:
	case TRACE_AT_WRITE:
		if (len)
			fprintf(out, " 0x%" PRIx32, get_le32(p));
		else
			fputs(" no effect", out);
		break;
	case TRACE_AT_COMMAND:
		fputs(*p ? " refused" : " carried out", out);
		break;
	case TRACE_AT_ACK:
		fprintf(out, " %u", *p);
		break;
	case TRACE_AT_WORDS:
		fprintf(out, " flags %u event %u", get_le16(p), get_le16(p + 2));
		break;
	case TRACE_AT_BATCH:
		print_batch(out, p, len);
		break;
	default:
		print_some(out, p, len);
		break;
	}
}

static void print_provoke(FILE *out, const struct trace_record *r)
{
	static const char *const what[TRACE_PLACES] = {
		[TRACE_AT_COMMAND] = "command of class",
		[TRACE_AT_ACK] = "answer to class",
		[TRACE_AT_BATCH] = "used from",
		[TRACE_AT_WORDS] = "behind",
		[TRACE_AT_HEADER] = "header",
	};
	const uint8_t place = r->u.provoke.place;
	char text[64];

	(void)fwrite(r->data, 1, r->u.provoke.names, out);
	fprintf(out, " (%s, seed %" PRIu64 ")",
	        provoke_tag_name((enum provoke_tag)r->u.provoke.tag), r->u.provoke.seed);
	if (place == TRACE_AT_NONE)
		return;
	if (place == TRACE_AT_READ || place == TRACE_AT_WRITE)
		fprintf(out, ": %s:", register_text(r->u.provoke.at, text, sizeof(text)));
	else if (place == TRACE_AT_CONFIG)
		fprintf(out, ": byte %" PRIu32 " of the config space:", r->u.provoke.at);
	else if (place == TRACE_AT_HEADER)
		fprintf(out, ": %s:", what[place]);
	else
		fprintf(out, ": %s %" PRIu32 ":", what[place], r->u.provoke.at);
	print_value(out, r, trace_was(r), r->u.provoke.was);
	fputs(" ->", out);
	print_value(out, r, trace_became(r), r->u.provoke.became);
}

static void print_access(FILE *out, const struct trace_record *r)
{
	char text[128];

	fputs(value_text(&r->u.access, text, sizeof(text)), out);
	/* NOTIFICATION_DATA: in the upper half, of a packed ring with the wrap counter as its highest bit. */
	if (r->kind == TRACE_KICK && r->queue != TRACE_NO_QUEUE && r->u.access.val > UINT16_MAX)
		fprintf(out, ": queue %u, position 0x%04x", r->queue,
		        (unsigned)(r->u.access.val >> 16 & UINT16_MAX));
}

static void print_frame(FILE *out, const struct trace_record *r)
{
	const uint32_t header = r->len < 12 ? r->len : 12;

	fprintf(out, "%s the guest, %" PRIu32 " bytes:", r->u.frame.to_guest ? "to" : "from",
	        r->u.frame.bytes > 12 ? r->u.frame.bytes - 12 : 0);
	print_bytes(out, r, header);
}

static void print_written(FILE *out, const struct trace_record *r)
{
	fprintf(out, "%u: %" PRIu32 " bytes", r->u.written.head, r->u.written.bytes);
	if (r->u.written.unknown) {
		fputs(", nobody knows where", out);
		return;
	}
	fprintf(out, ", digest %016" PRIx64 ":", r->u.written.digest);
	print_bytes(out, r, 0);
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
		print_wish(out, r);
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
	case TRACE_PROVOKE:
		print_provoke(out, r);
		break;
	case TRACE_WRITTEN:
		print_written(out, r);
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
