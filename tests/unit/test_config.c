/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "tests/lib/capture.h"
#include "vmm/config.h"
#include "vmm/vm.h"

#define WORDS(...) ((char *[]){__VA_ARGS__})
#define PARSE(cfg, ...) \
	config_parse(cfg, (int)(sizeof(WORDS(__VA_ARGS__)) / sizeof(char *)), WORDS(__VA_ARGS__))

static char k[] = "kernel";

static void kernel_alone_gets_good_defaults(void **state)
{
	struct vm_config cfg;

	(void)state;
	assert_int_equal(PARSE(&cfg, k), 0);
	assert_string_equal(cfg.kernel, "kernel");
	assert_int_equal(cfg.ram_bytes, MIB(512));
	assert_int_equal(cfg.nr_cpus, 1);
	assert_int_equal(cfg.nr_nics, 1);
	assert_string_equal(cfg.nic[0].kind->name, "user");
	assert_string_equal(cfg.nic[0].name, "net0");
	assert_int_equal(cfg.nic[0].queue_size, 256);
	assert_int_equal(cfg.nic[0].regs, arch_desc.register_page ? NIC_REGS_PAGE : NIC_REGS_TRAP);
	assert_int_equal(cfg.nic[0].kick, NIC_KICK_NOT_GIVEN);
	assert_int_equal(cfg.announce, arch_desc.default_announce);
	assert_int_equal(cfg.irqchip, arch_desc.default_irqchip);
	assert_int_equal(cfg.nic[0].irq, NIC_IRQ_NOT_GIVEN);
	assert_int_equal(cfg.console, CONSOLE_STDIO);
	assert_int_equal(cfg.on_reboot, ON_REBOOT_EXIT);
	config_free(&cfg);
}

static void nics_are_numbered_and_have_addresses_of_their_own(void **state)
{
	char a[] = "--net", b[] = "user,restrict=on,regs=trap,kick=exit",
	     c[] = "--net=tap,ifname=t9,mac=52:54:00:00:00:01,"
		   "mtu=9000,queue-size=1024,features=minimal";
	struct vm_config cfg;

	(void)state;
	assert_int_equal(PARSE(&cfg, a, b, c, k), 0);
	assert_int_equal(cfg.nr_nics, 2);
	assert_int_equal(cfg.nic[0].regs, NIC_REGS_TRAP);
	assert_int_equal(cfg.nic[0].kick, NIC_KICK_EXIT);
	assert_int_equal(cfg.nic[1].transport, NIC_MMIO);
	assert_string_equal(cfg.nic[1].name, "net1");
	assert_string_equal(cfg.nic[1].kind->name, "tap");
	assert_int_equal(cfg.nic[1].mtu, 9000);
	assert_int_equal(cfg.nic[1].queue_size, 1024);
	assert_int_equal(cfg.nic[0].queues, 1);
	assert_int_equal(cfg.nic[1].queues, 1);
	assert_string_equal(cfg.nic[1].features, "minimal");
	assert_memory_not_equal(cfg.nic[0].mac, cfg.nic[1].mac, 6);
	assert_int_equal(cfg.nic[1].mac[0], 0x52);
	config_free(&cfg);
	assert_null(cfg.nic[1].features);
}

static void interrupts_take_the_way_that_was_chosen(void **state)
{
	char a[] = "--irqchip=split", b[] = "--net=user,irq=irqfd", c[] = "--net=user",
	     d[] = "--irqchip=kernel", e[] = "--announce=cmdline";
	struct vm_config cfg;

	(void)state;
	assert_int_equal(PARSE(&cfg, a, b, c, k), 0);
	assert_int_equal(cfg.irqchip, IRQCHIP_SPLIT);
	assert_int_equal(cfg.nic[0].irq, NIC_IRQ_IRQFD);
	assert_int_equal(cfg.nic[1].irq, NIC_IRQ_NOT_GIVEN);
	config_free(&cfg);
	assert_int_equal(PARSE(&cfg, d, k), 0);
	assert_int_equal(cfg.irqchip, IRQCHIP_KERNEL);
	config_free(&cfg);
	assert_int_equal(PARSE(&cfg, e, k), 0);
	assert_int_equal(cfg.irqchip, IRQCHIP_KERNEL);
	config_free(&cfg);
	assert_int_equal(PARSE(&cfg, a, e, k), 0);
	assert_int_equal(cfg.irqchip, IRQCHIP_SPLIT);
	config_free(&cfg);
}

static void net_none_means_no_nic(void **state)
{
	char a[] = "--net=none", b[] = "--net=user";
	struct vm_config cfg;
	struct capture cap;
	int ret;

	(void)state;
	assert_int_equal(PARSE(&cfg, a, k), 0);
	assert_int_equal(cfg.nr_nics, 0);
	config_free(&cfg);
	CAPTURED(&cap, &ret, PARSE(&cfg, a, b, k));
	assert_int_equal(ret, -EINVAL);
	assert_one_line(&cap, "exclude each other");
	config_free(&cfg);
}

static void too_many_nics_are_refused(void **state)
{
	char a[] = "--net=user";
	struct vm_config cfg;
	struct capture cap;
	int ret;

	(void)state;
	CAPTURED(&cap, &ret, PARSE(&cfg, a, a, a, a, a, a, a, a, a, k));
	assert_int_equal(ret, -EINVAL);
	assert_one_line(&cap, "8 NICs already");
	config_free(&cfg);
}

