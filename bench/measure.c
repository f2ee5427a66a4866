/* SPDX-License-Identifier: Apache-2.0 */
/* bench/measure.c - one measurement of one program; prints "NAME VALUE" lines. See usage().
 *
 * exec to first KVM_RUN is found without disturbing what comes before it: a seccomp filter stops the
 * process at the ioctl KVM_RUN and nowhere else. What remains of ptrace is one stop per thread that is
 * started; "whole" measures the same command without any, so that the difference can be shown.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MARKER_LIMIT_MS 300000

/* Written by the child just before exec, read by us. */
struct shared {
	uint64_t exec_ns;
};

static _Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("measure: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void print_us(const char *name, uint64_t from, uint64_t to)
{
	printf("%s %llu\n", name, (unsigned long long)(to - from) / 1000);
}

static struct shared *share(void)
{
	struct shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	s->exec_ns = 0; /* touched: no page fault in the child's way */
	return s;
}

static _Noreturn void run(struct shared *s, char **argv)
{
	s->exec_ns = now_ns();
	execvp(argv[0], argv);
	_exit(127);
}

static void silence(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		_exit(126);
}

static void check_status(int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		die("the command ended with status 0x%x", (unsigned)status);
}

/* ---- whole: from exec to the end */

static void whole(char **argv)
{
	struct shared *s = share();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		silence();
		run(s, argv);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid: %s", strerror(errno));
	print_us("whole_us", s->exec_ns, now_ns());
	check_status(status);
}

/* ---- start: from exec to the first KVM_RUN, and from there to the end */

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
	struct sock_fprog prog = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
		_exit(125);
}

static pid_t fork_traced(struct shared *s, char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		silence();
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(124);
		raise(SIGSTOP);
		stop_at_kvm_run();
		run(s, argv);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		die("the child did not stop");
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL,
	           PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
	                   PTRACE_O_EXITKILL) < 0)
		die("ptrace: %s", strerror(errno));
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	return pid;
}

static void start(char **argv)
{
	struct shared *s = share();
	pid_t pid = fork_traced(s, argv);
	uint64_t first = 0;
	int status = 0;

	for (;;) {
		pid_t who = waitpid(-1, &status, __WALL);
		uint64_t now = now_ns();
		int event = status >> 16;
		int sig = 0;

		if (who < 0)
			die("waitpid: %s", strerror(errno));
		if (!WIFSTOPPED(status)) {
			if (who != pid)
				continue; /* a thread */
			if (!first)
				die("the command never ran a guest, status 0x%x", (unsigned)status);
			print_us("start_us", s->exec_ns, first);
			print_us("end_us", first, now);
			check_status(status);
			return;
		}
		if (event == PTRACE_EVENT_SECCOMP && !first)
			first = now;
		if (event == 0 && WSTOPSIG(status) != SIGSTOP) /* SIGSTOP: a thread begins */
			sig = WSTOPSIG(status);
		ptrace(PTRACE_CONT, who, NULL, (void *)(intptr_t)sig);
	}
}

/* ---- marker: from exec to a text in the output */

struct watched {
	struct shared *s;
	pid_t pid;
	int out;
	uint64_t seen_ns;
	char rest[128]; /* of the line behind the marker */
};

/* Copies the line behind the marker once it is whole. */
static int found(struct watched *w, const char *buf, const char *marker)
{
	const char *at = strstr(buf, marker);
	const char *end = at ? strpbrk(at, "\r\n") : NULL;

	if (at && !w->seen_ns)
		w->seen_ns = now_ns();
	if (!end)
		return 0;
	at += strlen(marker);
	snprintf(w->rest, sizeof(w->rest), "%.*s", (int)(end - at), at);
	return 1;
}

static void wait_for_marker(struct watched *w, const char *marker)
{
	static char buf[1 << 20];
	size_t len = 0;

	for (;;) {
		struct pollfd pfd = {.fd = w->out, .events = POLLIN};
		ssize_t n;

		if (poll(&pfd, 1, MARKER_LIMIT_MS) <= 0)
			die("'%s' did not come within %d s: %s", marker, MARKER_LIMIT_MS / 1000,
			    buf);
		n = read(w->out, buf + len, sizeof(buf) - 1 - len);
		if (n <= 0)
			die("the command ended without '%s': %s", marker, buf);
		for (ssize_t i = 0; i < n; i++) /* some firmware prints NULs */
			if (buf[len + (size_t)i] == '\0')
				buf[len + (size_t)i] = ' ';
		len += (size_t)n;
		buf[len] = '\0';
		if (found(w, buf, marker))
			return;
	}
}

