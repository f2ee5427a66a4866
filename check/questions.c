// SPDX-License-Identifier: Apache-2.0
/* RFC 826, 791, 792, 768, 862. */
#include "check/questions.h"

#include <string.h>

#include "net/csum.h"

#define ETH       14u
#define IP        20u
#define L4        (ETH + IP)
#define HEAD      8u /* of ICMP echo and UDP alike */
#define ARP_BYTES 28u
#define IDENT     0xdb01u /* of our pings */
#define PORT      30000u  /* our datagrams come from here on */
#define ECHO      7u
#define DISCARD   9u

enum { ICMP = 1, UDP = 17 };
enum { ECHO_REPLY = 0, ECHO_REQUEST = 8 };

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put_sum(uint8_t *field, uint16_t sum)
{
	sum = (uint16_t)~sum;
	memcpy(field, &sum, sizeof(sum));
}

static void put_eth(uint8_t *frame, const uint8_t *to, const uint8_t *from, unsigned type)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	put16(frame + 12, type);
}

static size_t write_arp(const struct parties *p, uint8_t *frame)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t *arp = frame + ETH;

	memset(frame, 0, 60);
	put_eth(frame, all, p->mac, 0x0806);
	memcpy(arp, request, sizeof(request));
	memcpy(arp + 8, p->mac, 6);
	put32(arp + 14, p->ip);
	put32(arp + 24, p->guest_ip);
	return 60;
}

static void write_ip(const struct parties *p, uint8_t *frame, uint8_t protocol, size_t len)
{
	uint8_t *ip = frame + ETH;

	put_eth(frame, p->guest_mac, p->mac, 0x0800);
	memset(ip, 0, IP);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(len - ETH));
	ip[8] = 64;
	ip[9] = protocol;
	put32(ip + 12, p->ip);
	put32(ip + 16, p->guest_ip);
	put_sum(ip + 10, csum_sum(ip, IP));
}

static uint8_t data_at(unsigned seq, size_t i)
{
	return (uint8_t)((size_t)seq * 31 + i * 7 + (i >> 8));
}

/* Behind what the checksum is over stands the pseudo header: a sum does not care for the order. */
static void sum_udp(uint8_t *frame, size_t len)
{
	uint8_t pseudo[12] = {[9] = UDP};
	uint16_t sum;

	memcpy(pseudo, frame + ETH + 12, 8);
	put16(pseudo + 10, (unsigned)(len - L4));
	pseudo[8] = 0;
	sum = csum_sum(pseudo, sizeof(pseudo));
	memcpy(frame + L4 + 6, &sum, sizeof(sum));
	(void)csum_complete(frame, len, L4, 6);
}

static void write_udp(uint8_t *frame, size_t len, unsigned from, unsigned to)
{
	put16(frame + L4, from);
	put16(frame + L4 + 2, to);
	put16(frame + L4 + 4, (unsigned)(len - L4));
	sum_udp(frame, len);
}

size_t question_write(const struct question *q, const struct parties *p, uint8_t *frame)
{
	uint8_t *head = frame + L4;

	if (q->kind == ASK_ARP)
		return write_arp(p, frame);
	write_ip(p, frame, q->kind == ASK_PING ? ICMP : UDP, q->len);
	memset(head, 0, HEAD);
	for (size_t i = 0; i < q->len - L4 - HEAD; i++)
		head[HEAD + i] = data_at(q->seq, i);
	if (q->kind == ASK_UDP) {
		write_udp(frame, q->len, PORT + (q->seq & 0x7fffu), ECHO);
	} else {
		head[0] = ECHO_REQUEST;
		put16(head + 4, IDENT);
		put16(head + 6, q->seq);
		put_sum(head + 2, csum_sum(head, q->len - L4));
	}
	if (q->wrong)
		head[q->kind == ASK_UDP ? 6 : 2] ^= 0x55;
	return q->len;
}

size_t question_farewell(const struct parties *p, uint8_t *frame)
{
	write_ip(p, frame, UDP, QUESTION_MIN);
	memset(frame + L4, 0, HEAD);
	write_udp(frame, QUESTION_MIN, PORT, DISCARD);
	return QUESTION_MIN;
}

static bool arp_answer(const uint8_t *frame, size_t len, const struct parties *p)
{
	const uint8_t *arp = frame + ETH;

	return len >= ETH + ARP_BYTES && get16(arp + 6) == 2 && get32(arp + 14) == p->guest_ip &&
	       get32(arp + 24) == p->ip;
}

bool answer_known(const uint8_t *frame, size_t len, const struct parties *p, struct question *q)
{
	const uint8_t *ip = frame + ETH, *head = frame + L4;

	if (len < ETH + ARP_BYTES || memcmp(frame, p->mac, 6) != 0)
		return false;
	*q = (struct question){.kind = ASK_ARP};
	if (get16(frame + 12) == 0x0806)
		return arp_answer(frame, len, p);
	if (get16(frame + 12) != 0x0800 || len < L4 + HEAD || ip[0] != 0x45 ||
	    get32(ip + 12) != p->guest_ip || get32(ip + 16) != p->ip)
		return false;
	if (ip[9] == ICMP && head[0] == ECHO_REPLY && get16(head + 4) == IDENT) {
		q->kind = ASK_PING;
		q->seq = (uint16_t)get16(head + 6);
		return true;
	}
	q->kind = ASK_UDP;
	q->seq = (uint16_t)(get16(head + 2) - PORT);
	return ip[9] == UDP && get16(head) == ECHO && get16(head + 2) >= PORT;
}

bool answer_right(const uint8_t *frame, size_t len, const struct question *q)
{
	const uint8_t *ip = frame + ETH, *head = frame + L4;
	const size_t total = get16(ip + 2) + ETH;

	if (q->kind == ASK_ARP)
		return true;
	if (total != q->len || len < total || csum_sum(ip, IP) != UINT16_MAX)
		return false;
	/* Of a datagram the driver may have left it to the device. */
	if (q->kind == ASK_PING && csum_sum(head, total - L4) != UINT16_MAX)
		return false;
	if (q->kind == ASK_UDP && get16(head + 4) != total - L4)
		return false;
	for (size_t i = 0; i < total - L4 - HEAD; i++)
		if (head[HEAD + i] != data_at(q->seq, i))
			return false;
	return true;
}
