/* SPDX-License-Identifier: Apache-2.0 */
/* A network device (virtio 1.2, 5.1) behind virtio-mmio registers of version 2 (3.1, 4.2). */
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <stddef.h>

#include "driver.h"

#define MAGIC   0x74726976u
#define MTU_MAX 1500 /* longer frames have no room */

/* All accesses to registers are aligned and of 32 bits. [mmio.control-32bit] */
static uint32_t get(const struct nic *n, uint32_t off)
{
	return *(volatile uint32_t *)(n->base + off);
}

static void set(const struct nic *n, uint32_t off, uint32_t v)
{
	*(volatile uint32_t *)(n->base + off) = v;
}

/* Only ever adds bits. [status.no-clear-bit], [status.set-progress] */
static void add_status(const struct nic *n, uint32_t bit)
{
	const bool blind = bug(status_one_bit) ||
	                   (bug(reset_not_awaited) && bit == VIRTIO_CONFIG_S_ACKNOWLEDGE);

	set(n, VIRTIO_MMIO_STATUS, blind ? bit : get(n, VIRTIO_MMIO_STATUS) | bit);
}

bool nic_probe(const struct nic *n)
{
	if (bug(narrow_register))
		(void)*(volatile uint16_t *)(n->base + VIRTIO_MMIO_MAGIC_VALUE);
	/* In this order [mmio.probe-magic-version], [mmio.probe-devid]; what is not ours is left alone. [mmio.bad-magic] */
	return get(n, VIRTIO_MMIO_MAGIC_VALUE) == MAGIC && get(n, VIRTIO_MMIO_VERSION) == 2 &&
	       get(n, VIRTIO_MMIO_DEVICE_ID) == VIRTIO_ID_NET;
}

void nic_reset(const struct nic *n)
{
	if (!bug(no_reset))
		set(n, VIRTIO_MMIO_STATUS, 0);
	while (!bug(no_reset) && !bug(reset_not_awaited) && get(n, VIRTIO_MMIO_STATUS) != 0)
		; /* [reset.wait-for-zero] */
}

static void read_mac(struct nic *n)
{
	const uint64_t from = n->base + VIRTIO_MMIO_CONFIG;
	uint32_t before;

	__builtin_memcpy(n->mac, "\2\0\0\0\0\x15", 6); /* [net.mac-local-admin] */
	if (!(n->accepted & FEATURE(VIRTIO_NET_F_MAC)))
		return;
	do { /* again if it has changed meanwhile [cfg.generation-loop] */
		before = bug(no_generation) ? 0 : get(n, VIRTIO_MMIO_CONFIG_GENERATION);
		if (bug(wide_mac))
			*(uint32_t *)n->mac = *(volatile uint32_t *)from;
		for (uint32_t i = bug(wide_mac) ? 6 : 0; i < 6; i++)
			n->mac[i] = *(volatile uint8_t *)(from + i); /* [mmio.config-width] */
	} while (!bug(no_generation) && get(n, VIRTIO_MMIO_CONFIG_GENERATION) != before);
}

/* A field of 16 bits, in one access. [mmio.config-width] */
static uint16_t config16(const struct nic *n, uint32_t off)
{
	return *(volatile uint16_t *)(n->base + VIRTIO_MMIO_CONFIG + off);
}

static void read_link(struct nic *n)
{
	uint16_t status = VIRTIO_NET_S_LINK_UP; /* [net.link-assume-up] */

	if ((n->accepted & FEATURE(VIRTIO_NET_F_STATUS)) || bug(status_not_offered))
		status = config16(n, offsetof(struct virtio_net_config, status));
	n->link = status & VIRTIO_NET_S_LINK_UP; /* [net.link-from-status] */
}

static void set_address(const struct nic *n, uint32_t low, const void *at)
{
	set(n, low, (uint32_t)(uint64_t)at); /* both halves [mmio.addr-both-halves] */
	set(n, low + 4, (uint32_t)((uint64_t)at >> 32));
}

uint16_t nic_add_queue(const struct nic *n, uint32_t index, const void *const part[3])
{
	uint32_t max = bug(max_before_select) ? get(n, VIRTIO_MMIO_QUEUE_NUM_MAX) : QUEUE_SIZE;
	uint16_t size = QUEUE_SIZE;

	set(n, VIRTIO_MMIO_QUEUE_SEL, index); /* [mmio.queuesel-first] */
	if (get(n, VIRTIO_MMIO_QUEUE_READY))
		return 0; /* somebody's [mmio.queue-not-in-use] */
	if (!bug(max_before_select) && !bug(size_not_asked))
		max = get(n, VIRTIO_MMIO_QUEUE_NUM_MAX);
	while (size > max) /* [mmio.qsize-le-max], [split.size-pow2] */
		size /= 2;
	if (size == 0)
		return 0; /* [mmio.qmax0-absent] */
	set(n, VIRTIO_MMIO_QUEUE_NUM, size);
	set_address(n, VIRTIO_MMIO_QUEUE_DESC_LOW, part[0]);
	set_address(n, VIRTIO_MMIO_QUEUE_AVAIL_LOW, part[1]);
	set_address(n, VIRTIO_MMIO_QUEUE_USED_LOW, part[2]);
	set(n, VIRTIO_MMIO_QUEUE_READY, 1); /* the last [mmio.size-before-ready] */
	return size;
}

