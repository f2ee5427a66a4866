/* SPDX-License-Identifier: Apache-2.0 */
/* How a machine ends, is made (build_parts(): read it first), and runs (vm_run()). */
#include "vmm/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "boot/cmdline.h"
#include "devices/debug_exit.h"
#include "devices/i8042.h"
#include "devices/power.h"
#include "devices/uart16550.h"
#include "net/pair.h"
#include "vmm/console.h"
#include "vmm/core/bus.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/thread.h"
#include "vmm/kvm_ahead.h"
#include "vmm/nic.h"
#include "vmm/stats.h"
#include "vmm/vcpu.h"

struct vm {
	const struct vm_config *cfg; /* borrowed, as loop and console */
	struct loop *loop;
	struct console *console;

	struct kvm_ahead *ahead; /* a thread that makes the VM, while we build the rest */
	struct kvm kvm;
	struct gmem mem;
	struct machine_map map;
	struct bus mmio, pio;
	struct cmdline cmdline;
	struct arch_entry entry;

	struct uart16550 *uart;
	struct power power;
	struct i8042 i8042;
	struct debug_exit debug_exit;
	struct nic nic[VM_MAX_NICS];
	struct net_pairs pairs; /* of these that are joined */
	struct vcpu_env env;
	struct vcpu vcpu[VM_MAX_CPUS];
	unsigned nr_vcpus; /* created so far */
	bool paused;       /* main loop's thread */

	struct loop_timer timeout;
	unsigned reboots;              /* vm_reset(): main loop's thread */
	uint64_t started_ns, ended_ns; /* CLOCK_MONOTONIC; 0 = not yet */
	pthread_mutex_t end_lock;
	bool has_end;
	struct vm_end end;
};

/* ---- how it ends */

void vm_stop(struct vm *vm, struct vm_end end)
{
	pthread_mutex_lock(&vm->end_lock);
	/* Who wants it to end does not want it to reboot. */
	if (!vm->has_end || (vm->end.kind == VM_END_RESET && end.kind == VM_END_STOPPED)) {
		vm->end = end;
		vm->has_end = true;
	}
	pthread_mutex_unlock(&vm->end_lock);
	/* A vCPU that has just powered the machine off executes nothing behind that. */
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		vcpu_ask_stop(&vm->vcpu[i]);
	loop_stop(vm->loop);
}

static void on_power_off(void *arg)
{
	vm_stop(arg, (struct vm_end){.kind = VM_END_SHUTDOWN});
}

static void on_reset(void *arg)
{
	vm_stop(arg, (struct vm_end){.kind = VM_END_RESET});
}

static void on_verdict(void *arg, uint8_t verdict)
{
	vm_stop(arg, (struct vm_end){.kind = VM_END_VERDICT, .verdict = verdict});
}

static void on_timeout(void *arg)
{
	struct vm *vm = arg;

	log_error("the guest was ended after --timeout %llu",
	          (unsigned long long)vm->cfg->common.timeout_s);
	vm_stop(vm, (struct vm_end){.kind = VM_END_TIMEOUT});
}

static void on_vcpu_ended(void *arg, enum arch_exit how, const char *why)
{
	struct vm *vm = arg;

	if (how == ARCH_EXIT_SHUTDOWN)
		on_power_off(vm);
	else if (how == ARCH_EXIT_RESET)
		on_reset(vm);
	else {
		log_error("the guest died: %s", why);
		vm_stop(vm, (struct vm_end){.kind = VM_END_DEAD});
	}
}

/* ---- how it is made */

unsigned vm_nic_place(const struct vm_config *cfg, unsigned nic)
{
	return cfg->slots_before + nic;
}

unsigned vm_slot_place(const struct vm_config *cfg, unsigned slot)
{
	return slot < cfg->slots_before ? slot : cfg->nr_nics + slot;
}

static const struct machine_virtio *place_of(const struct vm *vm, unsigned nic)
{
	return &vm->map.virtio[vm_nic_place(vm->cfg, nic)];
}

