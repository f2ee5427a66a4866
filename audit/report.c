/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/report.h"

#include <ctype.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "arch/arch.h"
#include "audit/rules.h"
#include "audit/text.h"

/* ---- numbers out of JSON */

static uint64_t number(const json_t *o, const char *group, const char *name)
{
	const json_t *at = group ? json_object_get(o, group) : o;
	const json_int_t v = json_integer_value(json_object_get(at, name));

	return v > 0 ? (uint64_t)v : 0;
}

/* An element of the array @list whose @key is @value. */
static const json_t *find(const json_t *list, const char *key, const char *value)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) if (strcmp(text_of(o, key), value) == 0) return o;
	return NULL;
}

/* One thing at two moments; and when the trace had begun, and ended. */
struct pair {
	const json_t *a, *b, *begun, *done;
};

static uint64_t added(struct pair p, const char *group, const char *name)
{
	const uint64_t a = number(p.a, group, name), b = number(p.b, group, name);

	return b > a ? b - a : 0;
}

/* Unknown without @group, or when nobody has counted @name. */
static uint64_t added_if(struct pair p, const char *group, const char *name)
{
	if (!json_object_get(json_object_get(p.b, group), name))
		return AUDIT_UNKNOWN;
	return added(p, group, name);
}

/* ---- threads */

static uint64_t tid_switches(const json_t *threads, json_int_t tid)
{
	const json_t *t;
	size_t i;

	json_array_foreach(threads, i, t) if (json_integer_value(json_object_get(t, "tid")) ==
	                                      tid) return number(t, NULL, "voluntary_switches");
	return 0;
}

/* "net1" is not the thread of net10, "net1-rx" is one of net1. */
static bool is_of(const char *thread, const char *name)
{
	const size_t len = strlen(name);

	return strncmp(thread, name, len) == 0 && !isdigit((unsigned char)thread[len]);
}

struct thread_set {
	struct pair stats;
	const char *name;
	enum { SET_PREFIX, SET_NIC, SET_ONE } kind; /* their names begin with it; is_of(); are it */
};

static bool in_set(const struct thread_set *s, const json_t *thread)
{
	const char *name = text_of(thread, "name");

	if (s->kind == SET_ONE)
		return strcmp(name, s->name) == 0;
	return s->kind == SET_NIC ? is_of(name, s->name)
	                          : strncmp(name, s->name, strlen(s->name)) == 0;
}

/* How often they waited; unknown when there is none. */
static uint64_t sleeps(const struct thread_set *s)
{
	const json_t *t;
	uint64_t sum = AUDIT_UNKNOWN, now, was;
	size_t i;

	json_array_foreach(json_object_get(s->stats.b, "threads"), i, t)
	{
		if (!in_set(s, t))
			continue;
		now = number(t, NULL, "voluntary_switches");
		was = tid_switches(json_object_get(s->stats.a, "threads"),
		                   json_integer_value(json_object_get(t, "tid")));
		sum = (sum == AUDIT_UNKNOWN ? 0 : sum) + (now > was ? now - was : 0);
	}
	return sum;
}

static bool has_tid(const struct thread_set *s, uint64_t tid)
{
	const json_t *t;
	size_t i;

	json_array_foreach(json_object_get(s->stats.b, "threads"), i,
	                   t) if (in_set(s, t) && number(t, NULL, "tid") == tid) return true;
	return false;
}

/* ---- the trace: rows [KEY, ..., HITS] */

static uint64_t cell(const json_t *row, size_t i)
{
	const json_int_t v = json_integer_value(json_array_get(row, i));

	return v > 0 ? (uint64_t)v : 0;
}

/* Hits of @event in rows that @wanted likes; unknown when it was not counted. */
static uint64_t hits(const json_t *trace, const char *event,
                     bool (*wanted)(const void *arg, const json_t *row), const void *arg)
{
	const json_t *rows = json_object_get(trace, event), *row;
	uint64_t sum = 0;
	size_t i;

	if (!rows)
		return AUDIT_UNKNOWN;
	json_array_foreach(rows, i, row) if (wanted(arg, row)) sum +=
		cell(row, json_array_size(row) - 1);
	return sum;
}

static bool by_thread(const void *set, const json_t *row)
{
	return has_tid(set, cell(row, 0));
}

