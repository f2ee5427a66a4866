/* SPDX-License-Identifier: Apache-2.0 */
/* tests/tiny/net.c - a virtio-net driver in its smallest form: one frame each way at a time
 *
 * Written from virtio 1.2 (2.7 split ring, 3.1 initialisation, 4.2.2 registers, 5.1 net), not from
 * doorbell's device, so that the two check each other.
 */
#include "tiny.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#define QUEUE_SIZE 8u
#define FRAME_MAX  1526u
#define HDR        sizeof(struct virtio_net_hdr_mrg_rxbuf)

struct queue {
	struct vring_desc desc[QUEUE_SIZE] __attribute__((aligned(16)));
	struct {
		uint16_t flags, idx, ring[QUEUE_SIZE], event;
	} avail __attribute__((aligned(2)));
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[QUEUE_SIZE];
		uint16_t event;
	} used __attribute__((aligned(4)));
	uint16_t seen; /* used entries taken */
};

struct buffer {
	uint8_t bytes[HDR + FRAME_MAX];
};

struct nic {
	uint64_t base;
	uint32_t features; /* that are wanted beside MAC and VERSION_1: of the lower half */
	uint8_t mac[6];
	struct queue rx, tx;
	struct buffer rx_buf[QUEUE_SIZE], tx_buf;
	bool interrupts;
	bool polls;  /* although it has not said that it needs none */
	bool yields; /* takes what interrupts there are before it kicks */
	bool silent; /* never kicks */
};

static struct nic nics[2], *nic = &nics[0];

static uint32_t reg(uint32_t off)
{
	return mmio_read32(nic->base + off);
}

static void set_reg(uint32_t off, uint32_t v)
{
	mmio_write32(nic->base + off, v);
}

/* x86 keeps stores in order; this keeps the compiler from moving them. */
static void barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

/* A kick must not pass the stores before it, nor a look at the device's index the kick. */
static void full_barrier(void)
{
	__asm__ volatile("lock; addl $0, -4(%%rsp)" : : : "memory", "cc");
}

static void set_address(uint32_t low, const void *at)
{
	set_reg(low, (uint32_t)(uint64_t)at);
	set_reg(low + 4, (uint32_t)((uint64_t)at >> 32));
}

static void start_queue(uint32_t index, struct queue *q)
{
	set_reg(VIRTIO_MMIO_QUEUE_SEL, index);
	if (reg(VIRTIO_MMIO_QUEUE_READY))
		fail("queue is ready before it was set up");
	if (reg(VIRTIO_MMIO_QUEUE_NUM_MAX) < QUEUE_SIZE)
		fail("queue is too short");
	set_reg(VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
	set_address(VIRTIO_MMIO_QUEUE_DESC_LOW, q->desc);
	set_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, &q->avail);
	set_address(VIRTIO_MMIO_QUEUE_USED_LOW, &q->used);
	set_reg(VIRTIO_MMIO_QUEUE_READY, 1);
	if (reg(VIRTIO_MMIO_QUEUE_READY) != 1)
		fail("queue does not become ready");
	q->avail.flags = nic->interrupts ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
}

static void offer(uint32_t index, struct queue *q, uint16_t head)
{
	q->avail.ring[q->avail.idx % QUEUE_SIZE] = head;
	barrier();
	*(volatile uint16_t *)&q->avail.idx = (uint16_t)(q->avail.idx + 1);
	full_barrier();
	if (nic->yields)
		__asm__ volatile("sti; nop; cli" : : : "memory");
	if (!nic->silent && !(*(volatile uint16_t *)&q->used.flags & VRING_USED_F_NO_NOTIFY))
		set_reg(VIRTIO_MMIO_QUEUE_NOTIFY, index);
}

