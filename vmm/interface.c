/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/interface.h"

#include <stdio.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/num.h"

/* "  tap0: BYTES PACKETS ERRS DROP FIFO FRAME COMPRESSED MULTICAST BYTES PACKETS ERRS DROP ..." */
static bool parse_line(const char *line, const char *name, struct interface_stats *s)
{
	const size_t len = strlen(name);
	uint64_t field[12];

	line += strspn(line, " ");
	if (strncmp(line, name, len) != 0 || line[len] != ':')
		return false;
	line += len + 1;
	for (size_t i = 0; i < ARRAY_SIZE(field); i++)
		if (!num_next(&line, 10, &field[i]))
			return false;
	*s = (struct interface_stats){
		.rx_bytes = field[0],
		.rx_packets = field[1],
		.rx_dropped = field[3],
		.tx_bytes = field[8],
		.tx_packets = field[9],
		.tx_dropped = field[11],
	};
	return true;
}

bool interface_parse(const char *text, const char *name, struct interface_stats *out)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (parse_line(line, name, out))
			return true;
	}
	return false;
}

bool interface_read(const char *name, struct interface_stats *out)
{
	FILE *in = fopen("/proc/self/net/dev", "re");
	char line[512];
	bool found = false;

	if (!in)
		return false;
	while (!found && fgets(line, sizeof(line), in))
		found = parse_line(line, name, out);
	fclose(in);
	return found;
}
