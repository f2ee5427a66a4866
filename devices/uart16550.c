/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/uart16550.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "vmm/core/compiler.h"

/* LSR reads in a row, with nothing sent between them, that tell a polling receiver from a sender. */
#define POLLS_TO_LISTEN 64u

#define LSR_SENT   (UART_LSR_THRE | UART_LSR_TEMT)
#define MSR_PEER   (UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD) /* a peer that is always ready */
#define MSR_LINES  0xf0u
#define IER_MASK   (UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI)
#define MCR_MASK   (UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | UART_MCR_LOOP)
#define FCR_STORED (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK)
#define IIR_FIFO   0xc0u /* "16550A with working FIFOs" */

struct uart16550 {
	struct uart16550_config cfg;
	pthread_mutex_t lock; /* all below */
	uint8_t ier, fcr, lcr, mcr, msr, scr, dll, dlm;
	uint8_t lsr_errors; /* overrun; until LSR is read */
	/*
	 * THR became empty, or its interrupt was enabled while it was, and no read of IIR has said so.
	 * The guest's driver sends its next characters on this interrupt alone: lost once, its output
	 * stops for ever.
	 */
	bool thr_empty_event;
	bool level; /* of the interrupt line */
	bool want_room;
	bool polled; /* the guest listens by reading LSR */
	unsigned polls;
	uint8_t rx[UART16550_FIFO];
	unsigned rx_head, rx_len; /* next to read; filled */
};

static bool fifo_on(const struct uart16550 *u)
{
	return (u->fcr & UART_FCR_ENABLE_FIFO) != 0;
}

static unsigned rx_room(const struct uart16550 *u)
{
	unsigned capacity = fifo_on(u) ? UART16550_FIFO : 1;

	return u->rx_len < capacity ? capacity - u->rx_len : 0;
}

static void rx_push(struct uart16550 *u, uint8_t byte)
{
	u->rx[(u->rx_head + u->rx_len++) % UART16550_FIFO] = byte;
}

static unsigned rx_trigger(const struct uart16550 *u)
{
	static const uint8_t level[] = {1, 4, 8, 14};

	return fifo_on(u) ? level[u->fcr >> 6] : 1;
}

/* Someone will take what we put into the FIFO, and the wire leads to it. */
static bool listening(const struct uart16550 *u)
{
	if (u->mcr & UART_MCR_LOOP)
		return false;
	return u->polled || (u->ier & UART_IER_RDI);
}

