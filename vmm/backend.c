/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/backend.c - doorbell backend: NICs for front ends of vhost-user, from the command line to the end */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/pair.h"
#include "vmm/backend_config.h"
#include "vmm/commands.h"
#include "vmm/control.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/tasks.h"
#include "vmm/nic.h"
#include "vmm/outcome.h"
#include "vmm/run.h"
#include "vmm/sigbus.h"
#include "vmm/signals.h"
#include "vmm/stats.h"
#include "vmm/vhost_server.h"

struct port {
	struct nic nic;
	struct vhost_server *server;
};

struct backend {
	const struct backend_config *cfg;
	struct loop *loop; /* control and signals; each NIC has its own */
	struct port port[BACKEND_NICS_MAX];
	struct net_pairs pairs;  /* of these that are joined */
	struct control *control; /* NULL without --control */
	struct outfile stats;    /* --stats=FILE */
	struct signals signals;
	struct loop_timer timeout;
	bool timed_out;
	uint64_t started_ns, ended_ns; /* CLOCK_MONOTONIC; 0 = not yet */
};

/* ---- what it tells */

static json_t *status_of(struct backend *b)
{
	json_t *nics = json_array();

	for (unsigned i = 0; i < b->cfg->nr; i++) {
		json_t *o = nic_status(&b->port[i].nic);

		if (o)
			vhost_server_describe(b->port[i].server, o);
		json_array_append_new(nics, o);
	}
	return json_pack("{s:s, s:i, s:s, s:o}", "doorbell", DOORBELL_VERSION, "pid", (int)getpid(),
	                 "state", "running", "nics", nics);
}

static json_t *tasks_of(const struct backend *b)
{
	json_t *all = stats_of_tasks(false);

	for (unsigned i = 0; i < b->cfg->nr; i++)
		nic_add_ended_tasks(&b->port[i].nic, all);
	return all;
}

static json_t *stats_of(const struct backend *b)
{
	const uint64_t end = b->ended_ns ? b->ended_ns : loop_now_ns();
	json_t *nics = json_array();

	for (unsigned i = 0; i < b->cfg->nr; i++)
		json_array_append_new(nics, stats_of_nic(&b->port[i].nic));
	return json_pack("{s:s, s:f, s:o, s:o}", "doorbell", DOORBELL_VERSION, "seconds",
	                 (double)(end - b->started_ns) / 1e9, "nics", nics, "threads", tasks_of(b));
}

/* ---- what it is told */

static int do_status(struct request *r)
{
	return command_answer(r, status_of(r->target));
}

static int do_stats(struct request *r)
{
	return command_answer(r, stats_of(r->target));
}

static void stop(void *arg)
{
	const struct backend *b = arg;

	loop_stop(b->loop);
}

static int do_stop(struct request *r)
{
	stop(r->target);
	return 0;
}

static struct nic *nic_of(void *target, const char *name)
{
	struct backend *b = target;

	for (unsigned i = 0; i < b->cfg->nr; i++)
		if (strcmp(b->cfg->nic[i].name, name) == 0)
			return &b->port[i].nic;
	return NULL;
}

static int on_command(void *arg, const json_t *request, json_t **result, char *why, size_t why_size)
{
	static const struct command commands[] = {
		{"status", false, false, do_status}, {"stats", false, false, do_stats},
		{"stop", false, false, do_stop},     {"link", true, true, command_link},
		{"pcap", true, true, command_pcap},
	};
	static const struct command_set set = {commands, ARRAY_SIZE(commands), nic_of};

	return command_run(&set, arg, request, result, why, why_size);
}

static void on_timeout(void *arg)
{
	struct backend *b = arg;

	log_error("ended after --timeout %llu", (unsigned long long)b->cfg->common.timeout_s);
	b->timed_out = true;
	loop_stop(b->loop);
}

/* ---- life */

