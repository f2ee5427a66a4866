/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dl.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "vmm/core/log.h"

int dl_open(const struct dl_library *lib, void *table, const char *nic, const char *what)
{
	void *so = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL);

	if (!so) {
		log_error("%s: %s needs %s, install it with 'apt install %s' (%s)", nic, what,
		          lib->soname, lib->package, dlerror());
		return -ENOENT;
	}
	for (const struct dl_function *f = lib->functions; f->name; f++) {
		void *sym = dlsym(so, f->name);

		if (!sym) {
			log_error("%s: %s: %s has no %s: it is too old", nic, what, lib->soname,
			          f->name);
			dlclose(so);
			return -ENOENT;
		}
		/* C has no cast from void * to a function pointer; POSIX says they look the same. */
		memcpy((char *)table + f->offset, &sym, sizeof(sym));
	}
	return 0;
}
