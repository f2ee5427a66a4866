/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices/virtio_net*.c against a driver and an outside that do anything: raw descriptors, heads and
 * indices, kicks, frames, commands, resets in every state, and a peer that serves the rings now and then and
 * says anything when it stops. What must hold, besides what sanitizers see:
 * the device comes to rest (vrig_pump()), keeps its contract with the backend (fake_net), and after a
 * reset it works.
 *
 * Input: a string of steps, one byte of kind and its operands.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/le.h"
#include "vmm/core/log.h"

#define RING   16u
#define PIECES 24u /* of a chain */
#define MEM    KIB(512)
#define BUF_AT KIB(64) /* from the start of guest memory: rings are before, buffers behind */
#define ROUNDS 64u     /* steps of one input */
#ifndef PAIRS          /* fuzz_virtio_net_pairs.c */
#define PAIRS 1u
#endif

#ifndef LAYOUTS /* fuzz_virtio_net_packed.c */
#define LAYOUTS 0
#endif

#ifndef POLL /* fuzz_virtio_net_poll.c */
#define POLL POLL_OFF
#endif

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vrig rig;
static const uint8_t *in;
static size_t left;

static uint8_t u8(void)
{
	if (!left)
		return 0;
	left--;
	return *in++;
}

static uint16_t u16(void)
{
	uint16_t lo = u8();

	return (uint16_t)(lo | u8() << 8);
}

static uint64_t mask(void)
{
	uint64_t m = 0;

	for (unsigned i = 0; i < 8; i++)
		m = m << 8 | u8();
	return m;
}

/* Turns that did something, or found that there is nothing. */
static uint64_t turns(void)
{
	const struct virtio_net_stats *s = virtio_net_stats(rig.n);

	return s->rx_turns + s->tx_turns;
}

static const enum poll_mode poll_mode = POLL;

static void pump_once(void)
{
	(void)vrig_pump_once(&rig);
	if (poll_mode != POLL_OFF)
		(void)loop_turn(rig.loop, 0);
}

/* Until the device has nothing to do; with POLL, nothing that it finds by looking either. */
static void pump(void)
{
	uint64_t before;
	unsigned looks = 0;

	do {
		vrig_pump(&rig);
		before = turns();
		if (poll_mode != POLL_OFF && (loop_turn(rig.loop, 0) < 0 || ++looks > 10000))
			abort();
	} while (turns() != before);
}

/* Mostly an address in the buffers; sometimes anywhere. */
static gpa_t address(void)
{
	gpa_t a = FAKE_MEM_BASE + BUF_AT + (gpa_t)u16() * 8;

	if (a % 64 != 0 || (u8() & 3) != 0)
		return a;
	a = (gpa_t)u16() << 44;
	return a | (gpa_t)u16() << 16;
}

/* Mostly short; sometimes up to 16 MiB. */
static uint32_t length(void)
{
	unsigned kind = u8();

	return kind < 128 ? kind : kind < 240 ? u16() : (uint32_t)u16() << 8;
}

static bool up(uint64_t accept)
{
	bool ok = vrig_try_up(&rig, net_features_close(accept & net_features_known())) == 0;

	memset(fake_at(&rig.m, FAKE_MEM_BASE + BUF_AT, 1), 0, 1);
	return ok;
}

/* The outside of some pair. */
static struct fake_net *outside(void)
{
	return rig.nets[PAIRS > 1 ? u8() % PAIRS : 0];
}

static struct fake_vq *queue(unsigned *i)
{
	*i = u8() % (rig.ctrl + 1);
	if (*i == rig.ctrl && !(rig.features & VRIG_F(CTRL_VQ)))
		*i = NET_TX;
	return &rig.vq[*i];
}

static void raw_descriptor(void)
{
	unsigned i, at;
	struct fake_vq *v = queue(&i);
	struct vring_desc d;

	at = u8();
	d.addr = htole64(address());
	d.len = htole32(length());
	d.flags = u8();
	/* Packed: whose it is. */
	d.flags = htole16((d.flags & 7) | (LAYOUTS ? (d.flags & 0x80) | (d.flags & 0x40) << 9 : 0));
	d.next = htole16(u8() % (RING + 1));
	fake_vq_raw_desc(v, at, d);
}

