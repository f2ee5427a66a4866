/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/cost_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/cmd/aside.h"
#include "bench/cmd/bench.h"
#include "bench/cmd/own_network.h"
#include "bench/cmd/repeat.h"

#define HDR   12u
#define FRAME 60u

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
static int measure(const void *arg, double v[ASIDE_VALUES], char *why)
{
	const unsigned ms = *(const unsigned *)arg;
	const char *what;
	int fd, ret;

	if (!enter_own_network(&what)) {
		snprintf(why, BENCH_WHY_MAX, "%s", what);
		return -EPERM;
	}
	fd = ret = make_tap();
	what = "a TAP of our own";
	if (fd >= 0) {
		what = "writing to the TAP";
		ret = repeat_for(ms, CLOCK_THREAD_CPUTIME_ID, write_often, &fd, &v[0]);
	}
	if (ret < 0)
		snprintf(why, BENCH_WHY_MAX, "%s: %s", what, strerror(-ret));
	return ret < 0 ? ret : 0;
}

int cost_tap_can(const volatile int *stop, char *why)
{
	const unsigned ms = 0; /* it is tried */
	const struct aside a = {.fn = measure, .arg = &ms, .limit_s = 60, .stop = stop};
	double v[ASIDE_VALUES];

	return aside_run(&a, v, why);
}

int cost_tap_write(unsigned ms, double *ns, char *why)
{
	const struct aside a = {.fn = measure, .arg = &ms, .limit_s = 60 + ms / 1000};
	double v[ASIDE_VALUES];
	int ret = aside_run(&a, v, why);

	*ns = v[0];
	return ret;
}
