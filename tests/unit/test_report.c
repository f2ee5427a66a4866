/* SPDX-License-Identifier: Apache-2.0 */
/* From what a doorbell says of itself to the report, as JSON and as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "audit/report.h"
#include "vmm/core/compiler.h"

/* One NIC, one CPU, 1000 frames out and 2000 in between. Keys that are not here count nothing. */
static const char status_text[] =
	"{'state':'running','irqchip':'split','nics':[{'name':'net0','kind':'tap','label':'tap0',"
	"'path':'pure','irq':'ioctl','regs':'page','kick':'ioeventfd','address':4096,'gsi':5,"
	"'accepted':'mac,event_idx'}]}";

static const char before_text[] =
	"{'seconds':1.5,'vcpus':[{'exits_mmio':40,'kvm':{'exits':100,'halt_exits':10,"
	"'irq_injections':5}}],"
	"'nics':[{'name':'net0','interrupts':7,'loop_wakeups':50,"
	"'device':{'tx_frames':5,'rx_frames':6},'registers':{'others':40},"
	"'kernel':{'acks':3},'interface':{'rx_packets':5,'tx_packets':6}}],"
	"'threads':[{'name':'net0','tid':70,'voluntary_switches':45},"
	"{'name':'net01','tid':71,'voluntary_switches':1}]}";

static const char after_text[] =
	"{'seconds':4.0,'vcpus':[{'exits_mmio':40,'kvm':{'exits':1000,'halt_exits':210,"
	"'irq_injections':405}}],"
	"'nics':[{'name':'net0','interrupts':407,'loop_wakeups':500,"
	"'device':{'tx_frames':1005,'rx_frames':2006,'tx_kicks':200,'tx_kick_reads':100,"
	"'tx_turns':100,'tx_interrupts':100,'rx_turns':400,'rx_drained':400,'rx_interrupts':300,"
	"'rx_interrupts_suppressed':100},"
	"'backend':{'syscalls_send':1000,'syscalls_recv':2400},"
	"'registers':{'others':40},'kernel':{'acks':403},"
	"'interface':{'rx_packets':1005,'tx_packets':2006}}],"
	"'threads':[{'name':'net0','tid':70,'voluntary_switches':485},"
	"{'name':'net01','tid':71,'voluntary_switches':9000},"
	"{'name':'vcpu0','tid':72,'voluntary_switches':150},"
	"{'name':'vhost-70','tid':73,'voluntary_switches':600}]}";

/* kvm_exit: 200 hlt, 100 msr, 600 for memory (SVM); 600 accesses to the NIC, 9 elsewhere. */
static const char trace_text[] =
	"{'kvm_exit':[[120,2,200],[124,2,100],[1024,2,600]],"
	"'kvm_mmio':[[2,4176,200],[2,4196,400],[0,4096,5],[2,9000,9]],"
	"'kvm_msi_set_irq':[[70,400],[71,50]],'sys_enter':[[70,0,3000],[70,1,1350],[72,16,9]],"
	"'workqueue_queue_work':[['other',77]]}";

static json_t *load(const char *text)
{
	char *copy = strdup(text);
	json_t *o;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	o = json_loads(copy, 0, NULL);
	assert_non_null(o);
	free(copy);
	return o;
}

struct texts {
	const char *status, *status_after, *before, *after, *trace;
};

/* @begun_text, @done_text: NULL, nobody asked then. */
static json_t *report_at(const struct texts *t, const char *begun_text, const char *done_text)
{
	json_t *status = load(t->status), *status_after = load(t->status_after);
	json_t *before = t->before ? load(t->before) : NULL, *after = load(t->after);
	json_t *trace = t->trace ? load(t->trace) : NULL;
	json_t *begun = begun_text ? load(begun_text) : NULL;
	json_t *done = done_text ? load(done_text) : NULL;
	const struct audit_input in = {status, status_after,    before, after,
	                               trace,  "no permission", begun,  done};
	json_t *r = audit_report(&in);

	assert_non_null(r);
	json_decref(status);
	json_decref(status_after);
	json_decref(before);
	json_decref(after);
	json_decref(trace);
	json_decref(begun);
	json_decref(done);
	return r;
}

