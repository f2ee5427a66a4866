/* SPDX-License-Identifier: Apache-2.0 */
/* The file of doorbell check --record: what was put comes back, and what is damaged is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/provoke.h"
#include "check/trace.h"
#include "check/trace_print.h"
#include "check/trace_summary.h"
#include "vmm/core/le.h"

/* Two regions, three queues. */
static const uint8_t device_data[2 * 16 + 3 * 4] = {[8] = 0x10, [32] = 8, [36] = 8, [40] = 4};
static const uint8_t desc_data[2 * TRACE_DESC] = {
	1, [8] = 2, [16] = 3, [20] = 1, [22] = 5, [24] = 9, [40] = 4, [44] = 2};
static const uint8_t heads[2 * 2] = {7, 0, 5, 0};
static const uint8_t used[8] = {7, 0, 0, 0, 60, 0, 0, 0};
static const uint8_t frame[12 + 5] = {[12] = 0xff, 0xfe, 1, 2, 3};
/* The slot with its wrap counter is what only a packed ring has. */
static const uint8_t packed_used[8] = {0x34, 0x12, 2, 0x80, 60, 0, 0, 0};
/* Names, then two used entries as they were and as they are. */
static const uint8_t batch[8 + 20 + 20] = {
	'r', 'e',      'o',       'r',      'd',      'e',      'r',      '+',
	2,   [12] = 5, [16] = 60, [20] = 6, [28] = 1, [32] = 6, [40] = 5, [44] = 60};
static const uint8_t isr[8 + 4 + 4] = {'i', 's', 'r', '-', 'b', 'i', 't', 's', 1, [12] = 0x81};
static const char finding[] = "split.align: queue 0";

#define DATA(d) .data = (const uint8_t *)(d), .len = sizeof(d)

/* One of each kind, in an order that can be. */
static const struct trace_record each[] = {
	{.kind = TRACE_DEVICE,
         .queue = TRACE_NO_QUEUE,
         .u.device = {.offered = UINT64_MAX,
                      .config_len = 24,
                      .nr_queues = 3,
                      .nr_regions = 2,
                      .mtu = 1500,
                      .mac = {2, 3, 4, 5, 6, 7},
                      .name = "net0"},
         DATA(device_data)},
	{.kind = TRACE_READ,
         .queue = TRACE_NO_QUEUE,
         .ns = 1,
         .u.access = {.off = 0x100, .size = 1, .val = 0x52, .status = 3}},
	{.kind = TRACE_WRITE,
         .queue = TRACE_NO_QUEUE,
         .ns = 2,
         .u.access = {.off = 0x70, .size = 4, .write = true, .val = 15, .status = 11}},
	{.kind = TRACE_QUEUE,
         .queue = 1,
         .ns = 3,
         .u.ring = {{8, 0x1000, 0x2000, UINT64_C(1) << 40}, 0x130000000}},
	{.kind = TRACE_KICK,
         .queue = 1,
         .ns = 3,
         .u.access = {.off = 0x50, .size = 4, .write = true, .val = 0x50001, .status = 15}},
	{.kind = TRACE_CHAIN, .queue = 1, .ns = 4, .u.chain = {7, 2, true}, DATA(desc_data)},
	{.kind = TRACE_MEMORY, .queue = 1, .ns = 4, .u.addr = 0xfffffffffffff000, DATA(frame)},
	{.kind = TRACE_AVAIL, .queue = 1, .ns = 5, .u.index = {65535, 1, 1, 9}, DATA(heads)},
	{.kind = TRACE_FRAME, .queue = 1, .ns = 6, .u.frame = {2000, true}, DATA(frame)},
	{.kind = TRACE_USED, .queue = 1, .ns = 7, .u.index = {3, 4, 0, 0}, DATA(used)},
	{.kind = TRACE_WISH, .queue = 1, .ns = 8, .u.wish = {3, true}},
	{.kind = TRACE_INTERRUPT, .queue = TRACE_NO_QUEUE, .ns = 8, .u.bits = 1},
	{.kind = TRACE_FINDING,
         .queue = TRACE_NO_QUEUE,
         .ns = 9,
         .u.finding = {UINT64_MAX, true},
         .data = (const uint8_t *)finding,
         .len = sizeof(finding) - 1},
	{.kind = TRACE_PROVOKE,
         .queue = 1,
         .ns = 9,
         .u.provoke = {.seed = 7,
                       .tag = PROVOKE_RARE,
                       .place = TRACE_AT_BATCH,
                       .names = 8,
                       .at = 4,
                       .was = 20,
                       .became = 20},
         DATA(batch)},
	{.kind = TRACE_WRITTEN,
         .queue = 1,
         .ns = 9,
         .u.written = {.digest = UINT64_C(0x123456789abcdef0), .bytes = 17, .head = 7},
         DATA(frame)},
	{.kind = TRACE_END, .queue = TRACE_NO_QUEUE, .ns = 10, .u.records = 15},
};

