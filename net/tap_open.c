/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tap_open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_backend.h"
#include "net/net_offload.h"
#include "net/tun_info.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

#define TUN_PATH "/dev/net/tun"

/* One bit of the queue's offloads and the feature that asks for it. USO goes as a pair: see below. */
static const struct {
	uint64_t guest;
	unsigned tun;
} offload_bits[] = {
	{FEATURE(VIRTIO_NET_F_GUEST_CSUM), TUN_F_CSUM},
	{FEATURE(VIRTIO_NET_F_GUEST_TSO4), TUN_F_TSO4},
	{FEATURE(VIRTIO_NET_F_GUEST_TSO6), TUN_F_TSO6},
	{FEATURE(VIRTIO_NET_F_GUEST_ECN), TUN_F_TSO_ECN},
	{FEATURE(VIRTIO_NET_F_GUEST_UFO), TUN_F_UFO},
};

#define GUEST_USO (FEATURE(VIRTIO_NET_F_GUEST_USO4) | FEATURE(VIRTIO_NET_F_GUEST_USO6))
#define TUN_F_USO (TUN_F_USO4 | TUN_F_USO6)
#define GUEST_BASE                                                             \
	(FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
	 FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN))
/* What every kernel since 2.6.27 takes in a header on write, whatever TUNSETOFFLOAD said. */
#define HOST_BASE                                                           \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |     \
	 FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_ECN) | \
	 FEATURE(VIRTIO_NET_F_HOST_UFO))

static unsigned tun_bits(uint64_t guest)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(offload_bits); i++)
		if (guest & offload_bits[i].guest)
			bits |= offload_bits[i].tun;
	/* The kernel takes both or neither: frames of the other kind arrive cut up by then. */
	if ((guest & GUEST_USO) == GUEST_USO)
		bits |= TUN_F_USO;
	return bits;
}

static int set_offload_bits(struct tap_fd *t, unsigned bits)
{
	if (bits == t->offload_bits)
		return 0;
	if (ioctl(t->fd, TUNSETOFFLOAD, (unsigned long)bits) < 0)
		return -errno;
	t->offload_bits = bits;
	return 0;
}

int tap_fd_set_offloads(struct tap_fd *t, uint64_t offloads)
{
	return set_offload_bits(t, tun_bits(offloads));
}

bool tap_fd_takes_partial(const struct tap_fd *t)
{
	return t->offload_bits & TUN_F_CSUM;
}

int tap_fd_unlimited(struct tap_fd *t)
{
	int found, unlimited = INT_MAX;

	if (t->found_sndbuf >= 0)
		return 0;
	if (ioctl(t->fd, TUNGETSNDBUF, &found) < 0 || ioctl(t->fd, TUNSETSNDBUF, &unlimited) < 0)
		return -errno;
	t->found_sndbuf = found;
	return 0;
}

/*
 * The kernel says which offloads it knows only by refusing the others. All at once on a new kernel,
 * else what it takes of the older sets. Ends with none, as on a fresh TAP.
 */
static uint64_t probe(struct tap_fd *t)
{
	static const uint64_t sets[] = {
		GUEST_BASE | FEATURE(VIRTIO_NET_F_GUEST_UFO) | GUEST_USO,
		GUEST_BASE | FEATURE(VIRTIO_NET_F_GUEST_UFO),
		GUEST_BASE,
		FEATURE(VIRTIO_NET_F_GUEST_CSUM),
	};
	uint64_t can = HOST_BASE;

	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
		if (tap_fd_set_offloads(t, sets[i]) == 0) {
			can |= sets[i];
			break;
		}
	}
	if (can & GUEST_USO)
		can |= FEATURE(VIRTIO_NET_F_HOST_USO);
	tap_fd_set_offloads(t, 0);
	return can;
}

/* An ioctl on an interface by its name. 0 or -errno. */
static int if_ioctl(unsigned long request, struct ifreq *ifr)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (s < 0)
		return -errno;
	if (ioctl(s, request, ifr) < 0)
		ret = -errno;
	fd_close(&s);
	return ret;
}