/* A chain as a driver makes it: sizes and directions from the input, perhaps a table (longer than the ring). */
static void good_chain(void)
{
	unsigned i, n = 1 + u8() % PIECES, readable = u8() % (n + 1), direct = u8() % 4;
	struct fake_vq *v = queue(&i);
	struct fake_buf b[PIECES];

	for (unsigned k = 0; k < n; k++) {
		uint32_t len = 1 + length() % 9000;

		b[k] = (struct fake_buf){
			.addr = FAKE_MEM_BASE + BUF_AT + u16(), .len = len, .write = k >= readable};
	}
	if (direct < n && (rig.features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC)))
		(void)fake_vq_add_table(v, b, n, direct);
	else
		(void)fake_vq_add(v, b, n);
	fake_vq_publish(v);
	if (u8() & 1)
		fake_kick(&rig.dev, i);
}

/* Bytes of the input into the buffers: headers, commands, tables. */
static void write_memory(void)
{
	uint8_t *at = fake_at(&rig.m, FAKE_MEM_BASE + BUF_AT + u16(), 256);

	for (unsigned n = u8() % 64; n; n--)
		*at++ = u8();
}

static void frame_arrives(void)
{
	static uint8_t frame[VNET_FRAME_MAX];
	struct fake_net *net = outside();
	struct virtio_net_hdr_v1 h;
	uint32_t len = length() % (VNET_FRAME_MAX + 1);
	uint8_t raw[NET_HDR_LEN];

	for (unsigned i = 0; i < sizeof(raw); i++)
		raw[i] = u8();
	memcpy(&h, raw, sizeof(h));
	if (u8() & 1)
		memset(&h, 0, sizeof(h));
	memset(frame, 0x77, sizeof(frame));
	for (unsigned i = 0; i < 18; i++)
		frame[i] = u8();
	if (fake_net_queued(net) < 64)
		fake_net_queue(net, &h, frame, len);
	fake_net_can_recv(net);
}

static void ring_words(void)
{
	unsigned i;
	struct fake_vq *v = queue(&i);

	switch (u8() % 4) {
	case 0:
		fake_vq_raw_avail_idx(v, u16());
		break;
	case 1:
		fake_vq_raw_used_event(v, u16());
		break;
	case 2:
		fake_vq_irq_off(v);
		break;
	default:
		fake_vq_raw_head(v, u8() % (RING + 2));
		fake_vq_publish(v);
		break;
	}
}

static void command(void)
{
	unsigned len = u8() % 40, class = u8() % 8, cmd = u8() % 8;
	struct fake_vq *v = &rig.vq[rig.ctrl];
	struct fake_buf b[2];
	uint8_t bytes[42] = {(uint8_t) class, (uint8_t)cmd};

	if (!(rig.features & VRIG_F(CTRL_VQ)))
		return;
	for (unsigned i = 0; i < len; i++)
		bytes[2 + i] = u8();
	b[0] = (struct fake_buf){.addr = FAKE_MEM_BASE + BUF_AT, .len = 2 + len};
	memcpy(fake_at(&rig.m, b[0].addr, sizeof(bytes)), bytes, sizeof(bytes));
	b[1] = (struct fake_buf){.addr = FAKE_MEM_BASE + BUF_AT + 64, .len = 1, .write = true};
	(void)fake_vq_add(v, b, 2);
	fake_vq_publish(v);
	fake_kick(&rig.dev, rig.ctrl);
}

/* The path changes, or the peer does something. */
static void path_step(void)
{
	struct virtio_net_switch result;
	unsigned what = u8();

	rig.peer.start_err = (what & 0x30) == 0x30 ? -EIO : 0;
	rig.net->start_err = (what & 0x60) == 0x60 ? -ENOMEM : 0;
	rig.peer.lie = (what & 0x90) == 0x90;
	for (unsigned i = 0; i < FAKE_RINGS * PAIRS && rig.peer.lie; i++)
		rig.peer.lie_next_avail[i] =
			(u8() & 7 ? u8() : u16() * 3u) * (LAYOUTS ? 0x10001 : 1);
	if (what & 8)
		(void)virtio_net_set_path(rig.n, what & 1, &result);
	else if (rig.peer.started && (what & 7) == 7)
		rig.peer.sink.bad_ring(rig.peer.sink.arg, what >> 7);
	else if (rig.peer.started)
		fake_ring_run(&rig.peer, 1 + (what & 7));
	rig.peer.start_err = rig.net->start_err = 0;
	rig.peer.lie = false;
}

