/* SPDX-License-Identifier: Apache-2.0 */
#include "check/matrix.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check/pairwise.h"
#include "devices/virtio_net.h"
#include "vmm/config.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/run.h"

/* ---- what there is to combine */

enum key { FEATURES, TRANSPORT, QUEUE_SIZE, QUEUES };

struct level {
	const char *name;
	const char *features; /* behind "default" */
	unsigned value;       /* of the other keys */
};

enum factor_nr {
	VERSION,
	RING,
	EVENT_IDX,
	INDIRECT,
	MRG_RXBUF,
	OFFLOADS,
	CTRL_VQ,
	ORDER,
	HASH,
	SIZE,
	PAIRS
};

/* The first level is what a NIC has when nothing is said. */
static const struct factor {
	const char *name;
	enum key key;
	struct level level[3];
} factors[] = {
	[VERSION] = {"version", TRANSPORT, {{"2", "", NIC_MMIO}, {"1", "", NIC_MMIO_LEGACY}}},
	[RING] = {"ring", FEATURES, {{"split", "", 0}, {"packed", "+packed", 0}}},
	[EVENT_IDX] = {"event_idx", FEATURES, {{"yes", "", 0}, {"no", "-event_idx", 0}}},
	[INDIRECT] = {"indirect", FEATURES, {{"yes", "", 0}, {"no", "-indirect_desc", 0}}},
	[MRG_RXBUF] = {"mrg_rxbuf", FEATURES, {{"yes", "", 0}, {"no", "-mrg_rxbuf", 0}}},
	[OFFLOADS] = {"offloads", FEATURES, {{"yes", "", 0}, {"no", "-csum-guest_csum", 0}}},
	[CTRL_VQ] = {"ctrl_vq", FEATURES, {{"yes", "", 0}, {"no", "-ctrl_vq", 0}}},
	[ORDER] = {"in_order", FEATURES, {{"no", "", 0}, {"yes", "+in_order", 0}}},
	[HASH] = {"hash", FEATURES, {{"no", "", 0}, {"yes", "+hash_report", 0}}},
	[SIZE] = {"size", QUEUE_SIZE, {{"256", "", 256}, {"32", "", 32}, {"1024", "", 1024}}},
	[PAIRS] = {"pairs", QUEUES, {{"1", "", 1}, {"2", "", 2}}},
};

/* Features that version 1 has no bits for; what needs the control queue. */
static const struct pairwise_never nevers[] = {
	{VERSION, 1, RING, 1}, {VERSION, 1, ORDER, 1}, {VERSION, 1, HASH, 1},
	{CTRL_VQ, 1, HASH, 1}, {CTRL_VQ, 1, PAIRS, 1},
};

_Static_assert(ARRAY_SIZE(factors) <= PAIRWISE_FACTORS, "there is room for all");

void matrix_model(struct pairwise *p, bool one_pair)
{
	*p = (struct pairwise){
		.nr = ARRAY_SIZE(factors), .never = nevers, .nr_never = ARRAY_SIZE(nevers)};
	for (unsigned f = 0; f < p->nr; f++)
		while (p->level[f] < ARRAY_SIZE(factors[f].level) &&
		       factors[f].level[p->level[f]].name)
			p->level[f]++;
	if (one_pair)
		p->level[PAIRS] = 1;
}

/* ---- one cell */

static const struct level *level_of(const struct pairwise *p, unsigned cell, unsigned f)
{
	return &factors[f].level[pairwise_level(p, cell, f)];
}

static void features_of(const struct pairwise *p, unsigned cell, char *text, size_t size)
{
	size_t len = (size_t)snprintf(text, size, "default");

	for (unsigned f = 0; f < p->nr && len < size; f++)
		len += (size_t)snprintf(text + len, size - len, "%s",
		                        level_of(p, cell, f)->features);
}

static int set_nic(struct nic_config *nic, const struct pairwise *p, unsigned cell)
{
	char features[128];

	features_of(p, cell, features, sizeof(features));
	nic->features = strdup(features);
	if (!nic->features)
		return -ENOMEM;
	nic->transport = level_of(p, cell, VERSION)->value;
	nic->queue_size = level_of(p, cell, SIZE)->value;
	return nic_config_set_queues(nic, level_of(p, cell, PAIRS)->value);
}

