/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/irqchip.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/layout.h"
#include "vmm/core/bus.h"
#include "vmm/core/log.h"

_Static_assert(IOAPIC_MAX_PINS == LAYOUT_NR_GSIS, "GSI and pin are the same number");

struct arch_irqchip {
	struct ioapic ioapic;
	int vm_fd; /* borrowed */
};

/* KVM takes the whole table; a pin that sends nothing is not in it, and an irqfd's signals there go nowhere. */
static void set_routes(void *arg, const struct ioapic_msi *pins)
{
	const struct arch_irqchip *s = arg;
	_Alignas(struct kvm_irq_routing)
		uint8_t buf[sizeof(struct kvm_irq_routing) +
	                    IOAPIC_MAX_PINS * sizeof(struct kvm_irq_routing_entry)] = {0};
	struct kvm_irq_routing *table = (struct kvm_irq_routing *)(void *)buf;

	for (unsigned gsi = 0; gsi < IOAPIC_MAX_PINS; gsi++) {
		if (!pins[gsi].address)
			continue;
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
			.gsi = gsi,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = {.address_lo = pins[gsi].address, .data = pins[gsi].data},
		};
	}
	if (ioctl(s->vm_fd, KVM_SET_GSI_ROUTING, table) < 0)
		log_guest("KVM_SET_GSI_ROUTING: %s", strerror(errno));
}

static void send_msi(void *arg, struct ioapic_msi msi)
{
	const struct arch_irqchip *s = arg;
	struct kvm_msi message = {.address_lo = msi.address, .data = msi.data};

	/* Fails when no CPU listens to that address: as on hardware, nobody hears of it. */
	(void)ioctl(s->vm_fd, KVM_SIGNAL_MSI, &message);
}

/*
 * KVM_CREATE_IRQCHIP makes a PIC too and wires GSIs 0..15 to it and to the I/O-APIC. A guest that
 * learns from our tables that there is no PIC never masks it, while the first CPU's LINT0 listens to
 * it from reset on: the first serial interrupt would come as vector 4 as well. So mask it as firmware
 * does.
 */
static int mask_pic(const struct kvm *k)
{
	struct kvm_irqchip pic = {
		.chip_id = KVM_IRQCHIP_PIC_MASTER,
		.chip.pic = {.imr = 0xff, .elcr_mask = 0xf8},
	};

	return ioctl(k->vm_fd, KVM_SET_IRQCHIP, &pic);
}

static int create_kernel(const struct kvm *k)
{
	const char *what;
	int err;

	if (ioctl(k->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		what = "KVM_CREATE_IRQCHIP";
	else if (mask_pic(k) < 0)
		what = "KVM_SET_IRQCHIP";
	else
		return 0;
	err = errno;
	log_error("%s: %s", what, strerror(err));
	return -err;
}

static int create_split(struct kvm *k, unsigned nr_pins, struct bus *mmio)
{
	const struct kvm_enable_cap cap = {
		.cap = KVM_CAP_SPLIT_IRQCHIP,
		.args = {IOAPIC_MAX_PINS}, /* routes of these GSIs are looked at for EOI exits */
	};
	struct arch_irqchip *s = calloc(1, sizeof(*s));
	const struct bus_region region = {
		.name = "I/O-APIC",
		.base = LAYOUT_IOAPIC,
		.size = IOAPIC_SIZE,
		.ops = &ioapic_bus_ops,
		.dev = s ? &s->ioapic : NULL,
	};
	int ret;

	if (!s) {
		log_error("out of memory");
		return -ENOMEM;
	}
	s->vm_fd = k->vm_fd;
	ioapic_init(&s->ioapic, nr_pins,
	            &(struct ioapic_host){.route = set_routes, .send = send_msi, .arg = s});
	k->irqchip = s;
	if (ioctl(k->vm_fd, KVM_ENABLE_CAP, &cap) < 0) {
		ret = -errno;
		log_error("--irqchip split: not with this host's KVM: %s; there is --irqchip "
		          "kernel",
		          strerror(-ret));
		return ret;
	}
	ret = bus_add(mmio, &region);
	if (ret < 0)
		log_error("no place for the I/O-APIC: %s", strerror(-ret));
	return ret;
}

int irqchip_create(struct kvm *k, enum irqchip kind, unsigned nr_pins, struct bus *mmio)
{
	return kind == IRQCHIP_SPLIT ? create_split(k, nr_pins, mmio) : create_kernel(k);
}

void irqchip_destroy(struct kvm *k)
{
	if (!k->irqchip)
		return;
	ioapic_destroy(&k->irqchip->ioapic);
	free(k->irqchip);
	k->irqchip = NULL;
}

void irqchip_eoi(const struct kvm *k, uint8_t vector)
{
	if (k->irqchip)
		ioapic_eoi(&k->irqchip->ioapic, vector);
}

void arch_irq_set(const struct kvm *k, unsigned gsi, bool level)
{
	struct kvm_irq_level line = {.irq = gsi, .level = level};

	if (k->irqchip)
		ioapic_set(&k->irqchip->ioapic, gsi, level);
	/* Fails only for a GSI that does not exist; ours are constants of arch_desc. */
	else if (ioctl(k->vm_fd, KVM_IRQ_LINE, &line) < 0)
		log_guest("interrupt %u is lost: %s", gsi, strerror(errno));
}

/* With a chip of the kernel's an irqfd is served by a worker of it, whenever that runs. */
bool arch_irq_open(const struct kvm *k, unsigned gsi)
{
	return k->irqchip && ioapic_is_open(&k->irqchip->ioapic, gsi);
}
