/* SPDX-License-Identifier: Apache-2.0 */
/* doorbell ctl: one request to a running doorbell, its answer on standard output */
#include "vmm/ctl.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/opt.h"
#include "vmm/json_file.h"
#include "vmm/run.h"

#define ANSWER_FIRST KIB(64) /* bytes, doubled up to */
#define ANSWER_MAX   MIB(16)
#define GRACE_MS     1000

static void help(void)
{
	puts("Usage: doorbell ctl SOCKET COMMAND\n"
	     "       doorbell ctl SOCKET NIC KEY=VALUE\n"
	     "       doorbell ctl SOCKET -\n\n"
	     "Speak to the doorbell that was started with --control SOCKET.\n\n"
	     "  status         what it is doing, its NICs and their links, as JSON\n"
	     "  stats          counters, as JSON\n"
	     "  pause          no guest CPU executes anything until resume\n"
	     "  resume         go on\n"
	     "  stop           end the guest\n"
	     "  audit [--packets N] [--seconds S] [--json]\n"
	     "                 what each frame costs from now on, against what it should\n"
	     "  NIC link=up|down\n"
	     "                 plug or unplug the cable of net0, net1, ...\n"
	     "  NIC path=pure|vhost\n"
	     "                 who serves its rings from now on: doorbell or the kernel's "
	     "vhost-net\n"
	     "  NIC pcap=FILE|off\n"
	     "                 capture its frames from now on, or no more\n"
	     "  -              requests from standard input, a line of JSON each; an answer line "
	     "each\n\n"
	     "Exit status: 0 done, 1 refused or nobody there, 2 usage.");
}

int ctl_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, ret;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		log_error("%s: the path is too long", path);
		return -ENAMETOOLONG;
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		ret = -errno;
		log_error("%s: no doorbell listens there: %s", path, strerror(-ret));
		fd_close(&fd);
		return ret;
	}
	return fd;
}

/* The request that the words mean; NULL: none, or not UTF-8. */
static json_t *request_of(int nr, char **words)
{
	char *eq = nr == 2 ? strchr(words[1], '=') : NULL;

	if (nr == 1)
		return json_pack("{s:s}", "command", words[0]);
	if (!eq)
		return NULL;
	*eq = '\0';
	return json_pack("{s:s, s:s, s:s}", "command", words[1], "nic", words[0], "value", eq + 1);
}

static int send_line(int fd, const json_t *request)
{
	char line[4096];
	size_t len = json_dumpb(request, line, sizeof(line) - 1, JSON_COMPACT);

	if (len == 0 || len >= sizeof(line))
		return -E2BIG;
	line[len] = '\n';
	return fd_write_all(fd, line, len + 1);
}

/* Something to read. As in ctl_request(). */
static bool wait_for(int fd, int quit)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = quit, .events = POLLIN}};
	int n = poll(p, 2, -1);

	if (n > 0 && !p[0].revents)
		n = poll(p, 1, GRACE_MS);
	return n > 0;
}

/* One line; NULL when the other side ended before. */
static char *read_line(int fd, int quit, size_t *len)
{
	size_t size = ANSWER_FIRST;
	char *line = malloc(size), *more;
	ssize_t n;

	*len = 0;
	while (line && wait_for(fd, quit)) {
		n = read(fd, line + *len, size - *len);
		if (n <= 0)
			break;
		*len += (size_t)n;
		if (line[*len - 1] == '\n') /* nothing follows what was not asked for */
			return line;
		if (*len < size)
			continue;
		more = size < ANSWER_MAX ? realloc(line, 2 * size) : NULL;
		if (!more)
			break;
		line = more;
		size *= 2;
	}
	free(line);
	return NULL;
}

json_t *ctl_request(int fd, int quit, const json_t *request)
{
	size_t len;
	char *line = send_line(fd, request) == 0 ? read_line(fd, quit, &len) : NULL;
	json_t *answer = line ? json_loadb(line, len, 0, NULL) : NULL;
	const char *why = json_string_value(json_object_get(answer, "error"));
	json_t *result = NULL;

	if (json_is_true(json_object_get(answer, "ok"))) {
		result = json_incref(json_object_get(answer, "result"));
		if (!result)
			result = json_null();
	} else {
		log_error("ctl: %s", why ? why : "no answer");
	}
	json_decref(answer);
	free(line);
	return result;
}