/* kvm_mmio: type 1 read, 2 write; 0 is a read that has only been asked for. */
static bool at_address(const void *base, const json_t *row)
{
	const uint64_t at = *(const uint64_t *)base, gpa = cell(row, 1);

	return cell(row, 0) != 0 && gpa >= at && gpa - at < 0x200;
}

static bool is_notify(const void *base, const json_t *row)
{
	return cell(row, 0) == 2 &&
	       cell(row, 1) == *(const uint64_t *)base + VIRTIO_MMIO_QUEUE_NOTIFY;
}

static bool raises_gsi(const void *gsi, const json_t *row)
{
	return cell(row, 0) == *(const uint64_t *)gsi && cell(row, 1) == 1;
}

static bool injects(unused const void *arg, const json_t *row)
{
	const char *name = json_string_value(json_array_get(row, 0));

	return name && strcmp(name, "irqfd_inject") == 0;
}

/* ---- a NIC */

static bool is(const json_t *o, const char *name, const char *value)
{
	return strcmp(text_of(o, name), value) == 0;
}

static struct audit_how how_of(const json_t *status, const json_t *nic)
{
	return (struct audit_how){
		.vhost = is(nic, "path", "vhost"),
		.peer = is(nic, "path", "vhost-user"),
		.sockets = is(nic, "kind", "user"),
		.kick_exit = is(nic, "kick", "exit") || is(nic, "kick", "inline"),
		.kick_inline = is(nic, "kick", "inline"),
		.regs_trap = is(nic, "regs", "trap"),
		.irqfd = is(nic, "irq", "irqfd"),
		.split = is(status, "irqchip", "split"),
		.event_idx = strstr(text_of(nic, "accepted"), "event_idx") != NULL,
	};
}

static void read_tx(struct audit_flow *f, struct pair p)
{
	*f = (struct audit_flow){
		.frames = added(p, "device", "tx_frames"),
		.kicks = added(p, "device", "tx_kicks") + added(p, "kernel", "tx_kicks"),
		.kick_reads = added(p, "device", "tx_kick_reads"),
		.turns = added(p, "device", "tx_turns"),
		.interrupts = added(p, "device", "tx_interrupts"),
		.suppressed = added(p, "device", "tx_interrupts_suppressed"),
		.syscalls = added(p, "backend", "syscalls_send"),
		.again = added(p, "backend", "send_again"),
		.moved = added(p, "backend", "sends"),
		.bytes = added(p, "device", "tx_bytes"),
		.bytes_copied = added(p, "device", "tx_bytes_copied"),
		.in_place = added(p, "device", "tx_inline"),
		.in_place_interrupts = added(p, "device", "tx_inline_interrupts"),
		.in_place_calls = added(p, "device", "tx_inline_calls"),
		.outside = added_if(p, "interface", "rx_packets"),
	};
}

static void read_rx(struct audit_flow *f, struct pair p)
{
	*f = (struct audit_flow){
		.frames = added(p, "device", "rx_frames"),
		.kicks = added(p, "device", "rx_kicks") + added(p, "kernel", "rx_kicks"),
		.kick_reads = added(p, "device", "rx_kick_reads"),
		.turns = added(p, "device", "rx_turns"),
		.interrupts = added(p, "device", "rx_interrupts"),
		.suppressed = added(p, "device", "rx_interrupts_suppressed"),
		.stalls = added(p, "device", "rx_stalls"),
		.drained = added(p, "device", "rx_drained"),
		.steered = added(p, "device", "rx_steered"),
		.taken = added(p, "device", "rx_taken"),
		.wakes = added(p, "device", "rx_wakes"),
		.wake_reads = added(p, "device", "rx_wake_reads"),
		.syscalls = added(p, "backend", "syscalls_recv"),
		.moved = added(p, "backend", "recvs"),
		.lost = added(p, "device", "rx_filtered") + added(p, "device", "rx_dropped"),
		.bytes = added(p, "device", "rx_bytes"),
		.bytes_copied = added(p, "device", "rx_bytes_copied"),
		.outside = added_if(p, "interface", "tx_packets"),
	};
}

/* May this host's vhost-net send without a copy? */
static bool vhost_copies(void)
{
	FILE *in = fopen("/sys/module/vhost_net/parameters/experimental_zcopytx", "re");
	int c = in ? fgetc(in) : EOF;

	if (in)
		fclose(in);
	return c == '0';
}

