/* SPDX-License-Identifier: Apache-2.0 */
/* check/command.c - doorbell check: a run whose driver is judged */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/borne.h"
#include "check/check.h"
#include "check/matrix.h"
#include "check/provoke.h"
#include "check/record.h"
#include "check/report.h"
#include "devices/virtio.h"
#include "devices/virtio_net.h"
#include "devices/virtio_watch.h"
#include "vmm/config.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/outfile.h"
#include "vmm/core/tasks.h"
#include "vmm/json_file.h"
#include "vmm/nic.h"
#include "vmm/outcome.h"
#include "vmm/run.h"
#include "vmm/vm.h"

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_JUNIT, NR_FORMATS };

static const char *const format_names[NR_FORMATS] = {
	[FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", [FORMAT_JUNIT] = "junit"};
static const char *const fail_on_names[] = {
	[FAIL_ON_MUST] = "must", [FAIL_ON_SHOULD] = "should", [FAIL_ON_ANY] = "any", NULL};

enum matrix_kind { MATRIX_NONE, MATRIX_PAIRWISE, MATRIX_FULL };

struct check_run {
	struct vm_config cfg;
	/* --report=FORMAT=FILE, of each format one; NULL: none. For people it goes to standard error, too. */
	struct report_file {
		const char *path;
		struct outfile file;
	} report[NR_FORMATS];
	unsigned fail_on;
	struct matrix cells;
	unsigned matrix; /* enum matrix_kind */
	bool list_rules, list_provocations;
	provoke_set provocations;
	uint64_t seed; /* where their decisions come from */
	const char *explain;
	bool *ignored; /* nr_rules */
	struct loop *loop;
	struct loop_timer timer;
	const char *record_path;
	struct outfile record_file;
	struct record *record; /* NULL without --record */
	struct check *check[VM_MAX_NICS];
	struct watched {
		struct check_run *r;
		struct vm *vm;
		unsigned nic;
	} watched[VM_MAX_NICS];               /* what a check's callbacks need */
	struct provoke *provoke[VM_MAX_NICS]; /* NULL: not provoked */
	struct vm *vm;
	struct task cpu;   /* of the guest, at the last tick */
	unsigned farewell; /* ticks since all rounds were over */
	unsigned nr;
};

/* ---- options */

static int find_rule(const char *id, const struct rule **out, char *why, size_t size)
{
	const char *meant = rule_meant(id);

	*out = rule_find(id);
	if (*out)
		return 0;
	if (meant)
		snprintf(why, size, "there is no such rule; the most like it is %s", meant);
	else
		snprintf(why, size, "there is no such rule: --list-rules shows them");
	return -EINVAL;
}

static int parse_ignore(void *target, const char *value, char *why, size_t size)
{
	struct check_run *r = target;
	const struct rule *rule;
	const int ret = find_rule(value, &rule, why, size);

	if (ret == 0)
		r->ignored[rule - rules] = true;
	return ret;
}

static int parse_provoke(void *target, const char *value, char *why, size_t size)
{
	struct check_run *r = target;

	return provoke_parse(&r->provocations, value, why, size);
}

static int parse_explain(void *target, const char *value, char *why, size_t size)
{
	struct check_run *r = target;
	const struct rule *rule;

	r->explain = value;
	return find_rule(value, &rule, why, size);
}

static int parse_report(void *target, const char *value, char *why, size_t size)
{
	struct check_run *r = target;

	for (unsigned i = 0; i < ARRAY_SIZE(format_names); i++) {
		const size_t len = strlen(format_names[i]);

		if (strncmp(value, format_names[i], len) != 0 || value[len] != '=' ||
		    !value[len + 1])
			continue;
		if (r->report[i].path) {
			snprintf(why, size,
			         "%s=%s was given before, and of each format there is one",
			         format_names[i], r->report[i].path);
			return -EINVAL;
		}
		r->report[i].path = value + len + 1;
		return 0;
	}
	snprintf(why, size, "allowed: text=FILE, json=FILE, junit=FILE");
	return -EINVAL;
}

static int parse_matrix(void *target, const char *value, char *why, size_t size)
{
	struct check_run *r = target;

	if (!value[0] || strcmp(value, "pairwise") == 0) {
		r->matrix = MATRIX_PAIRWISE;
	} else if (strcmp(value, "full") == 0) {
		r->matrix = MATRIX_FULL;
	} else {
		snprintf(why, size, "allowed: pairwise, full");
		return -EINVAL;
	}
	return 0;
}

#define RUN(member) offsetof(struct check_run, member)

static const struct opt_def check_options[] = {
	{.name = "report",
         .type = OPT_CALL,
         .parse = parse_report,
         .arg = "text|json|junit=FILE",
         .help = "the report to a file, too; repeatable, for another format"},
	{.name = "record",
         .type = OPT_STRING,
         .offset = RUN(record_path),
         .arg = "FILE",
         .help = "write down what driver and device do: doorbell trace FILE prints it"},
	{.name = "fail-on",
         .type = OPT_CHOICE,
         .offset = RUN(fail_on),
         .choices = fail_on_names,
         .arg = "must|should|any",
         .help = "findings of which level make the exit status 10 (default: must)"},
	{.name = "ignore",
         .type = OPT_CALL,
         .parse = parse_ignore,
         .arg = "RULE",
         .help = "say nothing about that rule; repeatable"},
	{.name = "matrix",
         .type = OPT_CALL,
         .parse = parse_matrix,
         .arg = "pairwise|full",
         .arg_optional = 1,
         .help = "once for each combination of features, ring, queues, registers; a grid"},
	{.name = "jobs",
         .type = OPT_UINT,
         .offset = RUN(cells.jobs),
         .min = 1,
         .max = 256,
         .arg = "N",
         .help = "--matrix: so many at once (default: one for each CPU)"},
	{.name = "provoke",
         .type = OPT_CALL,
         .parse = parse_provoke,
         .arg = "NAME|legal|hostile|all[,...]",
         .help = "be a device that does such things, and see whether the driver bears it; "
                 "repeatable"},
	{.name = "seed",
         .type = OPT_UINT,
         .offset = RUN(seed),
         .max = UINT64_MAX,
         .arg = "N",
         .help = "--provoke: the same seed, the same decisions (default: 0)"},
	{.name = "list-provocations",
         .type = OPT_BOOL,
         .offset = RUN(list_provocations),
         .help = "print what can be provoked"},
	{.name = "list-rules",
         .type = OPT_BOOL,
         .offset = RUN(list_rules),
         .help = "print all rules, and which of them are checked"},
	{.name = "explain",
         .type = OPT_CALL,
         .parse = parse_explain,
         .arg = "RULE",
         .help = "print what the rule says, where it stands, and what to do"},
	OPT_END,
};

static bool without_kernel(const void *target)
{
	const struct check_run *r = target;

	return r->list_rules || r->list_provocations || r->explain;
}

static void help(void)
{
	fputs("Usage: doorbell check [options] KERNEL\n\n"
	      "Boot KERNEL as doorbell run does, judge what its virtio-net driver does by the "
	      "rules of\n"
	      "the specification, and report those that it breaks.\n\nOptions beside those of "
	      "doorbell "
	      "run:\n",
	      stdout);
	opt_help(stdout, check_options, 2, 0);
	fputs("\nExit status: 10 rules were broken; 11 the driver never worked, or did not bear a "
	      "provocation,\nor the guest died or halted for good; otherwise that of doorbell "
	      "run.\n",
	      stdout);
}

/* ---- the run */

/* Once all has been asked the driver is told to stop, and the guest has so long to end by itself. */
#define FAREWELL_TICKS 20u

static void end_provoked(struct check_run *r)
{
	bool over = r->provocations != 0;

	for (unsigned i = 0; i < r->nr; i++)
		over &= r->provoke[i] && provoke_done(r->provoke[i]);
	if (over && r->farewell++ == FAREWELL_TICKS)
		vm_stop(r->vm, (struct vm_end){.kind = VM_END_STOPPED});
}

/* Have the guest's CPUs stood in line for one of the host's for most of this tick? When nobody knows, no. */
static bool is_starved(struct check_run *r)
{
	const struct task was = r->cpu;

	vm_cpu_time(r->vm, &r->cpu);
	if (r->cpu.cpu_ns == 0)
		return false;
	return (r->cpu.ready && r->cpu.cpu_ns == was.cpu_ns) ||
	       r->cpu.runqueue_ns - was.runqueue_ns > CHECK_TICK_NS / 2;
}

static void on_timer(void *arg)
{
	struct check_run *r = arg;
	const bool paused = vm_is_paused(r->vm);
	const bool idle = is_starved(r) || paused;

	/* What a driver has not done in time it can only be asked while it can do something. */
	for (unsigned i = 0; i < r->nr; i++) {
		if (r->provoke[i])
			provoke_wait(r->provoke[i], paused);
		if (!idle)
			check_tick(r->check[i]);
	}
	if (!paused)
		end_provoked(r);
	loop_timer_at(r->loop, &r->timer, loop_now_ns() + CHECK_TICK_NS);
}

static void cpu_time(void *arg, struct task *now)
{
	const struct check_run *r = arg;

	vm_cpu_time(r->vm, now);
}

static void mute(void *check)
{
	check_mute(check);
}

static bool guest_pc(void *arg, uint64_t *out)
{
	const struct watched *w = arg;

	return vm_guest_pc(w->vm, out);
}

static bool hears(void *arg)
{
	const struct watched *w = arg;

	return vm_hears(w->vm, w->nic);
}

static void on_finding(void *arg, const struct rule *rule, const struct check_result *res)
{
	const struct watched *w = arg;

	if (w->r->record)
		record_finding(w->r->record, w->nic, rule, res);
}

static int watch_nic(struct check_run *r, unsigned i, struct vm *vm)
{
	const struct nic *n = vm_nic(vm, r->cfg.nic[i].name);
	struct virtio_dev *d = virtio_net_dev(n->net);
	struct check_device dev = {
		.name = n->cfg->name,
		.legacy = n->cfg->transport == NIC_MMIO_LEGACY,
		.config_len = d->ops->config_len,
		.mem = d->mem,
		.nr_queues = d->nr_queues,
		.pc = guest_pc,
		.found = on_finding,
		.hears = r->provoke[i] ? NULL : hears, /* which may keep interrupts back */
		.arg = &r->watched[i],
	};
	struct record_nic nic = {.index = i,
	                         .mtu = u16_of(n->cfg->mtu),
	                         .legacy = n->cfg->transport == NIC_MMIO_LEGACY,
	                         .provoke = r->provoke[i],
	                         .seed = r->seed};
	int ret = 0;

	virtio_config_read(d, 0, dev.config, sizeof(dev.config));
	if (r->provoke[i])
		provoke_device(r->provoke[i], n->net);
	if (r->provoke[i])
		dev.config_len = provoke_config_len(r->provoke[i]);
	dev.offered = d->offered;
	if (n->rings) {
		log_error("%s: only rings that doorbell serves itself can be checked: path=pure",
		          n->cfg->name);
		return -EINVAL;
	}
	for (unsigned k = 0; k < d->nr_queues && k < ARRAY_SIZE(dev.num_max); k++)
		dev.num_max[k] = d->queue[k].num_max;
	if (r->check[i])
		check_reboot(r->check[i], &dev);
	else
		ret = check_create(&dev, &r->check[i]);
	if (ret < 0)
		return ret;
	r->watched[i] = (struct watched){r, vm, i};
	d->watch = check_watch(r->check[i]);
	if (r->record) { /* first, so that a finding stands behind what shows it */
		memcpy(nic.mac, dev.config, sizeof(nic.mac)); /* the first field */
		d->watch = record_device(r->record, d, &nic);
		d->watch->next = check_watch(r->check[i]);
	}
	if (r->provoke[i])
		provoke_cpu_time(r->provoke[i], cpu_time, r);
	if (r->provoke[i])
		provoke_on_illegal(r->provoke[i], mute, r->check[i]);
	if (r->provoke[i] && i == 0) /* the driver of all of them is one */
		provoke_slots_check(r->provoke[i], r->check[i]);
	return 0;
}

/* Before the first life: nothing can be refused any more. */
static int begin_record(struct check_run *r)
{
	FILE *out;
	int ret;

	if (!r->record_path || r->record)
		return 0;
	ret = outfile_begin(&r->record_file);
	out = ret < 0 ? NULL : outfile_stream(&r->record_file);
	if (ret == 0)
		ret = out ? record_create(out, r->record_path, &r->record) : -errno;
	if (ret < 0)
		log_error("--record %s: it cannot be written: %s", r->record_path,
		          outfile_strerror(ret));
	return ret == -ETIMEDOUT ? -EIO : ret; /* it is not that of --timeout */
}

static int begin(void *arg, struct vm *vm, struct loop *loop)
{
	struct check_run *r = arg;
	int ret = begin_record(r);

	if (ret < 0)
		return ret;
	r->loop = loop;
	r->vm = vm;
	r->timer = (struct loop_timer){.fn = on_timer, .arg = r};
	for (unsigned i = 0; i < r->cfg.nr_nics; i++) {
		ret = watch_nic(r, i, vm);
		if (ret < 0)
			return ret;
		r->nr = i + 1;
	}
	return loop_timer_at(loop, &r->timer, loop_now_ns() + CHECK_TICK_NS);
}

static void end_life(void *arg)
{
	struct check_run *r = arg;

	loop_timer_off(&r->timer);
}

static int write_json(json_t *json, struct outfile *file)
{
	const int ret = json_file(json, file);

	json_decref(json);
	return ret;
}

/* @run NULL: the grid, with the exit status @status. */
static int write_one(struct check_run *r, enum format format, const struct report *run, int status)
{
	struct outfile *file = &r->report[format].file;
	const json_t *cells = r->cells.cells;
	int ret = 0;
	FILE *out;

	if (format == FORMAT_JSON)
		return write_json(run ? report_json(run) : matrix_json(cells, status), file);
	errno = -outfile_begin(file);
	out = errno ? NULL : outfile_stream(file);
	if (!out)
		return -errno;
	if (format == FORMAT_JUNIT)
		ret = run ? report_junit(run, out) : matrix_junit(cells, out);
	else if (run)
		report_text(run, out);
	else
		matrix_text(cells, out);
	return fclose(out) == 0 ? ret : -errno;
}

/* To all files that were given. The exit status, which is @status when they can be written. */
static int write_reports(struct check_run *r, const struct report *run, const int status)
{
	bool written = true;

	for (unsigned i = 0; i < NR_FORMATS; i++) {
		const int ret = r->report[i].path ? write_one(r, (enum format)i, run, status) : 0;

		if (ret < 0)
			log_error("--report %s=%s: it could not be written: %s", format_names[i],
			          r->report[i].path, outfile_strerror(ret));
		written &= ret == 0;
	}
	return status == EXIT_OK && !written ? EXIT_HOST : status;
}

/* In the process of a cell of the matrix: what it found goes to where the grid is made. */
static int end_cell(struct check_run *r, const struct report *report, int status)
{
	json_t *json = report_json(report);
	FILE *out = fdopen(r->cells.report_fd, "w");
	int ret = out ? json_print(json, out) : -errno;

	if (out)
		r->cells.report_fd = -1; /* it is @out's */
	if (out && fclose(out) != 0)
		ret = -errno;
	json_decref(json);
	if (ret < 0)
		log_error("no report: %s", strerror(-ret));
	return ret < 0 ? EXIT_HOST : status;
}

/*
 * How the guest has died, in words; NULL: it lives. Most kernels that panic halt for good; one that is done may do so,
 * too, but can say that it is.
 */
static const char *death(const struct check_run *r, int status, char *buf, size_t size)
{
	uint64_t pc;

	if (status == EXIT_GUEST_DIED)
		return "the guest died";
	if (status != EXIT_TIMEOUT || !vm_rests(r->vm, &pc))
		return NULL;
	snprintf(buf, size, "the guest has halted for good, with interrupts off, at 0x%" PRIx64,
	         pc);
	return buf;
}

static int end(void *arg, const struct vm_end *how, int status)
{
	const bool late = how->kind == VM_END_TIMEOUT;
	struct check_run *r = arg;
	char words[96];
	const struct report report = {.checks = r->check,
	                              .provokes = r->provocations ? r->provoke : NULL,
	                              .nr = r->nr,
	                              .ignored = r->ignored,
	                              .fail_on = r->fail_on,
	                              .dead = death(r, status, words, sizeof(words))};

	for (unsigned i = 0; i < r->nr; i++) {
		check_last_look(r->check[i]);
		if (r->provoke[i] && (late || how->kind == VM_END_STOPPED))
			provoke_cut(r->provoke[i], late);
		if (r->provoke[i]) {
			provoke_end(r->provoke[i]);
			check_borne(r->check[i], r->provoke[i]);
		}
	}
	if (r->matrix)
		return end_cell(r, &report, report_status(&report, status));
	report_text(&report, stderr);
	return write_reports(r, &report, report_status(&report, status));
}

static int provoke_guest(struct check_run *r)
{
	for (unsigned i = 0; i < r->cfg.nr_nics && r->provocations; i++) {
		/* Of the machine, and not of each NIC. */
		const provoke_set others = i ? ~PROVOKE_BIT(P_SLOTS) : ~(provoke_set)0;

		if (provoke_create(r->provocations & others, r->seed + i, &r->provoke[i]) < 0)
			return EXIT_HOST;
		provoke_nic(r->provoke[i], &r->cfg.nic[i]);
	}
	if (r->provocations && r->cfg.nr_nics > 0)
		provoke_slots(r->provoke[0], &r->cfg);
	return EXIT_OK;
}

/* Once. */
static int check_guest(struct check_run *r)
{
	const struct run_watch watch = {.begin = begin, .end_life = end_life, .end = end, .arg = r};
	int ret, status;

	for (unsigned i = 0; i < r->cfg.nr_nics; i++) {
		r->cfg.nic[i].regs = NIC_REGS_TRAP;
		r->cfg.nic[i].kick = NIC_KICK_EXIT;
	}
	status = run_guest(&r->cfg, &watch);
	/* Not before: a device that is taken apart gives back what it has. */
	ret = record_destroy(r->record);
	return ret < 0 && status == EXIT_OK ? EXIT_HOST : status;
}

static int check_matrix(struct check_run *r)
{
	struct matrix *m = &r->cells;
	int status;

	m->full = r->matrix == MATRIX_FULL;
	m->ignored = r->ignored;
	m->progress = isatty(STDERR_FILENO) && !r->cfg.common.quiet;
	status = matrix_run(m);
	if (status == MATRIX_IN_CELL) {
		for (unsigned i = 0; i < NR_FORMATS; i++)
			r->report[i].file.made = false; /* not by this process */
		common_config_begin(&r->cfg.common);    /* --timeout is each cell's */
		return m->report_fd < 0 ? EXIT_HOST : check_guest(r);
	}
	if (status == MATRIX_REFUSED)
		return EXIT_USAGE;
	matrix_text(m->cells, stderr);
	return write_reports(r, NULL, status);
}

/* A NIC whose rings somebody else serves, so that nobody can look into them; NULL: there is none. */
static const char *foreign_kind(const struct vm_config *cfg)
{
	for (unsigned i = 0; i < cfg->nr_nics; i++)
		if (cfg->nic[i].kind->shares_memory)
			return cfg->nic[i].kind->name;
	return NULL;
}

/* 0; or -EINVAL, and it was said what does not go together. */
static int judge_options(struct check_run *r)
{
	const char *foreign = foreign_kind(&r->cfg);

	r->cells.cfg = &r->cfg;
	if (r->cfg.nr_nics == 0)
		log_error("--net none: without a NIC there is no driver to check");
	else if (foreign && !r->provocations) /* provoked, it has the checker's network */
		log_error("--net %s: only rings that doorbell serves itself can be checked",
		          foreign);
	else if (r->cells.jobs && !r->matrix)
		log_error("--jobs %u is about --matrix, which was not given",
		          (unsigned)r->cells.jobs);
	else if (r->seed && !r->provocations)
		log_error("--seed %" PRIu64 " is about --provoke, which was not given", r->seed);
	else if (r->record_path && r->matrix)
		log_error("--record %s: a recording is of one run, and --matrix makes many",
		          r->record_path);
	else if (r->provocations && r->matrix)
		log_error("--provoke and --matrix exclude each other");
	else
		return r->matrix ? matrix_check(&r->cells) : 0;
	return -EINVAL;
}

/* Before the boot, so that what cannot be written is said then; and each is a file of its own. */
static int open_files(struct check_run *r)
{
	const uint64_t deadline_ns = r->cfg.common.deadline_ns;
	int ret = outcome_open(&r->record_file, "--record", r->record_path, deadline_ns);
	char option[24];

	for (unsigned i = 0; i < NR_FORMATS && ret == 0; i++) {
		struct report_file *to = &r->report[i];

		snprintf(option, sizeof(option), "--report %s", format_names[i]);
		ret = outcome_open(&to->file, option, to->path, deadline_ns);
		if (ret == 0 && outfile_is(&to->file, r->record_file.fd)) {
			log_error("--record %s: --report %s writes that file, too", r->record_path,
			          format_names[i]);
			return -EINVAL;
		}
		for (unsigned k = 0; k < i && ret == 0; k++)
			if (outfile_is(&to->file, r->report[k].file.fd)) {
				log_error("%s=%s: --report %s writes that file, too", option,
				          to->path, format_names[k]);
				return -EINVAL;
			}
	}
	return ret;
}

static int check_kernel(struct check_run *r)
{
	int ret;

	if (judge_options(r) < 0)
		return EXIT_USAGE;
	ret = provoke_guest(r);
	if (ret != EXIT_OK)
		return ret;
	common_config_begin(&r->cfg.common);
	ret = open_files(r);
	if (ret < 0)
		return exit_status_of(ret);
	return r->matrix ? check_matrix(r) : check_guest(r);
}

/* As the guest will find it: with the slots of provocations. */
static int print_machine(struct check_run *r)
{
	const int ret = provoke_guest(r);

	if (ret != EXIT_OK)
		return ret;
	return vm_print_machine(&r->cfg, stdout) < 0 ? EXIT_HOST : EXIT_OK;
}

static int check_parsed(struct check_run *r)
{
	if (r->cfg.common.help)
		help();
	else if (r->cfg.version)
		puts("doorbell " DOORBELL_VERSION);
	else if (r->cfg.print_machine)
		return print_machine(r);
	else if (r->list_rules)
		report_rules(stdout);
	else if (r->list_provocations)
		provoke_list(stdout);
	else if (r->explain)
		report_rule(rule_find(r->explain), stdout);
	else
		return check_kernel(r);
	return EXIT_OK;
}

int cmd_check(int argc, char **argv)
{
	struct check_run r = {.record_file = OUTFILE_NONE, .cells.report_fd = -1};
	const struct config_more more = {
		.command = "check", .group = {check_options, &r}, .without_kernel = without_kernel};
	int status;

	for (unsigned i = 0; i < NR_FORMATS; i++)
		r.report[i].file = OUTFILE_NONE;
	r.ignored = calloc(nr_rules, sizeof(*r.ignored));
	if (!r.ignored)
		return EXIT_HOST;
	status = config_parse_more(&r.cfg, &more, argc, argv) < 0 ? EXIT_USAGE : check_parsed(&r);
	for (unsigned i = 0; i < r.nr; i++)
		check_destroy(r.check[i]);
	for (unsigned i = 0; i < VM_MAX_NICS; i++)
		provoke_destroy(r.provoke[i]);
	for (unsigned i = 0; i < NR_FORMATS; i++)
		outfile_close(&r.report[i].file);
	outfile_close(&r.record_file);
	fd_close(&r.cells.report_fd);
	matrix_free(&r.cells);
	config_free(&r.cfg);
	free(r.ignored);
	return status;
}
