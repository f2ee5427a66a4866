/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/run.c - doorbell run: one guest, from the command line to its end */
#include "vmm/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vmm/audit_run.h"
#include "vmm/commands.h"
#include "vmm/config.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/outfile.h"
#include "vmm/json_file.h"
#include "vmm/vm.h"

/* What there is as long as the process, over all lives of the guest. */
struct run {
	const struct vm_config *cfg;
	struct loop *loop;
	struct console *console;
	struct vm *vm;
	struct control *control; /* NULL without --control */
	struct outfile stats;    /* --stats=FILE */
	struct outfile report;   /* --audit=FILE */
	struct audit_run *audit; /* of this life; NULL without --audit */
	struct loop_fd signals;
	int signo; /* the signal that ended it, or 0 */
};

/*
 * Errors that the user's words can cause, for exit status 2. What is left is the host's fault. The
 * message has been printed where the name was known.
 */
static int status_of_error(int err)
{
	static const int users[] = {EINVAL, ENOENT, E2BIG,   EISDIR,       ENOEXEC, ENODATA,
	                            EEXIST, EFBIG,  ENOTDIR, ENAMETOOLONG, EBADF,   EADDRNOTAVAIL};

	if (err == -ETIMEDOUT) /* --timeout, before there was a guest */
		return EXIT_TIMEOUT;
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		if (err == -users[i])
			return EXIT_USAGE;
	return EXIT_HOST;
}

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

static void on_signal(void *arg, unused uint32_t revents)
{
	struct run *r = arg;
	struct signalfd_siginfo info;

	if (read(r->signals.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	r->signo = (int)info.ssi_signo;
	log_info("ended by %s", strsignal(r->signo));
	stop_guest(r);
}

/*
 * Blocked in every thread from here on, and there is only this one yet; they come through the loop, where nothing
 * is half done.
 */
static int watch_signals(struct run *r)
{
	/* All that would end the process otherwise, with the terminal still raw. */
	static const int ends[] = {SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGUSR1,
	                           SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU};
	struct sigaction was;
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		/* A signalfd would take what nohup(1), or a shell for its background, has switched off. */
		if (sigaction(ends[i], NULL, &was) < 0 || was.sa_handler != SIG_IGN)
			sigaddset(&mask, ends[i]);
	}
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that grew too large is an error of write() */
	r->signals = (struct loop_fd){.events = EPOLLIN, .fn = on_signal, .arg = r};
	r->signals.fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (r->signals.fd < 0)
		return -errno;
	return loop_add(r->loop, &r->signals);
}

static int print_stats(struct run *r)
{
	const char *path = r->cfg->stats_path;
	json_t *stats = vm_stats(r->vm);
	int ret = path ? json_file(stats, &r->stats) : json_print(stats, stderr);

	json_decref(stats);
	if (ret < 0)
		log_error("--stats%s%s: the counters could not be written: %s", path ? "=" : "",
		          path ? path : "", strerror(-ret));
	return ret;
}

static int print_audit(struct run *r)
{
	const char *path = r->cfg->audit_path;
	int ret = audit_run_report(r->audit, r->vm, path ? &r->report : NULL);

	if (ret < 0)
		log_error("--audit%s%s: the report could not be written: %s", path ? "=" : "",
		          path ? path : "", strerror(-ret));
	return ret;
}

/* What was asked for, about the last life. 0 or -errno. */
static int say_numbers(struct run *r)
{
	int audit = r->cfg->audit ? print_audit(r) : 0;
	int stats = r->cfg->stats ? print_stats(r) : 0;

	return audit < 0 ? audit : stats;
}

static int open_output(struct outfile *f, const char *option, const char *path)
{
	int ret = path ? outfile_open(f, path, 0) : 0;

	if (ret < 0)
		log_error("%s=%s: %s", option, path, strerror(-ret));
	return ret;
}

static void end(struct run *r)
{
	control_destroy(r->control);
	vm_destroy(r->vm);
	console_destroy(r->console);
	audit_run_end(r->audit);
	outfile_close(&r->stats);
	outfile_close(&r->report);
	loop_del(&r->signals);
	fd_close(&r->signals.fd);
	loop_destroy(r->loop);
}

static int begin(struct run *r, const struct vm_config *cfg)
{
	int ret;

	*r = (struct run){
		.cfg = cfg, .signals.fd = -1, .stats = OUTFILE_NONE, .report = OUTFILE_NONE};
	if ((ret = loop_create(&r->loop)) < 0) {
		log_error("no event loop: %s", strerror(-ret));
		return ret;
	}
	if ((ret = console_create(cfg, r->loop, stop_guest, r, &r->console)) < 0)
		return ret;
	if ((ret = open_output(&r->stats, "--stats", cfg->stats_path)) < 0 ||
	    (ret = open_output(&r->report, "--audit", cfg->audit_path)) < 0)
		return ret;
	if ((ret = vm_create(cfg, r->loop, r->console, &r->vm)) < 0)
		return ret;
	/* Not before: opening may wait, for the reader of a FIFO, and Ctrl-C has to end that. */
	if ((ret = watch_signals(r)) < 0) {
		log_error("no event loop: %s", strerror(-ret));
		return ret;
	}
	if (cfg->control &&
	    (ret = control_create(cfg->control, r->loop, vm_command, r->vm, &r->control)) < 0)
		return ret;
	return console_start(r->console);
}

static int live_once(struct run *r, struct vm_end *end)
{
	audit_run_end(r->audit);
	r->audit = r->cfg->audit ? audit_run_begin(r->vm) : NULL;
	return vm_run(r->vm, end);
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

static int run_configured(const struct vm_config *cfg)
{
	struct vm_end how = {.kind = VM_END_STOPPED};
	struct run r;
	int ret = begin(&r, cfg);
	int status;

	if (ret == 0)
		ret = live(&r, &how);
	status = ret < 0 ? status_of_error(ret) : status_of_end(&how);
	if (ret == 0 && how.kind == VM_END_STOPPED && r.signo)
		status = EXIT_SIGNAL + r.signo;
	if (ret == 0 && say_numbers(&r) < 0)
		status = status == EXIT_OK ? EXIT_HOST : status;
	end(&r);
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct vm_config cfg;
	int status = EXIT_OK;

	if (config_parse(&cfg, argc, argv) < 0) {
		status = EXIT_USAGE;
	} else if (cfg.help) {
		config_help(stdout);
	} else if (cfg.version) {
		puts("doorbell " DOORBELL_VERSION);
	} else if (cfg.print_machine) {
		if (vm_print_machine(&cfg, stdout) < 0)
			status = EXIT_HOST;
	} else {
		log_set_level(cfg.quiet          ? LOG_ERROR
		              : cfg.verbose == 0 ? LOG_WARN
		              : cfg.verbose == 1 ? LOG_INFO
		                                 : LOG_DEBUG);
		if (cfg.timeout_s)
			cfg.deadline_ns = loop_now_ns() + cfg.timeout_s * 1000000000u;
		status = run_configured(&cfg);
	}
	config_free(&cfg);
	return status;
}
