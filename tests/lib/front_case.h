/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/front_case.h - cases about a front end and the device behind its socket, once per layout of the rings
 *
 * *state is a struct front. cmocka.h must have been included.
 */
#ifndef DOORBELL_TESTS_FRONT_CASE_H
#define DOORBELL_TESTS_FRONT_CASE_H

#include <linux/virtio_config.h>

#include "tests/lib/fake_front.h"
#include "vmm/core/compiler.h"

extern uint64_t
	front_layout; /* features of the rings that every driver accepts besides; 0: split ones */

#define V1           (FEATURE(VIRTIO_F_VERSION_1) | front_layout)
#define BIT30        FEATURE(VU_F_PROTOCOL_FEATURES)
#define FRONT_PACKED (front_layout & FEATURE(VIRTIO_F_RING_PACKED))
#define CTRL         FEATURE(VIRTIO_NET_F_CTRL_VQ)

int front_case_begin(void **state);
int front_case_begin_sockets(void **state); /* with sockets as call descriptors */
int front_case_begin_pairs(void **state);   /* two queue pairs */
int front_case_end(void **state);

#define CASE(name) cmocka_unit_test_setup_teardown(name, front_case_begin, front_case_end)
#define WITH_SOCKETS(name) \
	cmocka_unit_test_setup_teardown(name, front_case_begin_sockets, front_case_end)
#define WITH_PAIRS(name) \
	cmocka_unit_test_setup_teardown(name, front_case_begin_pairs, front_case_end)

/* For main() to return. @tests is an array. */
#define FRONT_RUN_LAYOUTS(tests)                                          \
	((front_layout = 0, cmocka_run_group_tests(tests, NULL, NULL)) || \
	 (front_layout = FEATURE(VIRTIO_F_IN_ORDER),                      \
	  cmocka_run_group_tests_name("in order", tests, NULL, NULL)) ||  \
	 (front_layout = FEATURE(VIRTIO_F_RING_PACKED),                   \
	  cmocka_run_group_tests_name("packed", tests, NULL, NULL)) ||    \
	 (front_layout |= FEATURE(VIRTIO_F_IN_ORDER),                     \
	  cmocka_run_group_tests_name("packed, in order", tests, NULL, NULL)))

/* The connection is there, and frames go both ways. */
void front_works(struct front *f);
/* A base: where a ring that was never a whole lap on is after @requests. */
uint32_t front_base_after(unsigned requests);

#endif
