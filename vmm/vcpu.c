/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/thread.h"
#include "vmm/kvm_stats.h"

/* Takes a thread out of KVM_RUN; nothing else in the process uses it. */
#define SIG_KICK SIGRTMIN

static void on_kick(unused int sig)
{
}

int vcpu_create(struct vcpu *v, struct kvm *k, unsigned index, const struct vcpu_env *env)
{
	int ret;

	*v = (struct vcpu){.index = index, .fd = -1, .stats_fd = -1, .env = env};
	ret = kvm_vcpu_open(k, index, &v->run);
	if (ret < 0)
		return ret;
	v->fd = ret;
	ret = kvm_stats_open(v->fd);
	v->stats_fd = ret < 0 ? -1 : ret; /* then the counters are fewer */
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->changed, NULL);
	return 0;
}

void vcpu_destroy(struct vcpu *v, struct kvm *k)
{
	fd_close(&v->stats_fd);
	kvm_vcpu_close(k, &v->fd, &v->run);
	pthread_cond_destroy(&v->changed);
	pthread_mutex_destroy(&v->lock);
}

static uint64_t load(const void *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size); /* guest and host are little-endian */
	return v;
}

/* A string instruction (rep outsb) comes as one exit with count elements. */
static void exit_pio(struct vcpu *v)
{
	const struct kvm_run *run = v->run;
	uint8_t *data = (uint8_t *)v->run + run->io.data_offset;
	uint64_t val;

	v->stats.exits_pio++;
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			bus_write(v->env->pio, run->io.port, run->io.size,
			          load(data, run->io.size));
		} else {
			bus_read(v->env->pio, run->io.port, run->io.size, &val);
			memcpy(data, &val, run->io.size);
		}
	}
}

static void exit_mmio(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	uint64_t val;

	v->stats.exits_mmio++;
	if (run->mmio.is_write) {
		bus_write(v->env->mmio, run->mmio.phys_addr, run->mmio.len,
		          load(run->mmio.data, run->mmio.len));
	} else {
		bus_read(v->env->mmio, run->mmio.phys_addr, run->mmio.len, &val);
		memcpy(run->mmio.data, &val, run->mmio.len);
	}
}

/* True: go on. */
static bool exit_other(struct vcpu *v)
{
	char why[256] = "";
	enum arch_exit how = arch_handle_exit(v->env->kvm, v->run, why, sizeof(why));

	v->stats.exits_other++;
	if (how == ARCH_EXIT_CONTINUE)
		return true;
	v->env->ended(v->env->arg, how, why);
	return false;
}

static bool enter_once(struct vcpu *v)
{
	int ret = kvm_vcpu_run(v->fd);
	char why[64];

	if (ret == -EINTR || ret == -EAGAIN) { /* exit_reason is an old one now */
		v->stats.exits_signal++;
		return true;
	}
	if (ret < 0) {
		snprintf(why, sizeof(why), "KVM_RUN: %s", strerror(-ret));
		v->env->ended(v->env->arg, ARCH_EXIT_DEAD, why);
		return false;
	}
	switch (v->run->exit_reason) {
	case KVM_EXIT_IO:
		exit_pio(v);
		return true;
	case KVM_EXIT_MMIO:
		exit_mmio(v);
		return true;
	default:
		return exit_other(v);
	}
}

/* Wait for the end of a pause. */
static void park(struct vcpu *v)
{
	pthread_mutex_lock(&v->lock);
	v->parked = true;
	pthread_cond_broadcast(&v->changed);
	while (atomic_load(&v->pause) && !atomic_load(&v->stop))
		pthread_cond_wait(&v->changed, &v->lock);
	v->parked = false;
	/* A wish that comes now sets it again behind its own flag, and the flags are looked at next. */
	__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&v->lock);
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", v->index);
	pthread_setname_np(pthread_self(), name);
	atomic_store_explicit(&v->tid, gettid(),
	                      memory_order_relaxed); /* for itself: vcpu_is_me() */
	/* Partner of these loads: ask(). */
	while (!atomic_load(&v->stop)) {
		if (atomic_load(&v->pause))
			park(v);
		else if (!enter_once(v))
			break;
	}
	task_self(&v->task);
	pthread_mutex_lock(&v->lock);
	v->ended = true;
	pthread_cond_broadcast(&v->changed);
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

int vcpu_start(struct vcpu *v)
{
	const struct sigaction sa = {.sa_handler = on_kick}; /* no SA_RESTART: KVM_RUN must end */
	sigset_t mask, old;
	int ret;

	if (sigaction(SIG_KICK, &sa, NULL) < 0)
		return -errno;
	sigfillset(&mask);
	sigdelset(&mask, SIG_KICK);
	pthread_sigmask(SIG_SETMASK, &mask, &old);
	ret = thread_start(&v->thread, vcpu_main, v);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret < 0)
		return ret;
	v->has_thread = true;
	return 0;
}

static void ask(struct vcpu *v, atomic_bool *wish)
{
	/* What came before the wish is seen after it. Partner: vcpu_main(). */
	atomic_store(wish, true);
	/*
	 * A signal may arrive between the test of the wish and KVM_RUN, where it would be lost:
	 * immediate_exit makes that KVM_RUN return at once (kernel: api.rst, 5, immediate_exit).
	 */
	__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

/* Out of KVM_RUN, or out of a pause. */
static void wake(struct vcpu *v)
{
	pthread_kill(v->thread, SIG_KICK);
	pthread_mutex_lock(&v->lock);
	pthread_cond_broadcast(&v->changed);
	pthread_mutex_unlock(&v->lock);
}

void vcpu_ask_stop(struct vcpu *v)
{
	ask(v, &v->stop);
}

void vcpu_stop(struct vcpu *v)
{
	if (!v->has_thread)
		return;
	vcpu_ask_stop(v);
	wake(v);
	pthread_join(v->thread, NULL);
	v->has_thread = false;
}

void vcpu_pause(struct vcpu *v)
{
	if (!v->has_thread)
		return;
	ask(v, &v->pause);
	wake(v);
	pthread_mutex_lock(&v->lock);
	while (!v->parked && !v->ended)
		pthread_cond_wait(&v->changed, &v->lock);
	pthread_mutex_unlock(&v->lock);
}

void vcpu_resume(struct vcpu *v)
{
	if (!v->has_thread)
		return;
	pthread_mutex_lock(&v->lock);
	atomic_store(&v->pause, false);
	pthread_cond_broadcast(&v->changed);
	pthread_mutex_unlock(&v->lock);
}

bool vcpu_is_me(struct vcpu *v)
{
	return atomic_load_explicit(&v->tid, memory_order_relaxed) == gettid();
}
