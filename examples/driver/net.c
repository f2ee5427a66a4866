/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio-net driver (virtio 1.2, 5.1) with one receive and one transmit queue, and its main loop.
 *
 * Words of the command line: "poll", without interrupts; "up", ends as soon as the device works.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <stddef.h>

#include "answer.h"
#include "bugs.h"
#include "cpu.h"
#include "queue.h"
#include "tree.h"
#include "virtio.h"

enum { RX, TX };

#define FRAME_MAX 1514u
#define HDR       12u /* with VERSION_1 always [net.hdr-12-bytes], [net.tx-hdr-same-size] */
#define ROOM      (HDR + FRAME_MAX) /* [net.rx-buf-1526] */
#define PART      512u              /* with MRG_RXBUF a frame may take several [net.rx-mrg-min] */
#define PARTS     ((ROOM + PART - 1) / PART)
#define MTU_MIN   68
#define MTU_MAX   1500
#define NR_TX     (QUEUE_SIZE / 2)
#define IDLE_LOOK 4096u /* rounds without work between two looks at the registers, when polling */

struct buffer {
	uint8_t hdr[HDR];
	uint8_t frame[FRAME_MAX];
} __attribute__((aligned(4)));

/* What we can do; the device takes its pick. [feat.fallback] */
#define WANTED                                                                                     \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_NET_F_MAC) | \
	 FEATURE(VIRTIO_NET_F_STATUS) | FEATURE(VIRTIO_NET_F_MTU) |                                \
	 FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_RING_F_EVENT_IDX) |                      \
	 FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

struct nic {
	struct device dev;
	struct host host;
	struct queue rx, tx;
	struct buffer rx_buf[QUEUE_SIZE], tx_buf[NR_TX];
	uint16_t free_tx[NR_TX], nr_free_tx;
	/* A frame that is being put together: in which of tx_buf, and how many parts are to come. */
	uint16_t whole;
	uint32_t len, missing;
	bool link, poll;
	unsigned idle;
};

static struct nic nic;

static bool has(const struct nic *n, unsigned feature)
{
	return n->dev.accepted & FEATURE(feature);
}

static void say(const char *text)
{
	while (*text)
		cpu_put(*text++);
	cpu_put('\n');
}

static _Noreturn void fail(struct nic *n, const char *text)
{
	device_fail(&n->dev);
	say(text);
	cpu_exit(1);
}

/* ---- receiving */

static void post(struct nic *n, uint16_t i)
{
	struct buffer *b = &n->rx_buf[i];
	const uint32_t all = has(n, VIRTIO_NET_F_MRG_RXBUF) ? PART : ROOM;
	/* A header and a rest that lies behind it: any layout will do. [net.rx-writable-only], [net.rx-hdr-size] */
	const struct piece p[] = {{b->hdr, HDR, true}, {b->frame, all - HDR, true}};

	queue_add(&n->rx, i, p, 2);
}

/* One part of a frame, whose number of parts is in the first one's header. [net.rx-num-buffers] */
static void take_part(struct nic *n, const struct buffer *b, uint32_t len)
{
	const uint8_t *data = b->hdr;

	if (n->missing == 0) {
		/* Only then is it of interest. [net.rx-single-without-mrg] */
		if (has(n, VIRTIO_NET_F_MRG_RXBUF))
			n->missing = b->hdr[10] | (uint32_t)b->hdr[11] << 8;
		if (n->missing == 0 || n->missing > PARTS) /* [net.rx-num-buffers-sane] */
			n->missing = 1;
		n->len = 0;
		data += HDR;
		len = len > HDR ? len - HDR : 0;
	}
	n->missing--;
	/* What is behind @len means nothing [used.ignore-past-len]; no rule makes us doubt @len itself, but a device may lie. */
	if (len > ROOM || n->len + len > FRAME_MAX)
		len = 0;
	__builtin_memcpy(n->tx_buf[n->whole].frame + n->len, data, len);
	n->len += len;
}

