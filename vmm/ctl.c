/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/ctl.c - doorbell ctl: one request to a running doorbell, its answer on standard output */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/opt.h"
#include "vmm/run.h"

static void help(void)
{
	puts("Usage: doorbell ctl SOCKET COMMAND\n"
	     "       doorbell ctl SOCKET NIC KEY=VALUE\n\n"
	     "Speak to the doorbell that was started with --control SOCKET.\n\n"
	     "  status         what it is doing, its NICs and their links, as JSON\n"
	     "  stats          counters, as JSON\n"
	     "  pause          no guest CPU executes anything until resume\n"
	     "  resume         go on\n"
	     "  stop           end the guest\n"
	     "  NIC link=up|down\n"
	     "                 plug or unplug the cable of net0, net1, ...\n"
	     "  NIC path=pure|vhost\n"
	     "                 who serves its rings from now on: doorbell or the kernel's "
	     "vhost-net\n\n"
	     "Exit status: 0 done, 1 refused or nobody there, 2 usage.");
}

static int connect_to(const char *path)
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

/* One line as JSON; NULL when the other side ended before, or said something else. */
static json_t *read_answer(int fd)
{
	FILE *in = fdopen(dup(fd), "r");
	json_t *answer;

	if (!in)
		return NULL;
	answer = json_loadf(in, JSON_DISABLE_EOF_CHECK, NULL);
	fclose(in);
	return answer;
}

static int print_answer(json_t *answer)
{
	const json_t *result = json_object_get(answer, "result");

	if (!json_is_true(json_object_get(answer, "ok"))) {
		const char *why = json_string_value(json_object_get(answer, "error"));

		log_error("ctl: %s", why ? why : "no answer");
		return EXIT_HOST;
	}
	if (!json_is_null(result) && json_dumpf(result, stdout, JSON_INDENT(2)) == 0)
		putchar('\n');
	return EXIT_OK;
}

struct ctl_options {
	bool help;
};

static const struct opt_def ctl_options[] = {
	{.name = "help",
         .letter = 'h',
         .type = OPT_BOOL,
         .offset = offsetof(struct ctl_options, help),
         .help = "this text"},
	OPT_END,
};

int cmd_ctl(int argc, char **argv)
{
	struct ctl_options o = {0};
	const struct opt_group group = {.defs = ctl_options, .target = &o};
	int words = opt_parse_argv(&group, 1, argc, argv);
	json_t *request, *answer;
	int fd, status;

	if (words < 0)
		return EXIT_USAGE;
	if (o.help) {
		help();
		return EXIT_OK;
	}
	if (words < 2 || words > 3) {
		log_error("ctl: expected SOCKET COMMAND, or SOCKET NIC KEY=VALUE (doorbell ctl "
		          "--help)");
		return EXIT_USAGE;
	}
	request = request_of(words - 1, argv + 1);
	if (!request) {
		log_error(
			"ctl: expected COMMAND, or NIC KEY=VALUE, in UTF-8 (doorbell ctl --help)");
		return EXIT_USAGE;
	}
	fd = connect_to(argv[0]);
	answer = fd >= 0 && send_line(fd, request) == 0 ? read_answer(fd) : NULL;
	status = fd >= 0 ? print_answer(answer) : EXIT_HOST;
	json_decref(answer);
	json_decref(request);
	fd_close(&fd);
	return status;
}
