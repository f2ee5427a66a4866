/* SPDX-License-Identifier: Apache-2.0 */
#include "net/numbered.h"

#include <linux/if_ether.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"
#include "vmm/core/le.h"

/* Higher ones do not happen: at 100 million frames per second, for a month. */
#define NUMBER_MAX (UINT64_C(1) << 48)

/* Where in the frame. */
enum { AT_TYPE = 12, AT_MAGIC = 14, AT_LEN = 18, AT_NUMBER = 22, AT_STREAM = 30 };

static const uint8_t type_and_magic[6] = {
	NUMBERED_ETHERTYPE >> 8, NUMBERED_ETHERTYPE & 0xff, 'd', 'b', 'n', 'r'};

void numbered_filler_make(struct numbered_filler *f)
{
	uint32_t x = 1;

	/* A generator of full period is enough to make no two places alike (Numerical Recipes). */
	for (size_t i = 0; i < sizeof(f->byte); i++) {
		x = x * 1664525u + 1013904223u;
		f->byte[i] = (uint8_t)(x >> 24);
	}
}

static const uint8_t *filler_of(const struct numbered_filler *f, uint64_t number)
{
	return f->byte + number % NUMBERED_PHASES;
}

void numbered_write(const struct numbered_frame *frame, const struct numbered_filler *f,
                    const struct iovec *iov, unsigned nr, size_t off)
{
	uint8_t head[NUMBERED_HEAD];

	memcpy(head, frame->to, ETH_ALEN);
	memcpy(head + ETH_ALEN, frame->from, ETH_ALEN);
	memcpy(head + AT_TYPE, type_and_magic, sizeof(type_and_magic));
	put_le32(head + AT_LEN, frame->len);
	put_le32(head + AT_NUMBER, u32_of(frame->number));
	put_le32(head + AT_NUMBER + 4, u32_of(frame->number >> 32));
	put_le32(head + AT_STREAM, frame->stream);
	iov_write(iov, nr, off, head, sizeof(head));
	iov_write(iov, nr, off + sizeof(head), filler_of(f, frame->number),
	          frame->len - sizeof(head));
}

/* Are these bytes of @iov what @want has? */
static bool same(const struct iovec *iov, unsigned nr, size_t off, const uint8_t *want, size_t len)
{
	uint8_t part[2048];

	for (size_t n; len; off += n, want += n, len -= n) {
		n = min_size(len, sizeof(part));
		if (iov_read(iov, nr, off, part, n) != n || memcmp(part, want, n) != 0)
			return false;
	}
	return true;
}

static uint64_t *word_of(struct numbered_check *c, uint64_t number)
{
	return &c->seen[number % NUMBERED_WINDOW / 64];
}

static uint64_t bit_of(uint64_t number)
{
	return UINT64_C(1) << number % 64;
}

static void forget(struct numbered_check *c, uint64_t from, uint64_t to)
{
	if (to - from >= NUMBERED_WINDOW)
		memset(c->seen, 0, sizeof(c->seen));
	else
		for (; from < to; from++)
			*word_of(c, from) &= ~bit_of(from);
}

/* A whole frame with this number has come. */
static void note(struct numbered_check *c, uint64_t number)
{
	if (number >= c->next) {
		forget(c, c->next, number + 1);
		c->stats.lost += number - c->next;
		c->next = number + 1;
	} else if (c->next - number > NUMBERED_WINDOW || (*word_of(c, number) & bit_of(number))) {
		c->stats.duplicated++;
		return;
	} else {
		c->stats.reordered++;
		if (number >= c->first) /* was taken for lost */
			c->stats.lost--;
	}
	*word_of(c, number) |= bit_of(number);
	c->stats.good++;
}

void numbered_look(struct numbered_check *c, const struct iovec *iov, unsigned nr, size_t off,
                   size_t len)
{
	uint8_t head[NUMBERED_HEAD];
	uint64_t number;
	uint32_t stream;

	if (iov_read(iov, nr, off, head, sizeof(head)) < sizeof(head) ||
	    memcmp(head + AT_TYPE, type_and_magic, sizeof(type_and_magic)) != 0) {
		c->stats.others++;
		return;
	}
	number = get_le64(head + AT_NUMBER);
	stream = get_le32(head + AT_STREAM);
	if (c->ours && stream != c->stream) {
		c->stats.others++;
		return;
	}
	if (get_le32(head + AT_LEN) != len || len > NUMBERED_MAX || number >= NUMBER_MAX ||
	    (c->ours && number >= c->sent) ||
	    !same(iov, nr, off + sizeof(head), filler_of(c->filler, number), len - sizeof(head))) {
		c->stats.corrupted++;
		return;
	}
	/* Of one of our own, all are expected; of somebody else's, those from the first that comes. */
	if (!c->ours && (!c->begun || stream != c->stream)) {
		c->begun = true;
		c->stream = stream;
		c->first = c->next = number;
		memset(c->seen, 0, sizeof(c->seen));
	}
	note(c, number);
}
