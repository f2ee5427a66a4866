/* SPDX-License-Identifier: Apache-2.0 */
#include "net/vhost_net.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

#define VHOST_PATH "/dev/vhost-net"

/*
 * vhost-net says nothing when the interface is deleted under it, and whoever polls the TAP is woken by
 * every frame: so it is looked at this often.
 */
#define LOOK_NS UINT64_C(1000000000)

/*
 * With VHOST_NET_TRY, while that pays. Longer than the round trip of somebody who asks and waits, since only then the
 * worker still looks when the next request comes: 1 ms in the lab, and elsewhere it takes less.
 */
#define POLL_US 1000u

/* What of the accepted features is vhost's business: the others are the TAP's, or ours. */
#define VHOST_BITS                                                                 \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) |           \
	 FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX) | \
	 FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER))

void vhost_net_init(struct vhost_net *v, struct loop *l, const char *ifname,
                    struct net_backend_stats *stats)
{
	*v = (struct vhost_net){
		.fd = -1, .loop = l, .tap_fd = -1, .ifname = ifname, .stats = stats};
	v->bytes = IF_BYTES_NONE;
	for (unsigned i = 0; i < VHOST_NET_RINGS; i++)
		v->err[i].watch.fd = -1;
}

/* ---- open */

static int open_device(char *why, size_t size)
{
	int fd = open(VHOST_PATH, O_RDWR | O_CLOEXEC);
	int ret = -errno;

	if (fd >= 0)
		return fd;
	if (ret == -ENOENT || ret == -ENODEV || ret == -ENXIO)
		snprintf(why, size,
		         "there is no " VHOST_PATH ": load it with 'modprobe vhost_net'");
	else if (ret == -EACCES || ret == -EPERM)
		snprintf(why, size,
		         "no permission to open " VHOST_PATH ", needed is read and write: be a "
		         "member of its group (often kvm), or root");
	else
		snprintf(why, size, VHOST_PATH ": %s", strerror(-ret));
	/* ENOENT is a name that the user got wrong, and this is none. */
	return ret == -ENOENT ? -ENODEV : ret;
}

static int set_file(const struct vhost_net *v, unsigned long request, unsigned i, int fd)
{
	struct vhost_vring_file f = {.index = i, .fd = fd};

	return ioctl(v->fd, request, &f) < 0 ? -errno : 0;
}

static int set_number(const struct vhost_net *v, unsigned long request, unsigned i, uint32_t num)
{
	struct vhost_vring_state s = {.index = i, .num = num};

	return ioctl(v->fd, request, &s) < 0 ? -errno : 0;
}

static int set_memory(int fd, const struct gmem *m)
{
	alignas(struct vhost_memory)
		uint8_t table[sizeof(struct vhost_memory) +
	                      GMEM_MAX_REGIONS * sizeof(struct vhost_memory_region)] = {0};
	struct vhost_memory *mem = (void *)table;

	mem->nregions = m->nr;
	for (unsigned i = 0; i < m->nr; i++) {
		const struct gmem_region *r = &m->region[i];

		mem->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = r->base,
			.memory_size = r->size,
			.userspace_addr = (uintptr_t)r->host,
		};
	}
	return ioctl(fd, VHOST_SET_MEM_TABLE, mem);
}

static void on_err(void *arg, unused uint32_t revents)
{
	struct vhost_err *e = arg;
	struct vhost_net *v = e->v;

	if (fd_event_take(e->watch.fd) && v->serving)
		v->sink.bad_ring(v->sink.arg, v->first_ring + (unsigned)(e - v->err));
}

static void look_at_tap(void *arg)
{
	struct vhost_net *v = arg;
	struct pollfd p = {.fd = v->tap_fd};

	if (poll(&p, 1, 0) == 1 && (p.revents & POLLERR))
		v->sink.gone(v->sink.arg, -ENODEV); /* stops us */
	else
		loop_timer_at(v->loop, &v->look, loop_now_ns() + LOOK_NS);
}

