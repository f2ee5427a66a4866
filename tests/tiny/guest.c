/* SPDX-License-Identifier: Apache-2.0 */
/* tests/tiny/guest.c - a bare-metal guest that does what the first word of its command line says */
#include "tiny.h"

struct boot {
	const void *fdt;
	const uint8_t *rsdp;
	const char *devices; /* the command line: words that announce devices come first */
	const char *arg;     /* behind the first word of the others */
};

/* ---- console and verdict */

static void do_hello(const struct boot *b)
{
	(void)b;
	put_text("hello from a tiny guest\n");
	verdict(0);
}

static void do_verdict(const struct boot *b)
{
	verdict((uint8_t)text_number(b->arg));
}

/* A status of 32 bits: only its value 0 may become exit status 0. */
static void do_wide(const struct boot *b)
{
	uint32_t v = (uint32_t)text_number(b->arg);

	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"((uint16_t)EXIT_PORT));
}

/* Echoes a line of input. */
static void do_echo(const struct boot *b)
{
	char c;

	(void)b;
	do {
		while (!(inb(UART_PORT + 5) & 1))
			;
		c = (char)inb(UART_PORT);
		put_char(c);
	} while (c != '\n');
	verdict(0);
}

/* ---- the map */

static void do_map(const struct boot *b)
{
	struct tree_device d;
	unsigned n;

	for (n = 0; tree_device(b->fdt, "virtio,mmio", n, &d); n++) {
		put_line("device", d.base);
		put_line("irq", d.irq[0]);
		put_line("magic", mmio_read32(d.base));
		put_line("version", mmio_read32(d.base + 4));
		put_line("id", mmio_read32(d.base + 8));
	}
	put_line("devices", n);
	verdict(0);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Tables are below 4 GiB: the low half of a 64-bit address will do. */
static const uint8_t *low_pointer(const uint8_t *p)
{
	return (const uint8_t *)(uint64_t)get32(p);
}

static const uint8_t *acpi_table(const struct boot *b, const char *signature)
{
	const uint8_t *xsdt = low_pointer(b->rsdp + 24);

	if (!text_begins((const char *)b->rsdp, "RSD PTR ") ||
	    !text_begins((const char *)xsdt, "XSDT"))
		fail("no RSDP");
	for (uint32_t off = 36; off < get32(xsdt + 4); off += 8) {
		const uint8_t *t = low_pointer(xsdt + off);

		if (text_begins((const char *)t, signature))
			return t;
	}
	fail("no such table");
}

/* Sleep control register from the FADT, sleep type 5, enable. */
static void do_off(const struct boot *b)
{
	const uint8_t *fadt = acpi_table(b, "FACP");

	put_text("off\n");
	mmio_write8(get32(fadt + 248), 5 << 2 | 0x20);
}

static void do_reset(const struct boot *b)
{
	const uint8_t *fadt = acpi_table(b, "FACP");

	put_text("boot\n");
	mmio_write8(get32(fadt + 120), fadt[128]);
}

static void do_kbd(const struct boot *b)
{
	(void)b;
	put_text("boot\n");
	while (inb(0x64) & 2)
		;
	outb(0x64, 0xfe);
}

/* ---- ends that are no ends */

static void do_loop(const struct boot *b)
{
	(void)b;
	for (;;)
		__asm__ volatile("pause");
}

static void do_halt(const struct boot *b)
{
	(void)b;
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* An exception without an IDT. */
static void do_fault(const struct boot *b)
{
	(void)b;
	__asm__ volatile("ud2" : : "a"(0x1234567890abcdefull), "c"(0xfeedull));
}

/* ---- memory above 4 GiB: nobody has mapped it yet */

#define PRESENT_WRITABLE 3ull
#define LARGE            0x80ull

static uint64_t extra_pd[2][512] __attribute__((aligned(4096)));

static void map_two_gib_above_4g(void)
{
	uint64_t cr3, *pdpt;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	pdpt = (uint64_t *)(*(uint64_t *)cr3 & ~0xfffull);
	for (uint64_t g = 0; g < 2; g++) {
		for (uint64_t i = 0; i < 512; i++)
			extra_pd[g][i] = ((4 + g) << 30 | i << 21) | PRESENT_WRITABLE | LARGE;
		pdpt[4 + g] = (uint64_t)extra_pd[g] | PRESENT_WRITABLE;
	}
	__asm__ volatile("mov %0, %%cr3" : : "r"(cr3) : "memory");
}

/* With -m 5G there is RAM up to 6 GiB. */
static void do_high(const struct boot *b)
{
	volatile uint64_t *first = (uint64_t *)(4ull << 30);
	volatile uint64_t *last = (uint64_t *)((6ull << 30) - 8);

	(void)b;
	map_two_gib_above_4g();
	*first = 0x1111;
	*last = 0x2222;
	if (*first != 0x1111 || *last != 0x2222)
		fail("memory above 4 GiB does not keep what it is given");
	if (*(volatile uint64_t *)0xbffffff8ull != 0)
		fail("memory below the hole is not zero");
	verdict(0);
}

/* ---- second CPU: INIT, SIPI, a mailbox */

#define APIC_BASE 0xfee00000ull
#define APIC_SVR  0xf0
#define APIC_ICR  0x300
#define APIC_ICR2 0x310

#define AP_PAGE    0x20000ull /* vector 0x20 */
#define AP_MAILBOX (AP_PAGE + 0x800)

/* Real mode, cs = 0x2000; position-independent. */
__asm__(".pushsection .rodata\n"
        ".code16\n"
        "ap_mail:\n" /* APIC id and a mark into the mailbox */
        "	mov $1, %eax\n"
        "	cpuid\n"
        "	shr $24, %ebx\n"
        "	mov %cs, %ax\n"
        "	mov %ax, %ds\n"
        "	mov %bl, 0x804\n"
        "	movl $0x2a, 0x800\n"
        "1:	cli\n"
        "	hlt\n"
        "	jmp 1b\n"
        "ap_bios:\n" /* as Linux reboots when all else fails */
        "	ljmp $0xf000, $0xfff0\n"
        "ap_end:\n"
        ".code64\n"
        ".popsection\n");
extern const uint8_t ap_mail[], ap_bios[], ap_end[];

static void wait_icr(void)
{
	while (mmio_read32(APIC_BASE + APIC_ICR) & 1u << 12)
		;
}

static void start_second_cpu(const uint8_t *code)
{
	for (uint64_t i = 0; code + i < ap_end; i++)
		mmio_write8(AP_PAGE + i, code[i]);
	mmio_write32(APIC_BASE + APIC_SVR, 0x1ff);
	mmio_write32(APIC_BASE + APIC_ICR2, 1u << 24);
	mmio_write32(APIC_BASE + APIC_ICR, 0x4500); /* INIT, assert */
	wait_icr();
	mmio_write32(APIC_BASE + APIC_ICR2, 1u << 24);
	mmio_write32(APIC_BASE + APIC_ICR, 0x4600 | AP_PAGE >> 12); /* start-up */
	wait_icr();
}

static void do_smp(const struct boot *b)
{
	volatile uint32_t *mark = (uint32_t *)AP_MAILBOX;
	volatile uint8_t *id = (uint8_t *)(AP_MAILBOX + 4);

	(void)b;
	*mark = 0;
	start_second_cpu(ap_mail);
	while (*mark != 0x2a)
		__asm__ volatile("pause");
	put_line("second cpu has id", *id);
	verdict(*id == 1 ? 0 : 1);
}

static void do_bios(const struct boot *b)
{
	put_text("boot\n");
	start_second_cpu(ap_bios);
	do_loop(b);
}

/* ---- the network */

static void do_ping(const struct boot *b)
{
	struct tree_device d;

	if (!tree_device(b->fdt, "virtio,mmio", 0, &d))
		fail("no device in the tree");
	net_look_around(d.base);
	net_ping(d.base, -1);
	if (text_begins(b->arg, "reset")) /* with a driver that has just worked */
		do_reset(b);
	net_end();
}

/* Where the guest has been told that the device is, by whichever way; or where it always is: docs/drivers.md. */
static void find_device(const struct boot *b, struct tree_device *d)
{
	static const char word[] = "virtio_mmio.device=0x200@";
	const char *at = b->devices;

	if (text_begins(at, word)) {
		at += sizeof(word) - 1;
		d->base = text_hex(at);
		while (*at && *at != ':')
			at++;
		d->irq[0] = (uint32_t)text_number(*at ? at + 1 : at);
		put_text("command line\n");
	} else if (tree_device(b->fdt, "virtio,mmio", 0, d)) {
		put_text("tree\n");
	} else {
		d->base = 0xd0000f00;
		d->irq[0] = 5;
		put_text("nowhere\n");
	}
}

static void do_found(const struct boot *b)
{
	struct tree_device d;

	find_device(b, &d);
	net_ping(d.base, (int)d.irq[0]);
	net_end();
}

/* "off": with the CPU's interrupts off; "masked": with the device's pin masked, and another one not. */
static void do_unread(const struct boot *b)
{
	const bool masked = text_begins(b->arg, "masked");
	struct tree_device d;

	find_device(b, &d);
	net_ping_unread(d.base, d.irq[0] + masked, masked);
	net_end();
}

static void do_pingirq(const struct boot *b)
{
	struct tree_device d;

	if (!tree_device(b->fdt, "virtio,mmio", 0, &d))
		fail("no device in the tree");
	net_ping(d.base, (int)d.irq[0]);
	net_end();
}

static void forward(const struct boot *b, bool spoil)
{
	struct tree_device d;
	uint64_t base[2];
	unsigned nr = 0;

	while (nr < 2 && tree_device(b->fdt, "virtio,mmio", nr, &d))
		base[nr++] = d.base;
	if (nr == 0)
		fail("no device in the tree");
	net_forward(base, nr, text_number(b->arg), spoil);
	net_end();
}

static void do_forward(const struct boot *b)
{
	forward(b, 0);
}

static void do_spoil(const struct boot *b)
{
	forward(b, 1);
}

static void do_edges(const struct boot *b)
{
	(void)b;
	irq_test(0);
}

static void do_levels(const struct boot *b)
{
	(void)b;
	irq_test(1);
}

static void do_link(const struct boot *b)
{
	struct tree_device d;

	if (!tree_device(b->fdt, "virtio,mmio", 0, &d))
		fail("no device in the tree");
	net_look_around(d.base);
	net_link(d.base);
}

static void do_break(const struct boot *b)
{
	struct tree_device d;

	if (!tree_device(b->fdt, "virtio,mmio", 0, &d))
		fail("no device in the tree");
	net_break(d.base);
	do_ping(b);
}

static void act(const struct boot *b, const char *words);

/* "driver WHERE THEN": a driver that comes as far as that; what happens then is another action. */
static void do_driver(const struct boot *b)
{
	const char *then = b->arg;
	struct tree_device d;

	if (!tree_device(b->fdt, "virtio,mmio", 0, &d))
		fail("no device in the tree");
	net_come_as_far_as(d.base, b->arg);
	while (*then && *then++ != ' ')
		;
	act(b, then);
}

/* Kicks when it is told to. */
static void do_kick(const struct boot *b)
{
	put_text("offered\n");
	while (!(inb(UART_PORT + 5) & 1))
		;
	net_kick();
	act(b, b->arg);
}

/* Every byte there is, and what leaves a terminal in disorder, in the middle of a line. */
static void do_noise(const struct boot *b)
{
	for (unsigned c = 0; c < 256; c++)
		put_char((char)c);
	put_text("\033[?25l\033[31m\033(0\016qqq\033]0;no end");
	act(b, b->arg);
}

static const struct {
	const char *word;
	void (*run)(const struct boot *b);
} actions[] = {
	{"hello", do_hello},     {"verdict", do_verdict}, {"wide", do_wide},
	{"echo", do_echo},       {"map", do_map},         {"off", do_off},
	{"reset", do_reset},     {"kbd", do_kbd},         {"loop", do_loop},
	{"halt", do_halt},       {"fault", do_fault},     {"high", do_high},
	{"smp", do_smp},         {"bios", do_bios},       {"ping", do_ping},
	{"pingirq", do_pingirq}, {"edges", do_edges},     {"levels", do_levels},
	{"link", do_link},       {"break", do_break},     {"found", do_found},
	{"driver", do_driver},   {"noise", do_noise},     {"kick", do_kick},
	{"forward", do_forward}, {"spoil", do_spoil},     {"unread", do_unread},
};

static void act(const struct boot *b, const char *words)
{
	struct boot more = *b;

	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		const char *word = actions[i].word, *arg = words;

		if (!text_begins(arg, word))
			continue;
		while (*word++)
			arg++;
		if (*arg != ' ' && *arg != '\0')
			continue;
		more.arg = *arg ? arg + 1 : arg;
		actions[i].run(&more);
		fail("the guest is still there");
	}
	fail("no such action");
}

void guest_main(const void *fdt, const uint8_t *rsdp, const char *line);

void guest_main(const void *fdt, const uint8_t *rsdp, const char *line)
{
	const struct boot b = {.fdt = fdt, .rsdp = rsdp, .devices = line};

	if (!text_equal(line, tree_bootargs(fdt)))
		fail("the tree has another command line");
	while (text_begins(line, "virtio_mmio.device="))
		while (*line && *line++ != ' ')
			;
	act(&b, line);
}