/* What tracefs saw of it. @workers are those that interrupt for it. */
static void read_trace(struct audit_nic *n, const json_t *trace, const json_t *nic,
                       const struct thread_set *self, const struct thread_set *workers)
{
	const uint64_t base = number(nic, NULL, "address"), gsi = number(nic, NULL, "gsi");

	n->seen_accesses = hits(trace, "kvm_mmio", at_address, &base);
	n->seen_kicks = hits(trace, "kvm_mmio", is_notify, &base);
	n->seen_syscalls = hits(trace, "sys_enter", by_thread, self);
	n->seen_work = hits(trace, "workqueue_queue_work", injects, NULL);
	if (n->how.peer) /* it raises them */
		n->seen_interrupts = AUDIT_UNKNOWN;
	else if (n->how.split)
		n->seen_interrupts =
			hits(trace, "kvm_msi_set_irq", by_thread, n->how.vhost ? workers : self);
	else if (n->how.irqfd)
		n->seen_interrupts = n->seen_work;
	else
		n->seen_interrupts = hits(trace, "kvm_set_irq", raises_gsi, &gsi);
}

/* Only of these backends each frame has a system call of its own, straight on guest memory. */
static void hide_copies(struct audit_nic *n, const json_t *nic)
{
	static const char *const by_calls[] = {"tap", "pipe"};

	for (size_t i = 0; i < ARRAY_SIZE(by_calls); i++)
		if (is(nic, "kind", by_calls[i]))
			return;
	n->flow[AUDIT_TX].moved = n->flow[AUDIT_RX].moved = AUDIT_UNKNOWN;
}

/* What its thread has asked of the kernel, beside what is for frames. */
static void read_loop(struct audit_nic *n, struct pair p)
{
	const struct pair before = {.a = p.a, .b = p.begun}, behind = {.a = p.b, .b = p.done};

	n->self_kicks = added(p, "device", "self_kicks");
	n->wakeups = added(p, NULL, "loop_wakeups");
	n->changes = added(p, NULL, "loop_changes");
	n->calls = added(p, NULL, "loop_calls");
	n->timers = added(p, NULL, "loop_timers");
	n->poll_asks = added(p, NULL, "loop_poll_asks");
	n->poll_asks_before = added(before, NULL, "loop_poll_asks");
	n->poll_asks_behind = added(behind, NULL, "loop_poll_asks");
	n->poll_hits = added(p, NULL, "loop_poll_hits");
	n->poll_checks = added(p, NULL, "loop_poll_checks");
	n->trial_calls = added(p, "backend", "trial_calls");
	n->turns_waited = added(p, NULL, "loop_turns_waited");
}

/* @alone: nobody else's are mixed with its worker, or its work items. */
static void read_nic(struct audit_nic *n, const struct audit_input *in, struct pair p,
                     const json_t *nic, bool alone)
{
	const struct thread_set self = {.stats = {.a = in->before, .b = in->after},
	                                .name = text_of(nic, "name"),
	                                .kind = SET_NIC};
	const struct thread_set workers = {.stats = {.a = in->before, .b = in->after},
	                                   .name = "vhost-"};

	*n = (struct audit_nic){
		.how = how_of(in->status_after, nic),
		.interrupts = added(p, NULL, "interrupts"),
		.isr_reads = added(p, "registers", "isr_reads"),
		.acks = added(p, "registers", "acks"),
		.notifies = added(p, "registers", "notifies"),
		.config = added(p, "registers", "config"),
		.others = added(p, "registers", "others"),
		.acks_swallowed = added(p, "kernel", "acks"),
		.ctrl_kicks = added(p, "device", "ctrl_kicks"),
		.ctrl_reads = added(p, "device", "ctrl_kick_reads"),
		.sleeps = sleeps(&self),
		.worker_sleeps = alone ? sleeps(&workers) : AUDIT_UNKNOWN,
		.copied_once = vhost_copies(),
	};
	read_loop(n, p);
	read_tx(&n->flow[AUDIT_TX], p);
	read_rx(&n->flow[AUDIT_RX], p);
	read_trace(n, in->trace, nic, &self, &workers);
	if (!alone) /* whose they were is not visible */
		n->seen_work = AUDIT_UNKNOWN;
	if (!alone && (n->how.vhost || (n->how.irqfd && !n->how.split)))
		n->seen_interrupts = AUDIT_UNKNOWN;
	hide_copies(n, nic);
	for (unsigned i = 0; i < 2 && n->how.vhost; i++)
		n->flow[i].frames = n->flow[i].outside;
	for (unsigned i = 0; i < 2 && n->how.peer; i++)
		n->flow[i].frames = AUDIT_UNKNOWN;
}