/* Of packed rings, and what one of each kind does not show. */
static const struct trace_record more[] = {
	{.kind = TRACE_WRITTEN,
         .queue = 1,
         .u.written = {.bytes = 70000, .head = 9, .unknown = true}},
	{.kind = TRACE_CHAIN,
         .queue = 1,
         .packed = true,
         .u.chain = {9, 2, false},
         DATA(desc_data)},
	{.kind = TRACE_AVAIL,
         .queue = 1,
         .packed = true,
         .u.index = {0x8007, 1, 2, 0x8003},
         .data = heads,
         .len = 2},
	{.kind = TRACE_USED,
         .queue = 1,
         .packed = true,
         .u.index = {0x8002, 0x8004, 0, 0},
         DATA(packed_used)},
	{.kind = TRACE_WISH, .queue = 1, .packed = true, .u.wish = {0x28003, false}},
	{.kind = TRACE_PROVOKE,
         .queue = TRACE_NO_QUEUE,
         .u.provoke = {.seed = 7,
                       .tag = PROVOKE_ILLEGAL,
                       .place = TRACE_AT_READ,
                       .names = 8,
                       .at = 0x60,
                       .was = 4,
                       .became = 4},
         DATA(isr)},
	{.kind = TRACE_PROVOKE,
         .queue = TRACE_NO_QUEUE,
         .u.provoke = {.place = TRACE_AT_WRITE, .names = 8, .at = 0x70, .was = 4},
         .data = isr,
         .len = 12},
	{.kind = TRACE_PROVOKE,
         .queue = TRACE_NO_QUEUE,
         .u.provoke = {.names = 8},
         .data = isr,
         .len = 8},
};

#define NR (sizeof(each) / sizeof(each[0]))

struct file {
	uint8_t bytes[8192];
	size_t len;
	size_t at[NR + 1]; /* where each record begins */
};

static void add(struct file *f, const struct trace_record *r)
{
	const size_t head = trace_encode(r, f->bytes + f->len);

	if (r->len)
		memcpy(f->bytes + f->len + head, r->data, r->len);
	assert_true(trace_bytes(f->bytes + f->len) >= head + r->len);
	f->len += trace_bytes(f->bytes + f->len);
}

static void fill(struct file *f)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->bytes, TRACE_MAGIC, 8);
	put_le32(f->bytes + 8, TRACE_VERSION);
	put_le32(f->bytes + 12, TRACE_HEADER);
	put_le64(f->bytes + 16, 1234567890);
	f->len = TRACE_HEADER;
	for (unsigned i = 0; i < NR; i++) {
		f->at[i] = f->len;
		add(f, &each[i]);
	}
	f->at[NR] = f->len;
}

/* Reads all; the result of the last trace_next(). */
static int read_all(const struct file *f, size_t len, struct trace_reader *r)
{
	/* A copy of just that length: what is read behind it is found by a sanitizer. */
	uint8_t *copy = malloc(len ? len : 1);
	struct trace_record t;
	FILE *in;
	int ret;

	assert_non_null(copy);
	memcpy(copy, f->bytes, len);
	in = fmemopen(copy, len ? len : 1, "r");
	assert_non_null(in);
	if (!len)
		(void)fgetc(in);
	ret = trace_open(r, in);
	while (ret == 0 && (ret = trace_next(r, &t)) == 1)
		ret = 0;
	trace_close(r);
	fclose(in);
	free(copy);
	return ret;
}

static void each_kind_comes_back_as_it_was_put(void **state)
{
	uint8_t again[TRACE_HEAD + TRACE_FIXED_MAX];
	struct file f;

	(void)state;
	fill(&f);
	assert_int_equal(NR, TRACE_KINDS - 1);
	for (unsigned i = 0; i < NR; i++) {
		const struct trace_record *want = &each[i];
		struct trace_record got;

		assert_null(trace_decode(f.bytes + f.at[i], f.at[i + 1] - f.at[i], &got));
		assert_int_equal(got.kind, want->kind);
		assert_int_equal(got.queue, want->queue);
		assert_true(got.ns == want->ns);
		assert_int_equal(got.len, want->len);
		if (want->len)
			assert_memory_equal(got.data, want->data, want->len);
		/* What a kind has: the same bytes again. */
		assert_memory_equal(again, f.bytes + f.at[i], trace_encode(&got, again));
	}
}