static struct ifreq request_for(const char *ifname)
{
	struct ifreq ifr = {0};

	memcpy(ifr.ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	return ifr;
}

static int open_tun(const struct net_common *common)
{
	int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int ret = -errno;

	if (fd >= 0)
		return fd;
	if (ret == -ENOENT || ret == -ENODEV || ret == -ENXIO)
		log_error("%s: tap: there is no " TUN_PATH ": load it with 'modprobe tun'",
		          common->nic);
	else if (ret == -EACCES || ret == -EPERM)
		log_error("%s: tap: no permission to open " TUN_PATH ", needed is read and write",
		          common->nic);
	else
		log_error("%s: tap: " TUN_PATH ": %s", common->nic, strerror(-ret));
	/* ENOENT is a name that the user got wrong, and this is none. */
	return ret == -ENOENT ? -ENODEV : ret;
}

/* TUNSETIFF said EINVAL for an interface that exists: what is it? */
static const char *why_not_ours(const char *ifname, bool several)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq ifr = request_for(ifname);

	ifr.ifr_data = (void *)&info;
	if (if_ioctl(SIOCETHTOOL, &ifr) < 0 || strcmp(info.driver, "tun") != 0)
		return "is not a TAP but another kind of interface";
	if (strcmp(info.bus_info, "tap") != 0)
		return "is a TUN (packets without Ethernet header), needed is a TAP";
	if (several)
		return "is a TAP with one queue, queues= needs one made with multi_queue";
	return "is a multi-queue TAP, needed is one made without multi_queue, or queues=2 to 8";
}

static void say_refused(const struct net_common *common, const char *ifname, int err)
{
	const bool exists = ifname && if_nametoindex(ifname) != 0;
	const char *multi = common->more_pairs ? " multi_queue" : "";

	if (err == -EPERM && !ifname)
		log_error("%s: tap: creating an interface needs CAP_NET_ADMIN; or name one that "
		          "was made for you: ip tuntap add mode tap user NAME name tap0%s",
		          common->nic, multi);
	else if (err == -EPERM && !exists)
		log_error("%s: tap: %s does not exist, creating it needs CAP_NET_ADMIN; or have it "
		          "made for you: ip tuntap add mode tap user NAME name %s%s",
		          common->nic, ifname, ifname, multi);
	else if (err == -EPERM)
		log_error("%s: tap: %s belongs to somebody else, needed is to be its owner (ip "
		          "tuntap add mode tap user NAME) or CAP_NET_ADMIN",
		          common->nic, ifname);
	else if (err == -EBUSY)
		log_error("%s: tap: %s is in use already", common->nic, ifname);
	else if (err == -EINVAL && exists)
		log_error("%s: tap: %s %s", common->nic, ifname,
		          why_not_ours(ifname, common->more_pairs != 0));
	else
		log_error("%s: tap: %s: %s", common->nic, ifname ? ifname : "a new interface",
		          strerror(-err));
}

/* What we made is ours to set up; it vanishes when we close it. */
static int set_up_new(struct tap_fd *t, const struct net_common *common)
{
	struct ifreq ifr = request_for(t->ifname);
	int ret = 0;

	if (common->mtu) {
		ifr.ifr_mtu = common->mtu;
		ret = if_ioctl(SIOCSIFMTU, &ifr);
		if (ret < 0) {
			log_error("%s: tap: mtu=%u for %s: %s, a TAP takes 68 to 65521",
			          common->nic, common->mtu, t->ifname, strerror(-ret));
			return ret;
		}
	}
	ifr = request_for(t->ifname);
	ret = if_ioctl(SIOCGIFFLAGS, &ifr);
	if (ret == 0) {
		ifr.ifr_flags |= IFF_UP;
		ret = if_ioctl(SIOCSIFFLAGS, &ifr);
	}
	if (ret < 0)
		log_error("%s: tap: %s cannot be brought up: %s", common->nic, t->ifname,
		          strerror(-ret));
	return ret;
}

