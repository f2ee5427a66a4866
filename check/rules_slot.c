/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots that have registers and no device (virtio 1.2, 4.2.2.2, 4.2.3.1.1): a driver may read MagicValue, Version and, when both
 * are good, DeviceID, and then it leaves. MagicValue read once more is another look.
 */
#include <inttypes.h>

#include "check/state.h"

#define MAGIC 0x74726976u

static bool is_look(const struct virtio_access *a)
{
	return !a->write && (a->off == VIRTIO_MMIO_MAGIC_VALUE || a->off == VIRTIO_MMIO_VERSION);
}

static const char *kind_of(const struct virtio_access *a)
{
	return a->write ? "written" : "read";
}

/* What was read before @a says that nobody is here. Reading Version behind a wrong magic number is one look at both. */
static void judge_behind(struct check *c, const struct check_slot *s, const struct virtio_access *a)
{
	if (s->bad_magic && !is_look(a))
		judged(c, "mmio.bad-magic",
		       broken(c, "0x%03x was %s behind a magic number of 0x%08" PRIx32, a->off,
		              kind_of(a), s->magic));
	if (s->bad_version && !is_look(a))
		judged(c, "mmio.bad-version",
		       broken(c, "0x%03x was %s behind a version of %" PRIu32, a->off, kind_of(a),
		              s->version));
	if (!s->empty || reads(a, VIRTIO_MMIO_MAGIC_VALUE) || reads(a, VIRTIO_MMIO_DEVICE_ID))
		return;
	judged(c, "mmio.devid0-no-access",
	       broken(c, "0x%03x was %s behind a DeviceID of 0", a->off, kind_of(a)));
	if (a->write || a->off >= VIRTIO_MMIO_CONFIG)
		judged(c, "mmio.devid0-ignore",
		       broken(c, "0x%03x was %s behind a DeviceID of 0", a->off, kind_of(a)));
	if (a->off == VIRTIO_MMIO_STATUS ||
	    (a->off >= VIRTIO_MMIO_DEVICE_FEATURES && a->off <= VIRTIO_MMIO_DRIVER_FEATURES_SEL))
		judged(c, "mmio.devid0-abort",
		       broken(c, "the bring-up went on at 0x%03x, behind a DeviceID of 0", a->off));
}

static void look(struct check *c, struct check_slot *s, const struct virtio_access *a)
{
	if (reads(a, VIRTIO_MMIO_MAGIC_VALUE)) {
		*s = (struct check_slot){.magic = u32_of(a->val)};
		s->bad_magic = s->magic != MAGIC;
		judged(c, "mmio.bad-magic", keeps(s->bad_magic));
	} else if (reads(a, VIRTIO_MMIO_VERSION)) {
		s->version = u32_of(a->val);
		s->bad_version = s->version != 1 && s->version != 2;
		judged(c, "mmio.bad-version", keeps(s->bad_version));
	} else if (reads(a, VIRTIO_MMIO_DEVICE_ID) && a->val == 0 && !s->bad_magic &&
	           !s->bad_version) {
		s->empty = true;
		judged(c, "mmio.devid0-ignore", KEPT);
		judged(c, "mmio.devid0-abort", KEPT);
		judged(c, "mmio.devid0-no-access", KEPT);
	}
}

void check_slot(struct check *c, unsigned slot, const struct virtio_access *a)
{
	struct check_slot *s = &c->slot[slot];

	pthread_mutex_lock(&c->lock);
	c->now = a;
	if (a->size == 4 || a->write) {
		judge_behind(c, s, a);
		look(c, s, a);
	}
	c->now = NULL;
	pthread_mutex_unlock(&c->lock);
}
