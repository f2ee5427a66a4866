/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/core/gmem.h"
#include "vmm/core/loop.h"
#include "vmm/sigbus.h"

#define PAGE KIB(4)

static struct gmem mem_of(int *fd)
{
	struct gmem_file file = {.range = {MIB(1), 4 * PAGE}};
	struct gmem m;
	char why[100];

	*fd = file.fd = memfd_create("cut", MFD_CLOEXEC);
	assert_int_equal(ftruncate(*fd, (off_t)(4 * PAGE)), 0);
	assert_int_equal(gmem_import(&m, &file, 1, why, sizeof(why)), 0);
	return m;
}

static void memory_whose_file_is_cut_reads_as_zeros(void **state)
{
	uint64_t word = 1;
	int fd;
	struct gmem m = mem_of(&fd);

	(void)state;
	sigbus_survive();
	assert_int_equal(gmem_write(&m, MIB(1) + 3 * PAGE, "gone", 5), 0);
	assert_int_equal(ftruncate(fd, (off_t)PAGE), 0);
	assert_int_equal(gmem_read(&m, MIB(1) + 3 * PAGE, &word, sizeof(word)), 0);
	assert_int_equal(word, 0);
	assert_int_equal(gmem_write(&m, MIB(1) + 2 * PAGE, &word, sizeof(word)), 0);
	gmem_destroy(&m);
	close(fd);
}

static void read_it(void *arg)
{
	uint64_t word = 1;

	assert_int_equal(gmem_read(arg, MIB(1) + 3 * PAGE, &word, sizeof(word)), 0);
	assert_int_equal(word, 0);
}

/* Its signals are blocked otherwise, and a blocked SIGBUS would end the process. */
static void the_thread_of_a_network_card_survives_it_too(void **state)
{
	struct loop *l;
	int fd;
	struct gmem m = mem_of(&fd);

	(void)state;
	sigbus_survive();
	assert_int_equal(loop_create(&l), 0);
	assert_int_equal(loop_thread_start(l, "net0"), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	loop_call(l, read_it, &m);
	loop_thread_stop(l);
	loop_destroy(l);
	gmem_destroy(&m);
	close(fd);
}

static void a_signal_for_another_reason_still_ends_the_process(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		sigbus_survive();
		raise(SIGBUS);
		raise(SIGBUS);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_whose_file_is_cut_reads_as_zeros),
		cmocka_unit_test(the_thread_of_a_network_card_survives_it_too),
		cmocka_unit_test(a_signal_for_another_reason_still_ends_the_process),
	};

	return cmocka_run_group_tests_name("sigbus", tests, NULL, NULL);
}
