/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/config.h - what one machine is to be: plain data, from the command line or from a test */
#ifndef DOORBELL_CONFIG_H
#define DOORBELL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "boot/flat.h"
#include "boot/machine_map.h"
#include "vmm/common_config.h"
#include "vmm/core/opt.h"
#include "vmm/nic_config.h"

#define VM_MAX_NICS MACHINE_MAX_VIRTIO
#define VM_MAX_CPUS 64u

enum console_kind { CONSOLE_STDIO, CONSOLE_NONE, CONSOLE_FILE };
enum on_reboot { ON_REBOOT_EXIT, ON_REBOOT_RESTART };

struct bus_ops;

/* Registers that the guest is told of, and no NIC is behind: doorbell check --provoke slots. Borrowed. */
struct vm_slot {
	const char *name;
	const struct bus_ops *ops;
	void *dev;
};

struct vm_config {
	const char *kernel, *initrd,
		*append;        /* borrowed from argv; initrd and append may be NULL */
	struct flat_place flat; /* of the kernel */
	uint64_t ram_bytes;     /* multiple of 4 KiB */
	uint64_t nr_cpus;
	struct nic_config nic[VM_MAX_NICS];
	unsigned nr_nics;
	bool no_nic; /* --net none */
	struct vm_slot slot[MACHINE_MAX_VIRTIO];
	unsigned nr_slots,
		slots_before; /* of them in front of the NICs; nr_slots + nr_nics: MACHINE_MAX_VIRTIO at most */
	enum console_kind console;
	const char *console_path; /* with CONSOLE_FILE; borrowed from argv */
	unsigned announce;        /* enum announce */
	unsigned irqchip;         /* enum irqchip, whose default depends on announce */
	bool print_machine;
	unsigned on_reboot; /* enum on_reboot */
	bool audit;
	const char *audit_path; /* NULL: for people, to standard error */
	bool version;
	struct common_config common;
};

/*
 * The words behind "doorbell run". 0; or -EINVAL after one log_error(). Either way config_free() it.
 * With cfg->common.help or cfg->version nothing was checked.
 */
int config_parse(struct vm_config *cfg, int argc, char **argv);
/* The same for a command that has options of its own beside those of run. */
struct config_more {
	const char *command;
	struct opt_group group;
	bool (*without_kernel)(
		const void *target); /* with these of its options no kernel is needed */
};
int config_parse_more(struct vm_config *cfg, const struct config_more *more, int argc, char **argv);
void config_free(struct vm_config *cfg);

const char *config_irqchip_name(unsigned irqchip); /* the word for enum irqchip */

/* doorbell run --help, from the tables that config_parse() uses. */
void config_help(FILE *out);

#endif