static void data_has_what_was_put(void **state)
{
	struct trace_record r = each[0];
	uint64_t base, size;
	struct trace_desc d;
	uint32_t id, len;

	(void)state;
	trace_region_at(&r, 0, &base, &size);
	assert_true(base == 0 && size == 0x10);
	assert_int_equal(trace_num_max_at(&r, 2), 4);
	r = each[5];
	d = trace_desc_at(&r, 0);
	assert_true(d.at == 1 && d.addr == 2 && d.len == 3 && d.flags == 1 && d.next == 5);
	assert_true(trace_desc_at(&r, 1).at == 9 && trace_desc_at(&r, 1).flags == 2);
	r = each[7];
	assert_int_equal(trace_head_at(&r, 1), 5);
	r = each[9];
	trace_used_at(&r, 0, &id, &len);
	assert_true(id == 7 && len == 60);
}

static void whole_file_is_read_to_its_end(void **state)
{
	struct trace_reader r;
	struct file f;

	(void)state;
	fill(&f);
	assert_int_equal(read_all(&f, f.len, &r), 0);
	assert_true(r.ended);
	assert_false(r.cut);
	assert_true(r.records == NR);
	assert_true(r.began_ns == 1234567890);
}

/* Wherever a recording was cut off, what is whole is read, and it is said that it was cut off. */
static void recording_may_end_anywhere(void **state)
{
	struct trace_reader r;
	struct file f;

	(void)state;
	fill(&f);
	for (size_t len = TRACE_HEADER; len < f.len; len++) {
		unsigned whole = 0;

		while (f.at[whole + 1] <= len)
			whole++;
		assert_int_equal(read_all(&f, len, &r), 0);
		assert_true(r.records == whole);
		assert_false(r.ended);
		assert_int_equal(r.cut, f.at[whole] != len);
	}
}

static void other_file_is_refused(void **state)
{
	struct trace_reader r;
	struct file f;

	(void)state;
	for (size_t len = 0; len < TRACE_HEADER; len++) {
		fill(&f);
		assert_int_equal(read_all(&f, len, &r), -EPROTO);
		assert_string_equal(r.why, "no recording of doorbell check");
	}
	fill(&f);
	f.bytes[0] ^= 1;
	assert_int_equal(read_all(&f, f.len, &r), -EPROTO);
	fill(&f);
	put_le32(f.bytes + 8, 7);
	assert_int_equal(read_all(&f, f.len, &r), -EPROTO);
	assert_string_equal(r.why, "version 7, this doorbell reads 1 to 3");
	put_le32(f.bytes + 8, 0);
	assert_int_equal(read_all(&f, f.len, &r), -EPROTO);
}

/* They have neither packed rings nor provocations, or not what was written: other kinds, then. */
static void older_versions_are_read_as_well(void **state)
{
	struct trace_reader r;
	struct file f;

	(void)state;
	for (uint32_t version = TRACE_OLDEST; version <= TRACE_VERSION; version++) {
		fill(&f);
		put_le32(f.bytes + 8, version);
		assert_int_equal(read_all(&f, f.len, &r), 0);
		assert_true(r.ended && r.records == NR);
		assert_int_equal(r.version, version);
	}
}

/* Any byte counts, and where it stands. */
static void digest_is_of_all_bytes_in_their_order(void **state)
{
	uint8_t bytes[20] = {0};
	const uint64_t none = trace_digest(bytes, sizeof(bytes));

	(void)state;
	assert_true(trace_digest(NULL, 0) == UINT64_C(0xcbf29ce484222325));
	assert_true(trace_digest(bytes, 16) != none);
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		uint64_t once;

		bytes[i] = 1;
		once = trace_digest(bytes, sizeof(bytes));
		bytes[i] = 0;
		bytes[(i + 8) % sizeof(bytes)] = 1;
		assert_true(once != none && once != trace_digest(bytes, sizeof(bytes)));
		bytes[(i + 8) % sizeof(bytes)] = 0;
	}
}

