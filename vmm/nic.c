/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/nic.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/net_features.h"
#include "devices/virtio.h"
#include "devices/virtio_net.h"
#include "net/mac.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/tasks.h"
#include "vmm/stats.h"

static int open_backend(struct nic *n, uint64_t deadline_ns, struct net_pairs *pairs)
{
	const struct nic_config *cfg = n->cfg;
	struct net_common common = {
		.nic = cfg->name,
		.mtu = (uint16_t)cfg->mtu,
		.deadline_ns = deadline_ns,
		.more_pairs = (unsigned)cfg->queues - 1,
		.more_loops = n->more_loops,
		.pairs = pairs,
	};
	int ret;

	memcpy(common.mac, cfg->mac, sizeof(common.mac));
	ret = cfg->kind->create(cfg->backend, &common, n->loop, &n->backend);
	if (ret < 0 || !cfg->pcap)
		return ret;
	ret = net_pcap_create(cfg->pcap, deadline_ns, n->backend, &n->backend);
	if (ret < 0)
		return ret;
	n->pcap = strdup(cfg->pcap);
	if (!n->pcap) {
		log_error("%s: out of memory", cfg->name);
		return -ENOMEM;
	}
	return 0;
}

static const char *path_name(const struct nic *n, bool rings)
{
	return rings ? n->backend->ring->name : "pure";
}

/* What the rings' peer cannot honour is not possible here: *can shrinks. */
static int prepare_rings(struct nic *n, const struct gmem *mem, uint64_t *can)
{
	struct net_backend *b = n->backend;
	char why[256], names[256];
	int ret;

	if (!n->rings)
		return 0;
	ret = b->ring->prepare(b, mem, why, sizeof(why));
	if (ret < 0) {
		log_error("%s: path=%s: %s", n->cfg->name, b->ring->name, why);
		return ret;
	}
	if (*can & b->ring_cannot)
		log_info("%s: not offered, as path=%s cannot honour it: %s", n->cfg->name,
		         b->ring->name,
		         net_features_print(*can & b->ring_cannot, names, sizeof(names)));
	*can = net_features_close(*can & ~b->ring_cannot);
	return 0;
}

/* @can: of device and backend. 0 and *features; or -EINVAL after one log_error(). */
static int parse_features(const struct nic_config *cfg, uint64_t can, uint64_t *features)
{
	char why[256];
	int ret;

	if (cfg->transport == NIC_MMIO_LEGACY)
		can = net_features_legacy(can);
	ret = net_features_parse(cfg->features, can, features, why, sizeof(why));
	if (ret < 0)
		log_error("--net %s: features=%s%s: %s", cfg->kind->name, cfg->features,
		          cfg->transport == NIC_MMIO_LEGACY ? " with transport=mmio-legacy" : "",
		          why);
	return ret;
}

/* Pinned: a guest that reboots finds what it found before, whatever path was chosen meanwhile. */
static int choose_features(struct nic *n, uint64_t can)
{
	if (n->features)
		return 0;
	return parse_features(n->cfg, can, &n->features);
}

/* What no peer on the rings could make possible, so that none is waited for. 0 or -EINVAL. */
static int check_possible(const struct nic *n)
{
	const struct nic_config *cfg = n->cfg;
	const struct net_backend *b = n->backend;
	const bool legacy = cfg->transport == NIC_MMIO_LEGACY;
	uint64_t can = virtio_net_can(b->can, cfg->mtu != 0), features;
	int ret;

	if (n->rings && (legacy || cfg->irq == NIC_IRQ_IOCTL)) {
		log_error("%s: %s and path=%s exclude each other: %s", cfg->name,
		          legacy ? "transport=mmio-legacy" : "irq=ioctl", b->ring->name,
		          legacy ? "a legacy device is served by doorbell itself"
		                 : "rings that others serve interrupt by an irqfd");
		return -EINVAL;
	}
	if (n->rings)
		can = net_features_close(can & ~b->ring_cannot);
	ret = parse_features(cfg, can, &features);
	if (ret < 0)
		return ret;
	if (cfg->kick == NIC_KICK_IOEVENTFD && (features & FEATURE(VIRTIO_F_NOTIFICATION_DATA))) {
		log_error("%s: kick=ioeventfd and features=%s exclude each other: no ioeventfd "
		          "matches the kicks of notification_data, allowed is exit, inline",
		          cfg->name, cfg->features);
		return -EINVAL;
	}
	return 0;
}

static void remember_counters(struct nic *n)
{
	unsigned i = 0;

	for (const struct net_backend *b = nic_backend(n); b; b = b->next, i++) {
		n->stats_before[i] = b->stats;
		loop_stats(nic_loop(n, i), &n->loop_before[i]);
	}
}