static void expect_refusal(const char *words, const char *part)
{
	char word[64];
	struct vm_config cfg;
	struct capture cap;
	int ret;

	snprintf(word, sizeof(word), "%s", words);
	CAPTURED(&cap, &ret, PARSE(&cfg, word, k));
	config_free(&cfg);
	assert_int_equal(ret, -EINVAL);
	assert_one_line(&cap, part);
}

static void every_refusal_is_one_line_that_says_what_is_allowed(void **state)
{
	static const struct {
		const char *word, *part;
	} table[] = {
		{"--mem=1M", "a size from 2M to 512G"},
		{"--mem=513G", "a size from 2M to 512G"},
		{"--mem=3000001", "whole pages"},
		{"--cpus=0", "a number from 1 to 64"},
		{"--cpus=65", "a number from 1 to 64"},
		{"--console=file", "stdio, none, file=PATH"},
		{"--console=file=", "stdio, none, file=PATH"},
		{"--announce=mptable", "acpi, cmdline, fdt, none"},
		{"--irqchip=pic", "kernel, split"},
		{"--on-reboot=halt", "exit, restart"},
		{"--timeout=0", "a number from 1"},
		{"--net=none,foo=1", "--net none takes no keys, given was 'foo=1'"},
		{"--net=wifi", "unknown kind 'wifi', there are: user, tap"},
		{"--net=use", "unknown kind 'use'"},
		{"--net=", "unknown kind ''"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		expect_refusal(table[i].word, table[i].part);
}

/* Each of two would take the other's frames, or write into the other's file. */
static void what_only_one_nic_can_use_is_refused_to_the_second(void **state)
{
	static const struct {
		const char *word[2], *part;
	} table[] = {
		{{"--net=tap,fd=7", "--net=tap,fd=0x7"}, "net0 and net2 have the same fd=7,"},
		{{"--net=pipe,fd=0", "--net=pipe,fd=0"}, "net0 and net2 have the same fd=0,"},
		{{"--net=tap,ifname=t0", "--net=tap,ifname=t0"}, "the same ifname=t0,"},
		{{"--net=tap,pcap=x", "--net=pipe,fd=1,pcap=x"}, "the same pcap=x,"},
		{{"--net=tap,mac=52:54:00:00:00:ab", "--net=user,mac=52:54:00:00:00:AB"},
	         "net0 and net2 have the same mac=52:54:00:00:00:ab"},
		{{"--net=user", "--net=user,mac=02:64:62:00:00:00"},
	         "net0 and net2 have the same mac=02:64:62:00:00:00"},
	};
	char between[] = "--net=user", words[2][64];
	struct vm_config cfg;
	struct capture cap;
	int ret;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		for (unsigned w = 0; w < 2; w++)
			snprintf(words[w], sizeof(words[w]), "%s", table[i].word[w]);
		CAPTURED(&cap, &ret, PARSE(&cfg, words[0], between, words[1], k));
		config_free(&cfg);
		assert_int_equal(ret, -EINVAL);
		assert_one_line(&cap, table[i].part);
	}
}

static void nics_that_share_nothing_but_their_defaults_are_fine(void **state)
{
	char a[] = "--net=tap", b[] = "--net=tap,fd=3", c[] = "--net=tap,ifname=x",
	     d[] = "--net=user", e[] = "--net=pipe,fd=3", f[] = "--net=user,pcap=x";
	struct vm_config cfg;

	(void)state;
	assert_int_equal(PARSE(&cfg, a, a, b, c, d, d, e, f, k), 0);
	assert_int_equal(cfg.nr_nics, 8);
	config_free(&cfg);
}

static void map_has_ascending_addresses_and_interrupts(void **state)
{
	char a[] = "--net=user", m[] = "--mem=5G";
	struct machine_map map;
	struct vm_config cfg;

	(void)state;
	assert_int_equal(PARSE(&cfg, a, a, a, m, k), 0);
	vm_map(&cfg, &map);
	assert_int_equal(map.nr_virtio, 3);
	for (unsigned i = 1; i < map.nr_virtio; i++) {
		assert_true(map.virtio[i].base > map.virtio[i - 1].base);
		assert_int_equal(map.virtio[i].gsi, map.virtio[i - 1].gsi + 1);
	}
	assert_int_equal(map.virtio[0].base, arch_desc.virtio_base);
	assert_int_equal(map.nr_ram, 2);
	assert_int_equal(map.ram[0].size + map.ram[1].size, GIB(5));
	for (unsigned i = 0; i < map.nr_virtio;
	     i++) /* in the hole, config space in the next page */
		assert_true(map.virtio[i].base >= map.ram[0].base + map.ram[0].size &&
		            (map.virtio[i].base & 0xfff) == 0xf00);
	config_free(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_alone_gets_good_defaults),
		cmocka_unit_test(nics_are_numbered_and_have_addresses_of_their_own),
		cmocka_unit_test(interrupts_take_the_way_that_was_chosen),
		cmocka_unit_test(net_none_means_no_nic),
		cmocka_unit_test(too_many_nics_are_refused),
		cmocka_unit_test(every_refusal_is_one_line_that_says_what_is_allowed),
		cmocka_unit_test(what_only_one_nic_can_use_is_refused_to_the_second),
		cmocka_unit_test(nics_that_share_nothing_but_their_defaults_are_fine),
		cmocka_unit_test(map_has_ascending_addresses_and_interrupts),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
