/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/guest/load_udp.c - numbered datagrams one way
 *
 * The client says hello until it is welcomed, so that the server knows where it is, also behind a network address
 * translation. Then whoever sends does so for a time, says how many it were until that is answered, and both end.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "bench/guest/load.h"

#define BATCH      32u       /* datagrams per system call: what is measured is not the generator */
#define AGAIN_MS   50u       /* until hello and end are said again */
#define SILENCE_MS 200u      /* after which nobody says end any more */
#define ROOM       (4 << 20) /* bytes of the receiver's socket, or it would lose what the way did not */

enum kind { HELLO = 1, WELCOME, DATA, END, ENDED };

struct datagram {
	uint32_t id, kind;
	uint64_t number; /* of this one; with END of those sent */
};

_Static_assert(sizeof(struct datagram) == LOAD_UDP_MIN, "what load.h says");

struct batch {
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	char data[BATCH][LOAD_UDP_MAX];
};

static int say(const struct load_job *job, int fd, enum kind kind, uint64_t number)
{
	const struct datagram d = {.id = job->id, .kind = kind, .number = number};

	/* Refused: the other end is not there yet. */
	return send(fd, &d, sizeof(d), MSG_NOSIGNAL) < 0 && errno != ECONNREFUSED ? -errno : 0;
}

/* One datagram of this run within @ms. False: none. */
static bool hear(const struct load_job *job, int fd, uint32_t ms, struct datagram *d)
{
	const uint64_t end = load_now_ns() + (uint64_t)ms * 1000000u;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t now;

	while ((now = load_now_ns()) < end) {
		if (poll(&p, 1, (int)((end - now) / 1000000u) + 1) <= 0)
			continue;
		if (recv(fd, d, sizeof(*d), MSG_DONTWAIT) == sizeof(*d) && d->id == job->id)
			return true;
	}
	return false;
}

/* Say @kind until @answer comes. 0, -ETIMEDOUT, or another -errno. */
static int insist(const struct load_job *job, int fd, enum kind kind, uint64_t number,
                  enum kind answer)
{
	struct datagram d;
	int ret;

	for (uint32_t ms = 0; ms < LOAD_WAIT_MS; ms += AGAIN_MS) {
		ret = say(job, fd, kind, number);
		if (ret < 0)
			return ret;
		/* A server that sends may have begun before its welcome got here. */
		if (hear(job, fd, AGAIN_MS, &d) && (d.kind == answer || d.kind == DATA))
			return 0;
	}
	return -ETIMEDOUT;
}

static int welcome(const struct load_job *job, int fd)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct datagram d;

	for (;;) {
		ssize_t n = recvfrom(fd, &d, sizeof(d), 0, (struct sockaddr *)&from, &len);

		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n == sizeof(d) && d.id == job->id && d.kind == HELLO)
			break;
	}
	if (connect(fd, (const struct sockaddr *)&from, len) < 0)
		return -errno;
	return say(job, fd, WELCOME, 0);
}

/* ---- sending */

static void batch_init(struct batch *b, size_t size)
{
	memset(b, 0, sizeof(*b));
	for (size_t i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){.iov_base = b->data[i], .iov_len = size};
		b->msg[i].msg_hdr = (struct msghdr){.msg_iov = &b->iov[i], .msg_iovlen = 1};
	}
}

/* The next datagrams, @nr of them at most. How many, or -errno. */
static int send_batch(const struct load_job *job, int fd, struct batch *b, uint64_t first,
                      unsigned nr)
{
	int n;

	if (nr > BATCH)
		nr = BATCH;
	for (unsigned i = 0; i < nr; i++) {
		const struct datagram d = {.id = job->id, .kind = DATA, .number = first + i};

		memcpy(b->data[i], &d, sizeof(d));
	}
	n = sendmmsg(fd, b->msg, nr, MSG_NOSIGNAL);
	/* No room for one is no end: whoever has none drops it, and it counts as sent. */
	if (n < 0)
		return errno == ENOBUFS ? 1 : errno == ECONNREFUSED ? 0 : -errno;
	return n;
}

static void sleep_until(uint64_t ns)
{
	const struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u),
	                           .tv_nsec = (long)(ns % 1000000000u)};

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* How many should have been sent by now, and were not. */
static uint64_t due(const struct load_job *job, uint64_t begin, uint64_t now, uint64_t sent)
{
	const uint64_t all = (now - begin) / 1000u * job->rate / 1000000u;

	if (!job->rate)
		return BATCH;
	return all > sent ? all - sent : 0;
}

static int send_all(const struct load_job *job, int fd, struct load_result *r)
{
	static struct batch b;
	const uint64_t begin = load_now_ns(), end = begin + (uint64_t)job->ms * 1000000u;
	uint64_t now = begin;

	batch_init(&b, job->size);
	for (; now < end; now = load_now_ns()) {
		const uint64_t n = due(job, begin, now, r->messages);
		int sent;

		if (n == 0) {
			sleep_until(now + 1000000u);
			continue;
		}
		sent = send_batch(job, fd, &b, r->messages, n > BATCH ? BATCH : (unsigned)n);
		if (sent < 0)
			return sent;
		r->messages += (uint64_t)sent;
		r->bytes += (uint64_t)sent * job->size;
	}
	r->ns = now - begin;
	return insist(job, fd, END, r->messages, ENDED);
}

/* ---- receiving */

/* What is of another run does not count. True: that was the end. */
static bool take(const struct load_job *job, int fd, const void *data, size_t len,
                 struct load_result *r)
{
	struct datagram d;

	if (len < sizeof(d))
		return false;
	memcpy(&d, data, sizeof(d));
	if (d.id != job->id)
		return false;
	if (d.kind == DATA) {
		r->messages++;
		r->bytes += len;
	} else if (d.kind == HELLO) { /* our welcome was lost */
		(void)say(job, fd, WELCOME, 0);
	}
	return d.kind == END;
}

static int recv_all(const struct load_job *job, int fd, struct load_result *r)
{
	static struct batch b;
	uint64_t first = 0;
	bool end = false;
	struct datagram d;

	batch_init(&b, sizeof(b.data[0]));
	while (!end) {
		const int n = recvmmsg(fd, b.msg, BATCH, MSG_WAITFORONE, NULL);

		if (n < 0 && errno != ECONNREFUSED)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (int i = 0; i < n; i++)
			end |= take(job, fd, b.data[i], b.msg[i].msg_len, r);
		if (!first && r->messages)
			first = load_now_ns();
		r->ns = first ? load_now_ns() - first : 0;
	}
	do {
		(void)say(job, fd, ENDED, r->messages);
	} while (hear(job, fd, SILENCE_MS, &d));
	return 0;
}

int load_udp(const struct load_job *job, int fd, struct load_result *r,
             void (*said)(const char *line))
{
	const int room = ROOM;
	int ret;

	/* With the right to it, more than the administrator allows. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	ret = job->server ? welcome(job, fd) : insist(job, fd, HELLO, 0, WELCOME);
	if (ret < 0)
		return ret;
	if (!job->server)
		said("@running");
	return job->send ? send_all(job, fd, r) : recv_all(job, fd, r);
}
