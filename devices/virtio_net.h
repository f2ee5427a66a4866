/* SPDX-License-Identifier: Apache-2.0 */
/* devices/virtio_net.h - the network device (virtio 1.2, 5.1), frames through us: the pure path
 *
 * Queue 0 rx, queue 1 tx, queue 2 control. Everything runs on the loop that it was created with.
 */
#ifndef DOORBELL_VIRTIO_NET_H
#define DOORBELL_VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

struct gmem;
struct loop;
struct net_backend;
struct virtio_dev;
struct virtio_net; /* opaque */

#define VIRTIO_NET_QUEUE_SIZE_DEFAULT 256u

struct virtio_net_config {
	const char *name; /* "net0"; borrowed, must outlive the device */
	uint8_t mac[6];
	uint16_t mtu;        /* 0: VIRTIO_NET_F_MTU is not offered; else 68 .. 65535 */
	uint32_t queue_size; /* power of two, 2 .. VQ_NUM_MAX; rx and tx (control has 64) */
	uint64_t features;   /* offered; a closed set out of virtio_net_can() */
};

/* What this device honours with a backend that can @backend_can, mtu given or not. */
uint64_t virtio_net_can(uint64_t backend_can, bool has_mtu);

/*
 * @backend is borrowed and must outlive the device; so must @mem and @loop. Called before the
 * loop's thread starts, as is virtio_net_destroy() after it ended. 0 or -errno.
 */
int virtio_net_create(const struct virtio_net_config *cfg, struct net_backend *backend,
                      const struct gmem *mem, struct loop *loop, struct virtio_net **out);
void virtio_net_destroy(struct virtio_net *n); /* NULL is fine */

struct virtio_dev *virtio_net_dev(struct virtio_net *n);

/* Loop thread. Tells the driver by a config interrupt when STATUS was accepted; no frames while down. */
void virtio_net_set_link(struct virtio_net *n, bool up);
/* Loop thread. Ask the driver to announce itself on the network (GUEST_ANNOUNCE); no-op when not accepted. */
void virtio_net_announce(struct virtio_net *n);

/* Plain counters of the loop thread; others may read stale values. Each is a total since creation. */
struct virtio_net_stats {
	uint64_t rx_frames, rx_bytes; /* to the guest, bytes with header */
	uint64_t tx_frames, tx_bytes; /* from the guest */
	uint64_t rx_chains;   /* used entries for rx; more than frames with MRG_RXBUF spreading */
	uint64_t rx_filtered; /* frames for somebody else: rx mode, MAC and VLAN filter */
	uint64_t rx_dropped;  /* no buffer would ever fit, link down */
	uint64_t rx_bytes_copied; /* went through our spill buffer */
	uint64_t tx_dropped;      /* bad header, runt, refused by the host, link down */
	uint64_t rx_kicks, tx_kicks, ctrl_kicks; /* kick events taken */
	uint64_t rx_interrupts, tx_interrupts;   /* wanted by the driver and raised */
	uint64_t rx_interrupts_suppressed, tx_interrupts_suppressed; /* batches published without */
	uint64_t rx_stalls; /* turns that ended because the guest had posted no buffer */
	uint64_t tx_full;   /* turns that ended because the backend was full */
	uint64_t ctrl_commands, ctrl_errors;
	uint64_t broken; /* times the driver broke a rule */
};
const struct virtio_net_stats *virtio_net_stats(const struct virtio_net *n);

#endif
