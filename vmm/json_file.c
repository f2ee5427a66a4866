/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/json_file.h"

#include <errno.h>

#include "vmm/core/outfile.h"

int json_print(const json_t *json, FILE *out)
{
	const size_t flags = JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_DIGITS;

	return json && json_dumpf(json, out, flags) == 0 && fputc('\n', out) != EOF ? 0 : -EIO;
}

int json_file(const json_t *json, struct outfile *f)
{
	int ret = outfile_begin(f);
	FILE *out = ret == 0 ? outfile_stream(f) : NULL;

	if (!out)
		return ret < 0 ? ret : -errno;
	ret = json_print(json, out);
	if (fclose(out) != 0) /* says why, if it was the file */
		ret = -errno;
	return ret;
}