static json_t *describe(const struct pairwise *p, unsigned cell, unsigned number)
{
	json_t *o = json_pack("{s:i}", "cell", (int)number);
	char features[128];

	features_of(p, cell, features, sizeof(features));
	for (unsigned f = 0; f < p->nr; f++)
		json_object_set_new(o, factors[f].name, json_string(level_of(p, cell, f)->name));
	json_object_set_new(o, "keys",
	                    json_sprintf("transport=%s,features=%s,queue-size=%s,queues=%s",
	                                 config_transport_name(level_of(p, cell, VERSION)->value),
	                                 features, level_of(p, cell, SIZE)->name,
	                                 level_of(p, cell, PAIRS)->name));
	return o;
}

/* ---- processes */

#define SAID_MAX MIB(4) /* of a cell: more is thrown away */
#define LOG_NAME "doorbell: "
#define END_NS   UINT64_C(5000000000)

/* What comes out of one end of a pipe. */
struct stream {
	int fd; /* -1: it has ended */
	char *text;
	size_t len;
};

struct slot {
	pid_t pid; /* 0: free */
	unsigned cell;
	struct stream report, log;
};

struct work {
	struct matrix *m;
	struct pairwise p;
	unsigned *cell, nr, next, done;
	struct slot *slot;
	struct pollfd *poll; /* two of each slot, and the signals */
	unsigned nr_slots;
	int signals, worst, signo;
	bool refused; /* the first cell, which has nothing special: so would be all others */
	sigset_t before;
	uint64_t began_ns;
	char shown[80]; /* of the progress */
};

static void stream_clear(struct stream *st)
{
	fd_close(&st->fd);
	free(st->text);
	st->text = NULL;
	st->len = 0;
}

static void slot_clear(struct slot *s)
{
	s->pid = 0;
	stream_clear(&s->report);
	stream_clear(&s->log);
}

static struct slot *new_slots(unsigned nr)
{
	struct slot *s = calloc(nr, sizeof(*s));

	for (unsigned i = 0; s && i < nr; i++)
		s[i].report.fd = s[i].log.fd = -1;
	return s;
}

/* In the process of a cell: what is its own, and nothing of the others. */
static int enter(struct work *w, unsigned cell, int report_fd, int log_fd, pid_t parent)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct matrix *m = w->m;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it is gone already */
		raise(SIGKILL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(log_fd, STDERR_FILENO) < 0)
		return -errno;
	close(null);
	pthread_sigmask(SIG_SETMASK, &w->before, NULL);
	m->cfg->console = CONSOLE_NONE;
	for (unsigned i = 0; i < m->cfg->nr_nics; i++) {
		const int ret = set_nic(&m->cfg->nic[i], &w->p, cell);

		if (ret < 0)
			return ret;
	}
	m->report_fd = report_fd;
	return 0;
}

/* 0; -errno, logged; or MATRIX_IN_CELL, in the other process. */
static int start(struct work *w, struct slot *s, unsigned at)
{
	int report[2] = {-1, -1}, log[2] = {-1, -1}, ret = 0;
	const pid_t parent = getpid();

	if (pipe2(report, O_CLOEXEC) < 0 || pipe2(log, O_CLOEXEC) < 0)
		ret = -errno;
	fflush(NULL); /* what is in buffers belongs to us */
	s->pid = ret == 0 ? fork() : -1;
	if (s->pid == 0) {
		fd_close(&report[0]);
		fd_close(&log[0]);
		ret = enter(w, w->cell[at], report[1], log[1], parent);
		fd_close(&log[1]);
		if (ret < 0)
			log_error("this cell cannot begin: %s", strerror(-ret));
		return MATRIX_IN_CELL;
	}
	if (s->pid < 0 && ret == 0)
		ret = -errno;
	fd_close(&report[1]);
	fd_close(&log[1]);
	s->cell = at;
	s->report.fd = report[0];
	s->log.fd = log[0];
	if (ret == 0)
		return 0;
	log_error("--matrix: no process for a cell: %s", strerror(-ret));
	slot_clear(s);
	return ret;
}

static void stream_read(struct stream *st)
{
	char buf[4096], *more;
	const ssize_t n = read(st->fd, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		fd_close(&st->fd);
		return;
	}
	if (st->len + (size_t)n > SAID_MAX)
		return;
	more = realloc(st->text, st->len + (size_t)n + 1);
	if (!more)
		return;
	memcpy(more + st->len, buf, (size_t)n);
	st->text = more;
	st->len += (size_t)n;
	st->text[st->len] = '\0';
}

/* The last line, which is cut out of @text. */
static const char *last_line(char *text)
{
	size_t len = text ? strlen(text) : 0;
	const char *from;

	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	from = len > 0 ? strrchr(text, '\n') : NULL;
	from = from ? from + 1 : len > 0 ? text : "";
	return strncmp(from, LOG_NAME, strlen(LOG_NAME)) == 0 ? from + strlen(LOG_NAME) : from;
}

