// SPDX-License-Identifier: Apache-2.0
/*
 * Opens a TAP, runs a command that inherits it as descriptor 3, and says whether the command left the
 * TAP as it was: tapfd NAME COMMAND... Ends with the command's status, or 90 when the TAP was changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAP_FD 3

struct tap_state {
	struct ifreq ifr; /* name and flags */
	int header, sndbuf;
	int status; /* O_NONBLOCK and so on */
};

static int look(struct tap_state *s)
{
	memset(s, 0, sizeof(*s));
	if (ioctl(TAP_FD, TUNGETIFF, &s->ifr) != 0 ||
	    ioctl(TAP_FD, TUNGETVNETHDRSZ, &s->header) != 0 ||
	    ioctl(TAP_FD, TUNGETSNDBUF, &s->sndbuf) != 0) {
		perror("tapfd: asking the TAP");
		return -1;
	}
	s->status = fcntl(TAP_FD, F_GETFL);
	printf("tapfd: %s flags 0x%x header %d sndbuf %d status 0x%x\n", s->ifr.ifr_name,
	       (unsigned)s->ifr.ifr_flags & 0xffffu, s->header, s->sndbuf, (unsigned)s->status);
	return fflush(stdout);
}

static int run(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(argv[0], argv);
		perror("tapfd: exec");
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 126;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	struct tap_state before, after;
	int fd = open("/dev/net/tun", O_RDWR), header = 12, status;

	if (argc < 3 || strlen(argv[1]) >= sizeof(ifr.ifr_name)) {
		(void)fputs("usage: tapfd NAME COMMAND...\n", stderr);
		return 2;
	}
	memcpy(ifr.ifr_name, argv[1], strlen(argv[1]));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) != 0) {
		perror("tapfd: opening the TAP");
		return 1;
	}
	if (fd != TAP_FD) {
		if (dup2(fd, TAP_FD) < 0)
			return 1;
		(void)close(fd);
	}
	if (look(&before) != 0)
		return 1;
	status = run(argv + 2);
	if (look(&after) != 0)
		return 1;
	if (before.ifr.ifr_flags != after.ifr.ifr_flags || before.header != after.header ||
	    before.sndbuf != after.sndbuf || before.status != after.status)
		return 90;
	return status;
}