/* Sleeps until the next interrupt; one between the caller's look and this ends it at once. */
static void sleep(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

static void acknowledge(void)
{
	set_reg(VIRTIO_MMIO_INTERRUPT_ACK, reg(VIRTIO_MMIO_INTERRUPT_STATUS));
}

/* Waits for the next used entry. */
static struct vring_used_elem take(struct queue *q)
{
	struct vring_used_elem e;

	while (*(volatile uint16_t *)&q->used.idx == q->seen)
		if (nic->interrupts && !nic->polls)
			sleep();
		else
			__asm__ volatile("pause" : : : "memory");
	barrier();
	e = q->used.ring[q->seen % QUEUE_SIZE];
	q->seen++;
	return e;
}

/* What no driver would do. */
void net_look_around(uint64_t base)
{
	nic->base = base;
	if (mmio_read32(nic->base - 4) != 0xffffffff)
		fail("something is below the registers");
	mmio_write32(nic->base - 4, 0);
	set_reg(VIRTIO_MMIO_MAGIC_VALUE, 0);
	set_reg(VIRTIO_MMIO_INTERRUPT_STATUS, 3);
	set_reg(VIRTIO_MMIO_INTERRUPT_ACK, 3);
	if (mmio_read32(nic->base - 4) != 0xffffffff || reg(VIRTIO_MMIO_INTERRUPT_STATUS) != 0)
		fail("a write went where none may go");
}

/* Up to the features, and the address. */
static void negotiate(void)
{
	const uint32_t ack = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	if (reg(VIRTIO_MMIO_MAGIC_VALUE) != 0x74726976 || reg(VIRTIO_MMIO_VERSION) != 2 ||
	    reg(VIRTIO_MMIO_DEVICE_ID) != 1)
		fail("not a virtio-net device");
	set_reg(VIRTIO_MMIO_STATUS, 0);
	while (reg(VIRTIO_MMIO_STATUS) != 0)
		;
	set_reg(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	set_reg(VIRTIO_MMIO_STATUS, ack);
	set_reg(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	if (!(reg(VIRTIO_MMIO_DEVICE_FEATURES) & 1u << (VIRTIO_F_VERSION_1 - 32)))
		fail("not a device of version 1");
	set_reg(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	if (!(reg(VIRTIO_MMIO_DEVICE_FEATURES) & 1u << VIRTIO_NET_F_MAC))
		fail("the device has no MAC");
	set_reg(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set_reg(VIRTIO_MMIO_DRIVER_FEATURES, 1u << VIRTIO_NET_F_MAC | nic->features);
	set_reg(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set_reg(VIRTIO_MMIO_DRIVER_FEATURES, 1u << (VIRTIO_F_VERSION_1 - 32));
	set_reg(VIRTIO_MMIO_STATUS, ack | VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(reg(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK))
		fail("the device refuses the features");
	for (uint32_t i = 0; i < 6; i++)
		nic->mac[i] = mmio_read8(nic->base + VIRTIO_MMIO_CONFIG + i);
}

static void go(void)
{
	start_queue(0, &nic->rx);
	start_queue(1, &nic->tx);
	set_reg(VIRTIO_MMIO_STATUS, reg(VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
	if (reg(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET)
		fail("the device needs a reset");
}

static void fill(void)
{
	for (uint16_t i = 0; i < QUEUE_SIZE; i++) {
		nic->rx.desc[i] = (struct vring_desc){.addr = (uint64_t)&nic->rx_buf[i],
		                                      .len = sizeof(nic->rx_buf[i]),
		                                      .flags = VRING_DESC_F_WRITE};
		offer(0, &nic->rx, i);
	}
}

static void initialise(void)
{
	negotiate();
	go();
	fill();
}

void net_kick(void)
{
	nic->silent = 0;
	set_reg(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
}

void net_come_as_far_as(uint64_t base, const char *where)
{
	const bool silent = text_begins(where, "silent");

	nic->base = base;
	negotiate();
	if (text_begins(where, "negotiated"))
		return;
	go();
	nic->silent = silent;
	if (!text_begins(where, "live"))
		fill();
}

/* The frame is in tx_buf, behind the header. Waits until the device has it. */
static void send(uint32_t len)
{
	nic->tx.desc[0] =
		(struct vring_desc){.addr = (uint64_t)&nic->tx_buf, .len = (uint32_t)(HDR + len)};
	offer(1, &nic->tx, 0);
	take(&nic->tx);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void copy(uint8_t *dst, const uint8_t *src, unsigned n)
{
	while (n--)
		*dst++ = *src++;
}

static bool same(const uint8_t *a, const uint8_t *b, unsigned n)
{
	while (n && *a == *b)
		a++, b++, n--;
	return n == 0;
}

static uint16_t checksum(const uint8_t *p, unsigned len)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < len; i += 2)
		sum += get16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

#define ETH_IP  0x0800u
#define ETH_ARP 0x0806u

#define PING_DATA 56u
#define PING_ID   0xdbu

static const uint8_t my_ip[4] = {10, 0, 2, 15};
static const uint8_t their_ip[4] = {10, 0, 2, 2};

static uint8_t *frame_to(const uint8_t *mac, uint16_t type)
{
	uint8_t *f = nic->tx_buf.bytes + HDR;

	copy(f, mac, 6);
	copy(f + 6, nic->mac, 6);
	put16(f + 12, type);
	return f;
}

static void send_arp_request(void)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t fixed[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t *f = frame_to(all, ETH_ARP);

	copy(f + 14, fixed, 8);
	copy(f + 22, nic->mac, 6);
	copy(f + 28, my_ip, 4);
	copy(f + 38, their_ip, 4);
	send(60);
}

static void send_ping(const uint8_t *mac, uint16_t seq)
{
	static const uint8_t ip[12] = {0x45, 0, 0, 20 + 8 + PING_DATA, 0, 0, 0, 0, 64, 1, 0, 0};
	uint8_t *f = frame_to(mac, ETH_IP), *icmp = f + 34;

	copy(f + 14, ip, 12);
	copy(f + 26, my_ip, 4);
	copy(f + 30, their_ip, 4);
	put16(f + 24, checksum(f + 14, 20));
	icmp[0] = 8;
	icmp[1] = 0;
	put16(icmp + 2, 0);
	put16(icmp + 4, PING_ID);
	put16(icmp + 6, seq);
	for (unsigned i = 0; i < PING_DATA; i++)
		icmp[8 + i] = (uint8_t)(i * 7 + seq);
	put16(icmp + 2, checksum(icmp, 8 + PING_DATA));
	send(34 + 8 + PING_DATA);
}

static bool is_arp_reply(const uint8_t *f, uint32_t len)
{
	return len >= 42 && get16(f + 12) == ETH_ARP && get16(f + 20) == 2 &&
	       same(f + 28, their_ip, 4) && same(f + 38, my_ip, 4);
}

static bool is_pong(const uint8_t *f, uint32_t len, uint16_t seq)
{
	const uint8_t *icmp = f + 34;

	if (len < 42 + PING_DATA || get16(f + 12) != ETH_IP || f[23] != 1 ||
	    !same(f + 26, their_ip, 4) || icmp[0] != 0 || get16(icmp + 4) != PING_ID ||
	    get16(icmp + 6) != seq)
		return 0;
	if (checksum(f + 14, 20) != 0 || checksum(icmp, 8 + PING_DATA) != 0)
		fail("a reply with a wrong checksum");
	for (unsigned i = 0; i < PING_DATA; i++)
		if (icmp[8 + i] != (uint8_t)(i * 7 + seq))
			fail("a reply with other data");
	return 1;
}

/* One received frame is looked at, then its buffer goes back. Copies the sender's address. */
static bool receive(bool arp, uint16_t seq, uint8_t *from)
{
	struct vring_used_elem e = take(&nic->rx);
	const uint8_t *f = nic->rx_buf[e.id].bytes + HDR;
	bool right;

	if (e.id >= QUEUE_SIZE || e.len < HDR + 14 || e.len > HDR + FRAME_MAX)
		fail("a used entry that cannot be");
	right = arp ? is_arp_reply(f, e.len - (uint32_t)HDR)
	            : is_pong(f, e.len - (uint32_t)HDR, seq);
	copy(from, f + 6, 6);
	offer(0, &nic->rx, (uint16_t)e.id);
	return right;
}

/*
 * A guest that was too slow to sleep even once has at least one that waits for it, or is on its way: an
 * irqfd on KVM's own I/O-APIC goes through a kernel worker, which a busy host may keep waiting.
 */
static void see_interrupts(void)
{
	__asm__ volatile("sti");
	for (unsigned i = 0; i < 1000000 && irq_count() == 0; i++)
		__asm__ volatile("pause");
	__asm__ volatile("cli");
	if (irq_count() == 0)
		fail("not by interrupts");
}

static void ping(void)
{
	uint8_t gateway[6], from[6];

	initialise();
	send_arp_request();
	while (!receive(1, 0, gateway))
		;
	put_text("arp reply\n");
	for (uint16_t seq = 1; seq <= 3 * QUEUE_SIZE; seq++) { /* the rings wrap */
		send_ping(gateway, seq);
		while (!receive(0, seq, from))
			;
	}
	put_text("24 replies\n");
}

void net_ping(uint64_t base, int pin)
{
	nic->base = base;
	nic->interrupts = pin >= 0;
	if (nic->interrupts)
		irq_take((unsigned)pin, acknowledge);
	ping();
	if (nic->interrupts)
		see_interrupts();
}

void net_ping_unread(uint64_t base, unsigned pin, bool yields)
{
	nic->base = base;
	nic->interrupts = 1;
	nic->polls = 1;
	nic->yields = yields;
	irq_take(pin, NULL);
	ping();
}

/* What @from receives is sent from where it lies. */
struct route {
	struct nic *from, *to;
	bool out[QUEUE_SIZE]; /* by buffer of @from: @to has it */
	uint64_t frames;      /* whose buffers have come back */
};

static bool used_any(const struct queue *q)
{
	return *(const volatile uint16_t *)&q->used.idx != q->seen;
}

/* The next used entry of @q, whose buffer is one that the device has, or does not have, for @out. */
static struct vring_used_elem take_own(struct queue *q, const struct route *r, bool out)
{
	struct vring_used_elem e = take(q);

	if (e.id >= QUEUE_SIZE || r->out[e.id] != out)
		fail("a used entry that cannot be");
	return e;
}

static void forward_one(struct route *r, bool spoil)
{
	struct vring_used_elem e = take_own(&r->from->rx, r, 0);
	uint8_t *bytes = r->from->rx_buf[e.id].bytes;

	if (e.len < HDR + 14 || e.len > sizeof(r->from->rx_buf[0]))
		fail("a used entry that cannot be");
	for (unsigned i = 0; i < HDR; i++)
		bytes[i] = 0;
	if (spoil)
		bytes[e.len - 1] ^= 1;
	r->out[e.id] = 1;
	nic = r->to;
	nic->tx.desc[e.id] = (struct vring_desc){.addr = (uint64_t)bytes, .len = e.len};
	offer(1, &nic->tx, (uint16_t)e.id);
}

static void come_back(struct route *r)
{
	struct vring_used_elem e = take_own(&r->to->tx, r, 1);

	r->out[e.id] = 0;
	r->frames++;
	nic = r->from;
	offer(0, &nic->rx, (uint16_t)e.id);
}

void net_forward(const uint64_t *base, unsigned nr, uint64_t frames, bool spoil)
{
	struct route r = {.from = &nics[0], .to = &nics[nr - 1]};
	uint64_t sent = 0;

	for (unsigned i = 0; i < nr; i++) {
		nic = &nics[i];
		nic->base = base[i];
		initialise();
	}
	while (r.frames < frames) {
		if (used_any(&r.from->rx))
			forward_one(&r, spoil && sent++ % 10 == 5);
		if (used_any(&r.to->tx))
			come_back(&r);
	}
}

void net_end(void)
{
	set_reg(VIRTIO_MMIO_STATUS, 0);
	if (reg(VIRTIO_MMIO_STATUS) != 0 || reg(VIRTIO_MMIO_INTERRUPT_STATUS) != 0)
		fail("a reset leaves something behind");
	verdict(0);
}

static void head_outside_the_ring(void)
{
	offer(1, &nic->tx, QUEUE_SIZE);
}

static void index_that_jumps(void)
{
	nic->tx.avail.idx = 1000;
	offer(1, &nic->tx, 0);
}

static void chain_that_loops(void)
{
	nic->tx.desc[0] = (struct vring_desc){
		.addr = (uint64_t)&nic->tx_buf, .len = 1, .flags = VRING_DESC_F_NEXT};
	offer(1, &nic->tx, 0);
}

static void buffer_outside_memory(void)
{
	nic->tx.desc[0] = (struct vring_desc){.addr = UINT64_MAX - 100, .len = 1000};
	offer(1, &nic->tx, 0);
}

/* A driver that has been reset knows nothing of its rings. */
static void forget(struct queue *q)
{
	volatile uint8_t *p = (volatile uint8_t *)q;

	for (unsigned i = 0; i < sizeof(*q); i++)
		p[i] = 0;
}

void net_break(uint64_t base)
{
	static void (*const breaks[])(void) = {head_outside_the_ring, index_that_jumps,
	                                       chain_that_loops, buffer_outside_memory};

	nic->base = base;
	for (unsigned i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		initialise();
		breaks[i]();
		while (!(reg(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET))
			__asm__ volatile("pause" : : : "memory");
		while (!(reg(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG))
			__asm__ volatile("pause" : : : "memory");
		breaks[i](); /* what is done to a device that has stopped does nothing */
		set_reg(VIRTIO_MMIO_STATUS, 0);
		forget(&nic->rx);
		forget(&nic->tx);
	}
}

/* Four times, a config change comes and is acknowledged: by looking, so no interrupt is needed. */
void net_link(uint64_t base)
{
	nic->base = base;
	nic->features = 1u << VIRTIO_NET_F_STATUS;
	initialise();
	put_text("ready\n");
	for (uint32_t i = 1; i <= 4; i++) {
		while (!(reg(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG))
			__asm__ volatile("pause" : : : "memory");
		if (reg(VIRTIO_MMIO_CONFIG_GENERATION) != i)
			fail("the generation is not new");
		set_reg(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
		if (!(reg(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG))
			fail("the change was acknowledged by the other bit");
		set_reg(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
		if (reg(VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG)
			fail("the change cannot be acknowledged");
		put_line("change", i);
	}
	verdict(0);
}