void nic_kick(const struct nic *n, uint32_t queue)
{
	set(n, VIRTIO_MMIO_QUEUE_NOTIFY, queue); /* [notify.queue-index-valid] */
}

void nic_fail(const struct nic *n)
{
	add_status(n, VIRTIO_CONFIG_S_FAILED); /* [init.set-failed-on-error] */
	say("the device cannot be used");
	cpu_exit(1);
}

/* The steps of 3.1.1. */
void nic_up(struct nic *n)
{
	nic_reset(n); /* whoever had it before us [init.reset-first] */
	add_status(n, VIRTIO_CONFIG_S_ACKNOWLEDGE); /* [init.ack-step] */
	add_status(n, VIRTIO_CONFIG_S_DRIVER);      /* [init.driver-step] */
	n->offered = 0;
	for (uint32_t half = 0; half < 2; half++) { /* select, then read [mmio.devfeatsel-first] */
		set(n, VIRTIO_MMIO_DEVICE_FEATURES_SEL, half);
		n->offered |= (uint64_t)get(n, VIRTIO_MMIO_DEVICE_FEATURES) << (32 * half);
	}
	if (bug(queues_too_early) && !add_queues(n))
		nic_fail(n);
	/* Only what is offered [feat.no-unoffered] and known to us [feat.no-undefined-bit] */
	n->accepted = (n->offered & n->wanted) | (bug(refusal_ignored) ? FEATURE(40) : 0);
	if ((n->accepted & FEATURE(VIRTIO_NET_F_MTU)) && /* [cfg.check-feature-first] */
	    config16(n, offsetof(struct virtio_net_config, mtu)) > MTU_MAX)
		n->accepted &= ~FEATURE(VIRTIO_NET_F_MTU); /* [net.mtu-rx-room] */
	if (!(n->accepted & FEATURE(VIRTIO_F_VERSION_1)) && !bug(no_version_1))
		nic_fail(n); /* [feat.accept-version-1], [feat.fail-when-unusable] */
	for (uint32_t half = 0; half < 2; half++) { /* [mmio.drvfeatsel-first] */
		set(n, VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
		set(n, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(n->accepted >> (32 * half)));
	}
	add_status(n, VIRTIO_CONFIG_S_FEATURES_OK); /* [init.features-before-ok] */
	/* The device may have said no. [init.reread-features-ok], [init.stop-after-failure] */
	if (!bug(features_unread) && !(get(n, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    !bug(refusal_ignored))
		nic_fail(n);
	read_mac(n);
	/* The features are settled, the device is not live yet. [init.setup-after-negotiation] */
	if (!bug(queues_too_early) && !bug(queues_too_late) && !add_queues(n))
		nic_fail(n);
	if (bug(early_kick))
		nic_kick(n, RX);
	add_status(n, VIRTIO_CONFIG_S_DRIVER_OK); /* the last step [init.drvok-last] */
	if ((get(n, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET) ||
	    (bug(queues_too_late) && !add_queues(n)))
		nic_fail(n);
	/* From now on it may be kicked [init.no-kick-before-drvok], and tells when the link changes. */
	read_link(n);
}

void nic_look(struct nic *n)
{
	/* Of both causes one is no reason to forget the other. [mmio.irq-both-bits] */
	const uint32_t why = get(n, VIRTIO_MMIO_INTERRUPT_STATUS) & /* [mmio.irq-read-status] */
	                     (VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);

	/* What is noted is as good as handled [mmio.irq-ack], [mmio.intack-handled]; what is used later raises the bit again. */
	if (why && !bug(no_ack)) /* [mmio.intack-no-unknown], [mmio.intstatus-ignore-unknown] */
		set(n, VIRTIO_MMIO_INTERRUPT_ACK, why);
	if (!(why & VIRTIO_MMIO_INT_CONFIG) || (bug(one_bit) && (why & VIRTIO_MMIO_INT_VRING)))
		return; /* it may have been for nothing at all [notif.handle-spurious] */
	if (get(n, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET)
		nic_up(n); /* [cfg.reset-on-needs-reset-irq], [status.needs-reset-no-trust] */
	else if (bug(config_fatal))
		nic_fail(n);
	read_link(n);
}
