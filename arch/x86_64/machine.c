/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arch.h"
#include "arch/x86_64/irqchip.h"
#include "arch/x86_64/layout.h"
#include "vmm/core/log.h"

const struct arch_desc arch_desc = {
	.name = "x86_64",
	.virtio_base = LAYOUT_VIRTIO,
	.virtio_stride = LAYOUT_VIRTIO_STRIDE,
	.virtio_gsi = LAYOUT_VIRTIO_GSI,
	.max_virtio = MACHINE_MAX_VIRTIO,
	.uart = {.pio = true, .base = LAYOUT_UART_PORT, .size = 8, .gsi = LAYOUT_UART_GSI},
	.power = {.base = LAYOUT_POWER, .size = LAYOUT_POWER_SIZE},
	.i8042 = {.pio = true, .base = LAYOUT_I8042_PORT, .size = 5},
	.debug_exit = {.pio = true, .base = LAYOUT_EXIT_PORT, .size = 4},
	.default_announce = ANNOUNCE_ACPI,
	.register_page = true,
	.announce_mask = 1u << ANNOUNCE_ACPI | 1u << ANNOUNCE_CMDLINE | 1u << ANNOUNCE_FDT |
                         1u << ANNOUNCE_NONE,
	.default_irqchip = IRQCHIP_SPLIT,
	.irqchip_mask = 1u << IRQCHIP_KERNEL | 1u << IRQCHIP_SPLIT,
	.console = "console=ttyS0",
};

_Static_assert(LAYOUT_VIRTIO_GSI + MACHINE_MAX_VIRTIO <= LAYOUT_NR_GSIS, "a GSI for each device");

unsigned arch_ram_ranges(uint64_t bytes, struct gmem_range out[GMEM_MAX_REGIONS])
{
	out[0] = (struct gmem_range){.base = 0, .size = min_u64(bytes, LAYOUT_HOLE)};
	if (bytes <= LAYOUT_HOLE)
		return 1;
	out[1] = (struct gmem_range){.base = LAYOUT_ABOVE_4G, .size = bytes - LAYOUT_HOLE};
	return 2;
}

/*
 * Our ACPI tables name every wire that there is. An MP table says more: 16 of ISA; and guests that are told
 * nothing may know the chip.
 */
static unsigned nr_pins(const struct machine_map *map)
{
	return map->announce == ANNOUNCE_ACPI ? LAYOUT_VIRTIO_GSI + map->nr_virtio : LAYOUT_NR_GSIS;
}

int arch_vm_init(struct kvm *k, const struct arch_vm_config *cfg)
{
	if (cfg->map->nr_cpus > LAYOUT_MAX_CPUS) {
		log_error("%u CPUs: this machine can have %u", cfg->map->nr_cpus, LAYOUT_MAX_CPUS);
		return -EINVAL;
	}
	if (ioctl(k->vm_fd, KVM_SET_TSS_ADDR, LAYOUT_KVM_TSS) < 0) {
		int ret = -errno;

		log_error("KVM_SET_TSS_ADDR: %s", strerror(-ret));
		return ret;
	}
	/* No PIT: with kvm-clock and the local APIC's timer Linux needs none. */
	return irqchip_create(k, cfg->irqchip, nr_pins(cfg->map), cfg->mmio);
}

void arch_vm_free(struct kvm *k)
{
	irqchip_destroy(k);
}
