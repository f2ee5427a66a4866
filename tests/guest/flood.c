// SPDX-License-Identifier: Apache-2.0
/*
 * flood ADDRESS COUNT WINDOW: COUNT small ICMP echo requests, at most WINDOW of them unanswered at a time. Each answer
 * is compared with its request, and the time that all took is told. The other side answers in its kernel, so what this
 * costs is mostly the way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define WINDOW_MAX 256u

struct request {
	struct icmphdr h;
	uint32_t number, check[5];
};

static uint16_t checksum(const void *data, size_t len)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i + 1 < len; i += sizeof(word)) {
		memcpy(&word, (const char *)data + i, sizeof(word));
		sum += word;
	}
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~(sum + (sum >> 16));
}

static struct request request(uint32_t number)
{
	struct request r = {.number = number};

	r.h.type = ICMP_ECHO;
	r.h.un.echo.id = htons((uint16_t)getpid());
	r.h.un.echo.sequence = htons((uint16_t)number);
	for (uint32_t i = 0; i < 5; i++)
		r.check[i] = (number + i) * 2654435761u;
	r.h.checksum = checksum(&r, sizeof(r));
	return r;
}

/* The number of the request that @packet answers; UINT32_MAX: it is none of ours. */
static uint32_t answered(const uint8_t *packet, size_t len)
{
	struct request got, want;

	if (len != sizeof(struct iphdr) + sizeof(got))
		return UINT32_MAX;
	memcpy(&got, packet + sizeof(struct iphdr), sizeof(got));
	want = request(got.number);
	if (got.h.type != ICMP_ECHOREPLY || got.h.un.echo.id != want.h.un.echo.id)
		return UINT32_MAX;
	return memcmp(got.check, want.check, sizeof(got.check)) == 0 ? got.number : UINT32_MAX;
}

/* Answers that came; each counts once. */
static uint32_t flood(int fd, const struct sockaddr_in *to, uint32_t count, uint32_t window)
{
	uint32_t sent = 0, got = 0;
	uint8_t packet[2048];

	while (got < count) {
		ssize_t n;

		while (sent < count && sent - got < window) {
			const struct request r = request(sent);

			if (sendto(fd, &r, sizeof(r), 0, (const struct sockaddr *)to, sizeof(*to)) <
			    0)
				return got;
			sent++;
		}
		n = recv(fd, packet, sizeof(packet), 0);
		if (n < 0) /* nothing for so long: the rest is lost */
			return got;
		if (answered(packet, (size_t)n) == got)
			got++;
	}
	return got;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	const struct timeval patience = {.tv_sec = 20};
	struct sockaddr_in to = {.sin_family = AF_INET};
	unsigned long count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long window = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	int fd, room = 1 << 20;
	uint64_t from;
	uint32_t got;

	if (!count || count > UINT32_MAX / 2 || !window || window > WINDOW_MAX ||
	    inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		(void)fputs("usage: flood ADDRESS COUNT WINDOW\n", stderr);
		return 2;
	}
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) < 0) {
		perror("flood");
		return 1;
	}
	from = now_us();
	got = flood(fd, &to, (uint32_t)count, (uint32_t)window);
	printf("%u of %lu answered, in order and unchanged, in %" PRIu64 " us\n", got, count,
	       now_us() - from);
	return got == count ? 0 : 1;
}