/* By which vhost tells that it found a rule broken on ring @i. */
static int watch_ring(struct vhost_net *v, unsigned i)
{
	struct vhost_err *e = &v->err[i];
	int ret = fd_eventfd();

	if (ret < 0)
		return ret;
	*e = (struct vhost_err){.v = v};
	e->watch = (struct loop_fd){.fd = ret, .events = EPOLLIN, .fn = on_err, .arg = e};
	ret = loop_add(v->loop, &e->watch);
	return ret < 0 ? ret : set_file(v, VHOST_SET_VRING_ERR, i, e->watch.fd);
}

static int set_busyloop(const struct vhost_net *v, unsigned i, uint64_t us)
{
	return set_number(v, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, i, (uint32_t)us);
}

/* Kernels before 4.7 have no busy loop: then it is refused, if one was asked for. 0 or -errno. */
static int ask_for_busyloop(struct vhost_net *v, uint64_t us)
{
	const bool try = us == VHOST_NET_TRY;
	int ret = 0;

	for (unsigned i = 0; i < VHOST_NET_RINGS && ret == 0; i++)
		ret = set_busyloop(v, i, try ? 0 : us);
	if (ret == 0 && try)
		ret = if_bytes_open(&v->bytes, v->ifname);
	v->tries = ret == 0 && try;
	v->polling = false;
	if (ret < 0 && try)
		log_debug("%s: busyloop=try is 0 here: %s", v->ifname, strerror(-ret));
	return us && !try ? ret : 0;
}

/* It takes the lock of the ring, under which the worker polls: POLL_US for each ring at most. */
static void poll_rings(struct vhost_net *v, bool on)
{
	if (v->polling == on)
		return;
	for (unsigned i = 0; i < VHOST_NET_RINGS; i++)
		set_busyloop(v, i, on ? POLL_US : 0);
	v->polling = on;
	v->stats->trial_calls += VHOST_NET_RINGS;
	v->stats->trial_switches++;
}

/* Of ring @i. The guest may write it, too, and it is only counted with: partner of nothing. */
static uint16_t used_index(const struct vhost_net *v, unsigned i)
{
	return le16toh(__atomic_load_n(v->used[i], __ATOMIC_RELAXED));
}

static struct busyloop_seen see(struct vhost_net *v)
{
	/* First this, which may have to wait: the time is that of the numbers. */
	const uint64_t bytes = if_bytes_read(&v->bytes);

	v->stats->trial_calls += IF_BYTES_CALLS;
	return (struct busyloop_seen){.now_ns = loop_now_ns(),
	                              .bytes = bytes,
	                              .rx = used_index(v, 0),
	                              .tx = used_index(v, 1)};
}

static void look_at_rings(void *arg)
{
	struct vhost_net *v = arg;
	const uint64_t trials = v->busy.trial.trials, paid = v->busy.trial.paid;
	const struct busyloop_seen seen = see(v);

	busyloop_look(&v->busy, &seen);
	poll_rings(v, v->busy.trial.on);
	v->stats->trials += v->busy.trial.trials - trials;
	v->stats->trials_paid += v->busy.trial.paid - paid;
	loop_timer_at(v->loop, &v->busy_look, busyloop_next_ns(&v->busy));
}

/*
 * Before vhost has the rings, whose addresses were judged. A packed one has no used index: there it does not poll.
 * The kernel is told now that it does not, since to tell it later would wait for the worker.
 */
static int try_busyloop(struct vhost_net *v, const struct vhost_net_how *how,
                        const struct net_ring *ring)
{
	struct busyloop_seen seen;

	if (!v->tries)
		return 0;
	poll_rings(v, false);
	if (how->accepted & FEATURE(VIRTIO_F_RING_PACKED))
		return 0;
	for (unsigned i = 0; i < VHOST_NET_RINGS; i++)
		v->used[i] = gmem_ptr(how->mem, ring[i].used + offsetof(struct vring_used, idx),
		                      sizeof(*v->used[i]));
	seen = see(v);
	busyloop_begin(&v->busy, &seen);
	return loop_timer_at(v->loop, &v->busy_look, busyloop_next_ns(&v->busy));
}

