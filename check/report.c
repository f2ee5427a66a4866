/* SPDX-License-Identifier: Apache-2.0 */
#include "check/report.h"

#include <inttypes.h>
#include <string.h>

#include "check/borne.h"
#include "check/junit.h"
#include "check/provoke.h"
#include "vmm/core/compiler.h"
#include "vmm/core/xml.h"
#include "vmm/run.h"

static const struct check_result *finding(const struct report *r, const struct check *c,
                                          size_t rule)
{
	const struct check_result *res = check_result(c, rule);

	return res->broken > 0 && !r->ignored[rule] ? res : NULL;
}

static bool counts(const struct report *r, const struct rule *rule)
{
	return rule_is_must(rule) || (r->fail_on >= FAIL_ON_SHOULD && rule_is_should(rule)) ||
	       r->fail_on == FAIL_ON_ANY;
}

bool report_fails(const struct report *r)
{
	for (unsigned d = 0; d < r->nr; d++)
		for (size_t i = 0; i < nr_rules; i++)
			/* What was not borne is a failure of its own: provoke_failed(). */
			if (finding(r, r->checks[d], i) && counts(r, &rules[i]) &&
			    !borne_only(&rules[i]))
				return true;
	return false;
}

/* NULL: of the driver of device @d nothing more can be asked than that it keeps the rules. */
static const char *trouble(const struct report *r, unsigned d)
{
	const struct provoke *p = r->provokes ? r->provokes[d] : NULL;

	return p && provoke_gave_up(p) ? NULL : check_trouble(r->checks[d]);
}

int report_status(const struct report *r, int status)
{
	bool works = true, gave_up = false;

	for (unsigned d = 0; d < r->nr; d++) {
		const struct provoke *p = r->provokes ? r->provokes[d] : NULL;

		gave_up |= p && provoke_gave_up(p);
		works &= !trouble(r, d) && !(p && provoke_failed(p));
	}
	if (report_fails(r))
		return EXIT_FINDINGS;
	if (gave_up) /* and what becomes of the guest then is its own affair */
		status = EXIT_OK;
	return works && (gave_up || !r->dead) ? status : EXIT_NO_DRIVER;
}

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* "write of 0x1 to Status (0x070), guest at 0x101234". Returns @buf. */
static const char *seen_text(const struct check_result *res, char *buf, size_t size)
{
	char at[40] = "";

	if (res->has_pc)
		snprintf(at, sizeof(at), ", guest at 0x%" PRIx64, res->pc);
	snprintf(buf, size, "%s%s", res->shown, at);
	return buf;
}

/* ---- text */

/* "MUST init.reset-first (virtio 1.2, 3.1.1), 1 time, first after 0.001 s" */
static void print_head(const struct rule *rule, const struct check_result *res, FILE *out)
{
	fprintf(out, "%s %s (virtio %s), %llu time%s, first after %.3f s\n",
	        rule_level_name(rule->level), rule->id, rule->section,
	        (unsigned long long)res->broken, plural(res->broken), seconds(res->first_ns));
}

/* @res NULL: there is none. */
static void print_finding(const struct rule *rule, const struct check_result *res, FILE *out)
{
	char seen[192];

	if (!res)
		return;
	fputs("  ", out);
	print_head(rule, res, out);
	fprintf(out, "    rule:   %s\n    driver: %s\n    seen:   %s\n    advice: %s\n", rule->text,
	        res->why, seen_text(res, seen, sizeof(seen)), rule->advice);
}

static bool silent(const struct check *c, size_t i)
{
	const struct check_result *res = check_result(c, i);

	return rules[i].advice && !res->kept && !res->broken;
}

/* What would exercise it. */
static const char *exercise(const struct rule *rule)
{
	return borne_only(rule) ? "--provoke NAME, where --explain RULE names it; most are in legal"
	                        : rule_exercise(rule);
}

/* Names of rules, in lines of a readable length: of @part, or (NULL) those that it takes a provocation to see. */
static void print_silent(const struct check *c, const char *part, FILE *out)
{
	const int width = 110;
	int at = width;

	for (size_t i = 0; i < nr_rules; i++) {
		const int len = (int)strlen(rules[i].id) + 1;

		const bool mine =
			borne_only(&rules[i]) ? !part : part && strcmp(rules[i].part, part) == 0;

		if (!mine || !silent(c, i))
			continue;
		if (at + len > width) {
			fputs("\n     ", out);
			at = 5;
		}
		fprintf(out, " %s", rules[i].id);
		at += len;
	}
	fputc('\n', out);
}

/* What was not exercised, part by part, and what would. */
static void print_coverage(const struct check *c, FILE *out)
{
	const struct rule *borne = NULL;
	const char *part = "";

	for (size_t i = 0; i < nr_rules; i++) {
		const char *what = exercise(&rules[i]);

		if (silent(c, i) && borne_only(&rules[i]))
			borne = &rules[i];
		else if (silent(c, i) && what && strcmp(rules[i].part, part) != 0) {
			part = rules[i].part;
			fprintf(out, "  not exercised, %s: %s", part, what);
			print_silent(c, part, out);
		}
	}
	if (borne) {
		fprintf(out, "  not exercised, of a provoked device: %s", exercise(borne));
		print_silent(c, NULL, out);
	}
}