static int open_port(struct backend *b, unsigned i)
{
	struct port *p = &b->port[i];
	const struct nic_config *cfg = &b->cfg->nic[i];
	int ret = nic_open(&p->nic, cfg, b->cfg->common.deadline_ns, &b->pairs);

	if (ret < 0)
		return ret;
	if (p->nic.rings) {
		log_error("--net %s: path=%s: a backend serves the rings itself, so path is pure",
		          cfg->kind->name, p->nic.backend->ring->name);
		return -EINVAL;
	}
	return 0;
}

static int begin(struct backend *b)
{
	int ret = loop_create(&b->loop);

	if (ret < 0) {
		log_error("no event loop: %s", strerror(-ret));
		return ret;
	}
	if ((ret = outcome_open(&b->stats, "--stats", b->cfg->common.stats_path,
	                        b->cfg->common.deadline_ns)) < 0)
		return ret;
	for (unsigned i = 0; i < b->cfg->nr; i++)
		if ((ret = open_port(b, i)) < 0)
			return ret;
	if ((ret = net_pairs_check(&b->pairs)) < 0)
		return ret;
	for (unsigned i = 0; i < b->cfg->nr; i++) {
		struct port *p = &b->port[i];

		ret = vhost_server_create(b->cfg->socket[i], &p->nic, &p->server);
		if (ret < 0)
			return ret;
	}
	sigbus_survive();
	if ((ret = signals_begin(&b->signals, b->loop, stop, b)) < 0)
		return ret;
	if (b->cfg->common.control)
		ret = control_create(b->cfg->common.control, b->loop, on_command, b, &b->control);
	return ret;
}

static int serve(struct backend *b)
{
	int ret = 0;

	b->started_ns = loop_now_ns();
	if (b->cfg->common.deadline_ns)
		ret = loop_timer_at(b->loop, &b->timeout, b->cfg->common.deadline_ns);
	for (unsigned i = 0; i < b->cfg->nr && ret == 0; i++)
		ret = nic_start(&b->port[i].nic);
	if (ret == 0)
		ret = loop_run(b->loop);
	if (ret < 0)
		log_error("the backend cannot run: %s", strerror(-ret));
	for (unsigned i = 0; i < b->cfg->nr; i++)
		nic_stop(&b->port[i].nic);
	b->ended_ns = loop_now_ns();
	return ret;
}

static void end(struct backend *b)
{
	control_destroy(b->control);
	for (unsigned i = 0; i < b->cfg->nr; i++) {
		vhost_server_destroy(b->port[i].server);
		nic_close(&b->port[i].nic);
	}
	outfile_close(&b->stats);
	loop_timer_off(&b->timeout);
	signals_end(&b->signals);
	loop_destroy(b->loop);
	free(b);
}

static int run_configured(const struct backend_config *cfg)
{
	struct backend *b = calloc(1, sizeof(*b));
	int ret, status;

	if (!b) {
		log_error("out of memory");
		return EXIT_HOST;
	}
	b->cfg = cfg;
	b->signals = (struct signals)SIGNALS_NONE;
	b->stats = OUTFILE_NONE;
	b->timeout = (struct loop_timer){.fn = on_timeout, .arg = b};
	ret = begin(b);
	if (ret == 0)
		ret = serve(b);
	status = ret < 0 ? exit_status_of(ret) : EXIT_OK;
	if (ret == 0 && b->timed_out)
		status = EXIT_TIMEOUT;
	else if (ret == 0 && b->signals.signo)
		status = EXIT_SIGNAL + b->signals.signo;
	if (ret == 0 && cfg->common.stats &&
	    outcome_stats(stats_of(b), cfg->common.stats_path, &b->stats) < 0)
		status = status == EXIT_OK ? EXIT_HOST : status;
	end(b);
	return status;
}

int cmd_backend(int argc, char **argv)
{
	struct backend_config cfg;
	int status = EXIT_OK;

	if (backend_config_parse(&cfg, argc, argv) < 0) {
		status = EXIT_USAGE;
	} else if (cfg.common.help) {
		backend_config_help(stdout);
	} else {
		common_config_begin(&cfg.common);
		status = run_configured(&cfg);
	}
	backend_config_free(&cfg);
	return status;
}
