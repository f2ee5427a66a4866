/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/micro_vm.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "bench/cmd/bench.h"
#include "bench/cmd/guest_images.h"
#include "vmm/core/compiler.h"

#define RAM_BYTES MIB(16)

int micro_vm_can(char *why)
{
	struct kvm k;
	int ret = kvm_try(&k);

	if (ret == 0) {
		kvm_close(&k);
		return 0;
	}
	snprintf(why, BENCH_WHY_MAX, "/dev/kvm: %s (doorbell doctor says what this host lacks)",
	         strerror(-ret));
	return -EOPNOTSUPP;
}

static void count_out(void *dev, unused uint64_t off, unused unsigned size, unused uint64_t val)
{
	struct micro_vm *m = dev;

	if (m->on_out)
		m->on_out(m->arg);
}

static uint64_t read_nothing(unused void *dev, unused uint64_t off, unused unsigned size)
{
	return 0;
}

static const struct bus_ops out_ops = {.read = read_nothing, .write = count_out};

/* None of our guests ends its machine; what says so is what they do not do any more. */
static void on_ended(unused void *arg, unused enum arch_exit how, unused const char *why)
{
}

static int add_port(struct micro_vm *m)
{
	const struct arch_place *at = &arch_desc.debug_exit;
	const struct bus_region region = {
		.name = "out", .base = at->base, .size = at->size, .ops = &out_ops, .dev = m};
	int ret = bus_add(at->pio ? &m->pio : &m->mmio, &region);

	bus_seal(&m->pio);
	bus_seal(&m->mmio);
	return ret;
}

/* In the order of vmm/vm.c. */
static int build(struct micro_vm *m, const char *kernel, const char *word)
{
	struct machine_map map = {.nr_cpus = 1, .announce = ANNOUNCE_NONE};
	const struct arch_vm_config vm = {
		.map = &map, .irqchip = arch_desc.default_irqchip, .mmio = &m->mmio};
	const struct arch_boot_config boot = {
		.kernel = kernel, .cmdline = &m->cmdline, .map = &map, .mem = &m->mem};
	struct arch_entry entry = {0};
	int ret;

	map.nr_ram = arch_ram_ranges(RAM_BYTES, map.ram);
	cmdline_init(&m->cmdline);
	if ((ret = cmdline_add(&m->cmdline, word)) < 0)
		return ret;
	if ((ret = gmem_create(&m->mem, map.ram, map.nr_ram, false)) < 0)
		return ret;
	if ((ret = arch_boot(&boot, &entry)) < 0)
		return ret;
	if ((ret = kvm_try(&m->kvm)) < 0)
		return ret;
	if ((ret = kvm_add_memory(&m->kvm, &m->mem)) < 0)
		return ret;
	if ((ret = arch_vm_init(&m->kvm, &vm)) < 0)
		return ret;
	if ((ret = add_port(m)) < 0)
		return ret;
	if ((ret = vcpu_create(&m->vcpu, &m->kvm, 0, &m->env)) < 0)
		return ret;
	m->has_vcpu = true;
	if ((ret = arch_vcpus_init(&m->kvm, &m->vcpu.fd, 1, NULL)) < 0)
		return ret;
	return arch_vcpu_start(m->vcpu.fd, &entry);
}

int micro_vm_create(struct micro_vm *m, const struct bench_env *env, const char *word, char *why)
{
	char kernel[PATH_MAX];
	int ret;

	*m = (struct micro_vm){.kvm = {.sys_fd = -1, .vm_fd = -1}, .vcpu.fd = -1};
	m->env = (struct vcpu_env){&m->mmio, &m->pio, &m->kvm, on_ended, m};
	ret = guest_micro_file(env, kernel, why);
	if (ret < 0)
		return ret;
	ret = build(m, kernel, word);
	if (ret < 0) {
		micro_vm_destroy(m);
		snprintf(why, BENCH_WHY_MAX, "no small machine: %s", strerror(-ret));
	}
	return ret;
}

void micro_vm_destroy(struct micro_vm *m)
{
	if (m->has_vcpu)
		vcpu_destroy(&m->vcpu, &m->kvm);
	arch_vm_free(&m->kvm);
	kvm_close(&m->kvm);
	gmem_destroy(&m->mem);
}
