/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "net/vhost_user_msg.h"
#include "tests/lib/fake_driver.h"
#include "vmm/core/compiler.h"

static char why[160];

static int check(const struct vu_msg *m, struct vu_sent to)
{
	why[0] = '\0';
	return vu_check_answer(m, &to, why, sizeof(why));
}

/* What each question is answered with when all is well. */
static const struct {
	struct vu_sent to;
	struct vu_msg good;
} questions[] = {
	{{VU_GET_FEATURES, 0, 0}, {.h = {VU_GET_FEATURES, VU_REPLY | VU_VERSION, 8}}},
	{{VU_GET_PROTOCOL_FEATURES, 0, 0},
         {.h = {VU_GET_PROTOCOL_FEATURES, VU_REPLY | VU_VERSION, 8}}},
	{{VU_GET_STATUS, 0, 0}, {.h = {VU_GET_STATUS, VU_REPLY | VU_VERSION, 8}}},
	{{VU_GET_VRING_BASE, 1, 0},
         {.h = {VU_GET_VRING_BASE, VU_REPLY | VU_VERSION, 8}, .p.ring = {1, 0xffff}}},
	{{VU_GET_CONFIG, 0, 12},
         {.h = {VU_GET_CONFIG, VU_REPLY | VU_VERSION, 24}, .p.config = {0, 12, 0, {0}}}},
	{{VU_GET_INFLIGHT_FD, 0, 0},
         {.h = {VU_GET_INFLIGHT_FD, VU_REPLY | VU_VERSION, 24},
          .p.inflight = {4096, 0, 2, 64},
          .nr_fds = 1}},
	{{VU_SET_VRING_NUM, 0, 0}, {.h = {VU_SET_VRING_NUM, VU_REPLY | VU_VERSION, 8}}},
};

static void good_answers_are_taken(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(questions); i++)
		assert_int_equal(check(&questions[i].good, questions[i].to), 0);
}

static void an_answer_to_something_else_is_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(questions); i++) {
		struct vu_msg m = questions[i].good;

		m.h.request++;
		assert_int_equal(check(&m, questions[i].to), -EPROTO);
		assert_non_null(strstr(why, vu_name(questions[i].to.request)));
		m = questions[i].good;
		m.h.flags &= ~VU_REPLY;
		assert_int_equal(check(&m, questions[i].to), -EPROTO);
	}
}

static void every_other_size_is_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(questions); i++) {
		const uint32_t good = questions[i].good.h.size;

		for (uint32_t size = 0; size <= sizeof(union vu_payload); size++) {
			struct vu_msg m = questions[i].good;
			/* Its padding is sent by some and not by others. */
			const bool padding = questions[i].to.request == VU_GET_INFLIGHT_FD &&
			                     size >= 20 && size <= 24;

			m.h.size = size;
			assert_int_equal(check(&m, questions[i].to),
			                 size == good || padding ? 0 : -EPROTO);
		}
	}
}

static void other_numbers_of_descriptors_are_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(questions); i++) {
		for (unsigned nr = 0; nr <= VU_FDS_MAX; nr++) {
			struct vu_msg m = questions[i].good;

			m.nr_fds = nr;
			assert_int_equal(check(&m, questions[i].to),
			                 nr == questions[i].good.nr_fds ? 0 : -EPROTO);
		}
	}
}

static void absurd_values_are_refused(void **state)
{
	struct vu_msg base = questions[3].good, config = questions[4].good;
	struct vu_msg inflight = questions[5].good, ack = questions[6].good;

	(void)state;
	base.p.ring.index = 0;
	assert_int_equal(check(&base, questions[3].to), -EPROTO);
	config.p.config.offset = 1;
	assert_int_equal(check(&config, questions[4].to), -EPROTO);
	config.p.config.offset = 0;
	config.p.config.size = UINT32_MAX;
	assert_int_equal(check(&config, questions[4].to), -EPROTO);
	inflight.p.inflight.size = 0;
	assert_int_equal(check(&inflight, questions[5].to), -EPROTO);
	inflight.p.inflight.size = UINT64_MAX;
	assert_int_equal(check(&inflight, questions[5].to), -EPROTO);
	inflight.p.inflight.size = 4096;
	inflight.p.inflight.offset = UINT64_MAX;
	assert_int_equal(check(&inflight, questions[5].to), -EPROTO);
	ack.p.number = 1;
	assert_int_equal(check(&ack, questions[6].to), -EPROTO);
	assert_non_null(strstr(why, "refuses SET_VRING_NUM"));
}

