/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check/trace.h"
#include "vmm/core/le.h"

static int bad(struct trace_reader *r, const char *why)
{
	snprintf(r->why, sizeof(r->why), "record %" PRIu64 ", at byte %" PRIu64 ": %s",
	         r->records + 1, r->at, why);
	return -EPROTO;
}

/* Up to @len bytes to @to. Their number, or -errno. */
static ssize_t take(struct trace_reader *r, uint8_t *to, size_t len)
{
	const size_t n = fread(to, 1, len, r->in);

	return n < len && ferror(r->in) ? -errno : (ssize_t)n;
}

int trace_open(struct trace_reader *r, FILE *in)
{
	uint8_t header[TRACE_HEADER];
	ssize_t n;

	*r = (struct trace_reader){.in = in};
	n = take(r, header, sizeof(header));
	if (n < 0)
		return (int)n;
	r->at = (uint64_t)n;
	if (n < (ssize_t)sizeof(header) || memcmp(header, TRACE_MAGIC, 8) != 0) {
		snprintf(r->why, sizeof(r->why), "no recording of doorbell check");
		return -EPROTO;
	}
	if (get_le32(header + 8) < TRACE_OLDEST || get_le32(header + 8) > TRACE_VERSION ||
	    get_le32(header + 12) != TRACE_HEADER) {
		snprintf(r->why, sizeof(r->why),
		         "version %" PRIu32 ", this doorbell reads %u to %u", get_le32(header + 8),
		         TRACE_OLDEST, TRACE_VERSION);
		return -EPROTO;
	}
	r->version = get_le32(header + 8);
	r->began_ns = get_le64(header + 16);
	r->buf = malloc(TRACE_RECORD_MAX);
	return r->buf ? 0 : -ENOMEM;
}

/* What follows from the records before. */
static const char *judge(struct trace_reader *r, const struct trace_record *t)
{
	if (t->ns < r->last_ns)
		return "it is older than the one before";
	r->last_ns = t->ns;
	if (t->kind >= TRACE_KINDS)
		return NULL;
	if (t->kind == TRACE_DEVICE) {
		r->device[t->nic] = t->u.device;
		memset(r->num[t->nic], 0, sizeof(r->num[t->nic]));
		return NULL;
	}
	if (t->kind == TRACE_END) {
		r->ended = true;
		return t->u.records == r->records ? NULL : "another number of records";
	}
	if (!r->device[t->nic].name[0])
		return "a NIC that is not known yet";
	if (t->queue != TRACE_NO_QUEUE && t->queue >= r->device[t->nic].nr_queues)
		return "a queue that its device does not have";
	if (t->kind == TRACE_QUEUE)
		r->num[t->nic][t->queue] = u16_of(t->u.ring.addr.num);
	if ((t->kind == TRACE_AVAIL && t->len / 2 > r->num[t->nic][t->queue]) ||
	    (t->kind == TRACE_USED && t->len / 8 > r->num[t->nic][t->queue]) ||
	    (t->kind == TRACE_PROVOKE && t->u.provoke.place == TRACE_AT_BATCH &&
	     t->u.provoke.was / 8 > r->num[t->nic][t->queue]))
		return "more entries than its ring has";
	return NULL;
}

int trace_next(struct trace_reader *r, struct trace_record *out)
{
	uint32_t bytes;
	const char *why;
	ssize_t n;

	if (r->ended || r->cut)
		return 0;
	n = take(r, r->buf, TRACE_HEAD);
	if (n <= 0)
		return (int)n;
	if (n < (ssize_t)TRACE_HEAD) {
		r->cut = true;
		return 0;
	}
	bytes = trace_bytes(r->buf);
	if (!bytes)
		return bad(r, "its length cannot be");
	n = take(r, r->buf + TRACE_HEAD, bytes - TRACE_HEAD);
	if (n < 0)
		return (int)n;
	if ((uint32_t)n < bytes - TRACE_HEAD) {
		r->cut = true;
		return 0;
	}
	why = trace_decode(r->buf, bytes, out);
	if (!why)
		why = judge(r, out);
	if (why)
		return bad(r, why);
	r->at += bytes;
	r->records++;
	return 1;
}

void trace_close(struct trace_reader *r)
{
	free(r->buf);
	r->buf = NULL;
}
