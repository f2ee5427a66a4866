/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "net/dl.h"
#include "tests/lib/capture.h"
#include "vmm/core/compiler.h"

/* Not loaded by anything else in here: opening it takes a descriptor. */
static struct dl_library libpcap = {.soname = "libpcap.so.0.8", .package = "libpcap0.8"};

struct api {
	int (*function)(void);
};

static int open_it(struct dl_library *lib, const char *function, struct capture *c)
{
	const struct dl_function functions[] = {{function, offsetof(struct api, function)},
	                                        {NULL, 0}};
	struct api api;
	int ret;

	lib->functions = functions;
	CAPTURED(c, &ret, dl_open(lib, &api, "net0", "a test"));
	return ret;
}

/* First, because a library that is there needs no descriptor any more. */
static void too_many_open_files_is_not_a_missing_library(unused void **state)
{
	const struct dl_function functions[] = {{NULL, 0}};
	struct rlimit old, none;
	struct capture c;
	int ret;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = old.rlim_max};
	libpcap.functions = functions;
	capture_begin(&c);
	setrlimit(RLIMIT_NOFILE, &none);
	ret = dl_open(&libpcap, NULL, "net0", "a test");
	setrlimit(RLIMIT_NOFILE, &old);
	capture_end(&c);
	assert_int_equal(ret, -EMFILE);
	assert_one_line(&c, "Too many open files");
	assert_null(strstr(c.text, "apt"));
}

static void missing_library_is_named_with_its_package(unused void **state)
{
	struct dl_library lib = {.soname = "libnowhere.so.7", .package = "libnowhere7"};
	struct capture c;

	assert_int_equal(open_it(&lib, NULL, &c), -ELIBACC);
	assert_one_line(&c, "net0: a test needs libnowhere.so.7");
	assert_one_line(&c, "apt install libnowhere7");
}

static void library_without_a_function_is_too_old(unused void **state)
{
	struct capture c;

	assert_int_equal(open_it(&libpcap, "pcap_fly", &c), -ELIBACC);
	assert_one_line(&c, "libpcap.so.0.8 has no pcap_fly");
	assert_int_equal(open_it(&libpcap, "pcap_close", &c), 0);
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
