/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/front_case.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>

uint64_t front_layout;

static int begin(void **state, unsigned pairs, bool sockets)
{
	struct front *f = malloc(sizeof(*f));

	assert_non_null(f);
	front_create(f, pairs, sockets, front_layout ? "default+packed+in_order" : NULL);
	*state = f;
	return 0;
}

int front_case_begin(void **state)
{
	return begin(state, 1, false);
}

int front_case_begin_sockets(void **state)
{
	return begin(state, 1, true);
}

int front_case_begin_pairs(void **state)
{
	return begin(state, 2, false);
}

int front_case_end(void **state)
{
	front_destroy(*state);
	free(*state);
	return 0;
}

void front_works(struct front *f)
{
	assert_false(front_closed(f));
	assert_true(front_sends(f));
	assert_true(front_receives(f));
}

uint32_t front_base_after(unsigned requests)
{
	const uint32_t at = requests | 1u << VRING_PACKED_EVENT_F_WRAP_CTR;

	return FRONT_PACKED ? at | at << 16 : requests;
}
