/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that writes what it likes to the registers and to its memory, against an echo device. An input
 * with an odd number of bytes has a register page.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "devices/virtio_mmio.h"
#include "tests/fuzz/input.h"
#include "tests/lib/echo_device.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_page.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEM_BYTES KIB(32)

static struct fake_mem mem = {
	.gmem = {.region = {{.base = FAKE_MEM_BASE, .size = MEM_BYTES, .fd = -1}}, .nr = 1},
	.next = FAKE_MEM_BASE,
	.end = FAKE_MEM_BASE + MEM_BYTES,
};
static struct loop
	*loop; /* never runs: its calls are plain calls, its watches are served by hand */
static struct echo echo;
static struct virtio_mmio mmio;
static struct fake_page page;
static struct fake_dev drv = {.core = &echo.dev, .mmio = &mmio};
static struct fake_vq vqs[ECHO_QUEUES];

static bool live(void)
{
	return (echo.dev.status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET |
	                           VIRTIO_CONFIG_S_FEATURES_OK)) ==
	       (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK);
}

/* Every chain that the device gets. */
static void inspect(struct echo *e, const struct vq *q, const struct vq_chain *c)
{
	const uint8_t *base = mem.gmem.region[0].host;
	uint64_t out = 0, in = 0;

	REQUIRE(e->dev.started && live());
	REQUIRE(((q->next_avail - q->next_used) & 0xffff) <= ECHO_NUM_MAX);
	for (unsigned i = 0; i < c->nr_out + c->nr_in; i++) {
		const uint64_t off = (uintptr_t)c->iov[i].iov_base - (uintptr_t)base;

		REQUIRE(off < MEM_BYTES && c->iov[i].iov_len <= MEM_BYTES - off);
		*(i < c->nr_out ? &out : &in) += c->iov[i].iov_len;
	}
	REQUIRE(out == c->out_len && in == c->in_len);
}

int LLVMFuzzerInitialize(int *argc unused, char ***argv unused)
{
	log_set_level((enum log_level)(LOG_ERROR - 1));
	mem.gmem.region[0].host = calloc(1, MEM_BYTES);
	if (!mem.gmem.region[0].host || loop_create(&loop) < 0 ||
	    echo_create(&echo, &mem.gmem, loop) < 0)
		abort();
	echo.inspect = inspect;
	fake_vq_init(&vqs[0], &mem, 4, 0);
	fake_vq_init(&vqs[1], &mem, 64, 0);
	return 0;
}

static void check_page(void)
{
	const bool started = echo.dev.status & VIRTIO_CONFIG_S_DRIVER_OK;
	const uint32_t isr = virtio_isr(&echo.dev);

	REQUIRE(fake_page_lie(&page, &mmio) == -1);
	REQUIRE(page.on == !(isr & VIRTIO_ISR_CONFIG));
	REQUIRE((isr & VIRTIO_ISR_USED) == (started ? VIRTIO_ISR_USED : 0));
}

