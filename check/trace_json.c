/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "check/provoke.h"
#include "check/registers.h"
#include "check/trace_print.h"
#include "vmm/json_file.h"

/* Addresses and masks use all 64 bits, of which a json_int_t has one less. */
static json_t *hex(uint64_t v)
{
	return json_sprintf("0x%" PRIx64, v);
}

static json_t *hex_bytes(const uint8_t *p, uint32_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * (size_t)len + 1), *end = text;
	json_t *o;

	if (!text)
		return NULL;
	for (uint32_t i = 0; i < len; i++) {
		*end++ = digits[p[i] >> 4];
		*end++ = digits[p[i] & 15];
	}
	o = json_stringn(text, (size_t)(end - text));
	free(text);
	return o;
}

static json_t *device_json(const struct trace_record *r)
{
	const struct trace_device *d = &r->u.device;
	const uint8_t *m = d->mac;
	json_t *regions = json_array(), *max = json_array();

	for (unsigned i = 0; i < d->nr_regions; i++) {
		uint64_t base, size;

		trace_region_at(r, i, &base, &size);
		json_array_append_new(
			regions, json_pack("{s:o, s:o}", "base", hex(base), "size", hex(size)));
	}
	for (unsigned i = 0; i < d->nr_queues; i++)
		json_array_append_new(max, json_integer(trace_num_max_at(r, i)));
	return json_pack(
		"{s:o, s:i, s:i, s:i, s:o, s:o, s:o}", "offered", hex(d->offered), "config_len",
		(int)d->config_len, "mtu", d->mtu, "version", d->legacy ? 1 : 2, "mac",
		json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]),
		"memory", regions, "queue_max", max);
}

static json_t *access_json(const struct virtio_access *a)
{
	const char *name = register_name(a->off);

	return json_pack("{s:I, s:s*, s:i, s:o, s:i}", "offset", (json_int_t)a->off, "register",
	                 name, "size", (int)a->size, "value", hex(a->val), "status", a->status);
}

static json_t *chain_json(const struct trace_record *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->u.chain.nr; i++) {
		const struct trace_desc d = trace_desc_at(r, i);

		json_array_append_new(list, json_pack("{s:o, s:o, s:I, s:i, s:i}", "at", hex(d.at),
		                                      "addr", hex(d.addr), "len", (json_int_t)d.len,
		                                      "flags", d.flags, r->packed ? "id" : "next",
		                                      d.next));
	}
	return json_pack("{s:i, s:b, s:o}", "head", r->u.chain.head, "cut", r->u.chain.cut,
	                 "descriptors", list);
}

static json_t *avail_json(const struct trace_record *r)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < r->len / 2; i++)
		json_array_append_new(list, json_integer(trace_head_at(r, i)));
	return json_pack("{s:i, s:i, s:i, s:i, s:o}", "from", r->u.index.from, "to", r->u.index.to,
	                 "flags", r->u.index.flags, r->packed ? "event" : "used_event",
	                 r->u.index.event, r->packed ? "ids" : "heads", list);
}

static json_t *used_json(const struct trace_record *r)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < r->len / 8; i++) {
		uint32_t id, len;

		trace_used_at(r, i, &id, &len);
		json_array_append_new(list,
		                      json_pack("{s:I, s:I, s:o*}", "id",
		                                (json_int_t)(r->packed ? id & UINT16_MAX : id),
		                                "len", (json_int_t)len, "at",
		                                r->packed ? json_integer(id >> 16) : NULL));
	}
	return json_pack("{s:i, s:i, s:o}", "from", r->u.index.from, "to", r->u.index.to, "entries",
	                 list);
}

static json_t *ring_json(const struct trace_record *r)
{
	const struct vq_addr *a = &r->u.ring.addr;

	return json_pack("{s:I, s:o, s:o, s:o, s:o}", "num", (json_int_t)a->num, "desc",
	                 hex(a->desc), "driver", hex(a->avail), "device", hex(a->used), "accepted",
	                 hex(r->u.ring.accepted));
}

static json_t *finding_json(const struct trace_record *r)
{
	json_t *o = json_pack("{s:o?}", "text", json_stringn((const char *)r->data, r->len));

	if (r->u.finding.has_pc)
		json_object_set_new(o, "pc", hex(r->u.finding.pc));
	return o;
}

