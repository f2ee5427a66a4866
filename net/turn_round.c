/* SPDX-License-Identifier: Apache-2.0 */
#include "net/turn_round.h"

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

/* Offsets in an ARP packet for Ethernet and IPv4 (RFC 826). */
enum {
	ARP_OPCODE = 6,
	ARP_SENDER = 8,
	ARP_SENDER_IP = 14,
	ARP_TARGET = 18,
	ARP_TARGET_IP = 24,
	ARP_BYTES = 28
};

/* Offsets in an IPv4 header (RFC 791). */
enum { IP_FRAGMENT = 6, IP_PROTO = 9, IP_SOURCE = 12, IP_DEST = 16, IP_BYTES = 20 };
#define IP_FRAGMENT_OFFSET 0x1fffu

#define ICMP_ECHO  8u
#define ICMP_REPLY 0u
#define ICMP_BYTES 8u

/* Locally administered, unicast; none that mac_pick() gives to a NIC. */
const uint8_t turn_round_mac[6] = {0x02, 'd', 'b', 0xff, 0xff, 0xfe};

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	uint8_t was[ETH_ALEN];

	memcpy(was, a, len);
	memcpy(a, b, len);
	memcpy(b, was, len);
}

static void turn_arp(uint8_t *arp, size_t len)
{
	static const uint8_t request[8] = {
		0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 0xff, ETH_ALEN, 4, 0, ARPOP_REQUEST};
	static const uint8_t nobody[4];

	if (len < ARP_BYTES || memcmp(arp, request, sizeof(request)) != 0)
		return;
	/* Whether somebody has an address that one is about to take, or has just taken: nobody has. */
	if (memcmp(arp + ARP_SENDER_IP, nobody, 4) == 0 ||
	    memcmp(arp + ARP_SENDER_IP, arp + ARP_TARGET_IP, 4) == 0)
		return;
	put_be16(arp + ARP_OPCODE, ARPOP_REPLY);
	memcpy(arp + ARP_TARGET, arp + ARP_SENDER, ETH_ALEN);
	memcpy(arp + ARP_SENDER, turn_round_mac, ETH_ALEN);
	swap(arp + ARP_SENDER_IP, arp + ARP_TARGET_IP, 4);
}

/* The type goes down by 8: so much is the sum to go up (RFC 1624). */
static void answer_ping(uint8_t *icmp)
{
	uint32_t sum = get_be16(icmp + 2) + (uint32_t)((ICMP_ECHO - ICMP_REPLY) << 8);

	icmp[0] = ICMP_REPLY;
	put_be16(icmp + 2, u16_of((sum & 0xffff) + (sum >> 16)));
}

static void turn_ip(uint8_t *ip, size_t len)
{
	size_t header;

	if (len < IP_BYTES || ip[0] >> 4 != 4)
		return;
	header = (size_t)(ip[0] & 15) * 4;
	if (header < IP_BYTES)
		return;
	swap(ip + IP_SOURCE, ip + IP_DEST, 4);
	if (get_be16(ip + IP_FRAGMENT) & IP_FRAGMENT_OFFSET || len < header + ICMP_BYTES)
		return;
	if (ip[IP_PROTO] == IPPROTO_UDP || ip[IP_PROTO] == IPPROTO_TCP)
		swap(ip + header, ip + header + 2, 2);
	else if (ip[IP_PROTO] == IPPROTO_ICMP && ip[header] == ICMP_ECHO && ip[header + 1] == 0)
		answer_ping(ip + header);
}

void turn_round(uint8_t *frame, size_t len)
{
	size_t type_at = (size_t)2 * ETH_ALEN;
	unsigned type;

	if (len < ETH_HLEN)
		return;
	swap(frame, frame + ETH_ALEN, ETH_ALEN);
	if (frame[ETH_ALEN] & 1)
		memcpy(frame + ETH_ALEN, turn_round_mac, ETH_ALEN);
	type = get_be16(frame + type_at);
	if ((type == ETH_P_8021Q || type == ETH_P_8021AD) && len >= ETH_HLEN + 4) {
		type_at += 4;
		type = get_be16(frame + type_at);
	}
	frame += type_at + 2;
	len -= type_at + 2;
	if (type == ETH_P_ARP)
		turn_arp(frame, len);
	else if (type == ETH_P_IP)
		turn_ip(frame, len);
}
