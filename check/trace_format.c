/* SPDX-License-Identifier: Apache-2.0 */
/* Records as bytes, and back: docs/trace.md has the same tables. */
#include <string.h>

#include "check/provoke.h"
#include "check/trace.h"
#include "vmm/core/le.h"

/* Where in a record's head. */
enum { AT_BYTES = 0, AT_KIND = 4, AT_NIC = 6, AT_FLAGS = 7, AT_NS = 8, AT_QUEUE = 16, AT_LEN = 20 };

#define FLAG \
	1u /* cut, to the guest, interrupt, has a pc, legacy, unknown: what the kind has to say */
#define PACKED 2u

static const struct {
	const char *name;
	uint8_t fixed; /* bytes behind the head */
	uint8_t unit;  /* data is so many bytes each; 0: there is none */
} kinds[TRACE_KINDS] = {
	[TRACE_DEVICE] = {"device", 56, 4},      [TRACE_READ] = {"read", 16, 0},
	[TRACE_WRITE] = {"write", 16, 0},        [TRACE_KICK] = {"kick", 16, 0},
	[TRACE_QUEUE] = {"queue", 40, 0},        [TRACE_CHAIN] = {"chain", 8, TRACE_DESC},
	[TRACE_MEMORY] = {"memory", 8, 1},       [TRACE_AVAIL] = {"avail", 8, 2},
	[TRACE_USED] = {"used", 8, 8},           [TRACE_WISH] = {"wish", 8, 0},
	[TRACE_INTERRUPT] = {"interrupt", 8, 0}, [TRACE_FRAME] = {"frame", 8, 1},
	[TRACE_FINDING] = {"finding", 8, 1},     [TRACE_END] = {"end", 8, 0},
	[TRACE_PROVOKE] = {"provoke", 24, 1},    [TRACE_WRITTEN] = {"written", 16, 1},
};

/* What a place has: bytes before, 0 any number, and after as many. */
static const uint8_t place_bytes[TRACE_PLACES] = {
	[TRACE_AT_READ] = 4, [TRACE_AT_WRITE] = 4, [TRACE_AT_COMMAND] = 1,
	[TRACE_AT_ACK] = 1,  [TRACE_AT_WORDS] = 4, [TRACE_AT_HEADER] = 12,
};

const char *trace_kind_name(unsigned kind)
{
	return kind < TRACE_KINDS ? kinds[kind].name : NULL;
}

/* FNV-1a by words of 8 bytes, the last one filled up with zeros; and each is mixed into the lower half, too. */
uint64_t trace_digest(const uint8_t *p, size_t len)
{
	uint64_t d = UINT64_C(0xcbf29ce484222325);

	for (size_t at = 0; at < len; at += 8) {
		uint8_t word[8] = {0};

		memcpy(word, p + at, min_size(len - at, sizeof(word)));
		d = (d ^ get_le64(word)) * UINT64_C(0x100000001b3);
		d ^= d >> 32;
	}
	return d;
}

static uint32_t padded(uint64_t bytes)
{
	return u32_of(align_up(bytes, 8));
}

/* ---- to bytes */

static void put_device(uint8_t *p, const struct trace_device *d)
{
	put_le64(p, d->offered);
	put_le32(p + 8, d->config_len);
	put_le16(p + 12, d->nr_queues);
	put_le16(p + 14, d->nr_regions);
	put_le16(p + 16, d->mtu);
	memcpy(p + 18, d->mac, 6);
	memcpy(p + 24, d->name, sizeof(d->name));
}

static void put_access(uint8_t *p, const struct virtio_access *a)
{
	put_le32(p, a->off);
	p[4] = u8_of(a->size);
	p[5] = a->status;
	put_le64(p + 8, a->val);
}

static void put_ring(uint8_t *p, const struct trace_record *r)
{
	put_le64(p, r->u.ring.accepted);
	put_le64(p + 8, r->u.ring.addr.desc);
	put_le64(p + 16, r->u.ring.addr.avail);
	put_le64(p + 24, r->u.ring.addr.used);
	put_le32(p + 32, r->u.ring.addr.num);
}

static void put_index(uint8_t *p, const struct trace_record *r)
{
	put_le16(p, r->u.index.from);
	put_le16(p + 2, r->u.index.to);
	put_le16(p + 4, r->u.index.flags);
	put_le16(p + 6, r->u.index.event);
}

