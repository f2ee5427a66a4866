/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/x86_64/micro.c - a bare-metal guest of doorbell bench: does what its command line says
 *
 *   exit    ends with verdict 0, which is its first act
 *   ready   says "ready" and sleeps for ever
 *   spin    never leaves the CPU, and counts at MICRO_ALIVE
 *   out     leaves it as often as it can: by writing to the debug-exit port
 *   trip    a frame to the network and what comes back from there, one at a time and by interrupts; says "trips N",
 *           N frames so far, at the beginning and then after every MICRO_TRIPS
 *
 * It runs where KVM only emulates instructions, too: general registers only. Where things are it knows from the
 * machine that runs it (boot_bare.c says how it starts), so it is part of the same program.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/x86_64/layout.h"
#include "bench/guest/micro.h"

#define NUM    4u    /* entries of a ring */
#define BUFFER 2048u /* bytes */
#define HDR    12u
#define FRAME  60u
#define VECTOR 0x40u

static void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

/* Of a device. */
#define WORD(at) (*(volatile uint32_t *)(uint64_t)(at))

static void sleep_for_ever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void say(const char *text)
{
	while (*text)
		outb(LAYOUT_UART_PORT, (uint8_t)*text++);
}

static void say_number(const char *name, uint32_t v)
{
	char digits[11], *p = digits + sizeof(digits);

	*--p = '\0';
	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	say(name);
	say(p);
	say("\n");
}

/* ---- interrupts: one vector, from the wire of the first virtio device */

#define IOAPIC_SELECT (LAYOUT_IOAPIC + 0x00)
#define IOAPIC_WINDOW (LAYOUT_IOAPIC + 0x10)
#define APIC_ID       (LAYOUT_LAPIC + 0x20)
#define APIC_EOI      (LAYOUT_LAPIC + 0xb0)
#define APIC_SVR      (LAYOUT_LAPIC + 0xf0)
#define NIC           LAYOUT_VIRTIO

static struct {
	uint16_t low, selector, flags, middle;
	uint32_t high, zero;
} idt[VECTOR + 1] __attribute__((aligned(16)));

struct frame;

__attribute__((interrupt)) static void on_interrupt(struct frame *f)
{
	(void)f;
	WORD(NIC + VIRTIO_MMIO_INTERRUPT_ACK) = WORD(NIC + VIRTIO_MMIO_INTERRUPT_STATUS);
	WORD(APIC_EOI) = 0;
}

static void set_pin(uint32_t pin, uint32_t apic, uint32_t vector)
{
	WORD(IOAPIC_SELECT) = 0x10 + 2 * pin + 1;
	WORD(IOAPIC_WINDOW) = apic << 24;
	WORD(IOAPIC_SELECT) = 0x10 + 2 * pin;
	WORD(IOAPIC_WINDOW) = vector;
}

static void start_interrupts(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};
	const uint64_t at = (uint64_t)on_interrupt;
	uint16_t cs;

	__asm__("mov %%cs, %0" : "=r"(cs));
	idt[VECTOR].low = (uint16_t)at;
	idt[VECTOR].selector = cs;
	idt[VECTOR].flags = 0x8e00;
	idt[VECTOR].middle = (uint16_t)(at >> 16);
	idt[VECTOR].high = (uint32_t)(at >> 32);
	__asm__ volatile("lidt %0" : : "m"(idtr));
	WORD(APIC_SVR) = 0x1ff;
	set_pin(LAYOUT_VIRTIO_GSI, WORD(APIC_ID) >> 24, VECTOR);
}

/* ---- the network */

struct queue {
	struct vring_desc desc[NUM] __attribute__((aligned(16)));
	struct {
		uint16_t flags, idx, ring[NUM], event;
	} avail __attribute__((aligned(2)));
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[NUM];
		uint16_t event;
	} used __attribute__((aligned(4)));
	uint16_t seen;
};

static struct queue rx, tx;
static uint8_t rx_buffer[NUM][BUFFER], tx_buffer[HDR + FRAME];

static void set_address(uint32_t reg, const void *at)
{
	WORD(NIC + reg) = (uint32_t)(uint64_t)at;
	WORD(NIC + reg + 4) = (uint32_t)((uint64_t)at >> 32);
}

static void start_queue(uint32_t index, struct queue *q)
{
	WORD(NIC + VIRTIO_MMIO_QUEUE_SEL) = index;
	WORD(NIC + VIRTIO_MMIO_QUEUE_NUM) = NUM;
	set_address(VIRTIO_MMIO_QUEUE_DESC_LOW, q->desc);
	set_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, &q->avail);
	set_address(VIRTIO_MMIO_QUEUE_USED_LOW, &q->used);
	WORD(NIC + VIRTIO_MMIO_QUEUE_READY) = 1;
}

