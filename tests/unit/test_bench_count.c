/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted while packets move: by the machine, by the kernel's tracepoints, by one doorbell and by two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "bench/cmd/net_count.h"
#include "bench/cmd/net_trace.h"
#include "vmm/core/compiler.h"

static void busy_time_is_without_idle_and_steal(void **state)
{
	uint64_t ticks;

	(void)state;
	assert_true(net_busy_parse("cpu  1 20 300 4000 50000 600000 7000000 80000000 1 0\ncpu0 1\n",
	                           &ticks));
	assert_int_equal(ticks, 7600321);
	assert_false(net_busy_parse("cpu  1 20 300 4000 50000 600000\n", &ticks));
	assert_false(net_busy_parse("cpu0 1 20 300 4000 50000 600000 7\n", &ticks));
	assert_false(net_busy_parse("", &ticks));
	assert_true(net_busy_ns() > 0);
}

static double value(const struct bench_sample *s, enum bench_metric_id id)
{
	if (!(s->has & 1u << id))
		fail_msg("%s was not measured", bench_metrics[id].name);
	return s->v[id];
}

/* Two readings of a trace, of which the first had counted @before of everything. */
static struct net_traced two_readings(int before)
{
	struct net_traced t = {{NULL, NULL}};

	for (int i = 0; i < 2; i++) {
		const int had = i ? before : 0;

		t.at[i] = json_pack(
			"{s:[[i,i,i],[i,i,i]], s:[[i,i]], s:[[s,i],[s,i]], s:[[i,i],[i,i]], "
			"s:[[i,I,i],[i,I,i],[i,I,i]]}",
			"kvm_exit", 64, 1, i ? 30 + had : before, 96, 1, i ? 10 + had : before,
			"kvm_userspace_exit", 6, i ? 8 + had : before, "workqueue_queue_work",
			"irqfd_inject", i ? 2 + had : before, "other", 99, "kvm_msi_set_irq", 7,
			i ? 4 + had : before, 8, i ? 3 + had : before, "kvm_mmio", 2,
			(json_int_t)0x1050, i ? 6 + had : before, 2, (json_int_t)0x1064,
			i ? 7 + had : before, 1, (json_int_t)0x1050, i ? 100 : 0);
		assert_non_null(t.at[i]);
	}
	return t;
}

static void a_trace_becomes_counts_per_frame(void **state)
{
	struct net_traced trace = two_readings(1000), nobody = {{NULL, NULL}};
	struct bench_sample s = {0}, none = {0}, vhost = {0};

	(void)state;
	net_count_trace(&trace, 4, false, &s);
	assert_true(value(&s, BM_EXITS) == 10 && value(&s, BM_USERSPACE_EXITS) == 2);
	assert_true(value(&s, BM_WORKER_RUNS) == 0.5 && value(&s, BM_INTERRUPTS) == 1.75);
	assert_false(s.has & 1u << BM_KICKS);
	net_count_trace(&trace, 0, false, &none);
	net_count_trace(&nobody, 4, false, &none);
	assert_int_equal(none.has, 0);
	/* It is none of the VMM's threads that interrupts. */
	net_count_trace(&trace, 4, true, &vhost);
	assert_false(vhost.has & 1u << BM_INTERRUPTS);
	net_traced_drop(&trace);
}

/* What a doorbell says of itself, with one NIC and one vCPU, when it had @kicks and as much of everything else. */
static struct net_moment moment(const char *path, int kicks)
{
	const struct net_moment m = {
		.status = json_pack("{s:s, s:[{s:s, s:s, s:s, s:s, s:s, s:s, s:I}]}", "irqchip",
	                            "split", "nics", "name", "net0", "path", path, "kind", "tap",
	                            "kick", "ioeventfd", "regs", "page", "irq", "irqfd", "address",
	                            (json_int_t)0x1000),
		.stats = json_pack(
			"{s:f, s:[{s:s, s:i, s:{s:i, s:i, s:i}, s:{s:i, s:i}, s:{s:i, s:i}}], "
			"s:[{s:s, s:i}, {s:s, s:i}], s:[{s:i, s:i, s:{s:i, s:i}}]}",
			"seconds", 1.0, "nics", "name", "net0", "interrupts", kicks, "device",
			"tx_frames", 2 * kicks, "rx_frames", 0, "tx_kicks", kicks, "kernel",
			"tx_kicks", 0, "acks", kicks, "interface", "rx_packets", 2 * kicks,
			"tx_packets", 0, "threads", "name", "net0", "tid", 7, "name", "other",
			"tid", 8, "vcpus", "exits_mmio", kicks, "exits_pio", kicks, "kvm", "exits",
			7 * kicks, "irq_injections", kicks),
	};

	assert_non_null(m.status);
	assert_non_null(m.stats);
	return m;
}

/* Of a doorbell that had @from, and then @to. */
static struct net_span span(const char *path, int from, int to)
{
	return (struct net_span){{moment(path, from), moment(path, to)}};
}

static void drop(struct net_span *g)
{
	net_moment_drop(&g->at[0]);
	net_moment_drop(&g->at[1]);
}

/* Of what was not counted twice: nothing, and it may differ by nothing. */
static struct bench_check check_of(const struct bench_sample *s, const char *what)
{
	for (unsigned i = 0; i < s->nr_checks; i++)
		if (strcmp(s->check[i].what, what) == 0)
			return s->check[i];
	return (struct bench_check){.what = NULL};
}

