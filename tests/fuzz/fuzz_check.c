// SPDX-License-Identifier: Apache-2.0
/*
 * Any accesses, and any rings, of a driver that is judged. The device is one that believes every address that
 * vq_check() takes; its registers are of version 1 when the input has 3, 7, 11, ... bytes. Whatever the checker makes of it,
 * it must come to an end and touch nothing of others.
 */
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/report.h"
#include "devices/virtio.h"
#include "devices/virtio_watch.h"
#include "tests/fuzz/input.h"
#include "vmm/core/gmem.h"

#define MEMORY 0x4000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct device {
	struct gmem mem;
	struct check *c;
	struct vq_watch *queue[3];
	uint16_t looked[3], shown[3];
};

static void access_register(struct device *d, struct input *in)
{
	static const uint8_t sizes[] = {1, 2, 4, 4, 4, 4, 4, 8};
	struct virtio_watch *w = check_watch(d->c);
	const uint8_t what = take8(in);
	struct virtio_access a = {.off = take8(in), .size = sizes[what & 7], .write = what & 8};

	a.off = what & 0x10 ? a.off + 0x100u : a.off & ~3u;
	a.val = what & 0x20 ? take8(in) : (uint32_t)take(in, 4);
	a.status = take8(in);
	w->access(w, &a);
}

/* The driver takes packed rings: the word with bit 34. */
static void accept_packed(struct device *d)
{
	struct virtio_watch *w = check_watch(d->c);
	const struct virtio_access sel = {VIRTIO_MMIO_DRIVER_FEATURES_SEL, 4, true, 1, 3};
	const struct virtio_access word = {VIRTIO_MMIO_DRIVER_FEATURES, 4, true, 5, 3};

	w->access(w, &sel);
	w->access(w, &word);
}

static void serve(struct device *d, struct input *in)
{
	struct virtio_watch *w = check_watch(d->c);
	const uint8_t what = take8(in);
	const bool packed = what & 0x80;
	const unsigned i = what % 4;
	const struct vq_addr a = {1u << (take8(in) % 11), take16(in) & ~15u, take16(in) & ~1u,
	                          take16(in) & ~3u};

	if (vq_check(&d->mem, &a, packed) < 0)
		return;
	if (packed)
		accept_packed(d);
	if (i < 3)
		d->queue[i] = w->queue(w, i, &a);
	else
		w->queue(w, 1000, &a);
}

static void use(struct device *d, struct input *in, bool look)
{
	const unsigned i = take8(in) % 3;
	uint16_t *at = look ? &d->looked[i] : &d->shown[i];
	const uint16_t to = (uint16_t)(*at + take8(in));

	if (d->queue[i])
		(look ? d->queue[i]->avail : d->queue[i]->used)(d->queue[i], *at, to);
	*at = to;
}

static void fill_memory(struct device *d, struct input *in)
{
	const gpa_t at = take16(in) % MEMORY;
	uint8_t bytes[64];
	const size_t n = take8(in) % sizeof(bytes);

	for (size_t i = 0; i < n; i++)
		bytes[i] = take8(in);
	(void)!gmem_write(&d->mem, at, bytes, n);
}

static void print_all(struct check *c)
{
	bool *ignored = calloc(nr_rules, sizeof(*ignored));
	struct report r = {.checks = &c, .nr = 1, .ignored = ignored};
	FILE *out = fopen("/dev/null", "w");

	if (ignored && out) {
		report_text(&r, out);
		report_junit(&r, out);
		json_decref(report_json(&r));
	}
	if (out)
		fclose(out);
	free(ignored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct gmem_range range = {0, MEMORY};
	struct input in = {data, size};
	struct device d = {.c = NULL};
	struct check_device dev = {.name = "net0",
	                           .offered = size % 4 == 3 ? UINT32_MAX : UINT64_MAX,
	                           .legacy = size % 4 == 3,
	                           .config_len = 24,
	                           .mem = &d.mem,
	                           .num_max = {256, 256, 64},
	                           .nr_queues = 3};

	if (gmem_create(&d.mem, &range, 1, false) < 0 || check_create(&dev, &d.c) < 0)
		abort();
	while (in.left > 0) {
		switch (take8(&in) % 8) {
		case 0:
			serve(&d, &in);
			break;
		case 1:
		case 2:
			fill_memory(&d, &in);
			break;
		case 3:
			use(&d, &in, true);
			break;
		case 4:
			use(&d, &in, false);
			break;
		case 5:
			check_tick(d.c);
			break;
		default:
			access_register(&d, &in);
			break;
		}
	}
	print_all(d.c);
	check_destroy(d.c);
	gmem_destroy(&d.mem);
	return 0;
}
