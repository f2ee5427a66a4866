/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/micro_create.c - a machine is made and dropped, as doorbell run makes it */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bench/cmd/guest_images.h"
#include "bench/cmd/micro.h"
#include "bench/cmd/micro_vm.h"
#include "bench/cmd/repeat.h"
#include "vmm/config.h"
#include "vmm/core/loop.h"
#include "vmm/vm.h"

#define SAMPLES 64u

/* One life without a guest's. 0 or -errno. */
static int live(const struct vm_config *cfg, struct loop *l, double *create_ns, double *drop_ns)
{
	const uint64_t from = loop_now_ns();
	uint64_t made;
	struct vm *vm;
	int ret = vm_create(cfg, l, NULL, &vm);

	if (ret < 0)
		return ret;
	made = loop_now_ns();
	vm_destroy(vm);
	*create_ns = (double)(made - from);
	*drop_ns = (double)(loop_now_ns() - made);
	return 0;
}

/* The first one warms up. */
static int live_often(const struct vm_config *cfg, unsigned ms, bool drop, double *ns)
{
	const uint64_t end_ns = loop_now_ns() + ms * UINT64_C(1000000);
	double created, dropped, all[SAMPLES];
	struct loop *l;
	unsigned n = 0;
	int ret = loop_create(&l);

	if (ret < 0)
		return ret;
	ret = live(cfg, l, &created, &dropped);
	while (ret == 0 && n < SAMPLES && (n == 0 || loop_now_ns() < end_ns)) {
		ret = live(cfg, l, &created, &dropped);
		all[n++] = drop ? dropped : created;
	}
	loop_destroy(l);
	if (ret == 0)
		*ns = repeat_median(all, n);
	return ret;
}

MICRO_MEASURE(micro_create)
{
	const struct micro_create *c = row->arg;
	char kernel[PATH_MAX];
	const char *const words[] = {"--mem", c->mem,     "--net", "echo", "--console",
	                             "none",  "--append", "exit",  kernel};
	struct vm_config cfg;
	double ns = 0;
	int ret = micro_vm_can(why);

	if (ret == 0)
		ret = guest_micro_file(env, kernel, why);
	if (ret < 0)
		return ret;
	ret = config_parse(&cfg, ARRAY_SIZE(words), (char **)(uintptr_t)words);
	if (ret == 0)
		ret = live_often(&cfg, micro_ms(env, row), c->drop, &ns);
	config_free(&cfg);
	if (ret < 0)
		snprintf(why, BENCH_WHY_MAX, "a machine of %s: %s", c->mem, strerror(-ret));
	else
		bench_set(s, BM_NS, ns);
	return ret;
}
