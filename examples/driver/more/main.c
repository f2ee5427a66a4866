/* SPDX-License-Identifier: Apache-2.0 */
/* The driver with more of what a device may offer: see README.md. Like ../main.c, but frames are copied.
 *
 * Words of the command line: "poll", without interrupts; "up", ends as soon as the device works.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stddef.h>

#include "ring.h"
#include "tree.h"

#define FRAME_MAX 1514u
#define PART      512u /* with MRG_RXBUF a frame may take several [net.rx-mrg-min] */
#define PARTS     ((ROOM + PART - 1) / PART)
#define NR_TX     (QUEUE_SIZE / 2)
#define IDLE_LOOK 4096u /* rounds without work between two looks at the registers, when polling */

struct buffer {
	uint8_t hdr[HDR];
	uint8_t frame[FRAME_MAX];
} __attribute__((aligned(4)));

struct driver {
	struct nic nic;
	struct ring rx, tx;
	struct buffer rx_buf[QUEUE_SIZE], tx_buf[NR_TX];
	uint16_t free_tx[NR_TX], nr_free_tx;
	/* A frame that is being put together: in which of tx_buf, and how many parts are to come. */
	uint16_t whole;
	uint32_t len, missing;
	bool poll;
	bool blind; /* only with a bug: it has forgotten about the other queue */
	unsigned idle;
};

static struct driver driver;

static bool has(const struct driver *d, unsigned feature)
{
	return d->nic.accepted & FEATURE(feature);
}

void say(const char *text)
{
	while (*text)
		cpu_put(*text++);
	cpu_put('\n');
}

static _Noreturn void end(const char *text, uint8_t status)
{
	say(text);
	cpu_exit(status);
}

/* ---- receiving */

static void post(struct driver *d, uint16_t i)
{
	struct buffer *b = &d->rx_buf[i];
	const uint32_t all = has(d, VIRTIO_NET_F_MRG_RXBUF) ? PART : HDR + FRAME_MAX;
	/* A header and a rest that lies behind it: any layout will do. [net.rx-writable-only], [net.rx-hdr-size] */
	const struct piece p[] = {{b->hdr, HDR, true}, {b->frame, all - HDR, true}};

	ring_add(&d->rx, i, p, 2);
}

/* One part of a frame, whose number of parts is in the first one's header. [net.rx-num-buffers] */
static void take_part(struct driver *d, const struct buffer *b, uint32_t len)
{
	const uint8_t *data = b->hdr;

	if (d->missing == 0) {
		/* Only then is it of interest. [net.rx-single-without-mrg] */
		if (has(d, VIRTIO_NET_F_MRG_RXBUF))
			d->missing = b->hdr[10] | (uint32_t)b->hdr[11] << 8;
		if (d->missing == 0 || d->missing > PARTS) /* [net.rx-num-buffers-sane] */
			d->missing = 1;
		d->len = 0;
		data += HDR;
		len = len > HDR ? len - HDR : 0;
	}
	d->missing--;
	/* What is behind @len means nothing [used.ignore-past-len]; no rule makes us doubt @len itself, but a device may lie. */
	if (len > sizeof(*b) || d->len + len > FRAME_MAX)
		len = 0;
	__builtin_memcpy(d->tx_buf[d->whole].frame + d->len, data, len);
	d->len += len;
}

static void post_tx(struct driver *d, uint16_t i, uint32_t len)
{
	struct buffer *b = &d->tx_buf[i];
	const struct piece p[] = {/* [net.tx-hdr-present], [split.readable-before-writable] */
	                          {b->hdr, HDR - (bug(short_header) ? 2 : 0), false},
	                          {b->frame, len, false},
	                          {b->frame + len, 0, false}};

	/* All 0: no offloads, hence no GSO and no checksum to complete. [net.tx-gso-none], [net.tx-flags-0-without-csum] */
	__builtin_memset(b->hdr, 0, HDR); /* [net.tx-num-buffers-0] */
	ring_add(&d->tx, i, p, bug(empty_piece) ? 3 : 2);
}

/* True: there was something. */
static bool reclaim(struct driver *d)
{
	bool any = false;
	uint32_t len;
	int i;

	/* Whether we wanted to hear of it or not. [net.tx-reclaim] */
	for (; (i = ring_take(&d->tx, &len)) >= 0; any = true)
		d->free_tx[d->nr_free_tx++] = (uint16_t)i;
	if (bug(fifo_assumed) && i == -2)
		nic_fail(&d->nic);
	return any;
}

