/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/cost_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/own_network.h"
#include "bench/cmd/repeat.h"

#define HDR   12u
#define FRAME 60u

/* What the child says. */
struct told {
	double ns;
	int ret;
	char why[BENCH_WHY_MAX];
};

static int write_often(void *arg, unsigned n)
{
	/* To somebody else, in a protocol for experiments. */
	static const uint8_t hdr[HDR],
		frame[FRAME] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
	const int fd = *(const int *)arg;
	const struct iovec iov[2] = {{(void *)(uintptr_t)hdr, HDR},
	                             {(void *)(uintptr_t)frame, FRAME}};

	while (n--)
		if (writev(fd, iov, 2) != HDR + FRAME)
			return errno ? -errno : -EIO;
	return 0;
}

/* A TAP that is up. A descriptor, or -errno. */
static int make_tap(void)
{
	struct ifreq r = {.ifr_name = "bench0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	const int hdr = HDR;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || s < 0 || ioctl(fd, TUNSETIFF, &r) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0)
		return -errno;
	r.ifr_flags = IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
		return -errno;
	close(s);
	return fd;
}

/* What it opens goes with its process. */
static void child(unsigned ms, struct told *t)
{
	const char *what = "";
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	t->ret = -EPERM;
	if (!enter_own_network(&what)) {
		snprintf(t->why, sizeof(t->why), "%s", what);
		return;
	}
	fd = make_tap();
	what = "a TAP of our own";
	t->ret = fd;
	if (fd >= 0) {
		what = "writing to the TAP";
		t->ret = repeat_for(ms, CLOCK_THREAD_CPUTIME_ID, write_often, &fd, &t->ns);
	}
	if (t->ret < 0)
		snprintf(t->why, sizeof(t->why), "%s: %s", what, strerror(-t->ret));
}

int cost_tap_write(unsigned ms, double *ns, char *why)
{
	struct told *t =
		mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, ret;
	pid_t pid;

	if (t == MAP_FAILED) {
		ret = -errno;
		snprintf(why, BENCH_WHY_MAX, "no memory: %s", strerror(-ret));
		return ret;
	}
	t->ret = -ECHILD;
	snprintf(t->why, sizeof(t->why), "the process that writes to a TAP was ended");
	pid = fork();
	if (pid == 0) {
		child(ms, t);
		_exit(0);
	}
	if (pid < 0) {
		t->ret = -errno;
		snprintf(t->why, sizeof(t->why), "fork: %s", strerror(errno));
	} else {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	ret = t->ret;
	*ns = t->ns;
	if (ret < 0)
		snprintf(why, BENCH_WHY_MAX, "%s", t->why);
	munmap(t, sizeof(*t));
	return ret;
}
