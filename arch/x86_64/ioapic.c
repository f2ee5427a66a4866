/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/ioapic.h"

#include <assert.h>
#include <inttypes.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

/* 82093AA, 3.1: the two registers, and through them */
#define WINDOW_SELECT 0x00u
#define WINDOW_DATA   0x10u

/* 3.2: these. */
#define REG_ID          0x00u
#define REG_VERSION     0x01u
#define REG_ARBITRATION 0x02u
#define REG_ENTRIES     0x10u

#define ID_SHIFT       24u
#define ID_MASK        0x0fu
#define LAST_PIN_SHIFT 16u

/* 3.2.4, redirection entry */
#define ENTRY_VECTOR     UINT64_C(0xff)
#define ENTRY_MODE       UINT64_C(0x700)
#define ENTRY_LOGICAL    (UINT64_C(1) << 11u)
#define ENTRY_PENDING    (UINT64_C(1) << 12u) /* read-only; ours never wait */
#define ENTRY_POLARITY   (UINT64_C(1) << 13u)
#define ENTRY_REMOTE_IRR (UINT64_C(1) << 14u) /* read-only */
#define ENTRY_LEVEL      (UINT64_C(1) << 15u)
#define ENTRY_MASKED     (UINT64_C(1) << 16u)
#define ENTRY_DEST_SHIFT 56u
#define ENTRY_WRITABLE                                                                             \
	(ENTRY_VECTOR | ENTRY_MODE | ENTRY_LOGICAL | ENTRY_POLARITY | ENTRY_LEVEL | ENTRY_MASKED | \
	 UINT64_C(0xff) << ENTRY_DEST_SHIFT)

enum {
	MODE_FIXED = 0x000,
	MODE_LOWEST = 0x100,
	MODE_SMI = 0x200,
	MODE_NMI = 0x400,
	MODE_INIT = 0x500
};

#define VECTOR_MIN 16u /* those below are the CPU's own (Intel SDM 3A, 11.5.2) */

#define MSI_ADDRESS    UINT32_C(0xfee00000)
#define MSI_DEST_SHIFT 12u
#define MSI_LOGICAL    (1u << 2u)
#define MSI_LEVEL      (1u << 14u | 1u << 15u) /* asserted; level-triggered */

static bool is_vectored(uint64_t e)
{
	return (e & ENTRY_MODE) == MODE_FIXED || (e & ENTRY_MODE) == MODE_LOWEST;
}

/* Only an interrupt with a vector can be level-triggered (82093AA, 3.2.4, delivery mode). */
static bool is_level(uint64_t e)
{
	return (e & ENTRY_LEVEL) && is_vectored(e);
}

static bool can_send(uint64_t e)
{
	switch (e & ENTRY_MODE) {
	case MODE_FIXED:
	case MODE_LOWEST:
		return !(e & ENTRY_MASKED) && (e & ENTRY_VECTOR) >= VECTOR_MIN;
	case MODE_SMI:
	case MODE_NMI:
	case MODE_INIT:
		return !(e & ENTRY_MASKED);
	default: /* reserved, and ExtINT: nobody is there who would say the vector */
		return false;
	}
}

static struct ioapic_msi message(uint64_t e)
{
	struct ioapic_msi msi = {0};

	if (!can_send(e))
		return msi;
	msi.address = MSI_ADDRESS | u32_of(e >> ENTRY_DEST_SHIFT) << MSI_DEST_SHIFT;
	if (e & ENTRY_LOGICAL)
		msi.address |= MSI_LOGICAL;
	msi.data = u32_of(e & (ENTRY_VECTOR | ENTRY_MODE));
	if (is_level(e))
		msi.data |= MSI_LEVEL;
	return msi;
}

/* ---- under the lock */

/* A level that is up is sent once; the next time when its handler has come to an end. */
static void send_level(struct ioapic *io, unsigned pin)
{
	uint64_t *e = &io->entry[pin];

	if (!is_level(*e) || !can_send(*e) || !(io->asserted >> pin & 1) || *e & ENTRY_REMOTE_IRR)
		return;
	*e |= ENTRY_REMOTE_IRR;
	io->host.send(io->host.arg, io->msi[pin]);
}

static void set_entry(struct ioapic *io, unsigned pin, uint64_t e)
{
	struct ioapic_msi *msi = &io->msi[pin], next = message(e);

	/*
	 * KVM reports the end of interrupts that are routed now, so what is in service when the pin is
	 * masked would never end. Changing to edge clears the bit on hardware as well.
	 */
	if (!is_level(e) || !can_send(e))
		e &= ~ENTRY_REMOTE_IRR;
	io->entry[pin] = e;
	if (next.address != msi->address || next.data != msi->data) {
		*msi = next;
		io->host.route(io->host.arg, io->msi);
	}
	send_level(io, pin);
}