/* Whatever a byte is changed to, reading ends, and nothing is read that is not there. */
static void any_byte_may_be_any_other(void **state)
{
	static const uint8_t flips[] = {1, 0x80, 0xff};
	unsigned refused = 0;
	struct trace_reader r;
	struct file f;

	(void)state;
	fill(&f);
	for (size_t at = TRACE_HEADER; at < f.len; at++)
		for (unsigned k = 0; k < sizeof(flips); k++) {
			f.bytes[at] ^= flips[k];
			refused += read_all(&f, f.len, &r) == -EPROTO;
			f.bytes[at] ^= flips[k];
		}
	assert_true(refused > 200);
}

struct damage {
	unsigned record; /* of each[] */
	unsigned at;     /* in its bytes */
	unsigned to;
	const char *why; /* NULL: nothing is wrong with that */
};

static void damage_is_named(void **state)
{
	static const struct damage all[] = {
		{1, 0, 41, "its length cannot be"},
		{1, 3, 1, "its length cannot be"},
		{1, 0, 16, "its length cannot be"},
		{1, 0, 48, "its length and that of its data do not fit"},
		{1, 4, 0, "a record of no kind"},
		{1, 6, 8, "a NIC with a number that none has"},
		{1, 6, 7, "a NIC that is not known yet"},
		{1, 8, 0, NULL},
		{2, 8, 0, "it is older than the one before"},
		{1, 16, 5, "a queue with a number that none has"},
		{1, 28, 9, "an access of so many bytes cannot be"},
		{1, 28, 0, "an access of so many bytes cannot be"},
		{0, 36, 4, "a device whose numbers do not fit its length"},
		{0, 36, 33, "a device with too many queues or regions of memory"},
		{0, 48, 0, "a device without a name"},
		{0, 49, 27, "a device without a name"},
		{3, 16, 3, "a queue that its device does not have"},
		{3, 57, 5, "a ring of no possible size"},
		{3, 56, 0, "a ring of no possible size"},
		{3, 56, 1, NULL},
		{5, 26, 3, "a chain of another length"},
		{7, 26, 2, "an index and entries that do not fit"},
		{8, 25, 0, NULL},
		{12, 32, 27, "a finding that is no text"},
		{13, 32, 4, "a provocation of no kind"},
		{13, 33, TRACE_PLACES, "a provocation of no kind"},
		{13, 34, 0, "a provocation without a name"},
		{13, 34, 9, "a provocation without a name"},
		{13, 48, 27, "a provocation without a name"},
		{13, 33, TRACE_AT_READ, "changes so many bytes cannot be"},
		{13, 33, TRACE_AT_NONE, "changes so many bytes cannot be"},
		{13, 17, 0xff, "a queue with a number that none has"},
		{14, 24, 18, "a buffer with more or less of it than is kept"},
		{14, 7, 1, "a buffer with more or less of it than is kept"},
		{14, 17, 0xff, "a queue with a number that none has"},
		{15, 24, 12, "another number of records"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct trace_reader r;
		struct file f;
		int ret;

		fill(&f);
		f.bytes[f.at[all[i].record] + all[i].at] = (uint8_t)all[i].to;
		ret = read_all(&f, f.len, &r);
		if (!all[i].why)
			continue;
		if (ret != -EPROTO || !strstr(r.why, all[i].why))
			fail_msg("damage %u: %d, '%s'", i, ret, r.why);
	}
}

static const char *decode(struct trace_record r, uint8_t *bytes, struct trace_record *got)
{
	const size_t head = trace_encode(&r, bytes);

	if (r.len)
		memcpy(bytes + head, r.data, r.len);
	return trace_decode(bytes, trace_bytes(bytes), got);
}

static void what_packed_rings_have_comes_back(void **state)
{
	uint8_t bytes[512];
	struct trace_record got, r;
	struct trace_desc d;
	uint32_t id, len;

	(void)state;
	for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		assert_null(decode(more[i], bytes, &got));
		assert_int_equal(got.packed, more[i].packed);
		assert_int_equal(got.len, more[i].len);
	}
	r = more[1];
	d = trace_desc_at(&r, 0);
	assert_int_equal(d.flags, 5); /* id and flags stand the other way round */
	assert_int_equal(d.next, 1);
	r = more[3];
	trace_used_at(&r, 0, &id, &len);
	assert_int_equal(id & UINT16_MAX, 0x1234);
	assert_int_equal(id >> 16, 0x8002);
	r = more[2];
	r.len = 4;
	assert_string_equal(decode(r, bytes, &got), "a list with two names");
	/* What was written has the effect of other 4 bytes, or none. */
	r = more[6];
	r.u.provoke.became = 2;
	r.len += 2;
	assert_non_null(decode(r, bytes, &got));
}