int nic_make_device(struct nic *n, const struct gmem *mem)
{
	const struct nic_config *cfg = n->cfg;
	uint64_t can = virtio_net_can(n->backend->can, cfg->mtu != 0);
	struct virtio_net_params dev = {
		.name = cfg->name,
		.mtu = (uint16_t)cfg->mtu,
		.queue_size = (uint32_t)cfg->queue_size,
		.rings = n->rings,
		.link_down = !n->link,
		.poll = (enum poll_mode)cfg->poll,
		.tx_hold_us = (unsigned)cfg->tx_hold,
		.kick_wait_us = (unsigned)cfg->kick_wait,
		.kick_inline = cfg->kick == NIC_KICK_INLINE,
		.more_pairs = (unsigned)cfg->queues - 1,
		.more_loops = n->more_loops,
	};
	char names[512];
	int ret;

	remember_counters(n);
	ret = prepare_rings(n, mem, &can);
	if (ret < 0)
		return ret;
	memcpy(dev.mac, cfg->mac, sizeof(dev.mac));
	ret = choose_features(n, can);
	if (ret < 0)
		return ret;
	dev.features = n->features;
	log_info("%s: %s %s, path %s, offered: %s", cfg->name, n->backend->kind, n->backend->label,
	         path_name(n, dev.rings), net_features_print(dev.features, names, sizeof(names)));
	ret = virtio_net_create(&dev, n->backend, mem, n->loop, &n->net);
	if (ret < 0)
		log_error("%s: the device cannot be made: %s", cfg->name, strerror(-ret));
	return ret;
}

struct net_backend *nic_backend(const struct nic *n)
{
	return n->pcap ? net_pcap_inner(n->backend) : n->backend;
}

static int make_loops(struct nic *n, const struct net_pairs *pairs)
{
	const struct nic_config *cfg = n->cfg;
	struct loop *with = cfg->kind->loop ? cfg->kind->loop(cfg->backend, pairs) : NULL;
	int ret = 0;

	n->shares_loop = with;
	if (with)
		n->loop = loop_share(with);
	else
		ret = loop_create(&n->loop);
	for (unsigned i = 0; i + 1 < n->cfg->queues && ret == 0; i++) {
		if (cfg->kind->one_loop)
			n->more_loops[i] = loop_share(n->loop);
		else
			ret = loop_create(&n->more_loops[i]);
	}
	if (ret < 0)
		log_error("%s: no event loop: %s", n->cfg->name, strerror(-ret));
	for (unsigned i = 0; ret == 0 && cfg->kick == NIC_KICK_INLINE && i < cfg->queues; i++)
		loop_let_visit(nic_loop(n, i));
	return ret;
}

int nic_open(struct nic *n, const struct nic_config *cfg, uint64_t deadline_ns,
             struct net_pairs *pairs)
{
	int ret;

	*n = (struct nic){.cfg = cfg, .link = true, .irq_fd = -1, .ack_fd = -1};
	pthread_mutex_init(&n->wire_lock, NULL);
	ret = make_loops(n, pairs);
	if (ret == 0)
		ret = open_backend(n, deadline_ns, pairs);
	if (ret < 0) {
		nic_close(n);
		return ret;
	}
	n->rings = n->backend->ring_first;
	ret = check_possible(n);
	if (ret < 0)
		nic_close(n);
	return ret;
}

struct loop *nic_loop(const struct nic *n, unsigned pair)
{
	return pair ? n->more_loops[pair - 1] : n->loop;
}

int nic_start(struct nic *n)
{
	int ret = n->pcap ? net_pcap_begin(n->backend) : 0;

	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < n->cfg->queues && ret == 0; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%s-%u", n->cfg->name, i);
		if (i || !n->shares_loop)
			loop_unstop(nic_loop(n, i));
		ret = loop_thread_start(nic_loop(n, i), i ? name : n->cfg->name);
	}
	if (ret < 0)
		log_error("%s: no thread: %s", n->cfg->name, strerror(-ret));
	return ret;
}

void nic_stop(struct nic *n)
{
	/* The device's first: it is the one that waits for the others. */
	if (n->loop)
		loop_thread_stop(n->loop);
	for (unsigned i = 0; i < ARRAY_SIZE(n->more_loops); i++)
		if (n->more_loops[i])
			loop_thread_stop(n->more_loops[i]);
}

void nic_add_ended_tasks(const struct nic *n, json_t *all)
{
	struct task t;

	for (unsigned i = n->shares_loop; i < n->cfg->queues; i++)
		if ((i == 0 || nic_loop(n, i) != n->loop) && loop_thread_ended(nic_loop(n, i), &t))
			json_array_append_new(all, stats_of_task(&t));
}

