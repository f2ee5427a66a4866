/* SPDX-License-Identifier: Apache-2.0 */
/* The device behind a vhost-user socket: what real front ends send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/lib/capture.h"
#include "tests/lib/front_case.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

/* ---- what real front ends send (all of it was recorded) */

struct step {
	uint32_t request;
	unsigned ring;
	uint64_t number;
};

#define ANY_LAYOUT UINT64_MAX /* VERSION_1, and the layout of the rings */

static void walk(struct front *f, const struct step *s, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		front_do(f, s[i].request, s[i].ring, s[i].number == ANY_LAYOUT ? V1 : s[i].number);
		assert_false(front_closed(f));
	}
}

static void init_rings(struct front *f, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		fake_vq_init(&f->vq[i], &f->mem, FRONT_NUM, front_layout);
}

static const struct step uml_set_up[] = {
	{VU_SET_OWNER, 0, 0},
	{VU_GET_FEATURES, 0, 0},
	{VU_GET_PROTOCOL_FEATURES, 0, 0},
	{VU_SET_PROTOCOL_FEATURES, 0, 0x228},
};

static const struct step uml_rings[] = {
	{VU_SET_MEM_TABLE, 0, 0},         {VU_SET_VRING_CALL, 0, 0},
	{VU_SET_VRING_NUM, 0, FRONT_NUM}, {VU_SET_VRING_BASE, 0, 0},
	{VU_SET_VRING_ADDR, 0, 0},        {VU_SET_VRING_CALL, 1, 0},
	{VU_SET_VRING_NUM, 1, FRONT_NUM}, {VU_SET_VRING_BASE, 1, 0},
	{VU_SET_VRING_ADDR, 1, 0},        {VU_SET_VRING_CALL, 2, 0},
	{VU_SET_VRING_NUM, 2, FRONT_NUM}, {VU_SET_VRING_BASE, 2, 0},
	{VU_SET_VRING_ADDR, 2, 0},        {VU_SET_VRING_KICK, 0, 0},
	{VU_SET_VRING_ENABLE, 0, 1},      {VU_SET_VRING_KICK, 1, 0},
	{VU_SET_VRING_ENABLE, 1, 1},      {VU_SET_VRING_KICK, 2, 0},
	{VU_SET_VRING_ENABLE, 2, 1},
};

static void uml_features(struct front *f, uint64_t features)
{
	const struct step set = {VU_SET_FEATURES, 0, features};

	walk(f, &set, 1);
}

static void user_mode_linux_is_served(void **state)
{
	struct front *f = *state;

	front_connect(f);
	init_rings(f, 3);
	walk(f, uml_set_up, ARRAY_SIZE(uml_set_up));
	uml_features(f, V1 | CTRL | BIT30);
	walk(f, uml_rings, ARRAY_SIZE(uml_rings));
	front_works(f);
	front_do(f, VU_SET_VRING_ENABLE, 1, 0);
	front_do(f, VU_SET_VRING_ENABLE, 0, 0);
	assert_false(front_sends(f));
}

static void a_ring_is_enabled_by_its_kick_when_the_last_features_lack_bit_30(void **state)
{
	struct front *f = *state;

	front_connect(f);
	init_rings(f, 3);
	walk(f, uml_set_up, ARRAY_SIZE(uml_set_up));
	uml_features(f, V1 | CTRL | BIT30);
	uml_features(f, V1 | CTRL);
	for (unsigned i = 0; i < ARRAY_SIZE(uml_rings); i++)
		if (uml_rings[i].request != VU_SET_VRING_ENABLE)
			walk(f, &uml_rings[i], 1);
	front_works(f);
}

static void a_full_call_socket_does_not_stop_us(void **state)
{
	struct front *f = *state;
	const uint64_t one = 1;

	front_up(f, V1, 2);
	while (send(f->their_call[1], &one, sizeof(one), MSG_DONTWAIT) > 0)
		;
	(void)front_sends(f);
	(void)front_interrupted(f, 1);
	front_works(f);
}

