// SPDX-License-Identifier: Apache-2.0
/*
 * relay SOCKET: standard input goes to the Unix socket, what it answers to standard output. A shell that
 * has many requests for a control socket needs no process for each.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* False at the end of @from, or when @to takes no more. */
static int copy(int from, int to)
{
	char buf[65536];
	ssize_t got = read(from, buf, sizeof(buf));

	for (ssize_t done = 0; done < got;) {
		ssize_t n = write(to, buf + done, (size_t)(got - done));

		if (n <= 0)
			return 0;
		done += n;
	}
	return got > 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};

	if (argc != 2 || strlen(argv[1]) >= sizeof(addr.sun_path)) {
		fputs("usage: relay SOCKET\n", stderr);
		return 2;
	}
	memcpy(addr.sun_path, argv[1], strlen(argv[1]) + 1);
	p[1].fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (p[1].fd < 0 || connect(p[1].fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		perror(argv[1]);
		return 1;
	}
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents && !copy(p[0].fd, p[1].fd))
			break;
		if (p[1].revents && !copy(p[1].fd, STDOUT_FILENO))
			break;
	}
	return 0;
}
