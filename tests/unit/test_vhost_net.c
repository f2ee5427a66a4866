/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's vhost-net where there is none; where there is one: tests/e2e/path_vhost.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/vhost_net.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/net_rig.h"
#include "vmm/core/compiler.h"

static void a_host_without_vhost_says_what_would_help(unused void **state)
{
	struct vhost_net v;
	struct fake_mem m;
	char why[256] = "";
	unsigned before;

	if (access("/dev/vhost-net", F_OK) == 0)
		skip();
	fake_mem_create(&m, KIB(64));
	before = count_fds();
	vhost_net_init(&v, NULL, "none", NULL);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(vhost_net_open(&v, &m.gmem, why, sizeof(why)), -ENODEV);
	assert_non_null(strstr(why, "modprobe vhost_net"));
	vhost_net_close(&v);
	assert_int_equal(count_fds(), before);
	fake_mem_destroy(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_without_vhost_says_what_would_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
