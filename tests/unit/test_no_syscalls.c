/* SPDX-License-Identifier: Apache-2.0 */
/*
 * With poll=on, drivers that look into their rings themselves, and frames that are in memory, no system call is made for a
 * frame: a process of which the kernel takes no other than epoll_wait() carries them and lives, and these go by the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "net/pair.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

/* What the compiler puts in makes system calls of its own, on any thread. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
static const bool own_syscalls = true;
#elif defined(__has_feature)
static const bool own_syscalls =
	__has_feature(thread_sanitizer) || __has_feature(address_sanitizer);
#else
static const bool own_syscalls = false;
#endif

/* Not on every CPU. */
#ifdef SYS_epoll_wait
#define SYS_EPOLL_WAIT SYS_epoll_wait
#else
#define SYS_EPOLL_WAIT SYS_epoll_pwait
#endif

#define RING   1024u
#define LEN    (NET_HDR_LEN + 64u)
#define BURST  600u /* more than one turn takes */
#define ROUNDS 40u
_Static_assert(BURST > 2 * NET_TURN_FRAMES && BURST < RING, "three turns, and room for it");
/* With EVENT_IDX the event that stays behind is met once in so many: then there is a kick. */
_Static_assert(2 * ROUNDS / 2 * BURST < 65536, "twice all of it");

/* What the child ends with; SIGSYS: there was a system call. */
enum { FINE, LOST, WANTS_KICKS, ASKS_TOO_OFTEN, NO_FILTER };

static struct end {
	struct rig rig;
	struct fake_mem m;
	struct virtio_net *n;
	struct fake_dev dev;
	struct fake_vq vq[NET_PAIR_QUEUES];
	struct fake_buf tx, rx[VQ_NUM_MAX]; /* rx: by head */
	int irq_fd;
	bool silent; /* it may not kick */
} end[2];

static struct net_pairs pairs;

static void interrupt(void *transport)
{
	fd_event_set(*(int *)transport);
}

static const struct virtio_transport_ops tops = {.interrupt = interrupt};

static void post_rx(struct end *e, struct fake_buf b)
{
	int head = fake_vq_add(&e->vq[NET_RX], &b, 1);

	assert_true(head >= 0);
	e->rx[head] = b;
}

/* False: it would have to kick. */
static bool offer(struct end *e, unsigned i)
{
	fake_vq_publish(&e->vq[i]);
	if (!fake_vq_wants_kick(&e->vq[i]))
		return true;
	if (!e->silent)
		fake_kick(&e->dev, i);
	return !e->silent;
}

static void open_device(struct end *e, uint64_t layout)
{
	struct virtio_net_params p = {.name = "net0", .queue_size = RING, .poll = POLL_ON};
	struct fake_vq *vqs[NET_QUEUES_MAX] = {&e->vq[NET_RX], &e->vq[NET_TX]};
	uint8_t bytes[LEN] = {0};
	uint64_t accept;

	fake_mem_create(&e->m, MIB(4));
	memcpy(p.mac, vrig_mac, sizeof(p.mac));
	p.features = virtio_net_can(e->rig.b->can, false);
	assert_int_equal(virtio_net_create(&p, e->rig.b, &e->m.gmem, e->rig.loop, &e->n), 0);
	e->dev = (struct fake_dev){.core = virtio_net_dev(e->n)};
	e->irq_fd = fd_eventfd();
	e->dev.core->tops = &tops;
	e->dev.core->transport = &e->irq_fd;
	accept = e->dev.core->offered & (VRIG_F(MRG_RXBUF) | FEATURE(VIRTIO_RING_F_EVENT_IDX));
	accept |= layout | FEATURE(VIRTIO_F_VERSION_1);
	for (unsigned i = 0; i < NET_PAIR_QUEUES; i++)
		fake_vq_init(vqs[i], &e->m, RING, accept);
	assert_int_equal(fake_probe(&e->dev, accept, vqs, e->dev.core->nr_queues), 0);
	vrig_frame(bytes + NET_HDR_LEN, LEN - NET_HDR_LEN, vrig_mac, 1);
	e->tx = fake_out(&e->m, bytes, LEN);
	for (unsigned i = 0; i < RING; i++)
		post_rx(e, fake_in(&e->m, 256));
	for (unsigned i = 0; i < NET_PAIR_QUEUES; i++)
		fake_vq_irq_off(&e->vq[i]);
	offer(e, NET_RX);
}

