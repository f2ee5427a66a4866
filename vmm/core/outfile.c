/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"

#define MODE    0666              /* the umask takes off what nobody should have */
#define MS      UINT64_C(1000000) /* ns */
#define LOOK_MS 20                /* between two looks for the reader of a FIFO */

int outfile_open(struct outfile *f, const char *path)
{
	const int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	*f = (struct outfile){.path = path};
	f->fd = open(path, flags | O_CREAT | O_EXCL, MODE);
	f->made = f->fd >= 0;
	if (f->fd < 0 && errno == EEXIST)
		f->fd = open(path, flags);
	if (f->fd < 0 && errno == ENOENT) /* a link to a file that is to be made */
		f->fd = open(path, flags | O_CREAT, MODE);
	return f->fd < 0 ? -errno : 0;
}

/* ENXIO is said of other things, too, which do not change by waiting. */
static bool is_fifo(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

int outfile_open_by(struct outfile *f, const char *path, uint64_t deadline_ns)
{
	int ret = outfile_open(f, path);

	/* An open() that waits could not be told to end at a time; and there is no event for a reader. */
	while (ret == -ENXIO && is_fifo(path)) {
		if (deadline_ns && loop_now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		poll(NULL, 0, LOOK_MS);
		ret = outfile_open(f, path);
	}
	return ret;
}

int outfile_open_stdout(struct outfile *f)
{
	struct stat st;

	*f = (struct outfile){.fd = -1, .path = "-"};
	if (fstat(STDOUT_FILENO, &st) < 0)
		return -errno;
	if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
		f->fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (f->fd < 0)
		f->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return f->fd < 0 ? -errno : 0;
}

int outfile_begin(struct outfile *f)
{
	struct stat st;

	f->made = false;
	if (f->fd < 0)
		return 0;
	if (fstat(f->fd, &st) < 0 || (S_ISREG(st.st_mode) && ftruncate(f->fd, 0) < 0))
		return -errno;
	return 0;
}

bool outfile_is(const struct outfile *f, int fd)
{
	struct stat a, b;

	return fstat(f->fd, &a) == 0 && fstat(fd, &b) == 0 && !S_ISCHR(a.st_mode) &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* ---- writing */

struct stream {
	int fd;
	bool nonblock;
	int err; /* the first error; nothing is written any more */
};

/* Wait until it takes something. 0; or -errno, -ETIMEDOUT at @deadline_ns. */
static int wait_for_reader(int fd, uint64_t deadline_ns)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};
	int n;

	do {
		const uint64_t now = loop_now_ns();

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		n = poll(&pfd, 1, (int)((deadline_ns - now) / MS) + 1);
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static int write_all(const struct stream *s, const char *buf, size_t len)
{
	uint64_t deadline_ns = 0; /* from the first wait on: most writes have none */
	bool wait = !s->nonblock;
	int ret;

	while (len > 0) {
		ssize_t n;

		if (wait && !deadline_ns)
			deadline_ns = loop_now_ns() + OUTFILE_PATIENCE_MS * MS;
		if (wait && (ret = wait_for_reader(s->fd, deadline_ns)) < 0)
			return ret;
		/* So much a pipe takes at once when poll() says that it takes something. */
		n = write(s->fd, buf, s->nonblock ? len : min_size(len, PIPE_BUF));
		wait = n < 0 || !s->nonblock;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			buf += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static ssize_t stream_write(void *cookie, const char *buf, size_t len)
{
	struct stream *s = cookie;

	if (!s->err)
		s->err = -write_all(s, buf, len);
	if (!s->err)
		return (ssize_t)len;
	errno = s->err;
	return 0; /* what fopencookie(3) wants of a failure */
}

static int stream_close(void *cookie)
{
	struct stream *s = cookie;
	int err = s->err;

	if (close(s->fd) < 0 && !err)
		err = errno;
	free(s);
	errno = err;
	return err ? EOF : 0;
}

FILE *outfile_stream(struct outfile *f)
{
	const cookie_io_functions_t io = {.write = stream_write, .close = stream_close};
	struct stream *s = malloc(sizeof(*s));
	int flags = fcntl(f->fd, F_GETFL);
	struct stat st;
	FILE *out;

	if (!s || flags < 0 || fstat(f->fd, &st) < 0) {
		free(s);
		return NULL;
	}
	/* Nobody reads a regular file. */
	*s = (struct stream){.fd = f->fd, .nonblock = (flags & O_NONBLOCK) || S_ISREG(st.st_mode)};
	out = fopencookie(s, "w", io);
	if (out)
		f->fd = -1;
	else
		free(s);
	return out;
}

const char *outfile_strerror(int err)
{
	err = err < 0 ? -err : err;
	return err == ETIMEDOUT ? "nobody reads what is written" : strerror(err);
}

void outfile_close(struct outfile *f)
{
	if (f->fd >= 0 && f->made)
		unlink(f->path);
	fd_close(&f->fd);
}
