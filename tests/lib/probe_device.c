/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/probe_device.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct probe *probe_of(struct virtio_dev *d)
{
	return container_of(d, struct probe, dev);
}

static void dev_config_read(struct virtio_dev *d, uint32_t off, void *buf, uint32_t len)
{
	assert(off < PROBE_CONFIG && len > 0 && len <= PROBE_CONFIG - off);
	memcpy(buf, probe_of(d)->config + off, len);
}

static void dev_config_write(struct virtio_dev *d, uint32_t off, const void *buf, uint32_t len)
{
	struct probe *p = probe_of(d);

	assert(off < PROBE_CONFIG && len > 0 && len <= PROBE_CONFIG - off);
	memcpy(p->config + off, buf, len);
	p->write_off = off;
	p->write_len = len;
}

/* Bit 1 needs bit 0. */
static bool dev_features_ok(const struct virtio_dev *d, uint64_t accepted)
{
	assert((accepted & ~d->offered) == 0);
	return !(accepted & FEATURE(1)) || (accepted & FEATURE(0));
}

static int dev_start(struct virtio_dev *d)
{
	struct probe *p = probe_of(d);

	p->starts++;
	p->status_at_start = d->status;
	if (p->break_start)
		virtio_broken(d, p->break_start);
	return p->start_error;
}

static void dev_stop(struct virtio_dev *d)
{
	struct probe *p = probe_of(d);

	p->stops++;
	p->running_at_stop = 0;
	for (unsigned i = 0; i < d->nr_queues; i++)
		p->running_at_stop += vq_running(&d->queue[i].vq);
}

static void dev_release(struct virtio_dev *d, unsigned i)
{
	struct probe *p = probe_of(d);

	p->releases++;
	p->running_at_release = vq_running(&d->queue[i].vq);
}

static const struct virtio_dev_ops ops = {
	.id = 42,
	.config_len = PROBE_CONFIG,
	.config_read = dev_config_read,
	.config_write = dev_config_write,
	.features_ok = dev_features_ok,
	.start = dev_start,
	.stop = dev_stop,
	.release = dev_release,
};

const struct virtio_dev_ops probe_plain_ops = {
	.id = 42,
	.config_len = PROBE_CONFIG,
	.config_read = dev_config_read,
	.start = dev_start,
	.stop = dev_stop,
};

static void pulse(void *transport)
{
	struct probe *p = transport;

	p->pulses++;
}

static const struct virtio_transport_ops transport = {.interrupt = pulse};

struct probe *probe_create(void)
{
	struct probe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	fake_mem_create(&p->m, KIB(64));
	fake_vq_init(&p->vq[0], &p->m, 16, 0);
	fake_vq_init(&p->vq[1], &p->m, 8, 0);
	p->dev = (struct virtio_dev){
		.ops = &ops,
		.tops = &transport,
		.transport = p,
		.name = "probe0",
		.mem = &p->m.gmem,
		.offered = PROBE_FEATURES,
		.queue = p->queue,
		.nr_queues = PROBE_QUEUES,
	};
	for (unsigned i = 0; i < PROBE_QUEUES; i++)
		p->queue[i].num_max = 16;
	for (unsigned i = 0; i < PROBE_CONFIG; i++)
		p->config[i] = u8_of(i + 1);
	p->drv.core = &p->dev;
	if (virtio_init(&p->dev) == 0)
		return p;
	fake_mem_destroy(&p->m);
	free(p);
	return NULL;
}

void probe_destroy(struct probe *p)
{
	virtio_fini(&p->dev);
	fake_mem_destroy(&p->m);
	free(p);
}

int probe_bring_up(struct probe *p, uint64_t features)
{
	struct fake_vq *const vqs[] = {&p->vq[0], &p->vq[1]};

	return fake_probe(&p->drv, features, vqs, 2);
}
