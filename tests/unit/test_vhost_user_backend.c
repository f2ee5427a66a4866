/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our front end and our back end, which runs in a process of its own, sends every frame back, and is killed under
 * load: what was in flight must not stop the rings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/lib/vu_rig.h"
#include "vmm/core/fd.h"
#include "vmm/core/iov.h"
#include "vmm/core/log.h"
#include "vmm/nic.h"
#include "vmm/vhost_server.h"

#define DEATHS 10u
#define ROOM   256u

/* ---- a backend that sends back what it is sent */

struct echo {
	struct net_backend b;
	struct net_sink sink;
	struct loop *loop;
	struct loop_fd more; /* an eventfd: there are frames, or there is room again */
	uint8_t frame[ROOM][2048];
	size_t len[ROOM];
	unsigned head, nr;
	bool started, wanted, was_full;
};

static void on_more(void *arg, unused uint32_t revents)
{
	struct echo *e = arg;

	fd_event_take(e->more.fd);
	if (e->started && e->wanted && e->nr)
		e->sink.can_recv(e->sink.arg);
	if (e->started && e->was_full && e->nr < ROOM) {
		e->was_full = false;
		e->sink.can_send(e->sink.arg);
	}
	if (e->started && e->wanted && e->nr)
		fd_event_set(e->more.fd);
}

static int echo_start(struct net_backend *b, unused uint64_t offloads, const struct net_sink *s)
{
	struct echo *e = (struct echo *)b;

	e->sink = *s;
	e->started = e->wanted = true;
	return 0;
}

static void echo_stop(struct net_backend *b)
{
	((struct echo *)b)->started = false;
}

static int echo_set_offloads(unused struct net_backend *b, unused uint64_t offloads)
{
	return 0;
}

static ssize_t echo_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct echo *e = (struct echo *)b;
	unsigned at = (e->head + e->nr) % ROOM;

	if (e->nr == ROOM) {
		e->was_full = true;
		return -EAGAIN;
	}
	e->len[at] = iov_read(iov, nr, 0, e->frame[at], sizeof(e->frame[at]));
	e->nr++;
	fd_event_set(e->more.fd);
	return (ssize_t)e->len[at];
}

static ssize_t echo_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct echo *e = (struct echo *)b;
	size_t len = e->len[e->head];

	if (e->nr == 0)
		return 0;
	iov_write(iov, nr, 0, e->frame[e->head], len);
	e->head = (e->head + 1) % ROOM;
	e->nr--;
	fd_event_set(e->more.fd);
	return (ssize_t)len;
}

static void echo_want_recv(struct net_backend *b, bool on)
{
	struct echo *e = (struct echo *)b;

	e->wanted = on;
	fd_event_set(e->more.fd);
}

static void echo_destroy(struct net_backend *b)
{
	free(b);
}

static const struct net_frame_ops echo_ops = {
	.start = echo_start,
	.stop = echo_stop,
	.set_offloads = echo_set_offloads,
	.send = echo_send,
	.recv = echo_recv,
	.want_recv = echo_want_recv,
};

static int echo_create(unused const void *config, unused const struct net_common *common,
                       struct loop *l, struct net_backend **out)
{
	struct echo *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->b = (struct net_backend){.kind = "echo", .frame = &echo_ops, .destroy = echo_destroy};
	e->more = (struct loop_fd){.fd = fd_eventfd(), .events = EPOLLIN, .fn = on_more, .arg = e};
	*out = &e->b;
	return loop_add(l, &e->more);
}

static const struct net_kind echo_kind = {.name = "echo", .create = echo_create};

/* ---- its process */

static struct vu_rig rig;
static char dir[40], path[64];
static pid_t peer = -1;

static _Noreturn void serve(pid_t parent)
{
	static const struct nic_config cfg = {.name = "net0",
	                                      .kind = &echo_kind,
	                                      .mac = {2, 0, 0, 0, 0, 2},
	                                      .queue_size = 256,
	                                      .queues = 1};
	struct vhost_server *s;
	struct nic n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (getppid() != parent || nic_open(&n, &cfg, 0, NULL) < 0 ||
	    vhost_server_create(path, &n, &s) < 0 || nic_start(&n) < 0)
		_exit(1);
	for (;;)
		pause();
}

static void start_peer(void)
{
	pid_t parent = getpid();

	peer = fork();
	assert_true(peer >= 0);
	if (peer == 0)
		serve(parent);
}

static void kill_peer(void)
{
	if (peer < 0)
		return;
	kill(peer, SIGKILL);
	waitpid(peer, NULL, 0);
	peer = -1;
}

static int setup(void **state)
{
	const struct net_common common = {.nic = "net0", .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};
	char keys[128];

	(void)state;
	strcpy(dir, "/tmp/doorbell-backend-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	snprintf(keys, sizeof(keys), "socket=%s", path);
	start_peer();
	assert_int_equal(vu_rig_create(&rig, keys, &common), 0);
	assert_int_equal(vu_rig_prepare(&rig), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kill_peer();
	vu_rig_destroy(&rig);
	unlink(path);
	return rmdir(dir);
}

/* ---- cases */

static void our_back_end_serves_our_front_end(void **state)
{
	(void)state;
	vu_rig_up(&rig, 0);
	vu_rig_traffic(&rig, 2000);
	assert_true(rig.interrupts > 0);
	vu_rig_up(&rig, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	vu_rig_traffic(&rig, 1000);
	vu_rig_up(&rig, FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_NET_F_MRG_RXBUF));
	vu_rig_traffic(&rig, 1000);
}

static void a_back_end_killed_under_load_is_followed_by_the_next(void **state)
{
	(void)state;
	vu_rig_up(&rig, 0);
	for (unsigned i = 1; i <= DEATHS; i++) {
		vu_rig_traffic(&rig, 500);
		vu_rig_send(&rig, 32);
		kill_peer();
		vu_rig_until_link(&rig, false);
		vu_rig_send(&rig, 32);
		start_peer();
		vu_rig_until_link(&rig, true);
		assert_int_equal(rig.b->stats.reconnects, i);
	}
	vu_rig_traffic(&rig, 500);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(our_back_end_serves_our_front_end),
		CASE(a_back_end_killed_under_load_is_followed_by_the_next),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("vhost_user_backend", tests, NULL, NULL);
}
