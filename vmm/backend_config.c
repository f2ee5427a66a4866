/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/backend_config.h"

#include <errno.h>
#include <string.h>

#include "devices/virtio_net.h"
#include "vmm/core/log.h"

/* Each begins a NIC; the --net behind it says where its frames go. */
static int parse_socket(void *target, const char *value, char *why, size_t size)
{
	struct backend_config *cfg = target;

	for (unsigned i = 0; i < cfg->nr; i++)
		if (strcmp(cfg->socket[i], value) == 0) {
			snprintf(why, size, "given twice");
			return -EINVAL;
		}
	if (cfg->nr == BACKEND_NICS_MAX) {
		snprintf(why, size, "there are %u sockets already, and no more are possible",
		         BACKEND_NICS_MAX);
		return -EINVAL;
	}
	cfg->socket[cfg->nr++] = value;
	return 0;
}

/* Says its errors itself, but for those of the order. */
static int parse_net(void *target, const char *value, char *why, size_t size)
{
	struct backend_config *cfg = target;
	const unsigned last = cfg->nr - 1;

	if (cfg->nr == 0 || cfg->nic[last].kind) {
		snprintf(why, size, "there is no --socket before it%s",
		         cfg->nr ? " that has no --net yet" : "");
		return -EINVAL;
	}
	return nic_config_parse(&cfg->nic[last], last, value, false);
}

/* For those who do not want to name a --net for it. */
static int parse_queues(void *target, const char *value, char *why, size_t size)
{
	struct backend_config *cfg = target;
	uint64_t n;

	if (cfg->nr == 0 || cfg->queues[cfg->nr - 1]) {
		snprintf(why, size, "there is no --socket before it%s",
		         cfg->nr ? " that has no --queues yet" : "");
		return -EINVAL;
	}
	if (opt_parse_uint(value, &n) < 0 || n < 1 || n > VIRTIO_NET_PAIRS_MAX) {
		snprintf(why, size, "allowed: a number from 1 to %u", VIRTIO_NET_PAIRS_MAX);
		return -EINVAL;
	}
	cfg->queues[cfg->nr - 1] = n;
	return 0;
}

static const struct opt_def options[] = {
	{.name = "socket",
         .type = OPT_CALL,
         .parse = parse_socket,
         .arg = "PATH",
         .help = "a NIC for the front end that connects there; repeatable"},
	{.name = "net",
         .type = OPT_CALL,
         .parse = parse_net,
         .arg = "KIND[,KEY=VALUE...]",
         .help = "where the frames of the --socket before it go (default: user; kinds below)"},
	{.name = "queues",
         .type = OPT_CALL,
         .parse = parse_queues,
         .arg = "N",
         .help = "queue pairs of the --socket before it, as the key queues= of its --net"},
	OPT_END,
};

/* What the options leave open, when all of them are known. */
static int complete(struct backend_config *cfg, unsigned i)
{
	struct nic_config *nic = &cfg->nic[i];

	if (!nic->kind && nic_config_parse(nic, i, "user", false) < 0)
		return -EINVAL;
	if (cfg->queues[i] == 0 || cfg->queues[i] == nic->queues)
		return 0;
	if (nic->queues != 1) {
		log_error("--queues %u: its --net has queues=%u already", (unsigned)cfg->queues[i],
		          (unsigned)nic->queues);
		return -EINVAL;
	}
	return nic_config_set_queues(nic, cfg->queues[i]);
}

int backend_config_parse(struct backend_config *cfg, int argc, char **argv)
{
	const struct opt_group groups[] = {{options, cfg}, {common_options, &cfg->common}};
	int ret;

	*cfg = (struct backend_config){.nr = 0};
	ret = opt_parse_argv(groups, ARRAY_SIZE(groups), argc, argv);
	if (ret < 0)
		return ret;
	if (cfg->common.help)
		return 0;
	if (ret > 0) {
		log_error("backend takes options only, given was '%s'", argv[0]);
		return -EINVAL;
	}
	if (cfg->nr == 0) {
		log_error("no socket given: doorbell backend --socket PATH [--net KIND] ...");
		return -EINVAL;
	}
	for (unsigned i = 0; i < cfg->nr; i++)
		if (complete(cfg, i) < 0)
			return -EINVAL;
	return nic_config_check(cfg->nic, cfg->nr);
}

void backend_config_free(struct backend_config *cfg)
{
	for (unsigned i = 0; i < cfg->nr; i++)
		nic_config_free(&cfg->nic[i]);
}

void backend_config_help(FILE *out)
{
	static const struct opt_def *const tables[] = {options, common_options, NULL};

	fputs("Usage: doorbell backend --socket PATH [--net KIND] [--socket PATH ...] [options]\n\n"
	      "Serve a virtio-net device to whoever connects to PATH and speaks vhost-user: QEMU,\n"
	      "User Mode Linux, DPDK. One after the other; several sockets at the same time.\n"
	      "\nOptions:\n",
	      out);
	opt_help_tables(out, tables, 2, 0);
	nic_config_help(out, false);
	fputs("\nExit status: 0 ended by doorbell ctl; 1 the host failed; 2 usage or bad input;\n"
	      "124 timeout; 128+N ended by signal N.\n",
	      out);
}
