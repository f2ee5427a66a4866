/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ip_join.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <stdbool.h>
#include <string.h>

#include "net/csum.h"
#include "vmm/core/compiler.h"

/* A fragment that passed every check. */
struct piece {
	struct iphdr ip; /* without options */
	size_t header;   /* bytes of IP header, with options */
	size_t len;      /* bytes behind it */
	size_t off;      /* where they go in the datagram */
	bool more;
};

/* Looks at what libslirp would look at. False: not a packet that anybody would take. */
static bool parse(const uint8_t *frame, size_t len, struct piece *p)
{
	const uint8_t *packet = frame + ETH_HLEN;
	size_t room = len - ETH_HLEN, total;
	unsigned off;

	memcpy(&p->ip, packet, sizeof(p->ip));
	p->header = (size_t)p->ip.ihl * 4;
	total = ntohs(p->ip.tot_len);
	off = ntohs(p->ip.frag_off);
	if (p->ip.version != 4 || p->header < sizeof(p->ip) || total <= p->header || total > room ||
	    (off & IP_RF) || csum_sum(packet, p->header) != UINT16_MAX)
		return false;
	p->len = total - p->header;
	p->off = (size_t)(off & IP_OFFMASK) * 8;
	p->more = off & IP_MF;
	return !p->more || p->len % 8 == 0;
}

static struct ip_join_slot *find(struct ip_join *j, const struct iphdr *ip)
{
	for (unsigned i = 0; i < IP_JOIN_SLOTS; i++) {
		struct ip_join_slot *s = &j->slot[i];

		if (s->len && s->src == ip->saddr && s->dst == ip->daddr && s->id == ip->id &&
		    s->proto == ip->protocol)
			return s;
	}
	return NULL;
}

static struct ip_join_slot *make_slot(struct ip_join *j)
{
	for (unsigned i = 0; i < IP_JOIN_SLOTS; i++)
		if (j->slot[i].len == 0)
			return &j->slot[i];
	j->next = (j->next + 1) % IP_JOIN_SLOTS;
	return &j->slot[j->next];
}

/* The slot's frame becomes one that was never in pieces. */
static const uint8_t *complete(struct ip_join_slot *s, size_t *len)
{
	uint8_t *packet = s->frame + ETH_HLEN;
	struct iphdr ip;
	uint16_t sum;

	memcpy(&ip, packet, sizeof(ip));
	ip.tot_len = htons(u16_of(s->len - ETH_HLEN));
	ip.frag_off = 0;
	ip.check = 0;
	memcpy(packet, &ip, sizeof(ip));
	sum = (uint16_t)~csum_sum(packet, s->header - ETH_HLEN);
	memcpy(packet + offsetof(struct iphdr, check), &sum, sizeof(sum));
	*len = s->len;
	s->len = 0;
	return s->frame;
}

static const uint8_t *add(struct ip_join *j, const uint8_t *frame, const struct piece *p,
                          size_t *len)
{
	struct ip_join_slot *s = find(j, &p->ip);

	if (p->off == 0) { /* a new one, or the same again: begin anew */
		if (!s)
			s = make_slot(j);
		s->src = p->ip.saddr;
		s->dst = p->ip.daddr;
		s->id = p->ip.id;
		s->proto = p->ip.protocol;
		s->header = ETH_HLEN + p->header;
		s->len = s->header;
		memcpy(s->frame, frame, s->header);
	}
	if (!s)
		return NULL;
	if (p->off != s->len - s->header || p->len > sizeof(s->frame) - s->len) {
		s->len = 0;
		return NULL;
	}
	memcpy(s->frame + s->len, frame + ETH_HLEN + p->header, p->len);
	s->len += p->len;
	return p->more ? NULL : complete(s, len);
}

const uint8_t *ip_join(struct ip_join *j, const uint8_t *frame, size_t *len)
{
	struct piece p;
	uint16_t frag_off;

	/* What is too short to have the field is for libslirp to throw away. */
	if (frame[12] != ETH_P_IP >> 8 || frame[13] != (ETH_P_IP & 0xff) ||
	    *len < ETH_HLEN + sizeof(p.ip))
		return frame;
	memcpy(&frag_off, frame + ETH_HLEN + offsetof(struct iphdr, frag_off), sizeof(frag_off));
	if ((ntohs(frag_off) & ~IP_DF) == 0)
		return frame;
	return parse(frame, *len, &p) ? add(j, frame, &p, len) : NULL;
}
