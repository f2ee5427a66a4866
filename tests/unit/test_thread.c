/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/core/thread.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "vmm/core/compiler.h"

static void urgency_ends_and_leaves_the_thread_as_it_was(unused void **state)
{
	const int was = sched_getscheduler(0); /* of what runs the tests */
	int nice;

	assert_int_equal(setpriority(PRIO_PROCESS, 0, 3), 0);
	if (thread_urgent_begin(1)) {
		assert_int_equal(sched_getscheduler(0), SCHED_FIFO);
		thread_urgent_end();
	}
	nice = getpriority(PRIO_PROCESS, 0);
	assert_int_equal(sched_getscheduler(0), was);
	assert_int_equal(nice, 3);
}

static void thread_that_is_no_ordinary_one_stays_what_it_is(unused void **state)
{
	const struct sched_param none = {0};
	const int was = sched_getscheduler(0), other = was == SCHED_OTHER ? SCHED_BATCH : was;

	assert_int_equal(sched_setscheduler(0, other, &none), 0);
	assert_false(thread_urgent_begin(1));
	assert_int_equal(sched_getscheduler(0), other);
	assert_int_equal(sched_setscheduler(0, was, &none), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urgency_ends_and_leaves_the_thread_as_it_was),
		cmocka_unit_test(thread_that_is_no_ordinary_one_stays_what_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
