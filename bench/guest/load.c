/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/load.c - commands in, answers out: load.h says which */
#include "bench/guest/load.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#define WORDS_MAX 8u

static void say(const char *line)
{
	puts(line);
	(void)fflush(stdout);
}

static void answer(int ret)
{
	if (ret < 0)
		printf("@error %s\n", strerror(-ret));
	else
		puts("@ok");
	(void)fflush(stdout);
}

static void run(const char *words)
{
	static struct load_result r;
	char line[LOAD_LINE_MAX];
	struct load_job job;
	const char *why;

	if (!load_parse(words, &job, &why)) {
		printf("@error run: %s\n", why ? why : "words");
		(void)fflush(stdout);
		return;
	}
	load_run(&job, &r, say);
	if (r.error) {
		answer(r.error);
		return;
	}
	(void)load_result_print(&r, line, sizeof(line));
	say(line);
}

/* The driver's bits, as sysfs prints them, bit 0 first; in the order of the devices the first one that has some. */
static void features(void)
{
	char path[64], text[128];
	unsigned long long bits = 0;

	for (unsigned i = 0; i < 8; i++) {
		FILE *in;

		(void)snprintf(path, sizeof(path), "/sys/bus/virtio/devices/virtio%u/features", i);
		in = fopen(path, "re");
		if (!in)
			continue;
		if (!fgets(text, sizeof(text), in))
			text[0] = '\0';
		(void)fclose(in);
		for (unsigned bit = 0; bit < 64 && (text[bit] == '0' || text[bit] == '1'); bit++)
			bits |= (unsigned long long)(text[bit] == '1') << bit;
		if (bits)
			break;
	}
	printf("@ok 0x%llx\n", bits);
	(void)fflush(stdout);
}

static void net(char *const *word, size_t nr)
{
	uint32_t addr, gateway = 0;
	unsigned length, ignored;

	if (nr < 3 || nr > 4 || !load_parse_address(word[2], &addr, &length) ||
	    (nr == 4 && !load_parse_address(word[3], &gateway, &ignored)))
		answer(-EINVAL);
	else
		answer(load_net_address(word[1], addr, length, gateway));
}

static void off(bool guest)
{
	if (guest)
		(void)reboot(RB_POWER_OFF);
	_exit(0);
}

/* @line is taken apart. */
static void obey(char *line, bool guest)
{
	char *word[WORDS_MAX], *save = NULL;
	size_t nr = 0;

	if (strncmp(line, "run ", 4) == 0) {
		run(line + 4);
		return;
	}
	for (char *w = strtok_r(line, " ", &save); w && nr < WORDS_MAX;
	     w = strtok_r(NULL, " ", &save))
		word[nr++] = w;
	if (nr == 0)
		return;
	if (strcmp(word[0], "net") == 0)
		net(word, nr);
	else if (strcmp(word[0], "tap") == 0 && nr >= 2)
		answer(load_net_tap(word[1], nr > 2));
	else if (strcmp(word[0], "bridge") == 0 && nr >= 2)
		answer(load_net_bridge(word[1], word + 2, nr - 2));
	else if (strcmp(word[0], "veth") == 0 && nr == 4)
		answer(load_net_veth(word[1], word[2], atoi(word[3])));
	else if (strcmp(word[0], "mtu") == 0 && nr == 3)
		answer(load_net_mtu(word[1], atoi(word[2])));
	else if (strcmp(word[0], "nat") == 0)
		answer(load_net_nat());
	else if (strcmp(word[0], "features") == 0)
		features();
	else if (strcmp(word[0], "off") == 0)
		off(guest);
	else
		answer(-ENOSYS);
}

/* A whole line without its end. False: nobody is there any more, or it is too long to be one of ours. */
static bool read_line(char *line, size_t size)
{
	for (size_t len = 0; len < size; len++) {
		if (read(STDIN_FILENO, line + len, 1) != 1)
			return false;
		if (line[len] == '\n') {
			line[len] = '\0';
			return true;
		}
	}
	return false;
}

int main(void)
{
	const bool guest = getpid() == 1;
	char line[LOAD_LINE_MAX];

	(void)signal(SIGPIPE, SIG_IGN);
	if (guest)
		load_init();
	else
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	say("@ready");
	while (read_line(line, sizeof(line)))
		obey(line, guest);
	off(guest);
}
