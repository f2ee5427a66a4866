/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/nic_config.h - what one NIC is to be, and the words behind --net that say so */
#ifndef DOORBELL_NIC_CONFIG_H
#define DOORBELL_NIC_CONFIG_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "net/net_backend.h"
#include "vmm/core/poll.h"

/* How its interrupt reaches KVM; not given: by ioctl, or by irqfd where vhost-net may serve the rings. */
enum nic_irq { NIC_IRQ_IOCTL, NIC_IRQ_IRQFD, NIC_IRQ_NOT_GIVEN };

/*
 * Who answers reads of a NIC's registers, and who takes its kicks: each can be chosen, to see what it is worth. INLINE: the
 * thread of the vCPU, if it can (kick() of struct virtio_dev_ops), else as EXIT. Not given: by ioeventfd, or by exits where
 * none matches what the driver writes (NOTIFICATION_DATA, version 1).
 */
enum nic_regs { NIC_REGS_PAGE, NIC_REGS_TRAP, NIC_REGS_NOT_GIVEN };
enum nic_kick { NIC_KICK_IOEVENTFD, NIC_KICK_EXIT, NIC_KICK_INLINE, NIC_KICK_NOT_GIVEN };

/* Registers of version 2 or 1. The latter are no memory, and see every kick. */
enum nic_transport { NIC_MMIO, NIC_MMIO_LEGACY };

struct nic_config {
	char name[8]; /* "net0", by position */
	/* Bytes of registers and config space that the guest is told of, 0: all. For doorbell check, no key. */
	uint32_t window;
	const struct net_kind *kind;
	alignas(16) uint8_t backend[NET_CONFIG_MAX]; /* kind's own config struct */
	uint8_t mac[6];
	bool has_mac;
	uint64_t mtu; /* 0: not told to the guest */
	uint64_t queue_size;
	uint64_t queues;      /* pairs of them, 1 .. VIRTIO_NET_PAIRS_MAX */
	uint64_t tx_hold;     /* us: tx_hold_us of struct virtio_net_params; 0: none waits */
	uint64_t kick_wait;   /* us: kick_wait_us of struct virtio_net_params; 0: none waits */
	unsigned poll;        /* enum poll_mode, on the pure path */
	unsigned irq;         /* enum nic_irq */
	unsigned regs;        /* enum nic_regs, given after nic_config_parse() */
	unsigned kick;        /* enum nic_kick */
	unsigned transport;   /* enum nic_transport */
	const char *pcap;     /* path or NULL; owned: config_free() */
	const char *features; /* text or NULL; owned: config_free() */
};

/*
 * KIND[,KEY=VALUE...] as the NIC with this @index. @own_guest: one that we run, which finds it
 * by its registers: there are keys for these, and kinds that want its memory to be ours. 0; or -EINVAL after one log_error(). Either way nic_config_free() it.
 */
int nic_config_parse(struct nic_config *nic, unsigned index, const char *text, bool own_guest);
void nic_config_free(struct nic_config *nic);
/* As its key queues=, 1 .. VIRTIO_NET_PAIRS_MAX. 0; or -EINVAL after one log_error(). */
int nic_config_set_queues(struct nic_config *nic, uint64_t queues);
/* Have two of these @nr what only one of them can have? 0; or -EINVAL after one log_error(). */
int nic_config_check(const struct nic_config *nic, unsigned nr);
/* All kinds and keys, from the tables that nic_config_parse() uses. */
void nic_config_help(FILE *out, bool own_guest);

/* The words for enum nic_transport, nic_regs and nic_kick. */
const char *config_transport_name(unsigned transport);
const char *config_regs_name(unsigned regs);
const char *config_kick_name(unsigned kick);

#endif