static json_t *wish_json(const struct trace_record *r)
{
	const uint32_t word = r->u.wish.word;

	if (r->packed)
		return json_pack("{s:i, s:i, s:b}", "flags", (int)(word >> 16), "event",
		                 (int)(word & UINT16_MAX), "interrupt", r->u.wish.interrupt);
	return json_pack("{s:i, s:b}", "word", (int)word, "interrupt", r->u.wish.interrupt);
}

static json_t *act_json(const struct trace_record *r)
{
	static const char *const places[TRACE_PLACES] = {
		[TRACE_AT_NONE] = "none",     [TRACE_AT_READ] = "read",
		[TRACE_AT_WRITE] = "write",   [TRACE_AT_CONFIG] = "config",
		[TRACE_AT_COMMAND] = "class", [TRACE_AT_ACK] = "ack",
		[TRACE_AT_BATCH] = "used",    [TRACE_AT_WORDS] = "words",
		[TRACE_AT_HEADER] = "header",
	};

	return json_pack("{s:o, s:s, s:o, s:s, s:I, s:o, s:o}", "names",
	                 json_stringn((const char *)r->data, r->u.provoke.names), "tag",
	                 provoke_tag_name((enum provoke_tag)r->u.provoke.tag), "seed",
	                 hex(r->u.provoke.seed), "place", places[r->u.provoke.place], "at",
	                 (json_int_t)r->u.provoke.at, "before",
	                 hex_bytes(trace_was(r), r->u.provoke.was), "after",
	                 hex_bytes(trace_became(r), r->u.provoke.became));
}

static json_t *written_json(const struct trace_record *r)
{
	json_t *o = json_pack("{s:i, s:I}", "head", r->u.written.head, "bytes",
	                      (json_int_t)r->u.written.bytes);

	if (!r->u.written.unknown) {
		json_object_set_new(o, "digest", hex(r->u.written.digest));
		json_object_set_new(o, "data", hex_bytes(r->data, r->len));
	}
	return o;
}

static json_t *what_json(const struct trace_record *r)
{
	switch (r->kind) {
	case TRACE_DEVICE:
		return device_json(r);
	case TRACE_READ:
	case TRACE_WRITE:
	case TRACE_KICK:
		return access_json(&r->u.access);
	case TRACE_QUEUE:
		return ring_json(r);
	case TRACE_CHAIN:
		return chain_json(r);
	case TRACE_MEMORY:
		return json_pack("{s:o, s:o}", "addr", hex(r->u.addr), "data",
		                 hex_bytes(r->data, r->len));
	case TRACE_AVAIL:
		return avail_json(r);
	case TRACE_USED:
		return used_json(r);
	case TRACE_WISH:
		return wish_json(r);
	case TRACE_INTERRUPT:
		return json_pack("{s:I}", "bits", (json_int_t)r->u.bits);
	case TRACE_FRAME:
		return json_pack("{s:b, s:I, s:o}", "to_guest", r->u.frame.to_guest, "bytes",
		                 (json_int_t)r->u.frame.bytes, "data", hex_bytes(r->data, r->len));
	case TRACE_FINDING:
		return finding_json(r);
	case TRACE_PROVOKE:
		return act_json(r);
	case TRACE_WRITTEN:
		return written_json(r);
	case TRACE_END:
		return json_pack("{s:I}", "records", (json_int_t)r->u.records);
	default:
		return json_pack("{s:i}", "number", (int)r->kind);
	}
}

int trace_print_json(FILE *out, const struct trace_device *device, const struct trace_record *r)
{
	const char *kind = trace_kind_name(r->kind);
	json_t *o = json_pack("{s:f, s:s, s:s}", "time", (double)r->ns / 1e9, "nic", device->name,
	                      "kind", kind ? kind : "?");
	int ret = -ENOMEM;

	if (o && r->queue != TRACE_NO_QUEUE)
		json_object_set_new(o, "queue", json_integer(r->queue));
	if (o && json_object_update_new(o, what_json(r)) == 0)
		ret = json_dumpf(o, out, JSON_COMPACT | JSON_DIGITS) == 0 && fputc('\n', out) != EOF
		              ? 0
		              : -EIO;
	json_decref(o);
	return ret;
}