/* Frames whose answer has a place. True: there was something. */
static bool receive(struct driver *d)
{
	bool any = false;
	uint32_t len;
	int i = -1;

	while ((d->missing > 0 || d->nr_free_tx > 0) && (i = ring_take(&d->rx, &len)) >= 0) {
		any = true;
		if (d->missing == 0)
			d->whole = d->free_tx[--d->nr_free_tx];
		take_part(d, &d->rx_buf[i], len);
		post(d, (uint16_t)i); /* the copy is ours [net.rx-replenish] */
		if (d->missing > 0)
			continue;
		len = answer(&d->nic, d->tx_buf[d->whole].frame, d->len);
		if (len > 0 && d->nic.link) /* [net.link-from-status] */
			post_tx(d, d->whole, len);
		else
			d->free_tx[d->nr_free_tx++] = d->whole;
	}
	if (bug(fifo_assumed) && i == -2)
		nic_fail(&d->nic);
	if (ring_flush(&d->rx)) /* [notif.must-kick] */
		nic_kick(&d->nic, RX);
	if (ring_flush(&d->tx))
		nic_kick(&d->nic, TX);
	return any;
}

/* ---- up and down */

/* A device may have room for less than we can do with. [mmio.qsize-le-max] */
static bool add_queue(const struct driver *d, uint32_t index, struct ring *q, uint16_t least)
{
	ring_init(q, d->nic.accepted);
	ring_set_size(q, nic_add_queue(&d->nic, index,
	                               (const void *[]){q->desc, &q->driver, &q->device}));
	return q->buffers >= least;
}

bool add_queues(const struct nic *n)
{
	struct driver *d = &driver;

	(void)n;
	if (!add_queue(d, RX, &d->rx, has(d, VIRTIO_NET_F_MRG_RXBUF) ? PARTS : 1) ||
	    !add_queue(d, TX, &d->tx, 1))
		return false;
	/* Never more than the ring takes, which may be less than we have. */
	for (d->nr_free_tx = 0; d->nr_free_tx < NR_TX && d->nr_free_tx < d->tx.buffers;
	     d->nr_free_tx++)
		d->free_tx[d->nr_free_tx] = d->nr_free_tx;
	d->missing = 0;
	for (uint16_t i = 0; i < d->rx.buffers; i++)
		post(d, i); /* [net.rx-filled-at-start] */
	return true;
}

/* What we can do; the device takes its pick. [feat.fallback] */
static uint64_t wanted(void)
{
	uint64_t bits = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_RING_PACKED) |
	                FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
	                FEATURE(VIRTIO_F_IN_ORDER) | FEATURE(VIRTIO_NET_F_MAC) |
	                FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VIRTIO_NET_F_STATUS) |
	                FEATURE(VIRTIO_NET_F_MRG_RXBUF);

	if (bug(no_ctrl_vq))
		bits |= FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR);
	if (bug(small_buffers))
		bits |= FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4);
	return bits;
}

/* ---- the main loop */

/* Nothing to do: until there is. */
static void rest(struct driver *d)
{
	if (d->poll) {
		if (++d->idle % IDLE_LOOK == 0)
			nic_look(&d->nic);
		__builtin_ia32_pause();
		return;
	}
	if ((ring_interrupt_on(&d->rx) || bug(no_recheck) || d->blind) &&
	    (d->nr_free_tx > 0 || ring_interrupt_on(&d->tx)))
		cpu_wait();
	ring_interrupt_off(&d->rx);
	ring_interrupt_off(&d->tx);
	nic_look(&d->nic);
}

/* The first of all slots that has a network device: others may be empty, or have another one. */
static void find_device(struct nic *n, const void *tree, unsigned *line)
{
	for (unsigned i = 0; tree_find(tree, "virtio,mmio", i, &n->base, line); i++)
		if (nic_probe(n))
			return;
	end("no network device", 2);
}

void driver_main(const void *tree, const void *rsdp, const char *words)
{
	struct driver *d = &driver;
	unsigned line = 0;

	(void)rsdp, (void)words;
	find_device(&d->nic, tree, &line);
	d->poll = tree_has_word(tree, "poll");
	if (!d->poll)
		cpu_interrupts_on(line);
	d->nic.wanted = wanted();
	nic_up(&d->nic);
	ring_interrupt_off(&d->rx);
	ring_interrupt_off(&d->tx);
	say("ready");
	d->nic.stop = tree_has_word(tree, "up");
	do { /* Both, whichever the interrupt was for. [mmio.irq-all-queues] */
		d->blind = reclaim(d) && bug(one_queue);
		if ((d->blind || !receive(d) || bug(no_recheck)) && !d->nic.stop)
			rest(d);
	} while (!d->nic.stop);
	/* The device has to let go before the memory becomes something else. [cleanup.reset-before-unexpose] */
	if (bug(unexpose_first))
		__builtin_memset(&d->rx, 0, sizeof(d->rx));
	nic_reset(&d->nic);
	end("done", 0);
}
