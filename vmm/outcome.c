/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/outcome.h"

#include <errno.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/json_file.h"
#include "vmm/run.h"

int exit_status_of(int err)
{
	static const int users[] = {EINVAL, ENOENT, E2BIG,   EISDIR,       ENOEXEC, ENODATA,
	                            EEXIST, EFBIG,  ENOTDIR, ENAMETOOLONG, EBADF,   EADDRNOTAVAIL};

	if (err == -ETIMEDOUT)
		return EXIT_TIMEOUT;
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		if (err == -users[i])
			return EXIT_USAGE;
	return EXIT_HOST;
}

int outcome_open(struct outfile *f, const char *option, const char *path, uint64_t deadline_ns)
{
	int ret = path ? outfile_open_by(f, path, deadline_ns) : 0;

	if (ret < 0)
		log_error("%s=%s: %s", option, path, outfile_strerror(ret));
	return ret;
}

int outcome_stats(json_t *stats, const char *path, struct outfile *f)
{
	int ret = path ? json_file(stats, f) : json_print(stats, stderr);

	json_decref(stats);
	if (ret < 0)
		log_error("--stats%s%s: the counters could not be written: %s", path ? "=" : "",
		          path ? path : "", outfile_strerror(ret));
	return ret;
}
