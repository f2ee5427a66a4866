/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that a client writes to the control socket, with the real command table behind it. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/commands.h"
#include "vmm/core/compiler.h"
#include "vmm/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Commands that reach the machine need one, and there is none here: what is judged is that nothing
 * but a well-formed request gets so far.
 */
static bool reaches_the_machine(const json_t *request)
{
	static const char *const plain[] = {"status", "stats", "pause", "resume", "stop"};
	const char *name = json_string_value(json_object_get(request, "command"));
	static const char *const of_a_nic[] = {"link", "path", "pcap"};

	for (size_t i = 0; name && i < ARRAY_SIZE(plain); i++)
		if (strcmp(name, plain[i]) == 0)
			return true;
	if (!json_is_string(json_object_get(request, "nic")) ||
	    !json_is_string(json_object_get(request, "value")))
		return false;
	for (size_t i = 0; name && i < ARRAY_SIZE(of_a_nic); i++)
		if (strcmp(name, of_a_nic[i]) == 0)
			return true; /* the NIC is looked for before the value is judged */
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *request = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	json_t *result = NULL;
	char why[64] = "";

	if (json_is_object(request) && !reaches_the_machine(request)) {
		if (vm_command(NULL, request, &result, why, sizeof(why)) == 0 || result)
			abort();
		if (why[0] == '\0' || !memchr(why, '\0', sizeof(why)))
			abort();
	}
	json_decref(request);
	return 0;
}
