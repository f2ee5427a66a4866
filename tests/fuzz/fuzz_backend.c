/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a front end of vhost-user sends, with its descriptors, and what it writes to memory meanwhile. Each step is a
 * byte, then what the step takes. Whatever came: when it has left, nothing of it is there, and the next one is served.
 */
#include <linux/virtio_config.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/fuzz/input.h"
#include "tests/lib/fake_front.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

#define STEPS_MAX 100u
#define FEATURES  FEATURE(VIRTIO_F_VERSION_1)
#define PACKED    FEATURE(VIRTIO_F_RING_PACKED)
#define IN_ORDER  FEATURE(VIRTIO_F_IN_ORDER)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct front f;
static bool made;
static int other_file; /* shorter than anybody says */
static unsigned runs;

static const uint32_t requests[] = {
	VU_GET_FEATURES,
	VU_SET_FEATURES,
	VU_SET_OWNER,
	VU_RESET_OWNER,
	VU_SET_MEM_TABLE,
	VU_SET_VRING_NUM,
	VU_SET_VRING_ADDR,
	VU_SET_VRING_BASE,
	VU_GET_VRING_BASE,
	VU_SET_VRING_KICK,
	VU_SET_VRING_CALL,
	VU_SET_VRING_ERR,
	VU_GET_QUEUE_NUM,
	VU_GET_PROTOCOL_FEATURES,
	VU_SET_PROTOCOL_FEATURES,
	VU_GET_CONFIG,
	VU_SET_VRING_ENABLE,
	VU_SET_BACKEND_REQ_FD,
	VU_SET_CONFIG,
	VU_GET_INFLIGHT_FD,
	VU_SET_INFLIGHT_FD,
	VU_SET_STATUS,
	VU_GET_STATUS,
	99,
};

static void make(void)
{
	if (made)
		return;
	log_set_level((enum log_level) - 1);
	front_create(&f, 1, false, "default+packed+in_order");
	other_file = memfd_create("short", MFD_CLOEXEC);
	REQUIRE(other_file >= 0 && ftruncate(other_file, (off_t)KIB(4)) == 0);
	made = true;
}

/* At the beginning of memory, whatever was there. */
static void make_rings(uint64_t features)
{
	f.mem.next = FAKE_MEM_BASE;
	for (unsigned i = 0; i < 3; i++)
		fake_vq_init(&f.vq[i], &f.mem, FRONT_NUM, features);
}

/* A fresh connection, and memory as it was. */
static void begin(void)
{
	front_connect(&f);
	memset(fake_at(&f.mem, FAKE_MEM_BASE, KIB(64)), 0, KIB(64));
	make_rings(0);
}

static void drain(void)
{
	struct vu_msg answer;

	while (front_answer(&f, &answer))
		for (unsigned i = 0; i < answer.nr_fds; i++)
			fd_close(&answer.fd[i]);
}

static int some_fd(uint64_t which, unsigned ring)
{
	const int fds[] = {f.kick[ring], f.their_call[ring], f.mem.gmem.region[0].fd, other_file};

	return fds[which % ARRAY_SIZE(fds)];
}

static void message(struct input *in, bool right)
{
	const uint32_t request = requests[take(in, 1) % ARRAY_SIZE(requests)];
	const unsigned ring = (unsigned)take(in, 1) % 3;
	struct vu_msg m = front_msg(&f, request, ring, take(in, right ? 8 : 1));

	if (!right) {
		uint64_t how = take(in, 1);

		if (how & 1) /* other bytes somewhere in it */
			for (size_t i = take(in, 2) % sizeof(m.p), n = take(in, 1) % 9;
			     n > 0 && i < sizeof(m.p); n--, i++)
				((uint8_t *)&m.p)[i] = (uint8_t)take(in, 1);
		if (how & 2)
			m.h.size = (uint32_t)take(in, 2) % (uint32_t)sizeof(m.p);
		if (how & 4)
			m.h.flags = (uint32_t)take(in, 1);
		if (how & 8) {
			m.nr_fds = (unsigned)take(in, 1) % (VU_FDS_MAX + 1);
			for (unsigned i = 0; i < m.nr_fds; i++)
				m.fd[i] = some_fd(take(in, 1), ring);
		}
	}
	if (request == VU_SET_INFLIGHT_FD || request == VU_SET_BACKEND_REQ_FD) {
		m.fd[0] = some_fd(take(in, 1), ring);
		m.nr_fds = 1;
	}
	m.h.size = min_u32(m.h.size, sizeof(m.p));
	front_send(&f, &m);
	drain();
}

