// SPDX-License-Identifier: Apache-2.0
#include "net/tun_info.h"

#include <errno.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "net/rtnl.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

/* More than the kernel says about any link. */
#define ANSWER_MAX KIB(16)
#define FIXED      sizeof(struct ifinfomsg)

struct request {
	struct nlmsghdr head;
	struct ifinfomsg link;
};

static const struct rtattr *find_in(const struct rtattr *a, unsigned type)
{
	return a ? rtnl_find(a + 1, a->rta_len - sizeof(*a), type) : NULL;
}

static int number_in(const struct rtattr *a, unsigned type)
{
	const struct rtattr *n = find_in(a, type);
	uint32_t v;

	if (!n || n->rta_len != sizeof(*n) + sizeof(v))
		return -ENODATA;
	memcpy(&v, n + 1, sizeof(v));
	return v > INT_MAX / 2 ? -ERANGE : (int)v;
}

static int read_answer(const uint8_t *msg, size_t len)
{
	const struct rtattr *data = find_in(
		rtnl_find(msg + NLMSG_SPACE(FIXED), len - NLMSG_LENGTH(FIXED), IFLA_LINKINFO),
		IFLA_INFO_DATA);
	const int attached = number_in(data, IFLA_TUN_NUM_QUEUES);
	const int detached = number_in(data, IFLA_TUN_NUM_DISABLED_QUEUES);

	return attached < 0 ? attached : detached < 0 ? detached : attached + detached;
}

int tun_nr_queues(const char *ifname)
{
	const struct request ask = {
		.head = {.nlmsg_len = sizeof(ask),
	                 .nlmsg_type = RTM_GETLINK,
	                 .nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_index = (int)if_nametoindex(ifname)},
	};
	alignas(struct nlmsghdr) uint8_t answer[ANSWER_MAX];
	int fd = rtnl_open();
	ssize_t len;

	if (fd < 0)
		return fd;
	len = rtnl_ask(fd, &ask.head, RTM_NEWLINK, FIXED, answer, sizeof(answer));
	fd_close(&fd);
	return len < 0 ? (int)len : read_answer(answer, (size_t)len);
}

/* ---- offloads */

#define FEATURES_MAX 256u /* 64 in Linux 6.x, and each has a bit and a name */

/* What of an interface's features (kernel: ethtool's names) comes from which bits of TUNSETOFFLOAD. */
static const struct {
	const char *feature;
	unsigned tun;
} offload_features[] = {
	{"tx-checksum-ip-generic", TUN_F_CSUM},
	{"tx-tcp-segmentation", TUN_F_TSO4},
	{"tx-tcp6-segmentation", TUN_F_TSO6},
	{"tx-tcp-ecn-segmentation", TUN_F_TSO_ECN},
	{"tx-udp-segmentation", TUN_F_USO4 | TUN_F_USO6},
};

static int ethtool(int s, const char *ifname, void *request)
{
	struct ifreq ifr = {.ifr_data = request};

	memcpy(ifr.ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	return ioctl(s, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/* Features that the kernel knows; 0 when it does not tell. */
static unsigned nr_features(int s, const char *ifname)
{
	struct ethtool_sset_info *ask = calloc(1, sizeof(*ask) + sizeof(ask->data[0]));
	unsigned nr = 0;

	if (!ask)
		return 0;
	ask->cmd = ETHTOOL_GSSET_INFO;
	ask->sset_mask = UINT64_C(1) << ETH_SS_FEATURES;
	if (ethtool(s, ifname, ask) == 0 && ask->sset_mask && ask->data[0] <= FEATURES_MAX)
		nr = ask->data[0];
	free(ask);
	return nr;
}

static unsigned offload_of(const uint8_t *feature)
{
	for (unsigned i = 0; i < ARRAY_SIZE(offload_features); i++)
		if (strncmp((const char *)feature, offload_features[i].feature, ETH_GSTRING_LEN) ==
		    0)
			return offload_features[i].tun;
	return 0;
}

static unsigned active_offloads(int s, const char *ifname)
{
	const unsigned nr = nr_features(s, ifname);
	const unsigned blocks = (nr + 31) / 32; /* of 32 bits each */
	struct ethtool_gstrings *names = calloc(1, sizeof(*names) + (size_t)nr * ETH_GSTRING_LEN);
	struct ethtool_gfeatures *bits =
		calloc(1, sizeof(*bits) + blocks * sizeof(bits->features[0]));
	unsigned found = 0;

	if (nr > 0 && names && bits) {
		names->cmd = ETHTOOL_GSTRINGS;
		names->string_set = ETH_SS_FEATURES;
		names->len = nr;
		bits->cmd = ETHTOOL_GFEATURES;
		bits->size = blocks;
		if (ethtool(s, ifname, names) < 0 || ethtool(s, ifname, bits) < 0)
			bits->size = 0; /* none of them */
		for (unsigned i = 0; i < nr && i / 32 < min_u32(bits->size, blocks); i++)
			if (bits->features[i / 32].active & (1u << i % 32))
				found |= offload_of(names->data + (size_t)i * ETH_GSTRING_LEN);
	}
	free(names);
	free(bits);
	return found;
}

/* The name is one of this thread's network namespace, which need not be the descriptor's. */
static bool is_here(int s, int fd, const char *ifname)
{
	struct ifreq by_fd = {0}, by_name = {0};

	memcpy(by_name.ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	return ioctl(fd, SIOCGIFHWADDR, &by_fd) == 0 && ioctl(s, SIOCGIFHWADDR, &by_name) == 0 &&
	       memcmp(by_fd.ifr_hwaddr.sa_data, by_name.ifr_hwaddr.sa_data, ETH_ALEN) == 0;
}

unsigned tun_offloads(int fd, const char *ifname)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned found = s >= 0 && is_here(s, fd, ifname) ? active_offloads(s, ifname) : 0;

	fd_close(&s);
	return found;
}
