/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/micro_vcpu.c - a CPU in and out of its guest */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/cmd/micro.h"
#include "bench/cmd/micro_vm.h"
#include "bench/cmd/repeat.h"
#include "bench/guest/micro.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"
#include "vmm/core/thread.h"

#define PATIENCE_S 60u /* longer than the slowest host takes for anything here */
#define LOOK_MS    100 /* how often somebody asks whether the user wants to end */
#define SAMPLES    1024u

/* Times of which the median is wanted; as many as came before the end. */
struct times {
	uint64_t end_ns;
	unsigned n;
	double ns[SAMPLES];
};

static void times_begin(struct times *t, unsigned ms)
{
	t->n = 0;
	t->end_ns = loop_now_ns() + ms * UINT64_C(1000000);
}

/* True: that was the last one. */
static bool times_add(struct times *t, double ns, uint64_t now)
{
	t->ns[t->n++] = ns;
	return t->n == SAMPLES || now >= t->end_ns;
}

static int open_vm(struct micro_vm *m, const struct bench_env *env, const char *word, char *why)
{
	int ret = micro_vm_can(why);

	return ret < 0 ? ret : micro_vm_create(m, env, word, why);
}

/* 0; -EINTR: the user wants to end; -ETIMEDOUT. */
static int wait_for(int fd, const struct bench_env *env)
{
	const uint64_t end_ns = loop_now_ns() + PATIENCE_S * UINT64_C(1000000000);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	while (poll(&pfd, 1, LOOK_MS) != 1) {
		if (env->stop && *env->stop)
			return -EINTR;
		if (loop_now_ns() >= end_ns)
			return -ETIMEDOUT;
	}
	return 0;
}

static int failed(int ret, const char *what, char *why)
{
	if (ret < 0)
		snprintf(why, BENCH_WHY_MAX, "%s: %s", what, strerror(-ret));
	return ret;
}

/* ---- an exit */

#define EXITS 64u /* in a batch, of which the time is one sample */

struct exits {
	struct micro_vm vm;
	int done; /* eventfd */
	bool enough;
	uint64_t outs;    /* all that the guest did */
	uint64_t from_ns; /* of a batch; 0: the first one, which warms up */
	struct times times;
};

/* vCPU thread */
static void on_out(void *arg)
{
	struct exits *e = arg;
	uint64_t now;

	if (++e->outs % EXITS || e->enough)
		return;
	now = loop_now_ns();
	if (e->from_ns)
		e->enough = times_add(&e->times, (double)(now - e->from_ns) / EXITS, now);
	e->from_ns = now;
	if (e->enough) {
		vcpu_ask_stop(&e->vm.vcpu);
		fd_event_set(e->done);
	}
}

static int run_exits(struct exits *e, const struct bench_env *env)
{
	int ret;

	e->done = fd_eventfd();
	if (e->done < 0)
		return e->done;
	ret = vcpu_start(&e->vm.vcpu);
	if (ret == 0)
		ret = wait_for(e->done, env);
	vcpu_stop(&e->vm.vcpu);
	fd_close(&e->done);
	return ret;
}

MICRO_MEASURE(micro_exit)
{
	struct exits e = {.done = -1};
	int ret = open_vm(&e.vm, env, "out", why);

	if (ret < 0)
		return ret;
	e.vm.on_out = on_out;
	e.vm.arg = &e;
	times_begin(&e.times, micro_ms(env, row));
	ret = failed(run_exits(&e, env), "a guest that leaves its CPU", why);
	if (ret == 0) {
		bench_set(s, BM_NS, repeat_median(e.times.ns, e.times.n));
		bench_set(s, BM_USERSPACE_EXITS,
		          (double)e.vm.vcpu.stats.exits_pio / (double)e.outs);
	}
	micro_vm_destroy(&e.vm);
	return ret;
}

/* ---- out of a guest that does not want to leave */

