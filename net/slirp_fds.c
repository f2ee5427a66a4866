/* SPDX-License-Identifier: Apache-2.0 */
#include "net/slirp_fds.h"

#include <slirp/libslirp.h>
#include <sys/epoll.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

static const struct {
	int slirp;
	uint32_t epoll;
} event_bits[] = {
	{SLIRP_POLL_IN, EPOLLIN},   {SLIRP_POLL_OUT, EPOLLOUT}, {SLIRP_POLL_PRI, EPOLLPRI},
	{SLIRP_POLL_ERR, EPOLLERR}, {SLIRP_POLL_HUP, EPOLLHUP},
};

static void ready(void *arg, uint32_t revents)
{
	struct slirp_fd *f = arg;

	f->revents |= revents;
	f->all->ready = true;
}

void slirp_fds_drop(struct slirp_fds *s, int fd)
{
	struct slirp_fd *f;

	if (fd < 0 || fd >= SLIRP_FDS || !s->fd[fd].watch.loop)
		return;
	f = &s->fd[fd];
	loop_del(&f->watch);
	f->revents = 0;
	s->used[f->at] = s->used[--s->nr];
	s->fd[s->used[f->at]].at = f->at;
}

void slirp_fds_drop_all(struct slirp_fds *s)
{
	while (s->nr > 0)
		slirp_fds_drop(s, s->used[s->nr - 1]);
}

void slirp_fds_begin(struct slirp_fds *s)
{
	s->round++;
}

static bool watch(struct slirp_fds *s, int fd, uint32_t events)
{
	struct slirp_fd *f = &s->fd[fd];

	if (f->watch.loop && loop_set(&f->watch, events) == 0)
		return true;
	slirp_fds_drop(s, fd);
	*f = (struct slirp_fd){
		.watch = {.fd = fd, .events = events, .fn = ready, .arg = f},
		.all = s,
		.at = s->nr,
	};
	if (loop_add(s->loop, &f->watch) < 0)
		return false;
	s->used[s->nr++] = (uint16_t)fd;
	return true;
}

int slirp_fds_add(struct slirp_fds *s, int fd, int events)
{
	uint32_t wanted = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(event_bits); i++)
		if (events & event_bits[i].slirp)
			wanted |= event_bits[i].epoll;
	if (fd < 0 || fd >= SLIRP_FDS || !watch(s, fd, wanted)) {
		log_guest("user: a connection cannot be watched (descriptor %d)", fd);
		return -1;
	}
	s->fd[fd].round = s->round;
	return fd;
}

void slirp_fds_end(struct slirp_fds *s)
{
	/* Downwards: a drop moves the last one into the gap, and that one has been looked at. */
	for (unsigned i = s->nr; i-- > 0;)
		if (s->fd[s->used[i]].round != s->round)
			slirp_fds_drop(s, s->used[i]);
}

int slirp_fds_revents(struct slirp_fds *s, int index)
{
	int events = 0;

	if (index < 0 || index >= SLIRP_FDS)
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(event_bits); i++)
		if (s->fd[index].revents & event_bits[i].epoll)
			events |= event_bits[i].slirp;
	s->fd[index].revents = 0;
	return events;
}
