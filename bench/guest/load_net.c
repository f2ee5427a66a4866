/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/load_net.c - interfaces, in whatever network this process is in */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/guest/load.h"

static bool set_name(struct ifreq *ifr, const char *name)
{
	const size_t len = strlen(name);

	memset(ifr, 0, sizeof(*ifr));
	if (len == 0 || len >= sizeof(ifr->ifr_name))
		return false;
	memcpy(ifr->ifr_name, name, len);
	return true;
}

static struct sockaddr_in in_address(uint32_t addr)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = addr};
}

static int set_address(int s, struct ifreq *ifr, unsigned long request, uint32_t addr)
{
	const struct sockaddr_in a = in_address(addr);

	memcpy(&ifr->ifr_addr, &a, sizeof(a));
	return ioctl(s, request, ifr) < 0 ? -errno : 0;
}

static int set_up(int s, struct ifreq *ifr)
{
	if (ioctl(s, SIOCGIFFLAGS, ifr) < 0)
		return -errno;
	ifr->ifr_flags |= IFF_UP | IFF_RUNNING;
	return ioctl(s, SIOCSIFFLAGS, ifr) < 0 ? -errno : 0;
}

static int add_route(int s, uint32_t gateway)
{
	const struct sockaddr_in any = in_address(0), via = in_address(gateway);
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};

	memcpy(&route.rt_dst, &any, sizeof(any));
	memcpy(&route.rt_genmask, &any, sizeof(any));
	memcpy(&route.rt_gateway, &via, sizeof(via));
	return ioctl(s, SIOCADDRT, &route) < 0 ? -errno : 0;
}

int load_net_address(const char *name, uint32_t addr, unsigned length, uint32_t gateway)
{
	const uint32_t mask = htonl(length ? UINT32_MAX << (32 - length) : 0);
	struct ifreq ifr;
	int s, ret;

	if (!set_name(&ifr, name))
		return -EINVAL;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	ret = set_address(s, &ifr, SIOCSIFADDR, addr);
	if (ret == 0)
		ret = set_address(s, &ifr, SIOCSIFNETMASK, mask);
	if (ret == 0)
		ret = set_up(s, &ifr);
	if (ret == 0 && gateway)
		ret = add_route(s, gateway);
	(void)close(s);
	return ret;
}

int load_net_mtu(const char *name, int bytes)
{
	struct ifreq ifr;
	int s, ret;

	if (!set_name(&ifr, name))
		return -EINVAL;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	ifr.ifr_mtu = bytes;
	ret = ioctl(s, SIOCSIFMTU, &ifr) < 0 ? -errno : 0;
	(void)close(s);
	return ret;
}

int load_net_tap(const char *name, bool queues)
{
	struct ifreq ifr;
	int fd, ret = 0;

	if (!set_name(&ifr, name))
		return -EINVAL;
	ifr.ifr_flags =
		(short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues ? IFF_MULTI_QUEUE : 0));
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0)
		ret = -errno;
	if (fd >= 0)
		(void)close(fd);
	return ret;
}

int load_net_bridge(const char *name, char *const *port, size_t nr)
{
	struct ifreq ifr;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret = 0;

	if (s < 0)
		return -errno;
	if (!set_name(&ifr, name))
		ret = -EINVAL;
	else if (ioctl(s, SIOCBRADDBR, name) < 0)
		ret = -errno;
	for (size_t i = 0; ret == 0 && i < nr; i++) {
		struct ifreq up;

		if (!set_name(&up, port[i]))
			ret = -EINVAL;
		ifr.ifr_ifindex = (int)if_nametoindex(port[i]);
		if (ret == 0 && ioctl(s, SIOCBRADDIF, &ifr) < 0)
			ret = -errno;
		if (ret == 0)
			ret = set_up(s, &up);
	}
	(void)close(s);
	return ret;
}

/* ---- a cable, by rtnetlink(7) */

struct link_request {
	struct nlmsghdr h;
	struct ifinfomsg i;
	char attributes[256]; /* all that is put in has a bounded length, and is less */
};

static struct rtattr *put(struct link_request *r, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void nest_end(const struct link_request *r, struct rtattr *a)
{
	a->rta_len = (unsigned short)((const char *)r + r->h.nlmsg_len - (char *)a);
}

static int send_request(const struct link_request *r)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char more[512];
	} answer;
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), ret = 0;

	if (s < 0 || send(s, r, r->h.nlmsg_len, 0) < 0 ||
	    recv(s, &answer, sizeof(answer), 0) < (ssize_t)(sizeof(answer.h) + sizeof(answer.e)))
		ret = -errno;
	else if (answer.h.nlmsg_type == NLMSG_ERROR)
		ret = answer.e.error;
	if (s >= 0)
		(void)close(s);
	return ret;
}

int load_net_veth(const char *name, const char *other, int pid)
{
	struct link_request r = {
		.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(r.i)),
	              .nlmsg_type = RTM_NEWLINK,
	              .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
	};
	struct rtattr *info, *data, *peer;
	struct ifreq ifr;

	if (!set_name(&ifr, name) || !set_name(&ifr, other) || pid <= 0)
		return -EINVAL;
	(void)put(&r, IFLA_IFNAME, name, strlen(name) + 1);
	info = put(&r, IFLA_LINKINFO, NULL, 0);
	(void)put(&r, IFLA_INFO_KIND, "veth", 4);
	data = put(&r, IFLA_INFO_DATA, NULL, 0);
	peer = put(&r, VETH_INFO_PEER, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
	(void)put(&r, IFLA_IFNAME, other, strlen(other) + 1);
	(void)put(&r, IFLA_NET_NS_PID, &pid, sizeof(pid));
	nest_end(&r, peer);
	nest_end(&r, data);
	nest_end(&r, info);
	return send_request(&r);
}

/* "  eth0: BYTES PACKETS ERRS DROP FIFO FRAME COMPRESSED MULTICAST BYTES PACKETS ..." */
static uint64_t frames_of(const char *line)
{
	unsigned long long rx, tx;

	if (sscanf(line, "%*u %llu %*u %*u %*u %*u %*u %*u %*u %llu", &rx, &tx) != 2)
		return 0;
	return rx + tx;
}

uint64_t load_net_frames(void)
{
	FILE *in = fopen("/proc/self/net/dev", "re");
	char line[512];
	uint64_t all = 0;

	while (in && fgets(line, sizeof(line), in)) {
		const char *colon = strchr(line, ':');
		const char *name = line + strspn(line, " ");

		if (colon && strncmp(name, "lo:", 3) != 0)
			all += frames_of(colon + 1);
	}
	if (in)
		(void)fclose(in);
	return all;
}
