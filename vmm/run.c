/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/run.c - doorbell run: one guest, from the command line to its end */
#include "vmm/run.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/audit_run.h"
#include "vmm/commands.h"
#include "vmm/config.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/outfile.h"
#include "vmm/outcome.h"
#include "vmm/signals.h"
#include "vmm/vm.h"

/* What there is as long as the process, over all lives of the guest. */
struct run {
	const struct vm_config *cfg;
	const struct run_watch *watch; /* NULL: nobody */
	struct loop *loop;
	struct console *console;
	struct vm *vm;
	struct control *control; /* NULL without --control */
	struct outfile stats;    /* --stats=FILE */
	struct outfile report;   /* --audit=FILE */
	struct audit_run *audit; /* of this life; NULL without --audit */
	struct signals signals;
};

static int status_of_end(const struct vm_end *end)
{
	switch (end->kind) {
	case VM_END_VERDICT:
		return end->verdict;
	case VM_END_TIMEOUT:
		return EXIT_TIMEOUT;
	case VM_END_DEAD:
		return EXIT_GUEST_DIED;
	case VM_END_SHUTDOWN:
	case VM_END_RESET:
	case VM_END_STOPPED:
		break;
	}
	return EXIT_OK;
}

static void stop_guest(void *arg)
{
	struct run *r = arg;

	if (r->vm)
		vm_stop(r->vm, (struct vm_end){.kind = VM_END_STOPPED});
}

static int print_audit(struct run *r)
{
	const char *path = r->cfg->audit_path;
	int ret = audit_run_report(r->audit, r->vm, path ? &r->report : NULL);

	if (ret < 0)
		log_error("--audit%s%s: the report could not be written: %s", path ? "=" : "",
		          path ? path : "", outfile_strerror(ret));
	return ret;
}

/* What was asked for, about the last life. 0 or -errno. */
static int say_numbers(struct run *r)
{
	int audit = r->cfg->audit ? print_audit(r) : 0;
	int stats = r->cfg->common.stats
	                    ? outcome_stats(vm_stats(r->vm), r->cfg->common.stats_path, &r->stats)
	                    : 0;

	return audit < 0 ? audit : stats;
}

static void end(struct run *r)
{
	control_destroy(r->control);
	vm_destroy(r->vm);
	console_destroy(r->console);
	audit_run_end(r->audit);
	outfile_close(&r->stats);
	outfile_close(&r->report);
	signals_end(&r->signals);
	loop_destroy(r->loop);
}

static int begin(struct run *r, const struct vm_config *cfg, const struct run_watch *watch)
{
	int ret;

	*r = (struct run){.cfg = cfg,
	                  .watch = watch,
	                  .signals = SIGNALS_NONE,
	                  .stats = OUTFILE_NONE,
	                  .report = OUTFILE_NONE};
	if ((ret = loop_create(&r->loop)) < 0) {
		log_error("no event loop: %s", strerror(-ret));
		return ret;
	}
	if ((ret = console_create(cfg, r->loop, stop_guest, r, &r->console)) < 0)
		return ret;
	if ((ret = outcome_open(&r->stats, "--stats", cfg->common.stats_path,
	                        cfg->common.deadline_ns)) < 0 ||
	    (ret = outcome_open(&r->report, "--audit", cfg->audit_path, cfg->common.deadline_ns)) <
	            0)
		return ret;
	if ((ret = vm_create(cfg, r->loop, r->console, &r->vm)) < 0)
		return ret;
	/* Not before: opening may wait, for the reader of a FIFO, and Ctrl-C has to end that. */
	if ((ret = signals_begin(&r->signals, r->loop, stop_guest, r)) < 0)
		return ret;
	if (cfg->common.control && (ret = control_create(cfg->common.control, r->loop, vm_command,
	                                                 r->vm, &r->control)) < 0)
		return ret;
	return console_start(r->console);
}

static int live_once(struct run *r, struct vm_end *end)
{
	int ret;

	audit_run_end(r->audit);
	r->audit = r->cfg->audit ? audit_run_begin(r->vm) : NULL;
	if (!r->watch)
		return vm_run(r->vm, end);
	ret = r->watch->begin(r->watch->arg, r->vm, r->loop);
	if (ret == 0)
		ret = vm_run(r->vm, end);
	r->watch->end_life(r->watch->arg);
	return ret;
}

/* All lives of the guest. 0 and *end, or -errno. */
static int live(struct run *r, struct vm_end *end)
{
	int ret = live_once(r, end);

	while (ret == 0 && end->kind == VM_END_RESET && r->cfg->on_reboot == ON_REBOOT_RESTART) {
		ret = vm_reset(r->vm);
		if (ret == 0)
			ret = live_once(r, end);
	}
	return ret;
}

int run_guest(const struct vm_config *cfg, const struct run_watch *watch)
{
	struct vm_end how = {.kind = VM_END_STOPPED};
	struct run r;
	int ret = begin(&r, cfg, watch);
	int status;

	if (ret == 0)
		ret = live(&r, &how);
	console_finish(r.console);
	status = ret < 0 ? exit_status_of(ret) : status_of_end(&how);
	if (ret == 0 && how.kind == VM_END_STOPPED && r.signals.signo)
		status = EXIT_SIGNAL + r.signals.signo;
	if (ret == 0 && say_numbers(&r) < 0)
		status = status == EXIT_OK ? EXIT_HOST : status;
	if (watch)
		console_part(r.console);
	if (ret == 0 && watch)
		status = watch->end(watch->arg, &how, status);
	end(&r);
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct vm_config cfg;
	int status = EXIT_OK;

	if (config_parse(&cfg, argc, argv) < 0) {
		status = EXIT_USAGE;
	} else if (cfg.common.help) {
		config_help(stdout);
	} else if (cfg.version) {
		puts("doorbell " DOORBELL_VERSION);
	} else if (cfg.print_machine) {
		if (vm_print_machine(&cfg, stdout) < 0)
			status = EXIT_HOST;
	} else {
		common_config_begin(&cfg.common);
		status = run_guest(&cfg, NULL);
	}
	config_free(&cfg);
	return status;
}
