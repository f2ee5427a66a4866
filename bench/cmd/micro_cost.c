/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/micro_cost.c - bench/cmd/cost.h as rows */
#include <errno.h>

#include "bench/cmd/cost.h"
#include "bench/cmd/cost_tap.h"
#include "bench/cmd/micro.h"

MICRO_CAN(micro_can_cost)
{
	return (uintptr_t)row->arg == COST_TAP_WRITE ? cost_tap_can(env->stop, why) : 0;
}

MICRO_MEASURE(micro_cost)
{
	double ns;
	int ret = cost_measure((enum cost_id)(uintptr_t)row->arg, micro_ms(env, row), &ns, why);

	if (ret == 0)
		bench_set(s, BM_NS, ns);
	/* What is missing is a right or a CPU. */
	return ret == -EPERM || ret == -EACCES || ret == -ENODEV || ret == -ENOENT ? -EOPNOTSUPP
	                                                                           : ret;
}