/* One of the pairs: what is counted on its thread, @name. All interrupts are raised for a batch of some queue. */
static void read_pair(struct audit_nic *n, const struct audit_input *in, struct pair p,
                      const json_t *nic, const char *name)
{
	const struct thread_set self = {
		.stats = {.a = in->before, .b = in->after}, .name = name, .kind = SET_ONE};

	*n = (struct audit_nic){
		.how = how_of(in->status_after, nic),
		.ctrl_reads = added(p, "device", "ctrl_kick_reads"),
		.sleeps = sleeps(&self),
		.seen_syscalls = hits(in->trace, "sys_enter", by_thread, &self),
	};
	read_loop(n, p);
	read_tx(&n->flow[AUDIT_TX], p);
	read_rx(&n->flow[AUDIT_RX], p);
	n->interrupts = n->flow[AUDIT_TX].interrupts + n->flow[AUDIT_RX].interrupts +
	                added(p, "device", "ctrl_interrupts");
	for (unsigned i = 0; i < 2 && n->how.vhost; i++)
		n->flow[i].frames = AUDIT_UNKNOWN;
	hide_copies(n, nic);
}

/* ---- rows as JSON */

static json_t *counted(uint64_t nr)
{
	return nr == AUDIT_UNKNOWN ? json_null() : json_integer((json_int_t)nr);
}

static json_t *positive(double v)
{
	return v < 0 ? json_null() : json_real(v);
}

static json_t *per(uint64_t nr, uint64_t of)
{
	return nr == AUDIT_UNKNOWN || of == AUDIT_UNKNOWN || of == 0
	               ? json_null()
	               : json_real((double)nr / (double)of);
}

/* Of what each direction had: to say how much there was for each. */
struct share {
	uint64_t frames[3], batches[3];
};

static json_t *row_json(const struct audit_row *r, const struct share *s)
{
	static const char *const dirs[] = {"tx", "rx", "both"};
	static const char *const verdicts[] = {"", "expected", "explained", "unexplained",
	                                       "not visible"};

	return json_pack("{s:s, s:s, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:s, s:s}", "direction",
	                 dirs[r->dir], "event", r->event, "article", positive(r->article), "alone",
	                 positive(r->alone), "at_most", r->at_most, "expected",
	                 counted(r->expected), "observed", counted(r->observed), "per_frame",
	                 per(r->observed, s->frames[r->dir]), "per_batch",
	                 per(r->observed, s->batches[r->dir]), "verdict", verdicts[r->verdict],
	                 "why", r->why);
}

static json_t *rows_json(const struct audit_rows *rows, const struct share *s)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < rows->nr; i++)
		json_array_append_new(a, row_json(&rows->row[i], s));
	return a;
}

static json_t *flow_json(const struct audit_nic *n, enum audit_dir d)
{
	const struct audit_flow *f = &n->flow[d];
	const bool pure = !n->how.vhost && !n->how.peer;

	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:s}", "frames", counted(f->frames), "per_kick",
	                 per(f->frames, f->kicks), "per_interrupt",
	                 per(f->frames, pure ? f->interrupts : 0), "per_turn",
	                 per(f->frames, pure ? f->turns : 0), "article",
	                 audit_article_text(&n->how, d), "rule", audit_rule_text(&n->how, d));
}

static struct share share_of(const struct audit_nic *n)
{
	struct share s = {{0}, {0}};

	for (unsigned d = AUDIT_TX; d <= AUDIT_RX; d++) {
		const struct audit_flow *f = &n->flow[d];

		s.frames[d] = f->frames == AUDIT_UNKNOWN ? 0 : f->frames;
		s.batches[d] = f->interrupts + f->suppressed;
		s.frames[AUDIT_BOTH] += s.frames[d];
		s.batches[AUDIT_BOTH] += s.batches[d];
	}
	return s;
}

static json_t *pair_json(const struct audit_nic *n, const char *thread)
{
	const struct share s = share_of(n);
	struct audit_rows rows;

	audit_pair_rows(n, &rows);
	return json_pack("{s:s, s:o, s:o, s:o}", "thread", thread, "tx", flow_json(n, AUDIT_TX),
	                 "rx", flow_json(n, AUDIT_RX), "rows", rows_json(&rows, &s));
}

