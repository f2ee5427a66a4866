/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/commands.h - what the requests on the control socket mean
 *
 * A request is {"command": NAME, "nic": NAME, "value": TEXT}, the last two where the command takes them.
 * docs/control.md describes each.
 */
#ifndef DOORBELL_COMMANDS_H
#define DOORBELL_COMMANDS_H

#include <jansson.h>
#include <stdbool.h>

struct nic;

/* A request, taken apart. nic and value are set when the command takes them. */
struct request {
	void *target; /* a struct vm, a struct backend */
	struct nic *nic;
	const char *value;
	json_t **result;
	char *why;
	size_t why_size;
};

struct command {
	const char *name;
	bool takes_nic, takes_value;
	/* 0, and perhaps *r->result; or -errno with the reason in r->why. */
	int (*run)(struct request *r);
};

/* What is told to one kind of process. */
struct command_set {
	const struct command *commands;
	size_t nr;
	struct nic *(*nic)(void *target, const char *name); /* NULL: there is none of that name */
};

/* As control_fn (vmm/control.h), with @target in place of its argument. */
int command_run(const struct command_set *set, void *target, const json_t *request, json_t **result,
                char *why, size_t why_size);

/* For command_set: -EINVAL, "WHY 'WHAT'"; and 0 unless there was no memory for @result, which is taken. */
int command_refuse(const struct request *r, const char *why, const char *what);
int command_answer(const struct request *r, json_t *result);
/* Commands of any NIC: link=up|down, pcap=FILE|off. */
int command_link(struct request *r);
int command_pcap(struct request *r);

/* A control_fn whose arg is a struct vm. */
int vm_command(void *vm, const json_t *request, json_t **result, char *why, size_t why_size);

#endif
