// SPDX-License-Identifier: Apache-2.0
/*
 * rxhash INTERFACE on|off PORT COUNT: let the card report hashes or not, as ethtool -K rxhash does; then wait for
 * COUNT datagrams at UDP port PORT, and print how many came with a hash.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int fail(const char *what)
{
	fprintf(stderr, "rxhash: %s: %s\n", what, strerror(errno));
	return 1;
}

static int set_flag(int s, const char *name, int on)
{
	struct ethtool_value v = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq ifr = {.ifr_data = (void *)&v};

	strcpy(ifr.ifr_name, name);
	if (ioctl(s, SIOCETHTOOL, &ifr) < 0)
		return -1;
	v.cmd = ETHTOOL_SFLAGS;
	v.data = on ? v.data | ETH_FLAG_RXHASH : v.data & ~(unsigned)ETH_FLAG_RXHASH;
	return ioctl(s, SIOCETHTOOL, &ifr);
}

/* Only the kernel knows a hash: without one a datagram loses its payload. */
static int mark(int s)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_RXHASH)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 8),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
	};
	const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int main(int argc, char **argv)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0), with = 0, count;
	struct sockaddr_in a = {.sin_family = AF_INET};

	if (argc != 5 || strlen(argv[1]) >= IFNAMSIZ) {
		fprintf(stderr, "usage: rxhash INTERFACE on|off PORT COUNT\n");
		return 2;
	}
	count = atoi(argv[4]);
	a.sin_port = htons((unsigned short)atoi(argv[3]));
	if (set_flag(s, argv[1], strcmp(argv[2], "on") == 0) < 0)
		return fail(argv[1]);
	if (mark(s) < 0)
		return fail("filter");
	if (bind(s, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return fail("bind");
	for (int i = 0; i < count; i++) {
		char buf[64];
		ssize_t len = recv(s, buf, sizeof(buf), 0);

		if (len < 0)
			return fail("recv");
		with += len > 0;
	}
	printf("hash: %d of %d\n", with, count);
	return 0;
}
