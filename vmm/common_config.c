/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/common_config.h"

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"

#define TIMEOUT_MAX (UINT64_C(365) * 86400)

static int parse_stats(void *target, const char *value, unused char *why, unused size_t size)
{
	struct common_config *cfg = target;

	cfg->stats = true;
	cfg->stats_path = value[0] ? value : NULL;
	return 0;
}

#define CFG(member) offsetof(struct common_config, member)

const struct opt_def common_options[] = {
	{.name = "timeout",
         .type = OPT_UINT,
         .offset = CFG(timeout_s),
         .min = 1,
         .max = TIMEOUT_MAX,
         .arg = "SECONDS",
         .help = "end after that time, exit status 124"},
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
	{.name = "help", .letter = 'h', .type = OPT_BOOL, .offset = CFG(help), .help = "this text"},
	OPT_END,
};

void common_config_begin(struct common_config *cfg)
{
	log_set_verbosity(cfg->verbose, cfg->quiet);
	if (cfg->timeout_s)
		cfg->deadline_ns = loop_now_ns() + cfg->timeout_s * 1000000000u;
}
