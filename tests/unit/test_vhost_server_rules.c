/* SPDX-License-Identifier: Apache-2.0 */
/* The device behind a vhost-user socket: what no front end should send closes its connection, and the next one is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/lib/capture.h"
#include "tests/lib/front_case.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"

/* The message closes the connection, and the next front end is served. */
static void refused(struct front *f, const struct vu_msg *m)
{
	front_send(f, m);
	assert_true(front_closed(f));
	front_up(f, V1, 2);
	front_works(f);
}

static void requests_of_a_wrong_size_are_refused(void **state)
{
	static const uint32_t requests[] = {
		VU_GET_FEATURES,   VU_SET_FEATURES,     VU_SET_MEM_TABLE,  VU_SET_VRING_NUM,
		VU_SET_VRING_ADDR, VU_GET_VRING_BASE,   VU_SET_VRING_KICK, VU_SET_VRING_CALL,
		VU_GET_CONFIG,     VU_SET_VRING_ENABLE, VU_SET_STATUS,     VU_GET_STATUS,
	};
	struct front *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		struct vu_msg m;

		front_connect(f);
		m = front_msg(f, requests[i], 0, 6);
		m.h.size = m.h.size ? m.h.size - 1 : 8;
		front_send(f, &m);
		assert_true(front_closed(f));
		front_connect(f);
		m.h.size = UINT32_MAX;
		m.nr_fds = 0;
		m.h.size = sizeof(m.p) + 1;
		front_send(f, &m);
		assert_true(front_closed(f));
	}
	front_up(f, V1, 2);
	front_works(f);
}

static void wrong_numbers_of_descriptors_are_refused(void **state)
{
	struct front *f = *state;
	struct vu_msg m;

	front_up(f, V1, 2);
	m = front_msg(f, VU_SET_VRING_KICK, 0, 0);
	m.nr_fds = 0;
	refused(f, &m);
	m = front_msg(f, VU_SET_VRING_KICK, 0, 0);
	m.p.number |= VU_NO_FD;
	refused(f, &m);
	m.nr_fds = 0; /* polling */
	refused(f, &m);
	m = front_msg(f, VU_SET_MEM_TABLE, 0, 0);
	m.nr_fds = 0;
	refused(f, &m);
	m = front_msg(f, VU_SET_VRING_NUM, 0, FRONT_NUM);
	m.fd[0] = f->kick[0];
	m.nr_fds = 1;
	refused(f, &m);
}

static void bad_memory_is_refused(void **state)
{
	struct front *f = *state;
	const struct vu_msg good = front_msg(f, VU_SET_MEM_TABLE, 0, 0);
	struct vu_msg m;

	front_up(f, V1, 2);
	m = good;
	m.p.memory.region[0].size += KIB(4); /* longer than the file */
	refused(f, &m);
	m = good;
	m.p.memory.region[0].offset = KIB(4);
	refused(f, &m);
	m = good;
	m.p.memory.region[0].offset = UINT64_MAX - KIB(4) + 1;
	refused(f, &m);
	m = good;
	m.p.memory.region[0].guest = UINT64_MAX - KIB(4) + 1;
	refused(f, &m);
	m = good;
	m.p.memory.region[0].user = UINT64_MAX - KIB(4) + 1;
	refused(f, &m);
	m = good;
	m.p.memory.region[0].size = 0;
	refused(f, &m);
	m = good;
	m.p.memory.region[0].guest++;
	refused(f, &m);
	m = good; /* twice the same */
	m.p.memory.nr = 2;
	m.p.memory.region[1] = m.p.memory.region[0];
	m.fd[1] = m.fd[0];
	m.nr_fds = 2;
	m.h.size += sizeof(struct vu_region);
	refused(f, &m);
	m.p.memory.nr = UINT32_MAX;
	refused(f, &m);
	m = good;
	m.fd[0] = f->kick[0];
	refused(f, &m);
	m = good;
	m.h.size = offsetof(struct vu_memory, region);
	m.p.memory.nr = m.nr_fds = 0;
	refused(f, &m);
}

