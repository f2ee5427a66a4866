/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/machine_json.c - --print-machine: what the guest will find, before there is a guest */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "arch/arch.h"
#include "net/mac.h"
#include "vmm/vm.h"

/* Addresses as text: JSON has no hexadecimal, and people compare them with kernel messages. */
static json_t *hex(uint64_t v)
{
	return json_sprintf("0x%llx", (unsigned long long)v);
}

static json_t *place_json(const struct arch_place *at)
{
	json_t *o = json_pack("{s:s, s:o, s:I}", "bus", at->pio ? "pio" : "mmio", "base",
	                      hex(at->base), "size", (json_int_t)at->size);

	if (at->gsi)
		json_object_set_new(o, "gsi", json_integer(at->gsi));
	return o;
}

static json_t *platform_json(void)
{
	const struct {
		const char *name;
		const struct arch_place *at;
	} table[] = {
		{"uart", &arch_desc.uart},
		{"power", &arch_desc.power},
		{"i8042", &arch_desc.i8042},
		{"debug_exit", &arch_desc.debug_exit},
	};
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].at->base)
			json_object_set_new(o, table[i].name, place_json(table[i].at));
	return o;
}

static json_t *virtio_json(const struct machine_virtio *v, const struct nic_config *nic)
{
	char mac[MAC_TEXT];

	mac_print(nic->mac, mac);
	return json_pack("{s:s, s:s, s:o, s:I, s:I, s:s, s:s, s:s, s:I, s:I}", "name", v->name,
	                 "type", "virtio-mmio", "base", hex(v->base), "size", (json_int_t)v->size,
	                 "gsi", (json_int_t)v->gsi, "trigger", "edge", "backend", nic->kind->name,
	                 "mac", mac, "queue_size", (json_int_t)nic->queue_size, "queues",
	                 (json_int_t)nic->queues);
}

/* Of registers behind which there is nothing. */
static json_t *slot_json(const struct machine_virtio *v)
{
	return json_pack("{s:s, s:s, s:o, s:I, s:I, s:s}", "name", v->name, "type", "virtio-mmio",
	                 "base", hex(v->base), "size", (json_int_t)v->size, "gsi",
	                 (json_int_t)v->gsi, "trigger", "edge");
}

/* Entry @i of the map. */
static json_t *entry_json(const struct vm_config *cfg, const struct machine_map *map, unsigned i)
{
	const unsigned nic = i - cfg->slots_before;

	return i >= cfg->slots_before && nic < cfg->nr_nics
	               ? virtio_json(&map->virtio[i], &cfg->nic[nic])
	               : slot_json(&map->virtio[i]);
}

int vm_print_machine(const struct vm_config *cfg, FILE *out)
{
	static const char *const announce[] = {"acpi", "cmdline", "fdt", "none"};
	json_t *ram = json_array(), *virtio = json_array(), *all;
	struct machine_map map;
	int ret;

	vm_map(cfg, &map);
	for (unsigned i = 0; i < map.nr_ram; i++)
		json_array_append_new(ram, json_pack("{s:o, s:I}", "base", hex(map.ram[i].base),
		                                     "size", (json_int_t)map.ram[i].size));
	for (unsigned i = 0; i < map.nr_virtio; i++)
		json_array_append_new(virtio, entry_json(cfg, &map, i));
	all = json_pack("{s:s, s:i, s:s, s:o, s:o, s:o}", "arch", arch_desc.name, "cpus",
	                (int)map.nr_cpus, "announce", announce[map.announce], "ram", ram,
	                "platform", platform_json(), "virtio", virtio);
	if (!all)
		return -ENOMEM;
	ret = json_dumpf(all, out, JSON_INDENT(2)) < 0 ? -EIO : 0;
	json_decref(all);
	return ret < 0 || fputc('\n', out) == EOF ? -EIO : 0;
}
