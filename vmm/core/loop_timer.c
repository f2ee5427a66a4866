/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"
#include "vmm/core/loop_priv.h"

static void timer_fired(void *arg, unused uint32_t revents)
{
	struct loop_timer *t = arg;
	uint64_t times;

	loop_count_timer(t->watch.loop);
	/*
	 * The count also says whether the timer was re-armed since epoll reported it. Not by fd_event_take():
	 * timers do not know RWF_NOWAIT in Linux 6.1, and are shared with nobody.
	 */
	if (read(t->watch.fd, &times, sizeof(times)) != (ssize_t)sizeof(times) || !t->armed)
		return;
	t->armed = false;
	loop_patient(&t->watch, true);
	t->fn(t->arg);
}

int loop_timer_make(struct loop *l, struct loop_timer *t)
{
	int ret;

	if (t->watch.loop)
		return 0;
	t->watch =
		(struct loop_fd){.events = EPOLLIN, .fn = timer_fired, .arg = t, .patient = true};
	t->watch.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (t->watch.fd < 0)
		return -errno;
	ret = loop_add(l, &t->watch);
	if (ret < 0)
		fd_close(&t->watch.fd);
	return ret;
}

int loop_timer_at(struct loop *l, struct loop_timer *t, uint64_t when_ns)
{
	struct itimerspec its = {0};
	int ret = loop_timer_make(l, t);

	if (ret < 0)
		return ret;
	if (when_ns == 0) /* to the kernel 0 means off */
		when_ns = 1;
	its.it_value.tv_sec = (time_t)(when_ns / 1000000000u);
	its.it_value.tv_nsec = (long)(when_ns % 1000000000u);
	loop_count_timer(l);
	if (timerfd_settime(t->watch.fd, TFD_TIMER_ABSTIME, &its, NULL) < 0)
		return -errno;
	t->armed = true;
	loop_patient(&t->watch, false);
	return 0;
}

void loop_timer_rest(struct loop_timer *t)
{
	static const struct itimerspec never;

	if (t->armed) /* what epoll has reported already finds it off */
		timerfd_settime(t->watch.fd, 0, &never, NULL);
	t->armed = false;
	loop_patient(&t->watch, true);
}

void loop_timer_off(struct loop_timer *t)
{
	t->armed = false;
	if (!t->watch.loop)
		return;
	loop_del(&t->watch);
	fd_close(&t->watch.fd);
}
