/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/load_words.c - what is said between the two ends and who commands them; no system call in it */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/guest/load.h"

#define WORDS_MAX 16u

/* A decimal number from @min to @max and nothing else. */
static bool number(const char *text, uint64_t min, uint64_t max, uint32_t *out)
{
	unsigned long long v;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (*end || errno || v < min || v > max)
		return false;
	*out = (uint32_t)v;
	return true;
}

/* Which of @words, separated by '|', is @text? */
static bool one_of(const char *text, const char *words, uint32_t *out)
{
	const size_t len = strlen(text);

	for (*out = 0; words; (*out)++) {
		const char *bar = strchr(words, '|');
		const size_t word = bar ? (size_t)(bar - words) : strlen(words);

		if (word == len && strncmp(words, text, len) == 0)
			return true;
		words = bar ? bar + 1 : NULL;
	}
	return false;
}

bool load_parse_address(const char *text, uint32_t *addr, unsigned *length)
{
	const char *slash = strchr(text, '/');
	const size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char host[INET_ADDRSTRLEN];
	uint32_t bits = 32;
	struct in_addr a;

	if (len >= sizeof(host) || (slash && !number(slash + 1, 1, 32, &bits)))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, &a) != 1)
		return false;
	*addr = a.s_addr;
	*length = bits;
	return true;
}

static bool set_word(struct load_job *job, const char *key, const char *value)
{
	unsigned length;
	uint32_t v = 0;
	bool ok = true;

	if (strcmp(key, "work") == 0) {
		ok = one_of(value, "stream|udp|rr|crr", &v);
		job->work = (enum load_work)v;
	} else if (strcmp(key, "role") == 0) {
		ok = one_of(value, "client|server", &v);
		job->server = v == 1;
	} else if (strcmp(key, "dir") == 0) {
		ok = one_of(value, "recv|send", &v);
		job->send = v == 1;
	} else if (strcmp(key, "addr") == 0) {
		ok = load_parse_address(value, &job->addr, &length) && length == 32;
	} else if (strcmp(key, "port") == 0) {
		ok = number(value, 1, UINT16_MAX, &v);
		job->port = (uint16_t)v;
	} else if (strcmp(key, "id") == 0) {
		ok = number(value, 0, UINT32_MAX, &job->id);
	} else if (strcmp(key, "size") == 0) {
		ok = number(value, 1, LOAD_SIZE_MAX, &job->size);
	} else if (strcmp(key, "buffer") == 0) {
		ok = number(value, 0, 1u << 26, &job->buffer);
	} else if (strcmp(key, "streams") == 0) {
		ok = number(value, 1, LOAD_STREAMS_MAX, &job->streams);
	} else if (strcmp(key, "ms") == 0) {
		ok = number(value, 1, 600000, &job->ms);
	} else if (strcmp(key, "rate") == 0) {
		ok = number(value, 0, 100000000, &job->rate);
	} else {
		ok = false;
	}
	return ok;
}

/* What each word is good for has been seen; together? */
static const char *judge(const struct load_job *job)
{
	if (job->port == 0)
		return "port";
	if (job->work == LOAD_UDP && (job->size < LOAD_UDP_MIN || job->size > LOAD_UDP_MAX))
		return "size";
	if ((job->work == LOAD_UDP || job->work == LOAD_CRR) && job->streams != 1)
		return "streams";
	if (job->rate && job->work != LOAD_UDP)
		return "rate";
	return NULL;
}

bool load_parse(const char *words, struct load_job *job, const char **why)
{
	char text[LOAD_LINE_MAX], *save = NULL, *word, *eq;

	*job = (struct load_job){.size = 1, .streams = 1, .ms = 1000};
	*why = "words";
	if (strlen(words) >= sizeof(text))
		return false;
	memcpy(text, words, strlen(words) + 1);
	for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		eq = strchr(word, '=');
		if (!eq)
			return false;
		*eq = '\0';
		if (!set_word(job, word, eq + 1))
			return false;
	}
	*why = judge(job);
	return *why == NULL;
}

/* ---- times: octaves, each in equal steps */

static unsigned hist_slot(uint64_t ns)
{
	unsigned octave;

	if (ns < HIST_STEPS)
		return (unsigned)ns;
	octave = 63u - (unsigned)__builtin_clzll(ns) - 5u; /* HIST_STEPS is 2^5: 0 for 32 to 63 */
	if (octave + 1 >= HIST_OCTAVES)
		return HIST_OCTAVES * HIST_STEPS - 1;
	return (octave + 1) * HIST_STEPS + (unsigned)(ns >> octave) % HIST_STEPS;
}

/* The middle of what falls there. */
static uint64_t hist_value(unsigned slot)
{
	const unsigned octave = slot / HIST_STEPS;

	if (octave == 0)
		return slot;
	return ((uint64_t)(HIST_STEPS + slot % HIST_STEPS) << (octave - 1)) +
	       (((uint64_t)1 << (octave - 1)) >> 1);
}

void load_hist_add(struct load_hist *h, uint64_t ns)
{
	h->n[hist_slot(ns)]++;
	h->nr++;
}

uint64_t load_hist_at(const struct load_hist *h, unsigned permille)
{
	uint64_t want = h->nr * permille / 1000, seen = 0;
	unsigned slot = 0;

	if (h->nr == 0)
		return 0;
	if (want >= h->nr)
		want = h->nr - 1;
	while (slot < HIST_OCTAVES * HIST_STEPS - 1) {
		seen += h->n[slot];
		if (seen > want)
			break;
		slot++;
	}
	return hist_value(slot);
}

/* ---- results */

void load_result_add(struct load_result *to, const struct load_result *r)
{
	to->messages += r->messages;
	to->bytes += r->bytes;
	if (r->ns > to->ns)
		to->ns = r->ns;
	if (r->error && !to->error)
		to->error = r->error;
	to->rtt.nr += r->rtt.nr;
	for (size_t i = 0; i < HIST_OCTAVES * HIST_STEPS; i++)
		to->rtt.n[i] += r->rtt.n[i];
}

static const char said_format[] =
	"@done messages=%" PRIu64 " bytes=%" PRIu64 " ns=%" PRIu64 " frames=%" PRIu64
	" p50=%" PRIu64 " p99=%" PRIu64 " p999=%" PRIu64;

int load_result_print(const struct load_result *r, char *line, size_t size)
{
	return snprintf(line, size, said_format, r->messages, r->bytes, r->ns, r->frames,
	                load_hist_at(&r->rtt, 500), load_hist_at(&r->rtt, 990),
	                load_hist_at(&r->rtt, 999));
}

/* " KEY=NUMBER" at *at, which is moved behind it. */
static bool take(const char **at, const char *key, uint64_t *out)
{
	const size_t len = strlen(key);
	char *end;

	if (**at != ' ' || strncmp(*at + 1, key, len) != 0 || (*at)[len + 1] != '=')
		return false;
	*at += len + 2;
	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*out = strtoull(*at, &end, 10);
	*at = end;
	return errno == 0;
}

bool load_said_parse(const char *line, struct load_said *out)
{
	const char *at = line;

	if (strncmp(line, "@done", 5) != 0)
		return false;
	at += 5;
	return take(&at, "messages", &out->messages) && take(&at, "bytes", &out->bytes) &&
	       take(&at, "ns", &out->ns) && take(&at, "frames", &out->frames) &&
	       take(&at, "p50", &out->p50) && take(&at, "p99", &out->p99) &&
	       take(&at, "p999", &out->p999) && *at == '\0';
}
