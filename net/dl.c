/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dl.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "vmm/core/log.h"

/* dlopen() does not say why it failed in a number. 0, or -errno when it cannot have opened any file. */
static int no_descriptor(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return errno == EMFILE ? -EMFILE : 0;
	close(fd);
	return 0;
}

static int say_not_loaded(const struct dl_library *lib, const char *nic, const char *what)
{
	const char *why = dlerror();
	int ret = no_descriptor();

	if (ret < 0) {
		log_error("%s: %s: %s cannot be loaded: %s (ulimit -n)", nic, what, lib->soname,
		          strerror(-ret));
		return ret;
	}
	log_error("%s: %s needs %s, install it with 'apt install %s' (%s)", nic, what, lib->soname,
	          lib->package, why);
	return -ELIBACC;
}

int dl_open(const struct dl_library *lib, void *table, const char *nic, const char *what)
{
	void *so = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL);

	if (!so)
		return say_not_loaded(lib, nic, what);
	for (const struct dl_function *f = lib->functions; f->name; f++) {
		void *sym = dlsym(so, f->name);

		if (!sym) {
			log_error("%s: %s: %s has no %s: it is too old", nic, what, lib->soname,
			          f->name);
			dlclose(so);
			return -ELIBACC;
		}
		/* C has no cast from void * to a function pointer; POSIX says they look the same. */
		memcpy((char *)table + f->offset, &sym, sizeof(sym));
	}
	return 0;
}