void vm_map(const struct vm_config *cfg, struct machine_map *map)
{
	*map = (struct machine_map){
		.nr_cpus = (unsigned)cfg->nr_cpus,
		.nr_virtio = cfg->nr_nics + cfg->nr_slots,
		.announce = (enum announce)cfg->announce,
	};
	map->nr_ram = arch_ram_ranges(cfg->ram_bytes, map->ram);
	for (unsigned i = 0; i < cfg->nr_nics; i++)
		map->virtio[vm_nic_place(cfg, i)] = (struct machine_virtio){
			.base = arch_desc.virtio_base + i * arch_desc.virtio_stride,
			.size = cfg->nic[i].window ? cfg->nic[i].window : VIRTIO_MMIO_SIZE,
			.gsi = arch_desc.virtio_gsi + i,
			.name = cfg->nic[i].name,
		};
	/*
	 * Slots without a device (check --provoke slots) are around the NICs, which stay where they are: there is nothing
	 * below them, and their wires are the first.
	 */
	for (unsigned i = 0; i < cfg->nr_slots; i++) {
		const unsigned at = vm_slot_place(cfg, i);

		map->virtio[at] = (struct machine_virtio){
			.base = arch_desc.virtio_base + at * arch_desc.virtio_stride -
		                cfg->slots_before * arch_desc.virtio_stride,
			.size = VIRTIO_MMIO_SIZE,
			.gsi = arch_desc.virtio_gsi + cfg->nr_nics + i,
			.name = cfg->slot[i].name,
		};
	}
}

/* An arch_place with base 0 is a device that this CPU's machines do not have. */
static int place(struct vm *vm, const char *name, const struct arch_place *at,
                 const struct bus_ops *ops, void *dev)
{
	const struct bus_region region = {
		.name = name, .base = at->base, .size = at->size, .ops = ops, .dev = dev};

	return at->base ? bus_add(at->pio ? &vm->pio : &vm->mmio, &region) : 0;
}

static void set_irq(void *arg, unsigned gsi, bool level)
{
	const struct vm *vm = arg;

	arch_irq_set(&vm->kvm, gsi, level);
}

static int add_platform(struct vm *vm)
{
	const struct arch_desc *a = &arch_desc;
	struct uart16550_config uart = {.irq = {set_irq, vm, a->uart.gsi}};
	int ret;

	if (vm->console)
		console_connect(vm->console, &uart);
	ret = uart16550_create(&uart, &vm->uart);
	if (ret < 0)
		return ret;
	if (vm->console)
		console_attach(vm->console, vm->uart);
	vm->power = (struct power){.off = on_power_off, .reset = on_reset, .arg = vm};
	vm->i8042 = (struct i8042){.reset = on_reset, .arg = vm};
	vm->debug_exit = (struct debug_exit){.verdict = on_verdict, .arg = vm};
	ret = place(vm, "uart", &a->uart, &uart16550_bus_ops, vm->uart);
	if (ret == 0)
		ret = place(vm, "power", &a->power, &power_bus_ops, &vm->power);
	if (ret == 0)
		ret = place(vm, "i8042", &a->i8042, &i8042_bus_ops, &vm->i8042);
	if (ret == 0)
		ret = place(vm, "debug-exit", &a->debug_exit, &debug_exit_bus_ops, &vm->debug_exit);
	return ret;
}

static int add_nics(struct vm *vm)
{
	int ret = 0;

	/*
	 * First open all that the user named, so that a mistake in any of it is said at once: to create a device may mean to
	 * wait for its peer.
	 */
	for (unsigned i = 0; i < vm->cfg->nr_nics && ret == 0; i++)
		if (!vm->nic[i].backend) /* from the first life on */
			ret = nic_open(&vm->nic[i], &vm->cfg->nic[i], vm->cfg->common.deadline_ns,
			               &vm->pairs);
	if (ret == 0)
		ret = net_pairs_check(&vm->pairs);
	for (unsigned i = 0; i < vm->cfg->nr_nics && ret == 0; i++) {
		const struct irq_line irq = {set_irq, vm, place_of(vm, i)->gsi};

		ret = nic_create(&vm->nic[i], &vm->mem, irq);
	}
	return ret;
}