/* One end; or both of a pair, which are on one loop. */
static void open_ends(const char *kind, unsigned nr, uint64_t layout)
{
	for (unsigned i = 0; i < nr; i++) {
		rig_init(&end[i].rig);
		end[i].rig.pairs = &pairs;
		if (i)
			rig_share(&end[i].rig, &end[0].rig);
		assert_int_equal(rig_open(&end[i].rig, kind, nr > 1 ? "name=x" : "", 0), 0);
	}
	for (unsigned i = 0; i < nr; i++)
		open_device(&end[i], layout);
}

static void close_ends(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		virtio_net_destroy(end[i].n);
		rig_close(&end[i].rig);
		fake_mem_destroy(&end[i].m);
		fd_close(&end[i].irq_fd);
	}
}

/* A burst from @from to @to, whose drivers never sleep. */
static int carry(struct end *from, struct end *to)
{
	const uint64_t end_ns = loop_now_ns() + RIG_PATIENCE_S * UINT64_C(1000000000);
	unsigned came = 0, done = 0, head;
	uint32_t len;

	for (unsigned i = 0; i < BURST; i++)
		if (fake_vq_add(&from->vq[NET_TX], &from->tx, 1) < 0)
			return LOST;
	if (!offer(from, NET_TX))
		return WANTS_KICKS;
	while (came < BURST || done < BURST) {
		if (loop_now_ns() > end_ns)
			return LOST;
		while (fake_vq_reap(&from->vq[NET_TX], &head, &len))
			done++;
		while (fake_vq_reap(&to->vq[NET_RX], &head, &len)) {
			post_rx(to, to->rx[head]);
			came++;
		}
		if (!offer(to, NET_RX))
			return WANTS_KICKS;
	}
	return FINE;
}

static int carry_all(struct end *a, struct end *b)
{
	int ret = FINE;

	for (unsigned i = 0; i < ROUNDS && ret == FINE; i++)
		ret = carry(i % 2 ? b : a, i % 2 ? a : b);
	return ret;
}

/*
 * For the calling thread, not for those of a sanitizer. Where the clock is no memory of the kernel, asking it the time is allowed; and to end, and to ask epoll,
 * which is counted.
 */
static void no_more_syscalls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait, 4,
	                 0), /* epoll_wait(), on some CPUs */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_EPOLL_WAIT, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		_exit(NO_FILTER);
}

/* The end of a loop_call() is a system call: so it is told by an event. */
static struct loop_fd gate;
static atomic_bool closed;

static void close_gate(unused void *arg, unused uint32_t revents)
{
	if (loop_set(&gate, 0) < 0)
		_exit(NO_FILTER);
	no_more_syscalls();
	closed = true;
}

static _Noreturn void child(struct end *a, struct end *b, unsigned nr)
{
	struct loop_stats before, after;
	uint64_t from, asks;
	int ret;

	gate = (struct loop_fd){
		.fd = fd_eventfd(), .events = EPOLLIN, .fn = close_gate, .patient = true};
	if (loop_add(a->rig.loop, &gate) < 0)
		_exit(NO_FILTER);
	for (unsigned i = 0; i < nr; i++)
		rig_run(&end[i].rig);
	if (carry_all(a, b) != FINE) /* the first may be asked for a kick */
		_exit(LOST);
	a->silent = b->silent = true;
	fd_event_set(gate.fd);
	while (!closed)
		;
	loop_stats(a->rig.loop, &before);
	from = loop_now_ns();
	no_more_syscalls();
	ret = carry_all(a, b);
	loop_stats(a->rig.loop, &after);
	asks = after.poll_asks - before.poll_asks;
	if (ret == FINE &&
	    (after.wakeups != before.wakeups || asks > (loop_now_ns() - from) / LOOP_ASK_NS + 1))
		ret = ASKS_TOO_OFTEN;
	_exit(ret);
}

static void no_frame_costs_a_system_call(const char *kind, unsigned nr, uint64_t layout)
{
	int status;
	pid_t pid;

	if (own_syscalls) {
		print_message("a sanitizer makes system calls of its own\n");
		skip();
	}
	open_ends(kind, nr, layout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(&end[0], &end[nr - 1], nr);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFSIGNALED(status)); /* SIGSYS */
	assert_int_equal(WEXITSTATUS(status), FINE);
	close_ends(nr);
}

static const uint64_t layouts[] = {0, FEATURE(VIRTIO_F_RING_PACKED), VRIG_LAYOUTS};

static void frames_through_a_pair_make_no_system_call(unused void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++)
		no_frame_costs_a_system_call("pair", 2, layouts[i]);
}

static void frames_through_echo_make_no_system_call(unused void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++)
		no_frame_costs_a_system_call("echo", 1, layouts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_through_a_pair_make_no_system_call),
		cmocka_unit_test(frames_through_echo_make_no_system_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
