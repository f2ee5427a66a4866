// SPDX-License-Identifier: Apache-2.0
/*
 * Any accesses, rings of both layouts and frames of a device that is recorded, which believes every address that vq_check() takes. What
 * is in the recording then is a good one: its reader refuses nothing.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check/record.h"
#include "check/trace.h"
#include "devices/virtio.h"
#include "devices/virtio_watch.h"
#include "tests/fuzz/input.h"

#define MEMORY 0x4000u
#define QUEUES 3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct device {
	struct gmem mem;
	struct virtio_queue vq[QUEUES];
	struct virtio_dev dev;
	struct virtio_watch *watch;
	struct vq_watch *queue[QUEUES];
	uint16_t looked[QUEUES], shown[QUEUES], num[QUEUES];
	bool packed[QUEUES];
};

static void access_register(struct device *d, struct input *in)
{
	const uint8_t what = take8(in);
	const struct virtio_access a = {.off = take16(in),
	                                .size = 1 + what % 8,
	                                .write = what & 8,
	                                .val = take(in, 4),
	                                .status = take8(in)};

	d->watch->access(d->watch, &a);
}

/* Slot and wrap counter, @n slots behind @at. */
static uint16_t ahead(const struct device *d, unsigned i, uint16_t at, unsigned n)
{
	const unsigned num = d->num[i], lap = 2 * num;
	const unsigned place = ((at & 0x7fffu) + (at & 0x8000u ? 0 : num) + n) % lap;

	return (uint16_t)(place < num ? place | 0x8000u : place - num);
}

/* A list begins where the last one ended, as far as the device knows; or somewhere else. */
static void look_packed(struct device *d, unsigned i, unsigned by, unsigned more)
{
	const uint16_t at = ahead(d, i, d->looked[i], more);

	d->queue[i]->avail(d->queue[i], at, at);
	d->looked[i] = ahead(d, i, at, by % (d->num[i] + 1u));
}

static void show_packed(struct device *d, unsigned i, unsigned by)
{
	const uint16_t to = ahead(d, i, d->shown[i], by % (d->num[i] + 1u));

	d->queue[i]->used(d->queue[i], d->shown[i], to);
	d->shown[i] = to;
}

static void serve(struct device *d, struct input *in)
{
	const uint8_t what = take8(in);
	const unsigned i = what % (QUEUES + 1);
	const bool packed = what & 0x80;
	const struct vq_addr a = {1u << (take8(in) % 11), take16(in) & ~15u, take16(in) & ~1u,
	                          take16(in) & ~3u};

	if (vq_check(&d->mem, &a, packed) < 0)
		return;
	d->dev.accepted = (packed ? FEATURE(VIRTIO_F_RING_PACKED) : 0) |
	                  (what & 0x40 ? FEATURE(VIRTIO_F_IN_ORDER) : 0);
	if (i == QUEUES) {
		REQUIRE(!d->watch->queue(d->watch, 1000, &a));
		return;
	}
	d->queue[i] = d->watch->queue(d->watch, i, &a);
	d->looked[i] = d->shown[i] = packed ? 0x8000 : 0;
	d->packed[i] = packed;
	d->num[i] = (uint16_t)a.num;
}

static void look(struct device *d, struct input *in)
{
	const unsigned i = take8(in) % QUEUES;

	if (!d->queue[i])
		return;
	if (d->packed[i]) {
		look_packed(d, i, take8(in), take8(in) < 128 ? 0 : take16(in));
		return;
	}
	d->queue[i]->avail(d->queue[i], d->looked[i], (uint16_t)(d->looked[i] + take16(in)));
	d->looked[i] = (uint16_t)(d->looked[i] + take8(in));
}

/* Never more than the ring has: that is the device's. */
static void show(struct device *d, struct input *in)
{
	const unsigned i = take8(in) % QUEUES;
	uint16_t to;

	if (!d->queue[i])
		return;
	if (d->packed[i]) {
		show_packed(d, i, take16(in));
		d->queue[i]->wish(d->queue[i], (uint32_t)take(in, 4), take8(in) & 1);
		return;
	}
	to = (uint16_t)(d->shown[i] + take16(in) % (d->num[i] + 1u));
	d->queue[i]->used(d->queue[i], d->shown[i], to);
	d->queue[i]->wish(d->queue[i], take16(in), take8(in) & 1);
	d->shown[i] = to;
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

static void pass_frame(struct device *d, struct input *in)
{
	static uint8_t bytes[70000];
	const size_t len = take(in, 3) % sizeof(bytes);
	struct iovec iov[2] = {{bytes, 12}, {bytes + 12, sizeof(bytes) - 12}};

	d->watch->frame(d->watch, take8(in) % QUEUES, iov, 2, len);
	d->watch->interrupt(d->watch, take8(in));
}

static void read_back(FILE *file)
{
	struct trace_reader r;
	struct trace_record t;
	int ret;

	rewind(file);
	ret = trace_open(&r, file);
	while (ret == 0 && (ret = trace_next(&r, &t)) == 1)
		ret = 0;
	if (ret)
		fprintf(stderr, "%s\n", r.why);
	REQUIRE(ret == 0 && r.ended);
	trace_close(&r);
}

static void drive(struct device *d, struct input *in)
{
	while (in->left > 0) {
		switch (take8(in) % 8) {
		case 0:
			serve(d, in);
			break;
		case 1:
		case 2:
			fill_memory(d, in);
			break;
		case 3:
		case 4:
			look(d, in);
			break;
		case 5:
			show(d, in);
			break;
		case 6:
			pass_frame(d, in);
			break;
		default:
			access_register(d, in);
			break;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct virtio_dev_ops ops = {.id = 1, .config_len = 24};
	const struct gmem_range range = {0, MEMORY};
	const struct record_nic nic = {.index = 2};
	struct input in = {data, size};
	struct device d = {.dev = {.ops = &ops, .name = "net2", .nr_queues = QUEUES}};
	struct record *r;
	FILE *file;

	/* Long inputs make files that take longer to write than they tell. */
	if (size > 4096)
		return 0;
	file = tmpfile();
	if (!file || gmem_create(&d.mem, &range, 1, false) < 0)
		abort();
	d.dev.mem = &d.mem;
	d.dev.queue = d.vq;
	if (record_create(fdopen(dup(fileno(file)), "w"), "-", &r) < 0)
		abort();
	d.watch = record_device(r, &d.dev, &nic);
	drive(&d, &in);
	REQUIRE(record_destroy(r) == 0);
	read_back(file);
	fclose(file);
	gmem_destroy(&d.mem);
	return 0;
}
