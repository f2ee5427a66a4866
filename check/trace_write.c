/* SPDX-License-Identifier: Apache-2.0 */
#include "check/trace_write.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/outfile.h"
#include "vmm/core/thread.h"

#define MS UINT64_C(1000000) /* ns */

struct trace_writer {
	FILE *out; /* the thread's */
	const char *path;
	uint64_t began_ns;
	pthread_t thread;
	pthread_mutex_t turn; /* whose records come next: trace_lock() */
	pthread_mutex_t lock; /* of all that follows; under the other one */
	pthread_cond_t
		work; /* the thread waits: there is something, there is enough, it is to stop */
	pthread_cond_t room;   /* others wait: a buffer is free */
	uint8_t *fill, *spare; /* spare NULL: it is being written */
	size_t filled;
	uint64_t records;
	bool stop;
	int err; /* 0, or why nothing is recorded any more */
};

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* ---- the thread */

/* With the lock. Until there is enough to write, or something for long enough. */
static void wait_for_work(struct trace_writer *w)
{
	uint64_t until;
	struct timespec t;

	while (!w->filled && !w->stop)
		pthread_cond_wait(&w->work, &w->lock);
	until = clock_ns(CLOCK_MONOTONIC) + TRACE_LATE_MS * MS;
	t = (struct timespec){.tv_sec = (time_t)(until / (1000 * MS)),
	                      .tv_nsec = (long)(until % (1000 * MS))};
	while (w->filled < TRACE_BUFFER / 2 && !w->stop)
		if (pthread_cond_timedwait(&w->work, &w->lock, &t) == ETIMEDOUT)
			return;
}

static int write_out(FILE *out, const void *buf, size_t len)
{
	return fwrite(buf, 1, len, out) == len && fflush(out) == 0 ? 0 : -errno;
}

/* With the lock, which is let go of meanwhile. */
static void write_filled(struct trace_writer *w)
{
	uint8_t *const buf = w->fill;
	const size_t len = w->filled;
	int ret;

	w->fill = w->spare;
	w->spare = NULL;
	w->filled = 0;
	pthread_cond_broadcast(&w->room);
	pthread_mutex_unlock(&w->lock);
	ret = write_out(w->out, buf, len);
	if (ret < 0)
		log_warn("--record %s: the recording ends here: %s", w->path,
		         outfile_strerror(ret));
	pthread_mutex_lock(&w->lock);
	w->spare = buf;
	w->err = ret;
	pthread_cond_broadcast(&w->room);
}

static void *writer_main(void *arg)
{
	struct trace_writer *w = arg;

	pthread_setname_np(pthread_self(), "record");
	pthread_mutex_lock(&w->lock);
	while (!w->err && (w->filled || !w->stop)) {
		wait_for_work(w);
		if (w->filled)
			write_filled(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- others */

void trace_lock(struct trace_writer *w)
{
	pthread_mutex_lock(&w->turn);
}

void trace_unlock(struct trace_writer *w)
{
	pthread_mutex_unlock(&w->turn);
}

/* With the lock, and room. */
static void append(struct trace_writer *w, struct trace_record *r, const struct iovec *iov,
                   unsigned nr)
{
	uint8_t *const p = w->fill + w->filled;
	size_t head, len;

	r->ns = loop_now_ns() - w->began_ns;
	if (r->kind == TRACE_END)
		r->u.records = w->records;
	head = trace_encode(r, p);
	len = trace_bytes(p);
	iov_read(iov, nr, 0, p + head, r->len);
	memset(p + head + r->len, 0, len - head - r->len); /* the padding */
	if (!w->filled || w->filled + len >= TRACE_BUFFER / 2)
		pthread_cond_signal(&w->work);
	w->filled += len;
	w->records++;
}

void trace_put(struct trace_writer *w, struct trace_record *r, const struct iovec *iov, unsigned nr)
{
	r->len = u32_of(iov_bytes(iov, nr));
	pthread_mutex_lock(&w->lock);
	while (!w->err && w->filled + TRACE_RECORD_MAX > TRACE_BUFFER) {
		pthread_cond_signal(&w->work);
		pthread_cond_wait(&w->room, &w->lock);
	}
	if (!w->err)
		append(w, r, iov, nr);
	pthread_mutex_unlock(&w->lock);
}

/* ---- begin and end */

static int put_header(struct trace_writer *w)
{
	uint8_t header[TRACE_HEADER] = TRACE_MAGIC;

	put_le32(header + 8, TRACE_VERSION);
	put_le32(header + 12, TRACE_HEADER);
	put_le64(header + 16, clock_ns(CLOCK_REALTIME));
	w->began_ns = loop_now_ns();
	return write_out(w->out, header, sizeof(header));
}

static int begin_thread(struct trace_writer *w)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = thread_start(&w->thread, writer_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

static void free_writer(struct trace_writer *w)
{
	free(w->fill);
	free(w->spare);
	pthread_cond_destroy(&w->room);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	pthread_mutex_destroy(&w->turn);
	free(w);
}

int trace_writer_create(FILE *out, const char *path, struct trace_writer **result)
{
	struct trace_writer *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	int ret = -ENOMEM;

	*result = NULL;
	if (!w) {
		fclose(out);
		return -ENOMEM;
	}
	w->out = out;
	w->path = path;
	pthread_mutex_init(&w->turn, NULL);
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->work, &attr);
	pthread_cond_init(&w->room, NULL);
	pthread_condattr_destroy(&attr);
	w->fill = malloc(TRACE_BUFFER);
	w->spare = malloc(TRACE_BUFFER);
	if (w->fill && w->spare)
		ret = put_header(w);
	if (ret == 0)
		ret = begin_thread(w);
	if (ret < 0) {
		fclose(out);
		free_writer(w);
		return ret;
	}
	*result = w;
	return 0;
}

int trace_writer_destroy(struct trace_writer *w)
{
	struct trace_record end = {.kind = TRACE_END, .queue = TRACE_NO_QUEUE};
	int ret;

	if (!w)
		return 0;
	trace_put(w, &end, NULL, 0);
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	ret = w->err;
	if (fclose(w->out) != 0 && ret == 0) {
		ret = -errno;
		log_warn("--record %s: the recording could not be finished: %s", w->path,
		         outfile_strerror(ret));
	}
	free_writer(w);
	return ret;
}