static void a_call_socket_whose_other_end_is_closed_does_not_kill_us(void **state)
{
	struct front *f = *state;

	front_up(f, V1, 2);
	fd_close(&f->call[1]);
	(void)front_sends(f);
	assert_int_equal(f->net->nr_sent, 1);
	assert_true(front_receives(f));
}

static const struct step virtio_user[] = {
	{VU_SET_OWNER, 0, 0},
	{VU_GET_FEATURES, 0, 0},
	{VU_GET_PROTOCOL_FEATURES, 0, 0},
	{VU_SET_PROTOCOL_FEATURES, 0, 0x10009},
	{VU_SET_VRING_CALL, 0, 0},
	{VU_SET_VRING_CALL, 1, 0},
	{VU_SET_FEATURES, 0, ANY_LAYOUT},
	{VU_SET_STATUS, 0, 0xb},
	{VU_GET_STATUS, 0, 0},
	{VU_SET_MEM_TABLE, 0, 0},
	{VU_SET_VRING_NUM, 0, FRONT_NUM},
	{VU_SET_VRING_BASE, 0, 0},
	{VU_SET_VRING_ADDR, 0, 0},
	{VU_SET_VRING_KICK, 0, 0},
	{VU_SET_VRING_NUM, 1, FRONT_NUM},
	{VU_SET_VRING_BASE, 1, 0},
	{VU_SET_VRING_ADDR, 1, 0},
	{VU_SET_VRING_KICK, 1, 0},
	{VU_SET_VRING_ENABLE, 0, 1},
	{VU_SET_VRING_ENABLE, 1, 1},
};

static void virtio_user_is_served_from_driver_ok_on(void **state)
{
	struct front *f = *state;

	front_connect(f);
	init_rings(f, 2);
	walk(f, virtio_user, ARRAY_SIZE(virtio_user));
	assert_false(f->net->started);
	front_do(f, VU_SET_STATUS, 0, 0xf);
	front_works(f);
	assert_int_equal(front_do(f, VU_GET_STATUS, 0, 0), 0xf);
}

static void memory_is_replaced_in_mid_traffic(void **state)
{
	struct front *f = *state;

	front_connect(f);
	init_rings(f, 2);
	walk(f, virtio_user, ARRAY_SIZE(virtio_user));
	front_do(f, VU_SET_STATUS, 0, 0xf);
	for (unsigned i = 0; i < 20; i++) {
		front_works(f);
		/* With the rings disabled around it, and without. */
		for (unsigned k = 0; k < 2 && i % 2; k++)
			front_do(f, VU_SET_VRING_ENABLE, k, 0);
		front_do(f, VU_SET_MEM_TABLE, 0, 0);
		for (unsigned k = 0; k < 2 && i % 2; k++)
			front_do(f, VU_SET_VRING_ENABLE, k, 1);
	}
	front_works(f);
}

static void the_base_of_a_ring_is_where_another_back_end_goes_on(void **state)
{
	struct front *f = *state;

	front_up(f, V1, 2);
	for (unsigned i = 0; i < 5; i++)
		front_works(f);
	assert_int_equal(front_do(f, VU_GET_VRING_BASE, 1, 0), front_base_after(5));
	assert_int_equal(front_do(f, VU_GET_VRING_BASE, 0, 0), front_base_after(5));
	for (unsigned i = 0; i < 2; i++) {
		front_do(f, VU_SET_VRING_BASE, i, front_base_after(5));
		front_do(f, VU_SET_VRING_KICK, i, 0);
	}
	front_works(f);
}

