/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between a vhost-user front end and its back end, which offers features that this front end cannot take from it:
 * everything is passed on, and of the features offered some are not. For bench/uml.sh; one front end, then it ends.
 *
 * usage: vhost_mask LISTEN-PATH BACK-END-PATH FEATURES-TO-HIDE
 */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX      16
#define GET_FEATURES 1u

/* vhost-user: request, flags, size; what follows has as many bytes as that. */
struct message {
	uint32_t request, flags, size;
	union {
		uint64_t features;
		uint8_t bytes[4096];
	};
} __attribute__((packed));
#define HEADER offsetof(struct message, features)

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static int unix_socket(const char *path, struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	must(fd >= 0 && strlen(path) < sizeof(a->sun_path), path);
	memcpy(a->sun_path, path, strlen(path) + 1);
	return fd;
}

static int accept_one(const char *path)
{
	struct sockaddr_un a;
	int listener = unix_socket(path, &a), fd;

	must(bind(listener, (const struct sockaddr *)&a, sizeof(a)) == 0 &&
	             listen(listener, 1) == 0,
	     path);
	fd = accept(listener, NULL, NULL);
	must(fd >= 0, path);
	close(listener);
	return fd;
}

/* One message from one to the other. False: the end. */
static bool pass(int from, int to, uint64_t hide)
{
	static struct message m;
	union {
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {&m, HEADER};
	struct msghdr h = {.msg_iov = &iov,
	                   .msg_iovlen = 1,
	                   .msg_control = control.room,
	                   .msg_controllen = sizeof(control.room)};
	const struct cmsghdr *c;

	if (recvmsg(from, &h, MSG_WAITALL) != (ssize_t)HEADER)
		return false;
	must(m.size <= sizeof(m.bytes) &&
	             (m.size == 0 || recv(from, m.bytes, m.size, MSG_WAITALL) == (ssize_t)m.size),
	     "a message");
	if (m.request == GET_FEATURES && m.size == sizeof(m.features))
		m.features &= ~hide;
	iov.iov_len = HEADER + m.size;
	must(sendmsg(to, &h, MSG_NOSIGNAL) == (ssize_t)iov.iov_len, "sendmsg");
	c = h.msg_controllen ? CMSG_FIRSTHDR(&h) : NULL;
	for (size_t i = 0; c && CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		close(fd);
	}
	return true;
}

int main(int argc, char **argv)
{
	struct sockaddr_un a;
	struct pollfd p[2];
	uint64_t hide;

	if (argc != 4) {
		fputs("usage: vhost_mask LISTEN-PATH BACK-END-PATH FEATURES-TO-HIDE\n", stderr);
		return 2;
	}
	hide = strtoull(argv[3], NULL, 0);
	p[0] = (struct pollfd){.fd = accept_one(argv[1]), .events = POLLIN};
	p[1] = (struct pollfd){.fd = unix_socket(argv[2], &a), .events = POLLIN};
	must(connect(p[1].fd, (const struct sockaddr *)&a, sizeof(a)) == 0, argv[2]);
	while (poll(p, 2, -1) > 0)
		for (unsigned i = 0; i < 2; i++)
			if (p[i].revents && !pass(p[i].fd, p[1 - i].fd, hide))
				return 0;
	return 1;
}
