/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/vm.h"

/* A request, taken apart. nic and value are set when the command takes them. */
struct request {
	struct vm *vm;
	const char *nic, *value;
	json_t **result;
	char *why;
	size_t why_size;
};

struct command {
	const char *name;
	bool takes_nic, takes_value;
	int (*run)(struct request *r);
};

static int refuse(const struct request *r, const char *why, const char *what)
{
	snprintf(r->why, r->why_size, "%s%s%s%s", why, what ? " '" : "", what ? what : "",
	         what ? "'" : "");
	return -EINVAL;
}

static int answer(const struct request *r, json_t *result)
{
	*r->result = result;
	return result ? 0 : refuse(r, "out of memory", NULL);
}

static int do_status(struct request *r)
{
	return answer(r, vm_status(r->vm));
}

static int do_stats(struct request *r)
{
	return answer(r, vm_stats(r->vm));
}

static int do_pause(struct request *r)
{
	vm_pause(r->vm);
	return 0;
}

static int do_resume(struct request *r)
{
	vm_resume(r->vm);
	return 0;
}

static int do_stop(struct request *r)
{
	vm_stop(r->vm, (struct vm_end){.kind = VM_END_STOPPED});
	return 0;
}

static int do_link(struct request *r)
{
	const bool up = strcmp(r->value, "up") == 0;

	if (!up && strcmp(r->value, "down") != 0)
		return refuse(r, "link is up or down, not", r->value);
	if (vm_set_link(r->vm, r->nic, up) < 0)
		return refuse(r, "there is no NIC", r->nic);
	return 0;
}

static int do_path(struct request *r)
{
	int ret = vm_set_path(r->vm, r->nic, r->value, r->result, r->why, r->why_size);

	return ret < 0 ? ret : answer(r, *r->result);
}

static int do_pcap(struct request *r)
{
	const char *path = strcmp(r->value, "off") == 0 ? NULL : r->value;

	if (path && path[0] == '\0')
		return refuse(r, "pcap is the name of a file, or off", NULL);
	return vm_set_pcap(r->vm, r->nic, path, r->why, r->why_size);
}

static const struct command commands[] = {
	{"status", false, false, do_status}, {"stats", false, false, do_stats},
	{"pause", false, false, do_pause},   {"resume", false, false, do_resume},
	{"stop", false, false, do_stop},     {"link", true, true, do_link},
	{"path", true, true, do_path},       {"pcap", true, true, do_pcap},
};

static const struct command *command_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int unknown(const struct request *r, const char *name)
{
	size_t len;

	snprintf(r->why, r->why_size, "unknown command '%.40s', there are: ", name);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		len = strlen(r->why);
		snprintf(r->why + len, r->why_size - len, "%s%s", i ? ", " : "", commands[i].name);
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
			return refuse(r, "a request has the keys command, nic, value and id, not",
			              key);
	}
	return 0;
}

int vm_command(void *vm, const json_t *request, json_t **result, char *why, size_t why_size)
{
	struct request r = {.vm = vm, .result = result, .why = why, .why_size = why_size};
	const char *name = json_string_value(json_object_get(request, "command"));
	const struct command *c;

	if (check_keys(&r, request) < 0)
		return -EINVAL;
	if (!name)
		return refuse(&r, "\"command\" is missing or not a text", NULL);
	c = command_of(name);
	if (!c)
		return unknown(&r, name);
	r.nic = json_string_value(json_object_get(request, "nic"));
	r.value = json_string_value(json_object_get(request, "value"));
	if (!r.nic != !c->takes_nic)
		return refuse(&r, c->takes_nic ? "needs a \"nic\":" : "takes no \"nic\":", name);
	if (!r.value != !c->takes_value)
		return refuse(&r,
		              c->takes_value ? "needs a \"value\":" : "takes no \"value\":", name);
	return c->run(&r);
}
