/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_load.h - the load generator (bench/guest/load.h), which this program carries, and guests made of it */
#ifndef DOORBELL_BENCH_NET_LOAD_H
#define DOORBELL_BENCH_NET_LOAD_H

#include <stddef.h>
#include <stdint.h>

struct bench_env;

/* A line for @why (BENCH_WHY_MAX, cut to it). Returns @err. */
__attribute__((format(printf, 3, 4))) int bench_why(char *why, int err, const char *fmt, ...);

/* The static program. */
extern const unsigned char net_load[];
extern const uint64_t net_load_size; /* bytes */

/*
 * It in a file without a name, to be executed as /proc/self/fd/N and closed: no folder has to allow that. A descriptor, or
 * -errno with a line in @why (BENCH_WHY_MAX).
 */
int net_load_open(char *why);

/*
 * The initial RAM disk of our guests to @path: the generator as /init, and the drivers that a stock kernel has as
 * modules. They are looked for beside env->kernel (lib/modules/RELEASE, as the kernels of tests/setup.sh lie) and in
 * /lib/modules. 0, or -errno with a line in @why (BENCH_WHY_MAX): what is missing, and what gets it.
 */
int bench_initrd_make(const struct bench_env *env, const char *path, char *why);

/*
 * The release in a bzImage's header (Linux, Documentation/arch/x86/boot.rst, kernel_version). False: no bzImage,
 * or it says nothing that could be a folder's name.
 */
int net_kernel_release(const char *kernel, char *out, size_t size);

/* ---- modules.dep, the text that depmod(8) writes */

#define MODULES_MAX 64u
struct module_list {
	char path[MODULES_MAX][160];
	size_t nr;
};
/*
 * To @l all files that @module needs by the text @dep, as far as they are not in it: those that have to come first
 * first, itself last. 0; -ENOENT: it is not there; -EINVAL: that is no such text, or too much.
 */
int module_list_add(struct module_list *l, const char *dep, const char *module);

#endif
