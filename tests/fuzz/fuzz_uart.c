/* SPDX-License-Identifier: Apache-2.0 */
/* Register accesses of any width, mixed with input from the wire; two bytes of input per step. */
#include <linux/serial_reg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "devices/uart16550.h"

struct wire {
	bool level;
	size_t sent;
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void on_irq(void *arg, unsigned gsi, bool level)
{
	struct wire *w = arg;

	must(gsi == 4 && w->level != level);
	w->level = level;
}

static void on_put(void *arg, const uint8_t *buf, size_t len)
{
	struct wire *w = arg;

	must(buf && len == 1);
	w->sent++;
}

static void on_room(void *arg)
{
	must(arg != NULL);
}

/* What IIR says and what the line does must agree, and the transmitter is always ready. */
static void check(struct uart16550 *u, struct wire *w)
{
	bool level = w->level;
	uint64_t iir = uart16550_bus_ops.read(u, UART_IIR, 1);

	must(level == !(iir & UART_IIR_NO_INT));
	must((iir & ~(uint64_t)0xcf) == 0);
}

static void step(struct uart16550 *u, uint8_t what, uint8_t val)
{
	static const uint8_t line[64];
	unsigned reg = what & 7;
	unsigned size = 1u << (what >> 3 & 3);

	switch (what >> 5) {
	case 0:
	case 1:
		uart16550_bus_ops.write(u, reg, size, val * UINT64_C(0x0101010101010101));
		break;
	case 2:
		uart16550_bus_ops.write(u, reg, size, val);
		break;
	case 3:
	case 4:
		(void)uart16550_bus_ops.read(u, reg, size);
		break;
	case 5:
		for (unsigned i = 0; i < val; i++)
			must((uart16550_bus_ops.read(u, UART_LSR, 1) & 0x60) == 0x60);
		break;
	case 6:
		must(uart16550_feed(u, line, val % sizeof(line)) <= UART16550_FIFO);
		break;
	default:
		if (val == 0)
			uart16550_reset(u);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire w = {0};
	struct uart16550_config cfg = {
		.irq = {.set = on_irq, .arg = &w, .gsi = 4},
		.put = on_put,
		.room = on_room,
		.arg = &w,
	};
	struct uart16550 *u;

	if (uart16550_create(&cfg, &u) < 0)
		return 0;
	for (size_t i = 0; i + 1 < size; i += 2) {
		step(u, data[i], data[i + 1]);
		if (data[i + 1] & 1)
			check(u, &w);
	}
	uart16550_destroy(u);
	return 0;
}
