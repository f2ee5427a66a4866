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
	{"ctl", "speak to a running doorbell", cmd_ctl},
	{"doctor", "what this host has and lacks, and what would fix it", cmd_doctor},
	{"version", "print the version (also --version)", cmd_version},
	{"help", "this text (also --help); doorbell run --help says more", cmd_help},
};

static int cmd_version(unused int argc, unused char **argv)
{
	puts("doorbell " DOORBELL_VERSION);
	return EXIT_OK;
}

static int cmd_help(unused int argc, unused char **argv)
{
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
	if (argc < 2) {
		log_error("no command given, there are: run, ctl, doctor, version, help");
		exit(EXIT_USAGE);
	}
	c = command_of(argv[1]);
	if (!c) {
		log_error("unknown command '%s', there are: run, ctl, doctor, version, help",
		          argv[1]);
		exit(EXIT_USAGE);
	}
	status = c->run(argc - 2, argv + 2);
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_OK) {
		log_error("standard output cannot be written");
		status = EXIT_HOST;
	}
	exit(status);
}
