/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/stats.h"

#include <stddef.h>
#include <string.h>

#include "devices/virtio.h"
#include "devices/virtio_net.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"
#include "vmm/nic.h"
#include "vmm/vcpu.h"

/* A counter: a uint64_t at offset. Its unit is the last word of its name, or it is a count. */
struct counter {
	const char *name;
	size_t offset;
};

#define VCPU(member)                                         \
	{                                                    \
#member, offsetof(struct vcpu_stats, member) \
	}
#define CORE(member)                                         \
	{                                                    \
#member, offsetof(struct virtio_dev, member) \
	}
#define DEVICE(member)                                             \
	{                                                          \
#member, offsetof(struct virtio_net_stats, member) \
	}
#define BACKEND(member)                                             \
	{                                                           \
#member, offsetof(struct net_backend_stats, member) \
	}

static const struct counter vcpu_counters[] = {
	VCPU(exits_mmio),
	VCPU(exits_pio),
	VCPU(exits_other),
	VCPU(exits_signal),
};

static const struct counter core_counters[] = {
	CORE(interrupts),
	CORE(broken),
};

static const struct counter device_counters[] = {
	DEVICE(rx_frames),       DEVICE(rx_bytes),
	DEVICE(rx_chains),       DEVICE(rx_filtered),
	DEVICE(rx_dropped),      DEVICE(rx_bytes_copied),
	DEVICE(rx_steered),      DEVICE(rx_kicks),
	DEVICE(rx_interrupts),   DEVICE(rx_interrupts_suppressed),
	DEVICE(rx_stalls),       DEVICE(tx_frames),
	DEVICE(tx_bytes),        DEVICE(tx_dropped),
	DEVICE(tx_bytes_copied), DEVICE(tx_kicks),
	DEVICE(tx_interrupts),   DEVICE(tx_interrupts_suppressed),
	DEVICE(tx_full),         DEVICE(ctrl_kicks),
	DEVICE(ctrl_commands),   DEVICE(ctrl_errors),
	DEVICE(ctrl_interrupts), DEVICE(ctrl_interrupts_suppressed),
	DEVICE(switches),
};

static const struct counter backend_counters[] = {
	BACKEND(sends),         BACKEND(send_bytes),    BACKEND(recvs),        BACKEND(recv_bytes),
	BACKEND(syscalls_send), BACKEND(syscalls_recv), BACKEND(recv_empty),   BACKEND(send_again),
	BACKEND(send_errors),   BACKEND(recv_dropped),  BACKEND(bytes_copied), BACKEND(reconnects),
};

/* What to count from: a struct of counters, and what was in it @before; NULL: nothing. */
struct base {
	const void *now, *before;
};

/* Each counter, summed over @nr_bases structs. */
static void add_sums(json_t *o, const struct counter *c, size_t nr, const struct base *base,
                     unsigned nr_bases)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t sum = 0;

		for (unsigned k = 0; k < nr_bases; k++) {
			const uint64_t *at =
				(const void *)((const char *)base[k].now + c[i].offset);
			uint64_t was = 0;

			if (base[k].before)
				memcpy(&was, (const char *)base[k].before + c[i].offset,
				       sizeof(was));
			/* Written by another thread with plain stores: a word is never torn. */
			sum += __atomic_load_n(at, __ATOMIC_RELAXED) - was;
		}
		json_object_set_new(o, c[i].name, json_integer((json_int_t)sum));
	}
}

json_t *stats_of_vcpu(const struct vcpu *v)
{
	json_t *o = json_object();
	const struct base base = {.now = &v->stats};

	add_sums(o, vcpu_counters, ARRAY_SIZE(vcpu_counters), &base, 1);
	return o;
}

/* What a pair counts, or several of them together. */
struct pair_counters {
	struct base device[VIRTIO_NET_PAIRS_MAX], backend[VIRTIO_NET_PAIRS_MAX];
	uint64_t wakeups[VIRTIO_NET_PAIRS_MAX];
	unsigned nr_device, nr; /* a driver may be offered fewer than there are */
};

static struct pair_counters counters_of(const struct nic *n)
{
	struct pair_counters c = {.nr_device = virtio_net_nr_pairs(n->net)};

	for (unsigned i = 0; i < c.nr_device; i++)
		c.device[i].now = virtio_net_pair_stats(n->net, i);
	for (const struct net_backend *b = n->backend; b; b = b->next, c.nr++) {
		c.backend[c.nr] = (struct base){&b->stats, &n->stats_before[c.nr]};
		c.wakeups[c.nr] = loop_wakeups(nic_loop(n, c.nr)) - n->wakeups_before[c.nr];
	}
	return c;
}

/* Of @nr pairs from @first on. */
static void add_pairs(json_t *o, const struct pair_counters *c, unsigned first, unsigned nr)
{
	json_t *device = json_object(), *backend = json_object();
	uint64_t wakeups = 0;

	for (unsigned i = first; i < first + nr; i++)
		wakeups += c->wakeups[i];
	json_object_set_new(o, "loop_wakeups", json_integer((json_int_t)wakeups));
	add_sums(device, device_counters, ARRAY_SIZE(device_counters), c->device + first,
	         (unsigned)min_size(nr, c->nr_device - first));
	json_object_set_new(o, "device", device);
	add_sums(backend, backend_counters, ARRAY_SIZE(backend_counters), c->backend + first, nr);
	json_object_set_new(o, "backend", backend);
}

json_t *stats_of_nic(const struct nic *n)
{
	const struct pair_counters c = counters_of(n);
	const struct base core = {.now = virtio_net_dev(n->net)};
	json_t *pairs, *o = json_pack("{s:s, s:s, s:s}", "name", n->cfg->name, "kind",
	                              n->backend->kind, "label", n->backend->label);

	if (!o)
		return NULL;
	add_sums(o, core_counters, ARRAY_SIZE(core_counters), &core, 1);
	add_pairs(o, &c, 0, c.nr);
	if (c.nr_device == 1)
		return o;
	pairs = json_array();
	for (unsigned i = 0; i < c.nr_device; i++) {
		json_t *pair = json_object();

		add_pairs(pair, &c, i, 1);
		json_array_append_new(pairs, pair);
	}
	json_object_set_new(o, "pairs", pairs);
	return o;
}
