/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/vnet_layouts.h - the cases of a test of the network device, once per layout of the ring */
#ifndef DOORBELL_TESTS_VNET_LAYOUTS_H
#define DOORBELL_TESTS_VNET_LAYOUTS_H

#include "tests/lib/vnet_rig.h"

/* For main() to return. @tests is an array; cmocka.h must have been included. */
#define VRIG_RUN_LAYOUTS(tests)                                                 \
	(vrig_layout(0), cmocka_run_group_tests(tests, NULL, NULL)) ||          \
		(vrig_layout(FEATURE(VIRTIO_F_IN_ORDER)),                       \
	         cmocka_run_group_tests_name("in order", tests, NULL, NULL)) || \
		(vrig_layout(FEATURE(VIRTIO_F_RING_PACKED)),                    \
	         cmocka_run_group_tests_name("packed", tests, NULL, NULL)) ||   \
		(vrig_layout(VRIG_LAYOUTS),                                     \
	         cmocka_run_group_tests_name("packed, in order", tests, NULL, NULL))

#endif