/* What the kernel needs time for, a new worker above all. NULL; or what failed, and *ret is -errno. */
static const char *set_up(struct vhost_net *v, const struct gmem *m, int *ret)
{
	*ret = 0;
	if (ioctl(v->fd, VHOST_SET_OWNER) < 0) {
		*ret = -errno;
		return "VHOST_SET_OWNER";
	}
	if (ioctl(v->fd, VHOST_GET_FEATURES, &v->offered) < 0) {
		*ret = -errno;
		return "VHOST_GET_FEATURES";
	}
	if (set_memory(v->fd, m) < 0) {
		*ret = -errno;
		return "VHOST_SET_MEM_TABLE";
	}
	return NULL;
}

/* What else stays as it is from one start to the next: as set_up(). */
static const char *watch(struct vhost_net *v, uint64_t busyloop_us, int *ret)
{
	for (unsigned i = 0; i < VHOST_NET_RINGS; i++) {
		*ret = watch_ring(v, i);
		if (*ret < 0)
			return "VHOST_SET_VRING_ERR";
	}
	*ret = ask_for_busyloop(v, busyloop_us);
	if (*ret < 0)
		return "VHOST_SET_VRING_BUSYLOOP_TIMEOUT";
	v->look = (struct loop_timer){.fn = look_at_tap, .arg = v};
	v->busy_look = (struct loop_timer){.fn = look_at_rings, .arg = v};
	*ret = loop_timer_make(v->loop, &v->look);
	if (*ret == 0 && v->tries)
		*ret = loop_timer_make(v->loop, &v->busy_look);
	return *ret < 0 ? "timerfd_create" : NULL;
}

int vhost_net_open(struct vhost_net *v, const struct gmem *m, char *why, size_t why_size)
{
	const char *what;
	int ret;

	if (v->fd >= 0)
		return 0;
	ret = open_device(why, why_size);
	if (ret < 0)
		return ret;
	v->fd = ret;
	what = set_up(v, m, &ret);
	if (what) {
		snprintf(why, why_size, VHOST_PATH ": %s: %s", what, strerror(-ret));
		fd_close(&v->fd);
	}
	return ret;
}

int vhost_net_watch(struct vhost_net *v, uint64_t busyloop_us, char *why, size_t why_size)
{
	const char *what;
	int ret = 0;

	if (v->look.watch.loop)
		return 0;
	what = watch(v, busyloop_us, &ret);
	if (what) {
		snprintf(why, why_size, VHOST_PATH ": %s: %s", what, strerror(-ret));
		vhost_net_close(v);
	}
	return ret;
}

void vhost_net_close(struct vhost_net *v)
{
	loop_timer_off(&v->look);
	loop_timer_off(&v->busy_look);
	for (unsigned i = 0; i < VHOST_NET_RINGS; i++) {
		loop_del(&v->err[i].watch);
		fd_close(&v->err[i].watch.fd);
	}
	if_bytes_close(&v->bytes);
	fd_close(&v->fd);
	v->bound = false;
}

/* ---- start and stop */

static int set_addresses(const struct vhost_net *v, const struct gmem *m, unsigned i,
                         const struct net_ring *r)
{
	struct vhost_vring_addr a = {
		.index = i,
		.desc_user_addr = (uintptr_t)gmem_ptr(m, r->desc, 1),
		.avail_user_addr = (uintptr_t)gmem_ptr(m, r->avail, 1),
		.used_user_addr = (uintptr_t)gmem_ptr(m, r->used, 1),
	};

	return ioctl(v->fd, VHOST_SET_VRING_ADDR, &a) < 0 ? -errno : 0;
}