static void put_provoke(uint8_t *p, const struct trace_record *r)
{
	put_le64(p, r->u.provoke.seed);
	p[8] = r->u.provoke.tag;
	p[9] = r->u.provoke.place;
	put_le16(p + 10, r->u.provoke.names);
	put_le32(p + 12, r->u.provoke.at);
	put_le32(p + 16, r->u.provoke.was);
	put_le32(p + 20, r->u.provoke.became);
}

static void put_written(uint8_t *p, const struct trace_record *r)
{
	put_le32(p, r->u.written.bytes);
	put_le16(p + 4, r->u.written.head);
	put_le64(p + 8, r->u.written.digest);
}

/* What the kind has; the record's flag. */
static bool put_fixed(uint8_t *p, const struct trace_record *r)
{
	switch (r->kind) {
	case TRACE_DEVICE:
		put_device(p, &r->u.device);
		return r->u.device.legacy;
	case TRACE_READ:
	case TRACE_WRITE:
	case TRACE_KICK:
		put_access(p, &r->u.access);
		return false;
	case TRACE_QUEUE:
		put_ring(p, r);
		return false;
	case TRACE_CHAIN:
		put_le16(p, r->u.chain.head);
		put_le16(p + 2, r->u.chain.nr);
		return r->u.chain.cut;
	case TRACE_AVAIL:
	case TRACE_USED:
		put_index(p, r);
		return false;
	case TRACE_WISH:
		put_le32(p, r->u.wish.word);
		return r->u.wish.interrupt;
	case TRACE_INTERRUPT:
		put_le32(p, r->u.bits);
		return false;
	case TRACE_FRAME:
		put_le32(p, r->u.frame.bytes);
		return r->u.frame.to_guest;
	case TRACE_FINDING:
		put_le64(p, r->u.finding.pc);
		return r->u.finding.has_pc;
	case TRACE_MEMORY:
		put_le64(p, r->u.addr);
		return false;
	case TRACE_PROVOKE:
		put_provoke(p, r);
		return false;
	case TRACE_WRITTEN:
		put_written(p, r);
		return r->u.written.unknown;
	default: /* TRACE_END */
		put_le64(p, r->u.records);
		return false;
	}
}

size_t trace_encode(const struct trace_record *r, uint8_t *out)
{
	const size_t fixed = kinds[r->kind].fixed;
	bool flag;

	memset(out, 0, TRACE_HEAD + fixed);
	flag = put_fixed(out + TRACE_HEAD, r);
	put_le32(out + AT_BYTES, padded(TRACE_HEAD + fixed + r->len));
	put_le16(out + AT_KIND, u16_of(r->kind));
	out[AT_NIC] = r->nic;
	out[AT_FLAGS] = (flag ? FLAG : 0) | (r->packed ? PACKED : 0);
	put_le64(out + AT_NS, r->ns);
	put_le16(out + AT_QUEUE, r->queue);
	put_le32(out + AT_LEN, r->len);
	return TRACE_HEAD + fixed;
}

/* ---- from bytes */

uint32_t trace_bytes(const uint8_t head[TRACE_HEAD])
{
	const uint32_t bytes = get_le32(head + AT_BYTES);

	return bytes >= TRACE_HEAD && bytes <= TRACE_RECORD_MAX && bytes % 8 == 0 ? bytes : 0;
}

/* What is printed as text: nothing that a terminal takes for a command. */
static bool is_text(const void *p, size_t len)
{
	const uint8_t *c = p;

	for (size_t i = 0; i < len; i++)
		if (c[i] < ' ' || c[i] > '~')
			return false;
	return true;
}

static const char *get_device(const uint8_t *p, bool flag, struct trace_record *r)
{
	struct trace_device *d = &r->u.device;
	size_t len;

	d->offered = get_le64(p);
	d->config_len = get_le32(p + 8);
	d->nr_queues = get_le16(p + 12);
	d->nr_regions = get_le16(p + 14);
	d->mtu = get_le16(p + 16);
	d->legacy = flag;
	memcpy(d->mac, p + 18, sizeof(d->mac));
	memcpy(d->name, p + 24, sizeof(d->name));
	if (d->nr_queues > TRACE_QUEUES || d->nr_regions > GMEM_MAX_REGIONS)
		return "a device with too many queues or regions of memory";
	if (r->len != 16u * d->nr_regions + 4u * d->nr_queues)
		return "a device whose numbers do not fit its length";
	len = strnlen(d->name, sizeof(d->name));
	if (len == 0 || len == sizeof(d->name) || !is_text(d->name, len))
		return "a device without a name";
	return NULL;
}

