/* SPDX-License-Identifier: Apache-2.0 */
/* check/trace.h - the file of doorbell check --record: docs/trace.md
 *
 * A header, then records; all numbers little-endian. What is read is somebody else's until trace_decode() and
 * trace_next() have judged it: nothing else looks at its bytes.
 */
#ifndef DOORBELL_CHECK_TRACE_H
#define DOORBELL_CHECK_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "devices/virtio_watch.h"
#include "devices/vq.h"

#define TRACE_MAGIC      "DBELLREC"
#define TRACE_VERSION    3u
#define TRACE_OLDEST     1u       /* that is read: what is new since then is not in it */
#define TRACE_HEADER     32u      /* bytes */
#define TRACE_HEAD       24u      /* of each record, before what its kind has */
#define TRACE_FIXED_MAX  64u      /* that, at most */
#define TRACE_DATA_MAX   0x16000u /* bytes behind it, at most */
#define TRACE_RECORD_MAX (TRACE_HEAD + TRACE_FIXED_MAX + TRACE_DATA_MAX)
#define TRACE_NICS       8u
#define TRACE_QUEUES     32u
#define TRACE_NO_QUEUE   UINT16_MAX
#define TRACE_WRAP       0x8000u /* of a place in a packed ring: its wrap counter */
#define TRACE_SHOWN      32u     /* bytes of a buffer that WRITTEN has as they are, at most */

enum trace_kind {
	TRACE_DEVICE = 1, /* the guest begins, with this one; data: regions, num_max */
	TRACE_READ,
	TRACE_WRITE,
	TRACE_KICK,      /* a write to QueueNotify */
	TRACE_QUEUE,     /* DRIVER_OK: it is served from now on */
	TRACE_CHAIN,     /* a chain that is new; data: struct trace_desc */
	TRACE_MEMORY,    /* bytes that the device reads; data: these */
	TRACE_AVAIL,     /* the device has found new entries; data: their heads, 16 bits each */
	TRACE_USED,      /* it is about to show these; data: id and length, 32 bits each */
	TRACE_WISH,      /* it has asked whether the driver wants an interrupt */
	TRACE_INTERRUPT, /* it raises one */
	TRACE_FRAME,     /* data: header and frame, or their beginning */
	TRACE_FINDING,   /* the checker has found a rule broken; data: text */
	TRACE_END,       /* the recording ended in order */
	TRACE_PROVOKE, /* the device is provoked; data: names, then what it was to be and what it is */
	TRACE_WRITTEN, /* it has filled a buffer, which it is about to give back; data: the first bytes */
	TRACE_KINDS
};

/* What a provoked device has changed: in data, before and after. */
enum trace_place {
	TRACE_AT_NONE,  /* nothing that passes here: it interrupts, the cable is out, it began so */
	TRACE_AT_READ,  /* what a register reads: 4 bytes */
	TRACE_AT_WRITE, /* what is written to one: 4 bytes; after: 4, or 0 when it has no effect */
	TRACE_AT_CONFIG,  /* bytes of the config space */
	TRACE_AT_COMMAND, /* is one refused? 1 byte */
	TRACE_AT_ACK,     /* what is answered to one: 1 byte */
	/* Used entries: how many are shown, and how many more are claimed (2 bytes each); then 8 bytes each, or none. */
	TRACE_AT_BATCH,
	TRACE_AT_WORDS,  /* flags and event of the device: 2 bytes each */
	TRACE_AT_HEADER, /* of a received frame: 12 bytes */
	TRACE_PLACES
};

struct trace_device {
	uint64_t offered;
	uint32_t config_len;
	uint16_t nr_queues, nr_regions;
	uint16_t mtu; /* 0: none */
	uint8_t mac[6];
	char name[32];
	bool legacy; /* its registers are those of version 1 */
};

/* A descriptor of a chain, in the ring or in a table. */
struct trace_desc {
	uint64_t at; /* where it stands */
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next; /* packed: next is its id */
};
#define TRACE_DESC 24u /* bytes of one in a file */

