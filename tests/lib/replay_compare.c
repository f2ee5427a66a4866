/* SPDX-License-Identifier: Apache-2.0 */
/* Two recordings: does the second device do what the first one did? */
#include <linux/virtio_mmio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check/trace_print.h"
#include "tests/lib/replay_priv.h"

void replay_differs(struct replay_outcome *out, uint64_t event, const char *fmt, ...)
{
	va_list ap;

	if (out->why[0])
		return;
	out->event = event;
	va_start(ap, fmt);
	vsnprintf(out->why, sizeof(out->why), fmt, ap);
	va_end(ap);
}

/* A record as doorbell trace prints it, without its time. */
static void text_of(const struct trace_reader *r, const struct trace_record *t, char *buf,
                    size_t size)
{
	struct trace_record at_once = *t;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	at_once.ns = 0;
	trace_print_text(out, &r->device[t->nic], &at_once);
	fclose(out);
	snprintf(buf, size, "%s", text + strspn(text, " 0."));
	buf[strcspn(buf, "\n")] = '\0';
	free(text);
}

/* A sequence: what must come in the same order in both. */
struct row {
	enum trace_kind kind;
	uint8_t nic;
	uint16_t queue;
};

static bool is_in(const struct row *row, const struct trace_record *t)
{
	return t->kind == row->kind && t->nic == row->nic && t->queue == row->queue &&
	       (t->kind != TRACE_READ || t->u.access.off != VIRTIO_MMIO_INTERRUPT_STATUS);
}

/* 1; 0 no more; or -errno. */
static int next_of(struct trace_reader *r, const struct row *row, struct trace_record *t)
{
	int ret;

	while ((ret = trace_next(r, t)) == 1)
		if (is_in(row, t))
			return 1;
	return ret;
}

static bool same(const struct trace_record *a, const struct trace_record *b)
{
	uint8_t x[TRACE_HEAD + TRACE_FIXED_MAX], y[TRACE_HEAD + TRACE_FIXED_MAX];
	struct trace_record b_then = *b;
	size_t len;

	if (a->kind == TRACE_WRITTEN && (a->u.written.unknown || b->u.written.unknown))
		return a->u.written.head == b->u.written.head &&
		       a->u.written.bytes == b->u.written.bytes;

	b_then.ns = a->ns;
	len = trace_encode(a, x);
	if (a->len != b->len || trace_encode(&b_then, y) != len || memcmp(x, y, len) != 0)
		return false;
	return !a->len || memcmp(a->data, b->data, a->len) == 0;
}

static void count(struct replay_outcome *out, unsigned kind)
{
	out->reads += kind == TRACE_READ;
	out->used += kind == TRACE_USED;
	out->wishes += kind == TRACE_WISH;
	out->interrupts += kind == TRACE_INTERRUPT;
	out->frames += kind == TRACE_FRAME;
	out->written += kind == TRACE_WRITTEN;
}

/* @a of the recording, @b of the replay; NULL: there is none. */
static void part(struct replay_outcome *out, struct trace_reader *was, const struct trace_record *a,
                 struct trace_reader *is, const struct trace_record *b)
{
	char x[200] = "nothing", y[200] = "nothing";

	if (a)
		text_of(was, a, x, sizeof(x));
	if (b)
		text_of(is, b, y, sizeof(y));
	if (a)
		replay_differs(out, was->records,
		               "record %llu, at %.6f s: %s; what this device did: %s",
		               (unsigned long long)was->records, (double)a->ns / 1e9, x, y);
	else
		replay_differs(out, 0, "one too many: %s", y);
}

static int compare_row(struct trace_reader *was, struct trace_reader *is, const struct row *row,
                       struct replay_outcome *out)
{
	for (;;) {
		struct trace_record a, b;
		const int x = next_of(was, row, &a), y = next_of(is, row, &b);

		if (x < 0 || y < 0)
			return x < 0 ? x : y;
		if (x != 1 || y != 1 || !same(&a, &b)) {
			if (x || y)
				part(out, was, x ? &a : NULL, is, y ? &b : NULL);
			return 0;
		}
		count(out, row->kind);
	}
}

static int compare_files(FILE *was, FILE *is, const struct row *row, struct replay_outcome *out)
{
	struct trace_reader a, b = {.buf = NULL};
	int ret;

	rewind(was);
	rewind(is);
	ret = trace_open(&a, was);
	if (ret == 0)
		ret = trace_open(&b, is);
	if (ret == 0)
		ret = compare_row(&a, &b, row, out);
	trace_close(&a);
	trace_close(&b);
	return ret;
}

/* What is in the recording, of all its NICs. */
static int read_devices(FILE *was, struct trace_reader *r)
{
	struct trace_record t;
	int ret;

	rewind(was);
	ret = trace_open(r, was);
	while (ret == 0 && (ret = trace_next(r, &t)) == 1)
		ret = 0;
	trace_close(r);
	return ret;
}

int replay_compare(FILE *was, FILE *is, struct replay_outcome *out)
{
	static const struct {
		enum trace_kind kind;
		bool by_queue;
	} all[] = {{TRACE_READ, false},   {TRACE_FRAME, true}, {TRACE_USED, true},
	           {TRACE_WRITTEN, true}, {TRACE_WISH, true},  {TRACE_INTERRUPT, false}};
	struct trace_reader r;
	int ret = read_devices(was, &r);

	for (unsigned i = 0; i < ARRAY_SIZE(all) * TRACE_NICS; i++) {
		const unsigned k = i / TRACE_NICS, nic = i % TRACE_NICS;
		unsigned nr = all[k].by_queue ? r.device[nic].nr_queues : 1;

		if (all[k].kind == TRACE_WRITTEN && r.version < 3)
			nr = 0; /* it was not recorded then */
		for (unsigned q = 0; q < nr && r.device[nic].name[0]; q++) {
			const struct row row = {all[k].kind, u8_of(nic),
			                        all[k].by_queue ? u16_of(q) : TRACE_NO_QUEUE};

			if (ret == 0 && !out->why[0])
				ret = compare_files(was, is, &row, out);
		}
	}
	return ret;
}
