/* SPDX-License-Identifier: Apache-2.0 */
/* Every refusal of a key of --net: one line, with what was given and what is allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/pair.h"
#include "tests/lib/capture.h"
#include "vmm/core/compiler.h"
#include "vmm/nic.h"

struct refusal {
	const char *text, *given, *allowed;
};

#define LONG_NAME "12345678901234567890123456789012"

/* By what the words say. */
static const struct refusal of_words[] = {
	{"wifi", "'wifi'", "there are: user, tap"},
	{"use", "'use'", "there are: user, tap"},
	{"", "''", "there are: user, tap"},
	{"user,", "key ''", "there are: hostfwd"},
	{"user,mtu=1500,", "key ''", "there are: hostfwd"},
	{"user,speed=9", "'speed'", "there are: hostfwd"},
	{"null,path=pure", "'path'", "there are: mac"},
	{"tap,ifname", "ifname", "needs a value"},
	{"user,mac=52:54:00:00:00", "mac=52:54:00:00:00", "like 52:54:00:12:34:56"},
	{"user,mac=01:00:5e:00:00:01", "mac=01:00:5e:00:00:01", "no multicast bit"},
	{"user,mac=00:00:00:00:00:00", "mac=00:00:00:00:00:00", "not all zero"},
	{"user,mac=52:54:00:00:00:01,mac=52:54:00:00:00:01", "mac", "given twice"},
	{"user,queue-size=64,queue-size=64", "queue-size", "given twice"},
	{"user,hostname=a,hostname=b", "hostname", "given twice"},
	{"user,mtu=67", "mtu=67", "a number from 68 to 65535"},
	{"user,mtu=65536", "mtu=65536", "a number from 68 to 65535"},
	{"tap,queues=0", "queues=0", "a number from 1 to 8"},
	{"tap,queues=9", "queues=9", "a number from 1 to 8"},
	{"user,queues=2", "--net user: queues=2", "allowed is 1 with this kind, libslirp"},
	{"pipe,queues=8", "--net pipe: queues=8", "allowed is 1 with this kind, a socketpair"},
	{"sink,queues=2", "--net sink: queues=2", "allowed is 1 with this kind, it looks for one"},
	{"user,poll=yes", "poll=yes", "off, on, auto"},
	{"tap,tx-usecs=100001", "tx-usecs=100001", "a number from 0 to 100000"},
	{"tap,tx-usecs=18446744073709551615", "tx-usecs=18446744073709551615", "0 to 100000"},
	{"tap,kick=inline,tx-usecs=1", "tx-usecs=1", "allowed with kick=inline is 0"},
	{"tap,tx-usecs=500,kick=inline", "tx-usecs=500", "allowed with kick=inline is 0"},
	{"tap,kick-usecs=100001", "kick-usecs=100001", "a number from 0 to 100000"},
	{"tap,kick=inline,kick-usecs=1", "kick-usecs=1", "allowed with kick=inline is 0"},
	{"pair,name=a,kick-usecs=9", "--net pair: kick-usecs=9", "allowed with this kind is 0"},
	{"pair,name=a,tx-usecs=1000", "--net pair: tx-usecs=1000", "allowed with this kind is 0"},
	{"user,queue-size=100", "queue-size=100", "a power of two from 32 to 1024"},
	{"user,queue-size=2048", "queue-size=2048", "a power of two from 32 to 1024"},
	{"user,queue-size=16", "queue-size=16", "a power of two from 32 to 1024"},
	{"user,irq=msi", "irq=msi", "ioctl, irqfd"},
	{"user,regs=on", "regs=on", "page, trap"},
	{"user,kick=irqfd", "kick=irqfd", "ioeventfd, exit, inline"},
	{"user,kick=inline", "--net user: kick=inline", "with this kind is ioeventfd, exit"},
	{"user,transport=pci", "transport=pci", "mmio, mmio-legacy"},
	{"user,transport=mmio-legacy,regs=page", "mmio-legacy", "and regs=page exclude"},
	{"user,kick=ioeventfd,transport=mmio-legacy", "mmio-legacy", "and kick=ioeventfd exclude"},
	{"vhost-user,socket=x,transport=mmio-legacy", "--net vhost-user: transport=mmio-legacy",
         "allowed with this kind is mmio"},
	{"user,hostfwd=8080", "hostfwd=8080", "allowed is tcp|udp:"},
	{"user,hostfwd=tcp::1-192.168.0.1:2", "hostfwd=tcp::1-192.168.0.1:2", "one of 10.0.2.0/24"},
	{"user,hostname=a_b", "hostname=a_b", "letters, digits and '-'"},
	{"user,join=1", "join=1", "on or off"},
	{"tap,fd=-1", "fd=-1", "a number from 0 to 2147483647"},
	{"tap,path=fast", "path=fast", "pure, vhost"},
	{"tap,busyloop=1000001", "busyloop=1000001", "try, or a number from 0 to 1000000"},
	{"tap,busyloop=auto", "busyloop=auto", "try, or a number from 0 to 1000000"},
	{"tap,busyloop=", "busyloop=", "try, or a number from 0 to 1000000"},
	{"pipe,fd=x", "fd=x", "a number from 0 to 2147483647"},
	{"socket,type=raw", "type=raw", "stream, dgram"},
	{"socket,server=1", "server=1", "on or off"},
	{"vhost-user,server=1", "server=1", "on or off"},
	{"gen,size=59", "size=59", "a number from 60 to"},
	{"gen,rate=x", "rate=x", "a number from 0 to"},
	{"gen,to=ff:ff:ff:ff:ff:ff", "to=ff:ff:ff:ff:ff:ff", "the address of one NIC"},
};

