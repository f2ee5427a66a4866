// SPDX-License-Identifier: Apache-2.0
/*
 * unstick SOCKET: has the emulator translate the code anew in which its CPUs stand.
 *
 * Linux changes its own code while it runs (static keys, tracepoints) and puts a breakpoint there meanwhile. QEMU 7.2,
 * with a thread for each CPU, at times goes on with its translation of the breakpoint when that is gone: the
 * handler finds no breakpoint, has the instruction run again, and so for ever, with interrupts off (docs/lab.md). A
 * write to the code makes QEMU forget its translations. So what the stacks of all CPUs point at is read and written
 * back, byte for byte, by the protocol of GDB, while the machine is stopped for a moment.
 *
 * Exit status: 0 done; 1 the emulator did not answer as it should; 2 usage.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define WORDS       64u /* of a stack that are looked at */
#define AROUND      16u /* bytes of code that are written back, half of them in front */
#define PAGE        4096u
#define RSP_AT      7u /* in GDB's order of x86-64's registers */
#define RIP_AT      16u
#define KERNEL_TEXT UINT64_C(0xffffffff80000000) /* and modules: virtual addresses from here on */

static int sock;

static bool get(char *c)
{
	return read(sock, c, 1) == 1;
}

/* The contents of the next packet. False: there was none. */
static bool take(char *text, size_t size)
{
	size_t n = 0;
	char c = 0;

	while (c != '$') /* acknowledgements */
		if (!get(&c))
			return false;
	while (get(&c) && c != '#')
		if (n + 1 < size)
			text[n++] = c;
	text[n] = '\0';
	for (unsigned i = 0; i < 2; i++) /* its check sum */
		if (!get(&c))
			return false;
	return write(sock, "+", 1) == 1;
}

static bool say(const char *text)
{
	char packet[256];
	uint8_t sum = 0;
	int len;

	for (const char *p = text; *p; p++)
		sum = (uint8_t)(sum + (uint8_t)*p);
	len = snprintf(packet, sizeof(packet), "$%s#%02x", text, sum);
	return write(sock, packet, (size_t)len) == len;
}

/* False: no answer. That the machine has stopped is told unasked. */
static bool ask(char *answer, size_t size, const char *question)
{
	if (!say(question))
		return false;
	do {
		if (!take(answer, size))
			return false;
	} while (answer[0] == 'T');
	return true;
}

/* Little endian, as GDB has it. 0 when there are not that many. */
static uint64_t word_at(const char *hex, size_t at)
{
	char byte[3] = "";
	uint64_t v = 0;

	if (strlen(hex) < 16 * (at + 1))
		return 0;
	for (size_t i = 8; i-- > 0;) {
		memcpy(byte, hex + 16 * at + 2 * i, 2);
		v = v << 8 | strtoul(byte, NULL, 16);
	}
	return v;
}

static void write_back(uint64_t at)
{
	char question[128], code[2 * AROUND + 1], answer[64];

	at -= AROUND / 2;
	snprintf(question, sizeof(question), "m%" PRIx64 ",%x", at, AROUND);
	if (!ask(code, sizeof(code), question) || strlen(code) != (size_t)2 * AROUND)
		return; /* no such memory */
	snprintf(question, sizeof(question), "M%" PRIx64 ",%x:%s", at, AROUND, code);
	ask(answer, sizeof(answer), question);
}

static bool look_at_cpu(unsigned cpu)
{
	char question[64], answer[4096];
	uint64_t rsp, rip;
	unsigned room;

	snprintf(question, sizeof(question), "Hg%x", cpu);
	if (!ask(answer, sizeof(answer), question) || strcmp(answer, "OK") != 0)
		return false;
	if (!ask(answer, sizeof(answer), "g"))
		return false;
	rsp = word_at(answer, RSP_AT);
	rip = word_at(answer, RIP_AT);
	room = PAGE - (unsigned)(rsp % PAGE); /* there may be nothing behind */
	if (room > WORDS * 8)
		room = WORDS * 8;
	printf("CPU %u at 0x%" PRIx64 "\n", cpu, rip);
	if (rip >= KERNEL_TEXT)
		write_back(rip);
	snprintf(question, sizeof(question), "m%" PRIx64 ",%x", rsp, room);
	if (!ask(answer, sizeof(answer), question))
		return false;
	for (unsigned i = 0; i < WORDS; i++)
		if (word_at(answer, i) >= KERNEL_TEXT)
			write_back(word_at(answer, i));
	return true;
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = 3};
	char answer[64];
	unsigned cpus = 0;

	if (argc != 2 || strlen(argv[1]) >= sizeof(a.sun_path)) {
		fprintf(stderr, "usage: unstick SOCKET\n");
		return 2;
	}
	memcpy(a.sun_path, argv[1], strlen(argv[1]));
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    connect(sock, (struct sockaddr *)&a, sizeof(a)) < 0) {
		fprintf(stderr, "unstick: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	while (look_at_cpu(cpus + 1))
		cpus++;
	/* On every way out: connecting has stopped the machine. */
	if (!say("D") || !take(answer, sizeof(answer)) || cpus == 0) {
		fprintf(stderr, "unstick: %s: no answer, or no CPU\n", argv[1]);
		return 1;
	}
	return 0;
}
