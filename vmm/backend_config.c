/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/backend_config.h"

#include <errno.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

#define TIMEOUT_MAX (UINT64_C(365) * 86400)

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

static int parse_stats(void *target, const char *value, unused char *why, unused size_t size)
{
	struct backend_config *cfg = target;

	cfg->stats = true;
	cfg->stats_path = value[0] ? value : NULL;
	return 0;
}

#define CFG(member) offsetof(struct backend_config, member)

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
	{.name = "timeout",
         .type = OPT_UINT,
         .offset = CFG(timeout_s),
         .min = 1,
         .max = TIMEOUT_MAX,
         .arg = "SECONDS",
         .help = "end after that time, exit status 124"},
	{.name = "verbose",
         .letter = 'v',
         .type = OPT_COUNT,
         .offset = CFG(verbose),
         .help = "say more; twice: every message, too"},
	{.name = "quiet",
         .letter = 'q',
         .type = OPT_BOOL,
         .offset = CFG(quiet),
         .help = "only errors"},
	{.name = "help", .letter = 'h', .type = OPT_BOOL, .offset = CFG(help), .help = "this text"},
	OPT_END,
};

int backend_config_parse(struct backend_config *cfg, int argc, char **argv)
{
	const struct opt_group group = {.defs = options, .target = cfg};
	int ret;

	*cfg = (struct backend_config){.nr = 0};
	ret = opt_parse_argv(&group, 1, argc, argv);
	if (ret < 0)
		return ret;
	if (cfg->help)
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
		if (!cfg->nic[i].kind && nic_config_parse(&cfg->nic[i], i, "user", false) < 0)
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
	fputs("Usage: doorbell backend --socket PATH [--net KIND] [--socket PATH ...] [options]\n\n"
	      "Serve a virtio-net device to whoever connects to PATH and speaks vhost-user: QEMU,\n"
	      "User Mode Linux, DPDK. One after the other; several sockets at the same time.\n"
	      "\nOptions:\n",
	      out);
	opt_help(out, options, 2, 0);
	nic_config_help(out, false);
	fputs("\nExit status: 0 ended by doorbell ctl; 1 the host failed; 2 usage or bad input;\n"
	      "124 timeout; 128+N ended by signal N.\n",
	      out);
}