static void more_used_entries_than_the_ring_has_are_refused(void **state)
{
	static const uint8_t long_batch[8 + 2 * (4 + 8 * 9)] = {'r', 'e', 'o', 'r',
	                                                        'd', 'e', 'r', '+'};
	struct trace_record r = each[13];
	struct trace_reader reader;
	struct file f;

	(void)state;
	fill(&f);
	f.len = f.at[13];
	r.u.provoke.was = r.u.provoke.became = 4 + 8 * 9;
	r.data = long_batch;
	r.len = sizeof(long_batch);
	add(&f, &r);
	assert_int_equal(read_all(&f, f.len, &reader), -EPROTO);
	assert_non_null(strstr(reader.why, "more entries than its ring has"));
}

static void kind_of_a_later_version_is_passed_over(void **state)
{
	struct trace_reader r;
	struct file f;

	(void)state;
	fill(&f);
	f.bytes[f.at[11] + 4] = TRACE_KINDS;
	assert_int_equal(read_all(&f, f.len, &r), 0);
	assert_true(r.records == NR);
	/* What is the same for all kinds is judged all the same. */
	f.bytes[f.at[11] + 16] = 0;
	assert_int_equal(read_all(&f, f.len, &r), -EPROTO);
	assert_non_null(strstr(r.why, "a queue with a number that none has"));
}

static void each_kind_has_a_line(void **state)
{
	static const char expected[] =
		"0.000000 net0      device    a guest begins; 3 queues, offered "
		"0xffffffffffffffff, "
		"24 bytes of config space, memory 0x0+0x10, 0x0+0x0\n"
		"0.000000 net0      read      0x52 from byte 0 of the config space, 1 byte\n"
		"0.000000 net0      write     0xf to Status (0x070)\n"
		"0.000000 net0  q1  queue     8 entries at 0x1000, 0x2000, 0x10000000000; accepted "
		"0x130000000\n"
		"0.000000 net0  q1  kick      0x50001 to QueueNotify (0x050): queue 1, position "
		"0x0005\n"
		"0.000000 net0  q1  chain     7: read 0x2+3 write 0x0+4 and cannot be followed\n"
		"0.000000 net0  q1  memory    0xfffffffffffff000, 17 bytes: 00 00 00 00 00 00 00 "
		"00 00 "
		"00 00 00 ff fe 01 02 ...\n"
		"0.000000 net0  q1  avail     65535 to 1, flags 1, used_event 9: 7 5\n"
		"0.000000 net0  q1  frame     to the guest, 1988 bytes: ff fe 01 02 03\n"
		"0.000000 net0  q1  used      3 to 4: 7 (60 bytes)\n"
		"0.000000 net0  q1  wish      wants an interrupt, the word is 3\n"
		"0.000000 net0      interrupt 0x1\n"
		"0.000000 net0      finding   split.align: queue 0; guest at 0xffffffffffffffff\n"
		"0.000000 net0  q1  provoke   reorder+ (rare, seed 7): used from 4: 2 of 5 (60 "
		"bytes), 6 (0 bytes) -> 1 of 6 (0 bytes), 5 (60 bytes)\n"
		"0.000000 net0  q1  written   7: 17 bytes, digest 123456789abcdef0: 00 00 00 00 00 "
		"00 00 00 00 00 00 00 ff fe 01 02 ...\n"
		"0.000000 net0      end       15 records\n"
		"0.000000 net0  q1  written   9: 70000 bytes, nobody knows where\n"
		"0.000000 net0  q1  chain     9: table 0x2+3 read 0x0+4\n"
		"0.000000 net0  q1  avail     7/1 to 1/0, flags 2, event 3/1: 7\n"
		"0.000000 net0  q1  used      2/1 to 4/1: 4660 (60 bytes)\n"
		"0.000000 net0  q1  wish      wants no interrupt, flags 2, event 3/1\n"
		"0.000000 net0      provoke   isr-bits (illegal, seed 7): InterruptStatus (0x060): "
		"0x1 -> 0x81\n"
		"0.000000 net0      provoke   isr-bits (legal, seed 0): Status (0x070): 0x1 -> no "
		"effect\n"
		"0.000000 net0      provoke   isr-bits (legal, seed 0)\n";
	char *text = NULL, *line, *rest;
	const char *want = expected;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	for (unsigned i = 0; i < NR; i++)
		trace_print_text(out, &each[0].u.device, &each[i]);
	for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		trace_print_text(out, &each[0].u.device, &more[i]);
	assert_int_equal(fclose(out), 0);
	for (rest = text; (line = strsep(&rest, "\n")) && *line; want = strchr(want, '\n') + 1) {
		line += strspn(line, " ");
		if (strncmp(line, want, strlen(line)) != 0 || want[strlen(line)] != '\n')
			fail_msg("'%s'", line);
	}
	assert_string_equal(want, "");
	free(text);
}

