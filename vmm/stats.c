/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/stats.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "devices/virtio_net.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"
#include "vmm/core/tasks.h"
#include "vmm/interface.h"
#include "vmm/kvm_stats.h"
#include "vmm/nic.h"
#include "vmm/vcpu.h"

/*
 * A counter: a uint64_t at offset. Its unit is the last word of its name, or it is a count. All names are in
 * docs/doorbell.1, and tests/e2e/docs.sh holds the two together: a row has its name in parentheses or quotes.
 */
struct counter {
	const char *name;
	size_t offset;
};

#define COUNTER(type, member)                   \
	{                                       \
#member, offsetof(type, member) \
	}
#define VCPU(member)     COUNTER(struct vcpu_stats, member)
#define CORE(member)     COUNTER(struct virtio_dev, member)
#define DEVICE(member)   COUNTER(struct virtio_net_stats, member)
#define REGISTER(member) COUNTER(struct virtio_mmio_stats, member)
#define BACKEND(member)  COUNTER(struct net_backend_stats, member)
#define NUMBERED(member) COUNTER(struct net_numbered_stats, member)
#define OUTSIDE(member)  COUNTER(struct interface_stats, member)
#define TASK(member)     COUNTER(struct task, member)
#define LOOP(member)                                                 \
	{                                                            \
		"loop_" #member, offsetof(struct loop_stats, member) \
	}

static const struct counter vcpu_counters[] = {
	VCPU(exits_mmio),
	VCPU(exits_pio),
	VCPU(exits_other),
	VCPU(exits_signal),
};

static const struct counter loop_counters[] = {
	LOOP(wakeups),   LOOP(changes),   LOOP(calls),       LOOP(timers),      LOOP(polls),
	LOOP(poll_asks), LOOP(poll_hits), LOOP(poll_checks), LOOP(poll_yields), LOOP(turns_waited),
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
	DEVICE(rx_steered),
	DEVICE(rx_taken),
	DEVICE(rx_steered_bytes),
	DEVICE(rx_wakes),
	DEVICE(rx_wake_reads),
	DEVICE(rx_kicks),
	DEVICE(rx_kick_reads),
	DEVICE(rx_turns),
	DEVICE(rx_drained),
	DEVICE(rx_interrupts),
	DEVICE(rx_interrupts_suppressed),
	DEVICE(rx_stalls),
	DEVICE(tx_frames),
	DEVICE(tx_bytes),
	DEVICE(tx_dropped),
	DEVICE(tx_bytes_copied),
	DEVICE(tx_kicks),
	DEVICE(tx_kick_reads),
	DEVICE(tx_turns),
	DEVICE(tx_inline),
	DEVICE(tx_inline_interrupts),
	DEVICE(tx_inline_calls),
	DEVICE(tx_waits),
	DEVICE(tx_interrupts),
	DEVICE(tx_interrupts_suppressed),
	DEVICE(tx_full),
	DEVICE(ctrl_kicks),
	DEVICE(ctrl_kick_reads),
	DEVICE(ctrl_commands),
	DEVICE(ctrl_errors),
	DEVICE(ctrl_interrupts),
	DEVICE(ctrl_interrupts_suppressed),
	DEVICE(self_kicks),
	DEVICE(switches),
	DEVICE(poll_trials),
	DEVICE(poll_kept),
};

static const struct counter register_counters[] = {
	REGISTER(isr_reads), REGISTER(acks), REGISTER(notifies), REGISTER(config), REGISTER(others),
};

static const struct counter backend_counters[] = {
	BACKEND(sends),          BACKEND(send_bytes),    BACKEND(recvs),
	BACKEND(recv_bytes),     BACKEND(syscalls_send), BACKEND(syscalls_recv),
	BACKEND(recv_empty),     BACKEND(send_again),    BACKEND(send_errors),
	BACKEND(recv_dropped),   BACKEND(recv_joined),   BACKEND(bytes_copied),
	BACKEND(reconnects),     BACKEND(trials),        BACKEND(trials_paid),
	BACKEND(trial_switches), BACKEND(trial_calls),
};

static const struct counter numbered_counters[] = {
	NUMBERED(good),      NUMBERED(lost),      NUMBERED(duplicated),
	NUMBERED(reordered), NUMBERED(corrupted), NUMBERED(others),
};