struct snapshot {
	const struct virtio_net *net;
	const struct net_backend *backend;
	const struct virtio_dev *dev;
	bool link, rings, by_rss;
	unsigned pairs;
	const char *peer; /* NULL: none that comes and goes */
	uint8_t status;
	uint64_t accepted;
};

static void take_snapshot(void *arg)
{
	struct snapshot *s = arg;

	s->link = virtio_net_link(s->net);
	s->rings = virtio_net_rings(s->net);
	s->pairs = virtio_net_pairs(s->net, &s->by_rss);
	s->peer = s->backend->peer;
	s->status = s->dev->status;
	s->accepted = s->dev->accepted;
}

static const char *driver_state(uint8_t status)
{
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return "broken";
	if (status & VIRTIO_CONFIG_S_FAILED)
		return "failed";
	if (status & VIRTIO_CONFIG_S_DRIVER_OK)
		return "running";
	return status ? "starting" : "none";
}

json_t *nic_status(struct nic *n)
{
	struct snapshot s = {
		.net = n->net, .backend = nic_backend(n), .dev = virtio_net_dev(n->net)};
	json_t *o;
	char offered[512], accepted[512], mac[MAC_TEXT];

	loop_call(n->loop, take_snapshot, &s);
	net_features_print(s.dev->offered, offered, sizeof(offered));
	net_features_print(s.accepted, accepted, sizeof(accepted));
	mac_print(n->cfg->mac, mac);
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s?}",
	              "name", n->cfg->name, "kind", n->backend->kind, "label", n->backend->label,
	              "path", path_name(n, s.rings), "poll", poll_mode_names[n->cfg->poll],
	              "queues", (json_int_t)n->cfg->queues, "pairs_in_use", (json_int_t)s.pairs,
	              "steering", s.by_rss ? "rss" : "automatic", "mac", mac, "link",
	              s.link ? "up" : "down", "driver", driver_state(s.status), "offered", offered,
	              "accepted", accepted, "pcap", n->pcap);
	if (o && n->mmio.dev)
		nic_describe_registers(n, o);
	if (o && nic_backend(n)->busyloop)
		json_object_set_new(o, "busyloop", json_string(nic_backend(n)->busyloop));
	if (o && s.peer)
		json_object_set_new(o, "peer", json_string(s.peer));
	return o;
}

struct link_wish {
	struct virtio_net *net;
	bool up;
};

static void set_link(void *arg)
{
	const struct link_wish *w = arg;

	virtio_net_set_link(w->net, w->up);
}

void nic_set_link(struct nic *n, bool up)
{
	struct link_wish w = {n->net, up};

	n->link = up;
	loop_call(n->loop, set_link, &w);
}

/* ---- who serves the rings */

struct path_wish {
	struct virtio_net *net;
	bool rings;
	struct virtio_net_switch s;
	int ret;
};

static void set_path(void *arg)
{
	struct path_wish *w = arg;

	w->ret = virtio_net_set_path(w->net, w->rings, &w->s);
}

#define PATH_TRIES       300u
#define PATH_WAIT_MIN_NS 100000L
#define PATH_WAIT_MAX_NS 5000000L

static void note_pause(struct nic *n, uint64_t ns)
{
	if (!n->pauses)
		n->pauses = calloc(1, sizeof(*n->pauses));
	if (n->pauses) /* a number less, without memory */
		samples_add(n->pauses, ns);
}

/* What needs no look at the device. */
static int refuse_path(struct nic *n, const char *path, bool rings, char *why, size_t why_size)
{
	const struct net_ring_ops *ring = n->backend->ring;

	if (n->backend->ring_only && strcmp(path, ring->name) != 0) {
		snprintf(why, why_size, "the path of a %s NIC is %s, and cannot be changed",
		         n->backend->kind, ring->name);
		return -ENOTSUP;
	}
	if (rings && n->pcap) {
		snprintf(why, why_size, "%s: its frames are captured: pcap=off first",
		         n->cfg->name);
		return -EBUSY;
	}
	if (rings && virtio_net_dev(n->net)->watch) {
		snprintf(why, why_size, "%s: its driver is checked, which needs path=pure",
		         n->cfg->name);
		return -EBUSY;
	}
	if (rings && (!ring || strcmp(path, ring->name) != 0)) {
		snprintf(why, why_size, "the path of %s %s can be pure%s%s, not '%.20s'",
		         n->backend->kind, n->backend->label, ring ? " or " : "",
		         ring ? ring->name : "", path);
		return -EINVAL;
	}
	return 0;
}

static void try_path(struct path_wish *w)
{
	w->ret = w->rings ? virtio_net_open_rings(w->net, w->s.why, sizeof(w->s.why)) : 0;
	if (w->ret == 0)
		loop_call(virtio_net_dev(w->net)->loop, set_path, w);
}