static struct watched begin_watched(char **argv, const char *marker)
{
	struct watched w = {.s = share()};
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		die("pipe: %s", strerror(errno));
	w.pid = fork();
	if (w.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		silence();
		if (dup2(p[1], STDOUT_FILENO) < 0)
			_exit(126);
		run(w.s, argv);
	}
	close(p[1]);
	w.out = p[0];
	wait_for_marker(&w, marker);
	return w;
}

static void until_marker(char **argv, const char *marker)
{
	struct watched w = begin_watched(argv, marker);
	unsigned long long us;
	char drop[4096];
	int status;

	print_us("marker_us", w.s->exec_ns, w.seen_ns);
	us = strtoull(w.rest, NULL, 10);
	if (us > 0)
		printf("guest_us %llu\n", us);
	while (read(w.out, drop, sizeof(drop)) > 0)
		continue;
	waitpid(w.pid, &status, 0);
}

/* ---- memory: what is dirty and private beside the guest's RAM */

struct mapping {
	unsigned long long size_kb, dirty_kb, clean_kb, pss_kb; /* dirty and clean: private ones */
	unsigned long long anonymous_kb;
	int is_ram;
};

/*
 * Guest RAM is what the VMM keeps out of core dumps ("dd" of VmFlags), anonymous or a memfd, and large. The
 * caller compares the sum with what the guest was given.
 */
static void end_mapping(const struct mapping *m, struct mapping *sum, unsigned long long *ram_kb)
{
	if (m->is_ram) {
		*ram_kb += m->size_kb;
		return;
	}
	sum->dirty_kb += m->dirty_kb;
	sum->clean_kb += m->clean_kb;
	sum->pss_kb += m->pss_kb;
}

/* "NAME:   123 kB" -> 123 into *kb; whether the line is of that name. */
static int field(const char *line, const char *name, unsigned long long *kb)
{
	size_t len = strlen(name);

	if (strncmp(line, name, len) != 0 || line[len] != ':')
		return 0;
	*kb = strtoull(line + len + 1, NULL, 10);
	return 1;
}

static void read_smaps(pid_t pid, unsigned long long ram_kb, struct mapping *sum)
{
	unsigned long long seen_kb = 0;
	struct mapping m = {0};
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		field(line, "Size", &m.size_kb);
		field(line, "Pss", &m.pss_kb);
		field(line, "Private_Dirty", &m.dirty_kb);
		field(line, "Private_Clean", &m.clean_kb);
		field(line, "Anonymous", &m.anonymous_kb);
		if (strncmp(line, "VmFlags:", 8) == 0) { /* the last line of a mapping */
			m.is_ram = strstr(line, " dd") && m.size_kb >= 1024;
			/* Of a file in a tmpfs, pages count as dirty that nobody wrote: only copies are ours. */
			if (!strstr(line, " sh"))
				m.dirty_kb = m.anonymous_kb;
			end_mapping(&m, sum, &seen_kb);
		}
	}
	fclose(f);
	if (seen_kb != ram_kb)
		die("found %llu KiB of guest RAM in %s, expected are %llu", seen_kb, path, ram_kb);
}

static void memory(char **argv, const char *marker, const char *ram_mib)
{
	struct watched w = begin_watched(argv, marker);
	struct mapping sum = {0};
	int status;

	read_smaps(w.pid, strtoull(ram_mib, NULL, 10) * 1024, &sum);
	printf("dirty_kib %llu\n", sum.dirty_kb);
	printf("private_kib %llu\n", sum.dirty_kb + sum.clean_kb);
	printf("pss_kib %llu\n", sum.pss_kb);
	kill(w.pid, SIGTERM);
	waitpid(w.pid, &status, 0);
}

static _Noreturn void usage(void)
{
	fputs("usage: measure whole COMMAND...            whole_us: exec to the end\n"
	      "       measure start COMMAND...            start_us: exec to first KVM_RUN; end_us: "
	      "from there to the end\n"
	      "       measure marker TEXT COMMAND...      marker_us: exec to TEXT on stdout; "
	      "guest_us: the number behind it\n"
	      "       measure memory TEXT MIB COMMAND...  once TEXT came: dirty_kib, private_kib, "
	      "pss_kib beside MIB of guest RAM\n",
	      stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "whole") == 0)
		whole(argv + 2);
	else if (argc >= 3 && strcmp(argv[1], "start") == 0)
		start(argv + 2);
	else if (argc >= 4 && strcmp(argv[1], "marker") == 0)
		until_marker(argv + 3, argv[2]);
	else if (argc >= 5 && strcmp(argv[1], "memory") == 0)
		memory(argv + 4, argv[2], argv[3]);
	else
		usage();
	return 0;
}