/* Did anything happen on it? Under vhost a driver that never kicks is none that sends. */
static bool busy(const struct audit_nic *n)
{
	return n->how.vhost ? n->flow[AUDIT_TX].kicks + n->flow[AUDIT_RX].kicks : n->wakeups;
}

static const json_t *of_pair(const json_t *nic, size_t i)
{
	return json_array_get(json_object_get(nic, "pairs"), i);
}

/* Those on which something happened. None of one pair, nor of a peer's. */
static json_t *pairs_json(const struct audit_input *in, struct pair p, const json_t *nic)
{
	const json_t *pairs = json_object_get(p.b, "pairs"), *o;
	json_t *all = json_array();
	struct audit_nic n;
	size_t i;

	json_array_foreach(pairs, i, o)
	{
		const struct pair its = {of_pair(p.a, i), o, of_pair(p.begun, i),
		                         of_pair(p.done, i)};
		char thread[64];

		snprintf(thread, sizeof(thread), i ? "%s-%zu" : "%s", text_of(nic, "name"), i);
		read_pair(&n, in, its, nic, thread);
		if (!n.how.peer && busy(&n))
			json_array_append_new(all, pair_json(&n, thread));
	}
	return all;
}

static json_t *nic_json(const struct audit_input *in, struct pair p, const json_t *nic,
                        const struct audit_nic *n)
{
	const struct share s = share_of(n);
	struct audit_rows rows;

	audit_nic_rows(n, &rows);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}",
	                 "name", text_of(nic, "name"), "kind", text_of(nic, "kind"), "label",
	                 text_of(nic, "label"), "path", text_of(nic, "path"), "kick",
	                 text_of(nic, "kick"), "regs", text_of(nic, "regs"), "irq",
	                 text_of(nic, "irq"), "irqchip", text_of(in->status_after, "irqchip"),
	                 "accepted", text_of(nic, "accepted"), "tx", flow_json(n, AUDIT_TX), "rx",
	                 flow_json(n, AUDIT_RX), "rows", rows_json(&rows, &s), "pairs",
	                 pairs_json(in, p, nic));
}

/* Why nothing can be said of it, or NULL. */
static const char *no_audit(const struct audit_input *in, const json_t *nic, struct pair p)
{
	const json_t *was =
		find(json_object_get(in->status_before, "nics"), "name", text_of(nic, "name"));

	if (!p.b)
		return "it has no counters";
	if ((was && !is(was, "path", text_of(nic, "path"))) || added(p, "device", "switches"))
		return "its path changed meanwhile";
	if (!is(nic, "path", "pure") && !is(nic, "path", "vhost") && !is(nic, "path", "vhost-user"))
		return "the rules for this path are not known";
	if (added(p, "backend", "reconnects"))
		return "its peer changed meanwhile";
	if (is(nic, "path", "vhost") && !json_is_object(json_object_get(p.b, "interface")))
		return "nobody counts its frames: no such interface in this network namespace";
	return NULL;
}

/* ---- the machine */

static void add_reason(struct audit_vm *v, const char *name, uint64_t nr)
{
	if (v->nr_reasons < AUDIT_REASONS) {
		v->reason[v->nr_reasons].name = name;
		v->reason[v->nr_reasons++].nr = nr;
	}
}

static void read_reasons(struct audit_vm *v, const json_t *trace)
{
	const json_t *row;
	const char *name;
	bool memory;
	size_t i;

	json_array_foreach(json_object_get(trace, "kvm_exit"), i, row)
	{
		name = arch_exit_name(cell(row, 1), cell(row, 0), &memory);
		if (!memory)
			add_reason(v, name, cell(row, 2));
	}
}

static uint64_t sum_if(uint64_t sum, uint64_t more)
{
	return sum == AUDIT_UNKNOWN || more == AUDIT_UNKNOWN ? AUDIT_UNKNOWN : sum + more;
}

