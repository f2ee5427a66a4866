/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/main.c - doorbell COMMAND ...: the command table, and the only exit() */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/run.h"

struct command {
	const char *name;
	const char *help;
	int (*run)(int argc, char **argv);
};

static int cmd_version(int argc, char **argv);
static int cmd_help(int argc, char **argv);

static const struct command commands[] = {
	{"run", "boot a kernel in a guest with a network", cmd_run},
	{"check", "boot a kernel and judge its network driver", cmd_check},
	{"trace", "print what doorbell check has recorded", cmd_trace},
	{"backend", "serve the device to other front ends, by vhost-user", cmd_backend},
	{"bench", "measure what each data path costs on this machine", cmd_bench},
	{"ctl", "speak to a running doorbell", cmd_ctl},
	{"doctor", "what this host has and lacks, and what would fix it", cmd_doctor},
	{"version", "print the version (also --version)", cmd_version},
	{"help", "this text (also --help); doorbell run --help says more", cmd_help},
};

/* Of commands without options. */
static int no_words(const char *command, int argc, char **argv)
{
	if (argc == 0)
		return EXIT_OK;
	log_error("%s takes no words, given was '%s'", command, argv[0]);
	return EXIT_USAGE;
}

static int cmd_version(int argc, char **argv)
{
	if (no_words("version", argc, argv) != EXIT_OK)
		return EXIT_USAGE;
	puts("doorbell " DOORBELL_VERSION);
	return EXIT_OK;
}

static int cmd_help(int argc, char **argv)
{
	if (no_words("help", argc, argv) != EXIT_OK)
		return EXIT_USAGE;
	puts("Usage: doorbell COMMAND [options]\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-8s  %s\n", commands[i].name, commands[i].help);
	return EXIT_OK;
}

static const struct command *command_of(const char *word)
{
	if (strcmp(word, "--version") == 0)
		word = "version";
	else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		word = "help";
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(word, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

/* @word NULL: none was given. */
static int unknown_command(const char *word)
{
	char names[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(commands) && len < sizeof(names); i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
		                        commands[i].name);
	if (word)
		log_error("unknown command '%s', there are: %s", word, names);
	else
		log_error("no command given, there are: %s", names);
	return EXIT_USAGE;
}

/* Closed at birth, they would be given to a TAP or a capture, and messages would go there. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	const struct command *c;
	int status;

	open_standard_descriptors();
	c = argc < 2 ? NULL : command_of(argv[1]);
	if (!c)
		exit(unknown_command(argc < 2 ? NULL : argv[1]));
	status = c->run(argc - 2, argv + 2);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_OK) {
		log_error("standard output cannot be written");
		status = EXIT_HOST;
	}
	exit(status);
}