/* Until it executes something. */
static int wait_alive(const struct micro_vm *m, const struct bench_env *env)
{
	const volatile uint32_t *alive = gmem_ptr(&m->mem, MICRO_ALIVE, sizeof(*alive));
	const uint64_t end_ns = loop_now_ns() + PATIENCE_S * UINT64_C(1000000000);
	const struct timespec nap = {.tv_nsec = 20000};
	uint32_t was;

	if (!alive)
		return -EFAULT;
	was = *alive;
	while (*alive == was) {
		if (env->stop && *env->stop)
			return -EINTR;
		if (loop_now_ns() >= end_ns)
			return -ETIMEDOUT;
		nanosleep(&nap, NULL); /* it may need this CPU */
	}
	return 0;
}

static int stop_often(struct micro_vm *m, const struct bench_env *env, struct times *t)
{
	int ret = vcpu_start(&m->vcpu);

	while (ret == 0 && (ret = wait_alive(m, env)) == 0) {
		const uint64_t from = loop_now_ns();
		uint64_t now;
		bool last;

		vcpu_pause(&m->vcpu);
		now = loop_now_ns();
		last = times_add(t, (double)(now - from), now);
		vcpu_resume(&m->vcpu);
		if (last)
			break;
	}
	vcpu_stop(&m->vcpu);
	return ret;
}

MICRO_MEASURE(micro_stop)
{
	struct micro_vm m;
	struct times t;
	int ret = open_vm(&m, env, "spin", why);

	if (ret < 0)
		return ret;
	times_begin(&t, micro_ms(env, row));
	ret = failed(stop_often(&m, env, &t), "a guest that spins", why);
	if (ret == 0)
		bench_set(s, BM_NS, repeat_median(t.ns, t.n));
	micro_vm_destroy(&m);
	return ret;
}

/* ---- one KVM_RUN, by threads in turns */

struct relay {
	int vcpu_fd;
	sem_t turn[2];
	unsigned nr; /* threads: 1 or 2 */
	/* Of the thread whose turn it is: */
	int ret;
	bool over;
	bool warm;
	struct times times;
};

struct runner {
	struct relay *r;
	unsigned index;
};

static void run_once(struct relay *r)
{
	const uint64_t from = loop_now_ns();
	uint64_t now;
	int ret;

	do
		ret = kvm_vcpu_run(r->vcpu_fd);
	while (ret == -EINTR || ret == -EAGAIN);
	now = loop_now_ns();
	if (ret < 0)
		r->ret = ret;
	r->over = ret < 0 || (r->warm && times_add(&r->times, (double)(now - from), now));
	r->warm = true;
}

static void *runner_main(void *arg)
{
	const struct runner *me = arg;
	struct relay *r = me->r;
	bool over;

	do {
		while (sem_wait(&r->turn[me->index]) < 0)
			continue;
		if (!r->over)
			run_once(r);
		over = r->over;
		sem_post(&r->turn[(me->index + 1) % r->nr]);
	} while (!over);
	return NULL;
}

static int run_relay(struct relay *r)
{
	struct runner runner[2] = {{r, 0}, {r, 1}};
	pthread_t thread[2];
	unsigned n = 0;
	int ret = 0;

	sem_init(&r->turn[0], 0, 0);
	sem_init(&r->turn[1], 0, 0);
	while (n < r->nr && (ret = thread_start(&thread[n], runner_main, &runner[n])) == 0)
		n++;
	if (ret < 0) /* who has started finds that it is over */
		r->over = true;
	sem_post(&r->turn[0]);
	while (n)
		pthread_join(thread[--n], NULL);
	sem_destroy(&r->turn[0]);
	sem_destroy(&r->turn[1]);
	return ret < 0 ? ret : r->ret;
}

MICRO_MEASURE(micro_run)
{
	struct relay r = {.nr = row->arg ? 2 : 1};
	struct micro_vm m;
	int ret = open_vm(&m, env, "out", why);

	if (ret < 0)
		return ret;
	r.vcpu_fd = m.vcpu.fd;
	times_begin(&r.times, micro_ms(env, row));
	ret = failed(run_relay(&r), "KVM_RUN", why);
	if (ret == 0)
		bench_set(s, BM_NS, repeat_median(r.times.ns, r.times.n));
	micro_vm_destroy(&m);
	return ret;
}
