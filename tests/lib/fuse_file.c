/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fuse_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/net_rig.h"
#include "vmm/core/fd.h"

#define ROOT  1u
#define FILE_ 2u

/* ---- the server: a process of its own */

static void reply(int dev, uint64_t unique, int error, const void *what, size_t len)
{
	struct fuse_out_header h = {
		.len = (uint32_t)(sizeof(h) + len), .error = error, .unique = unique};
	const struct iovec v[2] = {{&h, sizeof(h)}, {(void *)(uintptr_t)what, len}};

	if (writev(dev, v, len ? 2 : 1) < 0)
		_exit(1);
}

/* One request. False: it is the one to open the file, and answered. */
static bool serve_one(int dev)
{
	static union {
		struct fuse_in_header h;
		char bytes[256 << 10];
	} in;
	const struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 65536};
	const struct fuse_open_out opened = {.fh = 1};
	struct fuse_attr file = {.ino = FILE_, .size = 1 << 20, .mode = S_IFREG | 0666, .nlink = 1};
	const struct fuse_entry_out entry = {.nodeid = FILE_, .attr = file};
	struct fuse_attr_out attr = {.attr = file};

	if (read(dev, &in, sizeof(in)) <= 0)
		_exit(1);
	if (in.h.nodeid == ROOT)
		attr.attr = (struct fuse_attr){.ino = ROOT, .mode = S_IFDIR | 0755, .nlink = 1};
	if (in.h.opcode == FUSE_INIT)
		reply(dev, in.h.unique, 0, &init, sizeof(init));
	else if (in.h.opcode == FUSE_LOOKUP)
		reply(dev, in.h.unique, 0, &entry, sizeof(entry));
	else if (in.h.opcode == FUSE_GETATTR)
		reply(dev, in.h.unique, 0, &attr, sizeof(attr));
	else if (in.h.opcode == FUSE_OPEN)
		reply(dev, in.h.unique, 0, &opened, sizeof(opened));
	else
		reply(dev, in.h.unique, -ENOSYS, NULL, 0);
	return in.h.opcode != FUSE_OPEN;
}

static void give_fd(int s, int fd)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(fd))] = {0};
	char byte = 0;
	struct iovec v = {&byte, 1};
	struct msghdr h = {.msg_iov = &v,
	                   .msg_iovlen = 1,
	                   .msg_control = room,
	                   .msg_controllen = sizeof(room)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(s, &h, 0) != 1)
		_exit(1);
}

/* Its end, for which @s has one letter. */
static void no_server(int s, char step)
{
	(void)!write(s, &step, 1);
	_exit(1);
}

/* An open() waits for its answer: by a process beside the one that answers. */
static void run_server(int s, const char *dir)
{
	char keys[64], path[64];
	const unsigned uid = geteuid(), gid = getegid();
	int dev, fd;

	alarm(RIG_PATIENCE_S);
	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		no_server(s, 'n');
	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		no_server(s, 'd');
	snprintf(keys, sizeof(keys), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", dev, uid, gid);
	if (mount("doorbell", dir, "fuse", MS_NOSUID | MS_NODEV, keys) < 0)
		no_server(s, 'm');
	snprintf(path, sizeof(path), "%s/file", dir);
	if (fork() == 0) {
		close(dev);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			no_server(s, 'o');
		give_fd(s, fd);
		_exit(0); /* and waits there */
	}
	while (serve_one(dev))
		;
	for (;;)
		pause();
}

/* ---- the test's side */

static int take_fd(int s, char *step)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))];
	struct iovec v = {step, 1};
	struct msghdr h = {.msg_iov = &v,
	                   .msg_iovlen = 1,
	                   .msg_control = room,
	                   .msg_controllen = sizeof(room)};
	int fd = -1;

	*step = 'e';
	if (recvmsg(s, &h, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&h))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(fd));
	return fd;
}

int fuse_file_begin(struct fuse_file *f)
{
	char step, dir[] = "/tmp/doorbell-fuse-XXXXXX";
	int s[2];

	*f = (struct fuse_file){.fd = -1, .pid = -1};
	if (!mkdtemp(dir) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) < 0)
		return -1;
	f->pid = fork();
	if (f->pid == 0) {
		close(s[0]);
		run_server(s[1], dir);
	}
	close(s[1]);
	f->fd = take_fd(s[0], &step);
	close(s[0]);
	rmdir(dir); /* which is mounted upon elsewhere only */
	if (f->fd >= 0)
		return 0;
	snprintf(f->why, sizeof(f->why), "no FUSE: %s",
	         step == 'n'   ? "no mount namespace of its own"
	         : step == 'd' ? "/dev/fuse cannot be opened"
	         : step == 'm' ? "it cannot be mounted"
	                       : "its file cannot be opened");
	fuse_file_end(f);
	return -1;
}

void fuse_file_end(struct fuse_file *f)
{
	/* First: then the kernel answers in its place. */
	if (f->pid > 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	f->pid = -1;
	fd_close(&f->fd);
}