static int add_slots(struct vm *vm)
{
	int ret = 0;

	for (unsigned i = 0; i < vm->cfg->nr_slots && ret == 0; i++) {
		const struct machine_virtio *where = &vm->map.virtio[vm_slot_place(vm->cfg, i)];
		const struct vm_slot *s = &vm->cfg->slot[i];
		const struct bus_region region = {.name = s->name,
		                                  .base = where->base,
		                                  .size = where->size,
		                                  .ops = s->ops,
		                                  .dev = s->dev};

		ret = bus_add(&vm->mmio, &region);
	}
	return ret;
}

static int load_guest(struct vm *vm)
{
	const struct arch_boot_config boot = {
		.kernel = vm->cfg->kernel,
		.flat = vm->cfg->flat,
		.initrd = vm->cfg->initrd,
		.cmdline = &vm->cmdline,
		.map = &vm->map,
		.mem = &vm->mem,
	};

	cmdline_init(&vm->cmdline);
	if (vm->cfg->append && cmdline_add(&vm->cmdline, vm->cfg->append) < 0) {
		log_error("--append: the command line is %zu bytes long, possible are %u",
		          strlen(vm->cfg->append), CMDLINE_MAX - 1);
		return -E2BIG;
	}
	return arch_boot(&boot, &vm->entry);
}

static int make_vcpus(struct vm *vm)
{
	int fds[VM_MAX_CPUS];
	int ret;

	for (unsigned i = 0; i < vm->map.nr_cpus; i++) {
		ret = vcpu_create(&vm->vcpu[i], &vm->kvm, i, &vm->env);
		if (ret < 0)
			return ret;
		fds[i] = vm->vcpu[i].fd;
		vm->nr_vcpus = i + 1;
	}
	ret = arch_vcpus_init(&vm->kvm, fds, vm->nr_vcpus, kvm_ahead_answer(vm->ahead));
	if (ret < 0)
		return ret;
	return arch_vcpu_start(vm->vcpu[0].fd, &vm->entry);
}

static int make_memory(struct vm *vm)
{
	bool shared = false;
	int ret;

	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		shared |= vm->cfg->nic[i].kind->shares_memory;
	ret = gmem_create(&vm->mem, vm->map.ram, vm->map.nr_ram, shared);
	if (ret < 0)
		log_error("--mem: no %llu MiB of memory for the guest: %s",
		          (unsigned long long)(vm->cfg->ram_bytes >> 20), strerror(-ret));
	return ret;
}

/*
 * The machine, from top to bottom. What the user may have got wrong (files, backends) is said before what KVM
 * has against it; then all memory slots before irqchip, vCPUs and eventfds, or KVM waits for grace periods.
 */
static int build_parts(struct vm *vm)
{
	const struct arch_vm_config arch = {
		.map = &vm->map,
		.irqchip = (enum irqchip)vm->cfg->irqchip,
		.mmio = &vm->mmio,
	};
	int ret;

	vm_map(vm->cfg, &vm->map);
	if ((ret = make_memory(vm)) < 0)
		return ret;
	if ((ret = load_guest(vm)) < 0)
		return ret;
	if ((ret = add_nics(vm)) < 0)
		return ret;
	if (kvm_ahead_take(vm->ahead, &vm->kvm) < 0 && (ret = kvm_open(&vm->kvm)) < 0)
		return ret;
	if (vm->map.nr_cpus > vm->kvm.max_vcpus) {
		log_error("--cpus %u: KVM here has at most %u", vm->map.nr_cpus, vm->kvm.max_vcpus);
		return -EINVAL;
	}
	if ((ret = kvm_add_memory(&vm->kvm, &vm->mem)) < 0)
		return ret;
	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		if ((ret = nic_map(&vm->nic[i], place_of(vm, i), &vm->kvm)) < 0)
			return ret;
	if ((ret = arch_vm_init(&vm->kvm, &arch)) < 0)
		return ret;
	if ((ret = add_platform(vm)) < 0)
		return ret;
	if ((ret = make_vcpus(vm)) < 0)
		return ret;
	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		if ((ret = nic_attach(&vm->nic[i], place_of(vm, i), &vm->mmio, &vm->kvm)) < 0)
			return ret;
	return add_slots(vm);
}

static int build(struct vm *vm)
{
	int ret;

	vm->ahead = kvm_ahead_begin();
	ret = build_parts(vm);
	kvm_ahead_end(vm->ahead);
	vm->ahead = NULL;
	return ret;
}

