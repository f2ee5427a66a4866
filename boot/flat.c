/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/flat.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"
#include "vmm/core/opt.h"

#define ENTRY_END GIB(4) /* the entry finds these mapped */

int flat_parse(struct flat_place *p, const char *text, char *why, size_t why_size)
{
	const char *comma = strchr(text, ',');
	const size_t len = comma ? (size_t)(comma - text) : strlen(text);
	char load[24]; /* 2^64 has 20 digits */

	*p = (struct flat_place){.given = true};
	if (len < sizeof(load)) {
		memcpy(load, text, len);
		load[len] = '\0';
		if (opt_parse_uint(load, &p->load) < 0)
			goto bad;
		p->entry = p->load;
		if (!comma || (strncmp(comma, ",entry=", 7) == 0 &&
		               opt_parse_uint(comma + 7, &p->entry) == 0))
			return 0;
	}
bad:
	snprintf(why, why_size, "allowed: ADDRESS or ADDRESS,entry=ADDRESS, decimal or 0x...");
	return -EINVAL;
}

/* What can be started without being told where it goes has been given the option by mistake. */
static int judge_kind(const struct image_file *f)
{
	const char *text;

	switch (image_sniff(f, &text)) {
	case IMAGE_UNKNOWN:
		return 0;
	case IMAGE_OTHER:
		log_warn("kernel '%s' looks like %s; it is loaded as it is", f->path, text);
		return 0;
	default:
		log_error("kernel '%s' is not flat: this is %s, which says itself where it goes, "
		          "without --flat",
		          f->path, text);
		return -EINVAL;
	}
}

int flat_load(const struct image_file *f, const struct flat_place *p, const struct gmem *m,
              gpa_t min, gpa_t *end)
{
	void *dst = gmem_ptr(m, p->load, f->size);
	int ret = judge_kind(f);

	if (ret < 0)
		return ret;
	if (p->load < min) {
		log_error("kernel '%s': --flat %#" PRIx64 " is below %#" PRIx64
		          ", where the tables are that it is given",
		          f->path, p->load, min);
		return -EINVAL;
	}
	if (!dst) {
		log_error("kernel '%s' of %" PRIu64 " bytes does not fit: --flat %#" PRIx64
		          " is not RAM as far as that, the guest has %" PRIu64 " KiB in all",
		          f->path, f->size, p->load, gmem_bytes(m) / 1024);
		return -E2BIG;
	}
	if (p->entry < p->load || p->entry - p->load >= f->size || p->entry >= ENTRY_END) {
		log_error("kernel '%s': --flat entry=%#" PRIx64
		          " is not in the file, which is from %#" PRIx64 " to %#" PRIx64
		          ", below 4 GiB",
		          f->path, p->entry, p->load, p->load + (f->size - 1));
		return -EINVAL;
	}
	*end = p->load + f->size; /* in RAM: no wrap */
	return image_read(f, 0, dst, f->size);
}