static json_t *report_of(const struct texts *t)
{
	return report_at(t, NULL, NULL);
}

static const struct texts usual = {status_text, status_text, before_text, after_text, trace_text};

static const json_t *rows_of(const json_t *report)
{
	const json_t *nic = json_array_get(json_object_get(report, "nics"), 0);

	return json_object_get(nic, "rows");
}

static const json_t *row(const json_t *rows, const char *dir, const char *event)
{
	const json_t *r;
	size_t i;

	json_array_foreach(rows, i, r)
	{
		const char *e = json_string_value(json_object_get(r, "event"));
		const char *d = json_string_value(json_object_get(r, "direction"));

		if (strncmp(e, event, strlen(event)) == 0 && strcmp(d, dir) == 0)
			return r;
	}
	fail_msg("no row '%s'", event);
	return NULL;
}

static void assert_row(const json_t *rows, const char *dir, const char *event, int expected,
                       int observed, const char *verdict)
{
	const json_t *r = row(rows, dir, event);

	print_message("%s\n", event);
	assert_int_equal(json_integer_value(json_object_get(r, "expected")), expected);
	assert_int_equal(json_integer_value(json_object_get(r, "observed")), observed);
	assert_string_equal(json_string_value(json_object_get(r, "verdict")), verdict);
}

static void differences_become_rows(unused void **state)
{
	json_t *r = report_of(&usual);
	const json_t *rows = rows_of(r), *machine = json_object_get(r, "machine");

	assert_true(json_number_value(json_object_get(r, "seconds")) == 2.5);
	assert_int_equal(json_integer_value(json_object_get(machine, "frames")), 3000);
	assert_row(rows, "tx", "kicks", 1000, 200, "expected");
	assert_row(rows, "rx", "interrupts", 400, 300, "expected");
	assert_row(rows, "both", "exits (kick", 600, 600, "expected");
	assert_row(rows, "both", "exits to userspace", 0, 0, "expected");
	assert_row(rows, "both", "interrupts raised", 400, 400, "expected");
	assert_row(rows, "both", "interrupts taken", 400, 400, "expected");
	assert_row(rows, "both", "wake-ups of the I/O", 450, 440, "expected");
	assert_row(rows, "both", "system calls", 450 + 3400 + 100 + 400, 4350, "expected");
	assert_row(rows, "both", "kernel-worker", 0, 0, "expected");
	rows = json_object_get(machine, "rows");
	assert_row(rows, "both", "exits", 600, 900, "explained");
	assert_non_null(strstr(
		json_string_value(json_object_get(row(rows, "both", "exits"), "why")), "+200 hlt"));
	assert_row(rows, "both", "exits to userspace", 0, 0, "expected");
	assert_row(rows, "both", "wake-ups of the vCPUs", 200, 150, "expected");
	json_decref(r);
}

static void what_tracefs_would_tell_is_not_visible_without(unused void **state)
{
	struct texts t = usual;
	json_t *r;

	t.trace = NULL;
	r = report_of(&t);
	assert_string_equal(json_string_value(json_object_get(r, "no_tracefs")), "no permission");
	assert_row(rows_of(r), "both", "exits (kick", 600, 0, "not visible");
	assert_row(rows_of(r), "both", "kernel-worker", 0, 0, "not visible");
	assert_row(rows_of(r), "both", "exits to userspace", 0, 0, "expected");
	json_decref(r);
}

static void a_whole_run_begins_with_nothing(unused void **state)
{
	struct texts t = usual;
	json_t *r;

	t.before = NULL;
	r = report_of(&t);
	assert_row(rows_of(r), "tx", "kicks", 1005, 200, "expected");
	assert_row(rows_of(r), "both", "exits to userspace", 0, 40, "explained");
	json_decref(r);
}

