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
	DEVICE(rx_frames),
	DEVICE(rx_bytes),
	DEVICE(rx_chains),
	DEVICE(rx_filtered),
	DEVICE(rx_dropped),
	DEVICE(rx_bytes_copied),
	DEVICE(rx_kicks),
	DEVICE(rx_interrupts),
	DEVICE(rx_interrupts_suppressed),
	DEVICE(rx_stalls),
	DEVICE(tx_frames),
	DEVICE(tx_bytes),
	DEVICE(tx_dropped),
	DEVICE(tx_bytes_copied),
	DEVICE(tx_kicks),
	DEVICE(tx_interrupts),
	DEVICE(tx_interrupts_suppressed),
	DEVICE(tx_full),
	DEVICE(ctrl_kicks),
	DEVICE(ctrl_commands),
	DEVICE(ctrl_errors),
	DEVICE(ctrl_interrupts),
	DEVICE(ctrl_interrupts_suppressed),
	DEVICE(switches),
};

static const struct counter backend_counters[] = {
	BACKEND(sends),         BACKEND(send_bytes),    BACKEND(recvs),        BACKEND(recv_bytes),
	BACKEND(syscalls_send), BACKEND(syscalls_recv), BACKEND(recv_empty),   BACKEND(send_again),
	BACKEND(send_errors),   BACKEND(recv_dropped),  BACKEND(bytes_copied),
};

/* What @base has more than @before; NULL: all of it. */
static void add_counters(json_t *o, const struct counter *c, size_t nr, const void *base,
                         const void *before)
{
	for (size_t i = 0; i < nr; i++) {
		const uint64_t *at = (const void *)((const char *)base + c[i].offset);
		uint64_t was = 0;

		if (before)
			memcpy(&was, (const char *)before + c[i].offset, sizeof(was));
		/* Written by another thread with plain stores: a word is never torn. */
		json_object_set_new(
			o, c[i].name,
			json_integer((json_int_t)(__atomic_load_n(at, __ATOMIC_RELAXED) - was)));
	}
}

static json_t *object_of(const struct counter *c, size_t nr, const void *base, const void *before)
{
	json_t *o = json_object();

	add_counters(o, c, nr, base, before);
	return o;
}

json_t *stats_of_vcpu(const struct vcpu *v)
{
	return object_of(vcpu_counters, ARRAY_SIZE(vcpu_counters), &v->stats, NULL);
}

json_t *stats_of_nic(const struct nic *n)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:I}", "name", n->cfg->name, "kind",
	                      n->backend->kind, "label", n->backend->label, "loop_wakeups",
	                      (json_int_t)(loop_wakeups(n->loop) - n->wakeups_before));

	if (!o)
		return NULL;
	add_counters(o, core_counters, ARRAY_SIZE(core_counters), virtio_net_dev(n->net), NULL);
	json_object_set_new(o, "device",
	                    object_of(device_counters, ARRAY_SIZE(device_counters),
	                              virtio_net_stats(n->net), NULL));
	json_object_set_new(o, "backend",
	                    object_of(backend_counters, ARRAY_SIZE(backend_counters),
	                              &n->backend->stats, &n->stats_before));
	return o;
}
