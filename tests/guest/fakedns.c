// SPDX-License-Identifier: Apache-2.0
/* A name server that knows one name, for tests: fakedns ADDRESS PORT NAME IPV4-ADDRESS */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define HEADER 12u /* bytes of a DNS message before the question */
#define TYPE_A 1u

/* Turns the labels at @msg[HEADER] into "a.b.c"; returns the offset behind them, 0 when malformed. */
static size_t read_name(const uint8_t *msg, size_t len, char *name, size_t room)
{
	size_t at = HEADER, out = 0;

	while (at < len && msg[at] != 0) {
		size_t n = msg[at++];

		if (n > 63 || at + n >= len || out + n + 2 > room)
			return 0;
		if (out > 0)
			name[out++] = '.';
		memcpy(name + out, msg + at, n);
		out += n;
		at += n;
	}
	name[out] = '\0';
	return at + 5 <= len ? at + 1 : 0; /* type and class follow */
}

/* Makes the answer out of the question, in place. Returns its length, 0 for no answer. */
static size_t answer(uint8_t *msg, size_t len, const char *known, const struct in_addr *addr)
{
	char name[256];
	size_t end = len > HEADER ? read_name(msg, len, name, sizeof(name)) : 0;
	bool is_known;

	if (end == 0 || (msg[2] & 0x80) != 0)
		return 0;
	is_known = strcasecmp(name, known) == 0;
	msg[2] = 0x85;                   /* a response, with authority */
	msg[3] = is_known ? 0x80 : 0x83; /* recursion available; no such name */
	memset(msg + 6, 0, HEADER - 6);  /* no answers, no additional records */
	end += 4;
	if (is_known && msg[end - 3] == TYPE_A && msg[end - 4] == 0) {
		static const uint8_t record[12] = {0xc0, HEADER, 0, TYPE_A, 0, 1,
		                                   0,    0,      0, 60,     0, 4};

		msg[7] = 1;
		memcpy(msg + end, record, sizeof(record));
		memcpy(msg + end + sizeof(record), addr, 4);
		end += sizeof(record) + 4;
	}
	return end;
}

int main(int argc, char **argv)
{
	struct sockaddr_in self = {.sin_family = AF_INET};
	struct in_addr addr;
	uint8_t msg[1024];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 5 || inet_pton(AF_INET, argv[1], &self.sin_addr) != 1 ||
	    inet_pton(AF_INET, argv[4], &addr) != 1) {
		(void)fputs("usage: fakedns ADDRESS PORT NAME IPV4-ADDRESS\n", stderr);
		return 2;
	}
	self.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof(self)) != 0) {
		perror("fakedns: bind");
		return 1;
	}
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t peer_len = sizeof(peer);
		ssize_t n = recvfrom(fd, msg, 512, 0, (struct sockaddr *)&peer, &peer_len);
		size_t len;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return 1;
		len = answer(msg, (size_t)n, argv[3], &addr);
		if (len > 0)
			(void)sendto(fd, msg, len, 0, (struct sockaddr *)&peer, peer_len);
	}
}
