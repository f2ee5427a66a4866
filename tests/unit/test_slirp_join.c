/* SPDX-License-Identifier: Apache-2.0 */
/* The user backend with the real libslirp: what its TCP segments are to a driver that takes them joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
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
#define MSS   1460u
#define SIZE  1440u /* of segments when libslirp decides */
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
	uint16_t size;     /* that a segment has at most */
	uint16_t id[2];    /* of the first packet, and of the last */
};

static void begin_any(struct talk *k)
{
	*k = (struct talk){.size = SIZE, .listener = -1, .out = -1};
	k->data = malloc(TOTAL);
	k->got = malloc(TOTAL);
	for (size_t i = 0; i < TOTAL; i++)
		k->data[i] = (uint8_t)(i * 7 + i / 509);
}

static void begun(struct talk *k)
{
	rig_forget(&k->r);
	k->t.data = k->got;
	k->t.max = TOTAL;
	k->first = k->r.b->stats.recvs;
}

/* @mss: what our SYN says, or 0. */
static void begin_mss(struct talk *k, const char *keys, uint64_t offloads, uint16_t mss)
{
	uint16_t port = 0;

	begin_any(k);
	k->listener = listen_on(SOCK_STREAM, &port);
	open_user_with(&k->r, keys, offloads);
	/* Whatever is between libslirp and us, to the guest its MTU is that of its network. */
	assert_int_equal(tcp_open_mss(&k->t, &k->r, 5002, port, mss), MSS);
	begun(k);
	assert_true(readable(k->listener));
	k->out = accept4(k->listener, NULL, NULL, SOCK_NONBLOCK);
}

static void begin(struct talk *k, const char *keys, uint64_t offloads)
{
	begin_mss(k, keys, offloads, 0);
}

/* The other way: through a forwarded port, and it is our answer that has @mss. */
static void begin_forward(struct talk *k, const char *more, uint64_t offloads, uint16_t mss)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	const struct rig_frame *f;
	uint16_t port = 0;
	char keys[96];

	begin_any(k);
	close(listen_on(SOCK_STREAM, &port));
	snprintf(keys, sizeof(keys), "ipv6=off,hostfwd=tcp:127.0.0.1:%u-10.0.2.15:80%s", port,
	         more);
	open_user_with(&k->r, keys, offloads);
	k->out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(port);
	assert_int_equal(connect(k->out, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fcntl(k->out, F_SETFL, O_NONBLOCK), 0);
	assert_true(rig_wait_frames(&k->r, 1));
	f = &k->r.got[0];
	k->t = (struct tcp){.r = &k->r, .want = TH_SYN, .seq = 99, .mss = mss};
	k->t.ends = to_gateway(80, pkt_be16(f->data + NET_HDR_LEN + 34));
	assert_true(has_flags(f->data + NET_HDR_LEN, f->len - NET_HDR_LEN, &k->t));
	assert_int_equal(mss_of(f), MSS);
	k->t.ack = k->t.iss + 1;
	begun(k);
	tcp_out(&k->t, TH_SYN | TH_ACK, NULL, 0);
}

