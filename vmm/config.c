/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "devices/virtio_net.h"
#include "devices/vq.h"
#include "net/mac.h"
#include "vmm/core/log.h"

#define IRQCHIP_NOT_GIVEN UINT32_MAX

#define RAM_MIN     MIB(2)
#define RAM_MAX     GIB(512)
#define TIMEOUT_MAX (UINT64_C(365) * 86400)

static const char *const announce_names[] = {
	[ANNOUNCE_ACPI] = "acpi",
	[ANNOUNCE_CMDLINE] = "cmdline",
	[ANNOUNCE_FDT] = "fdt",
	[ANNOUNCE_NONE] = "none",
	NULL,
};

static const char *const irqchip_names[] = {
	[IRQCHIP_KERNEL] = "kernel", [IRQCHIP_SPLIT] = "split", NULL};

static const char *const nic_irq_names[] = {
	[NIC_IRQ_IOCTL] = "ioctl", [NIC_IRQ_IRQFD] = "irqfd", [NIC_IRQ_NOT_GIVEN] = NULL};

static const char *const on_reboot_names[] = {
	[ON_REBOOT_EXIT] = "exit", [ON_REBOOT_RESTART] = "restart", NULL};

static const char *const regs_names[] = {[NIC_REGS_PAGE] = "page", [NIC_REGS_TRAP] = "trap", NULL};
static const char *const kick_names[] = {
	[NIC_KICK_IOEVENTFD] = "ioeventfd", [NIC_KICK_EXIT] = "exit", NULL};

const char *config_irqchip_name(unsigned irqchip)
{
	return irqchip_names[irqchip];
}

const char *config_regs_name(unsigned regs)
{
	return regs_names[regs];
}

const char *config_kick_name(unsigned kick)
{
	return kick_names[kick];
}

/* ---- --net KIND[,KEY=VALUE...] */

static int parse_mac(void *target, const char *value, char *why, size_t size)
{
	struct nic_config *nic = target;
	int ret = mac_parse(value, nic->mac);

	if (ret == -EADDRNOTAVAIL)
		snprintf(why, size,
		         "a NIC's address is not all zero and has no multicast bit (the "
		         "lowest bit of the first byte is 0)");
	else if (ret < 0)
		snprintf(why, size, "not an Ethernet address like 52:54:00:12:34:56");
	nic->has_mac = ret == 0;
	return ret;
}

/*
 * The driver of Linux does not send while fewer than 19 entries are free, so on a ring of 16 it stops
 * for good after the first frame, with indirect tables too. A driver that wants a shorter ring may
 * choose one: this is the most that it is offered.
 */
#define QUEUE_SIZE_MIN 32u

static int parse_queue_size(void *target, const char *value, char *why, size_t size)
{
	struct nic_config *nic = target;
	uint64_t n;

	if (opt_parse_uint(value, &n) < 0 || n < QUEUE_SIZE_MIN || n > VQ_NUM_MAX ||
	    (n & (n - 1)) != 0) {
		snprintf(why, size, "not a power of two from %u to %u", QUEUE_SIZE_MIN, VQ_NUM_MAX);
		return -EINVAL;
	}
	nic->queue_size = n;
	return 0;
}

#define NIC(member) offsetof(struct nic_config, member)

static const struct opt_def nic_keys[] = {
	{.name = "mac",
         .type = OPT_CALL,
         .parse = parse_mac,
         .arg = "MAC",
         .help = "the guest's address (default: 02:64:62:00:00:INDEX)"},
	{.name = "mtu",
         .type = OPT_UINT,
         .offset = NIC(mtu),
         .min = 68,
         .max = 65535,
         .arg = "BYTES",
         .help = "tell the driver this MTU (68 to 65535; default: not told)"},
	{.name = "queue-size",
         .type = OPT_CALL,
         .parse = parse_queue_size,
         .arg = "ENTRIES",
         .help = "of the rx and tx rings, a power of two from 32 to 1024 (default: 256)"},
	{.name = "queues",
         .type = OPT_UINT,
         .offset = NIC(queues),
         .min = 1,
         .max = VIRTIO_NET_PAIRS_MAX,
         .arg = "N",
         .help = "pairs of rx and tx queues, each with an I/O thread (1 to 8; default: 1)"},
	{.name = "irq",
         .type = OPT_CHOICE,
         .offset = NIC(irq),
         .choices = nic_irq_names,
         .arg = "irqfd|ioctl",
         .help = "how its interrupt reaches KVM (default: ioctl, irqfd where vhost can serve)"},
	{.name = "pcap",
         .type = OPT_STRING,
         .offset = NIC(pcap),
         .exclusive = 1,
         .arg = "FILE",
         .help = "capture every frame, both ways"},
	{.name = "features",
         .type = OPT_STRING,
         .offset = NIC(features),
         .arg = "SET",
         .help = "default, minimal or none, then +NAME and -NAME; refused when it cannot be kept"},
	{.name = "regs",
         .type = OPT_CHOICE,
         .offset = NIC(regs),
         .choices = regs_names,
         .arg = "page|trap",
         .help = "registers can be read in memory, or by exits (default: page on x86_64)"},
	{.name = "kick",
         .type = OPT_CHOICE,
         .offset = NIC(kick),
         .choices = kick_names,
         .arg = "ioeventfd|exit",
         .help = "kicks end in the kernel, or exit to doorbell (default: ioeventfd)"},
	OPT_END,
};

