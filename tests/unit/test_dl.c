/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "net/dl.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"

/* Not loaded by anything else in here: opening it takes a descriptor. */
static struct dl_library libpcap = {.soname = "libpcap.so.0.8", .package = "libpcap0.8"};

#define WHY 256u

struct api {
	int (*function)(void);
};

static int open_it(struct dl_library *lib, const char *function, char why[WHY])
{
	const struct dl_function functions[] = {{function, offsetof(struct api, function)},
	                                        {NULL, 0}};
	struct api api;

	lib->functions = functions;
	return dl_open(lib, &api, why, WHY);
}

/* First, because a library that is there needs no descriptor any more. */
static void too_many_open_files_is_not_a_missing_library(unused void **state)
{
	static const struct dl_function functions[] = {{NULL, 0}};
	rlim_t was;
	char why[WHY];
	int ret;

	libpcap.functions = functions;
	was = limit_fds(3);
	ret = dl_open(&libpcap, NULL, why, sizeof(why));
	limit_fds(was);
	assert_int_equal(ret, -EMFILE);
	assert_non_null(strstr(why, "Too many open files"));
	assert_null(strstr(why, "apt"));
}

static void missing_library_is_named_with_its_package(unused void **state)
{
	struct dl_library lib = {.soname = "libnowhere.so.7", .package = "libnowhere7"};
	char why[WHY];

	assert_int_equal(open_it(&lib, NULL, why), -ELIBACC);
	assert_non_null(strstr(why, "it needs libnowhere.so.7"));
	assert_non_null(strstr(why, "apt install libnowhere7"));
}

static void library_without_a_function_is_too_old(unused void **state)
{
	char why[WHY];

	assert_int_equal(open_it(&libpcap, "pcap_fly", why), -ELIBACC);
	assert_non_null(strstr(why, "libpcap.so.0.8 has no pcap_fly"));
	assert_int_equal(open_it(&libpcap, "pcap_close", why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_many_open_files_is_not_a_missing_library),
		cmocka_unit_test(missing_library_is_named_with_its_package),
		cmocka_unit_test(library_without_a_function_is_too_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