/* Two pieces of its memory that the front end, but not the guest, has at the same place. */
static void memory_that_overlaps_in_the_front_end_is_refused(void **state)
{
	/* Where the second begins: at the end of the first, the same place, before it. */
	static const int64_t places[] = {KIB(512) - 1, KIB(4), 0, -(int64_t)KIB(512) + 1};
	struct front *f = *state;
	struct vu_msg m = front_msg(f, VU_SET_MEM_TABLE, 0, 0);
	struct vu_region *r = m.p.memory.region;
	const uint64_t user = r[0].user;
	struct capture cap;

	m.p.memory.nr = m.nr_fds = 2;
	m.fd[1] = m.fd[0];
	m.h.size += sizeof(struct vu_region);
	r[0].size = KIB(512);
	r[1] = r[0];
	r[1].guest += KIB(512);
	r[1].offset += KIB(512);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		front_connect(f);
		r[1].user = user + (uint64_t)places[i];
		capture_begin(&cap);
		front_send(f, &m);
		capture_end(&cap);
		assert_true(front_closed(f));
		assert_one_line(&cap, "of the front end overlaps");
	}
	front_connect(f);
	r[1].user = user + KIB(512);
	front_send(f, &m);
	assert_false(front_closed(f));
	front_up(f, V1, 2);
	front_works(f);
}

static void rings_outside_memory_are_refused(void **state)
{
	const uint64_t end = FRONT_USER + MIB(2);
	const uint64_t places[] = {0, FRONT_USER, end - 16, end - 2, UINT64_MAX - 15};
	struct front *f = *state;
	struct vu_msg m;

	front_up(f, V1, 2);
	for (unsigned i = 0; i < 3 * ARRAY_SIZE(places); i++) {
		if (FRONT_PACKED && places[i / 3] == end - 16 && i % 3 > 0)
			continue; /* room for an event suppression structure */
		m = front_msg(f, VU_SET_VRING_ADDR, 0, 0);
		*(i % 3 == 0   ? &m.p.addr.desc_user_addr
		  : i % 3 == 1 ? &m.p.addr.avail_user_addr
		               : &m.p.addr.used_user_addr) = places[i / 3];
		front_send(f, &m);
		m = front_msg(f, VU_SET_VRING_KICK, 0, 0);
		refused(f, &m);
	}
	m = front_msg(f, VU_SET_VRING_ADDR, 0, 0);
	m.p.addr.desc_user_addr += 8; /* alignment */
	front_send(f, &m);
	m = front_msg(f, VU_SET_VRING_KICK, 0, 0);
	refused(f, &m);
}

static void impossible(struct front *f, const unsigned *sizes, unsigned nr_sizes,
                       const unsigned *bases, unsigned nr_bases)
{
	struct vu_msg m;

	front_up(f, V1, 2);
	for (unsigned i = 0; i < nr_sizes; i++) {
		front_do(f, VU_SET_VRING_NUM, 1, sizes[i]);
		m = front_msg(f, VU_SET_VRING_KICK, 1, 0);
		refused(f, &m);
	}
	for (unsigned i = 0; i < nr_bases; i++) {
		front_do(f, VU_SET_VRING_BASE, 1, bases[i]);
		m = front_msg(f, VU_SET_VRING_KICK, 1, 0);
		refused(f, &m);
	}
}

