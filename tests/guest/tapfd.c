// SPDX-License-Identifier: Apache-2.0
/*
 * Opens a TAP, runs a command that inherits it as descriptor 3, and says whether the command left the
 * TAP as it was: tapfd [-s BYTES] NAME COMMAND... Ends with the command's status, or 90 when the TAP was changed. -s: with that
 * limit of its send buffer. tapfd -l PID says what limit the TAPs of a process have.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
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

static void look_at_tap(int fd)
{
	int sndbuf;

	if (ioctl(fd, TUNGETSNDBUF, &sndbuf) != 0)
		perror("tapfd: asking the TAP");
	else
		printf("tapfd: sndbuf %d\n", sndbuf);
}

static int look_into(const char *pid)
{
	char dir[64], path[400], what[64];
	int process = (int)syscall(SYS_pidfd_open, atoi(pid), 0);
	const struct dirent *e;
	DIR *d;

	(void)snprintf(dir, sizeof(dir), "/proc/%s/fd", pid);
	d = opendir(dir);
	if (process < 0 || !d) {
		perror("tapfd: the process");
		return 1;
	}
	while ((e = readdir(d))) {
		ssize_t len;
		int fd;

		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		len = readlink(path, what, sizeof(what) - 1);
		what[len > 0 ? len : 0] = '\0';
		if (strcmp(what, "/dev/net/tun") != 0)
			continue;
		fd = (int)syscall(SYS_pidfd_getfd, process, atoi(e->d_name), 0);
		if (fd < 0) {
			perror("tapfd: its descriptor");
			return 1;
		}
		look_at_tap(fd);
		(void)close(fd);
	}
	return closedir(d);
}

int main(int argc, char **argv)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	struct tap_state before, after;
	int fd, header = 12, sndbuf = 0, status;

	if (argc == 3 && strcmp(argv[1], "-l") == 0)
		return look_into(argv[2]);
	if (argc > 3 && strcmp(argv[1], "-s") == 0) {
		sndbuf = atoi(argv[2]);
		argv += 2;
		argc -= 2;
	}
	if (argc < 3 || strlen(argv[1]) >= sizeof(ifr.ifr_name)) {
		(void)fputs("usage: tapfd [-s BYTES] NAME COMMAND... | tapfd -l PID\n", stderr);
		return 2;
	}
	memcpy(ifr.ifr_name, argv[1], strlen(argv[1]));
	fd = open("/dev/net/tun", O_RDWR);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) != 0 ||
	    (sndbuf && ioctl(fd, TUNSETSNDBUF, &sndbuf) != 0)) {
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