static void buffers_that_were_taken_are_given_back_with_the_base(void **state)
{
	struct front *f = *state;
	struct fake_buf b;

	front_up(f, V1, 2);
	front_works(f);
	b = fake_in(&f->mem, 2048);
	for (unsigned i = 0; i < 3; i++)
		assert_true(fake_vq_add(&f->vq[0], &b, 1) >= 0);
	fake_vq_publish(&f->vq[0]);
	fd_event_set(f->kick[0]);
	front_turn(f);
	assert_int_equal(front_do(f, VU_GET_VRING_BASE, 0, 0), front_base_after(1));
}

static void the_base_after_a_broken_rule_is_where_the_ring_stood(void **state)
{
	struct front *f = *state;

	front_up(f, V1, 2);
	for (unsigned i = 0; i < 3; i++)
		front_works(f);
	fake_vq_raw_head(&f->vq[1], FRONT_NUM);
	fake_vq_publish(&f->vq[1]);
	fd_event_set(f->kick[1]);
	front_turn(f);
	assert_int_equal(front_do(f, VU_GET_STATUS, 0, 0), VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(front_do(f, VU_GET_VRING_BASE, 0, 0), front_base_after(3));
	assert_int_equal(front_do(f, VU_GET_VRING_BASE, 1, 0), front_base_after(3));
}

static void features_ok_stands_only_for_features_that_we_run_with(void **state)
{
	struct front *f = *state;
	struct capture cap;

	front_connect(f);
	capture_begin(&cap);
	front_do(f, VU_SET_STATUS, 0, 0xb); /* before there are any */
	capture_end(&cap);
	assert_one_line(&cap, "VERSION_1 is missing");
	assert_int_equal(front_do(f, VU_GET_STATUS, 0, 0), 0x3);
	front_do(f, VU_SET_FEATURES, 0, V1);
	front_do(f, VU_SET_STATUS, 0, 0xb);
	assert_int_equal(front_do(f, VU_GET_STATUS, 0, 0), 0xb);
	capture_begin(&cap);
	front_do(f, VU_SET_FEATURES, 0, CTRL); /* other ones, without a word about the status */
	capture_end(&cap);
	assert_one_line(&cap, "VERSION_1 is missing");
	assert_int_equal(front_do(f, VU_GET_STATUS, 0, 0), 0x3);
	assert_false(front_closed(f));
	/* And the next driver finds nothing of it. */
	front_connect(f);
	init_rings(f, 2);
	walk(f, virtio_user, ARRAY_SIZE(virtio_user));
	front_do(f, VU_SET_STATUS, 0, 0xf);
	front_works(f);
}

/* QEMU, and DPDK with several queues. */
static void what_hangs_on_a_control_queue_that_we_do_not_have_is_ignored(void **state)
{
	struct front *f = *state;

	front_up(f, V1 | FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) | FEATURE(VIRTIO_NET_F_CTRL_RX), 2);
	front_works(f);
	front_up(f, V1 | FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR), 4);
	assert_int_equal(f->net->pairs, 2);
	front_works(f);
}

static void pairs_are_in_use_as_their_rings_are_enabled(void **state)
{
	struct front *f = *state;

	front_up(f, V1, 2);
	assert_int_equal(f->net->pairs, 1);
	front_up(f, V1, 4);
	assert_int_equal(f->net->pairs, 2);
	front_do(f, VU_SET_VRING_ENABLE, 3, 0);
	assert_int_equal(f->net->pairs, 1);
	front_works(f);
	assert_int_equal(front_do(f, VU_GET_QUEUE_NUM, 0, 0), 2);
}

static void a_control_queue_that_comes_last_has_one_pair_in_use(void **state)
{
	struct front *f = *state;

	front_up(f, V1 | CTRL | FEATURE(VIRTIO_NET_F_MQ), 5);
	assert_int_equal(f->net->pairs, 1);
	front_works(f);
}

