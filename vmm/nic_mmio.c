/* SPDX-License-Identifier: Apache-2.0 */
/* A NIC of a guest of ours: registers in its memory, doorbells and interrupt in its KVM. */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/virtio.h"
#include "devices/virtio_net.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/nic.h"

#define PAGE      4096u
#define PAGE_REGS (PAGE - VIRTIO_MMIO_CONFIG) /* where in the page the registers are */

/* For a line whose other end is an irqfd: one write per edge, and the wire is down again by itself. */
static void signal_irqfd(void *arg, unused unsigned gsi, bool level)
{
	const struct nic *n = arg;

	if (level)
		virtio_signal(virtio_net_dev(n->net), n->irq_fd);
}

/* Likewise for one without: up and down before the next one. */
static void pulse_wire(void *arg, unused unsigned gsi, bool level)
{
	struct nic *n = arg;

	if (!level)
		return;
	pthread_mutex_lock(&n->wire_lock);
	irq_pulse(&n->wire);
	pthread_mutex_unlock(&n->wire_lock);
}

static int make_irqfd(struct nic *n, struct irq_line *irq)
{
	int fd = fd_eventfd();

	if (fd < 0) {
		log_error("%s: no eventfd: %s", n->cfg->name, strerror(-fd));
		return fd;
	}
	n->irq_fd = fd;
	irq->set = signal_irqfd;
	irq->arg = n;
	return 0;
}

/* Interrupts that somebody else can raise too, if there is one who could serve these rings. */
static int share_interrupt(struct nic *n, struct irq_line *irq)
{
	const struct net_backend *b = nic_backend(n);
	struct virtio_dev *d = virtio_net_dev(n->net);
	int ret = 0;

	if (!b->ring || (d->offered & b->ring_cannot))
		return 0;
	if (n->cfg->irq == NIC_IRQ_IOCTL) /* then it stays with us */
		return 0;
	if (n->irq_fd < 0)
		ret = make_irqfd(n, irq);
	d->call_fd = n->irq_fd;
	return ret;
}

int nic_create(struct nic *n, const struct gmem *mem, struct irq_line irq)
{
	int ret;

	n->wire = irq;
	ret = nic_make_device(n, mem);
	if (ret < 0)
		goto fail;
	if (n->cfg->irq == NIC_IRQ_IRQFD) {
		ret = make_irqfd(n, &irq);
		if (ret < 0)
			goto fail;
	}
	ret = share_interrupt(n, &irq);
	if (ret < 0)
		goto fail;
	if (n->cfg->queues > 1 && n->irq_fd < 0)
		irq = (struct irq_line){.set = pulse_wire, .arg = n, .gsi = irq.gsi};
	if (n->cfg->transport == NIC_MMIO_LEGACY)
		virtio_mmio_legacy_init(&n->mmio, virtio_net_dev(n->net), irq);
	else
		virtio_mmio_init(&n->mmio, virtio_net_dev(n->net), irq);
	return 0;
fail:
	nic_destroy(n);
	return ret;
}

/* Around the registers: what an empty bus gives. */
static int make_page(struct nic *n)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	n->page = memset(p, 0xff, PAGE);
	n->ack_fd = fd_eventfd();
	return n->ack_fd < 0 ? n->ack_fd : 0;
}

int nic_map(struct nic *n, const struct machine_virtio *where, struct kvm *k)
{
	int ret;

	if (n->cfg->regs != NIC_REGS_PAGE)
		return 0;
	assert(where->base % PAGE == PAGE_REGS);
	ret = make_page(n);
	if (ret < 0) {
		log_error("%s: no page for its registers: %s", n->cfg->name, strerror(-ret));
		return ret;
	}
	n->kvm = k;
	n->base = where->base;
	return kvm_add_readonly(k, where->base - PAGE_REGS, n->page, PAGE);
}

static int swallow_acks(void *arg, bool on)
{
	const struct nic *n = arg;

	return kvm_ioeventfd_any(n->kvm, n->base + VIRTIO_MMIO_INTERRUPT_ACK, n->ack_fd, on);
}

/* With NOTIFICATION_DATA there is more in a kick than the number that an ioeventfd waits for. */
static unsigned kick_of(const struct nic *n)
{
	const bool data = virtio_net_dev(n->net)->offered & FEATURE(VIRTIO_F_NOTIFICATION_DATA);

	if (n->cfg->kick != NIC_KICK_NOT_GIVEN)
		return n->cfg->kick;
	return data ? NIC_KICK_EXIT : NIC_KICK_IOEVENTFD;
}

static int add_doorbells(const struct nic *n, gpa_t base, struct kvm *k)
{
	const struct virtio_dev *d = virtio_net_dev(n->net);
	int ret = 0;

	if (kick_of(n) != NIC_KICK_IOEVENTFD) /* virtio_kick() */
		return 0;
	for (unsigned i = 0; i < d->nr_queues && ret == 0; i++)
		ret = kvm_ioeventfd(k, base + VIRTIO_MMIO_QUEUE_NOTIFY, i, d->queue[i].kick_fd);
	return ret;
}

int nic_attach(struct nic *n, const struct machine_virtio *where, struct bus *mmio, struct kvm *k)
{
	const struct bus_region region = {
		.name = n->cfg->name,
		.base = where->base,
		.size = VIRTIO_MMIO_SIZE, /* whatever the guest is told */
		.ops = &virtio_mmio_bus_ops,
		.dev = &n->mmio,
	};
	const struct virtio_mmio_page page = {
		.reg = n->page ? (void *)(n->page + PAGE_REGS) : NULL,
		.swallow_acks = swallow_acks,
		.arg = n,
	};
	int ret = bus_add(mmio, &region);

	n->base = where->base;
	if (ret == 0)
		ret = add_doorbells(n, where->base, k);
	if (ret == 0 && n->irq_fd >= 0)
		ret = kvm_irqfd(k, where->gsi, n->irq_fd);
	if (ret == 0 && n->page)
		ret = virtio_mmio_use_page(&n->mmio, &page);
	return ret;
}

void nic_detach(struct nic *n)
{
	fd_close(&n->irq_fd);
	fd_close(&n->ack_fd);
	if (n->page)
		munmap(n->page, PAGE);
	n->page = NULL;
	n->kvm = NULL;
}

void nic_describe_registers(const struct nic *n, json_t *o)
{
	json_object_set_new(o, "transport", json_string(config_transport_name(n->cfg->transport)));
	json_object_set_new(o, "irq", json_string(n->irq_fd >= 0 ? "irqfd" : "ioctl"));
	json_object_set_new(o, "regs", json_string(config_regs_name(n->cfg->regs)));
	json_object_set_new(o, "kick", json_string(config_kick_name(kick_of(n))));
	json_object_set_new(o, "address", json_integer((json_int_t)n->base));
	json_object_set_new(o, "gsi", json_integer(n->mmio.irq.gsi));
}
