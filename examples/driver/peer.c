// SPDX-License-Identifier: Apache-2.0
/*
 * peer OUR-SOCKET THEIR-SOCKET: the network of one guest (--net socket,type=dgram,path=OUR,local=THEIR): looks for its
 * address by ARP, pings it, has datagrams of several sizes echoed, and sends it to bed by one to the discard port.
 *
 * Each question is asked again until it is answered, or 30 seconds long. Exit status 0: all answers came and were right.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define AGAIN_MS 200
#define TRIES    150
#define BED_MS   10
#define NAP_MS   150 /* nothing comes: the guest halts, and what comes next has to wake it */

#define ETH 14u
#define IP  20u

struct frame {
	uint8_t b[1514];
	unsigned len;
};

static const uint8_t our_mac[6] = {0x02, 'p', 'e', 'e', 'r', 1};
static const uint8_t our_ip[4] = {10, 0, 2, 2}, their_ip[4] = {10, 0, 2, 15};

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned sum(unsigned s, const uint8_t *p, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		s += i % 2 ? p[i] : (unsigned)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* What an answer differs in is what is swapped: the rest must come back as it went. */
static struct frame arp_request(void)
{
	static const uint8_t fixed[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1};
	struct frame f = {.len = 60};

	memset(f.b, 0xff, 6);
	memcpy(f.b + 6, our_mac, 6);
	memcpy(f.b + 12, fixed, sizeof(fixed));
	memcpy(f.b + 22, our_mac, 6);
	memcpy(f.b + 28, our_ip, 4);
	memcpy(f.b + 38, their_ip, 4);
	return f;
}

static struct frame ip(const uint8_t *mac, uint8_t protocol, unsigned payload)
{
	struct frame f = {.len = ETH + IP + payload};
	uint8_t *h = f.b + ETH;

	memcpy(f.b, mac, 6);
	memcpy(f.b + 6, our_mac, 6);
	put16(f.b + 12, 0x0800);
	h[0] = 0x45;
	put16(h + 2, IP + payload);
	h[8] = 64;
	h[9] = protocol;
	memcpy(h + 12, our_ip, 4);
	memcpy(h + 16, their_ip, 4);
	put16(h + 10, ~sum(0, h, IP));
	return f;
}

static struct frame ping(const uint8_t *mac, unsigned seq, unsigned data)
{
	struct frame f = ip(mac, 1, 8 + data);
	uint8_t *h = f.b + ETH + IP;

	h[0] = 8;
	put16(h + 6, seq);
	for (unsigned i = 0; i < data; i++)
		h[8 + i] = (uint8_t)(seq * 31 + i * 7);
	put16(h + 2, ~sum(0, h, 8 + data));
	return f;
}

static struct frame udp(const uint8_t *mac, unsigned port, unsigned seq, unsigned data)
{
	struct frame f = ip(mac, 17, 8 + data);
	uint8_t *h = f.b + ETH + IP;

	put16(h, 30000 + seq);
	put16(h + 2, port);
	put16(h + 4, 8 + data);
	for (unsigned i = 0; i < data; i++)
		h[8 + i] = (uint8_t)(seq * 13 + i * 3);
	put16(h + 6, ~sum(17 + 8 + data + sum(0, f.b + ETH + 12, 8), h, 8 + data));
	return f;
}

/* The one right answer to @q of a guest with the address @mac. */
static struct frame right_answer(const struct frame *q, const uint8_t *mac)
{
	struct frame a = *q;
	uint8_t *h = a.b + ETH;

	memcpy(a.b, our_mac, 6);
	memcpy(a.b + 6, mac, 6);
	if (q->b[13] == 6) {
		h[7] = 2;
		memcpy(h + 8, mac, 6);
		memcpy(h + 14, their_ip, 4);
		memcpy(h + 18, our_mac, 6);
		memcpy(h + 24, our_ip, 4);
		return a;
	}
	memcpy(h + 12, their_ip, 4);
	memcpy(h + 16, our_ip, 4);
	if (h[9] == 1) {
		h[IP] = 0;
		put16(h + IP + 2, 0);
		put16(h + IP + 2, ~sum(0, h + IP, a.len - ETH - IP));
	} else {
		memcpy(h + IP, q->b + ETH + IP + 2, 2);
		memcpy(h + IP + 2, q->b + ETH + IP, 2);
	}
	return a;
}

static int open_socket(const char *ours, const char *theirs)
{
	struct sockaddr_un own = {.sun_family = AF_UNIX}, peer = own;
	char hello[16];
	socklen_t len = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	snprintf(own.sun_path, sizeof(own.sun_path), "%s", ours);
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0) {
		perror(ours);
		exit(2);
	}
	/* hello=: somebody is there, and this is the address. */
	if (poll(&p, 1, TRIES * AGAIN_MS) != 1 ||
	    recvfrom(fd, hello, sizeof(hello), 0, (struct sockaddr *)&peer, &len) < 0 ||
	    strcmp(peer.sun_path, theirs) != 0 || connect(fd, (struct sockaddr *)&peer, len) < 0) {
		fprintf(stderr, "peer: no guest at %s\n", theirs);
		exit(2);
	}
	return fd;
}

