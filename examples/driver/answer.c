/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 826, 791, 792, 768, 862. A sum stays right when what it is over is only swapped. */
#include "driver.h"

#define ETH   14u
#define IP    20u
#define SHORT 42u /* the least of what we answer: an ARP request, a ping or datagram without data */

enum { ETH_IP = 0x0800, ICMP = 1, UDP = 17, PORT_ECHO = 7, PORT_DISCARD = 9 };

static const uint8_t address[] = {10, 0, 2, 15};
static const uint8_t arp_request[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1}; /* from the type on */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool same(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	while (n && *a == *b)
		a++, b++, n--;
	return n == 0;
}

static void swap(uint8_t *a, uint8_t *b, uint32_t n)
{
	for (; n--; a++, b++) {
		const uint8_t keep = *a;

		*a = *b;
		*b = keep;
	}
}

/* Is the sum of RFC 1071, with @sum, what it is when the checksum in it is right? In the memory's order. */
static bool sums_up(uint64_t sum, const uint8_t *p, uint32_t len)
{
	for (; len >= 4; len -= 4, p += 4)
		sum += *(const uint32_t *)(const void *)p;
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 ? (uint32_t)p[i] << 8 : p[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff || bug(checksums_trusted);
}

/* Nobody but us has verified the checksum. [net.rx-no-trust-csum] */
static bool answer_ping(uint8_t *icmp, uint32_t len)
{
	const uint32_t sum = get16(icmp + 2) + 0x0800u; /* what the first word loses */

	if (icmp[0] != 8 || icmp[1] != 0 || !sums_up(0, icmp, len))
		return false;
	icmp[0] = 0;
	icmp[2] = (uint8_t)((sum + (sum >> 16)) >> 8);
	icmp[3] = (uint8_t)(sum + (sum >> 16));
	return true;
}

/* The two addresses are in front of it, and count for its sum. */
static bool answer_udp(struct nic *n, uint8_t *udp, uint32_t len)
{
	const uint64_t pseudo = __builtin_bswap16(UDP) + __builtin_bswap16((uint16_t)len);

	if (get16(udp + 4) != len || (get16(udp + 6) && !sums_up(pseudo, udp - 8, 8 + len)))
		return false;
	n->stop |= get16(udp + 2) == PORT_DISCARD;
	if (get16(udp + 2) != PORT_ECHO)
		return false;
	swap(udp, udp + 2, 2);
	return true;
}

/* Without options, not a part of something, for us, and whole: the length is theirs to say and ours to check. */
static uint32_t answer_ip(struct nic *n, uint8_t *ip, uint32_t len)
{
	const uint32_t total = get16(ip + 2);
	bool is_answer = false;

	if (ip[0] != 0x45 || (get16(ip + 6) & 0x3fff) || !same(ip + 16, address, 4) ||
	    total < SHORT - ETH || total > len || !sums_up(0, ip, IP))
		return 0;
	if (ip[9] == ICMP)
		is_answer = answer_ping(ip + IP, total - IP);
	else if (ip[9] == UDP)
		is_answer = answer_udp(n, ip + IP, total - IP);
	swap(ip + 12, ip + 16, 4);
	return is_answer ? ETH + total : 0;
}

uint32_t answer(struct nic *n, uint8_t *frame, uint32_t len)
{
	uint8_t *const packet = frame + ETH;

	if (len < SHORT)
		return 0;
	if (same(frame + 12, arp_request, sizeof(arp_request)) && same(packet + 24, address, 4)) {
		packet[7] = 2;
		swap(packet + 8, packet + 18, 10);
		__builtin_memcpy(packet + 8, n->mac, 6);
	} else {
		len = get16(frame + 12) == ETH_IP ? answer_ip(n, packet, len - ETH) : 0;
	}
	__builtin_memcpy(frame, frame + 6, 6);
	__builtin_memcpy(frame + 6, n->mac, 6); /* [net.mac-use] */
	return len;
}
