/* SPDX-License-Identifier: Apache-2.0 */
/* The device behind a vhost-user socket: how a connection ends, what is said of it, and what happens when descriptors run out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/capture.h"
#include "tests/lib/front_case.h"
#include "tests/lib/fuse_file.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"
#include "vmm/core/unix_socket.h"

/* What else is said by log_guest() comes ten times in the life of a process. */
static void the_fiftieth_connection_that_is_closed_has_its_line_as_well(void **state)
{
	struct front *f = *state;
	const struct vu_msg kick = front_msg(f, VU_SET_VRING_KICK, 0, 0);
	struct capture cap;

	for (unsigned i = 0; i < 50; i++) {
		front_connect(f);
		capture_begin(&cap);
		front_send(f, &kick);
		capture_end(&cap);
		assert_true(front_closed(f));
		assert_one_line(&cap, "ring 0 is kicked before it has addresses");
	}
	front_up(f, V1, 2);
	front_works(f);
}

/* One more: has it a line? Of those before that had none *untold have been counted in one. */
static bool closed_with_a_line(struct front *f, unsigned *untold)
{
	const struct vu_msg kick = front_msg(f, VU_SET_VRING_KICK, 0, 0);
	struct capture cap;
	static const char what[] = "doorbell: warning: net0: ";
	char *end;
	unsigned long n;

	front_connect(f);
	capture_begin(&cap);
	front_send(f, &kick);
	capture_end(&cap);
	assert_true(front_closed(f));
	if (strncmp(cap.text, what, strlen(what)) == 0) {
		n = strtoul(cap.text + strlen(what), &end, 10);
		if (strncmp(end, " connections at ", strlen(" connections at ")) == 0)
			*untold += (unsigned)n;
	}
	return strstr(cap.text, " closed: ring 0 is kicked before it has addresses\n");
}

static void a_flood_of_bad_connections_is_no_flood_of_lines(void **state)
{
	const uint64_t begin = loop_now_ns();
	struct front *f = *state;
	unsigned nr = 0, lines = 0, untold = 0;
	bool line;

	do {
		line = closed_with_a_line(f, &untold);
		lines += line;
		assert_true(loop_now_ns() - begin < RIG_PATIENCE_S * UINT64_C(1000000000));
	} while (++nr < 400 || !line);
	assert_int_equal(lines + untold, nr);
	assert_true(lines >= 100);
	/* And ten more in each second. */
	assert_true(lines <= 101 + (loop_now_ns() - begin) / 100000000);
}

static void an_end_in_the_middle_of_a_message_has_its_line(void **state)
{
	struct front *f = *state;
	const struct vu_msg m = front_msg(f, VU_SET_FEATURES, 0, V1);
	uint8_t bytes[sizeof(m.h) + sizeof(m.p.number)];
	struct capture cap;

	memcpy(bytes, &m.h, sizeof(m.h));
	memcpy(bytes + sizeof(m.h), &m.p.number, sizeof(m.p.number));
	/* In the header, behind it, and in what follows; a whole one is none. */
	for (size_t len = 1; len <= sizeof(bytes); len++) {
		front_up(f, V1, 2);
		assert_int_equal(send(f->fd, bytes, len, 0), len);
		front_turn(f);
		capture_begin(&cap);
		front_leave(f);
		capture_end(&cap);
		if (len < sizeof(bytes))
			assert_one_line(&cap, "in the middle of a message");
		else
			assert_string_equal(cap.text, "");
	}
	front_up(f, V1, 2);
	front_works(f);
}

static void one_that_dies_before_its_answer_has_just_gone(void **state)
{
	struct front *f = *state;
	const struct vu_header question = {VU_GET_FEATURES, VU_VERSION, 0};
	struct capture cap;

	front_up(f, V1, 2);
	assert_int_equal(send(f->fd, &question, sizeof(question), 0), sizeof(question));
	capture_begin(&cap);
	front_leave(f);
	capture_end(&cap);
	assert_string_equal(cap.text, "");
	front_up(f, V1, 2);
	front_works(f);
}