static const json_t *calls_when_counters_say(const char *begun, const char *done, json_t **report)
{
	static const char before[] = "{'nics':[{'name':'net0','loop_poll_asks':1000}],"
				     "'threads':[{'name':'net0','tid':70}]}";
	static const char after[] = "{'nics':[{'name':'net0','loop_poll_asks':51000}],"
				    "'threads':[{'name':'net0','tid':70}]}";
	static const char trace[] = "{'sys_enter':[[70,232,52500]]}";
	const struct texts t = {status_text, status_text, before, after, trace};

	*report = report_at(&t, begun, done);
	return row(rows_of(*report), "both", "system calls of the I/O");
}

/* A thread that looks makes a call every few microseconds; to read the counters and the trace takes milliseconds. */
static void looks_while_counters_are_read_are_explained(unused void **state)
{
	static const struct {
		const char *begun, *done, *verdict, *why;
	} cases[] = {
		{NULL, NULL, "unexplained", "+2500 unexplained"},
		{"{'nics':[{'name':'net0','loop_poll_asks':1900}]}",
	         "{'nics':[{'name':'net0','loop_poll_asks':53000}]}", "unexplained",
	         "+2000 looks while counters were read; +500 unexplained"},
		{"{'nics':[{'name':'net0','loop_poll_asks':1900}]}",
	         "{'nics':[{'name':'net0','loop_poll_asks':53600}]}", "explained",
	         "+2500 looks while counters were read"},
		{"{'nics':[{'name':'net0','loop_poll_asks':1000}]}",
	         "{'nics':[{'name':'net0','loop_poll_asks':52000}]}", "unexplained",
	         "+1000 looks while counters were read; +1500 unexplained"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *report;
		const json_t *r = calls_when_counters_say(cases[i].begun, cases[i].done, &report);

		print_message("%s\n", cases[i].why);
		assert_string_equal(json_string_value(json_object_get(r, "verdict")),
		                    cases[i].verdict);
		assert_non_null(strstr(json_string_value(json_object_get(r, "why")), cases[i].why));
		json_decref(report);
	}
}

/* Frames are what the interface says; kicks what the eventfd says; the worker is found by its name. */
static void vhost_is_seen_from_outside(unused void **state)
{
	static const char vhost[] =
		"{'irqchip':'split','nics':[{'name':'net0','kind':'tap','path':'vhost','irq':'"
		"irqfd',"
		"'regs':'page','kick':'ioeventfd','address':4096,'gsi':5,'accepted':''}]}";
	static const char after[] =
		"{'vcpus':[],'nics':[{'name':'net0','kernel':{'acks':403,'tx_kicks':200},"
		"'interface':{'rx_packets':1005,'tx_packets':2006}}],"
		"'threads':[{'name':'vhost-70','tid':73,'voluntary_switches':600}]}";
	static const char trace[] = "{'kvm_msi_set_irq':[[73,400],[70,9]]}";
	const struct texts t = {vhost, vhost, before_text, after, trace};
	json_t *r = report_of(&t);

	assert_row(rows_of(r), "tx", "kicks", 1000, 200, "expected");
	assert_row(rows_of(r), "both", "interrupts raised", 3000, 400, "expected");
	assert_row(rows_of(r), "both", "wake-ups of vhost", 3200, 600, "expected");
	json_decref(r);
}

/* A peer moves the frames: how many nobody knows here, and what they cost doorbell is nothing. */
static void a_peer_is_seen_by_what_the_guest_does(unused void **state)
{
	static const char user[] =
		"{'irqchip':'split','nics':[{'name':'net0','kind':'vhost-user','path':'vhost-user',"
		"'irq':'irqfd','regs':'page','kick':'ioeventfd','address':4096,'gsi':5}]}";
	static const char after[] =
		"{'vcpus':[],'nics':[{'name':'net0','interrupts':7,'kernel':{'acks':403,'tx_kicks':"
		"3},"
		"'loop_wakeups':50}],'threads':[{'name':'net0','tid':70,'voluntary_switches':45}]}";
	static const char trace[] = "{'kvm_mmio':[[2,4176,200],[2,4196,400]],'sys_enter':[],"
				    "'workqueue_queue_work':[]}";
	const struct texts traced = {user, user, before_text, after, trace};
	const struct texts untraced = {user, user, before_text, after, NULL};
	json_t *r = report_of(&traced);

	assert_row(rows_of(r), "both", "kicks", 0, 200, "not visible");
	assert_row(rows_of(r), "both", "interrupts raised", 0, 0, "not visible");
	assert_row(rows_of(r), "both", "interrupts taken", 0, 400, "not visible");
	assert_row(rows_of(r), "both", "exits (kick, registers)", 600, 600, "expected");
	assert_row(rows_of(r), "both", "exits to userspace", 0, 0, "expected");
	assert_row(rows_of(r), "both", "system calls of the I/O thread", 0, 0, "expected");
	assert_row(rows_of(r), "both", "kernel-worker runs", 0, 0, "expected");
	json_decref(r);
	r = report_of(&untraced);
	assert_row(rows_of(r), "both", "kicks", 0, 0, "not visible");
	assert_row(rows_of(r), "both", "exits (kick, registers)", 0, 0, "not visible");
	assert_row(rows_of(r), "both", "exits to userspace", 0, 0, "expected");
	json_decref(r);
}

static void what_cannot_be_audited_says_why(unused void **state)
{
	static const char other[] = "{'nics':[{'name':'net0','path':'magic'}]}";
	static const char user[] = "{'nics':[{'name':'net0','path':'vhost-user'}]}";
	static const char next_peer[] = "{'nics':[{'name':'net0','backend':{'reconnects':1}}]}";
	static const char changed[] = "{'nics':[{'name':'net0','path':'vhost'}]}";
	static const char no_interface[] = "{'nics':[{'name':'net0','interface':null}]}";
	const struct texts cases[] = {
		{other, other, before_text, after_text, NULL},
		{status_text, changed, before_text, after_text, NULL},
		{user, user, before_text, next_peer, NULL},
		{changed, changed, no_interface, no_interface, NULL},
		{status_text, status_text, before_text, "{}", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *r = report_of(&cases[i]);
		const json_t *nic = json_array_get(json_object_get(r, "nics"), 0);

		assert_true(json_is_string(json_object_get(nic, "error")));
		assert_null(json_object_get(nic, "rows"));
		json_decref(r);
	}
}

/* Whoever answers on the socket may be anybody. */
static void nonsense_is_survived(unused void **state)
{
	static const char wrong[] = "{'nics':[1,[],{},{'name':7}],'vcpus':[1,null,[]],"
				    "'threads':[1,{'name':1}]}";
	const char *const texts[] = {"{}", "[]", "{'nics':7,'vcpus':'x','threads':{}}", wrong};
	static const char trace[] = "{'kvm_exit':[1,[],[[]],['a','b'],[1,2,-3]],'kvm_mmio':{}}";

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		const struct texts t = {texts[i], texts[i], texts[i], texts[i], trace};
		FILE *out = fopen("/dev/null", "we");
		json_t *r = report_of(&t);

		audit_print(r, out);
		fclose(out);
		assert_int_equal(audit_frames(json_object_get(r, "nics")), 0);
		json_decref(r);
	}
}

static void the_text_has_a_line_for_each_row(unused void **state)
{
	json_t *r = report_of(&usual);
	const size_t rows = json_array_size(rows_of(r)) +
	                    json_array_size(json_object_get(json_object_get(r, "machine"), "rows"));
	char *text = NULL;
	size_t size, lines = 0;
	FILE *out = open_memstream(&text, &size);

	audit_print(r, out);
	fclose(out);
	assert_non_null(
		strstr(text, "net0 (tap tap0): path=pure kick=ioeventfd regs=page irq=ioctl"));
	assert_non_null(strstr(text, "the article: exit + context switch + VMM work"));
	assert_non_null(strstr(text, "K = 5.00 per kick, J = 10.00 per interrupt, B = 10.00"));
	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, rows + 14);
	free(text);
	json_decref(r);
}