static void rings_of_impossible_sizes_and_bases_are_refused(void **state)
{
	static const unsigned sizes[] = {0, 3, 2048, 65536, UINT32_MAX};
	static const unsigned bases[] = {FRONT_NUM + 3, 40000, 65536, UINT32_MAX};
	static const unsigned packed_sizes[] = {0, 1025, 65536, UINT32_MAX};
	/* Beyond the ring, in either half; more than a lap between the two. */
	static const unsigned packed_bases[] = {FRONT_NUM, FRONT_NUM << 16, UINT32_MAX, 0x80000001};

	if (FRONT_PACKED)
		impossible(*state, packed_sizes, ARRAY_SIZE(packed_sizes), packed_bases,
		           ARRAY_SIZE(packed_bases));
	else
		impossible(*state, sizes, ARRAY_SIZE(sizes), bases, ARRAY_SIZE(bases));
}

/* All that comes before the kick of ring 0, which rings already, but for one message. */
static struct vu_msg kick_without(struct front *f, uint32_t missing)
{
	const struct {
		uint32_t request;
		uint64_t number;
	} before[] = {
		{VU_SET_OWNER, 0},      {VU_SET_FEATURES, V1 | BIT30},
		{VU_SET_MEM_TABLE, 0},  {VU_SET_VRING_NUM, FRONT_NUM},
		{VU_SET_VRING_BASE, 0}, {VU_SET_VRING_ADDR, 0},
		{VU_SET_VRING_CALL, 0}, {VU_SET_VRING_ENABLE, 1},
	};

	front_connect(f);
	fake_vq_init(&f->vq[0], &f->mem, FRONT_NUM, V1);
	for (unsigned i = 0; i < ARRAY_SIZE(before); i++)
		if (before[i].request != missing)
			front_do(f, before[i].request, 0, before[i].number);
	assert_false(front_closed(f));
	fd_event_set(f->kick[0]);
	return front_msg(f, VU_SET_VRING_KICK, 0, 0);
}

static void a_kick_without_one_message_that_it_needs_closes_with_one_line(void **state)
{
	static const struct {
		uint32_t missing;
		const char *why;
	} cases[] = {
		{VU_SET_FEATURES, "ring 0 is kicked before there are features"},
		{VU_SET_MEM_TABLE, "ring 0 is kicked before there is memory"},
		{VU_SET_VRING_NUM, "ring 0 of 0 entries"},
		{VU_SET_VRING_ADDR, "ring 0 is kicked before it has addresses"},
	};
	struct front *f = *state;
	struct capture cap;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct vu_msg kick = kick_without(f, cases[i].missing);

		capture_begin(&cap);
		front_send(f, &kick);
		capture_end(&cap);
		assert_true(front_closed(f));
		assert_one_line(&cap, cases[i].why);
		front_up(f, V1, 2);
		front_works(f);
	}
}

static void kicks_before_what_they_need_are_refused(void **state)
{
	static const uint32_t missing[] = {VU_SET_FEATURES, VU_SET_MEM_TABLE, VU_SET_VRING_NUM,
	                                   VU_SET_VRING_ADDR};
	struct front *f = *state;
	struct vu_msg kick = front_msg(f, VU_SET_VRING_KICK, 0, 0);

	front_connect(f);
	refused(f, &kick);
	for (unsigned i = 0; i < ARRAY_SIZE(missing); i++) {
		kick = kick_without(f, missing[i]);
		refused(f, &kick);
	}
}

/* Those without which a ring begins at 0, tells nobody, or is not enabled yet. */
static void a_kick_without_any_other_message_is_fine(void **state)
{
	static const uint32_t missing[] = {VU_SET_OWNER, VU_SET_VRING_BASE, VU_SET_VRING_CALL,
	                                   VU_SET_VRING_ENABLE};
	struct front *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(missing); i++) {
		const struct vu_msg kick = kick_without(f, missing[i]);

		front_send(f, &kick);
		assert_false(front_closed(f));
		assert_int_equal(virtio_net_dev(f->nic.net)->queue[0].ready,
		                 missing[i] != VU_SET_VRING_ENABLE);
	}
	front_do(f, VU_SET_VRING_ENABLE, 0, 1);
	assert_true(virtio_net_dev(f->nic.net)->queue[0].ready);
}