static void print_device(const struct report *r, unsigned d, FILE *out)
{
	const struct check *c = r->checks[d];
	unsigned nr_broken = 0, nr_kept = 0, nr_silent = 0;

	for (size_t i = 0; i < nr_rules; i++) {
		const struct check_result *res = check_result(c, i);

		if (finding(r, c, i))
			nr_broken++;
		else if (res->kept)
			nr_kept++;
		else if (silent(c, i))
			nr_silent++;
	}
	fprintf(out, "%s: %u rule%s broken, %u kept, %u not exercised\n", check_name(c), nr_broken,
	        plural(nr_broken), nr_kept, nr_silent);
	/* The worst first. */
	for (int level = RULE_MUST; level <= RULE_IMPLIED; level++)
		for (size_t i = 0; i < nr_rules; i++)
			if ((int)rules[i].level == level)
				print_finding(&rules[i], finding(r, c, i), out);
	if (trouble(r, d))
		fprintf(out, "  %s\n", trouble(r, d));
	for (unsigned q = 0; q < check_nr_queues(c); q++) {
		const struct check_stall *s = check_stall(c, q);

		if (s)
			fprintf(out, "  queue %u has stood still since %.3f s: %s (%s)\n", q,
			        seconds(s->since_ns), s->why, s->rule);
	}
	print_coverage(c, out);
}

void report_text(const struct report *r, FILE *out)
{
	if (r->dead)
		fprintf(out, "%s\n", r->dead);
	for (unsigned d = 0; d < r->nr; d++) {
		print_device(r, d, out);
		if (r->provokes)
			provoke_text(r->provokes[d], out);
	}
}

/* ---- JSON */

static json_t *json_of_rule(const struct report *r, const struct check *c, size_t i)
{
	const struct check_result *res = check_result(c, i);
	const struct rule *rule = &rules[i];
	const char *state = res->broken ? "broken" : res->kept ? "kept" : "not exercised";
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "rule", rule->id, "level",
	                      rule_level_name(rule->level), "part", rule->part, "virtio",
	                      rule->section, "state", state, "kept", (json_int_t)res->kept);

	if (o && silent(c, i))
		json_object_set_new(o, "exercise", json_string(exercise(rule)));
	if (!o || !res->broken)
		return o;
	if (res->queue >= 0)
		json_object_set_new(o, "queue", json_integer(res->queue));
	json_object_set_new(o, "ignored", json_boolean(r->ignored[i]));
	json_object_set_new(o, "times", json_integer((json_int_t)res->broken));
	json_object_set_new(o, "first_s", json_real(seconds(res->first_ns)));
	json_object_set_new(o, "driver", json_string(res->why));
	json_object_set_new(o, "seen", json_string(res->shown));
	if (res->has_pc)
		json_object_set_new(o, "pc", json_sprintf("0x%" PRIx64, res->pc));
	json_object_set_new(o, "advice", json_string(rule->advice));
	return o;
}

static json_t *json_of_stalls(const struct check *c)
{
	json_t *list = json_array();

	for (unsigned q = 0; q < check_nr_queues(c); q++) {
		const struct check_stall *s = check_stall(c, q);

		if (s)
			json_array_append_new(list,
			                      json_pack("{s:i, s:f, s:s, s:s}", "queue", (int)q,
			                                "since_s", seconds(s->since_ns), "rule",
			                                s->rule, "why", s->why));
	}
	return list;
}

json_t *report_json(const struct report *r)
{
	json_t *devices = json_array();

	for (unsigned d = 0; d < r->nr; d++) {
		const struct check *c = r->checks[d];
		json_t *list = json_array();

		for (size_t i = 0; i < nr_rules; i++)
			if (rules[i].advice)
				json_array_append_new(list, json_of_rule(r, c, i));
		json_array_append_new(
			devices, json_pack("{s:s, s:b, s:b, s:b, s:s*, s:o, s:o, s:o*}", "device",
		                           check_name(c), "touched", check_was_touched(c),
		                           "left_alone", check_was_left_alone(c), "live",
		                           check_was_live(c), "trouble", trouble(r, d), "stalls",
		                           json_of_stalls(c), "rules", list, "provocations",
		                           r->provokes ? provoke_json(r->provokes[d]) : NULL));
	}
	return json_pack("{s:s, s:b, s:s*, s:o}", "doorbell", DOORBELL_VERSION, "failed",
	                 report_fails(r), "dead", r->dead, "devices", devices);
}

/* ---- JUnit: a case per rule that is checked */

