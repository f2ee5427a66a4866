/* SPDX-License-Identifier: Apache-2.0 */
/* The user backend with the real libslirp: what its TCP segments are to a driver that takes them joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/vnet_hdr.h"
#include "net/csum.h"
#include "tests/lib/pkt.h"
#include "tests/lib/user_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

#define CSUM FEATURE(VIRTIO_NET_F_GUEST_CSUM)
#define TSO  (FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6))

#define HEAD  54u
#define MSS   1460u /* or a little less: libslirp has its reasons */
#define TOTAL (1u << 20)

/* A connection from the guest, and who answers it outside. */
struct talk {
	struct rig r;
	struct tcp t;
	int listener, out;
	uint8_t *data, *got; /* what is sent to the guest, and what came */
	size_t written;
	uint64_t first;    /* frames that came before */
	uint64_t segments; /* that those which came since are made of */
	unsigned joined;   /* of these, how many of more than one */
};

static void begin(struct talk *k, const char *keys, uint64_t offloads)
{
	uint16_t port = 0;

	*k = (struct talk){.listener = listen_on(SOCK_STREAM, &port)};
	k->data = malloc(TOTAL);
	k->got = malloc(TOTAL);
	for (size_t i = 0; i < TOTAL; i++)
		k->data[i] = (uint8_t)(i * 7 + i / 509);
	open_user_with(&k->r, keys, offloads);
	tcp_open(&k->t, &k->r, 5002, port);
	rig_forget(&k->r);
	k->t.data = k->got;
	k->t.max = TOTAL;
	assert_true(readable(k->listener));
	k->out = accept4(k->listener, NULL, NULL, SOCK_NONBLOCK);
	k->first = k->r.b->stats.recvs;
}

static void end(struct talk *k)
{
	rig_close(&k->r);
	close(k->out);
	close(k->listener);
	free(k->got);
	free(k->data);
}

/* As the device does, and as a driver that checks the checksum. */
static void judge(struct talk *k, const struct rig_frame *f)
{
	const uint32_t len = (uint32_t)(f->len - NET_HDR_LEN);
	struct virtio_net_hdr_v1 hdr;
	uint8_t *frame = malloc(len), *cut = malloc(PKT_MAX);

	memcpy(&hdr, f->data, sizeof(hdr));
	memcpy(frame, f->data + NET_HDR_LEN, len);
	assert_int_equal(vnet_hdr_check_rx(&hdr, len, CSUM | TSO), 0);
	if (hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		assert_true(len <= HEAD + MSS);
		k->segments++;
	} else {
		assert_int_equal(hdr.hdr_len, HEAD);
		assert_in_range(hdr.gso_size, MSS - 40, MSS);
		assert_true(len > HEAD + hdr.gso_size);
		k->segments += (len - HEAD + hdr.gso_size - 1u) / hdr.gso_size;
		k->joined++;
		assert_int_equal(csum_complete(frame, len, hdr.csum_start, hdr.csum_offset), 0);
		/* The checksum of the whole, by another way. */
		assert_int_equal(pkt_tcp_cut(cut, frame, len, UINT16_MAX, 0), len);
		assert_memory_equal(cut, frame, len);
	}
	free(cut);
	free(frame);
}

/* Until @len bytes have come in all. An ACK for whatever came; what that brings waits until it was looked at. */
static void bring(struct talk *k, size_t len)
{
	while (k->t.data_len < len) {
		ssize_t n = k->written < len ? send(k->out, k->data + k->written, len - k->written,
		                                    MSG_NOSIGNAL)
		                             : 0;

		if (n > 0)
			k->written += (size_t)n;
		assert_true(rig_wait_frames(&k->r, 1));
		rig_want_recv(&k->r, false);
		for (unsigned i = 0; i < k->r.nr_got; i++)
			judge(k, &k->r.got[i]);
		take_data(&k->t);
		tcp_out(&k->t, TH_ACK, NULL, 0);
		rig_want_recv(&k->r, true);
	}
	assert_memory_equal(k->got, k->data, len);
}

static void segments_that_wait_leave_as_one_frame(unused void **state)
{
	struct talk k;
	const struct net_backend_stats *s;

	begin(&k, "ipv6=off", CSUM | TSO);
	s = &k.r.b->stats;
	bring(&k, TOTAL);
	assert_true(k.joined > 0);
	assert_true(s->recv_joined > 0);
	assert_int_equal(s->recvs - k.first + s->recv_joined, k.segments);
	assert_int_equal(s->recv_dropped, 0);
	end(&k);
}

/* Without the offloads, without one of them, and switched off. */
static void driver_that_takes_no_segments_gets_frames(unused void **state)
{
	static const struct {
		const char *keys;
		uint64_t offloads;
	} with[] = {
		{"ipv6=off", 0},
		{"ipv6=off", CSUM},
		{"ipv6=off", CSUM | FEATURE(VIRTIO_NET_F_GUEST_TSO6)},
		{"ipv6=off,join=off", CSUM | TSO},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(with); i++) {
		struct talk k;

		begin(&k, with[i].keys, with[i].offloads);
		bring(&k, TOTAL / 4);
		assert_int_equal(k.joined, 0);
		assert_int_equal(k.r.b->stats.recv_joined, 0);
		end(&k);
	}
}

/* What waits while nothing is received, then: as many frames as @offloads make of it. */
static unsigned frames_that_waited(struct talk *k, uint64_t offloads)
{
	const unsigned was = k->joined;
	size_t len = k->t.data_len + 20000;

	rig_want_recv(&k->r, false);
	assert_int_equal(send(k->out, k->data + k->written, 20000, MSG_NOSIGNAL), 20000);
	k->written += 20000;
	rig_settle(&k->r);
	assert_int_equal(rig_set_offloads(&k->r, offloads), 0);
	rig_want_recv(&k->r, true);
	bring(k, len);
	return k->joined - was;
}

static void offloads_of_the_moment_decide(unused void **state)
{
	struct talk k;

	begin(&k, "ipv6=off", CSUM | TSO);
	bring(&k, TOTAL / 2); /* by now libslirp sends a window at once */
	assert_true(frames_that_waited(&k, CSUM | TSO) > 0);
	assert_int_equal(frames_that_waited(&k, CSUM), 0);
	assert_int_equal(frames_that_waited(&k, 0), 0);
	assert_true(frames_that_waited(&k, CSUM | TSO) > 0);
	assert_int_equal(k.r.b->stats.recv_dropped, 0);
	/* Those of a start are new ones. */
	rig_stop(&k.r);
	assert_int_equal(rig_start(&k.r, CSUM), 0);
	assert_int_equal(frames_that_waited(&k, CSUM), 0);
	end(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_that_wait_leave_as_one_frame),
		cmocka_unit_test(driver_that_takes_no_segments_gets_frames),
		cmocka_unit_test(offloads_of_the_moment_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