static int parse_nic(struct nic_config *nic, const char *keys)
{
	const struct opt_group groups[] = {
		{.defs = nic->kind->keys, .target = nic->backend},
		{.defs = nic_keys, .target = nic},
	};
	char what[64];
	int ret;

	snprintf(what, sizeof(what), "--net %s", nic->kind->name);
	ret = opt_parse_keys(groups, ARRAY_SIZE(groups), what, keys);
	if (ret == 0 && nic->queues > 1 && nic->kind->one_queue) {
		log_error("%s: queues=%u: allowed is 1 with this kind, %s", what,
		          (unsigned)nic->queues, nic->kind->one_queue);
		ret = -EINVAL;
	}
	return ret;
}

static void kind_names(char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (const struct net_kind *const *k = net_kinds; *k && len < size; k++)
		len += (size_t)snprintf(buf + len, size - len, "%s, ", (*k)->name);
	if (len < size)
		snprintf(buf + len, size - len, "none");
}

static int add_nic(struct vm_config *cfg, const char *text)
{
	struct nic_config *nic = &cfg->nic[cfg->nr_nics];
	size_t len = strcspn(text, ",");
	char kind[32], names[128];

	if (cfg->nr_nics == VM_MAX_NICS) {
		log_error("--net %s: there are %u NICs already, and no more are possible", text,
		          VM_MAX_NICS);
		return -EINVAL;
	}
	snprintf(kind, sizeof(kind), "%.*s", (int)len, text);
	*nic = (struct nic_config){.kind = net_kind_find(kind),
	                           .irq = NIC_IRQ_NOT_GIVEN,
	                           .queue_size = VIRTIO_NET_QUEUE_SIZE_DEFAULT,
	                           .queues = 1,
	                           .regs = arch_desc.register_page ? NIC_REGS_PAGE : NIC_REGS_TRAP};
	if (len >= sizeof(kind) || !nic->kind) {
		kind_names(names, sizeof(names));
		log_error("--net %s: unknown kind '%.*s', there are: %s", text, (int)len, text,
		          names);
		return -EINVAL;
	}
	snprintf(nic->name, sizeof(nic->name), "net%u", cfg->nr_nics);
	if (nic->kind->config_init)
		nic->kind->config_init(nic->backend);
	mac_pick(cfg->nr_nics, nic->mac);
	cfg->nr_nics++; /* from here on config_free() sees it */
	return parse_nic(nic, text[len] ? text + len + 1 : NULL);
}

/* These say their errors themselves: @why stays empty. */
static int parse_net(void *target, const char *value, unused char *why, unused size_t size)
{
	struct vm_config *cfg = target;

	if (strncmp(value, "none,", 5) == 0) {
		log_error("--net none takes no keys, given was '%s'", value + 5);
		return -EINVAL;
	}
	if (strcmp(value, "none") == 0) {
		cfg->no_nic = true;
		return 0;
	}
	return add_nic(cfg, value);
}

static int parse_console(void *target, const char *value, char *why, size_t size)
{
	struct vm_config *cfg = target;

	if (strcmp(value, "stdio") == 0) {
		cfg->console = CONSOLE_STDIO;
	} else if (strcmp(value, "none") == 0) {
		cfg->console = CONSOLE_NONE;
	} else if (strncmp(value, "file=", 5) == 0 && value[5] != '\0') {
		cfg->console = CONSOLE_FILE;
		cfg->console_path = value + 5;
	} else {
		snprintf(why, size, "allowed: stdio, none, file=PATH");
		return -EINVAL;
	}
	return 0;
}