struct trace_record {
	unsigned
		kind; /* enum trace_kind; from TRACE_KINDS on: of a later version, to be passed over */
	uint8_t nic;
	uint16_t queue; /* TRACE_NO_QUEUE: none */
	uint64_t ns;    /* since the recording began; never decreases */
	bool packed;    /* CHAIN, AVAIL, USED, WISH: of a packed ring */
	union {
		struct trace_device device;
		struct virtio_access access; /* READ, WRITE, KICK */
		struct {
			struct vq_addr addr;
			uint64_t accepted;
		} ring; /* QUEUE */
		struct {
			uint16_t head, nr; /* packed: its id; nr: descriptors in data */
			bool cut;          /* it could not be followed to its end */
		} chain;
		uint64_t addr; /* MEMORY */
		struct {
			uint16_t from, to;     /* packed: slots, bit 15: the wrap counter */
			uint16_t flags, event; /* AVAIL: of the driver, used_event */
		} index;                       /* AVAIL, USED */
		struct {
			uint32_t word; /* packed: event, then flags */
			bool interrupt;
		} wish;
		uint32_t bits; /* INTERRUPT: VIRTIO_ISR_* */
		struct {
			uint32_t bytes;
			bool to_guest;
		} frame;
		struct {
			uint64_t pc;
			bool has_pc;
		} finding;
		struct {
			uint64_t seed;
			uint8_t tag;    /* enum provoke_tag; the worst of several */
			uint8_t place;  /* enum trace_place */
			uint16_t names; /* bytes: "reorder,used-len" */
			uint32_t at;    /* register, byte of the config space, class, used index */
			uint32_t was, became; /* bytes of each */
		} provoke;
		struct {
			uint64_t digest; /* of all @bytes */
			uint32_t bytes;
			uint16_t head; /* of its chain; packed: its id */
			bool unknown;  /* nobody knows where they are: neither digest nor data */
		} written;
		uint64_t records; /* END: before it */
	} u;
	const uint8_t *data; /* len bytes; borrowed */
	uint32_t len;
};

const char *trace_kind_name(unsigned kind);          /* "read"; NULL: of a later version */
uint64_t trace_digest(const uint8_t *p, size_t len); /* of WRITTEN: docs/trace.md */

/* The bytes of @r before its data, at most TRACE_HEAD + TRACE_FIXED_MAX. Their number. */
size_t trace_encode(const struct trace_record *r, uint8_t *out);
/* All bytes of a record of which @head is the head; 0: it is none. */
uint32_t trace_bytes(const uint8_t head[TRACE_HEAD]);
/*
 * Judge the record at @bytes, @len of them, which trace_bytes() has said. NULL, and out->data points into @bytes; or
 * what is wrong with it, a static string.
 */
const char *trace_decode(const uint8_t *bytes, size_t len, struct trace_record *out);

/* What data of a record that was decoded has. @i: below r->len / the size of one. */
struct trace_desc trace_desc_at(const struct trace_record *r, unsigned i);
uint16_t trace_head_at(const struct trace_record *r, unsigned i); /* AVAIL */
/* Packed: @id has the slot of the used descriptor, with its wrap counter, in its upper half. */
void trace_used_at(const struct trace_record *r, unsigned i, uint32_t *id, uint32_t *len);
const uint8_t *trace_was(const struct trace_record *r); /* PROVOKE: behind the names */
const uint8_t *trace_became(const struct trace_record *r);
void trace_region_at(const struct trace_record *r, unsigned i, uint64_t *base, uint64_t *size);
uint32_t trace_num_max_at(const struct trace_record *r, unsigned i);

/* ---- reading a file: trace_read.c */

struct trace_reader {
	FILE *in;          /* borrowed */
	uint8_t *buf;      /* TRACE_RECORD_MAX, owned */
	uint64_t at;       /* bytes read */
	uint64_t last_ns;  /* of the record before */
	uint64_t began_ns; /* CLOCK_REALTIME of time 0 */
	uint64_t records;
	struct trace_device device[TRACE_NICS]; /* the last of each; name[0] 0: none yet */
	uint16_t num[TRACE_NICS][TRACE_QUEUES]; /* entries of each ring that is served; 0: not */
	bool ended;                             /* by TRACE_END */
	uint32_t version; /* of the file: what is new since then is not in it */
	bool cut;         /* in the middle of a record */
	char why[128];
};

/* The header. 0; -EPROTO: r->why says what is wrong; or -errno. trace_close() in every case. */
int trace_open(struct trace_reader *r, FILE *in);
/*
 * The next record, which is good until the next call. 1; 0: no more, see ended and cut; -EPROTO: r->why says what is wrong with
 * it, and nothing behind it can be believed; or -errno.
 */
int trace_next(struct trace_reader *r, struct trace_record *out);
void trace_close(struct trace_reader *r);

#endif
