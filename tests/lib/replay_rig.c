/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/replay_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio.h"

static void no_wire(unused void *arg, unused unsigned gsi, unused bool level)
{
}

void replay_rig_file(struct replay_rig *g)
{
	int fd;

	strcpy(g->path, "/tmp/doorbell-test-XXXXXX");
	fd = mkstemp(g->path);
	assert_true(fd >= 0);
	assert_int_equal(record_create(fdopen(fd, "w"), g->path, &g->record), 0);
}

void replay_rig_nic(struct replay_rig *g, unsigned index, struct vrig_options o)
{
	struct record_nic nic = {
		.index = index, .legacy = o.legacy, .provoke = g->provoke, .seed = 3};
	const struct irq_line line = {.set = no_wire};

	o.vq_size = 16;
	vrig_create(&g->r, o);
	if (o.legacy)
		virtio_mmio_legacy_init(&g->mmio, g->r.dev.core, line);
	else
		virtio_mmio_init(&g->mmio, g->r.dev.core, line);
	g->r.dev.mmio = &g->mmio;
	if (g->provoke)
		provoke_device(g->provoke, g->r.n);
	memcpy(nic.mac, vrig_mac, sizeof(nic.mac));
	g->r.dev.core->watch = record_device(g->record, g->r.dev.core, &nic);
}

void replay_rig_begin(struct replay_rig *g)
{
	*g = (struct replay_rig){.record = NULL};
	replay_rig_file(g);
	replay_rig_nic(g, 0, (struct vrig_options){.mem_bytes = 0});
}

void replay_rig_end(struct replay_rig *g)
{
	vrig_destroy(&g->r);
	assert_int_equal(record_destroy(g->record), 0);
}

struct replay_outcome replay_rig_same(struct replay_rig *g)
{
	struct replay_outcome o;
	int ret = replay(g->path, NULL, &o);

	unlink(g->path);
	if (ret || o.why[0])
		fail_msg("%d: %s", ret, o.why);
	assert_int_equal(o.wishes, o.used);
	return o;
}