/* By what is there, before a guest is. */
static const struct refusal of_backends[] = {
	{"tap,ifname=a,fd=7", "ifname=a and fd=7", "exclude each other"},
	{"tap,fd=7,queues=2", "fd=7 is one queue", "queues=2 needs ifname=, or neither"},
	{"tap,ifname=a/b", "ifname=a/b", "allowed: 1 to 15 characters"},
	{"tap,fd=0", "fd=0", "needed is an open TAP"},
	{"pipe", "fd=N", "one end of a unix socketpair"},
	{"pipe,fd=0", "fd=0", "one end of a unix socketpair"},
	{"pair", "needs name=NAME", "of 1 to 31 characters"},
	{"pair,name=", "name=", "1 to 31 characters"},
	{"pair,name=" LONG_NAME, "name=" LONG_NAME, "1 to 31 characters"},
	{"socket", "socket needs", "path=PATH"},
	{"socket,path=x,local=y", "local=y", "with type=dgram and without server=on only"},
	{"socket,path=x,hello=y", "hello=y", "with type=dgram and without server=on only"},
	{"socket,path=x,type=dgram,server=on,local=y", "local=y", "without server=on only"},
	{"socket,path=x,type=dgram", "socket needs", "local=PATH"},
	{"socket,path=/nowhere/x,server=on", "path=/nowhere/x", "No such file"},
	{"vhost-user", "needs", "socket=PATH"},
	{"vhost-user,socket=/nowhere/x,server=on", "socket=/nowhere/x", "No such file"},
	{"vhost-user,socket=x,irq=ioctl", "irq=ioctl and path=vhost-user", "by an irqfd"},
	{"vhost-user,socket=x,pcap=y", "pcap=y and path=vhost-user", "exclude each other"},
	{"null,pcap=/nowhere/x", "pcap=/nowhere/x", "No such file"},
	{"null,features=defualt", "features=defualt", "default, minimal or none"},
	{"null,features=default+tso9", "features=default+tso9", "mac"},
	{"null,kick=ioeventfd,features=default+notification_data", "kick=ioeventfd",
         "allowed is exit, inline"},
};

static void says_both(const struct refusal *r, const struct capture *c, int ret)
{
	if (ret >= 0)
		fail_msg("%s is possible", r->text);
	assert_one_line(c, r->given);
	assert_one_line(c, r->allowed);
}

static void what_was_given_and_what_is_allowed_is_in_each_line(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(of_words); i++) {
		struct nic_config cfg;
		struct capture c;
		int ret;

		CAPTURED(&c, &ret, nic_config_parse(&cfg, 0, of_words[i].text, true));
		nic_config_free(&cfg);
		says_both(&of_words[i], &c, ret);
	}
}

static void so_it_is_when_the_backend_says_no(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(of_backends); i++) {
		struct net_pairs pairs = {.first = NULL};
		struct nic_config cfg;
		struct capture c;
		struct nic n;
		int ret;

		assert_int_equal(nic_config_parse(&cfg, 0, of_backends[i].text, true), 0);
		CAPTURED(&c, &ret, nic_open(&n, &cfg, 0, &pairs));
		if (ret == 0)
			nic_close(&n);
		nic_config_free(&cfg);
		says_both(&of_backends[i], &c, ret);
	}
}

static struct nic_config config_of(const char *text)
{
	struct nic_config cfg;
	int ret = nic_config_parse(&cfg, 0, text, true);

	nic_config_free(&cfg);
	assert_int_equal(ret, 0);
	return cfg;
}

static unsigned tx_hold_of(const char *text)
{
	return (unsigned)config_of(text).tx_hold;
}

static unsigned kick_wait_of(const char *text)
{
	return (unsigned)config_of(text).kick_wait;
}

static void an_interrupt_waits_unless_nobody_could_raise_it_later(unused void **state)
{
	assert_int_equal(tx_hold_of("tap"), 1000);
	assert_int_equal(tx_hold_of("tap,kick=exit,tx-usecs=5"), 5);
	assert_int_equal(tx_hold_of("tap,kick=inline"), 0);
	assert_int_equal(tx_hold_of("tap,kick=inline,tx-usecs=0"), 0);
	assert_int_equal(tx_hold_of("pair,name=a"), 0);
	assert_int_equal(tx_hold_of("pair,name=a,tx-usecs=0"), 0);
}

static void a_kick_waits_unless_nobody_could_go_on_later(unused void **state)
{
	assert_int_equal(kick_wait_of("tap"), 500);
	assert_int_equal(kick_wait_of("tap,kick-usecs=7"), 7);
	assert_int_equal(kick_wait_of("tap,kick=inline"), 0);
	assert_int_equal(kick_wait_of("tap,kick=inline,kick-usecs=0"), 0);
	assert_int_equal(kick_wait_of("pair,name=a"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_given_and_what_is_allowed_is_in_each_line),
		cmocka_unit_test(so_it_is_when_the_backend_says_no),
		cmocka_unit_test(an_interrupt_waits_unless_nobody_could_raise_it_later),
		cmocka_unit_test(a_kick_waits_unless_nobody_could_go_on_later),
	};

	return cmocka_run_group_tests_name("net_keys", tests, NULL, NULL);
}