/* ---- descriptors run out */

static void a_front_end_without_a_descriptor_for_it_waits_and_does_not_spin_the_thread(void **state)
{
	struct front *f = *state;
	struct sockaddr_un addr;
	rlim_t was;
	int turns = 0;

	front_leave(f);
	assert_int_equal(unix_address(f->path, &addr), 0);
	f->fd = unix_connect(&addr);
	assert_true(f->fd >= 0);
	was = limit_fds(0);
	while (turns < 100 && loop_turn(f->nic.loop, 0) > 0)
		turns++;
	limit_fds(was);
	assert_true(turns < 100);
	while (loop_turn(f->nic.loop, RIG_PATIENCE_S * 1000) > 0) {
		struct vu_msg m = front_msg(f, VU_GET_FEATURES, 0, 0), answer;

		front_send(f, &m);
		if (front_answer(f, &answer))
			break;
	}
	front_up(f, V1, 2);
	front_works(f);
}

static void a_message_whose_descriptors_find_no_place_is_called_so(void **state)
{
	struct front *f = *state;
	const struct vu_msg m = front_msg(f, VU_SET_MEM_TABLE, 0, 0);
	struct capture cap;
	rlim_t was;

	front_connect(f);
	capture_begin(&cap);
	was = limit_fds(0);
	front_send(f, &m);
	limit_fds(was);
	capture_end(&cap);
	assert_true(front_closed(f));
	assert_one_line(&cap, "Too many open files");
	front_up(f, V1, 2);
	front_works(f);
}

/* ---- a file that its front end, or another machine, may serve */

static void no_file_of_a_server_that_may_be_silent_is_waited_for(void **state)
{
	struct front *f = *state;
	struct vu_msg m = front_msg(f, VU_SET_MEM_TABLE, 0, 0);
	struct fuse_file file;
	struct capture cap;

	if (fuse_file_begin(&file) < 0) {
		print_message("%s\n", file.why);
		skip();
	}
	m.fd[0] = file.fd;
	front_connect(f);
	capture_begin(&cap);
	front_send(f, &m); /* and its thread would ask, or close it */
	capture_end(&cap);
	fuse_file_end(&file);
	assert_true(front_closed(f));
	assert_one_line(&cap, "neither in memory nor on a disk of this machine");
}

static void who_sends_one_is_the_last_that_is_heard(void **state)
{
	static const uint32_t requests[] = {VU_SET_MEM_TABLE, VU_SET_VRING_KICK, VU_SET_VRING_CALL,
	                                    VU_GET_FEATURES};
	struct front *f = *state;
	const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	struct capture cap;
	unsigned fds;

	assert_true(file >= 0);
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		struct vu_msg m = front_msg(f, requests[i], 0, 0);

		m.fd[0] = file;
		m.nr_fds = m.nr_fds ? m.nr_fds : 1;
		front_connect(f);
		fds = count_fds();
		capture_begin(&cap);
		front_send(f, &m);
		capture_end(&cap);
		assert_true(front_closed(f));
		if (i > 0) {
			assert_int_equal(count_fds(), fds);
			continue;
		}
		assert_one_line(&cap, "neither in memory nor on a disk of this machine");
		/* It is kept, in place of the connection. */
		assert_int_equal(count_fds(), fds);
	}
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_fiftieth_connection_that_is_closed_has_its_line_as_well),
		CASE(a_flood_of_bad_connections_is_no_flood_of_lines),
		CASE(an_end_in_the_middle_of_a_message_has_its_line),
		CASE(one_that_dies_before_its_answer_has_just_gone),
		CASE(a_front_end_without_a_descriptor_for_it_waits_and_does_not_spin_the_thread),
		CASE(a_message_whose_descriptors_find_no_place_is_called_so),
		CASE(no_file_of_a_server_that_may_be_silent_is_waited_for),
		CASE(who_sends_one_is_the_last_that_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