/* What we found we only look at; a network that cannot work is worth a line. */
static void look_at_found(const struct tap_fd *t, const struct net_common *common)
{
	struct ifreq ifr = request_for(t->ifname);

	if (if_ioctl(SIOCGIFFLAGS, &ifr) == 0 && !(ifr.ifr_flags & IFF_UP))
		log_warn("%s: %s is down, no frame passes before: ip link set %s up", common->nic,
		         t->ifname, t->ifname);
	ifr = request_for(t->ifname);
	if (common->mtu && if_ioctl(SIOCGIFMTU, &ifr) == 0 && ifr.ifr_mtu != common->mtu)
		log_warn("%s: the guest is told mtu=%u but %s has %d", common->nic, common->mtu,
		         t->ifname, ifr.ifr_mtu);
}

static bool good_ifname(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len < IFNAMSIZ && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 &&
	       s[strcspn(s, "/:% \t\n\v\f\r")] == '\0';
}

/*
 * Attach to the interface in @ifr, which is made when missing. *found: it was there before, with several
 * queues perhaps in use by somebody else too. 0 or -errno.
 */
static int attach(int fd, struct ifreq *ifr, bool several, bool *found)
{
	const char *name = ifr->ifr_name;

	*found = false;
	ifr->ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (several) {
		/* As a number of 16 bits, which is negative. */
		ifr->ifr_flags = (short)(ifr->ifr_flags | IFF_MULTI_QUEUE | IFF_TUN_EXCL);
		if (ioctl(fd, TUNSETIFF, ifr) == 0)
			return 0;
		if (errno != EBUSY || !if_nametoindex(name))
			return -errno;
		*found = true;
		ifr->ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
	}
	return ioctl(fd, TUNSETIFF, ifr) < 0 ? -errno : 0;
}

static int open_by_name(struct tap_fd *t, const char *ifname, const struct net_common *common)
{
	struct ifreq ifr = request_for(ifname ? ifname : "tap%d");
	int len = NET_HDR_LEN, ret;
	bool found;

	if (ifname && !good_ifname(ifname)) {
		log_error("%s: tap: ifname=%s is not a name of an interface, allowed: 1 to %d "
		          "characters without '/', ':', '%%' and blanks",
		          common->nic, ifname, IFNAMSIZ - 1);
		return -EINVAL;
	}
	t->fd = open_tun(common);
	if (t->fd < 0)
		return t->fd;
	ret = attach(t->fd, &ifr, common->more_pairs != 0, &found);
	if (ret < 0) {
		say_refused(common, ifname, ret);
		return ret;
	}
	memcpy(t->ifname, ifr.ifr_name, sizeof(t->ifname));
	/*
	 * A TAP that was there before, and had nobody attached, is a persistent one; so one that is not
	 * persistent is ours, or has several queues and somebody else on them.
	 */
	if (ioctl(t->fd, TUNGETIFF, &ifr) < 0)
		ret = -errno;
	if (ret == 0 && found && (!(ifr.ifr_flags & IFF_PERSIST) || tun_nr_queues(t->ifname) > 1)) {
		say_refused(common, ifname, -EBUSY);
		return -EBUSY;
	}
	if (ret == 0 && (ioctl(t->fd, TUNGETVNETHDRSZ, &t->found_hdr_len) < 0 ||
	                 ioctl(t->fd, TUNSETVNETHDRSZ, &len) < 0))
		ret = -errno;
	if (ret < 0) {
		log_error("%s: tap: %s: %s", common->nic, t->ifname, strerror(-ret));
		return ret;
	}
	t->hdr_len = NET_HDR_LEN;
	if (ifr.ifr_flags & IFF_PERSIST) {
		look_at_found(t, common);
		return 0;
	}
	t->found_hdr_len = -1;
	return set_up_new(t, common);
}

