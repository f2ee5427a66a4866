/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "bench/guest/load.h"
#include "vmm/core/compiler.h"

static bool parses(const char *words)
{
	struct load_job job;
	const char *why;

	return load_parse(words, &job, &why);
}

static void a_job_is_what_its_words_say(void **state)
{
	struct load_job job;
	const char *why;

	(void)state;
	assert_true(load_parse("work=udp role=server dir=send addr=10.0.2.2 port=7000 id=9 size=18 "
	                       "buffer=65536 streams=1 ms=250 rate=5000",
	                       &job, &why));
	assert_int_equal(job.work, LOAD_UDP);
	assert_true(job.server && job.send);
	assert_int_equal(job.addr, inet_addr("10.0.2.2"));
	assert_int_equal(job.port, 7000);
	assert_int_equal(job.id, 9);
	assert_int_equal(job.size, 18);
	assert_int_equal(job.buffer, 65536);
	assert_int_equal(job.ms, 250);
	assert_int_equal(job.rate, 5000);
}

static void what_is_not_said_is_a_second_of_one_stream(void **state)
{
	struct load_job job;
	const char *why;

	(void)state;
	assert_true(load_parse("work=rr port=1", &job, &why));
	assert_int_equal(job.work, LOAD_RR);
	assert_false(job.server);
	assert_int_equal(job.size, 1);
	assert_int_equal(job.streams, 1);
	assert_int_equal(job.ms, 1000);
}

