/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/process_start.c - process_start(): exec to the first KVM_RUN, and from there to the end */
#include <errno.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/process.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

/* Number and second argument of a system call; its low half is what an ioctl's number fits in. */
static void stop_at_kvm_run(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_RUN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		_exit(125);
}

/* Nobody stops at the filter before the tracer has said that it wants that. */
static void be_traced(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(124);
	raise(SIGSTOP);
	stop_at_kvm_run();
}

static int begin_traced(struct process *p, const struct process_job *job, char *why)
{
	int status, ret = process_begin(p, job, be_traced, why);

	if (ret < 0)
		return ret;
	if (waitpid(p->pid, &status, 0) != p->pid || !WIFSTOPPED(status)) {
		snprintf(why, BENCH_WHY_MAX, "it may not be traced");
		return -EPERM;
	}
	if (ptrace(PTRACE_SETOPTIONS, p->pid, NULL,
	           PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
	                   PTRACE_O_EXITKILL) < 0 ||
	    ptrace(PTRACE_CONT, p->pid, NULL, NULL) < 0) {
		ret = -errno;
		snprintf(why, BENCH_WHY_MAX, "ptrace: %s", strerror(-ret));
	}
	return ret;
}

/* The signal that a thread which has stopped is to go on with. */
static int signal_of(int status)
{
	/* An event is none, and with SIGSTOP a thread begins. */
	return status >> 16 || WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
}

/* Until the command has ended. *first: when it first ran a guest, 0 if never. *status or -errno. */
static int watch(const struct process *p, uint64_t *first, int *status)
{
	for (;;) {
		const pid_t who = waitpid(-1, status, __WALL);
		const uint64_t now = loop_now_ns();

		if (who < 0 && errno == EINTR)
			continue;
		if (who < 0)
			return -errno;
		if (!WIFSTOPPED(*status)) {
			if (who == p->pid)
				return 0;
			continue; /* a thread */
		}
		if (*status >> 16 == PTRACE_EVENT_SECCOMP && !*first)
			*first = now;
		ptrace(PTRACE_CONT, who, NULL, (void *)(intptr_t)signal_of(*status));
	}
}

int process_start(const void *job, double *v, char *why)
{
	struct process p;
	uint64_t first = 0, now;
	int status, ret = begin_traced(&p, job, why);

	if (ret < 0)
		return ret;
	ret = watch(&p, &first, &status);
	now = loop_now_ns();
	if (ret == 0)
		ret = process_judge(&p, status, why);
	if (ret == 0 && !first) {
		snprintf(why, BENCH_WHY_MAX, "it ended and never ran a guest");
		ret = -EPROTO;
	}
	v[0] = (double)(first - *p.exec_ns);
	v[1] = (double)(now - first);
	return ret;
}