int vm_create(const struct vm_config *cfg, struct loop *loop, struct console *console,
              struct vm **out)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int ret;

	*out = NULL;
	if (!vm)
		return -ENOMEM;
	vm->cfg = cfg;
	vm->loop = loop;
	vm->console = console;
	vm->kvm = (struct kvm){.sys_fd = -1, .vm_fd = -1};
	vm->env = (struct vcpu_env){&vm->mmio, &vm->pio, &vm->kvm, on_vcpu_ended, vm};
	vm->timeout = (struct loop_timer){.fn = on_timeout, .arg = vm};
	pthread_mutex_init(&vm->end_lock, NULL);
	ret = build(vm);
	if (ret < 0) {
		vm_destroy(vm);
		return ret;
	}
	*out = vm;
	return 0;
}

/* What is the guest's, but for its VM and its memory. */
static void take_apart(struct vm *vm)
{
	if (vm->console)
		console_attach(vm->console, NULL);
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		vcpu_destroy(&vm->vcpu[i], &vm->kvm);
	vm->nr_vcpus = 0;
	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		nic_destroy(&vm->nic[i]);
	uart16550_destroy(vm->uart);
	vm->uart = NULL;
	arch_vm_free(&vm->kvm);
}

int vm_reset(struct vm *vm)
{
	take_apart(vm);
	kvm_close(&vm->kvm);
	gmem_destroy(&vm->mem);
	/* What is left is as before the first build(), but for the backends. */
	vm->mmio = vm->pio = (struct bus){.nr = 0};
	vm->has_end = vm->paused = false;
	vm->end = (struct vm_end){.kind = VM_END_SHUTDOWN};
	vm->started_ns = vm->ended_ns = 0;
	vm->reboots++;
	return build(vm);
}

static void *close_kvm(void *arg)
{
	struct vm *vm = arg;

	kvm_close(&vm->kvm);
	return NULL;
}

/* The kernel waits for grace periods to end a VM (15 ms) and a TAP that we made (20 ms): side by side. */
static void close_all(struct vm *vm)
{
	pthread_t thread;
	int ret = thread_start(&thread, close_kvm, vm);

	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		nic_close(&vm->nic[i]);
	if (ret < 0)
		kvm_close(&vm->kvm);
	else
		pthread_join(thread, NULL);
	gmem_destroy(&vm->mem);
}

void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	loop_timer_off(&vm->timeout);
	take_apart(vm);
	close_all(vm);
	pthread_mutex_destroy(&vm->end_lock);
	free(vm);
}

/* ---- how it runs */

static int start_threads(struct vm *vm)
{
	int ret;

	bus_seal(&vm->mmio);
	bus_seal(&vm->pio);
	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		if ((ret = nic_start(&vm->nic[i])) < 0)
			return ret;
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		ret = vcpu_start(&vm->vcpu[i]);
		if (ret < 0) {
			log_error("no thread for CPU %u: %s", i, strerror(-ret));
			return ret;
		}
	}
	return 0;
}

/* vCPUs first, loops last: a vCPU may be waiting in loop_call(). */
static void stop_threads(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		vcpu_stop(&vm->vcpu[i]);
	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		nic_stop(&vm->nic[i]);
}

static void say_registers(struct vm *vm)
{
	char text[2048], *line, *rest;

	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		arch_vcpu_describe(vm->vcpu[i].fd, text, sizeof(text));
		for (rest = text; (line = strsep(&rest, "\n"));)
			if (*line)
				log_error("CPU %u: %s", i, line);
	}
}

int vm_run(struct vm *vm, struct vm_end *end)
{
	int ret = 0;

	loop_unstop(vm->loop);
	vm->started_ns = loop_now_ns();
	if (vm->cfg->common.deadline_ns)
		ret = loop_timer_at(vm->loop, &vm->timeout, vm->cfg->common.deadline_ns);
	if (ret == 0)
		ret = start_threads(vm);
	if (ret == 0) {
		ret = loop_run(vm->loop);
		if (ret < 0)
			log_error("the main loop failed: %s", strerror(-ret));
	}
	stop_threads(vm);
	vm->ended_ns = loop_now_ns();
	*end = vm->end;
	if (ret == 0 && end->kind == VM_END_DEAD)
		say_registers(vm);
	return ret;
}