/* ---- queue pairs */

/* Three pairs: the second reads 500 frames for the first, and the third does nothing. */
static const char pairs_text[] =
	"{'seconds':1,'nics':[{'name':'net0','interrupts':80,'loop_wakeups':180,"
	"'kernel':{'acks':80},'backend':{'syscalls_recv':560,'recvs':500},"
	"'device':{'rx_frames':500,'rx_taken':500,'rx_steered':500,'rx_turns':90,'rx_drained':60,"
	"'rx_wakes':90,'rx_wake_reads':90,'rx_interrupts':80},'pairs':["
	"{'loop_wakeups':120,'device':{'rx_frames':500,'rx_taken':500,'rx_turns':90,"
	"'rx_wake_reads':90,'rx_interrupts':80}},"
	"{'loop_wakeups':60,'device':{'rx_steered':500,'rx_wakes':90,'rx_drained':60},"
	"'backend':{'syscalls_recv':560,'recvs':500}},"
	"{'loop_wakeups':0,'device':{'rx_frames':0}}]}],"
	"'threads':[{'name':'net0','tid':70,'voluntary_switches':110},"
	"{'name':'net0-1','tid':71,'voluntary_switches':55},"
	"{'name':'net0-2','tid':72,'voluntary_switches':0}]}";

static const char pairs_trace_text[] = "{'sys_enter':[[70,0,290],[71,1,710]]}";

