/* SPDX-License-Identifier: Apache-2.0 */
/* Who writes a recording: in order, whole, and never in the way for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check/trace_write.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

static FILE *temporary(char path[32])
{
	int fd;

	snprintf(path, 32, "/tmp/doorbell-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	return fdopen(fd, "w");
}

/* A NIC, so that what follows has one. */
static void put_device(struct trace_writer *w)
{
	struct trace_record t = {.kind = TRACE_DEVICE,
	                         .queue = TRACE_NO_QUEUE,
	                         .u.device = {.name = "net0", .nr_queues = 2}};
	uint8_t max[8] = {8, 0, 0, 0, 8};

	trace_lock(w);
	trace_put(w, &t, &(struct iovec){max, sizeof(max)}, 1);
	trace_unlock(w);
}

/* Memory at @addr, whose bytes are a number of it. */
static void put_memory(struct trace_writer *w, uint64_t addr, size_t len)
{
	static uint8_t bytes[TRACE_DATA_MAX];
	struct trace_record t = {.kind = TRACE_MEMORY, .queue = 1, .u.addr = addr};

	trace_put(w, &t, &(struct iovec){bytes, len}, 1);
}

struct seen {
	uint64_t records, bytes;
	bool ended;
};

static struct seen read_back(const char *path)
{
	FILE *in = fopen(path, "r");
	struct trace_reader r;
	struct trace_record t;
	struct seen s = {0};
	int ret;

	assert_non_null(in);
	assert_int_equal(trace_open(&r, in), 0);
	while ((ret = trace_next(&r, &t)) == 1)
		s.bytes += t.kind == TRACE_MEMORY ? t.len : 0;
	if (ret < 0)
		fail_msg("%s", r.why);
	s.records = r.records;
	s.ended = r.ended;
	trace_close(&r);
	fclose(in);
	return s;
}

static void what_is_put_is_in_the_file(unused void **state)
{
	struct trace_writer *w;
	char path[32];
	struct seen s;

	assert_int_equal(trace_writer_create(temporary(path), path, &w), 0);
	put_device(w);
	trace_lock(w);
	for (size_t i = 0; i < 1000; i++)
		put_memory(w, 0x1000 + i, 1 + i % 100);
	trace_unlock(w);
	assert_int_equal(trace_writer_destroy(w), 0);
	s = read_back(path);
	assert_true(s.ended);
	assert_int_equal(s.records, 1002);
	assert_int_equal(s.bytes, 10 * 5050);
	unlink(path);
}

#define EACH 2000u

static void *put_many(void *arg)
{
	for (unsigned i = 0; i < EACH; i++) {
		trace_lock(arg);
		put_memory(arg, 1, 3000);
		put_memory(arg, 2, 500);
		trace_unlock(arg);
	}
	return NULL;
}

/* Several times what the buffers hold, from several threads: all of it is there, and pairs stand together. */
static void more_than_there_is_room_for_waits(unused void **state)
{
	struct trace_writer *w;
	struct trace_reader r;
	struct trace_record t;
	pthread_t thread[3];
	uint64_t before = 2;
	char path[32];
	FILE *in;

	_Static_assert(3 * EACH * 3500 > 4 * (1 << 20), "more than two buffers");
	assert_int_equal(trace_writer_create(temporary(path), path, &w), 0);
	put_device(w);
	for (unsigned i = 0; i < ARRAY_SIZE(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, put_many, w), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(thread); i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(trace_writer_destroy(w), 0);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_int_equal(trace_open(&r, in), 0);
	while (trace_next(&r, &t) == 1) {
		if (t.kind != TRACE_MEMORY)
			continue;
		assert_true(t.u.addr == 3 - before);
		before = t.u.addr;
	}
	assert_true(r.ended);
	assert_int_equal(r.records, 2 + 2 * EACH * ARRAY_SIZE(thread));
	trace_close(&r);
	fclose(in);
	unlink(path);
}

/* Whoever has records goes on, however many; and it is said once. */
static void full_disk_ends_the_recording_only(unused void **state)
{
	FILE *out = fopen("/dev/full", "w");
	struct trace_writer *w;
	int pipes[2], before = dup(STDERR_FILENO);
	char said[512];
	ssize_t n;

	assert_non_null(out);
	/* The header finds it already. */
	assert_int_equal(trace_writer_create(out, "/dev/full", &w), -ENOSPC);
	assert_null(w);
	/* Later: a pipe whose reader is gone, as good as a disk without room. */
	assert_int_equal(pipe(pipes), 0);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(trace_writer_create(fdopen(pipes[1], "w"), "file", &w), 0);
	close(pipes[0]);
	assert_int_equal(pipe(pipes), 0);
	assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
	put_device(w);
	put_many(w);
	assert_int_equal(trace_writer_destroy(w), -EPIPE);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	close(before);
	close(pipes[1]);
	n = read(pipes[0], said, sizeof(said) - 1);
	close(pipes[0]);
	assert_true(n > 0);
	said[n] = '\0';
	assert_string_equal(said, "doorbell: warning: --record file: the recording ends here: "
	                          "Broken pipe\n");
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

/* What was recorded a moment before is there, whatever ends the process. */
static void recording_survives_a_killed_recorder(unused void **state)
{
	char path[32];
	FILE *out = temporary(path);
	struct seen s;
	int status, told[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(told), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct trace_writer *w;

		if (trace_writer_create(out, path, &w) < 0)
			_exit(1);
		put_device(w);
		for (;;) {
			trace_lock(w);
			put_memory(w, 1, 1000);
			trace_unlock(w);
			if (size_of(path) > 100000 && write(told[1], "", 1) == 1)
				pause();
		}
	}
	fclose(out);
	assert_int_equal(read(told[0], &byte, 1), 1);
	close(told[0]);
	close(told[1]);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	s = read_back(path);
	assert_true(s.records > 90);
	assert_false(s.ended);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_in_the_file),
		cmocka_unit_test(more_than_there_is_room_for_waits),
		cmocka_unit_test(full_disk_ends_the_recording_only),
		cmocka_unit_test(recording_survives_a_killed_recorder),
	};

	return cmocka_run_group_tests_name("trace_write", tests, NULL, NULL);
}
