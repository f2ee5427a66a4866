/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/nic.h"
#include "vmm/vm.h"

int command_refuse(const struct request *r, const char *why, const char *what)
{
	snprintf(r->why, r->why_size, "%s%s%s%s", why, what ? " '" : "", what ? what : "",
	         what ? "'" : "");
	return -EINVAL;
}

int command_answer(const struct request *r, json_t *result)
{
	*r->result = result;
	return result ? 0 : command_refuse(r, "out of memory", NULL);
}

int command_link(struct request *r)
{
	const bool up = strcmp(r->value, "up") == 0;

	if (!up && strcmp(r->value, "down") != 0)
		return command_refuse(r, "link is up or down, not", r->value);
	nic_set_link(r->nic, up);
	return 0;
}

static int do_path(struct request *r)
{
	int ret = nic_set_path(r->nic, r->value, r->result, r->why, r->why_size);

	return ret < 0 ? ret : command_answer(r, *r->result);
}

int command_pcap(struct request *r)
{
	const char *path = strcmp(r->value, "off") == 0 ? NULL : r->value;

	if (path && path[0] == '\0')
		return command_refuse(r, "pcap is the name of a file, or off", NULL);
	return nic_set_pcap(r->nic, path, r->why, r->why_size);
}

/* ---- any process */

static const struct command *command_of(const struct command_set *set, const char *name)
{
	for (size_t i = 0; i < set->nr; i++)
		if (strcmp(set->commands[i].name, name) == 0)
			return &set->commands[i];
	return NULL;
}

static int unknown(const struct command_set *set, const struct request *r, const char *name)
{
	size_t len;

	snprintf(r->why, r->why_size, "unknown command '%.40s', there are: ", name);
	for (size_t i = 0; i < set->nr; i++) {
		len = strlen(r->why);
		snprintf(r->why + len, r->why_size - len, "%s%s", i ? ", " : "",
		         set->commands[i].name);
	}
	return -EINVAL;
}

/* A misspelt key must not be taken for one that was left out. */
static int check_keys(const struct request *r, const json_t *request)
{
	static const char *const known[] = {"command", "nic", "value", "id"};
	const char *key;
	json_t *val;

	json_object_foreach((json_t *)(uintptr_t)request, key, val)
	{
		bool found = false;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			found |= strcmp(key, known[i]) == 0;
		if (!found)
			return command_refuse(
				r, "a request has the keys command, nic, value and id, not", key);
	}
	return 0;
}

int command_run(const struct command_set *set, void *target, const json_t *request, json_t **result,
                char *why, size_t why_size)
{
	struct request r = {.target = target, .result = result, .why = why, .why_size = why_size};
	const char *name = json_string_value(json_object_get(request, "command"));
	const char *nic = json_string_value(json_object_get(request, "nic"));
	const struct command *c;

	if (check_keys(&r, request) < 0)
		return -EINVAL;
	if (!name)
		return command_refuse(&r, "\"command\" is missing or not a text", NULL);
	c = command_of(set, name);
	if (!c)
		return unknown(set, &r, name);
	r.value = json_string_value(json_object_get(request, "value"));
	if (!nic != !c->takes_nic)
		return command_refuse(
			&r, c->takes_nic ? "needs a \"nic\":" : "takes no \"nic\":", name);
	if (!r.value != !c->takes_value)
		return command_refuse(
			&r, c->takes_value ? "needs a \"value\":" : "takes no \"value\":", name);
	if (nic) {
		r.nic = set->nic(target, nic);
		if (!r.nic)
			return command_refuse(&r, "there is no NIC", nic);
	}
	return c->run(&r);
}

/* ---- doorbell run */

static int do_status(struct request *r)
{
	return command_answer(r, vm_status(r->target));
}

static int do_stats(struct request *r)
{
	return command_answer(r, vm_stats(r->target));
}

static int do_pause(struct request *r)
{
	vm_pause(r->target);
	return 0;
}

static int do_resume(struct request *r)
{
	vm_resume(r->target);
	return 0;
}

static int do_stop(struct request *r)
{
	vm_stop(r->target, (struct vm_end){.kind = VM_END_STOPPED});
	return 0;
}

static struct nic *nic_of_vm(void *target, const char *name)
{
	return vm_nic(target, name);
}

int vm_command(void *vm, const json_t *request, json_t **result, char *why, size_t why_size)
{
	static const struct command commands[] = {
		{"status", false, false, do_status}, {"stats", false, false, do_stats},
		{"pause", false, false, do_pause},   {"resume", false, false, do_resume},
		{"stop", false, false, do_stop},     {"link", true, true, command_link},
		{"path", true, true, do_path},       {"pcap", true, true, command_pcap},
	};
	static const struct command_set set = {commands, ARRAY_SIZE(commands), nic_of_vm};

	return command_run(&set, vm, request, result, why, why_size);
}