/* False: nothing came in time. */
static bool next_frame(int fd, struct frame *f)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (poll(&p, 1, AGAIN_MS) != 1)
		return false;
	n = recv(fd, f->b, sizeof(f->b), 0);
	if (n < 0) { /* doorbell is gone */
		fprintf(stderr, "peer: the guest has ended\n");
		exit(1);
	}
	f->len = (unsigned)n;
	return true;
}

/*
 * Until it has gone: its answers to what was asked again may still be on their way, and who finds by them that nobody
 * is there any more throws away what came from here last.
 */
static bool send_to_bed(int fd, const struct frame *q)
{
	for (unsigned ms = 0; ms < TRIES * AGAIN_MS; ms += BED_MS) {
		if (send(fd, q->b, q->len, 0) < 0)
			return true;
		poll(NULL, 0, BED_MS);
	}
	fprintf(stderr, "peer: the guest does not end\n");
	return false;
}

/* Asks @nr questions at once, and again those that are open. @mac NULL: whose answer it is is not known yet. */
static void ask(int fd, const struct frame *q, unsigned nr, uint8_t *mac, bool learn)
{
	bool open[16] = {false};
	unsigned left = nr;

	for (unsigned try = 0; left > 0; try++) {
		struct frame f = {.len = 0};

		for (unsigned i = 0; i < nr; i++)
			if (!open[i] && send(fd, q[i].b, q[i].len, 0) < 0)
				try = TRIES;
		if (try >= TRIES) {
			fprintf(stderr, "peer: no answer to %s of %u bytes\n",
			        q->b[13] == 6 ? "an ARP request" : "a question", q->len);
			exit(1);
		}
		while (left > 0 && next_frame(fd, &f)) {
			if (learn)
				memcpy(mac, f.b + 6, 6);
			for (unsigned i = 0; i < nr; i++) {
				const struct frame a = right_answer(&q[i], mac);

				if (!open[i] && f.len == a.len && memcmp(f.b, a.b, a.len) == 0) {
					open[i] = true;
					left--;
					break;
				}
			}
		}
	}
}

int main(int argc, char **argv)
{
	static const unsigned sizes[] = {0,   1,   7,    18,   200,  471,  472,
	                                 473, 700, 1000, 1001, 1470, 1471, 1472};
	struct frame q[16];
	uint8_t mac[6];
	unsigned nr = 0;
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: peer OUR-SOCKET THEIR-SOCKET\n");
		return 2;
	}
	fd = open_socket(argv[1], argv[2]);
	q[0] = arp_request();
	ask(fd, q, 1, mac, true);
	poll(NULL, 0, NAP_MS);
	for (unsigned i = 0; i < 16; i++) { /* one by one: the guest is interrupted for each */
		q[0] = ping(mac, i, 56 + i % 4 * 470);
		ask(fd, q, 1, mac, false);
	}
	for (unsigned i = 0; i < 16; i++)
		q[i] = ping(mac, 100 + i, 56);
	ask(fd, q, 16, mac, false);
	for (; nr < sizeof(sizes) / sizeof(sizes[0]); nr++)
		q[nr] = udp(mac, 7, nr, sizes[nr]);
	ask(fd, q, nr, mac, false);
	for (unsigned i = 0; i < 3; i++) { /* more of them than one ring has entries */
		for (unsigned k = 0; k < 16; k++)
			q[k] = udp(mac, 7, i * 16 + k, k);
		ask(fd, q, 16, mac, false);
	}
	q[0] = udp(mac, 9, 0, 0);
	return send_to_bed(fd, q) ? 0 : 1;
}