/* Its pipes have ended: so has the process, or it is about to. */
static void finish(struct work *w, struct slot *s)
{
	json_t *o = json_array_get(w->m->cells, s->cell), *report;
	int how, status = EXIT_HOST;
	char text[256];

	while (waitpid(s->pid, &how, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(how))
		status = WEXITSTATUS(how);
	else if (WIFSIGNALED(how))
		status = EXIT_SIGNAL + WTERMSIG(how);
	report = s->report.text ? json_loads(s->report.text, 0, NULL) : NULL;
	if (status == EXIT_NO_DRIVER && pairwise_level(&w->p, w->cell[s->cell], VERSION) == 1 &&
	    matrix_left_alone(report))
		status = EXIT_OK;
	matrix_verdict(text, sizeof(text), status, report, w->m->ignored, last_line(s->log.text));
	if (s->cell == 0 && status == EXIT_USAGE && !report) {
		log_error("%s", text);
		w->refused = true;
	}
	json_object_set_new(o, "status", json_integer(status));
	json_object_set_new(o, "result", json_string(text));
	if (report)
		json_object_set_new(o, "report", report);
	if (matrix_worse(status, w->worst))
		w->worst = status;
	w->done++;
	slot_clear(s);
}

/* One line, which is written again when it says something else. */
static void show_progress(struct work *w)
{
	const uint64_t ns = loop_now_ns() - w->began_ns;
	char text[sizeof(w->shown)], left[32] = "";

	if (w->done && w->done < w->nr)
		snprintf(left, sizeof(left), ", about %llu s left",
		         (unsigned long long)(ns / w->done * (w->nr - w->done) / 1000000000u));
	snprintf(text, sizeof(text), "%u of %u cells done%s", w->done, w->nr, left);
	if (!w->m->progress || strcmp(text, w->shown) == 0)
		return;
	memcpy(w->shown, text, sizeof(text));
	fprintf(stderr, "\r%s\033[K", text);
}

/* Waits for something to happen, @wait_ms at most. False: nothing runs. */
static bool attend(struct work *w, int wait_ms)
{
	bool any = false;

	w->poll[0] = (struct pollfd){.fd = w->signo ? -1 : w->signals, .events = POLLIN};
	for (unsigned i = 0; i < w->nr_slots; i++) {
		w->poll[1 + 2 * i] = (struct pollfd){w->slot[i].report.fd, POLLIN, 0};
		w->poll[2 + 2 * i] = (struct pollfd){w->slot[i].log.fd, POLLIN, 0};
		any |= w->slot[i].pid != 0;
	}
	if (!any || poll(w->poll, 1 + 2 * w->nr_slots, wait_ms) <= 0)
		return any;
	if (w->poll[0].revents) {
		struct signalfd_siginfo info;

		if (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			w->signo = (int)info.ssi_signo;
	}
	for (unsigned i = 0; i < w->nr_slots; i++) {
		struct slot *s = &w->slot[i];

		if (w->poll[1 + 2 * i].revents)
			stream_read(&s->report);
		if (w->poll[2 + 2 * i].revents)
			stream_read(&s->log);
		if (s->pid && s->report.fd < 0 && s->log.fd < 0)
			finish(w, s);
	}
	return true;
}

static void signal_all(const struct work *w, int signo)
{
	for (unsigned i = 0; i < w->nr_slots; i++)
		if (w->slot[i].pid)
			kill(w->slot[i].pid, signo);
}

/* They end by themselves, and leave nothing behind, or else are ended. */
static void end_all(struct work *w)
{
	const uint64_t by = loop_now_ns() + END_NS;
	struct signalfd_siginfo info;

	signal_all(w, SIGTERM);
	while (attend(w, 100))
		if (loop_now_ns() > by)
			signal_all(w, SIGKILL);
	/* Who says it twice, as timeout(1) does, means no other end: what has been found is reported. */
	while (w->signo && read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		continue;
}

/* All cells. 0; -errno, logged; or MATRIX_IN_CELL. */
static int run_cells(struct work *w)
{
	do {
		for (unsigned i = 0; i < w->nr_slots && w->next < w->nr; i++) {
			int ret;

			if (w->slot[i].pid)
				continue;
			ret = start(w, &w->slot[i], w->next++);
			if (ret != 0)
				return ret;
		}
		show_progress(w);
		attend(w, w->m->progress ? 1000 : -1);
	} while (w->done < w->nr && !w->signo && !w->refused);
	if (w->m->progress)
		fputs("\r\033[K", stderr);
	return 0;
}

/* ---- how many at once */

static uint64_t usual_jobs(const struct vm_config *cfg)
{
	uint64_t jobs = 1, fit = 1;
	struct sysinfo info;
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		jobs = (uint64_t)CPU_COUNT(&cpus) / cfg->nr_cpus;
	/* Half of the memory: a guest touches little of its own, and there are others. */
	if (sysinfo(&info) == 0)
		fit = (uint64_t)info.totalram * info.mem_unit / 2 / cfg->ram_bytes;
	jobs = jobs < fit ? jobs : fit;
	return jobs > 0 ? jobs : 1;
}

/* A key of its kind that only one of two NICs can have; NULL: it has none. */
static const char *alone(const struct nic_config *nic)
{
	char value[256];
	const struct opt_def *d =
		opt_clash(nic->kind->keys, nic->backend, nic->backend, value, sizeof(value));

	return d ? d->name : NULL;
}

static bool chosen_already(const struct nic_config *nic)
{
	return nic->features || nic->queues != 1 || nic->transport != NIC_MMIO ||
	       nic->queue_size != VIRTIO_NET_QUEUE_SIZE_DEFAULT;
}

int matrix_check(const struct matrix *m)
{
	const struct vm_config *cfg = m->cfg;
	const char *files = cfg->common.control            ? "--control"
	                    : cfg->common.stats            ? "--stats"
	                    : cfg->audit                   ? "--audit"
	                    : cfg->console == CONSOLE_FILE ? "--console file="
	                                                   : NULL;

	for (unsigned i = 0; i < cfg->nr_nics; i++) {
		const struct nic_config *nic = &cfg->nic[i];
		const char *key = alone(nic);

		if (chosen_already(nic)) {
			log_error("--net %s: with --matrix the keys features=, transport=, queues= "
			          "and queue-size= are chosen for you",
			          nic->kind->name);
			return -EINVAL;
		}
		if (nic->pcap)
			files = "pcap=";
		if (key && m->jobs > 1) {
			log_error("--jobs %u: %s= of --net %s can be used by one cell at a time",
			          (unsigned)m->jobs, key, nic->kind->name);
			return -EINVAL;
		}
	}
	if (!files)
		return 0;
	log_error("--matrix and %s exclude each other: every cell would have it", files);
	return -EINVAL;
}

/* ---- all of it */

static int prepare(struct work *w)
{
	const struct vm_config *cfg = w->m->cfg;
	uint64_t jobs = w->m->jobs ? w->m->jobs : usual_jobs(cfg);
	bool one_pair = false;
	sigset_t mask;

	for (unsigned i = 0; i < cfg->nr_nics; i++) {
		one_pair |= cfg->nic[i].kind->one_queue != NULL;
		if (alone(&cfg->nic[i]))
			jobs = 1;
	}
	matrix_model(&w->p, one_pair);
	w->cell = pairwise_choose(&w->p, w->m->full, &w->nr);
	w->nr_slots = (unsigned)(jobs < w->nr ? jobs : w->nr);
	w->slot = new_slots(w->nr_slots);
	w->poll = calloc(1 + 2 * (size_t)w->nr_slots, sizeof(*w->poll));
	w->m->cells = json_array();
	if (!w->cell || !w->slot || !w->poll || !w->m->cells)
		return -ENOMEM;
	for (unsigned i = 0; i < w->nr; i++)
		json_array_append_new(w->m->cells, describe(&w->p, w->cell[i], i + 1));
	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGQUIT);
	pthread_sigmask(SIG_BLOCK, &mask, &w->before);
	w->signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	return w->signals < 0 ? -errno : 0;
}

int matrix_run(struct matrix *m)
{
	struct work w = {.m = m, .signals = -1, .began_ns = loop_now_ns()};
	int ret = prepare(&w);

	if (ret < 0)
		log_error("--matrix: %s", strerror(-ret));
	else
		ret = run_cells(&w);
	if (ret != MATRIX_IN_CELL) {
		end_all(&w);
		pthread_sigmask(SIG_SETMASK, &w.before, NULL);
	}
	for (unsigned i = 0; w.slot && i < w.nr_slots; i++)
		slot_clear(&w.slot[i]);
	fd_close(&w.signals);
	free(w.slot);
	free(w.poll);
	free(w.cell);
	if (ret == MATRIX_IN_CELL)
		return ret;
	if (w.refused)
		return MATRIX_REFUSED;
	if (w.signo)
		return EXIT_SIGNAL + w.signo;
	return ret < 0 ? EXIT_HOST : w.worst;
}

void matrix_free(struct matrix *m)
{
	json_decref(m->cells);
	m->cells = NULL;
}
