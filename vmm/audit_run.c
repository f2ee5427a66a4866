/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/audit_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit/report.h"
#include "audit/trace.h"
#include "vmm/core/tasks.h"
#include "vmm/json_file.h"
#include "vmm/vm.h"

struct audit_run {
	struct trace *trace;
	char no_trace[256];
	json_t *status, *stats; /* at the beginning: what others count does not begin with us */
};

struct audit_run *audit_run_begin(struct vm *vm)
{
	struct audit_run *a = calloc(1, sizeof(*a));
	struct task *t = calloc(TASKS_MAX, sizeof(*t));
	const unsigned nr = t ? tasks_read(t, TASKS_MAX, vm_has_rings(vm)) : 0;
	int tids[TASKS_MAX];

	for (unsigned i = 0; i < nr; i++)
		tids[i] = t[i].tid;
	free(t);
	if (!a)
		return NULL;
	/* The threads that are still to come are made by these. */
	trace_begin_host(tids, nr, &a->trace, a->no_trace, sizeof(a->no_trace));
	a->status = vm_status(vm);
	a->stats = vm_stats(vm);
	return a;
}

int audit_run_report(struct audit_run *a, struct vm *vm, struct outfile *f)
{
	json_t *trace = a && a->trace ? trace_read(a->trace) : NULL;
	json_t *status = vm_status(vm), *stats = vm_stats(vm);
	const struct audit_input in = {
		.status_before = a ? a->status : NULL,
		.status_after = status,
		.before = a ? a->stats : NULL,
		.after = stats,
		.trace = trace,
		.no_trace = a ? a->no_trace : "out of memory",
	};
	json_t *r = status && stats ? audit_report(&in) : NULL;
	int ret = r ? 0 : -ENOMEM;

	if (r && f)
		ret = json_file(r, f);
	else if (r)
		audit_print(r, stderr);
	json_decref(r);
	json_decref(trace);
	json_decref(status);
	json_decref(stats);
	return ret;
}

void audit_run_end(struct audit_run *a)
{
	if (!a)
		return;
	trace_end(a->trace);
	json_decref(a->status);
	json_decref(a->stats);
	free(a);
}
