/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 826, 791, 792, 768, 862. A sum stays right when what it is over is only swapped. */
#include "answer.h"

#include <stddef.h>

#include "bugs.h"

#define ETH     14u
#define IP      20u
#define ETH_IP  0x0800u
#define ETH_ARP 0x0806u
#define ICMP    1
#define UDP     17

enum { PORT_ECHO = 7, PORT_DISCARD = 9 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void copy(uint8_t *dst, const uint8_t *src, uint32_t n)
{
	while (n--)
		*dst++ = *src++;
}

static void swap(uint8_t *a, uint8_t *b, uint32_t n)
{
	for (; n--; a++, b++) {
		const uint8_t keep = *a;

		*a = *b;
		*b = keep;
	}
}

/* The sum of RFC 1071 of memory, in the memory's order, on top of @sum. */
static uint64_t add(uint64_t sum, const uint8_t *p, uint32_t len)
{
	for (; len >= 4; len -= 4, p += 4)
		sum += *(const uint32_t *)(const void *)p;
	for (; len >= 2; len -= 2, p += 2)
		sum += *(const uint16_t *)(const void *)p;
	return len ? sum + *p : sum;
}

static bool sums_up(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static uint32_t answer_arp(const struct host *h, uint8_t *arp, uint32_t len)
{
	if (len < 28 || get32(arp) != 0x00010800 || get16(arp + 4) != 0x0604 ||
	    get16(arp + 6) != 1 || get32(arp + 24) != HOST_ADDRESS)
		return 0;
	put16(arp + 6, 2);
	swap(arp + 8, arp + 18, 10);
	copy(arp + 8, h->mac, 6);
	return len;
}

static bool answer_ping(uint8_t *icmp, uint32_t len)
{
	uint32_t sum;

	if (len < 8 || icmp[0] != 8 || icmp[1] != 0 ||
	    (!sums_up(add(0, icmp, len)) && !bug(checksums_trusted)))
		return false;
	icmp[0] = 0;
	sum = get16(icmp + 2) + 0x0800u; /* what the first word has lost */
	put16(icmp + 2, sum + (sum >> 16));
	return true;
}

/* @ip is in front of it. Nobody but us has verified the checksum. [net.rx-no-trust-csum] */
static bool answer_udp(struct host *h, const uint8_t *ip, uint8_t *udp, uint32_t len)
{
	const uint64_t pseudo = add(
		(uint64_t)__builtin_bswap16(UDP) + __builtin_bswap16((uint16_t)len), ip + 12, 8);

	if (len < 8 || get16(udp + 4) != len ||
	    (get16(udp + 6) && !sums_up(add(pseudo, udp, len)) && !bug(checksums_trusted)))
		return false;
	if (get16(udp + 2) == PORT_DISCARD)
		h->stop = true;
	if (get16(udp + 2) != PORT_ECHO)
		return false;
	swap(udp, udp + 2, 2);
	return true;
}

static uint32_t answer_ip(struct host *h, uint8_t *ip, uint32_t len)
{
	const uint32_t total = get16(ip + 2);
	bool is_answer = false;

	/* Without options, not a part of something, for us, and whole: the length is theirs to say and ours to check. */
	if (len < IP || ip[0] != 0x45 || (get16(ip + 6) & 0x3fff) ||
	    get32(ip + 16) != HOST_ADDRESS || total < IP || total > len || !sums_up(add(0, ip, IP)))
		return 0;
	if (ip[9] == ICMP)
		is_answer = answer_ping(ip + IP, total - IP);
	else if (ip[9] == UDP)
		is_answer = answer_udp(h, ip, ip + IP, total - IP);
	swap(ip + 12, ip + 16, 4);
	return is_answer ? total : 0;
}

uint32_t answer(struct host *h, uint8_t *frame, uint32_t len)
{
	uint32_t n = 0;

	if (len < ETH + IP)
		return 0;
	if (get16(frame + 12) == ETH_ARP)
		n = answer_arp(h, frame + ETH, len - ETH);
	else if (get16(frame + 12) == ETH_IP)
		n = answer_ip(h, frame + ETH, len - ETH);
	if (n == 0)
		return 0;
	copy(frame, frame + 6, 6);
	copy(frame + 6, h->mac, 6); /* [net.mac-use] */
	return ETH + n;
}
