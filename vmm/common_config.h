/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/common_config.h - what any doorbell that serves devices is told, whoever its driver is: run, backend */
#ifndef DOORBELL_COMMON_CONFIG_H
#define DOORBELL_COMMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/core/opt.h"

struct common_config {
	uint64_t timeout_s;   /* 0: none */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC, over all lives of a guest; 0: none */
	const char *control;  /* path of the control socket or NULL; borrowed from argv */
	bool stats;
	const char *stats_path; /* NULL: standard error */
	unsigned verbose;
	bool quiet;
	bool help;
};

extern const struct opt_def common_options[]; /* their target is a struct common_config */

/* From here on: as much is said as was asked for, and the time counts. */
void common_config_begin(struct common_config *cfg);

#endif
