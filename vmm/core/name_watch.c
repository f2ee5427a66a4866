/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/name_watch.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

/* Is the end of what is watched among these? Numbers of former watches do not come back. */
static bool ended(const struct name_watch *w, const char *events, size_t len)
{
	const struct inotify_event *e;

	for (size_t at = 0; at + sizeof(*e) <= len; at += sizeof(*e) + e->len) {
		e = (const void *)(events + at);
		/* Once more than can be queued: what was lost may have been it. */
		if (e->mask & IN_Q_OVERFLOW || (w->wd >= 0 && e->wd == w->wd))
			return true;
	}
	return false;
}

static void on_events(void *arg, unused uint32_t revents)
{
	_Alignas(
		struct inotify_event) char events[16 * sizeof(struct inotify_event) + NAME_MAX + 1];
	struct name_watch *w = arg;
	ssize_t n = read(w->in.fd, events, sizeof(events));

	if (n <= 0 || !ended(w, events, (size_t)n))
		return;
	name_watch_end(w);
	w->fn(w->arg);
}

int name_watch_init(struct name_watch *w, struct loop *l, void (*fn)(void *arg), void *arg)
{
	int ret;

	*w = (struct name_watch){.wd = -1, .fn = fn, .arg = arg};
	w->in = (struct loop_fd){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC),
	                         .events = EPOLLIN,
	                         .fn = on_events,
	                         .arg = w};
	if (w->in.fd < 0)
		return -errno;
	ret = loop_add(l, &w->in);
	if (ret < 0)
		fd_close(&w->in.fd);
	return ret;
}

void name_watch_free(struct name_watch *w)
{
	if (!w->fn)
		return;
	loop_del(&w->in);
	fd_close(&w->in.fd);
	w->wd = -1;
}

int name_watch_begin(struct name_watch *w, const char *path)
{
	name_watch_end(w);
	if (!w->fn || w->in.fd < 0)
		return -EBADF;
	w->wd = inotify_add_watch(w->in.fd, path, IN_DELETE_SELF);
	return w->wd < 0 ? -errno : 0;
}

void name_watch_end(struct name_watch *w)
{
	if (w->fn && w->wd >= 0)
		(void)inotify_rm_watch(w->in.fd, w->wd); /* it may have ended by itself */
	w->wd = -1;
}