/* The highest of the pending interrupts that are enabled, as IIR shows it. */
static uint8_t pending(const struct uart16550 *u)
{
	if ((u->ier & UART_IER_RLSI) && u->lsr_errors)
		return UART_IIR_RLSI;
	if ((u->ier & UART_IER_RDI) && u->rx_len >= rx_trigger(u))
		return UART_IIR_RDI;
	/*
	 * The timeout that reports characters below the trigger level comes at once: feed() was given
	 * all there was, so the line is already quiet.
	 */
	if ((u->ier & UART_IER_RDI) && u->rx_len > 0)
		return UART_IIR_RX_TIMEOUT;
	if ((u->ier & UART_IER_THRI) && u->thr_empty_event)
		return UART_IIR_THRI;
	if ((u->ier & UART_IER_MSI) && (u->msr & UART_MSR_ANY_DELTA))
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/*
 * This is the chip's own output; on a PC's board OUT2 gates it, but nothing that we know would turn
 * OUT2 off to silence an interrupt, and small guests forget to turn it on.
 */
static void update_irq(struct uart16550 *u)
{
	bool level = pending(u) != UART_IIR_NO_INT;

	if (level == u->level)
		return;
	u->level = level;
	irq_set(&u->cfg.irq, level);
}

/* After any change that may have opened the receiver; whether the caller has to call room(). */
static bool take_room_event(struct uart16550 *u)
{
	if (!u->want_room || !listening(u) || u->rx_len > 0)
		return false;
	u->want_room = false;
	return u->cfg.room != NULL;
}

/* Input lines from the other side, or from our own outputs in loopback; changes set the delta bits. */
static void set_modem_lines(struct uart16550 *u)
{
	unsigned lines = MSR_PEER;
	unsigned changed;

	if (u->mcr & UART_MCR_LOOP)
		lines = (u->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0u) |
		        (u->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0u) |
		        (u->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0u) |
		        (u->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0u);
	changed = (u->msr ^ lines) & MSR_LINES;
	if (lines & UART_MSR_RI) /* ring reports its trailing edge only */
		changed &= ~(unsigned)UART_MSR_RI;
	u->msr = u8_of(lines | (u->msr & UART_MSR_ANY_DELTA) | changed >> 4);
}

static void rx_clear(struct uart16550 *u)
{
	u->rx_len = 0;
	u->polled = false;
	u->polls = 0;
}

static void reset_state(struct uart16550 *u)
{
	u->ier = u->fcr = u->lcr = u->mcr = u->scr = 0;
	u->dll = 12; /* 9600 baud, which nobody uses and everybody can read */
	u->dlm = 0;
	u->lsr_errors = 0;
	u->msr = MSR_PEER;
	u->thr_empty_event = false;
	rx_clear(u);
	update_irq(u);
}

/* ---- the registers; called with the lock held */

static uint8_t read_rbr(struct uart16550 *u)
{
	uint8_t byte = 0;

	if (u->rx_len > 0) {
		byte = u->rx[u->rx_head];
		u->rx_head = (u->rx_head + 1) % UART16550_FIFO;
		u->rx_len--;
	}
	return byte;
}

static uint8_t read_iir(struct uart16550 *u)
{
	uint8_t iir = pending(u);

	if (iir == UART_IIR_THRI)
		u->thr_empty_event = false;
	return u8_of(iir | (fifo_on(u) ? IIR_FIFO : 0));
}

static uint8_t read_lsr(struct uart16550 *u)
{
	uint8_t lsr = u8_of(LSR_SENT | u->lsr_errors | (u->rx_len > 0 ? UART_LSR_DR : 0));

	u->lsr_errors = 0;
	if (u->polls < POLLS_TO_LISTEN && ++u->polls == POLLS_TO_LISTEN)
		u->polled = true;
	return lsr;
}

static uint8_t read_msr(struct uart16550 *u)
{
	uint8_t msr = u->msr;

	u->msr &= MSR_LINES;
	return msr;
}

static uint8_t read_register(struct uart16550 *u, unsigned reg)
{
	bool dlab = (u->lcr & UART_LCR_DLAB) != 0;

	switch (reg) {
	case UART_RX:
		return dlab ? u->dll : read_rbr(u);
	case UART_IER:
		return dlab ? u->dlm : u->ier;
	case UART_IIR:
		return read_iir(u);
	case UART_LCR:
		return u->lcr;
	case UART_MCR:
		return u->mcr;
	case UART_LSR:
		return read_lsr(u);
	case UART_MSR:
		return read_msr(u);
	case UART_SCR:
		return u->scr;
	default:
		return 0;
	}
}

static void write_ier(struct uart16550 *u, uint8_t val)
{
	bool thri_enabled = (val & ~u->ier & UART_IER_THRI) != 0;

	u->ier = val & IER_MASK;
	if (thri_enabled) /* Linux restarts its output this way, and probes for it */
		u->thr_empty_event = true;
}

static void write_fcr(struct uart16550 *u, uint8_t val)
{
	bool switched_off = fifo_on(u) && !(val & UART_FCR_ENABLE_FIFO);

	/* The other bits count only together with the enable bit. */
	u->fcr = val & UART_FCR_ENABLE_FIFO ? val & FCR_STORED : 0;
	/*
	 * Switching on keeps what has come, unlike the chip: Linux enables the receive interrupt first
	 * and FIFOs behind that, and the first character typed ahead would be lost between the two.
	 */
	if (switched_off || (val & UART_FCR_CLEAR_RCVR))
		rx_clear(u);
}

static void write_loopback(struct uart16550 *u, uint8_t byte)
{
	u->thr_empty_event = false; /* an edge for each character: see transmit() */
	update_irq(u);
	if (rx_room(u) > 0)
		rx_push(u, byte);
	else
		u->lsr_errors |= UART_LSR_OE;
	u->thr_empty_event = true;
}

/* All but the transmitter outside of loopback. */
static void write_register(struct uart16550 *u, unsigned reg, uint8_t val)
{
	bool dlab = (u->lcr & UART_LCR_DLAB) != 0;

	switch (reg) {
	case UART_TX:
		if (dlab)
			u->dll = val;
		else
			write_loopback(u, val);
		break;
	case UART_IER:
		if (dlab)
			u->dlm = val;
		else
			write_ier(u, val);
		break;
	case UART_FCR:
		write_fcr(u, val);
		break;
	case UART_LCR:
		u->lcr = val;
		break;
	case UART_MCR:
		u->mcr = val & MCR_MASK;
		set_modem_lines(u);
		break;
	case UART_SCR:
		u->scr = val;
		break;
	default: /* LSR and MSR cannot be written */
		break;
	}
}

/* ---- the bus */

static bool sends(const struct uart16550 *u, unsigned reg)
{
	return reg == UART_TX && !(u->lcr & UART_LCR_DLAB) && !(u->mcr & UART_MCR_LOOP);
}

/*
 * Called and returns with the lock held, which put() must not be called under: it may wait for the
 * thread that feeds us. The line falls and rises again for each character: a write to THR ends its
 * interrupt (a driver need not read IIR), and behind an edge-triggered pin only a new edge counts.
 */
static void transmit(struct uart16550 *u, uint8_t byte)
{
	u->polls = 0;
	u->thr_empty_event = false;
	update_irq(u);
	pthread_mutex_unlock(&u->lock);
	if (u->cfg.put)
		u->cfg.put(u->cfg.arg, &byte, 1);
	pthread_mutex_lock(&u->lock);
	u->thr_empty_event = true;
}

static uint8_t read_port(struct uart16550 *u, unsigned reg)
{
	uint8_t val;
	bool room;

	pthread_mutex_lock(&u->lock);
	val = read_register(u, reg);
	room = take_room_event(u);
	update_irq(u);
	pthread_mutex_unlock(&u->lock);
	if (room)
		u->cfg.room(u->cfg.arg);
	return val;
}

static void write_port(struct uart16550 *u, unsigned reg, uint8_t val)
{
	bool room;

	pthread_mutex_lock(&u->lock);
	if (sends(u, reg))
		transmit(u, val);
	else
		write_register(u, reg, val);
	room = take_room_event(u);
	update_irq(u);
	pthread_mutex_unlock(&u->lock);
	if (room)
		u->cfg.room(u->cfg.arg);
}

static uint64_t bus_read_ports(void *dev, uint64_t off, unsigned size)
{
	uint64_t val = 0;

	for (unsigned i = 0; i < size && off + i < UART16550_PORTS; i++)
		val |= (uint64_t)read_port(dev, (unsigned)(off + i)) << (8 * i);
	return val;
}

static void bus_write_ports(void *dev, uint64_t off, unsigned size, uint64_t val)
{
	for (unsigned i = 0; i < size && off + i < UART16550_PORTS; i++)
		write_port(dev, (unsigned)(off + i), u8_of(val >> (8 * i)));
}

const struct bus_ops uart16550_bus_ops = {
	.read = bus_read_ports,
	.write = bus_write_ports,
};

/* ---- the wire and the owner */

size_t uart16550_feed(struct uart16550 *u, const uint8_t *buf, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&u->lock);
	if (listening(u))
		while (n < len && rx_room(u) > 0)
			rx_push(u, buf[n++]);
	u->want_room = n < len;
	update_irq(u);
	pthread_mutex_unlock(&u->lock);
	return n;
}

void uart16550_reset(struct uart16550 *u)
{
	pthread_mutex_lock(&u->lock);
	reset_state(u);
	pthread_mutex_unlock(&u->lock);
}

int uart16550_create(const struct uart16550_config *cfg, struct uart16550 **out)
{
	struct uart16550 *u = calloc(1, sizeof(*u));
	int err;

	*out = NULL;
	if (!u)
		return -ENOMEM;
	u->cfg = *cfg;
	err = pthread_mutex_init(&u->lock, NULL);
	if (err) {
		free(u);
		return -err;
	}
	reset_state(u);
	*out = u;
	return 0;
}

void uart16550_destroy(struct uart16550 *u)
{
	if (!u)
		return;
	pthread_mutex_destroy(&u->lock);
	free(u);
}