static void the_config_space_has_as_many_bytes_as_were_asked_for(void **state)
{
	struct front *f = *state;
	struct vu_msg m, answer;

	front_connect(f);
	for (unsigned size = 1; size <= VU_CONFIG_MAX; size++) {
		m = front_msg(f, VU_GET_CONFIG, 0, size);
		front_send(f, &m);
		assert_true(front_answer(f, &answer));
		assert_int_equal(answer.h.size, VU_CONFIG_HEADER + size);
		assert_int_equal(answer.p.config.size, size);
		assert_memory_equal(answer.p.config.bytes, f->cfg.mac, size < 6 ? size : 6);
	}
}

/* The back end's own channel: pair[0] is the front end's side of it. */
static void open_channel(struct front *f, int pair[2])
{
	struct vu_msg m = front_msg(f, VU_SET_BACKEND_REQ_FD, 0, 0);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	m.h.size = 0;
	m.fd[0] = pair[1];
	m.nr_fds = 1;
	front_send(f, &m);
}

static void expect_config_changed(int channel)
{
	struct vu_header h;

	assert_int_equal(recv(channel, &h, sizeof(h), MSG_DONTWAIT), sizeof(h));
	assert_int_equal(h.request, VU_BACK_CONFIG_CHANGED);
	assert_int_equal(h.size, 0);
}

static void a_changed_link_is_told_to_those_who_ask_for_the_config_space(void **state)
{
	struct front *f = *state;
	struct vu_header h;
	int pair[2];

	front_up(f, V1 | FEATURE(VIRTIO_NET_F_STATUS), 2);
	open_channel(f, pair);
	/* QEMU has the socket for other requests, and a config space of its own. */
	nic_set_link(&f->nic, false);
	assert_int_equal(recv(pair[0], &h, sizeof(h), MSG_DONTWAIT), -1);
	front_do(f, VU_SET_PROTOCOL_FEATURES, 0,
	         FEATURE(VU_PROTOCOL_CONFIG) | FEATURE(VU_PROTOCOL_BACKEND));
	nic_set_link(&f->nic, true);
	expect_config_changed(pair[0]);
	close(pair[0]);
	close(pair[1]);
}

/* Doorbell's own front end said "down" to its driver for ever: it had asked before that was running. */
static void a_link_that_comes_up_before_the_driver_does_is_told_to_the_front_end(void **state)
{
	struct front *f = *state;
	struct vu_header h;
	int pair[2];

	nic_set_link(&f->nic, false);
	front_connect(f);
	front_do(f, VU_SET_PROTOCOL_FEATURES, 0,
	         FEATURE(VU_PROTOCOL_CONFIG) | FEATURE(VU_PROTOCOL_BACKEND));
	open_channel(f, pair);
	assert_int_equal(recv(pair[0], &h, sizeof(h), MSG_DONTWAIT), -1);
	nic_set_link(&f->nic, true);
	expect_config_changed(pair[0]);
	close(pair[0]);
	close(pair[1]);
}

/* The next driver may have STATUS, and read what the front end was told last. */
static void a_changed_link_is_told_to_the_front_end_of_a_driver_without_status(void **state)
{
	struct front *f = *state;
	int pair[2];

	front_up(f, V1, 2);
	open_channel(f, pair);
	front_do(f, VU_SET_PROTOCOL_FEATURES, 0,
	         FEATURE(VU_PROTOCOL_CONFIG) | FEATURE(VU_PROTOCOL_BACKEND));
	nic_set_link(&f->nic, false);
	expect_config_changed(pair[0]);
	close(pair[0]);
	close(pair[1]);
}

static void a_request_that_nobody_knows_is_refused_by_its_answer(void **state)
{
	struct front *f = *state;
	struct vu_msg m = {.h = {77, VU_VERSION | VU_NEED_REPLY, 8}}, answer;

	front_connect(f);
	front_send(f, &m); /* REPLY_ACK was not accepted: no answer */
	assert_false(front_answer(f, &answer));
	front_do(f, VU_SET_PROTOCOL_FEATURES, 0, FEATURE(VU_PROTOCOL_REPLY_ACK));
	front_send(f, &m);
	assert_true(front_answer(f, &answer));
	assert_int_equal(answer.p.number, 1);
	m = front_msg(f, VU_SET_OWNER, 0, 0);
	m.h.flags |= VU_NEED_REPLY;
	front_send(f, &m);
	assert_true(front_answer(f, &answer));
	assert_int_equal(answer.p.number, 0);
}