/* From set-up to rings that run, as a front end does it. */
static void bring_up(struct input *in)
{
	const uint64_t how = take(in, 1);
	const uint64_t layout = (how & 4 ? PACKED : 0) | (how & 8 ? IN_ORDER : 0);

	make_rings(layout);
	front_do(&f, VU_SET_PROTOCOL_FEATURES, 0, how & 1 ? 0x10009 : 0x228);
	front_do(&f, VU_SET_FEATURES, 0,
	         FEATURES | layout | (how & 2 ? FEATURE(VU_F_PROTOCOL_FEATURES) : 0));
	front_do(&f, VU_SET_MEM_TABLE, 0, 0);
	for (unsigned i = 0; i < 3; i++) {
		front_do(&f, VU_SET_VRING_NUM, i, FRONT_NUM);
		front_do(&f, VU_SET_VRING_BASE, i, 0);
		front_do(&f, VU_SET_VRING_ADDR, i, 0);
		front_do(&f, VU_SET_VRING_KICK, i, 0);
		if (how & 2)
			front_do(&f, VU_SET_VRING_ENABLE, i, 1);
	}
}

static void step(struct input *in)
{
	static const uint8_t frame[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const unsigned what = (unsigned)take(in, 1) % 8, ring = what % 2;

	switch (what) {
	case 0:
		bring_up(in);
		break;
	case 1: /* bytes of the rings */
		for (size_t at = take(in, 2) % KIB(16), n = take(in, 1) % 17; n > 0; n--, at++)
			*(uint8_t *)fake_at(&f.mem, FAKE_MEM_BASE + at, 1) = (uint8_t)take(in, 1);
		break;
	case 2:
	case 3:
		fd_event_set(f.kick[ring]);
		break;
	case 4:
		fake_net_queue(f.net, NULL, frame, sizeof(frame));
		if (!fake_net_can_recv(f.net))
			fake_net_queued(f.net);
		break;
	case 5:
		begin();
		break;
	default:
		if (f.fd >= 0)
			message(in, what == 6);
		break;
	}
	front_turn(&f);
	if (fake_net_queued(f.net) > FAKE_NET_FRAMES / 2 || f.net->nr_sent > FAKE_NET_FRAMES / 2)
		in->left = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	const struct virtio_dev *d;

	make();
	begin();
	d = virtio_net_dev(f.nic.net);
	for (unsigned i = 0; i < STEPS_MAX && in.left > 0; i++)
		step(&in);
	front_leave(&f);
	REQUIRE(d->mem->nr == 0 && d->status == 0 && !d->started);
	fake_net_forget_sent(f.net);
	while (fake_net_queued(f.net) > 0) {
		uint8_t bin[256];
		const struct iovec iov = {bin, sizeof(bin)};

		fake_net_give_queued(f.net, &iov, 1);
	}
	if (runs++ % 64 == 0) {
		begin();
		front_up(&f, FEATURES | (runs % 128 == 1 ? PACKED | IN_ORDER : 0), 2);
		REQUIRE(front_sends(&f));
		REQUIRE(front_receives(&f));
		front_leave(&f);
		fake_net_forget_sent(f.net);
		REQUIRE(count_fds() < 64);
	}
	return 0;
}