static void step(void)
{
	const unsigned kind = u8();
	struct fake_net *net;
	unsigned i;

	if (kind >= 232) {
		path_step();
		return;
	}
	switch (kind % 16) {
	case 0:
	case 1:
		raw_descriptor();
		break;
	case 2:
	case 3:
		good_chain();
		break;
	case 4:
		write_memory();
		break;
	case 5:
	case 6:
		frame_arrives();
		break;
	case 7:
		ring_words();
		break;
	case 8:
		command();
		break;
	case 9:
		fake_net_fail_send(outside(), u8(), u8() & 1 ? -EAGAIN : -EIO, UINT_MAX);
		break;
	case 10:
		net = outside();
		fake_net_finish(net, net->nr_held ? u8() % (net->nr_held + 1) : 0);
		fake_net_can_send(net);
		break;
	case 11:
		virtio_net_set_link(rig.n, u8() & 1);
		break;
	case 12:
		pump_once();
		break;
	case 13:
		queue(&i);
		virtio_queue_ready(rig.dev.core, i, false);
		break;
	case 14:
		virtio_net_announce(rig.n);
		queue(&i);
		fake_kick(&rig.dev, i);
		break;
	default:
		(void)up(mask());
		break;
	}
}

/* After all that, one frame each way. */
static void still_works(void)
{
	uint8_t bytes[NET_HDR_LEN + 60] = {0};
	struct fake_buf out, rx;
	unsigned head;
	uint32_t len;

	fake_net_can_send(rig.net);
	virtio_net_set_link(rig.n, true);
	virtio_set_status(rig.dev.core, 0);
	if (virtio_net_set_path(rig.n, false, &(struct virtio_net_switch){0}) < 0)
		abort();
	if (!up(0))
		abort();
	pump();
	while (fake_net_queued(rig.net)) { /* what still waits outside */
		rx = fake_in(&rig.m, NET_RECV_MAX);
		(void)fake_vq_add(&rig.vq[NET_RX], &rx, 1);
		vrig_go(&rig, NET_RX);
		pump();
		fake_net_can_recv(rig.net);
		while (fake_vq_reap(&rig.vq[NET_RX], &head, &len))
			;
		rig.m.next = rig.mark;
	}
	vrig_frame(bytes + NET_HDR_LEN, 60, vrig_mac, 1);
	fake_net_forget_sent(rig.net);
	out = fake_out(&rig.m, bytes, sizeof(bytes));
	if (fake_vq_add(&rig.vq[NET_TX], &out, 1) < 0)
		abort();
	vrig_go(&rig, NET_TX);
	pump();
	if (rig.net->nr_sent != 1 || memcmp(rig.net->sent[0].data, bytes, sizeof(bytes)) != 0)
		abort();
}

int LLVMFuzzerInitialize(unused int *argc, unused char ***argv)
{
	log_set_level(LOG_ERROR);
	vrig_layout(LAYOUTS);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = data;
	left = size;
	vrig_create(&rig, (struct vrig_options){.vq_size = RING,
	                                        .mtu = size & 1 ? 1500 : 0,
	                                        .mem_bytes = MEM,
	                                        .pairs = PAIRS,
	                                        .peer = true,
	                                        .poll = poll_mode,
	                                        .hash_report = true});
	for (unsigned i = 0; size & 4 && i < PAIRS; i++)
		fake_net_hold(rig.nets[i]);
	if (!up(~VRIG_F(HASH_REPORT) & ~(size & 2 ? 0 : VRIG_F(MRG_RXBUF))))
		abort();
	for (unsigned n = 0; left && n < ROUNDS; n++) {
		step();
		if (u8() & 1)
			pump();
	}
	pump();
	still_works();
	vrig_destroy(&rig);
	return 0;
}
