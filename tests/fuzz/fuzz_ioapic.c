/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that writes anything into the I/O-APIC, wires that change, interrupts that end.
 *
 *   step: what (1 byte: bits 0-4 a pin or an offset, bits 5-7 the action), then what the action takes
 */
#include <stdbool.h>
#include <stdint.h>

#include "arch/x86_64/ioapic.h"
#include "tests/fuzz/input.h"

#define MASKED (1u << 16)
#define REMOTE (1u << 14)
#define LEVEL  (1u << 15)

struct rig {
	struct ioapic io;
	struct ioapic_msi route[IOAPIC_MAX_PINS];
};

static void on_route(void *arg, const struct ioapic_msi *pins)
{
	struct rig *r = arg;

	REQUIRE(memcmp(r->route, pins, sizeof(r->route)) != 0); /* each call costs a system call */
	memcpy(r->route, pins, sizeof(r->route));
}

/* Nothing is sent but what some pin's route says. */
static void on_send(void *arg, struct ioapic_msi msi)
{
	const struct rig *r = arg;

	for (unsigned pin = 0; pin < IOAPIC_MAX_PINS; pin++)
		if (r->route[pin].address == msi.address && r->route[pin].data == msi.data) {
			REQUIRE(msi.address != 0);
			return;
		}
	REQUIRE(false); /* sent what no pin is programmed to send */
}

static uint32_t get(struct rig *r, unsigned reg)
{
	ioapic_bus_ops.write(&r->io, 0, 4, reg);
	return (uint32_t)ioapic_bus_ops.read(&r->io, 0x10, 4);
}

/* What a guest reads and what would be sent agree. */
static void check_pin(struct rig *r, unsigned pin)
{
	const struct ioapic_msi *m = &r->route[pin];
	const uint32_t low = get(r, 0x10 + 2 * pin), high = get(r, 0x11 + 2 * pin);

	REQUIRE((low & 0xfffe1000) == 0 && (high & 0xffffff) == 0);
	REQUIRE(!(low & REMOTE) || (low & LEVEL && m->address));
	if (!m->address) {
		REQUIRE(m->data == 0);
		return;
	}
	REQUIRE(!(low & MASKED));
	REQUIRE((m->address & 0xfff00ffb) == 0xfee00000);
	REQUIRE((m->address >> 12 & 0xff) == high >> 24);
	REQUIRE((m->data & 0x7ff) == (low & 0x7ff) && (m->data & ~0xc7ffu) == 0);
	REQUIRE((m->data & 0x600) != 0 || (m->data & 0xff) >= 16);
}

static void step(struct rig *r, struct input *in)
{
	const uint8_t what = (uint8_t)take(in, 1);
	const unsigned low = what & 0x1f;

	switch (what >> 5) {
	case 0: /* any access of any width */
		ioapic_bus_ops.write(&r->io, take(in, 2) % (IOAPIC_SIZE - 8), 1u << low % 4,
		                     take(in, 8));
		break;
	case 1:
		ioapic_bus_ops.read(&r->io, take(in, 2) % (IOAPIC_SIZE - 8), 1u << low % 4);
		break;
	case 2:
	case 3: /* a register, the way it should be done */
		ioapic_bus_ops.write(&r->io, 0, 4, what & 0x3f);
		ioapic_bus_ops.write(&r->io, 0x10, 4, take(in, 4));
		break;
	case 4:
		ioapic_set(&r->io, low % IOAPIC_MAX_PINS, true);
		break;
	case 5:
		ioapic_set(&r->io, low % IOAPIC_MAX_PINS, false);
		break;
	case 6:
		ioapic_eoi(&r->io, (uint8_t)take(in, 1));
		break;
	default:
		check_pin(r, low % IOAPIC_MAX_PINS);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct rig r = {0};
	const struct ioapic_host host = {.route = on_route, .send = on_send, .arg = &r};

	ioapic_init(&r.io, IOAPIC_MAX_PINS, &host);
	while (in.left > 0)
		step(&r, &in);
	for (unsigned pin = 0; pin < IOAPIC_MAX_PINS; pin++)
		check_pin(&r, pin);
	ioapic_destroy(&r.io);
	return 0;
}
