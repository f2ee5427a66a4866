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

#include "vmm/commands.h"
#include "vmm/config.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/vm.h"

/* One life of the guest; with --on-reboot restart there are several. */
struct life {
	const struct vm_config *cfg;
	struct loop *loop;
	struct console *console;
	struct vm *vm;
	struct control *control; /* NULL without --control */
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
	struct life *life = arg;

	if (life->vm)
		vm_stop(life->vm, (struct vm_end){.kind = VM_END_STOPPED});
}

static void on_signal(void *arg, unused uint32_t revents)
{
	struct life *life = arg;
	struct signalfd_siginfo info;

	if (read(life->signals.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	life->signo = (int)info.ssi_signo;
	log_info("ended by %s", strsignal(life->signo));
	stop_guest(life);
}

/* Blocked in every thread from here on; they come through the loop, where nothing is half done. */
static int watch_signals(struct life *life)
{
	/* All that would end the process otherwise, with the terminal still raw. */
	static const int ends[] = {SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGUSR1,
	                           SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU};
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		sigaddset(&mask, ends[i]);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that grew too large is an error of write() */
	life->signals = (struct loop_fd){.events = EPOLLIN, .fn = on_signal, .arg = life};
	life->signals.fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (life->signals.fd < 0)
		return -errno;
	return loop_add(life->loop, &life->signals);
}

/* Takes @json. 0 or -errno. */
static int json_line(json_t *json, FILE *out)
{
	int ret = json && json_dumpf(json, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF
	                  ? 0
	                  : -EIO;

	json_decref(json);
	return ret;
}

static int print_stats_to(const char *path, json_t *stats)
{
	FILE *out = fopen(path, "we");
	int ret;

	if (!out) {
		ret = -errno;
		json_decref(stats);
		return ret;
	}
	ret = json_line(stats, out);
	if (fclose(out) != 0 && ret == 0)
		ret = -errno;
	return ret;
}

static int print_stats(const struct life *life)
{
	const char *path = life->cfg->stats_path;
	json_t *stats = vm_stats(life->vm);
	int ret = path ? print_stats_to(path, stats) : json_line(stats, stderr);

	if (ret < 0)
		log_error("--stats%s%s: the counters could not be written: %s", path ? "=" : "",
		          path ? path : "", strerror(-ret));
	return ret;
}

static void end_life(struct life *life)
{
	control_destroy(life->control);
	vm_destroy(life->vm);
	console_destroy(life->console);
	loop_del(&life->signals);
	fd_close(&life->signals.fd);
	loop_destroy(life->loop);
}

static int begin_life(struct life *life, const struct vm_config *cfg)
{
	int ret;

	*life = (struct life){.cfg = cfg, .signals.fd = -1};
	if ((ret = loop_create(&life->loop)) < 0 || (ret = watch_signals(life)) < 0) {
		log_error("no event loop: %s", strerror(-ret));
		return ret;
	}
	if ((ret = console_create(cfg, life->loop, stop_guest, life, &life->console)) < 0)
		return ret;
	if ((ret = vm_create(cfg, life->loop, life->console, &life->vm)) < 0)
		return ret;
	if (cfg->control && (ret = control_create(cfg->control, life->loop, vm_command, life->vm,
	                                          &life->control)) < 0)
		return ret;
	return console_start(life->console);
}

/* One life. The exit status; *again when the guest asked for another one. */
static int live(const struct vm_config *cfg, bool *again)
{
	struct vm_end end = {.kind = VM_END_STOPPED};
	struct life life;
	int ret = begin_life(&life, cfg);
	int status;

	if (ret == 0)
		ret = vm_run(life.vm, &end);
	status = ret < 0 ? status_of_error(ret) : status_of_end(&end);
	if (ret == 0 && end.kind == VM_END_STOPPED && life.signo)
		status = EXIT_SIGNAL + life.signo;
	*again = ret == 0 && end.kind == VM_END_RESET && cfg->on_reboot == ON_REBOOT_RESTART;
	/* Counters are those of the last life. */
	if (ret == 0 && !*again && cfg->stats && print_stats(&life) < 0)
		status = status == EXIT_OK ? EXIT_HOST : status;
	end_life(&life);
	return status;
}

static int run_configured(struct vm_config *cfg)
{
	bool again;
	int status;

	do {
		status = live(cfg, &again);
		cfg->restarted = true;
	} while (again);
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