/* Everything about ring @i but the TAP: vhost does not look at it before. */
static int set_ring(const struct vhost_net *v, const struct gmem *m, unsigned i,
                    const struct net_ring *r)
{
	const char *what = "VHOST_SET_VRING_NUM";
	int ret = set_number(v, VHOST_SET_VRING_NUM, i, r->num);

	if (ret == 0) {
		what = "VHOST_SET_VRING_BASE";
		ret = set_number(v, VHOST_SET_VRING_BASE, i, r->next_avail);
	}
	if (ret == 0) {
		what = "VHOST_SET_VRING_ADDR";
		ret = set_addresses(v, m, i, r);
	}
	if (ret == 0) {
		what = "VHOST_SET_VRING_CALL";
		ret = set_file(v, VHOST_SET_VRING_CALL, i, r->call_fd);
	}
	if (ret == 0) {
		what = "VHOST_SET_VRING_KICK";
		ret = set_file(v, VHOST_SET_VRING_KICK, i, r->kick_fd);
	}
	if (ret < 0)
		log_error("%s of ring %u: %s", what, i, strerror(-ret));
	return ret;
}

/*
 * Take the TAP away from all rings; the kernel waits for its worker, and puts back to the TAP what was
 * taken ahead. The first @served of them had it: where they ended is news.
 */
static void detach(struct vhost_net *v, struct net_ring *ring, unsigned nr, unsigned served)
{
	v->serving = false;
	loop_timer_rest(&v->busy_look);
	for (unsigned i = 0; i < nr; i++)
		set_file(v, VHOST_NET_SET_BACKEND, i, VHOST_FILE_UNBIND);
	for (unsigned i = 0; i < served; i++) {
		struct vhost_vring_state s = {.index = i};

		/* Cannot fail; if it does, nobody knows the state, and this is no index. */
		ring[i].next_avail = UINT32_MAX;
		if (ioctl(v->fd, VHOST_GET_VRING_BASE, &s) == 0)
			ring[i].next_avail = s.num;
	}
	loop_timer_rest(&v->look);
	v->tap_fd = -1;
}

/*
 * A kick wakes the worker until now, which finds no TAP and leaves the ring alone; it never reads the eventfd. To
 * unbind that waits for the worker once more, each time.
 */
void vhost_net_let_go(struct vhost_net *v)
{
	for (unsigned i = 0; i < VHOST_NET_RINGS && v->bound; i++) {
		set_file(v, VHOST_SET_VRING_KICK, i, VHOST_FILE_UNBIND);
		set_file(v, VHOST_SET_VRING_CALL, i, VHOST_FILE_UNBIND);
	}
	v->bound = false;
}

int vhost_net_start(struct vhost_net *v, const struct vhost_net_how *how, struct net_ring *ring,
                    unsigned nr, const struct net_sink *s)
{
	/* Not VHOST_NET_F_VIRTIO_NET_HDR: the TAP makes and takes the headers. */
	const uint64_t features = how->accepted & VHOST_BITS;
	unsigned served = 0;
	int ret = 0;

	v->sink = *s;
	v->tap_fd = how->tap_fd;
	v->first_ring = how->first_ring;
	if (ioctl(v->fd, VHOST_SET_FEATURES, &features) < 0) {
		ret = -errno;
		log_error("VHOST_SET_FEATURES 0x%llx: %s", (unsigned long long)features,
		          strerror(-ret));
		return ret;
	}
	v->bound = true;
	for (unsigned i = 0; i < nr && ret == 0; i++) {
		fd_event_take(v->err[i].watch.fd); /* what was wrong before */
		ret = set_ring(v, how->mem, i, &ring[i]);
	}
	if (ret == 0)
		ret = try_busyloop(v, how, ring);
	if (ret == 0)
		ret = loop_timer_at(v->loop, &v->look, loop_now_ns());
	while (served < nr && ret == 0) {
		ret = set_file(v, VHOST_NET_SET_BACKEND, served, how->tap_fd);
		if (ret < 0)
			log_error("VHOST_NET_SET_BACKEND of ring %u: %s", served, strerror(-ret));
		else
			served++;
	}
	v->serving = ret == 0;
	if (ret < 0) {
		detach(v, ring, nr, served);
		vhost_net_let_go(v);
	}
	return ret;
}

void vhost_net_stop(struct vhost_net *v, struct net_ring *ring, unsigned nr)
{
	detach(v, ring, nr, nr);
}
