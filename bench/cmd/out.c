/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/out.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

static int part_path(const struct bench_out *o, const char *name, char *path, size_t size)
{
	const int len = snprintf(path, size, "%s/.%s.%d", o->dir, name, (int)getpid());

	return len > 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

static int open_part(const char *path)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);

	return fd < 0 ? -errno : fd;
}

int bench_out_begin(struct bench_out *o, const char *dir)
{
	char path[PATH_MAX];
	int ret = -ENAMETOOLONG, fd;

	*o = (struct bench_out){.made = false};
	if (strlen(dir) < sizeof(o->dir)) {
		snprintf(o->dir, sizeof(o->dir), "%s", dir);
		ret = part_path(o, "try", path, sizeof(path));
	}
	if (ret == 0) {
		o->made = mkdir(dir, 0777) == 0;
		ret = o->made || errno == EEXIST ? 0 : -errno;
	}
	if (ret == 0) {
		fd = open_part(path);
		ret = fd < 0 ? fd : 0;
		if (fd >= 0) {
			close(fd);
			unlink(path);
		}
	}
	if (ret < 0) {
		log_error("--out %s: no files can be made there: %s", dir, strerror(-ret));
		bench_out_end(o);
	}
	return ret;
}

/* Closes @fd. */
static int write_part(int fd, int (*fn)(const void *arg, FILE *out), const void *arg)
{
	FILE *out = fdopen(fd, "w");
	int ret;

	if (!out) {
		ret = -errno;
		close(fd);
		return ret;
	}
	errno = 0;
	ret = fn(arg, out);
	if (fflush(out) != 0 || ferror(out))
		ret = errno ? -errno : -EIO;
	if (ret == 0 && fsync(fd) < 0 && errno != EINVAL) /* not of this file system */
		ret = -errno;
	if (fclose(out) != 0 && ret == 0)
		ret = -errno;
	return ret;
}

int bench_out_write(struct bench_out *o, const char *name, int (*fn)(const void *arg, FILE *out),
                    const void *arg)
{
	char part[PATH_MAX], path[PATH_MAX];
	int ret = part_path(o, name, part, sizeof(part));
	int fd = ret < 0 ? ret : open_part(part);

	ret = fd < 0 ? fd : write_part(fd, fn, arg);
	if (ret == 0) {
		/* Shorter than @part. */
		snprintf(path, sizeof(path), "%.*s/%s", (int)strlen(o->dir), o->dir, name);
		ret = rename(part, path) < 0 ? -errno : 0;
	}
	if (ret < 0) {
		if (fd >= 0)
			unlink(part);
		log_error("--out %s: %s cannot be written: %s", o->dir, name, strerror(-ret));
	}
	o->made &= ret < 0;
	return ret;
}

void bench_out_end(struct bench_out *o)
{
	if (o->made)
		rmdir(o->dir);
	o->made = false;
}

int bench_tmp_make(char *path, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	const int len =
		snprintf(path, size, "%s/doorbell-bench.XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
	int ret = len > 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;

	if (ret == 0 && !mkdtemp(path))
		ret = -errno;
	if (ret < 0)
		log_error("no folder for what the run needs can be made in %s: %s",
		          tmp && tmp[0] ? tmp : "/tmp", strerror(-ret));
	return ret;
}

static int remove_one(const char *path, unused const struct stat *st, unused int kind,
                      unused struct FTW *at)
{
	remove(path);
	return 0; /* what cannot go stays; the rest goes */
}

void bench_tmp_remove(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