bool ctl_is_peer(int fd, json_int_t pid)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid == pid;
}

int ctl_flush(void)
{
	int ret = fflush(stdout) == 0 && !ferror(stdout) ? 0 : -EIO;

	if (ret < 0)
		log_error("ctl: the standard output cannot be written");
	return ret;
}

static int print_result(const json_t *result)
{
	if (!result)
		return EXIT_HOST;
	if (!json_is_null(result))
		(void)json_print(result, stdout); /* its error stays with the stream */
	return ctl_flush() == 0 ? EXIT_OK : EXIT_HOST;
}

/* One request, @words long, to @path. */
static int ask(const char *path, int words, char **word)
{
	json_t *request = request_of(words, word), *result;
	int fd, status;

	if (!request) {
		log_error(
			"ctl: expected COMMAND, or NIC KEY=VALUE, in UTF-8 (doorbell ctl --help)");
		return EXIT_USAGE;
	}
	fd = ctl_connect(path);
	result = fd >= 0 ? ctl_request(fd, -1, request) : NULL;
	status = print_result(result);
	json_decref(result);
	json_decref(request);
	fd_close(&fd);
	return status;
}

/* Requests as they are, in step: a line from standard input, its answer to standard output. */
static int relay(const char *path)
{
	int fd = ctl_connect(path), status = EXIT_OK;
	FILE *from = fd >= 0 ? fdopen(fd, "r") : NULL;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!from) {
		fd_close(&fd);
		return EXIT_HOST;
	}
	while ((len = getline(&line, &size, stdin)) > 0) {
		if (fd_write_all(fd, line, (size_t)len) < 0 ||
		    (line[len - 1] != '\n' && fd_write_all(fd, "\n", 1) < 0) ||
		    getline(&line, &size, from) < 0) {
			log_error("ctl: no answer");
			status = EXIT_HOST;
			break;
		}
		if (strncmp(line, "{\"ok\":true", 10) != 0)
			status = EXIT_HOST;
		fputs(line, stdout);
		if (ctl_flush() < 0) {
			status = EXIT_HOST;
			break;
		}
	}
	free(line);
	fclose(from);
	return status;
}

struct ctl_options {
	struct ctl_audit audit;
	bool help;
};

#define CTL(member) offsetof(struct ctl_options, member)

static const struct opt_def ctl_options[] = {
	{.name = "packets",
         .type = OPT_UINT,
         .offset = CTL(audit.packets),
         .min = 1,
         .max = UINT32_MAX,
         .arg = "N",
         .help = "audit: until N frames have passed"},
	{.name = "seconds",
         .type = OPT_UINT,
         .offset = CTL(audit.seconds),
         .min = 1,
         .max = 86400,
         .arg = "S",
         .help = "audit: no longer than that (default: 10, with --packets 60)"},
	{.name = "json",
         .type = OPT_BOOL,
         .offset = CTL(audit.json),
         .help = "audit: the report as JSON"},
	{.name = "help", .letter = 'h', .type = OPT_BOOL, .offset = CTL(help), .help = "this text"},
	OPT_END,
};

int cmd_ctl(int argc, char **argv)
{
	struct ctl_options o = {0};
	const struct opt_group group = {.defs = ctl_options, .target = &o};
	int words = opt_parse_argv(&group, 1, argc, argv);
	bool audit;

	signal(SIGPIPE, SIG_IGN); /* who is gone is named */
	if (words < 0)
		return EXIT_USAGE;
	if (o.help) {
		help();
		return EXIT_OK;
	}
	if (words < 2 || words > 3) {
		log_error("ctl: expected SOCKET COMMAND, SOCKET NIC KEY=VALUE, or SOCKET - "
		          "(doorbell ctl --help)");
		return EXIT_USAGE;
	}
	audit = words == 2 && strcmp(argv[1], "audit") == 0;
	if (audit)
		return ctl_audit(argv[0], &o.audit);
	if (o.audit.packets || o.audit.seconds || o.audit.json) {
		log_error("ctl: --packets, --seconds and --json are for audit, not for %s",
		          argv[1]);
		return EXIT_USAGE;
	}
	return words == 2 && strcmp(argv[1], "-") == 0 ? relay(argv[0])
	                                               : ask(argv[0], words - 1, argv + 1);
}
