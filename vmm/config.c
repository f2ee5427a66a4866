/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config.h"

#include <errno.h>
#include <string.h>

#include "arch/arch.h"
#include "vmm/core/log.h"

#define IRQCHIP_NOT_GIVEN UINT32_MAX

#define RAM_MIN MIB(2)
#define RAM_MAX GIB(512)

static const char *const announce_names[] = {
	[ANNOUNCE_ACPI] = "acpi",
	[ANNOUNCE_CMDLINE] = "cmdline",
	[ANNOUNCE_FDT] = "fdt",
	[ANNOUNCE_NONE] = "none",
	NULL,
};

static const char *const irqchip_names[] = {
	[IRQCHIP_KERNEL] = "kernel", [IRQCHIP_SPLIT] = "split", NULL};

static const char *const on_reboot_names[] = {
	[ON_REBOOT_EXIT] = "exit", [ON_REBOOT_RESTART] = "restart", NULL};

const char *config_irqchip_name(unsigned irqchip)
{
	return irqchip_names[irqchip];
}

static int add_nic(struct vm_config *cfg, const char *text)
{
	if (cfg->nr_nics == VM_MAX_NICS) {
		log_error("--net %s: there are %u NICs already, and no more are possible", text,
		          VM_MAX_NICS);
		return -EINVAL;
	}
	cfg->nr_nics++; /* from here on config_free() sees it */
	return nic_config_parse(&cfg->nic[cfg->nr_nics - 1], cfg->nr_nics - 1, text, true);
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

static int parse_audit(void *target, const char *value, unused char *why, unused size_t size)
{
	struct vm_config *cfg = target;

	cfg->audit = true;
	cfg->audit_path = value[0] ? value : NULL;
	return 0;
}

static int parse_flat(void *target, const char *value, char *why, size_t size)
{
	struct vm_config *cfg = target;

	return flat_parse(&cfg->flat, value, why, size);
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
	{.name = "flat",
         .type = OPT_CALL,
         .parse = parse_flat,
         .arg = "ADDRESS[,entry=ADDRESS]",
         .help = "KERNEL is a flat binary: where it is loaded, and where it begins"},
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
	{.name = "on-reboot",
         .type = OPT_CHOICE,
         .offset = CFG(on_reboot),
         .choices = on_reboot_names,
         .arg = "exit|restart",
         .help = "what a reboot of the guest does (default: exit)"},
	{.name = "audit",
         .type = OPT_CALL,
         .parse = parse_audit,
         .arg = "FILE",
         .arg_optional = 1,
         .help = "what frames cost against what they should, at the end; to FILE: as JSON"},
	{.name = "version", .type = OPT_BOOL, .offset = CFG(version), .help = "print the version"},
	OPT_END,
};

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
	return nic_config_check(cfg->nic, cfg->nr_nics);
}

static bool never(unused const void *target)
{
	return false;
}

int config_parse(struct vm_config *cfg, int argc, char **argv)
{
	static const struct opt_def none[] = {OPT_END};
	const struct config_more run = {
		.command = "run", .group = {none, cfg}, .without_kernel = never};

	return config_parse_more(cfg, &run, argc, argv);
}

int config_parse_more(struct vm_config *cfg, const struct config_more *more, int argc, char **argv)
{
	const struct opt_group groups[] = {
		{run_options, cfg}, {common_options, &cfg->common}, more->group};
	bool no_kernel;
	int words;

	*cfg = (struct vm_config){
		.ram_bytes = MIB(512),
		.nr_cpus = 1,
		.announce = arch_desc.default_announce,
		.irqchip = IRQCHIP_NOT_GIVEN,
	};
	words = opt_parse_argv(groups, ARRAY_SIZE(groups), argc, argv);
	if (words < 0)
		return words;
	if (cfg->common.help || cfg->version)
		return 0;
	no_kernel = cfg->print_machine || more->without_kernel(more->group.target);
	if (words == 0 && !no_kernel) {
		log_error("no kernel given: doorbell %s [options] KERNEL", more->command);
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
	for (unsigned i = 0; i < cfg->nr_nics; i++)
		nic_config_free(&cfg->nic[i]);
	cfg->nr_nics = 0;
}

void config_help(FILE *out)
{
	static const struct opt_def *const tables[] = {run_options, common_options, NULL};

	fputs("Usage: doorbell run [options] KERNEL\n\n"
	      "Boot KERNEL (bzImage, vmlinux with a PVH note, a 64-bit ELF program, or with "
	      "--flat\n"
	      "a flat binary) under KVM with a network that needs no privilege.\n\nOptions:\n",
	      out);
	opt_help_tables(out, tables, 2, 0);
	nic_config_help(out, true);
	fputs("\nExit status: 0 powered off or rebooted; the guest's own byte when it writes one "
	      "to the\n"
	      "debug-exit port; 1 the host failed; 2 usage or bad input; 3 the guest died; 124 "
	      "timeout;\n"
	      "128+N ended by signal N.\n",
	      out);
}
