/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/backend_config.h - the words behind "doorbell backend" */
#ifndef DOORBELL_BACKEND_CONFIG_H
#define DOORBELL_BACKEND_CONFIG_H

#include "vmm/common_config.h"
#include "vmm/nic_config.h"

#define BACKEND_NICS_MAX 16u

struct backend_config {
	const char *socket[BACKEND_NICS_MAX]; /* borrowed from argv */
	struct nic_config nic[BACKEND_NICS_MAX];
	uint64_t queues[BACKEND_NICS_MAX]; /* what --queues said; 0: nothing */
	unsigned nr;
	struct common_config common;
};

/* 0; or -EINVAL after one log_error(). Either way backend_config_free() it. With help nothing was checked. */
int backend_config_parse(struct backend_config *cfg, int argc, char **argv);
void backend_config_free(struct backend_config *cfg);
void backend_config_help(FILE *out);

#endif