bool vm_has_rings(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		if (nic_backend(&vm->nic[i])->ring)
			return true;
	return false;
}

/* Also those that have ended with vm_run(). */
static json_t *tasks_of(const struct vm *vm)
{
	json_t *all = stats_of_tasks(vm_has_rings(vm));

	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (vm->ended_ns && vm->vcpu[i].task.tid)
			json_array_append_new(all, stats_of_task(&vm->vcpu[i].task));
	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		nic_add_ended_tasks(&vm->nic[i], all);
	return all;
}

json_t *vm_stats(const struct vm *vm)
{
	const uint64_t end = vm->ended_ns ? vm->ended_ns : loop_now_ns();
	const double seconds = vm->started_ns ? (double)(end - vm->started_ns) / 1e9 : 0;
	json_t *vcpus = json_array(), *nics = json_array();

	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		json_array_append_new(vcpus, stats_of_vcpu(&vm->vcpu[i]));
	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		json_array_append_new(nics, stats_of_nic(&vm->nic[i]));
	return json_pack("{s:s, s:i, s:f, s:o, s:o, s:o, s:o}", "doorbell", DOORBELL_VERSION,
	                 "reboots", (int)vm->reboots, "seconds", seconds, "vcpus", vcpus, "nics",
	                 nics, "threads", tasks_of(vm), "kvm", stats_of_kvm(&vm->kvm));
}

/* ---- while it runs */

json_t *vm_status(struct vm *vm)
{
	json_t *nics = json_array();

	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		json_array_append_new(nics, nic_status(&vm->nic[i]));
	return json_pack("{s:s, s:i, s:s, s:i, s:s, s:o}", "doorbell", DOORBELL_VERSION, "pid",
	                 (int)getpid(), "state", vm->paused ? "paused" : "running", "cpus",
	                 (int)vm->nr_vcpus, "irqchip", config_irqchip_name(vm->cfg->irqchip),
	                 "nics", nics);
}

bool vm_guest_pc(struct vm *vm, uint64_t *pc)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (vcpu_is_me(&vm->vcpu[i]))
			return arch_vcpu_pc(vm->vcpu[i].fd, pc) == 0;
	return false;
}

bool vm_hears(struct vm *vm, unsigned nic)
{
	if (vm->nr_vcpus != 1 || !arch_irq_open(&vm->kvm, vm->nic[nic].mmio.irq.gsi))
		return false;
	return !vcpu_is_me(&vm->vcpu[0]) || arch_vcpu_took_all(vm->vcpu[0].fd);
}

bool vm_rests(const struct vm *vm, uint64_t *pc)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		if (!arch_vcpu_rests(vm->vcpu[i].fd))
			return false;
	return vm->nr_vcpus > 0 && arch_vcpu_pc(vm->vcpu[0].fd, pc) == 0;
}

void vm_cpu_time(const struct vm *vm, struct task *mean)
{
	*mean = (struct task){.tid = 0};
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		const int tid =
			atomic_load_explicit(&vm->vcpu[i].tid, memory_order_relaxed); /* a number */
		struct task t;

		if (!task_read(tid, &t))
			continue;
		mean->cpu_ns += t.cpu_ns / vm->nr_vcpus;
		mean->runqueue_ns += t.runqueue_ns / vm->nr_vcpus;
		mean->ready |= t.ready;
	}
}

void vm_pause(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		vcpu_pause(&vm->vcpu[i]);
	vm->paused = true;
}

void vm_resume(struct vm *vm)
{
	for (unsigned i = 0; i < vm->nr_vcpus; i++)
		vcpu_resume(&vm->vcpu[i]);
	vm->paused = false;
}

bool vm_is_paused(const struct vm *vm)
{
	return vm->paused;
}

struct nic *vm_nic(struct vm *vm, const char *name)
{
	for (unsigned i = 0; i < vm->cfg->nr_nics; i++)
		if (strcmp(vm->nic[i].cfg->name, name) == 0)
			return &vm->nic[i];
	return NULL;
}