/* ---- who comes next */

static void the_next_front_end_waits_until_the_first_has_gone(void **state)
{
	struct front *f = *state;
	struct front first;
	struct vu_msg m, answer;

	front_up(f, V1, 2);
	first = *f;
	f->fd = -1;
	front_connect(f);
	m = front_msg(f, VU_GET_FEATURES, 0, 0);
	front_send(f, &m);
	assert_false(front_answer(f, &answer));
	fd_close(&first.fd);
	front_turn(f);
	assert_true(front_answer(f, &answer));
	front_up(f, V1, 2);
	front_works(f);
}

static void nothing_of_a_front_end_stays_behind(void **state)
{
	struct front *f = *state;
	unsigned fds;

	front_up(f, V1, 2);
	front_leave(f);
	fds = count_fds();
	for (unsigned i = 0; i < 10; i++) {
		front_up(f, V1, 2);
		front_works(f);
		front_leave(f);
	}
	assert_int_equal(count_fds(), fds);
	assert_int_equal(f->nic.net ? virtio_net_dev(f->nic.net)->mem->nr : 1, 0);
}

/* It was killed with a frame that the backend had no room for, and with buffers that had been taken ahead. */
static void a_front_end_that_was_killed_comes_back_to_what_was_in_flight(void **state)
{
	struct front *f = *state;
	uint8_t frame[60] = {0};
	unsigned sent, head;
	uint32_t len;

	front_up(f, V1, 2);
	front_works(f);
	sent = f->net->nr_sent;
	fake_net_fail_send(f->net, 0, -EAGAIN, UINT_MAX);
	assert_false(front_sends(f));
	for (unsigned i = 0; i < 3; i++) {
		struct fake_buf b = fake_in(&f->mem, 2048);

		assert_true(fake_vq_add(&f->vq[0], &b, 1) >= 0);
	}
	fake_vq_publish(&f->vq[0]);
	fd_event_set(f->kick[0]);
	front_turn(f);
	front_leave(f);
	f->net->send_err = 0;

	/* The same memory and rings; the bases are where the driver saw them used. */
	front_connect(f);
	front_do(f, VU_SET_FEATURES, 0, V1 | BIT30);
	front_do(f, VU_SET_MEM_TABLE, 0, 0);
	for (unsigned i = 0; i < 2; i++) {
		front_do(f, VU_SET_VRING_NUM, i, FRONT_NUM);
		front_do(f, VU_SET_VRING_BASE, i, front_base_after(1));
		front_do(f, VU_SET_VRING_ADDR, i, 0);
		front_do(f, VU_SET_VRING_CALL, i, 0);
		front_do(f, VU_SET_VRING_KICK, i, 0);
		front_do(f, VU_SET_VRING_ENABLE, i, 1);
	}
	assert_int_equal(f->net->nr_sent, sent + 1);
	assert_true(fake_vq_reap(&f->vq[1], &head, &len));
	assert_true(front_interrupted(f, 1));
	memcpy(frame, f->cfg.mac, sizeof(f->cfg.mac));
	for (unsigned i = 0; i < 3; i++) {
		fake_net_queue(f->net, NULL, frame, sizeof(frame));
		assert_true(fake_net_can_recv(f->net));
		front_turn(f);
		assert_true(fake_vq_reap(&f->vq[0], &head, &len));
		assert_int_equal(len, NET_HDR_LEN + sizeof(frame));
	}
	front_works(f);
}

