/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>

#include "devices/uart16550.h"
#include "vmm/core/compiler.h"

#define OUT_MAX 8192u

/* A port, the interrupt controller's edge-triggered input behind it, and what left on the wire. */
struct rig {
	struct uart16550 *u;
	bool level;
	unsigned edges; /* rising; taken by the fake driver */
	uint8_t out[OUT_MAX];
	size_t out_len;
	unsigned rooms;
	bool feed_in_put;
};

static void rig_irq(void *arg, unsigned gsi, bool level)
{
	struct rig *r = arg;

	assert_int_equal(gsi, 4);
	assert_int_not_equal(level, r->level);
	r->level = level;
	r->edges += level;
}

static void rig_put(void *arg, const uint8_t *buf, size_t len)
{
	struct rig *r = arg;

	assert_true(r->out_len + len <= OUT_MAX);
	memcpy(r->out + r->out_len, buf, len);
	r->out_len += len;
	if (r->feed_in_put)
		assert_int_equal(uart16550_feed(r->u, (const uint8_t *)"y", 1), 1);
}

static void rig_room(void *arg)
{
	struct rig *r = arg;

	r->rooms++;
}

static int setup(void **state)
{
	static struct rig rig; /* one case at a time */
	struct uart16550_config cfg = {
		.irq = {.set = rig_irq, .arg = &rig, .gsi = 4},
		.put = rig_put,
		.room = rig_room,
		.arg = &rig,
	};

	memset(&rig, 0, sizeof(rig));
	*state = &rig;
	return uart16550_create(&cfg, &rig.u);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	uart16550_destroy(r->u);
	return 0;
}

static unsigned in(struct rig *r, unsigned reg)
{
	return (unsigned)uart16550_bus_ops.read(r->u, reg, 1);
}

static void out(struct rig *r, unsigned reg, unsigned val)
{
	uart16550_bus_ops.write(r->u, reg, 1, val);
}

static size_t feed(struct rig *r, const char *text)
{
	return uart16550_feed(r->u, (const uint8_t *)text, strlen(text));
}