static void each_pair_has_rows_of_its_own(unused void **state)
{
	const struct texts t = {status_text, status_text, NULL, pairs_text, pairs_trace_text};
	json_t *r = report_of(&t);
	const json_t *nic = json_array_get(json_object_get(r, "nics"), 0);
	const json_t *pairs = json_object_get(nic, "pairs"), *rows;

	assert_int_equal(json_array_size(pairs), 2); /* nothing happened on the third */
	rows = json_object_get(json_array_get(pairs, 0), "rows");
	assert_row(rows, "both", "wake-ups", 120, 110, "expected");
	assert_row(rows, "both", "system calls", 120 + 90 + 80, 290, "expected");
	assert_row(rows, "rx", "system calls", 90 + 80, 90 + 80, "expected");
	assert_row(rows, "rx", "payload copies", 500, 500, "expected");
	assert_string_equal(json_string_value(json_object_get(json_array_get(pairs, 1), "thread")),
	                    "net0-1");
	rows = json_object_get(json_array_get(pairs, 1), "rows");
	assert_row(rows, "both", "wake-ups", 60, 55, "expected");
	assert_row(rows, "both", "system calls", 60 + 560 + 90, 710, "expected");
	assert_row(rows, "rx", "system calls", 500 + 60 + 90, 560 + 90, "expected");
	assert_row(rows, "rx", "payload copies", 1000, 1000, "expected");
	assert_row(rows, "rx", "wake-ups by handing", 500, 90, "expected");
	rows = json_object_get(nic, "rows");
	assert_row(rows, "both", "wake-ups", 180, 165, "expected");
	assert_row(rows, "both", "system calls", 180 + 560 + 90 + 90 + 80, 1000, "expected");
	assert_row(rows, "rx", "system calls", 500 + 60 + 90 + 90 + 80, 560 + 180 + 80, "expected");
	assert_row(rows, "rx", "payload copies", 1500, 1500, "expected");
	json_decref(r);
}