static void begun_requests_are_found_by_the_next_back_end(void **state)
{
	struct front *f = *state;
	struct vu_msg m = front_msg(f, VU_GET_INFLIGHT_FD, 0, 0), answer;

	front_up(f, V1, 2);
	for (unsigned i = 0; i < 3; i++)
		front_works(f);
	m.h.size = sizeof(m.p.inflight);
	m.p.inflight = (struct vu_inflight){.nr_rings = 2, .ring_size = FRONT_NUM};
	front_send(f, &m);
	assert_true(front_answer(f, &answer));
	assert_int_equal(answer.nr_fds, 1);
	assert_true(answer.p.inflight.size >= 2 * FRONT_NUM * 16);
	assert_int_equal(ftruncate(answer.fd[0], 0), -1);

	/* The same rings, at a place where nobody was: a base that was taken, not done. */
	front_connect(f);
	front_do(f, VU_SET_FEATURES, 0, V1);
	m = answer;
	m.h = (struct vu_header){VU_SET_INFLIGHT_FD, VU_VERSION, sizeof(m.p.inflight)};
	front_send(f, &m);
	front_do(f, VU_SET_MEM_TABLE, 0, 0);
	for (unsigned i = 0; i < 2; i++) {
		front_do(f, VU_SET_VRING_NUM, i, FRONT_NUM);
		front_do(f, VU_SET_VRING_BASE, i, 3 + 20);
		front_do(f, VU_SET_VRING_ADDR, i, 0);
		front_do(f, VU_SET_VRING_CALL, i, 0);
		front_do(f, VU_SET_VRING_KICK, i, 0);
	}
	front_works(f);
	close(answer.fd[0]);
}

static int inflight_region(struct front *f, uint16_t nr_rings, uint16_t ring_size)
{
	struct vu_msg m = front_msg(f, VU_GET_INFLIGHT_FD, 0, 0), answer;

	m.h.size = sizeof(m.p.inflight);
	m.p.inflight = (struct vu_inflight){.nr_rings = nr_rings, .ring_size = ring_size};
	front_send(f, &m);
	assert_true(front_answer(f, &answer));
	assert_int_equal(answer.nr_fds, 1);
	return answer.fd[0];
}

static void a_front_end_has_one_inflight_region_however_often_it_asks(void **state)
{
	/* Behind the first ring of 64, and where that of 128 has its second one. */
	const off_t at = 64 * 16 + 64;
	struct front *f = *state;
	struct stat first, next;
	uint16_t version = 0;
	int fd;

	front_up(f, V1, 2);
	fd = inflight_region(f, 2, 64);
	assert_int_equal(fstat(fd, &first), 0);
	assert_int_equal(pread(fd, &version, sizeof(version), at + 8), sizeof(version));
	assert_int_equal(version, 1);
	for (uint16_t i = 0; i < 50; i++) {
		int again = inflight_region(f, 2, i % 2 ? 64 : 128);

		assert_int_equal(fstat(again, &next), 0);
		assert_true(next.st_ino == first.st_ino && next.st_dev == first.st_dev);
		/* As new, each time. */
		assert_int_equal(pread(again, &version, sizeof(version), at + 8), sizeof(version));
		assert_int_equal(version, i % 2 ? 1 : 0);
		close(again);
	}
	front_works(f);
	/* But nobody gets what another front end has. */
	front_up(f, V1, 2);
	close(fd);
	fd = inflight_region(f, 2, 64);
	assert_int_equal(fstat(fd, &next), 0);
	assert_true(next.st_ino != first.st_ino);
	close(fd);
}

/* ---- what closes a connection: the cases of each kind are in test_vhost_server_rules.c */

static void closed_because(struct front *f, const struct vu_msg *m, const char *why)
{
	struct capture cap;

	capture_begin(&cap);
	front_send(f, m);
	capture_end(&cap);
	assert_true(front_closed(f));
	assert_one_line(&cap, why);
	front_up(f, V1, 2);
	front_works(f);
}

