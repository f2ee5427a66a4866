/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/load_init.c - what the first process of a guest has to do before it is of use */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "bench/guest/load.h"

/* <linux/module.h>; Linux 5.17 */
#define MODULE_INIT_COMPRESSED_FILE 4

static void mount_at(const char *type, const char *where)
{
	(void)mkdir(where, 0755);
	if (mount(type, where, type, 0, NULL) < 0 && errno != EBUSY)
		printf("@error %s: %s\n", where, strerror(errno));
}

static bool ends_in(const char *text, const char *end)
{
	const size_t len = strlen(text), want = strlen(end);

	return len >= want && strcmp(text + len - want, end) == 0;
}

static void load_module(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "",
	                      ends_in(path, ".ko") ? 0 : MODULE_INIT_COMPRESSED_FILE) < 0)
		printf("@error %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		(void)close(fd);
}

/* The file /modules names them in the order in which they have to come. */
static void load_modules(void)
{
	FILE *in = fopen("/modules", "re");
	char line[256];

	while (in && fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		load_module(line);
	}
	if (in)
		(void)fclose(in);
}

/* The default, fq_codel, drops what has waited for 100 ms, as happens on an overloaded machine. */
static void choose_qdisc(void)
{
	const int fd = open("/proc/sys/net/core/default_qdisc", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, "pfifo_fast", 10);
		(void)close(fd);
	}
}

/* What we say and hear is said as it is, and not echoed. */
static void make_raw(void)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &t) == 0) {
		t.c_lflag &= ~(tcflag_t)(ECHO | ISIG | ICANON | IEXTEN);
		t.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
		t.c_oflag &= ~(tcflag_t)OPOST;
		t.c_cc[VMIN] = 1;
		t.c_cc[VTIME] = 0;
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &t);
	}
}

void load_init(void)
{
	make_raw();
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("devtmpfs", "/dev");
	choose_qdisc();
	load_modules();
}