static void put_case(const struct report *r, const struct check *c, size_t i, FILE *out)
{
	const struct check_result *res = finding(r, c, i);
	char seen[192];

	fprintf(out, "    <testcase classname=\"%s.%s\" name=\"%s\">", check_name(c), rules[i].part,
	        rules[i].id);
	if (res) {
		fputs(counts(r, &rules[i]) ? "<failure message=\"" : "<system-out>", out);
		xml_put(res->why, out);
		fputs(counts(r, &rules[i]) ? "\">" : "\n", out);
		print_head(&rules[i], res, out); /* nothing in it is markup */
		xml_put(seen_text(res, seen, sizeof(seen)), out);
		fputs("\n", out);
		xml_put(rules[i].advice, out);
		fputs(counts(r, &rules[i]) ? "</failure>" : "</system-out>", out);
	} else if (check_result(c, i)->broken > 0) {
		fputs("<skipped message=\"ignored\"/>", out);
	} else if (!check_result(c, i)->kept) {
		fputs("<skipped message=\"not exercised\"/>", out);
	}
	fputs("</testcase>\n", out);
}

/* Whether there is a driver that works. */
static void put_works(const char *class, const char *name, const char *why, FILE *out)
{
	fprintf(out, "    <testcase classname=\"%s\" name=\"%s\">", class, name);
	if (why) {
		fputs("<failure message=\"", out);
		xml_put(why, out);
		fputs("\"/>", out);
	}
	fputs("</testcase>\n", out);
}

/* A queue in which nothing happens: no failure by itself, for the rule has its own case. */
static void put_stall(const struct check *c, unsigned queue, FILE *out)
{
	const struct check_stall *s = check_stall(c, queue);

	if (!s)
		return;
	fprintf(out,
	        "    <testcase classname=\"%s.stall\" name=\"queue %u\"><system-out>since %.3f s: ",
	        check_name(c), queue, seconds(s->since_ns));
	xml_put(s->why, out);
	fprintf(out, " (%s)</system-out></testcase>\n", s->rule);
}

static int put_device(const struct report *r, unsigned d, FILE *out)
{
	const struct check *c = r->checks[d];
	struct junit suite;
	const int ret = junit_begin(&suite);
	char name[64];

	if (ret < 0)
		return ret;
	put_works("guest", "lives", r->dead, suite.cases);
	put_works(check_name(c), "works", trouble(r, d), suite.cases);
	for (size_t i = 0; i < nr_rules; i++)
		if (rules[i].advice)
			put_case(r, c, i, suite.cases);
	for (unsigned q = 0; q < check_nr_queues(c); q++)
		put_stall(c, q, suite.cases);
	if (r->provokes)
		provoke_junit(r->provokes[d], check_name(c), suite.cases);
	snprintf(name, sizeof(name), "doorbell check: %s", check_name(c));
	return junit_end(&suite, name, out);
}

int report_junit(const struct report *r, FILE *out)
{
	int ret = 0;

	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out);
	for (unsigned d = 0; d < r->nr && ret == 0; d++)
		ret = put_device(r, d, out);
	fputs("</testsuites>\n", out);
	return ret;
}

/* ---- the rules themselves */

/* The next provocation from number @from on that a driver needs to keep @rule for. */
static const struct provocation *next_provocation(const struct rule *rule, unsigned *from)
{
	while (*from < NR_PROVOCATIONS) {
		const struct provocation *p = &provocations[(*from)++];

		if (strcmp(p->rule, rule->id) == 0 || borne_by(rule, *from - 1))
			return p;
	}
	return NULL;
}

void report_rules(FILE *out)
{
	static const char *const words[] = {[RULE_SEEN] = "",
	                                    [RULE_SUM] = ", as the sum of others",
	                                    [RULE_ABSENT] = ", does not come up",
	                                    [RULE_UNSEEN] = ", cannot be seen"};
	unsigned nr[ARRAY_SIZE(words)] = {0}, borne = 0;

	for (size_t i = 0; i < nr_rules; i++) {
		const struct rule *rule = &rules[i];
		const enum rule_sight sight = rule_sight(rule);

		nr[sight]++;
		borne += borne_only(rule);
		fprintf(out, "%-32s %-10s %-10s virtio %s%s\n", rule->id,
		        rule_level_name(rule->level), rule->part, rule->section,
		        borne_only(rule) ? ", with --provoke" : words[sight]);
	}
	fprintf(out,
	        "%zu rules: %u are checked, %u of them with --provoke; %u are the sum of others, "
	        "%u do not come up, %u cannot be seen\n",
	        nr_rules, nr[RULE_SEEN], borne, nr[RULE_SUM], nr[RULE_ABSENT], nr[RULE_UNSEEN]);
}

void report_rule(const struct rule *rule, FILE *out)
{
	const struct provocation *p;
	unsigned from = 0;

	fprintf(out, "%s (%s, virtio %s)\n%s.\n", rule->id, rule_level_name(rule->level),
	        rule->section, rule->text);
	if (rule->advice)
		fprintf(out, "%s\n", rule->advice);
	else
		fprintf(out, "Not checked by itself. %s\n", rule_unseen(rule));
	while ((p = next_provocation(rule, &from)))
		fprintf(out, "--provoke %s: %s.\n", p->name, p->does);
}