static void end(struct talk *k)
{
	rig_close(&k->r);
	close(k->out);
	if (k->listener >= 0)
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
	k->id[1] = pkt_be16(frame + 18);
	if (k->segments == 0)
		k->id[0] = k->id[1];
	if (hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		assert_true(len <= HEAD + k->size);
		k->segments++;
	} else {
		assert_int_equal(hdr.hdr_len, HEAD);
		assert_int_equal(hdr.gso_size, k->size);
		assert_true(len > HEAD + hdr.gso_size);
		k->segments += (len - HEAD + hdr.gso_size - 1u) / hdr.gso_size;
		k->joined++;
		assert_int_equal(csum_complete(frame, len, hdr.csum_start, hdr.csum_offset), 0);
	}
	if (frame[HEAD - 4] == 0xff && frame[HEAD - 3] == 0xff) /* which is 0, too */
		memset(frame + HEAD - 4, 0, 2);
	/* The checksum of the whole, by another way. */
	assert_int_equal(pkt_tcp_cut(cut, frame, len, UINT16_MAX, 0), len);
	assert_memory_equal(cut, frame, len);
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
			if (k->r.got[i].len > NET_HDR_LEN + HEAD) /* not an ACK alone */
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

/* Data for the guest waits in a large frame, of which the driver has had one piece when this returns. */
static void take_one_piece(struct talk *k, size_t bytes)
{
	uint8_t *f = malloc(PKT_MAX);

	rig_want_recv(&k->r, false);
	assert_int_equal(send(k->out, k->data + k->written, bytes, MSG_NOSIGNAL), bytes);
	k->written += bytes;
	rig_settle(&k->r);
	assert_int_equal(rig_set_offloads(&k->r, 0), 0);
	assert_int_equal(rig_take(&k->r, f, PKT_MAX), HEAD + SIZE);
	assert_int_equal(pkt_be32(f + 38), k->t.ack);
	memcpy(k->got + k->t.data_len, f + HEAD, SIZE);
	k->t.data_len += SIZE;
	k->t.ack += SIZE;
	free(f);
}

static void rest_of_a_frame_that_was_begun_comes_in_pieces(unused void **state)
{
	struct talk k;

	begin(&k, "ipv6=off", CSUM | TSO);
	bring(&k, TOTAL / 2); /* by now libslirp sends a window at once */
	take_one_piece(&k, 60000);
	k.joined = 0;
	k.segments = 0;
	assert_int_equal(rig_set_offloads(&k.r, CSUM | TSO), 0);
	rig_want_recv(&k.r, true);
	bring(&k, k.written);
	assert_int_equal(k.joined, 1); /* what waited behind that frame */
	assert_int_equal(k.segments, (60000 - 1) / SIZE);
	assert_int_equal(k.r.b->stats.recv_dropped, 0);
	end(&k);
}

static void start_forgets_the_frame_that_was_begun(unused void **state)
{
	struct talk k;

	begin(&k, "ipv6=off", CSUM | TSO);
	bring(&k, TOTAL / 2);
	take_one_piece(&k, 60000);
	rig_stop(&k.r);
	assert_int_equal(k.r.b->stats.recv_dropped, 2);
	assert_int_equal(rig_start(&k.r, CSUM), 0);
	/* An ACK of what came, then three that bring the rest of it again. */
	for (unsigned i = 0; i < 4; i++)
		tcp_out(&k.t, TH_ACK, NULL, 0);
	assert_true(rig_wait_frames(&k.r, 1));
	assert_int_equal(pkt_be32(k.r.got[0].data + NET_HDR_LEN + 38), k.t.ack);
	bring(&k, k.written);
	end(&k);
}

/*
 * Of how many packets of libslirp's the segments were, by the ids of these. Not for what doorbell has cut: that has some of
 * its own.
 */
static void assert_large(struct talk *k, bool large)
{
	uint16_t packets;

	bring(k, TOTAL / 2);
	packets = (uint16_t)(k->id[1] - k->id[0] + 1);
	if (large)
		assert_true(packets * 8u < k->segments);
	else
		assert_true(packets + 64u > k->segments);
	assert_int_equal(k->r.b->stats.recv_dropped, 0);
	end(k);
}

/* libslirp does not look at the MSS of a SYN that the guest begins with. Should this fail, tcp_seg_mss() is for these, too. */
static void connections_of_the_guest_have_large_segments(unused void **state)
{
	static const uint16_t mss[] = {0, 1460, 1000};
	struct talk k;

	for (unsigned i = 0; i < ARRAY_SIZE(mss); i++) {
		begin_mss(&k, "ipv6=off", CSUM | TSO, mss[i]);
		assert_large(&k, true);
	}
	begin_mss(&k, "ipv6=off,join=off", CSUM | TSO, 1460);
	assert_large(&k, false);
}

static void mss_of_the_guests_answer_decides(unused void **state)
{
	static const struct {
		const char *more;
		uint64_t at_first, offloads;
		uint16_t mss, size;
		bool large;
	} with[] = {
		{"", CSUM | TSO, CSUM | TSO, 1460, SIZE, true},
		{"", CSUM | TSO, CSUM | TSO, 8960, SIZE, true},
		{"", CSUM | TSO, CSUM | TSO, 0, SIZE, true},
		{"", CSUM | TSO, CSUM | TSO, 1459, 1459, false},
		{"", CSUM | TSO, CSUM | TSO, 1000, 1000, false},
		{"", 0, CSUM | TSO, 1460, 1460, false},
		{"", CSUM, CSUM, 1460, 1460, false},
		{",join=off", CSUM | TSO, CSUM | TSO, 1460, 1460, false},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(with); i++) {
		struct talk k;

		begin_forward(&k, with[i].more, with[i].at_first, with[i].mss);
		k.size = with[i].size;
		assert_int_equal(rig_set_offloads(&k.r, with[i].offloads), 0);
		assert_large(&k, with[i].large);
	}
}

/* As of a guest that is short of memory. libslirp alone has its persist timer for that, which takes 5 seconds each time. */
static void small_window_gets_data_with_each_ack(unused void **state)
{
	static const uint16_t windows[] = {2920, 1440, 20000};
	struct talk k;

	for (unsigned i = 0; i < ARRAY_SIZE(windows); i++) {
		begin(&k, "ipv6=off", CSUM | TSO);
		bring(&k, TOTAL / 4);
		assert_int_equal(send(k.out, k.data + k.t.data_len, 200000, MSG_NOSIGNAL), 200000);
		rig_settle(&k.r);
		k.t.window = windows[i];
		for (unsigned n = 0; n < 5; n++) {
			const size_t was = k.t.data_len;

			tcp_out(&k.t, TH_ACK, NULL, 0);
			rig_settle(&k.r);
			take_data(&k.t);
			if (n) /* before that: what was on its way */
				assert_int_equal(k.t.data_len - was, windows[i]);
		}
		assert_memory_equal(k.got, k.data, k.t.data_len);
		end(&k);
	}
}

/* A frame of our connection, among those that came: its flags, or 0. What it says of the other side's window. */
static uint8_t flags_of(struct talk *k, unsigned i, size_t *window)
{
	const uint8_t *f = k->r.got[i].data + NET_HDR_LEN;
	const size_t off = tcp_of(&k->t, f, k->r.got[i].len - NET_HDR_LEN);

	*window = off ? pkt_be16(f + off + 14) : 0;
	return off ? f[off + 13] : 0;
}

/* The probe that follows it finds no connection, and a RST would end the guest's TIME_WAIT. */
static void last_ack_from_a_small_window_brings_no_rst(unused void **state)
{
	struct talk k;
	size_t window;

	begin(&k, "ipv6=off", CSUM | TSO);
	k.t.window = 20000;
	tcp_out(&k.t, TH_FIN | TH_ACK, NULL, 0);
	assert_true(readable(k.out));
	close(k.out);
	k.t.want = TH_FIN | TH_ACK;
	assert_non_null(rig_find(&k.r, has_flags, &k.t));
	k.t.ack++;
	rig_forget(&k.r);
	tcp_out(&k.t, TH_ACK, NULL, 0);
	rig_settle(&k.r);
	for (unsigned i = 0; i < k.r.nr_got; i++)
		assert_false(flags_of(&k, i, &window) & TH_RST);
	/* What nobody asked for otherwise is refused as ever, once. */
	rig_forget(&k.r);
	k.t.want = TH_RST;
	tcp_out(&k.t, TH_ACK, NULL, 0);
	assert_non_null(rig_find(&k.r, has_flags, &k.t));
	rig_settle(&k.r);
	assert_int_equal(k.r.nr_got, 1);
	k.out = -1;
	end(&k);
}

/* Whatever the MTU: the window may open by two large segments while less than one of the guest's own is left of it. */
static void window_opens_for_a_guest_that_waits(unused void **state)
{
	static const uint16_t mtus[] = {1500, 2050, 4000, 8000, 9000, 16000, 16061};
	static const uint8_t data[16061];
	static uint8_t sink[TOTAL];

	for (unsigned i = 0; i < ARRAY_SIZE(mtus); i++) {
		const size_t size = mtus[i] - 40u;
		size_t window = UINT16_MAX, sent = 0;
		const int little = 4096;
		uint16_t port = 0;
		struct talk k;

		begin_any(&k);
		k.listener = listen_on(SOCK_STREAM, &port);
		setsockopt(k.listener, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
		open_user(&k.r, "ipv6=off", mtus[i]);
		tcp_open(&k.t, &k.r, 5003, port);
		assert_true(readable(k.listener));
		k.out = accept4(k.listener, NULL, NULL, 0);
		for (; window >= size; sent += size) {
			rig_forget(&k.r);
			tcp_out(&k.t, TH_ACK, data, size);
			assert_true(rig_wait_frames(&k.r, 1));
			rig_settle(&k.r);
			flags_of(&k, k.r.nr_got - 1, &window);
		}
		rig_forget(&k.r);
		for (size_t n = 0; n < sent;) {
			assert_true(readable(k.out));
			n += (size_t)recv(k.out, sink, sizeof(sink), 0);
		}
		assert_true(rig_wait_frames(&k.r, 1));
		rig_settle(&k.r);
		flags_of(&k, k.r.nr_got - 1, &window);
		assert_true(window >= size);
		end(&k);
	}
}

struct datagram {
	struct pkt_ends e;
	uint8_t *data;
	size_t len, fragments;
	bool whole;
};

/* Fragments come in order, as libslirp sends them. */
static void take_fragment(struct datagram *d, const uint8_t *f, size_t len)
{
	uint32_t src, dst;
	const size_t off = pkt_ipv4(f, len, IPPROTO_UDP, &src, &dst);

	assert_true(off && src == GATEWAY && len <= 14 + 1500);
	assert_int_equal((pkt_be16(f + 20) & 0x1fffu) * 8, d->len);
	memcpy(d->data + d->len, f + off, len - off);
	d->len += len - off;
	d->fragments++;
	d->whole = !(pkt_be16(f + 20) & 0x2000);
}

static void datagram_above_the_mtu_comes_in_fragments(unused void **state)
{
	static const char *const keys[] = {"ipv6=off", "ipv6=off,join=off"};
	static const size_t sizes[] = {1472, 1473, 2952, 4000, 30640, 40000, 65000};
	static uint8_t data[PKT_MAX], got[PKT_MAX];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 5 + i / 601);
	for (unsigned i = 0; i < ARRAY_SIZE(keys) * ARRAY_SIZE(sizes); i++) {
		const size_t len = sizes[i / 2];
		struct datagram d = {.data = got};
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		uint16_t port = 0;
		uint8_t f[256], buf[16];
		struct rig r;
		int s = listen_on(SOCK_DGRAM, &port);

		d.e = to_gateway(4000, port);
		open_user_with(&r, keys[i % 2], i % 4 < 2 ? CSUM | TSO : 0);
		send_frame(&r, f, pkt_udp(f, &d.e, "?", 1));
		assert_true(readable(s));
		assert_int_equal(
			recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len), 1);
		assert_int_equal(sendto(s, data, len, 0, (struct sockaddr *)&from, from_len), len);
		for (unsigned k = 0; !d.whole; k++) {
			assert_true(rig_wait_frames(&r, k + 1));
			take_fragment(&d, r.got[k].data + NET_HDR_LEN, r.got[k].len - NET_HDR_LEN);
		}
		assert_int_equal(d.len, len + 8);
		assert_memory_equal(got + 8, data, len);
		if (len <= 4000)
			assert_int_equal(d.fragments, (len + 8 + 1479) / 1480);
		rig_close(&r);
		close(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_that_wait_leave_as_one_frame),
		cmocka_unit_test(driver_that_takes_no_segments_gets_frames),
		cmocka_unit_test(offloads_of_the_moment_decide),
		cmocka_unit_test(rest_of_a_frame_that_was_begun_comes_in_pieces),
		cmocka_unit_test(start_forgets_the_frame_that_was_begun),
		cmocka_unit_test(connections_of_the_guest_have_large_segments),
		cmocka_unit_test(mss_of_the_guests_answer_decides),
		cmocka_unit_test(small_window_gets_data_with_each_ack),
		cmocka_unit_test(last_ack_from_a_small_window_brings_no_rst),
		cmocka_unit_test(window_opens_for_a_guest_that_waits),
		cmocka_unit_test(datagram_above_the_mtu_comes_in_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
