/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/commands.h - what the requests on the control socket mean */
#ifndef DOORBELL_COMMANDS_H
#define DOORBELL_COMMANDS_H

#include <jansson.h>

struct vm;

/*
 * A control_fn (vmm/control.h) whose arg is a struct vm: {"command": NAME, "nic": NAME, "value": TEXT},
 * the last two where the command takes them. docs/control.md describes each.
 */
int vm_command(void *vm, const json_t *request, json_t **result, char *why, size_t why_size);

#endif