static void open_port(struct rig *r, unsigned fcr)
{
	out(r, UART_FCR, fcr);
	out(r, UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	out(r, UART_IER, UART_IER_RDI | UART_IER_RLSI);
}

/* ---- detection, step by step as in autoconfig() of Linux' drivers/tty/serial/8250/8250_port.c */

static void linux_finds_a_16550a(void **state)
{
	struct rig *r = *state;
	unsigned status1, status2;

	out(r, UART_IER, 0);
	assert_int_equal(in(r, UART_IER) & 0x0f, 0);
	out(r, UART_IER, 0x0f);
	assert_int_equal(in(r, UART_IER) & 0x0f, 0x0f);
	out(r, UART_IER, 0);

	out(r, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(r, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(r, UART_MCR, 0);

	out(r, UART_LCR, UART_LCR_CONF_MODE_B);
	out(r, UART_EFR, 0);
	out(r, UART_LCR, 0);
	out(r, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(r, UART_IIR) >> 6, 3); /* 16550A, and now which one: */

	out(r, UART_LCR, UART_LCR_CONF_MODE_A);
	assert_int_not_equal(in(r, UART_EFR), 0); /* no 16650 */
	out(r, UART_LCR, UART_LCR_CONF_MODE_B);
	assert_int_not_equal(in(r, UART_EFR), 0); /* no 16850 */
	out(r, UART_LCR, 0);
	status1 = in(r, UART_MCR);
	out(r, UART_LCR, 0xe0);
	status2 = in(r, 2);
	assert_int_equal((status1 ^ status2) & UART_MCR_LOOP, 0);
	out(r, UART_LCR, 0);
	out(r, UART_MCR, status1 ^ UART_MCR_LOOP);
	out(r, UART_LCR, 0xe0);
	status2 = in(r, 2);
	out(r, UART_LCR, 0);
	out(r, UART_MCR, status1);
	assert_int_equal((status1 ^ status2) & UART_MCR_LOOP, 0); /* no NS16550A SuperIO */

	out(r, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	assert_int_equal(in(r, UART_IIR) >> 5, 6);
	out(r, UART_LCR, UART_LCR_CONF_MODE_A);
	out(r, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	assert_int_equal(in(r, UART_IIR) >> 5, 6); /* no 16750 */
	out(r, UART_LCR, 0);
	out(r, UART_IER, UART_IER_UUE);
	assert_int_equal(in(r, UART_IER) & UART_IER_UUE, 0); /* no XScale */
}

static void linux_startup_sees_no_thre_and_no_txen_bug(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 2;
	     i++) { /* serial8250_do_startup(): reasserted when enabled again? */
		out(r, UART_IER, UART_IER_THRI);
		assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_THRI);
		out(r, UART_IER, 0);
		assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_NO_INT);
	}
	out(r, UART_IER, UART_IER_THRI);
	assert_true(in(r, UART_LSR) & UART_LSR_TEMT);
	assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_THRI);
	out(r, UART_IER, 0);
	assert_false(r->level);
}

static void power_on_state_is_quiet(void **state)
{
	struct rig *r = *state;

	assert_int_equal(in(r, UART_IIR), UART_IIR_NO_INT);
	assert_int_equal(in(r, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	assert_int_equal(in(r, UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	assert_int_equal(in(r, UART_RX), 0);
	assert_int_equal(r->edges, 0);
}

/* ---- transmitter */

/* What Linux keeps to send, and its interrupt handler, run on edges only. */
struct linux_tx {
	struct rig *r;
	unsigned left;
	uint8_t next;
	unsigned ier;
};

static void linux_start_tx(struct linux_tx *l)
{
	if (l->ier & UART_IER_THRI)
		return;
	l->ier |= UART_IER_THRI;
	out(l->r, UART_IER, l->ier);
}

static void linux_handler(struct linux_tx *l)
{
	while (!(in(l->r, UART_IIR) & UART_IIR_NO_INT)) {
		while (in(l->r, UART_LSR) & UART_LSR_DR)
			(void)in(l->r, UART_RX);
		for (unsigned i = 0; i < 16 && l->left > 0; i++, l->left--)
			out(l->r, UART_TX, l->next++);
		if (l->left > 0)
			continue;
		l->ier &= ~(unsigned)UART_IER_THRI;
		out(l->r, UART_IER, l->ier);
	}
}

static void run_edges(struct linux_tx *l)
{
	for (unsigned taken = 0; taken != l->r->edges;) {
		taken = l->r->edges;
		linux_handler(l);
	}
}

static void assert_counting(const struct rig *r, size_t len)
{
	assert_int_equal(r->out_len, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(r->out[i], i & 0xff);
}

static void output_by_interrupt_arrives_whole(void **state)
{
	struct rig *r = *state;
	struct linux_tx l = {.r = r, .left = 5000, .ier = UART_IER_RDI};

	open_port(r, UART_FCR_ENABLE_FIFO);
	linux_start_tx(&l);
	run_edges(&l);
	assert_counting(r, 5000);
	assert_false(r->level);
}

/* The driver gives up after so many turns ("too much work"); only a new edge brings it back. */
static void handler_that_gives_up_is_called_again(void **state)
{
	struct rig *r = *state;
	unsigned sent = 0;

	out(r, UART_FCR, UART_FCR_ENABLE_FIFO);
	out(r, UART_IER, UART_IER_THRI);
	for (unsigned taken = 0; taken != r->edges && sent < 100;) {
		taken = r->edges;
		(void)in(r, UART_IIR);
		for (unsigned i = 0; i < 16 && sent < 100; i++)
			out(r, UART_TX, sent++);
	}
	assert_counting(r, 100);
}

static void driver_that_never_reads_iir_gets_an_edge_per_character(void **state)
{
	struct rig *r = *state;

	out(r, UART_IER, UART_IER_THRI);
	assert_int_equal(r->edges, 1);
	for (unsigned i = 0; i < 20; i++) {
		out(r, UART_TX, i);
		assert_int_equal(r->edges, 2 + i);
	}
	assert_counting(r, 20);
}

/* serial8250_console_write() of printk: polls with interrupts off, then restores IER. */
static void kernel_message_between_does_not_lose_the_interrupt(void **state)
{
	struct rig *r = *state;
	unsigned ier;

	open_port(r, UART_FCR_ENABLE_FIFO);
	out(r, UART_IER, UART_IER_RDI | UART_IER_THRI);
	assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_THRI); /* the handler took it ... */
	ier = in(r, UART_IER);
	out(r, UART_IER, 0); /* ... and before it sends, printk() speaks */
	assert_false(r->level);
	out(r, UART_TX, 'k');
	out(r, UART_IER, ier);
	assert_true(r->level);
	assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_THRI);
}

static void thr_interrupt_behind_a_received_character_is_kept(void **state)
{
	struct rig *r = *state;

	open_port(r, UART_FCR_ENABLE_FIFO);
	out(r, UART_IER, UART_IER_RDI | UART_IER_THRI);
	assert_int_equal(feed(r, "a"), 1);
	assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_RDI);
	assert_int_equal(in(r, UART_RX), 'a');
	assert_true(r->level);
	assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_THRI);
	assert_false(r->level);
	assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_NO_INT);
}

static void sink_may_feed_while_it_is_called(void **state)
{
	struct rig *r = *state;

	open_port(r, UART_FCR_ENABLE_FIFO);
	r->feed_in_put = true;
	out(r, UART_TX, 'x');
	assert_int_equal(in(r, UART_RX), 'y');
}

/* ---- receiver */

static void input_waits_until_the_driver_listens(void **state)
{
	struct rig *r = *state;

	assert_int_equal(feed(r, "abc"), 0);
	assert_int_equal(in(r, UART_LSR) & UART_LSR_DR, 0);
	out(r, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	(void)in(r, UART_RX);
	assert_int_equal(r->rooms, 0);
	out(r, UART_IER, UART_IER_RDI);
	assert_int_equal(r->rooms, 1);
	assert_int_equal(feed(r, "abc"), 3);
	assert_int_equal(in(r, UART_RX), 'a');
}

static void guest_that_polls_is_a_listener(void **state)
{
	struct rig *r = *state;
	unsigned reads = 0;

	assert_int_equal(feed(r, "q"), 0);
	for (unsigned i = 0; i < 1000; i++) { /* this one sends: it asks before each character */
		(void)in(r, UART_LSR);
		out(r, UART_TX, 'x');
	}
	assert_int_equal(r->rooms, 0);
	while (r->rooms == 0 && reads < 1000) {
		assert_int_equal(in(r, UART_LSR) & UART_LSR_DR, 0);
		reads++;
	}
	assert_in_range(reads, 2, 100);
	assert_int_equal(feed(r, "q"), 1);
	assert_int_equal(in(r, UART_LSR) & UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(in(r, UART_RX), 'q');
	out(r, UART_TX, 'x'); /* an echo does not end it */
	assert_int_equal(feed(r, "q"), 1);
}

static void full_fifo_takes_no_more_and_says_when_it_is_empty(void **state)
{
	struct rig *r = *state;

	open_port(r, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_14);
	assert_int_equal(feed(r, "0123456789abcdefghi"), UART16550_FIFO);
	assert_int_equal(feed(r, "ghi"), 0);
	assert_int_equal(r->rooms, 0);
	for (unsigned i = 0; i < UART16550_FIFO; i++) {
		assert_int_equal(r->rooms, 0);
		assert_true(in(r, UART_LSR) & UART_LSR_DR);
		assert_int_equal(in(r, UART_RX), "0123456789abcdef"[i]);
	}
	assert_int_equal(r->rooms, 1);
	assert_int_equal(in(r, UART_LSR) & UART_LSR_OE, 0);
	assert_int_equal(feed(r, "ghi"), 3);
	assert_int_equal(in(r, UART_RX), 'g');
	assert_int_equal(r->rooms, 1);
}

static void without_fifo_there_is_room_for_one(void **state)
{
	struct rig *r = *state;

	open_port(r, 0);
	assert_int_equal(in(r, UART_IIR) & 0xc0, 0);
	assert_int_equal(feed(r, "ab"), 1);
	assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_RDI);
	assert_int_equal(in(r, UART_RX), 'a');
	assert_int_equal(r->rooms, 1);
	assert_int_equal(feed(r, "b"), 1);
}

static void trigger_level_tells_data_from_timeout(void **state)
{
	static const struct {
		unsigned fcr, level;
	} t[] = {{UART_FCR_TRIGGER_1, 1},
	         {UART_FCR_TRIGGER_4, 4},
	         {UART_FCR_TRIGGER_8, 8},
	         {UART_FCR_TRIGGER_14, 14}};
	struct rig *r = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		open_port(r, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | t[i].fcr);
		for (unsigned n = 1; n <= 16; n++) {
			assert_int_equal(feed(r, "z"), 1);
			assert_true(r->level);
			assert_int_equal(in(r, UART_IIR) & 0x0f,
			                 n < t[i].level ? UART_IIR_RX_TIMEOUT : UART_IIR_RDI);
		}
		for (unsigned n = 16; n > 0;
		     n--) { /* reading IIR did not end it, reading all does */
			assert_true(r->level);
			(void)in(r, UART_RX);
		}
		assert_false(r->level);
	}
}

static void fifo_reset_drops_what_was_received(void **state)
{
	struct rig *r = *state;

	open_port(r, UART_FCR_ENABLE_FIFO);
	assert_int_equal(feed(r, "abc"), 3);
	out(r, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_int_equal(in(r, UART_LSR) & UART_LSR_DR, 0);
	assert_false(r->level);
	assert_int_equal(feed(r, "abc"), 3);
	out(r, UART_FCR, 0); /* as does switching FIFOs off */
	assert_int_equal(in(r, UART_LSR) & UART_LSR_DR, 0);
}

/* Linux, serial8250_do_set_termios(): interrupts on, FIFOs behind that. "ping" arrived as "ing". */
static void first_character_survives_that_fifos_are_switched_on(void **state)
{
	struct rig *r = *state;

	out(r, UART_IER, UART_IER_RDI);
	assert_int_equal(feed(r, "ping"), 1);
	out(r, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(feed(r, "ing"), 3);
	assert_int_equal(in(r, UART_RX), 'p');
	assert_int_equal(in(r, UART_RX), 'i');
}

/* ---- loopback and modem lines */

static void loopback_is_cut_off_from_the_wire(void **state)
{
	struct rig *r = *state;

	open_port(r, UART_FCR_ENABLE_FIFO);
	out(r, UART_MCR, UART_MCR_LOOP);
	assert_int_equal(feed(r, "w"), 0);
	out(r, UART_TX, 'l');
	assert_int_equal(r->out_len, 0);
	assert_int_equal(in(r, UART_LSR) & UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(in(r, UART_RX), 'l');
	assert_int_equal(r->rooms, 0);
	out(r, UART_MCR, 0);
	assert_int_equal(r->rooms, 1);
	assert_int_equal(feed(r, "w"), 1);
}

static void loopback_overrun_is_reported_once(void **state)
{
	struct rig *r = *state;

	open_port(r, UART_FCR_ENABLE_FIFO);
	out(r, UART_MCR, UART_MCR_LOOP);
	for (unsigned i = 0; i < UART16550_FIFO + 1; i++)
		out(r, UART_TX, i);
	assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_RLSI);
	assert_true(in(r, UART_LSR) & UART_LSR_OE);
	assert_false(in(r, UART_LSR) & UART_LSR_OE);
	assert_int_equal(in(r, UART_RX), 0);
}

static void modem_line_changes_interrupt_until_msr_is_read(void **state)
{
	struct rig *r = *state;

	out(r, UART_IER, UART_IER_MSI);
	assert_false(r->level);
	out(r, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1); /* all three lines of the peer drop */
	assert_true(r->level);
	assert_int_equal(in(r, UART_IIR) & 0x0f, UART_IIR_MSI);
	assert_int_equal(in(r, UART_MSR),
	                 UART_MSR_RI | UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
	assert_false(r->level);
	out(r, UART_MCR, UART_MCR_LOOP); /* ring ends */
	assert_int_equal(in(r, UART_MSR), UART_MSR_TERI);
}

/* ---- the bus */

static void divisor_and_scratch_are_remembered(void **state)
{
	struct rig *r = *state;

	out(r, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(r, UART_DLL, 0x34);
	out(r, UART_DLM, 0x12);
	assert_int_equal(in(r, UART_DLL), 0x34);
	assert_int_equal(in(r, UART_DLM), 0x12);
	out(r, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(r, UART_LCR), UART_LCR_WLEN8);
	assert_int_equal(in(r, UART_IER), 0);
	assert_int_equal(r->out_len, 0);
	out(r, UART_SCR, 0xa5);
	assert_int_equal(in(r, UART_SCR), 0xa5);
	out(r, UART_LSR, 0xff);
	out(r, UART_MSR, 0xff);
	assert_int_equal(in(r, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
}

static void wide_access_reaches_one_register_per_byte(void **state)
{
	struct rig *r = *state;

	uart16550_bus_ops.write(r->u, 0, 2, (UART_IER_RDI << 8) | 'w');
	assert_int_equal(r->out_len, 1);
	assert_int_equal(r->out[0], 'w');
	assert_int_equal(in(r, UART_IER), UART_IER_RDI);
	out(r, UART_SCR, 0x5a);
	assert_int_equal(uart16550_bus_ops.read(r->u, 0, 8) >> 56, 0x5a);
	assert_int_equal(uart16550_bus_ops.read(r->u, 4, 4) >> 24, 0x5a);
	assert_int_equal(uart16550_bus_ops.read(r->u, 7, 8), 0x5a); /* past the end: zeros */
	uart16550_bus_ops.write(r->u, 6, 8, UINT64_MAX);
	assert_int_equal(in(r, UART_SCR), 0xff);
}

static void reset_is_as_after_power_on(void **state)
{
	struct rig *r = *state;

	open_port(r, UART_FCR_ENABLE_FIFO);
	assert_int_equal(feed(r, "abc"), 3);
	assert_true(r->level);
	uart16550_reset(r->u);
	assert_false(r->level);
	assert_int_equal(in(r, UART_IER), 0);
	assert_int_equal(in(r, UART_IIR), UART_IIR_NO_INT);
	assert_int_equal(in(r, UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(in(r, UART_MSR) & 0x0f, 0);
}

static void port_without_listeners_is_harmless(void **state unused)
{
	struct uart16550_config cfg = {.put = NULL};
	struct uart16550 *u;

	assert_int_equal(uart16550_create(&cfg, &u), 0);
	uart16550_bus_ops.write(u, UART_TX, 1, 'x');
	uart16550_bus_ops.write(u, UART_IER, 1, UART_IER_THRI);
	assert_int_equal(uart16550_bus_ops.read(u, UART_IIR, 1), UART_IIR_THRI);
	uart16550_destroy(u);
	uart16550_destroy(NULL);
}

/* ---- two threads */

#define STREAM 100000u

struct stream {
	struct uart16550 *u;
	sem_t room;
};

static void stream_room(void *arg)
{
	struct stream *s = arg;

	sem_post(&s->room);
}

static void *feeder(void *arg)
{
	struct stream *s = arg;

	for (unsigned i = 0; i < STREAM;) {
		uint8_t buf[24];
		size_t len, n;

		for (len = 0; len < sizeof(buf) && i + len < STREAM; len++)
			buf[len] = (uint8_t)(i + len);
		n = uart16550_feed(s->u, buf, len);
		i += (unsigned)n;
		if (n < len)
			sem_wait(&s->room);
	}
	return NULL;
}

static void feeding_and_reading_threads_lose_nothing(void **state unused)
{
	struct stream s = {0};
	struct uart16550_config cfg = {.room = stream_room, .arg = &s};
	pthread_t thread;

	assert_int_equal(uart16550_create(&cfg, &s.u), 0);
	assert_int_equal(sem_init(&s.room, 0, 0), 0);
	uart16550_bus_ops.write(s.u, UART_FCR, 1, UART_FCR_ENABLE_FIFO);
	uart16550_bus_ops.write(s.u, UART_IER, 1, UART_IER_RDI);
	assert_int_equal(pthread_create(&thread, NULL, feeder, &s), 0);
	for (unsigned i = 0; i < STREAM;) {
		if (!(uart16550_bus_ops.read(s.u, UART_LSR, 1) & UART_LSR_DR)) {
			sched_yield(); /* on one CPU each FIFO would cost a time slice */
			continue;
		}
		assert_int_equal(uart16550_bus_ops.read(s.u, UART_RX, 1), i & 0xff);
		i++;
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	sem_destroy(&s.room);
	uart16550_destroy(s.u);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(linux_finds_a_16550a),
		CASE(linux_startup_sees_no_thre_and_no_txen_bug),
		CASE(power_on_state_is_quiet),
		CASE(output_by_interrupt_arrives_whole),
		CASE(handler_that_gives_up_is_called_again),
		CASE(driver_that_never_reads_iir_gets_an_edge_per_character),
		CASE(kernel_message_between_does_not_lose_the_interrupt),
		CASE(thr_interrupt_behind_a_received_character_is_kept),
		CASE(sink_may_feed_while_it_is_called),
		CASE(input_waits_until_the_driver_listens),
		CASE(guest_that_polls_is_a_listener),
		CASE(full_fifo_takes_no_more_and_says_when_it_is_empty),
		CASE(without_fifo_there_is_room_for_one),
		CASE(trigger_level_tells_data_from_timeout),
		CASE(fifo_reset_drops_what_was_received),
		CASE(first_character_survives_that_fifos_are_switched_on),
		CASE(loopback_is_cut_off_from_the_wire),
		CASE(loopback_overrun_is_reported_once),
		CASE(modem_line_changes_interrupt_until_msr_is_read),
		CASE(divisor_and_scratch_are_remembered),
		CASE(wide_access_reaches_one_register_per_byte),
		CASE(reset_is_as_after_power_on),
		cmocka_unit_test(port_without_listeners_is_harmless),
		cmocka_unit_test(feeding_and_reading_threads_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