static int parse_stats(void *target, const char *value, unused char *why, unused size_t size)
{
	struct vm_config *cfg = target;

	cfg->stats = true;
	cfg->stats_path = value[0] ? value : NULL;
	return 0;
}

static int parse_audit(void *target, const char *value, unused char *why, unused size_t size)
{
	struct vm_config *cfg = target;

	cfg->audit = true;
	cfg->audit_path = value[0] ? value : NULL;
	return 0;
}

static int parse_mem(void *target, const char *value, char *why, size_t size)
{
	struct vm_config *cfg = target;
	uint64_t v;

	if (opt_parse_size(value, &v) < 0 || v < RAM_MIN || v > RAM_MAX || v % 4096 != 0) {
		snprintf(why, size,
		         "allowed: a size from 2M to 512G with K, M or G, in whole pages of 4K");
		return -EINVAL;
	}
	cfg->ram_bytes = v;
	return 0;
}

#define CFG(member) offsetof(struct vm_config, member)

static const struct opt_def run_options[] = {
	{.name = "initrd",
         .letter = 'i',
         .type = OPT_STRING,
         .offset = CFG(initrd),
         .arg = "FILE",
         .help = "initial RAM disk"},
	{.name = "append",
         .letter = 'a',
         .type = OPT_STRING,
         .offset = CFG(append),
         .arg = "STRING",
         .help = "the kernel's command line"},
	{.name = "mem",
         .letter = 'm',
         .type = OPT_CALL,
         .parse = parse_mem,
         .arg = "SIZE",
         .help = "guest memory, with K, M or G (default: 512M)"},
	{.name = "cpus",
         .letter = 'c',
         .type = OPT_UINT,
         .offset = CFG(nr_cpus),
         .min = 1,
         .max = VM_MAX_CPUS,
         .arg = "N",
         .help = "guest CPUs (default: 1)"},
	{.name = "net",
         .type = OPT_CALL,
         .parse = parse_net,
         .arg = "KIND[,KEY=VALUE...]",
         .help = "a NIC; repeatable; none given: user; none: no NIC (kinds and keys below)"},
	{.name = "console",
         .type = OPT_CALL,
         .parse = parse_console,
         .arg = "stdio|none|file=PATH",
         .help = "where the serial port goes (default: stdio; Ctrl-A h helps, Ctrl-A x ends)"},
	{.name = "announce",
         .type = OPT_CHOICE,
         .offset = CFG(announce),
         .choices = announce_names,
         .arg = "acpi|cmdline|fdt|none",
         .help = "how the guest is told of virtio-mmio devices (default: acpi on x86_64)"},
	{.name = "irqchip",
         .type = OPT_CHOICE,
         .offset = CFG(irqchip),
         .choices = irqchip_names,
         .arg = "split|kernel",
         .help = "whose the I/O-APIC is: doorbell's or KVM's (default: split with --announce "
                 "acpi)"},
	{.name = "print-machine",
         .type = OPT_BOOL,
         .offset = CFG(print_machine),
         .help = "print what is where in the guest as JSON, and exit"},
	{.name = "timeout",
         .type = OPT_UINT,
         .offset = CFG(timeout_s),
         .min = 1,
         .max = TIMEOUT_MAX,
         .arg = "SECONDS",
         .help = "end the guest after that time, exit status 124"},
	{.name = "on-reboot",
         .type = OPT_CHOICE,
         .offset = CFG(on_reboot),
         .choices = on_reboot_names,
         .arg = "exit|restart",
         .help = "what a reboot of the guest does (default: exit)"},
	{.name = "control",
         .type = OPT_STRING,
         .offset = CFG(control),
         .arg = "PATH",
         .help = "listen there for doorbell ctl"},
	{.name = "stats",
         .type = OPT_CALL,
         .parse = parse_stats,
         .arg = "FILE",
         .arg_optional = 1,
         .help = "counters as JSON at the end (default: to standard error)"},
	{.name = "audit",
         .type = OPT_CALL,
         .parse = parse_audit,
         .arg = "FILE",
         .arg_optional = 1,
         .help = "what frames cost against what they should, at the end; to FILE: as JSON"},
	{.name = "verbose",
         .letter = 'v',
         .type = OPT_COUNT,
         .offset = CFG(verbose),
         .help = "say more; twice: even more"},
	{.name = "quiet",
         .letter = 'q',
         .type = OPT_BOOL,
         .offset = CFG(quiet),
         .help = "only errors"},
	{.name = "version", .type = OPT_BOOL, .offset = CFG(version), .help = "print the version"},
	{.name = "help", .letter = 'h', .type = OPT_BOOL, .offset = CFG(help), .help = "this text"},
	OPT_END,
};

