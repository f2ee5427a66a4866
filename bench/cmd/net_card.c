/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_card.c - how a subject is set up, for the results: features, queues, versions of what is not doorbell */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "bench/cmd/net_load.h"
#include "bench/cmd/net_subject.h"

#define LINE 160

/* What another program says may be anything: what is no plain text is none of a version. */
static void put_line(json_t *card, const char *key, char *line)
{
	line[strcspn(line, "\r\n")] = '\0';
	for (char *p = line; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	if (line[0])
		json_object_set_new(card, key, json_string(line));
}

static void put_kernel(json_t *card, const struct net_state *s)
{
	char release[128];

	if (s->env->kernel && net_kernel_release(s->env->kernel, release, sizeof(release)) == 0)
		put_line(card, "kernel", release);
}

static void put_qemu(json_t *card)
{
	FILE *in = popen("exec qemu-system-x86_64 --version 2>/dev/null </dev/null", "re");
	char line[LINE], rest[512];

	if (in && fgets(line, sizeof(line), in))
		put_line(card, "vmm", line);
	while (in && fgets(rest, sizeof(rest), in))
		;
	if (in)
		pclose(in);
}

/* It says so in its log, when it is asked to (-v): EAL: RTE Version: 'DPDK 22.11.1' */
static void put_dpdk(json_t *card, const struct net_state *s)
{
	static const char words[] = "RTE Version: ";
	char path[256], line[LINE];
	bool found = false;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s-backend.log", s->env->tmp, s->subject->name);
	in = fopen(path, "re");
	while (in && !found && fgets(line, sizeof(line), in)) {
		char *at = strstr(line, words);

		found = at != NULL;
		if (found)
			put_line(card, "backend", at + strlen(words));
	}
	if (in)
		fclose(in);
}

/* Which bits of the feature word say how frames look and when the other side is told, of all that virtio has. */
static json_t *feature_word(uint64_t features)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)features);
	return json_string(text);
}

/* One word; only of two guests that did not accept the same two of them. */
static json_t *features_json(const struct net_state *s)
{
	const struct net_setup *t = s->subject->arg;

	if (t->guests < 2 || s->features[0] == s->features[1])
		return feature_word(s->features[0]);
	return json_pack("[o, o]", feature_word(s->features[0]), feature_word(s->features[1]));
}

int net_card(void *state, char *text, size_t size)
{
	const struct net_state *s = state;
	const struct net_setup *t = s->subject->arg;
	json_t *card;
	size_t len;

	if (t->guests == 0)
		return -ENODATA;
	card = json_pack("{s:o, s:i, s:i, s:b}", "features", features_json(s), "queue_size", 256,
	                 "guests", (int)t->guests, "vhost", (int)t->vhost);
	if (!card)
		return -ENOMEM;
	put_kernel(card, s);
	if (t->vmm == NET_MICROVM || t->vmm == NET_PC)
		put_qemu(card);
	if (t->way == NET_DPDK)
		put_dpdk(card, s);
	len = json_dumpb(card, text, size - 1, JSON_COMPACT);
	json_decref(card);
	if (len == 0 || len >= size)
		return -E2BIG;
	text[len] = '\0';
	return 0;
}