static void post_tx(struct nic *n, uint16_t i, uint32_t len)
{
	struct buffer *b = &n->tx_buf[i];
	const struct piece p[] = {/* [net.tx-hdr-present], [split.readable-before-writable] */
	                          {b->hdr, HDR - (bug(short_header) ? 2 : 0), false},
	                          {b->frame, len, false},
	                          {b->frame + len, 0, false}};

	/* All 0: no offloads, hence no GSO and no checksum to complete. [net.tx-gso-none], [net.tx-flags-0-without-csum] */
	__builtin_memset(b->hdr, 0, HDR); /* [net.tx-num-buffers-0] */
	queue_add(&n->tx, i, p, bug(empty_piece) ? 3 : 2);
}

static void reclaim(struct nic *n)
{
	uint32_t len;
	int i;

	while ((i = queue_take(&n->tx, &len)) >=
	       0) /* whether we wanted to hear of it or not [net.tx-reclaim] */
		n->free_tx[n->nr_free_tx++] = (uint16_t)i;
	if (bug(fifo_assumed) && i == -2)
		fail(n, "that one was not next");
}

/* Frames whose answer has a place. True: there was something. */
static bool receive(struct nic *n)
{
	bool any = false;
	uint32_t len;
	int i = -1;

	while ((n->missing > 0 || n->nr_free_tx > 0) && (i = queue_take(&n->rx, &len)) >= 0) {
		any = true;
		if (n->missing == 0)
			n->whole = n->free_tx[--n->nr_free_tx];
		take_part(n, &n->rx_buf[i], len);
		post(n, (uint16_t)i); /* the copy is ours [net.rx-replenish] */
		if (n->missing > 0)
			continue;
		len = answer(&n->host, n->tx_buf[n->whole].frame, n->len);
		if (len > 0 && n->link) /* [net.link-from-status] */
			post_tx(n, n->whole, len);
		else
			n->free_tx[n->nr_free_tx++] = n->whole;
	}
	if (bug(fifo_assumed) && i == -2)
		fail(n, "that one was not next");
	if (queue_flush(&n->rx)) /* [notif.must-kick] */
		device_kick(&n->dev, RX);
	if (queue_flush(&n->tx))
		device_kick(&n->dev, TX);
	return any;
}

/* ---- up and down */

static uint64_t wanted(const struct nic *n)
{
	uint64_t bits = WANTED;
	uint16_t mtu;

	/* A field is looked at when its feature is offered. [cfg.check-feature-first] */
	if (n->dev.offered & FEATURE(VIRTIO_NET_F_MTU)) {
		mtu = device_config16(&n->dev, offsetof(struct virtio_net_config, mtu));
		if (mtu < MTU_MIN || mtu > MTU_MAX) /* no room for that [net.mtu-rx-room] */
			bits &= ~FEATURE(VIRTIO_NET_F_MTU);
	}
	if (bug(no_version_1))
		bits &= ~FEATURE(VIRTIO_F_VERSION_1);
	if (bug(no_ctrl_vq))
		bits |= FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR);
	if (bug(small_buffers))
		bits |= FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4);
	return bits;
}

static void read_link(struct nic *n)
{
	uint16_t status = VIRTIO_NET_S_LINK_UP; /* [net.link-assume-up] */

	if (has(n, VIRTIO_NET_F_STATUS) || bug(status_not_offered))
		status = device_config16(&n->dev, offsetof(struct virtio_net_config, status));
	n->link = status & VIRTIO_NET_S_LINK_UP;
}

static void read_mac(struct nic *n)
{
	static const uint8_t own[6] = {0x02, 0, 0, 0, 0, 0x15}; /* [net.mac-local-admin] */

	if (has(n, VIRTIO_NET_F_MAC)) /* [net.mac-use] */
		device_config(&n->dev, 0, n->host.mac, 6);
	else
		__builtin_memcpy(n->host.mac, own, 6);
}