/* What only one of them can have: both would work, and each would take the other's frames. */
static int check_pair(const struct nic_config *a, const struct nic_config *b)
{
	char value[256];
	const struct opt_def *d = opt_clash(nic_keys, a, b, value, sizeof(value));

	if (!d && a->kind == b->kind)
		d = opt_clash(a->kind->keys, a->backend, b->backend, value, sizeof(value));
	if (!d && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0) {
		mac_print(a->mac, value);
		log_error("--net: %s and %s have the same mac=%s", a->name, b->name, value);
		return -EINVAL;
	}
	if (!d)
		return 0;
	log_error("--net: %s and %s have the same %s=%s, which only one can use", a->name, b->name,
	          d->name, value);
	return -EINVAL;
}

static int check_nics(const struct vm_config *cfg)
{
	for (unsigned i = 1; i < cfg->nr_nics; i++)
		for (unsigned k = 0; k < i; k++)
			if (check_pair(&cfg->nic[k], &cfg->nic[i]) < 0)
				return -EINVAL;
	return 0;
}

static int check(struct vm_config *cfg)
{
	if (cfg->no_nic && cfg->nr_nics > 0) {
		log_error("--net none and --net %s exclude each other", cfg->nic[0].kind->name);
		return -EINVAL;
	}
	if (!(arch_desc.announce_mask & 1u << cfg->announce)) {
		log_error("--announce %s is not possible on %s", announce_names[cfg->announce],
		          arch_desc.name);
		return -EINVAL;
	}
	/* A guest that is not told by ACPI that there is no PIC may look for one. */
	if (cfg->irqchip == IRQCHIP_NOT_GIVEN)
		cfg->irqchip = cfg->announce == arch_desc.default_announce
		                       ? arch_desc.default_irqchip
		                       : IRQCHIP_KERNEL;
	if (!(arch_desc.irqchip_mask & 1u << cfg->irqchip)) {
		log_error("--irqchip %s is not possible on %s", irqchip_names[cfg->irqchip],
		          arch_desc.name);
		return -EINVAL;
	}
	if (cfg->nr_nics == 0 && !cfg->no_nic)
		return add_nic(cfg, "user");
	return check_nics(cfg);
}

int config_parse(struct vm_config *cfg, int argc, char **argv)
{
	const struct opt_group group = {.defs = run_options, .target = cfg};
	int words;

	*cfg = (struct vm_config){
		.ram_bytes = MIB(512),
		.nr_cpus = 1,
		.announce = arch_desc.default_announce,
		.irqchip = IRQCHIP_NOT_GIVEN,
	};
	words = opt_parse_argv(&group, 1, argc, argv);
	if (words < 0)
		return words;
	if (cfg->help || cfg->version)
		return 0;
	if (words == 0 && !cfg->print_machine) {
		log_error("no kernel given: doorbell run [options] KERNEL");
		return -EINVAL;
	}
	if (words > 1) {
		log_error("one kernel is enough: '%s' and '%s' were given", argv[0], argv[1]);
		return -EINVAL;
	}
	cfg->kernel = words == 1 ? argv[0] : NULL;
	return check(cfg);
}

void config_free(struct vm_config *cfg)
{
	for (unsigned i = 0; i < cfg->nr_nics; i++) {
		if (cfg->nic[i].kind)
			opt_keys_free(cfg->nic[i].kind->keys, cfg->nic[i].backend);
		opt_keys_free(nic_keys, &cfg->nic[i]);
	}
	cfg->nr_nics = 0;
}

void config_help(FILE *out)
{
	fputs("Usage: doorbell run [options] KERNEL\n\n"
	      "Boot KERNEL (bzImage, vmlinux with a PVH note, or a 64-bit ELF program) under KVM\n"
	      "with a network that needs no privilege.\n\nOptions:\n",
	      out);
	opt_help(out, run_options, 2, 0);
	for (const struct net_kind *const *k = net_kinds; *k; k++) {
		fprintf(out, "\n--net %s: %s\n", (*k)->name, (*k)->help);
		opt_help(out, (*k)->keys, 4, 1);
	}
	fputs("\nkeys of every --net kind:\n", out);
	opt_help(out, nic_keys, 4, 1);
	fputs("\nExit status: 0 powered off or rebooted; the guest's own byte when it writes one "
	      "to the\n"
	      "debug-exit port; 1 the host failed; 2 usage or bad input; 3 the guest died; 124 "
	      "timeout;\n"
	      "128+N ended by signal N.\n",
	      out);
}
