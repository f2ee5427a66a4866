/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/net_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int net_load_write(const char *path, char *why)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	int ret = fd < 0 ? -errno : 0;

	if (ret == 0)
		ret = fd_write_all(fd, net_load, (size_t)net_load_size);
	fd_close(&fd);
	if (ret < 0)
		bench_why(why, ret, "%s: %s", path, strerror(-ret));
	return ret;
}

int bench_why(char *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, BENCH_WHY_MAX, fmt, ap);
	va_end(ap);
	return err;
}