static void headers_are_judged_before_their_payload_is_read(void **state)
{
	const struct vu_header good = {1, VU_VERSION | VU_REPLY, sizeof(union vu_payload)};
	struct vu_header h = good;

	(void)state;
	assert_int_equal(vu_check_header(&h, why, sizeof(why)), 0);
	h.size++;
	assert_int_equal(vu_check_header(&h, why, sizeof(why)), -EPROTO);
	h.size = UINT32_MAX;
	assert_int_equal(vu_check_header(&h, why, sizeof(why)), -EPROTO);
	for (uint32_t version = 0; version <= VU_VERSION_MASK; version++) {
		h = good;
		h.flags = version | VU_REPLY;
		assert_int_equal(vu_check_header(&h, why, sizeof(why)),
		                 version == VU_VERSION ? 0 : -EPROTO);
	}
}

static void requests_of_the_peer_are_judged(void **state)
{
	struct vu_msg m = {.h = {VU_BACK_CONFIG_CHANGED, VU_VERSION | VU_NEED_REPLY, 0}};

	(void)state;
	assert_int_equal(vu_check_back_request(&m, why, sizeof(why)), 0);
	m.h.size = 8;
	assert_int_equal(vu_check_back_request(&m, why, sizeof(why)), -EPROTO);
	m.h.size = 0;
	m.nr_fds = 1;
	assert_int_equal(vu_check_back_request(&m, why, sizeof(why)), -EPROTO);
	m.nr_fds = 0;
	m.h.flags |= VU_REPLY;
	assert_int_equal(vu_check_back_request(&m, why, sizeof(why)), -EPROTO);
}

static void the_table_of_memory_names_every_region(void **state)
{
	const struct gmem_range ranges[] = {{0, MIB(1)}, {GIB(4), MIB(2)}};
	struct vu_msg m;
	struct gmem mem;

	(void)state;
	assert_int_equal(gmem_create(&mem, ranges, 2, true), 0);
	assert_int_equal(vu_memory_of(&mem, &m), 0);
	assert_int_equal(m.h.size, 8 + 2 * 32);
	assert_int_equal(m.p.memory.nr, 2);
	assert_int_equal(m.nr_fds, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(m.fd[i], mem.region[i].fd);
		assert_int_equal(m.p.memory.region[i].guest, ranges[i].base);
		assert_int_equal(m.p.memory.region[i].size, ranges[i].size);
		assert_int_equal(m.p.memory.region[i].user, (uintptr_t)mem.region[i].host);
		assert_int_equal(m.p.memory.region[i].offset, 0);
	}
	gmem_destroy(&mem);
	assert_int_equal(gmem_create(&mem, ranges, 2, false), 0);
	assert_int_equal(vu_memory_of(&mem, &m), -EINVAL);
	gmem_destroy(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_answers_are_taken),
		cmocka_unit_test(an_answer_to_something_else_is_refused),
		cmocka_unit_test(every_other_size_is_refused),
		cmocka_unit_test(other_numbers_of_descriptors_are_refused),
		cmocka_unit_test(absurd_values_are_refused),
		cmocka_unit_test(headers_are_judged_before_their_payload_is_read),
		cmocka_unit_test(requests_of_the_peer_are_judged),
		cmocka_unit_test(the_table_of_memory_names_every_region),
	};

	return cmocka_run_group_tests_name("vhost_user_msg", tests, NULL, NULL);
}