static void a_connection_is_closed_with_one_line_and_the_next_is_served(void **state)
{
	struct front *f = *state;
	const struct vu_msg table = front_msg(f, VU_SET_MEM_TABLE, 0, 0);
	const struct vu_msg kick = front_msg(f, VU_SET_VRING_KICK, 0, 0);
	struct vu_msg m;

	front_up(f, V1, 2);
	m = front_msg(f, VU_SET_VRING_ADDR, 0, 0);
	m.h.size--;
	closed_because(f, &m, "SET_VRING_ADDR of 39 bytes");
	m = table;
	m.nr_fds = 0;
	closed_because(f, &m, "0 descriptors with SET_MEM_TABLE, which has 1");
	m = table;
	m.p.memory.region[0].size += KIB(4);
	closed_because(f, &m, "it ends at");
	m = table;
	m.p.memory.region[0].user = UINT64_MAX - KIB(4) + 1;
	closed_because(f, &m, "wraps");
	m = table;
	m.p.memory.nr = m.nr_fds = 2;
	m.p.memory.region[1] = m.p.memory.region[0];
	m.p.memory.region[1].user += m.p.memory.region[0].size;
	m.fd[1] = m.fd[0];
	m.h.size += sizeof(struct vu_region);
	closed_because(f, &m, "overlap");
	m = front_msg(f, VU_SET_VRING_ADDR, 0, 0);
	m.p.addr.desc_user_addr = FRONT_USER + MIB(2) - 16;
	front_send(f, &m);
	closed_because(f, &kick, "outside its memory");
	front_connect(f);
	closed_because(f, &kick, "ring 0 is kicked before it has addresses");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SOCKETS(user_mode_linux_is_served),
		WITH_SOCKETS(a_ring_is_enabled_by_its_kick_when_the_last_features_lack_bit_30),
		WITH_SOCKETS(a_full_call_socket_does_not_stop_us),
		WITH_SOCKETS(a_call_socket_whose_other_end_is_closed_does_not_kill_us),
		CASE(virtio_user_is_served_from_driver_ok_on),
		CASE(memory_is_replaced_in_mid_traffic),
		CASE(the_base_of_a_ring_is_where_another_back_end_goes_on),
		CASE(buffers_that_were_taken_are_given_back_with_the_base),
		CASE(the_base_after_a_broken_rule_is_where_the_ring_stood),
		WITH_PAIRS(what_hangs_on_a_control_queue_that_we_do_not_have_is_ignored),
		WITH_PAIRS(pairs_are_in_use_as_their_rings_are_enabled),
		WITH_PAIRS(a_control_queue_that_comes_last_has_one_pair_in_use),
		CASE(the_config_space_has_as_many_bytes_as_were_asked_for),
		CASE(a_changed_link_is_told_to_those_who_ask_for_the_config_space),
		CASE(a_link_that_comes_up_before_the_driver_does_is_told_to_the_front_end),
		CASE(a_changed_link_is_told_to_the_front_end_of_a_driver_without_status),
		CASE(a_request_that_nobody_knows_is_refused_by_its_answer),
		CASE(the_next_front_end_waits_until_the_first_has_gone),
		CASE(nothing_of_a_front_end_stays_behind),
		CASE(a_front_end_that_was_killed_comes_back_to_what_was_in_flight),
	};
	const struct CMUnitTest once[] = {
		CASE(a_connection_is_closed_with_one_line_and_the_next_is_served),
		CASE(features_ok_stands_only_for_features_that_we_run_with),
		CASE(begun_requests_are_found_by_the_next_back_end),
		CASE(a_front_end_has_one_inflight_region_however_often_it_asks),
	};

	return cmocka_run_group_tests_name("split", once, NULL, NULL) || FRONT_RUN_LAYOUTS(tests);
}
