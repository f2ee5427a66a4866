/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/load_run.c - connections, and what goes over those of TCP; each stream is a process of its own */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/guest/load.h"

#define GO_ON 'g' /* what rr and crr send ... */
#define LAST  'e' /* ... and crr at its end */

uint64_t load_now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

static struct sockaddr_in address_of(const struct load_job *job, bool any)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(job->port),
		.sin_addr.s_addr = any ? htonl(INADDR_ANY) : job->addr,
	};
}

/* A socket with all that is to be set before it is connected; or -errno. */
static int make_socket(const struct load_job *job)
{
	const struct timeval patience = {.tv_sec = LOAD_WAIT_MS / 1000};
	const int one = 1, size = (int)job->buffer;
	int fd = socket(AF_INET, (job->work == LOAD_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC,
	                0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
	    (size && (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0 ||
	              setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0)) ||
	    (job->work >= LOAD_RR &&
	     setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)) {
		const int ret = -errno;

		(void)close(fd);
		return ret;
	}
	return fd;
}

static int make_client(const struct load_job *job)
{
	const struct sockaddr_in to = address_of(job, false);
	const int fd = make_socket(job);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
		const int ret = -errno;

		(void)close(fd);
		return ret;
	}
	return fd;
}

static int make_server(const struct load_job *job)
{
	const struct sockaddr_in at = address_of(job, true);
	const int fd = make_socket(job);

	if (fd >= 0 && (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	                (job->work != LOAD_UDP && listen(fd, LOAD_STREAMS_MAX) < 0))) {
		const int ret = -errno;

		(void)close(fd);
		return ret;
	}
	return fd;
}

/* ---- what one connection carries: 0 or -errno */

struct flow {
	const struct load_job *job;
	struct load_result *r;
	char *buffer; /* LOAD_SIZE_MAX bytes */
	void (*said)(const char *line);
};

