/* SPDX-License-Identifier: Apache-2.0 */
#include "net/vhost_user_msg.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "vmm/core/compiler.h"

/* Sent by peers without the padding at its end, too. */
#define INFLIGHT_SIZE (offsetof(struct vu_inflight, ring_size) + sizeof(uint16_t))

#define U64   sizeof(uint64_t)
#define RING  sizeof(struct vhost_vring_state)
#define TABLE offsetof(struct vu_memory, region)
#define SOME  (-1)

/*
 * A request has as many bytes as size, or more where that is said; a question has an answer of its own, of answer
 * bytes at least. SOME descriptors: as the payload says.
 */
static const struct rule {
	const char *name;
	uint32_t request;
	uint32_t size, answer;
	bool more;
	int fds;
} rules[] = {
	{"GET_FEATURES", VU_GET_FEATURES, 0, U64, false, 0},
	{"SET_FEATURES", VU_SET_FEATURES, U64, 0, false, 0},
	{"SET_OWNER", VU_SET_OWNER, 0, 0, false, 0},
	{"RESET_OWNER", VU_RESET_OWNER, 0, 0, false, 0},
	{"SET_MEM_TABLE", VU_SET_MEM_TABLE, TABLE, 0, true, SOME},
	{"SET_VRING_NUM", VU_SET_VRING_NUM, RING, 0, false, 0},
	{"SET_VRING_ADDR", VU_SET_VRING_ADDR, sizeof(struct vhost_vring_addr), 0, false, 0},
	{"SET_VRING_BASE", VU_SET_VRING_BASE, RING, 0, false, 0},
	{"GET_VRING_BASE", VU_GET_VRING_BASE, RING, RING, false, 0},
	{"SET_VRING_KICK", VU_SET_VRING_KICK, U64, 0, false, SOME},
	{"SET_VRING_CALL", VU_SET_VRING_CALL, U64, 0, false, SOME},
	{"SET_VRING_ERR", VU_SET_VRING_ERR, U64, 0, false, SOME},
	{"GET_PROTOCOL_FEATURES", VU_GET_PROTOCOL_FEATURES, 0, U64, false, 0},
	{"SET_PROTOCOL_FEATURES", VU_SET_PROTOCOL_FEATURES, U64, 0, false, 0},
	{"GET_QUEUE_NUM", VU_GET_QUEUE_NUM, 0, U64, false, 0},
	{"SET_VRING_ENABLE", VU_SET_VRING_ENABLE, RING, 0, false, 0},
	{"NET_SET_MTU", VU_NET_SET_MTU, U64, 0, false, 0},
	{"SET_BACKEND_REQ_FD", VU_SET_BACKEND_REQ_FD, 0, 0, false, 1},
	{"GET_CONFIG", VU_GET_CONFIG, VU_CONFIG_HEADER, VU_CONFIG_HEADER, true, 0},
	{"SET_CONFIG", VU_SET_CONFIG, VU_CONFIG_HEADER, 0, true, 0},
	{"GET_INFLIGHT_FD", VU_GET_INFLIGHT_FD, INFLIGHT_SIZE, INFLIGHT_SIZE, true, 0},
	{"SET_INFLIGHT_FD", VU_SET_INFLIGHT_FD, INFLIGHT_SIZE, 0, true, 1},
	{"SET_STATUS", VU_SET_STATUS, U64, 0, false, 0},
	{"GET_STATUS", VU_GET_STATUS, 0, U64, false, 0},
};

static const struct rule *rule_of(uint32_t request)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].request == request)
			return &rules[i];
	return NULL;
}

const char *vu_name(uint32_t request)
{
	const struct rule *r = rule_of(request);

	return r ? r->name : "?";
}

bool vu_is_question(uint32_t request)
{
	const struct rule *r = rule_of(request);

	return r && r->answer > 0;
}

static int PRINTF_LIKE(3, 4) bad(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, size, fmt, ap); /* a reason that is cut is still a reason */
	va_end(ap);
	return -EPROTO;
}

int vu_check_header(const struct vu_header *h, char *why, size_t why_size)
{
	if ((h->flags & VU_VERSION_MASK) != VU_VERSION)
		return bad(why, why_size, "it does not speak vhost-user (flags 0x%x)", h->flags);
	if (h->size > sizeof(union vu_payload))
		return bad(why, why_size, "a message of %u bytes (request %u)", h->size,
		           h->request);
	return 0;
}

/* Descriptors that the payload of @m, whose size is right, speaks of. */
static unsigned fds_of(const struct vu_msg *m)
{
	if (m->h.request == VU_SET_MEM_TABLE)
		return m->p.memory.nr;
	return m->p.number & VU_NO_FD ? 0 : 1;
}

static int check_size(const struct vu_msg *m, const struct rule *r)
{
	if (m->h.size < r->size || (m->h.size > r->size && !r->more))
		return -EPROTO;
	/* User Mode Linux always sends room for two regions. */
	if (m->h.request == VU_SET_MEM_TABLE &&
	    m->p.memory.nr > (m->h.size - TABLE) / sizeof(struct vu_region))
		return -EPROTO;
	if ((m->h.request == VU_GET_CONFIG || m->h.request == VU_SET_CONFIG) &&
	    m->p.config.size > m->h.size - VU_CONFIG_HEADER)
		return -EPROTO;
	return 0;
}