/* What is true between any two accesses. */
static void check(void)
{
	const struct virtio_dev *d = &echo.dev;

	REQUIRE((d->accepted & ~d->offered) == 0);
	REQUIRE(d->accepted == 0 || (d->status & VIRTIO_CONFIG_S_FEATURES_OK));
	REQUIRE(!(d->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	        (d->accepted & FEATURE(VIRTIO_F_VERSION_1)));
	REQUIRE(!(d->status & VIRTIO_CONFIG_S_DRIVER_OK) ||
	        (d->status & VIRTIO_CONFIG_S_FEATURES_OK));
	REQUIRE(d->started == live());
	REQUIRE(virtio_isr(d) == 0 || (d->status & VIRTIO_CONFIG_S_DRIVER_OK));
	REQUIRE((virtio_isr(d) & ~3u) == 0);
	for (unsigned i = 0; i < ECHO_QUEUES; i++) {
		const struct virtio_queue *q = &d->queue[i];

		REQUIRE(!vq_running(&q->vq) || (q->ready && live() && q->addr.num <= q->num_max));
		REQUIRE((echo.port[i].watch.loop != NULL) == d->started);
	}
	if (drv.page)
		check_page();
}

/* What epoll would do: level-triggered, so a kick that nobody takes comes again. */
static void serve(void)
{
	for (unsigned i = 0; i < ECHO_QUEUES; i++)
		if (echo.dev.started)
			echo.port[i].watch.fn(echo.port[i].watch.arg, EPOLLIN);
}

static void access_register(struct input *in)
{
	/* Register numbers, then what is worth writing there. */
	const uint64_t off = 4 * (take(in, 1) & 0x3f);
	const unsigned kind = (unsigned)take(in, 1);
	uint32_t val;

	if (kind < 16)
		val = kind;
	else if (kind < 96)
		val = u32_of(FAKE_MEM_BASE + 64 * take(in, 1));
	else if (kind < 128)
		val = 1u << kind % 32;
	else
		val = u32_of(take(in, 4));
	fake_writel(&drv, off, val);
}

static void access_anything(struct input *in)
{
	const unsigned size = 1u << (take(in, 1) & 3);
	const uint64_t off = take(in, 2) % (VIRTIO_MMIO_SIZE - size + 1);
	const uint64_t val = take(in, 8);
	uint64_t got;

	virtio_mmio_bus_ops.write(&mmio, off, size, val);
	got = virtio_mmio_bus_ops.read(&mmio, off, size);
	REQUIRE(size == 8 || got >> (8 * size) == 0);
}

static void scribble(struct input *in)
{
	uint8_t buf[16];
	const gpa_t at = FAKE_MEM_BASE + take(in, 2) % (MEM_BYTES - sizeof(buf) + 1);

	put_le64(buf, take(in, 8));
	put_le64(buf + 8, take(in, 8));
	REQUIRE(gmem_write(&mem.gmem, at, buf, sizeof(buf)) == 0);
}

/* An honest request or a descriptor that is anything but. */
static void use_ring(struct input *in)
{
	const unsigned what = (unsigned)take(in, 1);
	struct fake_vq *v = &vqs[what & 1];
	struct fake_buf b[3];
	struct vring_desc d;

	if (what & 2) {
		d.addr = FAKE_MEM_BASE - 256 + take(in, 2);
		d.len = u32_of(take(in, 2));
		d.flags = u16_of(take(in, 1)) & 7;
		d.next = u16_of(take(in, 1));
		fake_vq_raw_desc(v, (unsigned)take(in, 1), d);
		fake_vq_raw_head(v, u16_of(take(in, 1)));
	} else {
		for (unsigned i = 0; i < ARRAY_SIZE(b); i++)
			b[i] = (struct fake_buf){.addr = FAKE_MEM_BASE + take(in, 2) % KIB(31),
			                         .len = 1 + u32_of(take(in, 1)),
			                         .write = i > 0};
		if (what & 4)
			fake_vq_add(v, b, 2);
		else
			fake_vq_add(v, b, 3);
	}
	if (what & 8)
		fake_vq_raw_avail_idx(v, u16_of(take(in, 2)));
	else
		fake_vq_publish(v);
}

/* The whole way at once, so that the interesting states are never far. */
static void bring_up(struct input *in)
{
	const unsigned what = (unsigned)take(in, 1);
	uint64_t features = FEATURE(VIRTIO_F_VERSION_1);
	struct vq_addr a = vqs[1].addr;

	features |= what & 1 ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0;
	features |= what & 2 ? FEATURE(VIRTIO_RING_F_INDIRECT_DESC) : 0;
	features |= what & 4 ? FEATURE(take(in, 1) & 63) : 0;
	if (what & 8) {
		a.num = u32_of(take(in, 1));
		a.desc += take(in, 2);
		a.avail += take(in, 2);
		a.used += take(in, 2);
	}
	fake_vq_clear(&vqs[0]);
	fake_vq_clear(&vqs[1]);
	(void)!fake_negotiate(&drv, features);
	fake_set_queue(&drv, 0, &vqs[0].addr);
	if (what & 0x30)
		fake_set_queue(&drv, 1, &a);
	fake_add_status(&drv, VIRTIO_CONFIG_S_DRIVER_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.p = data, .left = size};

	virtio_mmio_init(&mmio, &echo.dev, (struct irq_line){0});
	echo.dev.isr = &echo.dev.own_isr;
	drv.page = size % 2 ? &page : NULL;
	if (drv.page)
		REQUIRE(fake_page_create(&page, &mmio) == 0);
	memset(mem.gmem.region[0].host, 0, MEM_BYTES);
	memset(echo.config, 0, sizeof(echo.config));
	fake_vq_clear(&vqs[0]);
	fake_vq_clear(&vqs[1]);
	while (in.left > 0) {
		switch (take(&in, 1) % 8) {
		case 0:
		case 1:
			access_register(&in);
			break;
		case 2:
			access_anything(&in);
			break;
		case 3:
			scribble(&in);
			break;
		case 4:
			use_ring(&in);
			break;
		case 5:
			bring_up(&in);
			break;
		case 6:
			fake_kick(&drv, u32_of(take(&in, 1)));
			virtio_config(&echo.dev);
			break;
		default:
			serve();
			break;
		}
		check();
	}
	fake_set_status(&drv, 0);
	check();
	REQUIRE(!echo.dev.started && fake_status(&drv) == 0);
	if (drv.page)
		fake_page_destroy(&page);
	return 0;
}
