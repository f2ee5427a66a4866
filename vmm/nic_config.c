/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/nic_config.h"

#include <errno.h>
#include <string.h>

#include "arch/arch.h"
#include "devices/virtio_net.h"
#include "devices/vq.h"
#include "net/mac.h"
#include "vmm/core/log.h"

static const char *const nic_irq_names[] = {
	[NIC_IRQ_IOCTL] = "ioctl", [NIC_IRQ_IRQFD] = "irqfd", [NIC_IRQ_NOT_GIVEN] = NULL};

static const char *const regs_names[] = {
	[NIC_REGS_PAGE] = "page", [NIC_REGS_TRAP] = "trap", [NIC_REGS_NOT_GIVEN] = NULL};
static const char *const kick_names[] = {[NIC_KICK_IOEVENTFD] = "ioeventfd",
                                         [NIC_KICK_EXIT] = "exit",
                                         [NIC_KICK_INLINE] = "inline",
                                         [NIC_KICK_NOT_GIVEN] = NULL};
static const char *const transport_names[] = {
	[NIC_MMIO] = "mmio", [NIC_MMIO_LEGACY] = "mmio-legacy", NULL};

const char *config_transport_name(unsigned transport)
{
	return transport_names[transport];
}

const char *config_regs_name(unsigned regs)
{
	return regs_names[regs];
}

const char *config_kick_name(unsigned kick)
{
	return kick_names[kick];
}

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

/* Above what is allowed. */
#define WAIT_NOT_GIVEN    UINT64_MAX
#define TX_HOLD_DEFAULT   1000u
#define KICK_WAIT_DEFAULT 500u

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
	{.name = "queues",
         .type = OPT_UINT,
         .offset = NIC(queues),
         .min = 1,
         .max = VIRTIO_NET_PAIRS_MAX,
         .arg = "N",
         .help = "pairs of rx and tx queues, each with an I/O thread (1 to 8; default: 1)"},
	{.name = "poll",
         .type = OPT_CHOICE,
         .offset = NIC(poll),
         .choices = poll_mode_names,
         .arg = "off|on|auto|try",
         .help = "look for frames before sleeping; auto: while that finds some; try: while "
                 "questions and answers get faster with it (default: try)"},
	{.name = "tx-usecs",
         .type = OPT_UINT,
         .offset = NIC(tx_hold),
         .max = 100000,
         .arg = "USECS",
         .help = "how long the interrupt about a lone frame that was sent may wait (default: "
                 "1000)"},
	{.name = "kick-usecs",
         .type = OPT_UINT,
         .offset = NIC(kick_wait),
         .max = 100000,
         .arg = "USECS",
         .help = "how long at most the kick of a burst of frames waits for the rest of it "
                 "(default: 500)"},
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
	OPT_END,
};

/* Of a NIC that our own guest finds by its registers. */
static const struct opt_def register_keys[] = {
	{.name = "queue-size",
         .type = OPT_CALL,
         .parse = parse_queue_size,
         .arg = "ENTRIES",
         .help = "of the rx and tx rings, a power of two from 32 to 1024 (default: 256)"},
	{.name = "irq",
         .type = OPT_CHOICE,
         .offset = NIC(irq),
         .choices = nic_irq_names,
         .arg = "irqfd|ioctl",
         .help = "how its interrupt reaches KVM (default: ioctl, irqfd where vhost can serve)"},
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
         .arg = "ioeventfd|exit|inline",
         .help = "kicks end in the kernel, or exit to doorbell, where inline sends a lone frame at "
                 "once (default: ioeventfd)"},
	{.name = "transport",
         .type = OPT_CHOICE,
         .offset = NIC(transport),
         .choices = transport_names,
         .arg = "mmio|mmio-legacy",
         .help = "registers of version 2 or, with regs=trap,kick=exit, of version 1 (default: "
                 "mmio)"},
	OPT_END,
};

static int check_queues(const struct nic_config *nic)
{
	if (nic->queues == 1 || !nic->kind->one_queue)
		return 0;
	log_error("--net %s: queues=%u: allowed is 1 with this kind, %s", nic->kind->name,
	          (unsigned)nic->queues, nic->kind->one_queue);
	return -EINVAL;
}

int nic_config_set_queues(struct nic_config *nic, uint64_t queues)
{
	nic->queues = queues;
	return check_queues(nic);
}

/* One of the waits, in us: its default where that can be, 0 where it cannot. @in_line, @kind: why not. 0 or -EINVAL. */
static int settle_wait(const struct nic_config *nic, const char *key, uint64_t *us, uint64_t dflt,
                       const char *in_line, const char *kind)
{
	const bool is_inline = nic->kick == NIC_KICK_INLINE;
	const bool never = is_inline || nic->kind->done_later;

	if (*us == WAIT_NOT_GIVEN)
		*us = never ? 0 : dflt;
	if (*us == 0 || !never)
		return 0;
	log_error("--net %s: %s=%u: allowed with %s is 0: %s", nic->kind->name, key, (unsigned)*us,
	          is_inline ? "kick=inline" : "this kind", is_inline ? in_line : kind);
	return -EINVAL;
}

/* What would wait in vain where nobody could go on later: virtio_net_hold.c, virtio_net_burst.c. */
static int settle_waits(struct nic_config *nic)
{
	int ret = settle_wait(nic, "tx-usecs", &nic->tx_hold, TX_HOLD_DEFAULT,
	                      "the thread that kicks does not stay to interrupt later",
	                      "the driver hears of a frame when the other end has it");

	if (ret == 0)
		ret = settle_wait(nic, "kick-usecs", &nic->kick_wait, KICK_WAIT_DEFAULT,
		                  "the thread that kicks does not stay to send later",
		                  "its frames wait in the ring anyhow");
	return ret;
}