/* A device may have room for less than we can do with. [mmio.qsize-le-max] */
static bool add_queues(struct nic *n)
{
	const uint16_t parts = has(n, VIRTIO_NET_F_MRG_RXBUF) ? PARTS : 1;

	return device_add_queue(&n->dev, RX, &n->rx) && device_add_queue(&n->dev, TX, &n->tx) &&
	       n->rx.buffers >= parts && n->tx.buffers > 0;
}

static bool bring_up(struct nic *n)
{
	bool kick;

	device_begin(&n->dev);
	if (bug(queues_too_early) && !add_queues(n))
		return false;
	if (!device_accept(&n->dev, wanted(n)))
		return false;
	read_mac(n);
	read_link(n);
	/* The features are settled [init.setup-after-negotiation] and the device is not live: queues, buffers, no kicks. */
	if (!bug(queues_too_early) && !bug(queues_too_late) && !add_queues(n))
		return false;
	/* Never more than the ring takes, which may be less than we have. */
	for (n->nr_free_tx = 0; n->nr_free_tx < NR_TX && n->nr_free_tx < n->tx.buffers;
	     n->nr_free_tx++)
		n->free_tx[n->nr_free_tx] = n->nr_free_tx;
	n->missing = 0;
	for (uint16_t i = 0; i < n->rx.buffers; i++)
		post(n, i); /* [net.rx-filled-at-start] */
	kick = !bug(queues_too_late) && queue_flush(&n->rx);
	if (bug(early_kick))
		device_kick(&n->dev, RX);
	if (!device_go(&n->dev) || (bug(queues_too_late) && !add_queues(n)))
		return false;
	if (kick) /* [init.no-kick-before-drvok] */
		device_kick(&n->dev, RX);
	return true;
}

/* ---- the main loop */

static void look_at_registers(struct nic *n)
{
	if (!device_config_changed(&n->dev))
		return;
	/* [cfg.reset-on-needs-reset-irq], [status.needs-reset-no-trust] */
	if (device_needs_reset(&n->dev) && !bring_up(n))
		fail(n, "the device does not come back");
	if (bug(config_fatal) && !device_needs_reset(&n->dev))
		fail(n, "what is that?");
	read_link(n);
}

/* Nothing to do: until there is. */
static void rest(struct nic *n)
{
	if (n->poll) {
		cpu_relax();
		if (++n->idle % IDLE_LOOK == 0)
			look_at_registers(n);
		return;
	}
	if (queue_interrupt_on(&n->rx) && (n->nr_free_tx > 0 || queue_interrupt_on(&n->tx)))
		cpu_wait();
	queue_interrupt_off(&n->rx);
	queue_interrupt_off(&n->tx);
	look_at_registers(n); /* it may also have been for nothing [notif.handle-spurious] */
}

/* The first of all slots that has a network device: others may be empty, or have another one. */
static void find_device(struct nic *n, const void *tree, unsigned *line)
{
	for (unsigned i = 0; tree_find(tree, "virtio,mmio", i, &n->dev.base, line); i++)
		if (device_probe(&n->dev, VIRTIO_ID_NET))
			return;
	say("no network device");
	cpu_exit(2);
}

void driver_main(const void *tree)
{
	struct nic *n = &nic;
	unsigned line = 0;

	find_device(n, tree, &line);
	n->poll = tree_has_word(tree, "poll");
	if (!n->poll)
		cpu_interrupts_on(line);
	if (!bring_up(n))
		fail(n, "the device cannot be used");
	queue_interrupt_off(&n->rx);
	queue_interrupt_off(&n->tx);
	say("ready");
	n->host.stop = tree_has_word(tree, "up");
	while (!n->host.stop) {
		reclaim(n);
		if (!receive(n))
			rest(n);
	}
	/* The device has to let go before the memory becomes something else. [cleanup.reset-before-unexpose] */
	if (bug(unexpose_first))
		__builtin_memset(&n->rx, 0, sizeof(n->rx));
	device_reset(&n->dev);
	say("done");
	cpu_exit(0);
}