static const struct counter interface_counters[] = {
	OUTSIDE(rx_packets), OUTSIDE(rx_bytes), OUTSIDE(rx_dropped),
	OUTSIDE(tx_packets), OUTSIDE(tx_bytes), OUTSIDE(tx_dropped),
};

static const struct counter task_counters[] = {
	TASK(voluntary_switches),
	TASK(involuntary_switches),
	TASK(cpu_ns),
	TASK(runqueue_ns),
};

/* Of those that this kernel's KVM has. */
static const char *const kvm_vcpu_names[] = {
	"exits",
	"mmio_exits",
	"io_exits",
	"irq_exits",
	"irq_window_exits",
	"request_irq_exits",
	"signal_exits",
	"halt_exits",
	"halt_wakeup",
	"halt_successful_poll",
	"irq_injections",
	"insn_emulation",
	"pf_taken",
	"pf_fixed",
	"pf_emulate",
	"pf_spurious",
	"pf_fast",
	"host_state_reload",
};

static const char *const kvm_vm_names[] = {
	"remote_tlb_flush",
	"pages_4k",
	"pages_2m",
	"pages_1g",
};

static void add(json_t *o, const char *name, uint64_t value)
{
	json_object_set_new(o, name, json_integer((json_int_t)value));
}

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
		add(o, c[i].name, sum);
	}
}

static json_t *object_of(const struct counter *c, size_t nr, const void *now)
{
	const struct base base = {.now = now};
	json_t *o = json_object();

	add_sums(o, c, nr, &base, 1);
	return o;
}

#define KVM_NAMES_MAX 32u

/* null where KVM does not count, or @file is none. */
static json_t *kvm_object(int file, const char *const *names, size_t nr)
{
	struct kvm_stat stat[KVM_NAMES_MAX] = {0};
	json_t *o;

	for (size_t i = 0; i < nr; i++)
		stat[i].name = names[i];
	if (kvm_stats_read(file, stat, (unsigned)nr) < 0)
		return json_null();
	o = json_object();
	for (size_t i = 0; i < nr; i++)
		if (stat[i].found)
			add(o, names[i], stat[i].value);
	return o;
}

json_t *stats_of_kvm(const struct kvm *k)
{
	int file = kvm_stats_open(k->vm_fd);
	json_t *o = kvm_object(file, kvm_vm_names, ARRAY_SIZE(kvm_vm_names));

	_Static_assert(ARRAY_SIZE(kvm_vm_names) <= KVM_NAMES_MAX, "room for each");
	if (file >= 0)
		fd_close(&file);
	return o;
}

json_t *stats_of_vcpu(const struct vcpu *v)
{
	json_t *o = object_of(vcpu_counters, ARRAY_SIZE(vcpu_counters), &v->stats);

	_Static_assert(ARRAY_SIZE(kvm_vcpu_names) <= KVM_NAMES_MAX, "room for each");
	json_object_set_new(o, "kvm",
	                    kvm_object(v->stats_fd, kvm_vcpu_names, ARRAY_SIZE(kvm_vcpu_names)));
	return o;
}

/* What the driver of @nr pairs from @first on does and the kernel takes: only the eventfds know. */
static json_t *unseen_kicks(const struct nic *n, unsigned first, unsigned nr)
{
	const struct virtio_dev *d = virtio_net_dev(n->net);
	uint64_t kicks[2] = {0};
	json_t *o = json_object();

	for (unsigned i = 2 * first; i < 2 * (first + nr); i++)
		kicks[i % 2] += fd_event_peek(d->queue[i].kick_fd);
	add(o, "rx_kicks", kicks[0]);
	add(o, "tx_kicks", kicks[1]);
	return o;
}

/* Likewise of all, and of the registers that they share. */
static json_t *unseen(const struct nic *n)
{
	json_t *o = unseen_kicks(n, 0, virtio_net_nr_pairs(n->net));

	add(o, "acks", n->page ? fd_event_peek(n->ack_fd) : 0);
	return o;
}

static json_t *outside(const struct nic *n)
{
	const char *name = n->backend->interface;
	struct interface_stats s;

	if (!name || !interface_read(name, &s))
		return json_null();
	return object_of(interface_counters, ARRAY_SIZE(interface_counters), &s);
}

