/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/cpio_out.h"

#include <string.h>

static void pad(struct cpio_out *c, size_t len)
{
	static const char zeros[4];

	(void)fwrite(zeros, 1, (4 - len % 4) % 4, c->out);
}

void cpio_add(struct cpio_out *c, const char *name, unsigned mode, const void *data, size_t len)
{
	const size_t name_len = strlen(name) + 1;

	/* ino, mode, uid, gid, nlink, mtime, size, four of devices, name, checksum */
	fprintf(c->out, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", ++c->files,
	        mode, 0u, 0u, 1u, 0u, len, 0u, 0u, 0u, 0u, name_len, 0u);
	(void)fwrite(name, 1, name_len, c->out);
	pad(c, 110 + name_len);
	if (len)
		(void)fwrite(data, 1, len, c->out);
	pad(c, len);
}

void cpio_end(struct cpio_out *c)
{
	cpio_add(c, "TRAILER!!!", 0, NULL, 0);
}