static void read_vm(struct audit_vm *v, const struct audit_input *in)
{
	const struct thread_set vcpus = {.stats = {.a = in->before, .b = in->after},
	                                 .name = "vcpu"};
	const json_t *list = json_object_get(in->after, "vcpus"), *o;
	size_t i;

	v->sleeps = sleeps(&vcpus);
	json_array_foreach(list, i, o)
	{
		const struct pair p = {.a = json_array_get(json_object_get(in->before, "vcpus"), i),
		                       .b = o};

		v->user_mmio += added(p, NULL, "exits_mmio");
		v->user_pio += added(p, NULL, "exits_pio");
		v->user_other += added(p, NULL, "exits_other");
		v->user_signal += added(p, NULL, "exits_signal");
		v->exits = sum_if(v->exits, added_if(p, "kvm", "exits"));
		v->injected = sum_if(v->injected, added_if(p, "kvm", "irq_injections"));
		v->halts = sum_if(v->halts, added_if(p, "kvm", "halt_exits"));
		v->ports += added(p, "kvm", "io_exits");
		v->host_irqs += added(p, "kvm", "irq_exits");
		v->irq_windows += added(p, "kvm", "irq_window_exits");
		v->faults += added(p, "kvm", "pf_fixed") + added(p, "kvm", "pf_spurious") +
		             added(p, "kvm", "pf_fast");
	}
	read_reasons(v, in->trace);
}

/* ---- all of it */

static unsigned nr_with(const json_t *nics, const char *key, const char *value)
{
	const json_t *nic;
	unsigned nr = 0;
	size_t i;

	json_array_foreach(nics, i, nic) nr += is(nic, key, value);
	return nr;
}

static const json_t *of_nic(const json_t *stats, const char *name)
{
	return find(json_object_get(stats, "nics"), "name", name);
}

static json_t *nics_json(const struct audit_input *in, struct audit_vm *v)
{
	const json_t *nics = json_object_get(in->status_after, "nics"), *nic;
	json_t *all = json_array();
	struct audit_nic n;
	size_t i;

	json_array_foreach(nics, i, nic)
	{
		const char *name = text_of(nic, "name"), *why;
		const struct pair p = {of_nic(in->before, name), of_nic(in->after, name),
		                       of_nic(in->begun, name), of_nic(in->done, name)};
		const bool alone =
			nr_with(nics, "path", "vhost") < 2 && nr_with(nics, "irq", "irqfd") < 2;

		read_nic(&n, in, p, nic, alone);
		v->nic_exits += audit_nic_exits(&n);
		v->nic_user_exits += audit_nic_user_exits(&n);
		v->taken += n.acks + n.acks_swallowed;
		why = no_audit(in, nic, p);
		if (why) {
			json_array_append_new(all,
			                      json_pack("{s:s, s:s}", "name", name, "error", why));
			continue;
		}
		if (!n.how.peer)
			v->frames += n.flow[AUDIT_TX].frames + n.flow[AUDIT_RX].frames;
		json_array_append_new(all, nic_json(in, p, nic, &n));
	}
	return all;
}

json_t *audit_report(const struct audit_input *in)
{
	struct audit_vm v = {0};
	struct audit_rows rows;
	const double from = json_number_value(json_object_get(in->before, "seconds"));
	const double to = json_number_value(json_object_get(in->after, "seconds"));
	json_t *nics = nics_json(in, &v);
	struct share s = {{0}, {0}};

	read_vm(&v, in);
	audit_vm_rows(&v, &rows);
	s.frames[AUDIT_BOTH] = v.frames;
	return json_pack("{s:s, s:f, s:b, s:s?, s:o, s:{s:o, s:o}}", "doorbell", DOORBELL_VERSION,
	                 "seconds", to - from, "tracefs", in->trace != NULL, "no_tracefs",
	                 in->trace ? NULL : in->no_trace, "nics", nics, "machine", "frames",
	                 counted(v.frames), "rows", rows_json(&rows, &s));
}

bool audit_same_life(const json_t *before, const json_t *after)
{
	return number(before, NULL, "reboots") == number(after, NULL, "reboots");
}

uint64_t audit_frames(const json_t *stats)
{
	const json_t *nic;
	uint64_t sum = 0;
	size_t i;

	json_array_foreach(json_object_get(stats, "nics"), i, nic)
	{
		const char *group =
			json_is_object(json_object_get(nic, "interface")) ? "interface" : "device";
		const bool host = strcmp(group, "interface") == 0;

		sum += number(nic, group, host ? "tx_packets" : "rx_frames");
		sum += number(nic, group, host ? "rx_packets" : "tx_frames");
	}
	return sum;
}