static int send_stream(const struct flow *f, int fd)
{
	const uint64_t end = load_now_ns() + (uint64_t)f->job->ms * 1000000u;

	while (load_now_ns() < end) {
		const ssize_t n = send(fd, f->buffer, f->job->size, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		f->r->messages++;
		f->r->bytes += (uint64_t)n;
	}
	return 0;
}

static int recv_stream(const struct flow *f, int fd)
{
	ssize_t n;

	while ((n = recv(fd, f->buffer, f->job->size, 0)) > 0) {
		f->r->messages++;
		f->r->bytes += (uint64_t)n;
	}
	return n < 0 ? -errno : 0;
}

/* A whole message; 0: the other end has closed before its first byte. */
static int recv_message(const struct flow *f, int fd)
{
	const ssize_t n = recv(fd, f->buffer, f->job->size, MSG_WAITALL);

	if (n <= 0)
		return n < 0 ? -errno : 0;
	return (uint32_t)n == f->job->size ? 1 : -ECONNRESET;
}

static int send_message(const struct flow *f, int fd)
{
	const ssize_t n = send(fd, f->buffer, f->job->size, MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	return (uint32_t)n == f->job->size ? 0 : -ECONNRESET;
}

/* One there and one back. */
static int one_round(const struct flow *f, int fd, uint64_t since)
{
	int ret = send_message(f, fd);

	if (ret == 0)
		ret = recv_message(f, fd);
	if (ret <= 0)
		return ret < 0 ? ret : -ECONNRESET;
	load_hist_add(&f->r->rtt, load_now_ns() - since);
	f->r->messages++;
	f->r->bytes += f->job->size;
	return 0;
}

static int ask(const struct flow *f, int fd)
{
	uint64_t now = load_now_ns(), end = now + (uint64_t)f->job->ms * 1000000u;
	int ret = 0;

	for (; ret == 0 && now < end; now = load_now_ns())
		ret = one_round(f, fd, now);
	return ret;
}

static int answer(const struct flow *f, int fd)
{
	int ret;

	while ((ret = recv_message(f, fd)) > 0) {
		ret = send_message(f, fd);
		if (ret < 0)
			break;
		f->r->messages++;
		f->r->bytes += f->job->size;
	}
	return ret;
}

static void carry(const struct flow *f, int fd)
{
	const uint64_t begin = load_now_ns();

	if (f->job->work == LOAD_RR)
		f->r->error = f->job->server ? answer(f, fd) : ask(f, fd);
	else
		f->r->error = f->job->send ? send_stream(f, fd) : recv_stream(f, fd);
	f->r->ns = load_now_ns() - begin;
}

/* ---- a connection for each round trip */

/* Without TIME_WAIT, or the ports would be used up in seconds. */
static void close_at_once(int fd)
{
	const struct linger now = {.l_onoff = 1};

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(fd);
}

static int connect_and_ask(const struct flow *f)
{
	const uint64_t begin = load_now_ns(), end = begin + (uint64_t)f->job->ms * 1000000u;
	uint64_t now = begin;
	int ret = 0;

	while (ret == 0) {
		const int fd = make_client(f->job);

		if (fd < 0)
			return fd;
		f->buffer[0] = now < end ? GO_ON : LAST;
		ret = one_round(f, fd, now);
		close_at_once(fd);
		if (f->buffer[0] == LAST)
			break;
		now = load_now_ns();
	}
	f->r->ns = load_now_ns() - begin;
	return ret;
}

static int accept_and_answer(const struct flow *f, int listener)
{
	const uint64_t begin = load_now_ns();
	bool last = false;
	int ret = 0;

	while (!last && ret >= 0) {
		const int fd = readable(listener, LOAD_WAIT_MS) ? accept(listener, NULL, NULL) : -1;

		if (fd < 0)
			return -ETIMEDOUT;
		ret = recv_message(f, fd);
		last = ret > 0 && f->buffer[0] == LAST;
		if (ret > 0)
			ret = send_message(f, fd);
		(void)recv(fd, f->buffer, 1, 0); /* until it is closed over there */
		(void)close(fd);
		f->r->messages++;
	}
	f->r->ns = load_now_ns() - begin;
	return ret;
}

/* ---- streams */

/* What happens on one of them, seen by whichever process it is. */
static void carry_one(const struct flow *f, int fd, struct load_result *r)
{
	struct flow mine = *f;

	mine.r = r;
	carry(&mine, fd);
}

/* The first stream is ours, each other one a child's, which leaves what it saw in shared memory. */
static int carry_all(const struct flow *f, const int *fd)
{
	const uint32_t nr = f->job->streams;
	const size_t bytes = nr * sizeof(struct load_result);
	struct load_result *each =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child[LOAD_STREAMS_MAX] = {0};

	if (each == MAP_FAILED)
		return -errno;
	for (uint32_t i = 1; i < nr; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (uint32_t k = 0; k < nr; k++)
				if (k != i)
					(void)close(
						fd[k]); /* or the other end never sees it closed */
			carry_one(f, fd[i], &each[i]);
			_exit(0);
		}
		if (child[i] < 0)
			each[i].error = -errno;
	}
	for (uint32_t i = 1; i < nr; i++)
		(void)close(fd[i]);
	carry_one(f, fd[0], &each[0]);
	(void)close(fd[0]);
	for (uint32_t i = 0; i < nr; i++) {
		if (child[i] > 0)
			(void)waitpid(child[i], NULL, 0);
		load_result_add(f->r, &each[i]);
	}
	(void)munmap(each, bytes);
	return f->r->error;
}

static void close_all(const int *fd, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		(void)close(fd[i]);
}

static int tcp_client(const struct flow *f)
{
	int fd[LOAD_STREAMS_MAX];

	for (uint32_t i = 0; i < f->job->streams; i++) {
		fd[i] = make_client(f->job);
		if (fd[i] < 0) {
			close_all(fd, i);
			return fd[i];
		}
	}
	f->said("@running");
	return carry_all(f, fd);
}

static int tcp_server(const struct flow *f, int listener)
{
	int fd[LOAD_STREAMS_MAX];

	for (uint32_t i = 0; i < f->job->streams; i++) {
		fd[i] = readable(listener, LOAD_WAIT_MS) ? accept(listener, NULL, NULL) : -1;
		if (fd[i] < 0) {
			close_all(fd, i);
			return -ETIMEDOUT;
		}
	}
	return carry_all(f, fd);
}

static int run_server(const struct flow *f)
{
	const int fd = make_server(f->job);
	int ret;

	if (fd < 0)
		return fd;
	f->said("@listening");
	if (f->job->work == LOAD_UDP)
		ret = load_udp(f->job, fd, f->r, f->said);
	else if (f->job->work == LOAD_CRR)
		ret = accept_and_answer(f, fd);
	else
		ret = tcp_server(f, fd);
	(void)close(fd);
	return ret;
}

static int run_client(const struct flow *f)
{
	int fd, ret;

	if (f->job->work == LOAD_CRR) {
		f->said("@running");
		return connect_and_ask(f);
	}
	if (f->job->work != LOAD_UDP)
		return tcp_client(f);
	fd = make_client(f->job);
	if (fd < 0)
		return fd;
	ret = load_udp(f->job, fd, f->r, f->said);
	(void)close(fd);
	return ret;
}

void load_run(const struct load_job *job, struct load_result *r, void (*said)(const char *line))
{
	const uint64_t frames = load_net_frames();
	struct flow f = {.job = job, .r = r, .said = said, .buffer = malloc(LOAD_SIZE_MAX)};

	memset(r, 0, sizeof(*r));
	if (f.buffer) {
		memset(f.buffer, GO_ON, LOAD_SIZE_MAX);
		r->error = job->server ? run_server(&f) : run_client(&f);
	} else {
		r->error = -ENOMEM;
	}
	free(f.buffer);
	r->frames = load_net_frames() - frames;
}
