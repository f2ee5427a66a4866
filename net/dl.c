/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dl.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* dlopen() does not say why it failed in a number. 0, or -errno when it cannot have opened any file. */
static int no_descriptor(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return errno == EMFILE ? -EMFILE : 0;
	close(fd);
	return 0;
}

static int not_loaded(const struct dl_library *lib, char *why, size_t why_size)
{
	const char *reason = dlerror();
	int ret = no_descriptor();

	if (ret < 0) {
		snprintf(why, why_size, "%s cannot be loaded: %s (ulimit -n)", lib->soname,
		         strerror(-ret));
		return ret;
	}
	snprintf(why, why_size, "it needs %s, install it with 'apt install %s' (%s)", lib->soname,
	         lib->package, reason);
	return -ELIBACC;
}

int dl_open(const struct dl_library *lib, void *table, char *why, size_t why_size)
{
	void *so = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL);

	if (!so)
		return not_loaded(lib, why, why_size);
	for (const struct dl_function *f = lib->functions; f->name; f++) {
		void *sym = dlsym(so, f->name);

		if (!sym) {
			snprintf(why, why_size, "%s has no %s: it is too old", lib->soname,
			         f->name);
			dlclose(so);
			return -ELIBACC;
		}
		/* C has no cast from void * to a function pointer; POSIX says they look the same. */
		memcpy((char *)table + f->offset, &sym, sizeof(sym));
	}
	return 0;
}