static const char *get_access(const uint8_t *p, struct trace_record *r)
{
	r->u.access = (struct virtio_access){
		.off = get_le32(p),
		.size = p[4],
		.write = r->kind != TRACE_READ,
		.val = get_le64(p + 8),
		.status = p[5],
	};
	return p[4] >= 1 && p[4] <= 8 ? NULL : "an access of so many bytes cannot be";
}

static const char *get_ring(const uint8_t *p, struct trace_record *r)
{
	r->u.ring.accepted = get_le64(p);
	r->u.ring.addr = (struct vq_addr){.num = get_le32(p + 32),
	                                  .desc = get_le64(p + 8),
	                                  .avail = get_le64(p + 16),
	                                  .used = get_le64(p + 24)};
	return r->u.ring.addr.num && r->u.ring.addr.num <= VQ_NUM_MAX
	               ? NULL
	               : "a ring of no possible size";
}

static const char *get_index(const uint8_t *p, struct trace_record *r)
{
	r->u.index.from = get_le16(p);
	r->u.index.to = get_le16(p + 2);
	r->u.index.flags = get_le16(p + 4);
	r->u.index.event = get_le16(p + 6);
	/* Of a packed ring each list is found for itself, and used descriptors stand for any number. */
	if (r->packed)
		return r->kind == TRACE_USED || r->len <= 2 ? NULL : "a list with two names";
	/* An available index that cannot be believed has no entries. */
	if (r->len / kinds[r->kind].unit == (uint16_t)(r->u.index.to - r->u.index.from))
		return NULL;
	return r->kind == TRACE_AVAIL && r->len == 0 ? NULL
	                                             : "an index and entries that do not fit";
}

static const char *get_frame(const uint8_t *p, bool flag, struct trace_record *r)
{
	r->u.frame.bytes = get_le32(p);
	r->u.frame.to_guest = flag;
	return r->len <= r->u.frame.bytes ? NULL : "a frame shorter than what is there of it";
}

static const char *get_provoke(const uint8_t *p, struct trace_record *r)
{
	const uint8_t place = p[9];
	const uint32_t was = get_le32(p + 16), became = get_le32(p + 20);
	const uint16_t names = get_le16(p + 10);

	r->u.provoke.seed = get_le64(p);
	r->u.provoke.tag = p[8];
	r->u.provoke.place = place;
	r->u.provoke.names = names;
	r->u.provoke.at = get_le32(p + 12);
	r->u.provoke.was = was;
	r->u.provoke.became = became;
	if (p[8] > PROVOKE_HARDENING || place >= TRACE_PLACES)
		return "a provocation of no kind";
	if (place >= TRACE_AT_BATCH && r->queue == TRACE_NO_QUEUE)
		return "a queue with a number that none has";
	if (!names || (uint64_t)names + was + became != r->len || !is_text(r->data, names))
		return "a provocation without a name";
	if ((place_bytes[place] && was != place_bytes[place]) || (place == TRACE_AT_NONE && was) ||
	    (place == TRACE_AT_BATCH && was % 8 != 4) ||
	    (became != was && (place != TRACE_AT_WRITE || became)))
		return "a provocation that changes so many bytes cannot be";
	return NULL;
}

static const char *get_written(const uint8_t *p, bool flag, struct trace_record *r)
{
	const uint32_t bytes = get_le32(p);

	r->u.written.bytes = bytes;
	r->u.written.head = get_le16(p + 4);
	r->u.written.digest = get_le64(p + 8);
	r->u.written.unknown = flag;
	return r->len == (flag ? 0 : min_u32(bytes, TRACE_SHOWN))
	               ? NULL
	               : "a buffer with more or less of it than is kept";
}

