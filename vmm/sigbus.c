/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/sigbus.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "vmm/core/compiler.h"

static void on_sigbus(int signo, siginfo_t *info, unused void *context)
{
	/* A part of a huge page cannot be replaced, so its sizes are tried too. */
	static const uint64_t pages[] = {KIB(4), KIB(16), KIB(64), MIB(2), MIB(512), GIB(1)};
	const int saved = errno;

	for (size_t i = 0; i < ARRAY_SIZE(pages) && info->si_code == BUS_ADRERR; i++) {
		uintptr_t at = (uintptr_t)info->si_addr & ~(uintptr_t)(pages[i] - 1);
		void *p = mmap((void *)at, pages[i], PROT_READ | PROT_WRITE,
		               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

		errno = saved;
		if (p != MAP_FAILED)
			return;
	}
	/* None of ours: the access is repeated when we return, and ends the process as ever. */
	signal(signo, SIG_DFL);
}

void sigbus_survive(void)
{
	struct sigaction a = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&a.sa_mask);
	sigaction(SIGBUS, &a, NULL);
}