int vu_check_request(const struct vu_msg *m, char *why, size_t why_size)
{
	const struct rule *r = rule_of(m->h.request);
	unsigned fds;

	if (m->h.flags & VU_REPLY)
		return bad(why, why_size, "an answer (%u) where nothing was asked", m->h.request);
	if (!r)
		return 0;
	if (check_size(m, r) < 0)
		return bad(why, why_size, "%s of %u bytes", r->name, m->h.size);
	fds = r->fds == SOME ? fds_of(m) : (unsigned)r->fds;
	if (m->nr_fds != fds)
		return bad(why, why_size, "%u descriptors with %s, which has %u", m->nr_fds,
		           r->name, fds);
	return 0;
}

void vu_answer(const struct vu_msg *to, struct vu_msg *answer)
{
	*answer = (struct vu_msg){.h = {.request = to->h.request, .flags = VU_REPLY}};
}

static uint32_t size_of_answer(const struct vu_sent *to)
{
	const struct rule *r = rule_of(to->request);

	if (to->request == VU_GET_CONFIG)
		return VU_CONFIG_HEADER + to->size;
	return r && r->answer ? r->answer : (uint32_t)sizeof(uint64_t);
}

static int check_values(const struct vu_msg *m, const struct vu_sent *to, char *why, size_t size)
{
	const struct vu_inflight *f = &m->p.inflight;

	switch (to->request) {
	case VU_GET_VRING_BASE:
		if (m->p.ring.index != to->index)
			return bad(why, size, "ring %u at %u as the state of ring %u",
			           m->p.ring.index, m->p.ring.num, to->index);
		return 0;
	case VU_GET_CONFIG:
		if (m->p.config.offset != 0 || m->p.config.size != to->size)
			return bad(why, size, "another piece of config space than asked for");
		return 0;
	case VU_GET_INFLIGHT_FD:
		if (f->size == 0 || f->size > VU_INFLIGHT_MAX || f->offset > VU_INFLIGHT_MAX)
			return bad(why, size, "an inflight region of %llu bytes at %llu",
			           (unsigned long long)f->size, (unsigned long long)f->offset);
		return 0;
	default:
		if (!vu_is_question(to->request) && m->p.number != 0)
			return bad(why, size, "it refuses %s", vu_name(to->request));
		return 0;
	}
}

int vu_check_answer(const struct vu_msg *m, const struct vu_sent *to, char *why, size_t why_size)
{
	const uint32_t want = size_of_answer(to);
	const uint32_t most = to->request == VU_GET_INFLIGHT_FD ? sizeof(struct vu_inflight) : want;
	const unsigned fds = to->request == VU_GET_INFLIGHT_FD ? 1 : 0;

	if (m->h.request != to->request || !(m->h.flags & VU_REPLY))
		return bad(why, why_size, "%s %u when it should answer %s",
		           m->h.flags & VU_REPLY ? "an answer to" : "request", m->h.request,
		           vu_name(to->request));
	if (to->request == VU_GET_CONFIG && m->h.size == 0)
		return bad(why, why_size, "it refuses GET_CONFIG");
	if (m->h.size < want || m->h.size > most)
		return bad(why, why_size, "%u bytes as an answer to %s, which has %u", m->h.size,
		           vu_name(to->request), want);
	if (m->nr_fds != fds)
		return bad(why, why_size, "%u descriptors with its answer to %s, which has %u",
		           m->nr_fds, vu_name(to->request), fds);
	return check_values(m, to, why, why_size);
}

int vu_check_back_request(const struct vu_msg *m, char *why, size_t why_size)
{
	if (m->h.flags & VU_REPLY)
		return bad(why, why_size, "an answer (%u) where nothing was asked", m->h.request);
	if (m->nr_fds > 0)
		return bad(why, why_size, "%u descriptors with request %u, which has none",
		           m->nr_fds, m->h.request);
	if (m->h.request == VU_BACK_CONFIG_CHANGED && m->h.size != 0)
		return bad(why, why_size, "%u bytes with request %u, which has none", m->h.size,
		           m->h.request);
	return 0;
}

int vu_memory_of(const struct gmem *m, struct vu_msg *out)
{
	*out = (struct vu_msg){.p.memory.nr = m->nr};
	for (unsigned i = 0; i < m->nr; i++) {
		const struct gmem_region *r = &m->region[i];

		if (r->fd < 0)
			return -EINVAL;
		out->p.memory.region[i] = (struct vu_region){
			.guest = r->base, .size = r->size, .user = (uintptr_t)r->host};
		out->fd[i] = r->fd;
	}
	out->nr_fds = m->nr;
	out->h.size = u32_of(offsetof(struct vu_memory, region) + m->nr * sizeof(struct vu_region));
	return 0;
}