static const char *get_fixed(const uint8_t *p, bool flag, struct trace_record *r)
{
	switch (r->kind) {
	case TRACE_DEVICE:
		return get_device(p, flag, r);
	case TRACE_READ:
	case TRACE_WRITE:
	case TRACE_KICK:
		return get_access(p, r);
	case TRACE_QUEUE:
		return get_ring(p, r);
	case TRACE_CHAIN:
		r->u.chain.head = get_le16(p);
		r->u.chain.nr = get_le16(p + 2);
		r->u.chain.cut = flag;
		return r->len / TRACE_DESC == r->u.chain.nr ? NULL : "a chain of another length";
	case TRACE_AVAIL:
	case TRACE_USED:
		return get_index(p, r);
	case TRACE_WISH:
		r->u.wish.word = get_le32(p);
		r->u.wish.interrupt = flag;
		return NULL;
	case TRACE_INTERRUPT:
		r->u.bits = get_le32(p);
		return NULL;
	case TRACE_FRAME:
		return get_frame(p, flag, r);
	case TRACE_FINDING:
		r->u.finding.pc = get_le64(p);
		r->u.finding.has_pc = flag;
		return is_text(r->data, r->len) ? NULL : "a finding that is no text";
	case TRACE_PROVOKE:
		return get_provoke(p, r);
	case TRACE_WRITTEN:
		return get_written(p, flag, r);
	case TRACE_MEMORY:
		r->u.addr = get_le64(p);
		return r->len && r->u.addr + r->len > r->u.addr ? NULL : "memory that is nowhere";
	default: /* TRACE_END */
		r->u.records = get_le64(p);
		return NULL;
	}
}

/* Those that are about one queue, and those that may be. */
static bool queue_fits(const struct trace_record *r)
{
	switch (r->kind) {
	case TRACE_QUEUE:
	case TRACE_CHAIN:
	case TRACE_MEMORY:
	case TRACE_AVAIL:
	case TRACE_USED:
	case TRACE_WISH:
	case TRACE_FRAME:
	case TRACE_WRITTEN:
		return r->queue < TRACE_QUEUES;
	default:
		return r->queue < TRACE_QUEUES || r->queue == TRACE_NO_QUEUE;
	}
}

const char *trace_decode(const uint8_t *bytes, size_t len, struct trace_record *out)
{
	size_t fixed;

	*out = (struct trace_record){.kind = get_le16(bytes + AT_KIND),
	                             .nic = bytes[AT_NIC],
	                             .queue = get_le16(bytes + AT_QUEUE),
	                             .ns = get_le64(bytes + AT_NS),
	                             .packed = bytes[AT_FLAGS] & PACKED,
	                             .len = get_le32(bytes + AT_LEN)};
	if (out->kind == 0)
		return "a record of no kind";
	if (out->nic >= TRACE_NICS)
		return "a NIC with a number that none has";
	if (!queue_fits(out))
		return "a queue with a number that none has";
	if (out->kind >= TRACE_KINDS) {
		out->len = 0;
		return NULL;
	}
	fixed = TRACE_HEAD + kinds[out->kind].fixed;
	if (out->len > TRACE_DATA_MAX || padded(fixed + out->len) != len)
		return "its length and that of its data do not fit";
	if (kinds[out->kind].unit ? out->len % kinds[out->kind].unit : out->len)
		return "data of another length than its kind has";
	out->data = bytes + fixed;
	return get_fixed(bytes + TRACE_HEAD, bytes[AT_FLAGS] & FLAG, out);
}

/* ---- data */

struct trace_desc trace_desc_at(const struct trace_record *r, unsigned i)
{
	const uint8_t *p = r->data + TRACE_DESC * (size_t)i;

	const uint16_t third = get_le16(p + 20), fourth = get_le16(p + 22);

	return (struct trace_desc){get_le64(p), get_le64(p + 8), get_le32(p + 16),
	                           r->packed ? fourth : third, r->packed ? third : fourth};
}

uint16_t trace_head_at(const struct trace_record *r, unsigned i)
{
	return get_le16(r->data + 2 * (size_t)i);
}

void trace_used_at(const struct trace_record *r, unsigned i, uint32_t *id, uint32_t *len)
{
	*id = get_le32(r->data + 8 * (size_t)i);
	*len = get_le32(r->data + 8 * (size_t)i + 4);
}

const uint8_t *trace_was(const struct trace_record *r)
{
	return r->data + r->u.provoke.names;
}

const uint8_t *trace_became(const struct trace_record *r)
{
	return trace_was(r) + r->u.provoke.was;
}

void trace_region_at(const struct trace_record *r, unsigned i, uint64_t *base, uint64_t *size)
{
	*base = get_le64(r->data + 16 * (size_t)i);
	*size = get_le64(r->data + 16 * (size_t)i + 8);
}

uint32_t trace_num_max_at(const struct trace_record *r, unsigned i)
{
	return get_le32(r->data + 16 * (size_t)r->u.device.nr_regions + 4 * (size_t)i);
}