/* x86 keeps stores in order; the locked addition keeps the look at the device's wish behind them. */
static void offer(uint32_t index, struct queue *q, uint16_t head)
{
	q->avail.ring[q->avail.idx % NUM] = head;
	__asm__ volatile("" : : : "memory");
	*(volatile uint16_t *)&q->avail.idx = (uint16_t)(q->avail.idx + 1);
	__asm__ volatile("lock; addl $0, -4(%%rsp)" : : : "memory", "cc");
	if (!(*(volatile uint16_t *)&q->used.flags & VRING_USED_F_NO_NOTIFY))
		WORD(NIC + VIRTIO_MMIO_QUEUE_NOTIFY) = index;
}

static bool start_network(void)
{
	const uint32_t known = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	const uint32_t agreed = known | VIRTIO_CONFIG_S_FEATURES_OK;

	if (WORD(NIC + VIRTIO_MMIO_MAGIC_VALUE) != 0x74726976)
		return false;
	WORD(NIC + VIRTIO_MMIO_STATUS) = 0;
	WORD(NIC + VIRTIO_MMIO_STATUS) = known;
	WORD(NIC + VIRTIO_MMIO_DRIVER_FEATURES_SEL) = 0;
	WORD(NIC + VIRTIO_MMIO_DRIVER_FEATURES) = 0;
	WORD(NIC + VIRTIO_MMIO_DRIVER_FEATURES_SEL) = 1;
	WORD(NIC + VIRTIO_MMIO_DRIVER_FEATURES) = 1u << (VIRTIO_F_VERSION_1 - 32);
	WORD(NIC + VIRTIO_MMIO_STATUS) = agreed;
	start_queue(0, &rx);
	start_queue(1, &tx);
	tx.avail.flags = VRING_AVAIL_F_NO_INTERRUPT; /* what comes back says that it was sent */
	WORD(NIC + VIRTIO_MMIO_STATUS) = agreed | VIRTIO_CONFIG_S_DRIVER_OK;
	return WORD(NIC + VIRTIO_MMIO_STATUS) == (agreed | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* To somebody, from the address of the card, in a protocol for experiments. */
static void make_frame(void)
{
	static const uint8_t head[14] = {2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x88, 0xb5};
	volatile uint8_t *frame = tx_buffer + HDR;

	for (unsigned i = 0; i < sizeof(head); i++)
		frame[i] = head[i];
	for (unsigned i = 0; i < 6; i++)
		frame[6 + i] = *(volatile uint8_t *)(NIC + VIRTIO_MMIO_CONFIG + i);
	tx.desc[0].addr = (uint64_t)tx_buffer;
	tx.desc[0].len = sizeof(tx_buffer);
}

static void give_buffers(void)
{
	for (uint16_t i = 0; i < NUM; i++) {
		rx.desc[i].addr = (uint64_t)rx_buffer[i];
		rx.desc[i].len = BUFFER;
		rx.desc[i].flags = VRING_DESC_F_WRITE;
		offer(0, &rx, i);
	}
}

/* Interrupts are on only while it sleeps: one between the look and that ends the sleep at once. */
static void make_trip(void)
{
	offer(1, &tx, 0);
	while (*(volatile uint16_t *)&rx.used.idx == rx.seen)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	offer(0, &rx, (uint16_t)(rx.used.ring[rx.seen++ % NUM].id % NUM));
}

static void make_trips(void)
{
	start_interrupts();
	if (!start_network()) {
		say("no network device\n");
		outb(LAYOUT_EXIT_PORT, 1);
	}
	make_frame();
	give_buffers();
	for (uint32_t n = 0;; n += MICRO_TRIPS) {
		say_number(MICRO_TRIPS_LINE, n);
		for (unsigned i = 0; i < MICRO_TRIPS; i++)
			make_trip();
	}
}

/* ---- which of them */

void _start(void);

void _start(void)
{
	switch (*(const volatile char *)(uint64_t)LAYOUT_CMDLINE) {
	case 'e':
		outb(LAYOUT_EXIT_PORT, 0);
		break;
	case 'r':
		say(MICRO_READY_LINE "\n");
		break;
	case 's':
		for (;;)
			++WORD(MICRO_ALIVE);
	case 'o':
		for (;;)
			outb(LAYOUT_EXIT_PORT, 0);
	case 't':
		make_trips();
		break;
	default:
		outb(LAYOUT_EXIT_PORT, 2);
	}
	sleep_for_ever();
}