/* The eventfds of each pair count; its frames nobody. */
static void under_vhost_a_pair_has_the_rows_that_are_visible(unused void **state)
{
	static const char vhost[] =
		"{'irqchip':'split','nics':[{'name':'net0','kind':'tap','path':'vhost','irq':'"
		"irqfd',"
		"'regs':'page','kick':'ioeventfd','address':4096,'gsi':5,'accepted':''}]}";
	static const char after[] =
		"{'vcpus':[],'nics':[{'name':'net0','kernel':{'acks':403,'tx_kicks':200},"
		"'interface':{'rx_packets':1005,'tx_packets':2006},'pairs':["
		"{'loop_wakeups':3,'kernel':{'tx_kicks':150,'rx_kicks':2}},"
		"{'loop_wakeups':0,'kernel':{'tx_kicks':50}},{'loop_wakeups':1,'kernel':{'tx_kicks'"
		":0}}]}],"
		"'threads':[{'name':'net0','tid':70,'voluntary_switches':3},"
		"{'name':'net0-1','tid':71,'voluntary_switches':0}]}";
	const struct texts t = {vhost, vhost, NULL, after, NULL};
	json_t *r = report_of(&t);
	const json_t *pairs =
		json_object_get(json_array_get(json_object_get(r, "nics"), 0), "pairs");
	const json_t *pair = json_array_get(pairs, 1);

	assert_int_equal(json_array_size(pairs), 2); /* the third one's driver did nothing */
	assert_string_equal(json_string_value(json_object_get(pair, "thread")), "net0-1");
	assert_true(json_is_null(json_object_get(json_object_get(pair, "tx"), "frames")));
	assert_row(json_object_get(pair, "rows"), "tx", "kicks", 0, 50, "not visible");
	assert_row(json_object_get(pair, "rows"), "both", "wake-ups of the I/O", 0, 0, "expected");
	json_decref(r);
}

static void the_text_shows_each_pair(unused void **state)
{
	const struct texts t = {status_text, status_text, NULL, pairs_text, pairs_trace_text};
	json_t *r = report_of(&t);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	audit_print(r, out);
	fclose(out);
	assert_non_null(strstr(text, "\nnet0, one of its queue pairs\n"));
	assert_non_null(strstr(text, "\nnet0-1, one of its queue pairs\n"));
	assert_null(strstr(text, "net0-2"));
	free(text);
	json_decref(r);
}

static void frames_are_those_of_all_nics(unused void **state)
{
	json_t *stats = load("{'nics':[{'device':{'tx_frames':1,'rx_frames':2},'interface':null},"
	                     "{'device':{'tx_frames':9},'interface':{'rx_packets':10,"
	                     "'tx_packets':20}}]}");

	assert_int_equal(audit_frames(stats), 33);
	assert_int_equal(audit_frames(NULL), 0);
	json_decref(stats);
}

/* Longer than the life before, so that no counter has gone back. */
static void a_reboot_is_another_life(unused void **state)
{
	json_t *before = load("{'reboots':0,'seconds':1.5}");
	json_t *after = load("{'reboots':1,'seconds':9.5}");

	assert_true(audit_same_life(before, before));
	assert_false(audit_same_life(before, after));
	assert_false(audit_same_life(after, before));
	json_decref(before);
	json_decref(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences_become_rows),
		cmocka_unit_test(what_tracefs_would_tell_is_not_visible_without),
		cmocka_unit_test(looks_while_counters_are_read_are_explained),
		cmocka_unit_test(a_whole_run_begins_with_nothing),
		cmocka_unit_test(vhost_is_seen_from_outside),
		cmocka_unit_test(a_peer_is_seen_by_what_the_guest_does),
		cmocka_unit_test(what_cannot_be_audited_says_why),
		cmocka_unit_test(nonsense_is_survived),
		cmocka_unit_test(the_text_has_a_line_for_each_row),
		cmocka_unit_test(each_pair_has_rows_of_its_own),
		cmocka_unit_test(under_vhost_a_pair_has_the_rows_that_are_visible),
		cmocka_unit_test(the_text_shows_each_pair),
		cmocka_unit_test(frames_are_those_of_all_nics),
		cmocka_unit_test(a_reboot_is_another_life),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