/* Tried again for a second while a frame waits: for microseconds, or because the driver posts no buffers. */
static void insist_on_path(struct path_wish *w)
{
	struct timespec wait = {.tv_nsec = PATH_WAIT_MIN_NS};

	try_path(w);
	for (unsigned i = 0; w->ret == -EAGAIN && i < PATH_TRIES; i++) {
		nanosleep(&wait, NULL);
		if (wait.tv_nsec <= PATH_WAIT_MAX_NS / 2)
			wait.tv_nsec *= 2;
		try_path(w);
	}
}

int nic_set_path(struct nic *n, const char *path, json_t **result, char *why, size_t why_size)
{
	struct path_wish w = {.net = n->net, .rings = strcmp(path, "pure") != 0};
	int ret = refuse_path(n, path, w.rings, why, why_size);

	if (ret < 0)
		return ret;
	insist_on_path(&w);
	if (w.ret < 0) {
		snprintf(why, why_size, "%s: path=%s: %s", n->cfg->name, path, w.s.why);
		return w.ret;
	}
	if (!w.rings)
		virtio_net_let_go(n->net);
	n->rings = w.rings;
	log_info("%s: path %s, after a pause of %llu ns", n->cfg->name, path,
	         (unsigned long long)w.s.pause_ns);
	if (w.s.pause_ns)
		note_pause(n, w.s.pause_ns);
	*result = json_pack("{s:s, s:I, s:I}", "path", path, "pause_ns", (json_int_t)w.s.pause_ns,
	                    "pause_at_ns", (json_int_t)w.s.pause_at_ns);
	return 0;
}

/* ---- captures */

struct pcap_wish {
	struct nic *n;
	struct net_backend *use; /* from now on */
	int ret;
};

static void use_backend(void *arg)
{
	struct pcap_wish *w = arg;

	w->ret = virtio_net_use(w->n->net, w->use);
}

static int use(struct nic *n, struct net_backend *b)
{
	struct pcap_wish w = {.n = n, .use = b};

	loop_call(n->loop, use_backend, &w);
	if (w.ret == 0)
		n->backend = b;
	return w.ret;
}

static void end_pcap(struct nic *n)
{
	struct net_backend *wrapper = n->backend;

	/* Cannot be refused: what is captured has no ring path. */
	if (use(n, net_pcap_inner(wrapper)) == 0)
		net_pcap_unwrap(wrapper);
	free(n->pcap);
	n->pcap = NULL;
}

static int begin_pcap(struct nic *n, const char *path, char *why, size_t why_size)
{
	struct net_backend *wrapper = NULL;
	char *name = strdup(path);
	int ret = -ENOMEM;

	snprintf(why, why_size, "out of memory");
	if (name)
		ret = net_pcap_wrap(name, n->backend, &wrapper, why, why_size);
	if (ret == 0) {
		snprintf(why, why_size, "the capture cannot be written");
		ret = net_pcap_begin(wrapper);
	}
	if (ret < 0) {
		if (wrapper)
			net_pcap_unwrap(wrapper);
		free(name);
		return ret;
	}
	use(n, wrapper);
	n->pcap = name;
	return 0;
}

int nic_set_pcap(struct nic *n, const char *path, char *why, size_t why_size)
{
	char reason[200];
	int ret;

	if (!path) {
		if (n->pcap)
			end_pcap(n);
		return 0;
	}
	if (n->pcap) {
		snprintf(why, why_size, "%s: there is a capture to %.100s already: pcap=off first",
		         n->cfg->name, n->pcap);
		return -EBUSY;
	}
	/* Before a file is made: nothing changes here, if it is possible. */
	if (use(n, n->backend) < 0) {
		snprintf(why, why_size,
		         "%s: no frame passes through doorbell with path=%s: path=pure first",
		         n->cfg->name, path_name(n, true));
		return -ENOTSUP;
	}
	ret = begin_pcap(n, path, reason, sizeof(reason));
	if (ret < 0)
		snprintf(why, why_size, "%s: pcap=%.60s: %s", n->cfg->name, path, reason);
	return ret;
}

void nic_destroy(struct nic *n)
{
	struct net_backend *b;

	if (!n->cfg) /* never made: its descriptors are not ours */
		return;
	virtio_net_destroy(n->net);
	n->net = NULL;
	b = nic_backend(n);
	if (b && b->ring)
		b->ring->forget(b);
	nic_detach(n);
}

void nic_close(struct nic *n)
{
	nic_destroy(n);
	net_destroy(n->backend);
	loop_destroy(n->loop);
	for (unsigned i = 0; i < ARRAY_SIZE(n->more_loops); i++)
		loop_destroy(n->more_loops[i]);
	pthread_mutex_destroy(&n->wire_lock);
	free(n->pcap);
	free(n->pauses);
	*n = (struct nic){0};
}
