/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/sigbus.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "vmm/core/compiler.h"

/* One line of /proc/self/maps, as far as it is read: "start-end perms ..." */
struct line {
	uintptr_t start, end;
	unsigned field; /* 0 start, 1 end, 2 permissions, 3 the rest */
	bool writable, shared;
};

static void take_digit(uintptr_t *n, char c)
{
	*n = *n * 16 + (uintptr_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* True: the line ends, and its mapping has @at in it. */
static bool take_char(struct line *l, char c, uintptr_t at)
{
	bool found = false;

	if (c == '\n') {
		found = at >= l->start && at < l->end;
		if (!found)
			*l = (struct line){0};
	} else if (c == '-' && l->field == 0) {
		l->field = 1;
	} else if (c == ' ') {
		l->field++;
	} else if (l->field < 2) {
		take_digit(l->field ? &l->end : &l->start, c);
	} else if (l->field == 2) {
		l->writable |= c == 'w';
		l->shared |= c == 's';
	}
	return found;
}

/* In a signal handler, on any thread: system calls only. */
static bool find_mapping(uintptr_t at, struct line *l)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	char buf[1024];
	ssize_t n = 0;
	bool found = false;

	*l = (struct line){0};
	while (fd >= 0 && !found && (n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n && !found; i++)
			found = take_char(l, buf[i], at);
	if (fd >= 0)
		close(fd);
	return found;
}

static void on_sigbus(int signo, siginfo_t *info, unused void *context)
{
	const int saved = errno;
	bool good = false;
	struct line l;

	if (info->si_code == BUS_ADRERR && find_mapping((uintptr_t)info->si_addr, &l)) {
		/* All of it: page by page a front end could use up the mappings that a process may have. */
		if (l.shared)
			good = mmap((void *)l.start, l.end - l.start, PROT_READ | PROT_WRITE,
			            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			            0) != MAP_FAILED;
		else /* another thread was here before us */
			good = l.writable;
	}
	errno = saved;
	/* None of ours: the access is repeated when we return, and ends the process as ever. */
	if (!good)
		signal(signo, SIG_DFL);
}

void sigbus_survive(void)
{
	struct sigaction a = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&a.sa_mask);
	sigaction(SIGBUS, &a, NULL);
}