static void words_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {
		"",                 /* no port */
		"work=rr",          /* neither */
		"work=tcp port=1",  /* no such work */
		"work=stre port=1", /* the beginning of one */
		"work= port=1",
		"work=rr port=0",
		"work=rr port=65536",
		"work=rr port=-1",
		"work=rr port=1x",
		"work=rr port=99999999999999999999",
		"work=rr port=1 size=0",
		"work=rr port=1 size=65537",
		"work=udp port=1 size=15", /* too short for its number */
		"work=udp port=1 size=2049",
		"work=udp port=1 size=18 streams=2",
		"work=crr port=1 streams=2",
		"work=rr port=1 streams=0",
		"work=rr port=1 streams=17",
		"work=rr port=1 rate=5", /* of datagrams only */
		"work=rr port=1 ms=0",
		"work=rr port=1 addr=10.0.2",
		"work=rr port=1 addr=10.0.2.2/24",
		"work=rr port=1 nonsense",
		"work=rr port=1 color=red",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parses(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

static void a_line_that_is_too_long_is_refused(void **state)
{
	char line[LOAD_LINE_MAX + 2];

	(void)state;
	memset(line, ' ', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	assert_false(parses(line));
}

static void an_address_may_have_a_length(void **state)
{
	unsigned length;
	uint32_t addr;

	(void)state;
	assert_true(load_parse_address("192.168.76.2/24", &addr, &length));
	assert_int_equal(addr, inet_addr("192.168.76.2"));
	assert_int_equal(length, 24);
	assert_true(load_parse_address("1.2.3.4", &addr, &length));
	assert_int_equal(length, 32);
	assert_false(load_parse_address("1.2.3.4/33", &addr, &length));
	assert_false(load_parse_address("1.2.3.4/", &addr, &length));
	assert_false(load_parse_address("1.2.3.4/0", &addr, &length));
	assert_false(load_parse_address("1.2.3.456", &addr, &length));
	assert_false(load_parse_address("1111111111111111111111.2.3.4", &addr, &length));
}

/* ---- times */

static void a_time_is_found_again_within_its_step(void **state)
{
	struct load_hist *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(h);
	for (uint64_t ns = 1; ns < (uint64_t)1 << 36; ns += ns / 7 + 1) {
		uint64_t got;

		memset(h, 0, sizeof(*h));
		load_hist_add(h, ns);
		got = load_hist_at(h, 500);
		if (got > ns + ns / 32 || got + ns / 32 < ns)
			fail_msg("%llu became %llu", (unsigned long long)ns,
			         (unsigned long long)got);
	}
	free(h);
}

static void percentiles_are_where_they_should_be(void **state)
{
	struct load_hist *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(h);
	assert_int_equal(load_hist_at(h, 990), 0);
	for (unsigned i = 0; i < 990; i++)
		load_hist_add(h, 10);
	for (unsigned i = 0; i < 9; i++)
		load_hist_add(h, 20);
	load_hist_add(h, 30);
	assert_int_equal(load_hist_at(h, 0), 10);
	assert_int_equal(load_hist_at(h, 500), 10);
	assert_int_equal(load_hist_at(h, 989), 10);
	assert_int_equal(load_hist_at(h, 990), 20);
	assert_int_equal(load_hist_at(h, 998), 20);
	assert_int_equal(load_hist_at(h, 999), 30);
	assert_int_equal(load_hist_at(h, 1000), 30);
	free(h);
}

static void the_longest_time_has_a_place(void **state)
{
	struct load_hist *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(h);
	load_hist_add(h, UINT64_MAX);
	load_hist_add(h, 0);
	assert_int_equal(h->nr, 2);
	assert_int_equal(load_hist_at(h, 0), 0);
	assert_true(load_hist_at(h, 999) > (uint64_t)1 << 40);
	free(h);
}

/* ---- results */

static void streams_add_up(void **state)
{
	struct load_result *all = calloc(2, sizeof(*all)), *one = all + 1;

	(void)state;
	assert_non_null(all);
	*one = (struct load_result){.messages = 2, .bytes = 30, .ns = 400};
	load_hist_add(&one->rtt, 7);
	load_result_add(all, one);
	one->ns = 300;
	one->error = -5;
	load_result_add(all, one);
	assert_int_equal(all->messages, 4);
	assert_int_equal(all->bytes, 60);
	assert_int_equal(all->ns, 400);
	assert_int_equal(all->error, -5);
	assert_int_equal(all->rtt.nr, 2);
	assert_int_equal(load_hist_at(&all->rtt, 500), 7);
	free(all);
}

static void what_is_said_is_understood(void **state)
{
	struct load_result *r = calloc(1, sizeof(*r));
	char line[LOAD_LINE_MAX];
	struct load_said said;

	(void)state;
	assert_non_null(r);
	*r = (struct load_result){.messages = UINT64_MAX, .bytes = 1, .ns = 2, .frames = 3};
	load_hist_add(&r->rtt, 17);
	assert_in_range(load_result_print(r, line, sizeof(line)), 1, (int)sizeof(line) - 1);
	assert_true(load_said_parse(line, &said));
	assert_true(said.messages == UINT64_MAX && said.bytes == 1 && said.ns == 2 &&
	            said.frames == 3);
	assert_true(said.p50 == 17 && said.p99 == 17 && said.p999 == 17);
	free(r);
}

static void what_a_guest_says_else_is_not(void **state)
{
	static const char *const bad[] = {
		"",
		"@done",
		"@done messages=1",
		"@done messages=1 bytes=1 ns=1 frames=1 p50=1 p99=1 p999=1x",
		"@done messages=1 bytes=1 ns=1 frames=1 p50=1 p99=1 p999=",
		"@done messages=-1 bytes=1 ns=1 frames=1 p50=1 p99=1 p999=1",
		"@done messages=99999999999999999999 bytes=1 ns=1 frames=1 p50=1 p99=1 p999=1",
		"@done bytes=1 messages=1 ns=1 frames=1 p50=1 p99=1 p999=1",
	};
	struct load_said said;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (load_said_parse(bad[i], &said))
			fail_msg("taken: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_is_what_its_words_say),
		cmocka_unit_test(what_is_not_said_is_a_second_of_one_stream),
		cmocka_unit_test(words_that_are_none_are_refused),
		cmocka_unit_test(a_line_that_is_too_long_is_refused),
		cmocka_unit_test(an_address_may_have_a_length),
		cmocka_unit_test(a_time_is_found_again_within_its_step),
		cmocka_unit_test(percentiles_are_where_they_should_be),
		cmocka_unit_test(the_longest_time_has_a_place),
		cmocka_unit_test(streams_add_up),
		cmocka_unit_test(what_is_said_is_understood),
		cmocka_unit_test(what_a_guest_says_else_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
