/* SPDX-License-Identifier: Apache-2.0 */
#include "check/frame.h"

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "net/csum.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define TAG_LEN             4u
#define TAGS_MAX            2u
#define IP4_MORE_AND_OFFSET 0x3fffu
#define ARP_LEN             28u
#define ND_ADVERT           136u

static bool is_tag(uint16_t type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

/* Are there @n bytes from @off on? */
static bool has(const struct frame *f, size_t off, size_t n)
{
	return off <= f->held && n <= f->held - off;
}

static void parse_transport(struct frame *f)
{
	const uint8_t *h = f->at + f->l4;

	if (f->proto == IPPROTO_TCP && has(f, f->l4, 20) && h[12] >> 4 >= 5)
		f->payload = f->l4 + 4 * (size_t)(h[12] >> 4);
	else if (f->proto == IPPROTO_UDP && has(f, f->l4, 8))
		f->payload = f->l4 + 8;
}

static void parse_ip4(struct frame *f, size_t at)
{
	const uint8_t *h = f->at + at;
	size_t len, total;

	if (!has(f, at, 20) || h[0] >> 4 != 4)
		return;
	len = 4 * (size_t)(h[0] & 15);
	if (len < 20 || !has(f, at, len))
		return;
	f->l3 = at;
	total = get_be16(h + 2);
	if ((get_be16(h + 6) & IP4_MORE_AND_OFFSET) || (total && total < len))
		return;
	f->l4 = at + len;
	f->l4_len = total ? total - len : 0;
	f->proto = h[9];
	parse_transport(f);
}

static void parse_ip6(struct frame *f, size_t at)
{
	const uint8_t *h = f->at + at;
	size_t off = at + 40, end;
	uint8_t next;

	if (!has(f, at, 40) || h[0] >> 4 != 6)
		return;
	f->l3 = at;
	end = off + get_be16(h + 4);
	next = h[6];
	/* Each takes 8 bytes at least. */
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS) {
		if (!has(f, off, 8))
			return;
		f->routed |= next == IPPROTO_ROUTING;
		next = f->at[off];
		off += 8 + 8 * (size_t)f->at[off + 1];
	}
	if (next == IPPROTO_FRAGMENT || off > f->held)
		return;
	f->l4 = off;
	f->l4_len = end > off ? end - off : 0;
	f->proto = next;
	parse_transport(f);
}

bool frame_parse(struct frame *f, const uint8_t *at, size_t held, uint64_t len)
{
	size_t off = ETH_HLEN;

	*f = (struct frame){.at = at, .held = held, .len = len};
	if (held < ETH_HLEN)
		return false;
	f->type = get_be16(at + ETH_HLEN - 2);
	for (; is_tag(f->type) && f->tags < TAGS_MAX && has(f, off, TAG_LEN); f->tags++) {
		f->type = get_be16(at + off + 2);
		off += TAG_LEN;
	}
	if (f->type == ETH_P_IP)
		parse_ip4(f, off);
	else if (f->type == ETH_P_IPV6)
		parse_ip6(f, off);
	return true;
}

/* ---- sums */

static uint16_t add(uint16_t a, uint16_t b)
{
	const uint32_t sum = (uint32_t)a + b;

	return u16_of((sum & 0xffff) + (sum >> 16));
}

bool frame_ip_sum_ok(const struct frame *f)
{
	const uint8_t *h = f->at + f->l3;

	return f->type != ETH_P_IP || !f->l3 || csum_sum(h, 4 * (size_t)(h[0] & 15)) == 0xffff;
}

static uint16_t pseudo_sum(const struct frame *f)
{
	const uint8_t *h = f->at + f->l3;
	const bool v4 = f->type == ETH_P_IP;
	const uint16_t addresses = v4 ? csum_sum(h + 12, 8) : csum_sum(h + 8, 32);
	const uint32_t rest[2] = {htobe32(u32_of(f->l4_len)), htobe32(f->proto)};

	return add(addresses, csum_sum(rest, sizeof(rest)));
}

bool frame_holds_pseudo(const struct frame *f, size_t at, bool *known)
{
	const size_t field = f->proto == IPPROTO_TCP ? 16 : 6;
	uint16_t held, sum;

	*known = f->payload && f->l4_len && !f->routed && at == f->l4 + field && has(f, at, 2);
	if (!*known)
		return false;
	memcpy(&held, f->at + at, sizeof(held));
	sum = pseudo_sum(f);
	return held % 0xffff == sum % 0xffff;
}

bool frame_l4_sum_ok(const struct frame *f, bool *known)
{
	const bool icmp4 = f->type == ETH_P_IP && f->proto == IPPROTO_ICMP;
	const bool icmp6 = f->type == ETH_P_IPV6 && f->proto == IPPROTO_ICMPV6;
	uint16_t sum;

	*known = f->l4 && f->l4_len >= 8 && has(f, f->l4, f->l4_len) && !f->routed &&
	         (f->payload || icmp4 || icmp6);
	if (!*known)
		return false;
	if (f->proto == IPPROTO_UDP && get_be16(f->at + f->l4 + 6) == 0) {
		*known = false;
		return false;
	}
	sum = csum_sum(f->at + f->l4, f->l4_len);
	if (!icmp4)
		sum = add(sum, pseudo_sum(f));
	return sum == 0xffff;
}

/* ---- */

bool frame_announces(const struct frame *f)
{
	if (!(f->at[0] & 1))
		return false;
	if (f->type == ETH_P_ARP || f->type == ETH_P_RARP)
		return has(f, ETH_HLEN + TAG_LEN * (size_t)f->tags, ARP_LEN);
	return f->type == ETH_P_IPV6 && f->proto == IPPROTO_ICMPV6 && has(f, f->l4, 1) &&
	       f->at[f->l4] == ND_ADVERT;
}

bool frame_names_sender(const struct frame *f)
{
	static const uint8_t none[16];
	const size_t l3 = ETH_HLEN + TAG_LEN * (size_t)f->tags;

	if (f->type == ETH_P_ARP)
		return has(f, l3, ARP_LEN) && memcmp(f->at + l3 + 14, none, 4) != 0;
	if (!f->l3)
		return false;
	return f->type == ETH_P_IP ? memcmp(f->at + f->l3 + 12, none, 4) != 0
	                           : memcmp(f->at + f->l3 + 8, none, 16) != 0;
}