static json_t *numbered(const struct nic *n)
{
	const struct net_numbered_stats *s = n->backend->numbered;

	return s ? object_of(numbered_counters, ARRAY_SIZE(numbered_counters), s) : json_null();
}

/* What a pair counts, or several of them together. */
struct pair_counters {
	struct base device[VIRTIO_NET_PAIRS_MAX], backend[VIRTIO_NET_PAIRS_MAX];
	struct base loop[VIRTIO_NET_PAIRS_MAX];
	struct loop_stats loop_now[VIRTIO_NET_PAIRS_MAX];
	unsigned nr_device, nr; /* a driver may be offered fewer than there are */
};

static void read_pairs(const struct nic *n, struct pair_counters *c)
{
	*c = (struct pair_counters){.nr_device = virtio_net_nr_pairs(n->net)};
	for (unsigned i = 0; i < c->nr_device; i++)
		c->device[i].now = virtio_net_pair_stats(n->net, i);
	for (const struct net_backend *b = nic_backend(n); b; b = b->next, c->nr++) {
		/* One that all pairs are on counts as the first one's. */
		if (c->nr == 0 || nic_loop(n, c->nr) != n->loop) {
			loop_stats(nic_loop(n, c->nr), &c->loop_now[c->nr]);
			c->loop[c->nr].before = &n->loop_before[c->nr];
		}
		c->loop[c->nr].now = &c->loop_now[c->nr];
		c->backend[c->nr] = (struct base){&b->stats, &n->stats_before[c->nr]};
	}
}

/* Of @nr pairs from @first on. */
static void add_pairs(json_t *o, const struct pair_counters *c, unsigned first, unsigned nr)
{
	json_t *device = json_object(), *backend = json_object();

	add_sums(o, loop_counters, ARRAY_SIZE(loop_counters), c->loop + first, nr);
	add_sums(device, device_counters, ARRAY_SIZE(device_counters), c->device + first,
	         (unsigned)min_size(nr, c->nr_device - first));
	json_object_set_new(o, "device", device);
	add_sums(backend, backend_counters, ARRAY_SIZE(backend_counters), c->backend + first, nr);
	json_object_set_new(o, "backend", backend);
}

json_t *stats_of_nic(const struct nic *n)
{
	const struct base core = {.now = virtio_net_dev(n->net)};
	json_t *pairs, *o = json_pack("{s:s, s:s, s:s}", "name", n->cfg->name, "kind",
	                              n->backend->kind, "label", n->backend->label);
	struct pair_counters c;

	if (!o)
		return NULL;
	read_pairs(n, &c);
	add_sums(o, core_counters, ARRAY_SIZE(core_counters), &core, 1);
	add_pairs(o, &c, 0, c.nr);
	if (n->mmio.dev) {
		json_object_set_new(o, "registers",
		                    object_of(register_counters, ARRAY_SIZE(register_counters),
		                              &n->mmio.stats));
		json_object_set_new(o, "kernel", unseen(n));
	}
	json_object_set_new(o, "interface", outside(n));
	json_object_set_new(o, "numbered", numbered(n));
	json_object_set_new(o, "switch_pause", samples_json(n->pauses));
	if (c.nr_device == 1)
		return o;
	pairs = json_array();
	for (unsigned i = 0; i < c.nr_device; i++) {
		json_t *pair = json_object();

		add_pairs(pair, &c, i, 1);
		json_object_set_new(pair, "kernel", unseen_kicks(n, i, 1));
		json_array_append_new(pairs, pair);
	}
	json_object_set_new(o, "pairs", pairs);
	return o;
}

json_t *stats_of_task(const struct task *t)
{
	json_t *o = json_pack("{s:s, s:i}", "name", t->name, "tid", t->tid);
	const struct base base = {.now = t};

	if (o)
		add_sums(o, task_counters, ARRAY_SIZE(task_counters), &base, 1);
	return o;
}

json_t *stats_of_tasks(bool vhost)
{
	struct task *t = calloc(TASKS_MAX, sizeof(*t));
	const unsigned nr = t ? tasks_read(t, TASKS_MAX, vhost) : 0;
	json_t *all = json_array();

	for (unsigned i = 0; i < nr; i++)
		json_array_append_new(all, stats_of_task(&t[i])); /* NULL is not appended */
	free(t);
	return all;
}
