/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/net_load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/cmd/bench.h"
#include "vmm/core/fd.h"

/* BENCH_LOAD is its path, from the Makefile. */
__asm__(".pushsection .rodata.net_load, \"a\"\n"
        ".balign 16\n"
        ".globl net_load, net_load_size\n"
        "net_load:\n"
        ".incbin \"" BENCH_LOAD "\"\n"
        "1:\n"
        ".balign 8\n"
        "net_load_size:\n"
        ".quad 1b - net_load\n"
        ".popsection\n");

/* <linux/memfd.h>; Linux 6.3, and before it is not known, and not needed */
#define EXECUTABLE 0x10u

int net_load_open(char *why)
{
	int fd = memfd_create("load", MFD_CLOEXEC | EXECUTABLE), ret;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("load", MFD_CLOEXEC);
	ret = fd < 0 ? -errno : fd_write_all(fd, net_load, (size_t)net_load_size);
	if (ret == 0)
		return fd;
	fd_close(&fd);
	return bench_why(why, ret, "no memory for the load generator: %s", strerror(-ret));
}

int bench_why(char *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, BENCH_WHY_MAX, fmt, ap);
	va_end(ap);
	return err;
}
