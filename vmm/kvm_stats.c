/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm_stats.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/core/compiler.h"

/* A file of today's kernels has about 10 KiB. */
#define FILE_MAX KIB(128)

static bool inside(uint64_t off, uint64_t bytes, size_t len)
{
	return off <= len && bytes <= len - off;
}

static bool is_number(const struct kvm_stats_desc *d)
{
	const uint32_t type = d->flags & KVM_STATS_TYPE_MASK;

	return d->size == 1 && (type == KVM_STATS_TYPE_CUMULATIVE ||
	                        type == KVM_STATS_TYPE_INSTANT || type == KVM_STATS_TYPE_PEAK);
}

/* @name has @room bytes, of which the last may be anything. */
static void take(struct kvm_stat *stat, unsigned nr, const char *name, size_t room, uint64_t value)
{
	if (!memchr(name, '\0', room))
		return;
	for (unsigned i = 0; i < nr; i++) {
		if (strcmp(stat[i].name, name) != 0)
			continue;
		stat[i].value = value;
		stat[i].found = true;
	}
}

int kvm_stats_parse(const void *file, size_t len, struct kvm_stat *stat, unsigned nr)
{
	const uint8_t *bytes = file;
	struct kvm_stats_header h;
	struct kvm_stats_desc d;
	uint64_t stride, value;

	for (unsigned i = 0; i < nr; i++)
		stat[i].found = false;
	if (len < sizeof(h))
		return -EINVAL;
	memcpy(&h, bytes, sizeof(h));
	stride = sizeof(d) + (uint64_t)h.name_size;
	/* Both factors have 32 bits, so the product fits. */
	if (h.name_size == 0 || h.name_size > len ||
	    !inside(h.desc_offset, stride * h.num_desc, len))
		return -EINVAL;
	for (uint32_t i = 0; i < h.num_desc; i++) {
		const uint8_t *at = bytes + h.desc_offset + i * stride;

		memcpy(&d, at, sizeof(d));
		if (!is_number(&d))
			continue;
		if (!inside((uint64_t)h.data_offset + d.offset, sizeof(value), len))
			return -EINVAL;
		memcpy(&value, bytes + h.data_offset + d.offset, sizeof(value));
		take(stat, nr, (const char *)at + sizeof(d), h.name_size, value);
	}
	return 0;
}

/* All of the file at @fd, FILE_MAX at most. Bytes or -errno. */
static ssize_t read_file(int fd, uint8_t *buf)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < FILE_MAX) {
		n = pread(fd, buf + len, FILE_MAX - len, (off_t)len);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int kvm_stats_read(int file, struct kvm_stat *stat, unsigned nr)
{
	uint8_t *buf;
	ssize_t len;
	int ret;

	for (unsigned i = 0; i < nr; i++)
		stat[i].found = false;
	if (file < 0)
		return -EBADF;
	buf = malloc(FILE_MAX);
	len = buf ? read_file(file, buf) : -ENOMEM;
	ret = len < 0 ? (int)len : kvm_stats_parse(buf, (size_t)len, stat, nr);
	free(buf);
	return ret;
}
