/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/listener.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/unix_socket.h"

#define REST_NS UINT64_C(100000000) /* until descriptors or memory may be there again */

static void look(struct listener *ln)
{
	if (loop_set(&ln->watch, EPOLLIN) < 0) /* epoll itself lacks memory */
		loop_timer_at(ln->loop, &ln->rest, loop_now_ns() + REST_NS);
}

static void on_rested(void *arg)
{
	struct listener *ln = arg;

	if (ln->on)
		look(ln);
}

static void on_client(void *arg, unused uint32_t revents)
{
	struct listener *ln = arg;
	int fd = accept4(ln->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		ln->taken(ln->arg, fd);
		return;
	}
	/* Whatever else: the client is gone already. */
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	loop_set(&ln->watch, 0);
	loop_timer_at(ln->loop, &ln->rest, loop_now_ns() + REST_NS);
}

void listener_init(struct listener *ln, struct loop *l, void (*taken)(void *arg, int fd), void *arg)
{
	*ln = (struct listener){.loop = l, .taken = taken, .arg = arg};
	ln->watch = (struct loop_fd){.fd = -1, .fn = on_client, .arg = ln, .patient = true};
	ln->rest = (struct loop_timer){.fn = on_rested, .arg = ln};
}

int listener_open(struct listener *ln, const struct sockaddr_un *addr, int backlog)
{
	int ret = unix_listen(addr, backlog);

	if (ret < 0) /* the loop was not touched: it may run */
		return ret;
	ln->addr = *addr;
	ln->watch.fd = ret;
	/* When descriptors are used up it is too late for one of its own. */
	ret = loop_timer_make(ln->loop, &ln->rest);
	if (ret == 0)
		ret = loop_add(ln->loop, &ln->watch);
	if (ret < 0)
		listener_close(ln);
	return ret;
}

bool listener_is_open(const struct listener *ln)
{
	return ln->watch.fd >= 0;
}

void listener_on(struct listener *ln)
{
	if (!listener_is_open(ln) || ln->on)
		return;
	ln->on = true;
	look(ln);
}

void listener_off(struct listener *ln)
{
	if (!listener_is_open(ln) || !ln->on)
		return;
	ln->on = false;
	loop_timer_rest(&ln->rest);
	loop_set(&ln->watch, 0);
}

void listener_close(struct listener *ln)
{
	loop_timer_off(&ln->rest);
	loop_del(&ln->watch);
	if (listener_is_open(ln))
		unlink(ln->addr.sun_path);
	fd_close(&ln->watch.fd);
	ln->on = false;
}