static void a_doorbell_is_compared_with_the_tracepoints(void **state)
{
	struct net_span pure = span("pure", 1, 7), vhost = span("vhost", 1, 307);
	struct net_traced trace = two_readings(1000);
	struct bench_sample s = {0}, of_vhost = {0};
	struct bench_check kicks;

	(void)state;
	net_check(&pure, 1, &trace, 0.5, &s);
	assert_int_equal(s.nr_checks, 5);
	/* Its own thread's interrupts, and writes alone. */
	assert_int_equal(check_of(&s, "interrupts").counted, 6);
	assert_int_equal(check_of(&s, "interrupts").traced, 4);
	assert_int_equal(check_of(&s, "kicks").traced, 6);
	assert_int_equal(check_of(&s, "interrupts_taken").traced, 7);
	assert_int_equal(check_of(&s, "userspace_exits").counted, 12);
	assert_int_equal(check_of(&s, "userspace_exits").may_differ, 16);
	assert_int_equal(check_of(&s, "exits").counted, 42);
	assert_int_equal(check_of(&s, "exits").may_differ, 16 + 21);
	for (unsigned i = 0; i < s.nr_checks; i++)
		assert_true(bench_agrees(&s.check[i]));
	/* The kernel raises its interrupts; 300 kicks are not 6. */
	net_check(&vhost, 1, &trace, 0, &of_vhost);
	kicks = check_of(&of_vhost, "kicks");
	assert_null(check_of(&of_vhost, "interrupts").what);
	assert_int_equal(kicks.counted, 306);
	assert_false(bench_agrees(&kicks));
	drop(&pure);
	drop(&vhost);
	net_traced_drop(&trace);
}

static void counts_of_a_doorbell_have_what_they_should_be(void **state)
{
	struct net_span g = span("pure", 1, 7);
	struct bench_sample s = {0}, none = {0};

	(void)state;
	assert_true(net_count_doorbell(&g, 1, 0, &s));
	assert_true(value(&s, BM_KICKS) == 0.5);
	assert_true(s.expects & 1u << BM_KICKS && s.at_most & 1u << BM_KICKS);
	assert_true(s.expected[BM_KICKS] == 1);
	assert_true(s.expects & 1u << BM_USERSPACE_EXITS &&
	            !(s.at_most & 1u << BM_USERSPACE_EXITS));
	assert_int_equal(s.expects & ~s.has, 0);
	/* What a peer moves is counted outside. */
	json_object_clear(json_object_get(json_array_get(json_object_get(g.at[1].stats, "nics"), 0),
	                                  "interface"));
	assert_false(net_count_doorbell(&g, 1, 0, &none));
	assert_true(net_count_doorbell(&g, 1, 42, &none));
	assert_true(value(&none, BM_EXITS) == 1);
	drop(&g);
}

/* Between two guests a frame costs what it does in both; the first one's alone were printed once. */
static void counts_of_two_guests_are_those_of_both(void **state)
{
	struct net_span g[2] = {span("pure", 1, 7), span("pure", 1, 19)};
	struct bench_sample one = {0}, both = {0};

	(void)state;
	assert_true(net_count_doorbell(g, 1, 0, &one));
	assert_true(net_count_doorbell(g, 2, 0, &both));
	/* 6 and 18 kicks, 42 and 126 exits, for the 12 frames that the first one has sent. */
	assert_true(value(&one, BM_KICKS) == 0.5 && value(&both, BM_KICKS) == 2);
	assert_true(value(&one, BM_EXITS) == 3.5 && value(&both, BM_EXITS) == 14);
	assert_true(one.expected[BM_KICKS] == 1 && both.expected[BM_KICKS] == 4);
	drop(&g[0]);
	drop(&g[1]);
}

static void counts_of_one_of_two_guests_are_none(void **state)
{
	struct net_span g[2] = {span("pure", 1, 7), span("pure", 1, 19)};
	struct bench_sample s = {0};

	(void)state;
	net_moment_drop(&g[1].at[1]); /* it did not answer */
	assert_false(net_count_doorbell(g, 2, 0, &s));
	assert_int_equal(s.has, 0);
	drop(&g[0]);
	drop(&g[1]);
}

static void two_doorbells_are_compared_with_the_tracepoints_of_both(void **state)
{
	struct net_span g[2] = {span("pure", 1, 7), span("pure", 1, 4)};
	struct net_traced trace = two_readings(1000);
	struct bench_sample s = {0};

	(void)state;
	json_object_set_new(json_array_get(json_object_get(g[1].at[1].stats, "threads"), 0), "tid",
	                    json_integer(8));
	net_check(g, 2, &trace, 0, &s);
	assert_int_equal(s.nr_checks, 5);
	assert_int_equal(check_of(&s, "kicks").counted, 6 + 3);
	assert_int_equal(check_of(&s, "exits").counted, 42 + 21);
	/* Of the I/O threads of both, 7 and 8. */
	assert_int_equal(check_of(&s, "interrupts").counted, 6 + 3);
	assert_int_equal(check_of(&s, "interrupts").traced, 4 + 3);
	drop(&g[0]);
	drop(&g[1]);
	net_traced_drop(&trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(busy_time_is_without_idle_and_steal),
		cmocka_unit_test(a_trace_becomes_counts_per_frame),
		cmocka_unit_test(a_doorbell_is_compared_with_the_tracepoints),
		cmocka_unit_test(counts_of_a_doorbell_have_what_they_should_be),
		cmocka_unit_test(counts_of_two_guests_are_those_of_both),
		cmocka_unit_test(counts_of_one_of_two_guests_are_none),
		cmocka_unit_test(two_doorbells_are_compared_with_the_tracepoints_of_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
