/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/core/fd.h"

#define MODE 0666 /* the umask takes off what nobody should have */

int outfile_open(struct outfile *f, const char *path, int flags)
{
	flags |= O_WRONLY | O_NOCTTY | O_CLOEXEC;
	*f = (struct outfile){.path = path};
	f->fd = open(path, flags | O_CREAT | O_EXCL, MODE);
	f->made = f->fd >= 0;
	if (f->fd < 0 && errno == EEXIST)
		f->fd = open(path, flags);
	if (f->fd < 0 && errno == ENOENT) /* a link to a file that is to be made */
		f->fd = open(path, flags | O_CREAT, MODE);
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

int outfile_take(struct outfile *f)
{
	int fd = f->fd;

	f->fd = -1;
	return fd;
}

void outfile_close(struct outfile *f)
{
	if (f->fd >= 0 && f->made)
		unlink(f->path);
	fd_close(&f->fd);
}
