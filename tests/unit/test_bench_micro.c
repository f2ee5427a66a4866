/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/cmd/guest_images.h"
#include "bench/cmd/micro_vm.h"
#include "bench/cmd/rows_micro.h"
#include "vmm/core/compiler.h"

/* Rounds as short as can be: what they take is a machine's to be made. */
#define SHORT 1000

static int make_env(void **state)
{
	static char tmp[] = "/tmp/doorbell-test-XXXXXX";
	static const int stop;
	static struct bench_env env = {
		.self = "/nonexistent/doorbell", .tmp = tmp, .seconds_div = SHORT, .stop = &stop};

	memcpy(tmp + sizeof(tmp) - 7, "XXXXXX", 6);
	*state = &env;
	return mkdtemp(tmp) ? 0 : -1;
}

static int remove_one(const char *path, unused const struct stat *st, unused int kind,
                      unused struct FTW *at)
{
	return remove(path);
}

static int remove_env(void **state)
{
	const struct bench_env *env = *state;

	return nftw(env->tmp, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const struct bench_row *find(const char *name)
{
	for (size_t i = 0; i < rows_micro.nr; i++)
		if (strcmp(rows_micro.row[i].name, name) == 0)
			return &rows_micro.row[i];
	fail_msg("there is no row %s", name);
	return NULL;
}

static int measure(const char *name, void **state, struct bench_sample *s, char *why)
{
	const struct bench_row *row = find(name);

	memset(s, 0, sizeof(*s));
	*why = '\0';
	return row->measure(*state, row, NULL, s, why);
}

static bool no_kvm(void)
{
	char why[BENCH_WHY_MAX];

	if (micro_vm_can(why) == 0)
		return false;
	print_message("%s\n", why);
	return true;
}

/* One metric, which is a time. */
static void expect_time(const char *name, void **state)
{
	char why[BENCH_WHY_MAX];
	struct bench_sample s;
	int ret = measure(name, state, &s, why);

	if (ret < 0)
		fail_msg("%s: %s", name, why);
	assert_true(s.has & 1u << BM_NS);
	assert_true(isfinite(s.v[BM_NS]) && s.v[BM_NS] > 0);
}

static void
rows_have_names_of_their_own_and_stand_behind_what_they_are_measured_against(unused void **state)
{
	for (size_t i = 0; i < rows_micro.nr; i++) {
		const struct bench_row *r = &rows_micro.row[i];
		bool found = !r->against;

		assert_string_equal(r->set, "micro");
		assert_non_null(r->what);
		assert_non_null(r->measure);
		assert_true(r->ms > 0);
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(r->name, rows_micro.row[k].name);
			found |= r->against && strcmp(r->against, rows_micro.row[k].name) == 0;
		}
		assert_true(found);
	}
}

static void every_ring_row_gives_a_time(void **state)
{
	unsigned nr = 0;

	for (size_t i = 0; i < rows_micro.nr; i++) {
		if (strncmp(rows_micro.row[i].name, "ring/", 5) != 0)
			continue;
		expect_time(rows_micro.row[i].name, state);
		nr++;
	}
	assert_int_equal(nr % 2, 0); /* both layouts */
	assert_true(nr > 0);
	expect_time("translate", state);
}

static void every_cost_is_a_row(void **state)
{
	expect_time("cost/syscall", state);
	expect_time("cost/copy-64k", state);
	expect_time("cost/wakeup-same", state);
}

static void one_instruction_is_one_exit(void **state)
{
	char why[BENCH_WHY_MAX];
	struct bench_sample s;

	if (no_kvm())
		skip();
	expect_time("vcpu/exit", state);
	assert_int_equal(measure("vcpu/exit", state, &s, why), 0);
	assert_true(s.v[BM_USERSPACE_EXITS] == 1.0);
}

static void a_guest_that_spins_is_stopped(void **state)
{
	if (no_kvm())
		skip();
	expect_time("vcpu/stop", state);
}

static void a_cpu_goes_from_thread_to_thread(void **state)
{
	if (no_kvm())
		skip();
	expect_time("vcpu/run", state);
	expect_time("vcpu/hand-over", state);
}

static void machines_are_made_and_dropped(void **state)
{
	if (no_kvm())
		skip();
	expect_time("vm/create/64m", state);
	expect_time("vm/drop/64m", state);
}

/* They need no guest, or cannot have one: but each that cannot says why. */
static void who_may_not_have_a_machine_is_told_so(void **state)
{
	static const char *const names[] = {"start/none",    "memory/user", "vm/create/64m",
	                                    "trip/echo",     "vcpu/exit",   "boot/doorbell",
	                                    "vcpu/hand-over"};
	const bool root = geteuid() == 0;
	char why[BENCH_WHY_MAX];
	struct bench_sample s;
	gid_t groups[64];
	int nr = root ? getgroups(ARRAY_SIZE(groups), groups) : 0;

	if (root && (nr < 0 || setgroups(0, NULL) < 0 || seteuid(65534) < 0))
		skip();
	if (micro_vm_can(why) == 0) { /* everybody may */
		if (root)
			assert_int_equal(seteuid(0), 0);
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(measure(names[i], state, &s, why), -EOPNOTSUPP);
		assert_non_null(strstr(why, "/dev/kvm"));
		assert_int_equal(s.has, 0);
	}
	if (root) {
		assert_int_equal(seteuid(0), 0);
		assert_int_equal(setgroups((size_t)nr, groups), 0);
	}
}

static void a_command_that_is_not_there_is_a_reason(void **state)
{
	char why[BENCH_WHY_MAX];
	struct bench_sample s;

	if (no_kvm())
		skip();
	if (measure("start/none", state, &s, why) == -EOPNOTSUPP)
		skip(); /* no ptrace here */
	assert_non_null(strstr(why, "/nonexistent/doorbell"));
}

static void who_wants_to_end_does_not_wait(void **state)
{
	const struct bench_env *env = *state;
	const int stop = 2;
	struct bench_env ends = *env;
	void *other = &ends;
	char why[BENCH_WHY_MAX];
	struct bench_sample s;

	if (no_kvm())
		skip();
	ends.stop = &stop;
	assert_int_equal(measure("vcpu/stop", &other, &s, why), -EINTR);
}

static void files_for_guests_are_made_once(void **state)
{
	char path[PATH_MAX], why[BENCH_WHY_MAX], magic[6];
	struct stat st, again;
	FILE *f;

	assert_int_equal(guest_micro_file(*state, path, why), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, guest_micro.end - guest_micro.data);
	assert_int_equal(guest_micro_file(*state, path, why), 0);
	assert_int_equal(stat(path, &again), 0);
	assert_int_equal(st.st_ino, again.st_ino);
	assert_int_equal(guest_init_file(*state, path, why), 0);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fread(magic, 1, sizeof(magic), f), sizeof(magic));
	assert_memory_equal(magic, "070701", sizeof(magic));
	assert_int_equal(fclose(f), 0);
}

static void no_room_for_files_is_a_reason(unused void **state)
{
	const struct bench_env env = {.tmp = "/nonexistent"};
	char path[PATH_MAX], why[BENCH_WHY_MAX] = "";

	assert_true(guest_micro_file(&env, path, why) < 0);
	assert_non_null(strstr(why, "/nonexistent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			rows_have_names_of_their_own_and_stand_behind_what_they_are_measured_against),
		cmocka_unit_test(every_ring_row_gives_a_time),
		cmocka_unit_test(every_cost_is_a_row),
		cmocka_unit_test(one_instruction_is_one_exit),
		cmocka_unit_test(a_guest_that_spins_is_stopped),
		cmocka_unit_test(a_cpu_goes_from_thread_to_thread),
		cmocka_unit_test(machines_are_made_and_dropped),
		cmocka_unit_test(who_may_not_have_a_machine_is_told_so),
		cmocka_unit_test(a_command_that_is_not_there_is_a_reason),
		cmocka_unit_test(who_wants_to_end_does_not_wait),
		cmocka_unit_test(files_for_guests_are_made_once),
		cmocka_unit_test(no_room_for_files_is_a_reason),
	};

	return cmocka_run_group_tests(tests, make_env, remove_env);
}