static void wish_for_no_interrupt_has_words_too(void **state)
{
	struct trace_record r = each[10];
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	r.u.wish.interrupt = false;
	trace_print_text(out, &each[0].u.device, &r);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "wish      wants no interrupt, the word is 3\n"));
	free(text);
}

static void each_kind_is_a_line_of_json(void **state)
{
	char *text = NULL, *at;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	for (unsigned i = 0; i < NR; i++)
		assert_int_equal(trace_print_json(out, &each[0].u.device, &each[i]), 0);
	assert_int_equal(fclose(out), 0);
	at = text;
	for (unsigned i = 0; i < NR; i++) {
		char name[40];

		snprintf(name, sizeof(name), "\"kind\":\"%s\"", trace_kind_name(each[i].kind));
		assert_non_null(strstr(at, name));
		assert_true(strstr(at, name) < strchr(at, '\n'));
		at = strchr(at, '\n') + 1;
	}
	assert_string_equal(at, "");
	free(text);
	text = NULL;
	out = open_memstream(&text, &len);
	for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		assert_int_equal(trace_print_json(out, &each[0].u.device, &more[i]), 0);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "\"ids\":[7]"));
	assert_non_null(strstr(text, "{\"id\":4660,\"len\":60,\"at\":32770}"));
	assert_non_null(strstr(text, "\"flags\":2,\"event\":32771,\"interrupt\":false"));
	assert_non_null(strstr(text,
	                       "\"names\":\"isr-bits\",\"tag\":\"illegal\",\"seed\":\"0x7\","
	                       "\"place\":\"read\",\"at\":96,\"before\":\"01000000\",\"after\":"
	                       "\"81000000\""));
	free(text);
	text = NULL;
	out = open_memstream(&text, &len);
	for (unsigned i = 0; i < NR; i++)
		assert_int_equal(trace_print_json(out, &each[0].u.device, &each[i]), 0);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "\"pc\":\"0xffffffffffffffff\""));
	assert_non_null(strstr(text, "\"data\":\"000000000000000000000000fffe010203\""));
	free(text);
}

static void summary_counts_by_queue(void **state)
{
	struct trace_sum s = {.records = 0};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	for (unsigned i = 0; i < NR; i++)
		trace_sum_add(&s, &each[0].u.device, &each[i]);
	trace_sum_print(&s, out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text,
	                    "16 records up to 0.000000 s\n"
	                    "net0: a guest began 1 times; 1 registers read, 1 written; 1 "
	                    "interrupts; 1 findings\n"
	                    "  provoked 1 times: 1 rare\n"
	                    "  queue 1: 1 kicks; 1 chains in 1 looks, 1 used (60 bytes written); 1 "
	                    "of 1 times an interrupt was wanted; 1 frames from the guest (2000 "
	                    "bytes with headers)\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_comes_back_as_it_was_put),
		cmocka_unit_test(data_has_what_was_put),
		cmocka_unit_test(whole_file_is_read_to_its_end),
		cmocka_unit_test(recording_may_end_anywhere),
		cmocka_unit_test(other_file_is_refused),
		cmocka_unit_test(any_byte_may_be_any_other),
		cmocka_unit_test(damage_is_named),
		cmocka_unit_test(what_packed_rings_have_comes_back),
		cmocka_unit_test(more_used_entries_than_the_ring_has_are_refused),
		cmocka_unit_test(older_versions_are_read_as_well),
		cmocka_unit_test(digest_is_of_all_bytes_in_their_order),
		cmocka_unit_test(kind_of_a_later_version_is_passed_over),
		cmocka_unit_test(each_kind_has_a_line),
		cmocka_unit_test(wish_for_no_interrupt_has_words_too),
		cmocka_unit_test(each_kind_is_a_line_of_json),
		cmocka_unit_test(summary_counts_by_queue),
	};

	return cmocka_run_group_tests_name("trace_format", tests, NULL, NULL);
}