static void descriptors_of_the_wrong_kind_are_refused(void **state)
{
	struct front *f = *state;
	struct vu_msg m;

	front_up(f, V1, 2);
	m = front_msg(f, VU_SET_VRING_KICK, 0, 0);
	m.fd[0] = f->mem.gmem.region[0].fd;
	refused(f, &m);
	m = front_msg(f, VU_SET_VRING_CALL, 0, 0);
	m.fd[0] = f->mem.gmem.region[0].fd;
	refused(f, &m);
	m.h.request = VU_SET_VRING_ERR;
	refused(f, &m);
}

static void what_was_not_offered_is_refused(void **state)
{
	struct front *f = *state;
	struct vu_msg m;

	front_up(f, V1, 2);
	m = front_msg(f, VU_SET_FEATURES, 0, V1 | FEATURE(50));
	refused(f, &m);
	m = front_msg(f, VU_SET_PROTOCOL_FEATURES, 0, FEATURE(14));
	refused(f, &m);
	m = front_msg(f, VU_SET_VRING_ENABLE, 0, 2);
	refused(f, &m);
	m = front_msg(f, VU_SET_VRING_ENABLE, FRONT_RINGS, 1);
	refused(f, &m);
	m = front_msg(f, VU_SET_STATUS, 0, 256);
	refused(f, &m);
	m = front_msg(f, VU_GET_CONFIG, 0, VU_CONFIG_MAX + 1);
	refused(f, &m);
	m = front_msg(f, VU_GET_INFLIGHT_FD, 0, 0);
	m.h.size = sizeof(m.p.inflight);
	m.p.inflight = (struct vu_inflight){.nr_rings = 2, .ring_size = FRONT_NUM};
	if (FRONT_PACKED) /* where a packed ring stands it does not tell */
		refused(f, &m);
	m = front_msg(f, VU_SET_OWNER, 0, 0);
	m.h.flags |= VU_REPLY;
	refused(f, &m);
	m = front_msg(f, VU_SET_OWNER, 0, 0);
	m.h.flags = 2;
	refused(f, &m);
}

static void a_driver_that_breaks_a_rule_is_served_again_when_it_starts_anew(void **state)
{
	struct front *f = *state;
	struct vu_msg m = {.h = {VU_SET_VRING_ERR, VU_VERSION, 8}, .nr_fds = 1};
	int err = fd_eventfd();

	front_up(f, V1, 2);
	m.fd[0] = err;
	front_send(f, &m);
	fake_vq_raw_head(&f->vq[1], FRONT_NUM);
	fake_vq_publish(&f->vq[1]);
	fd_event_set(f->kick[1]);
	front_turn(f);
	assert_int_equal(front_do(f, VU_GET_STATUS, 0, 0), VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_true(fd_event_take(err) > 0);
	assert_false(front_closed(f));
	for (unsigned i = 0; i < 2; i++) {
		fake_vq_clear(&f->vq[i]);
		front_do(f, VU_SET_VRING_BASE, i, 0);
		front_do(f, VU_SET_VRING_KICK, i, 0);
	}
	front_works(f);
	close(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(requests_of_a_wrong_size_are_refused),
		CASE(wrong_numbers_of_descriptors_are_refused),
		CASE(bad_memory_is_refused),
		CASE(memory_that_overlaps_in_the_front_end_is_refused),
		CASE(rings_outside_memory_are_refused),
		CASE(rings_of_impossible_sizes_and_bases_are_refused),
		CASE(a_kick_without_one_message_that_it_needs_closes_with_one_line),
		CASE(kicks_before_what_they_need_are_refused),
		CASE(a_kick_without_any_other_message_is_fine),
		CASE(descriptors_of_the_wrong_kind_are_refused),
		CASE(what_was_not_offered_is_refused),
		CASE(a_driver_that_breaks_a_rule_is_served_again_when_it_starts_anew),
	};

	return FRONT_RUN_LAYOUTS(tests);
}