/* Defaults of keys that depend on others, and what cannot be together. */
static int settle_registers(struct nic_config *nic)
{
	const bool legacy = nic->transport == NIC_MMIO_LEGACY;
	const char *bad = nic->regs == NIC_REGS_PAGE        ? "regs=page"
	                  : nic->kick == NIC_KICK_IOEVENTFD ? "kick=ioeventfd"
	                                                    : NULL;

	if (legacy && nic->kind->shares_memory) {
		log_error("--net %s: transport=mmio-legacy: allowed with this kind is mmio: "
		          "registers of version 1 are for rings that doorbell serves itself",
		          nic->kind->name);
		return -EINVAL;
	}
	if (legacy && bad) {
		log_error(
			"--net %s: transport=mmio-legacy and %s exclude each other: each access to "
			"registers of version 1 comes to doorbell, which serves them itself",
			nic->kind->name, bad);
		return -EINVAL;
	}
	if (nic->regs == NIC_REGS_NOT_GIVEN)
		nic->regs = arch_desc.register_page && !legacy ? NIC_REGS_PAGE : NIC_REGS_TRAP;
	if (nic->kick == NIC_KICK_NOT_GIVEN && legacy)
		nic->kick = NIC_KICK_EXIT;
	if (nic->kick == NIC_KICK_INLINE && !nic->kind->kicks_inline) {
		log_error("--net %s: kick=inline: allowed with this kind is ioeventfd, exit: the "
		          "thread that kicks sends by a TAP only",
		          nic->kind->name);
		return -EINVAL;
	}
	return 0;
}

static int parse_keys(struct nic_config *nic, const char *keys, bool own_guest)
{
	const struct opt_group groups[] = {
		{.defs = nic->kind->keys, .target = nic->backend},
		{.defs = nic_keys, .target = nic},
		{.defs = register_keys, .target = nic},
	};
	const unsigned nr = own_guest ? ARRAY_SIZE(groups) : ARRAY_SIZE(groups) - 1;
	char what[64];
	int ret;

	snprintf(what, sizeof(what), "--net %s", nic->kind->name);
	ret = opt_parse_keys(groups, nr, what, keys);
	if (ret == 0)
		ret = settle_registers(nic);
	if (ret == 0)
		ret = settle_waits(nic);
	return ret < 0 ? ret : check_queues(nic);
}

/* Somebody else's rings cannot be handed on: who serves them has to map their memory. */
static bool possible(const struct net_kind *k, bool own_guest)
{
	return k && (own_guest || !k->shares_memory);
}

static void kind_names(char *buf, size_t size, bool own_guest)
{
	size_t len = 0;

	buf[0] = '\0';
	for (const struct net_kind *const *k = net_kinds; *k && len < size; k++)
		if (possible(*k, own_guest))
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? ", " : "",
			                        (*k)->name);
	if (own_guest && len < size)
		snprintf(buf + len, size - len, ", none");
}

int nic_config_parse(struct nic_config *nic, unsigned index, const char *text, bool own_guest)
{
	size_t len = strcspn(text, ",");
	char kind[32], names[128];

	snprintf(kind, sizeof(kind), "%.*s", (int)len, text);
	*nic = (struct nic_config){.kind = net_kind_find(kind),
	                           .irq = NIC_IRQ_NOT_GIVEN,
	                           .queue_size = VIRTIO_NET_QUEUE_SIZE_DEFAULT,
	                           .queues = 1,
	                           .poll = POLL_TRY,
	                           .tx_hold = WAIT_NOT_GIVEN,
	                           .kick_wait = WAIT_NOT_GIVEN,
	                           .regs = NIC_REGS_NOT_GIVEN,
	                           .kick = NIC_KICK_NOT_GIVEN};
	if (len >= sizeof(kind) || !possible(nic->kind, own_guest)) {
		nic->kind = NULL;
		kind_names(names, sizeof(names), own_guest);
		log_error("--net %s: unknown kind '%.*s', there are: %s", text, (int)len, text,
		          names);
		return -EINVAL;
	}
	snprintf(nic->name, sizeof(nic->name), "net%u", index);
	if (nic->kind->config_init)
		nic->kind->config_init(nic->backend);
	mac_pick(index, nic->mac);
	return parse_keys(nic, text[len] ? text + len + 1 : NULL, own_guest);
}

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

int nic_config_check(const struct nic_config *nic, unsigned nr)
{
	for (unsigned i = 1; i < nr; i++)
		for (unsigned k = 0; k < i; k++)
			if (check_pair(&nic[k], &nic[i]) < 0)
				return -EINVAL;
	return 0;
}

void nic_config_free(struct nic_config *nic)
{
	if (nic->kind)
		opt_keys_free(nic->kind->keys, nic->backend);
	opt_keys_free(nic_keys, nic);
}

void nic_config_help(FILE *out, bool own_guest)
{
	for (const struct net_kind *const *k = net_kinds; *k; k++) {
		if (!possible(*k, own_guest))
			continue;
		fprintf(out, "\n--net %s: %s\n", (*k)->name, (*k)->help);
		opt_help(out, (*k)->keys, 4, 1);
	}
	fputs("\nkeys of every --net kind:\n", out);
	opt_help(out, nic_keys, 4, 1);
	if (own_guest)
		opt_help(out, register_keys, 4, 1);
}