int tap_fd_more(const struct tap_fd *t, const struct net_common *common)
{
	struct ifreq ifr = request_for(t->ifname);
	int fd = open_tun(common), ret;

	if (fd < 0)
		return fd;
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	ret = -errno;
	log_error("%s: tap: one more queue of %s: %s", common->nic, t->ifname, strerror(-ret));
	close(fd);
	return ret;
}

int tap_queue_use(int fd, bool on)
{
	struct ifreq ifr = {.ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

	return ioctl(fd, TUNSETQUEUE, &ifr) < 0 ? -errno : 0;
}

static int refuse_fd(const struct net_common *common, int fd, const char *why)
{
	log_error("%s: tap: fd=%d %s, needed is an open TAP with IFF_VNET_HDR and IFF_NO_PI",
	          common->nic, fd, why);
	return -EINVAL;
}

static int take_fd(struct tap_fd *t, int fd, const struct net_common *common)
{
	struct ifreq ifr = {0};
	int len, ret;

	/* The handed-in descriptor stays open: it is not ours to close. */
	t->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (t->fd < 0)
		return refuse_fd(common, fd, "is not open");
	if (ioctl(t->fd, TUNGETIFF, &ifr) < 0)
		return refuse_fd(common, fd,
		                 errno == EBADFD ? "is not attached to an interface"
		                                 : "is not a TAP");
	if (!(ifr.ifr_flags & IFF_TAP))
		return refuse_fd(common, fd, "is a TUN");
	if (!(ifr.ifr_flags & IFF_VNET_HDR))
		return refuse_fd(common, fd, "is a TAP without IFF_VNET_HDR");
	/* Whether it was made with IFF_NO_PI cannot be asked: TUNGETIFF says yes in any case (6.18). */
	memcpy(t->ifname, ifr.ifr_name, sizeof(t->ifname));
	if (ioctl(t->fd, TUNGETVNETHDRSZ, &len) < 0 || (len != 10 && len != NET_HDR_LEN))
		return refuse_fd(common, fd, "has a header size that is neither 10 nor 12");
	t->hdr_len = (unsigned)len;
	t->found_flags = fcntl(t->fd, F_GETFL);
	ret = t->found_flags < 0 ? -errno : fd_set_nonblock(t->fd);
	if (ret < 0) {
		log_error("%s: tap: fd=%d: %s", common->nic, fd, strerror(-ret));
		return ret;
	}
	t->found_offload_bits = t->offload_bits = tun_offloads(t->fd, t->ifname);
	look_at_found(t, common);
	return 0;
}

int tap_fd_open(struct tap_fd *t, const struct tap_config *cfg, const struct net_common *common)
{
	int ret;

	*t = (struct tap_fd){.fd = -1, .found_hdr_len = -1, .found_flags = -1, .found_sndbuf = -1};
	if (cfg->fd <= INT_MAX && cfg->ifname) {
		log_error("%s: tap: ifname=%s and fd=%d exclude each other", common->nic,
		          cfg->ifname, (int)cfg->fd);
		return -EINVAL;
	}
	if (cfg->fd <= INT_MAX && common->more_pairs) {
		log_error("%s: tap: fd=%d is one queue, queues=%u needs ifname=, or neither",
		          common->nic, (int)cfg->fd, 1 + common->more_pairs);
		return -EINVAL;
	}
	if (cfg->fd <= INT_MAX)
		ret = take_fd(t, (int)cfg->fd, common);
	else
		ret = open_by_name(t, cfg->ifname, common);
	if (ret < 0) {
		tap_fd_close(t);
		return ret;
	}
	t->can = probe(t);
	return 0;
}

void tap_fd_close(struct tap_fd *t)
{
	if (t->fd < 0)
		return;
	set_offload_bits(t, t->found_offload_bits);
	if (t->found_sndbuf >= 0)
		ioctl(t->fd, TUNSETSNDBUF, &t->found_sndbuf);
	if (t->found_hdr_len >= 0)
		ioctl(t->fd, TUNSETVNETHDRSZ, &t->found_hdr_len);
	if (t->found_flags >= 0)
		fcntl(t->fd, F_SETFL, t->found_flags);
	fd_close(&t->fd);
}
