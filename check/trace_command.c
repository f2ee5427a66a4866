/* SPDX-License-Identifier: Apache-2.0 */
/* check/trace_command.c - doorbell trace: what a recording has */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/trace.h"
#include "check/trace_pcap.h"
#include "check/trace_print.h"
#include "check/trace_summary.h"
#include "vmm/core/log.h"
#include "vmm/core/opt.h"
#include "vmm/core/outfile.h"
#include "vmm/outcome.h"
#include "vmm/run.h"

struct trace_run {
	bool help, json, summary;
	const char *pcap_path;
	/* What is to be seen. */
	const char *nic; /* NULL: all */
	uint64_t queue;  /* UINT64_MAX: all, and what is about none */
	uint32_t kinds;  /* bit n: enum trace_kind n */
	uint64_t from_ns, to_ns;

	const char *path;
	struct trace_reader reader;
	struct outfile pcap_file;
	struct trace_pcap pcap;
	struct trace_sum sum;
	bool unwritten; /* what is written to takes no more */
};

/* ---- options */

static int find_kind(const char *word, size_t len, uint32_t *mask)
{
	for (unsigned k = TRACE_DEVICE; k < TRACE_KINDS; k++) {
		const char *name = trace_kind_name(k);

		if (strlen(name) == len && strncmp(name, word, len) == 0) {
			*mask |= 1u << k;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_kind(void *target, const char *value, char *why, size_t size)
{
	struct trace_run *r = target;
	const char *end = value;

	for (r->kinds = 0;; value = end + 1) {
		end = strchrnul(value, ',');
		if (find_kind(value, (size_t)(end - value), &r->kinds) < 0)
			break;
		if (!*end)
			return 0;
	}
	snprintf(why, size, "allowed, separated by commas:");
	for (unsigned k = TRACE_DEVICE; k < TRACE_KINDS; k++)
		snprintf(why + strlen(why), size - strlen(why), " %s", trace_kind_name(k));
	return -EINVAL;
}

/* Seconds, as they are printed. */
static int parse_time(const char *value, uint64_t *ns, char *why, size_t size)
{
	char *end;
	const double s = strtod(value, &end);

	if (end != value && !*end && s >= 0 && s < 1e9) {
		*ns = (uint64_t)(s * 1e9);
		return 0;
	}
	snprintf(why, size, "allowed: seconds since the recording began, such as 1.25");
	return -EINVAL;
}

static int parse_from(void *target, const char *value, char *why, size_t size)
{
	return parse_time(value, &((struct trace_run *)target)->from_ns, why, size);
}

static int parse_to(void *target, const char *value, char *why, size_t size)
{
	return parse_time(value, &((struct trace_run *)target)->to_ns, why, size);
}

#define RUN(member) offsetof(struct trace_run, member)

static const struct opt_def trace_options[] = {
	{.name = "help", .letter = 'h', .type = OPT_BOOL, .offset = RUN(help), .help = "this text"},
	{.name = "nic",
         .type = OPT_STRING,
         .offset = RUN(nic),
         .arg = "NAME",
         .help = "only of that one: net0, net1, ..."},
	{.name = "queue",
         .type = OPT_UINT,
         .offset = RUN(queue),
         .max = TRACE_QUEUES - 1,
         .arg = "N",
         .help = "only what is about that virtqueue"},
	{.name = "kind",
         .type = OPT_CALL,
         .parse = parse_kind,
         .arg = "KIND[,KIND...]",
         .help = "only records of these kinds: read, write, kick, avail, used, ..."},
	{.name = "from",
         .type = OPT_CALL,
         .parse = parse_from,
         .arg = "SECONDS",
         .help = "only from that time on"},
	{.name = "to",
         .type = OPT_CALL,
         .parse = parse_to,
         .arg = "SECONDS",
         .help = "only up to that time"},
	{.name = "summary",
         .type = OPT_BOOL,
         .offset = RUN(summary),
         .help = "how many of what, by NIC and queue"},
	{.name = "json",
         .type = OPT_BOOL,
         .offset = RUN(json),
         .help = "a line of JSON for each record"},
	{.name = "pcap",
         .type = OPT_STRING,
         .offset = RUN(pcap_path),
         .arg = "FILE",
         .help = "the frames as a capture for tcpdump and Wireshark"},
	OPT_END,
};

static void help(void)
{
	puts("Usage: doorbell trace [options] FILE\n\n"
	     "Print what doorbell check --record FILE wrote; FILE - is the standard input.\n");
	opt_help(stdout, trace_options, 2, 0);
	puts("\nExit status: 0, also when the recording was cut off; 1 the host failed; 2 usage, "
	     "or "
	     "no recording.");
}

/* ---- the work */

static bool wanted(const struct trace_run *r, const struct trace_record *t)
{
	const struct trace_device *d = &r->reader.device[t->nic];

	if (r->kinds && (t->kind >= TRACE_KINDS || !(r->kinds & 1u << t->kind)))
		return false;
	if (r->queue != UINT64_MAX && t->queue != r->queue)
		return false;
	return (!r->nic || strcmp(r->nic, d->name) == 0) && t->ns >= r->from_ns &&
	       t->ns <= r->to_ns;
}

static int show(struct trace_run *r, const struct trace_record *t)
{
	const struct trace_device *d = &r->reader.device[t->nic];

	int ret = 0;

	if (r->pcap_path)
		ret = trace_pcap_add(&r->pcap, r->reader.began_ns, t);
	else if (r->summary)
		trace_sum_add(&r->sum, d, t);
	else if (r->json)
		ret = trace_print_json(stdout, d, t);
	else
		trace_print_text(stdout, d, t);
	r->unwritten = ferror(stdout) || (r->pcap_path && ret < 0);
	return r->unwritten ? -EIO : ret;
}

static int show_all(struct trace_run *r)
{
	struct trace_record t;
	int ret = 0, more = 1;

	while (ret == 0 && (more = trace_next(&r->reader, &t)) == 1)
		if (wanted(r, &t))
			ret = show(r, &t);
	if (r->summary && ret == 0)
		trace_sum_print(&r->sum, stdout);
	return more < 0 ? more : ret;
}

static int begin_pcap(struct trace_run *r)
{
	char why[256];
	FILE *out = NULL;
	int ret;

	ret = strcmp(r->pcap_path, "-") == 0 ? outfile_open_stdout(&r->pcap_file)
	                                     : outfile_open(&r->pcap_file, r->pcap_path);
	if (ret == 0 && outfile_is(&r->pcap_file, fileno(r->reader.in))) {
		log_error("--pcap %s: that is the recording", r->pcap_path);
		return EXIT_USAGE;
	}
	if (ret == 0)
		ret = outfile_begin(&r->pcap_file);
	if (ret == 0) {
		out = outfile_stream(&r->pcap_file);
		ret = out ? 0 : -errno;
	}
	snprintf(why, sizeof(why), "%s", outfile_strerror(ret));
	if (out)
		ret = trace_pcap_begin(&r->pcap, out, why, sizeof(why));
	if (ret < 0)
		log_error("--pcap %s: %s", r->pcap_path, why);
	return ret < 0 ? EXIT_USAGE : EXIT_OK;
}

static bool knows_nic(const struct trace_run *r)
{
	for (unsigned i = 0; i < TRACE_NICS; i++)
		if (strcmp(r->reader.device[i].name, r->nic) == 0)
			return true;
	return false;
}

/* What is to be said of how it ended. */
static int outcome(const struct trace_run *r, int ret)
{
	if (ret == -EPROTO) {
		log_error("%s: %s", r->path, r->reader.why);
		return EXIT_USAGE;
	}
	if (r->unwritten) /* trace_stream() says so, or main() */
		return EXIT_OK;
	if (ret < 0) {
		log_error("%s: %s", r->path, strerror(-ret));
		return exit_status_of(ret);
	}
	if (r->nic && !knows_nic(r)) {
		log_error("--nic %s: the recording has none of that name", r->nic);
		return EXIT_USAGE;
	}
	if (!r->reader.ended)
		log_warn("%s: the recording was cut off%s", r->path,
		         r->reader.cut ? " within a record" : "");
	return EXIT_OK;
}

static int trace_stream(struct trace_run *r, FILE *in)
{
	int status = EXIT_OK, ret = trace_open(&r->reader, in);

	if (ret == 0 && r->pcap_path)
		status = begin_pcap(r);
	if (ret == 0 && status == EXIT_OK)
		ret = show_all(r);
	if (status == EXIT_OK)
		status = outcome(r, ret);
	ret = trace_pcap_end(&r->pcap);
	if (ret < 0 && status == EXIT_OK) {
		log_error("--pcap %s: it could not be written", r->pcap_path);
		status = EXIT_HOST;
	}
	trace_close(&r->reader);
	return status;
}

static int trace_file(struct trace_run *r)
{
	const bool is_stdin = strcmp(r->path, "-") == 0;
	FILE *in = is_stdin ? stdin : fopen(r->path, "rbe");
	int status;

	if (!in) {
		log_error("%s: %s", r->path, strerror(errno));
		return EXIT_USAGE;
	}
	status = trace_stream(r, in);
	if (!is_stdin)
		fclose(in);
	outfile_close(&r->pcap_file);
	return status;
}

int cmd_trace(int argc, char **argv)
{
	struct trace_run *r = calloc(1, sizeof(*r));
	const struct opt_group group = {trace_options, r};
	int status = EXIT_USAGE, words;

	if (!r)
		return EXIT_HOST;
	r->queue = r->to_ns = UINT64_MAX;
	r->pcap_file = OUTFILE_NONE;
	words = opt_parse_argv(&group, 1, argc, argv);
	if (words >= 0 && r->help) {
		help();
		status = EXIT_OK;
	} else if (words > 1) {
		log_error("one recording is enough: '%s' and '%s' were given", argv[0], argv[1]);
	} else if (words == 0) {
		log_error("no recording given: doorbell trace [options] FILE");
	} else if (words == 1 && r->json + r->summary + (r->pcap_path != NULL) > 1) {
		log_error("--json, --summary and --pcap exclude each other");
	} else if (words == 1) {
		r->path = argv[0];
		status = trace_file(r);
	}
	free(r);
	return status;
}
