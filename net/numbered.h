/* SPDX-License-Identifier: Apache-2.0 */
/* net/numbered.h - frames with numbers: made here, known again wherever they come from
 *
 *	bytes	what				(numbers are little-endian)
 *	0..11	destination, source
 *	12..13	NUMBERED_ETHERTYPE: "for local experiments", no network stack answers it
 *	14..17	"dbnr"
 *	18..21	length of the whole frame
 *	22..29	number: from 0 on, one by one
 *	30..33	stream: the same in all frames of one sender, another one for each sender
 *	34..	filler, which follows from the number
 *
 * So one that was lost, duplicated, overtaken, cut or changed on its way is known as that.
 */
#ifndef DOORBELL_NUMBERED_H
#define DOORBELL_NUMBERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "net/net_backend.h"

#define NUMBERED_ETHERTYPE 0x88b5u
#define NUMBERED_HEAD      34u /* bytes before the filler */
#define NUMBERED_MIN       60u /* as on a wire, without the frame check sequence */
#define NUMBERED_MAX       (NET_RECV_MAX - NET_HDR_LEN)

/* Numbers are remembered so far back. */
#define NUMBERED_WINDOW 65536u

/* Filler starts at one of its first bytes, by number. */
#define NUMBERED_PHASES 256u

/* What is in all frames; made once, then only read. */
struct numbered_filler {
	uint8_t byte[NUMBERED_MAX + NUMBERED_PHASES];
};

void numbered_filler_make(struct numbered_filler *f);

struct numbered_frame {
	const uint8_t *to, *from; /* MAC */
	uint32_t len;             /* NUMBERED_MIN to NUMBERED_MAX */
	uint64_t number;
	uint32_t stream;
};

/* Write @frame to @iov behind its first @off bytes. There is room. */
void numbered_write(const struct numbered_frame *frame, const struct numbered_filler *f,
                    const struct iovec *iov, unsigned nr, size_t off);

/* Who looks for them. Zero it, then set the first block. */
struct numbered_check {
	const struct numbered_filler *filler;
	bool ours; /* frames of @stream alone are looked for, and @sent of them are on their way */
	uint32_t stream; /* not ours: of the frame that came last */
	uint64_t sent;

	struct net_numbered_stats stats;
	bool begun;
	uint64_t first, next; /* the lowest number expected; above the highest that has come */
	uint64_t seen[NUMBERED_WINDOW / 64];
};

/* Look at the frame that begins @off bytes into @iov and has @len bytes. May be guest memory. */
void numbered_look(struct numbered_check *c, const struct iovec *iov, unsigned nr, size_t off,
                   size_t len);

#endif