static void write_entry(struct ioapic *io, unsigned pin, bool high, uint32_t val)
{
	const uint64_t old = io->entry[pin];
	const uint64_t half = UINT32_MAX;
	const uint64_t mask = (high ? half << 32u : half) & ENTRY_WRITABLE;
	const uint64_t e = (old & ~mask) | ((high ? (uint64_t)val << 32u : val) & mask);

	if (e != old)
		set_entry(io, pin, e);
}

static void write_register(struct ioapic *io, uint32_t val)
{
	const unsigned index = io->select - REG_ENTRIES;

	if (io->select == REG_ID)
		io->id = u8_of(val >> ID_SHIFT & ID_MASK);
	else if (io->select >= REG_ENTRIES && index / 2 < io->nr_pins)
		write_entry(io, index / 2, index % 2, val);
}

static uint32_t read_register(const struct ioapic *io)
{
	const unsigned index = io->select - REG_ENTRIES;

	switch (io->select) {
	case REG_ID:
	case REG_ARBITRATION: /* there is no bus to arbitrate for: 3.2.3 says that it follows the ID */
		return (uint32_t)io->id << ID_SHIFT;
	case REG_VERSION:
		return IOAPIC_VERSION | (io->nr_pins - 1) << LAST_PIN_SHIFT;
	default:
		if (io->select < REG_ENTRIES || index / 2 >= io->nr_pins)
			return 0;
		return u32_of(io->entry[index / 2] >> (index % 2 ? 32u : 0u) & UINT32_MAX);
	}
}

/* ---- for the others */

void ioapic_init(struct ioapic *io, unsigned nr_pins, const struct ioapic_host *host)
{
	assert(nr_pins >= 1 && nr_pins <= IOAPIC_MAX_PINS);
	*io = (struct ioapic){.host = *host, .nr_pins = nr_pins};
	pthread_mutex_init(&io->lock, NULL);
	for (unsigned i = 0; i < IOAPIC_MAX_PINS; i++)
		io->entry[i] = ENTRY_MASKED;
}

void ioapic_destroy(struct ioapic *io)
{
	pthread_mutex_destroy(&io->lock);
}

void ioapic_set(struct ioapic *io, unsigned pin, bool asserted)
{
	const uint32_t bit = 1u << pin;
	bool rises;

	assert(pin < io->nr_pins);
	pthread_mutex_lock(&io->lock);
	rises = asserted && !(io->asserted & bit);
	io->asserted = asserted ? io->asserted | bit : io->asserted & ~bit;
	if (rises && is_level(io->entry[pin]))
		send_level(io, pin);
	else if (rises && can_send(io->entry[pin]))
		io->host.send(io->host.arg, io->msi[pin]);
	pthread_mutex_unlock(&io->lock);
}

bool ioapic_is_open(struct ioapic *io, unsigned pin)
{
	bool open;

	pthread_mutex_lock(&io->lock);
	open = pin < io->nr_pins && io->msi[pin].address;
	pthread_mutex_unlock(&io->lock);
	return open;
}

void ioapic_eoi(struct ioapic *io, uint8_t vector)
{
	pthread_mutex_lock(&io->lock);
	for (unsigned pin = 0; pin < io->nr_pins; pin++) {
		if (!(io->entry[pin] & ENTRY_REMOTE_IRR) ||
		    (io->entry[pin] & ENTRY_VECTOR) != vector)
			continue;
		io->entry[pin] &= ~ENTRY_REMOTE_IRR;
		send_level(io, pin);
	}
	pthread_mutex_unlock(&io->lock);
}

/* The data window is 32 bits wide; of the select window only the low byte has a meaning. */
static bool width_ok(uint64_t off, unsigned size)
{
	if (off == WINDOW_SELECT || (off == WINDOW_DATA && size == 4))
		return true;
	log_guest("I/O-APIC: access of %u bytes at 0x%03" PRIx64
	          ": there are 0x000 and, 4 bytes wide, 0x010",
	          size, off);
	return false;
}

static uint64_t ioapic_read(void *dev, uint64_t off, unsigned size)
{
	struct ioapic *io = dev;
	uint32_t val;

	if (!width_ok(off, size))
		return 0;
	pthread_mutex_lock(&io->lock);
	val = off == WINDOW_SELECT ? io->select : read_register(io);
	pthread_mutex_unlock(&io->lock);
	return val;
}

static void ioapic_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
	struct ioapic *io = dev;

	if (!width_ok(off, size))
		return;
	pthread_mutex_lock(&io->lock);
	if (off == WINDOW_SELECT)
		io->select = u8_of(val & 0xff);
	else
		write_register(io, u32_of(val & UINT32_MAX));
	pthread_mutex_unlock(&io->lock);
}

const struct bus_ops ioapic_bus_ops = {
	.read = ioapic_read,
	.write = ioapic_write,
};
