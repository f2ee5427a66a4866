// SPDX-License-Identifier: Apache-2.0
#include "check/provoke.h"
#include "check/rule.h"
#include "vmm/core/xml.h"

static const char *verdict_name(enum provoke_verdict v)
{
	static const char *const names[] = {
		[PROVOKE_UNUSED] = "not asked for",
		[PROVOKE_SURVIVED] = "survived",
		[PROVOKE_NO_OCCASION] = "survived, but had no occasion",
		[PROVOKE_LOST] = "survived, lost frames",
		[PROVOKE_REBOOTED] = "survived, rebooted",
		[PROVOKE_CORRUPTED] = "corrupted payload",
		[PROVOKE_STUCK] = "no progress",
		[PROVOKE_NOT_TRIED] = "not tried",
	};

	return names[v];
}

/*
 * As of a finding: what a device may do a driver has to bear by the rule's own level; what none may do, no clause asks a
 * driver to bear.
 */
static const char *level_name(const struct provocation *p)
{
	const struct rule *rule = p->tag <= PROVOKE_RARE ? rule_find(p->rule) : NULL;

	return rule ? rule_level_name(rule->level) : "hardening";
}

static bool is_failure(enum provoke_verdict v)
{
	return v == PROVOKE_STUCK || v == PROVOKE_CORRUPTED;
}

void provoke_text(const struct provoke *p, FILE *out)
{
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++) {
		const struct provoke_result *r = provoke_result(p, i);
		const struct provocation *what = &provocations[i];

		if (r->verdict == PROVOKE_UNUSED)
			continue;
		fprintf(out,
		        "  provoked by %s (F%u, %s): %s; %llu time%s, %u question%s, %u lost, "
		        "%u wrong answer%s\n",
		        what->name, what->number, provoke_tag_name(what->tag),
		        verdict_name(r->verdict), (unsigned long long)r->times, plural(r->times),
		        r->asked, plural(r->asked), r->lost, r->corrupt, plural(r->corrupt));
		if (is_failure(r->verdict))
			fprintf(out, "    device: %s\n    rule:   %s\n    level:  %s\n", what->does,
			        what->rule, level_name(what));
	}
}

json_t *provoke_json(const struct provoke *p)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < NR_PROVOCATIONS; i++) {
		const struct provoke_result *r = provoke_result(p, i);
		const struct provocation *what = &provocations[i];

		if (r->verdict == PROVOKE_UNUSED)
			continue;
		json_array_append_new(
			list,
			json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:b, s:I, s:i, s:i, s:i, s:s}",
		                  "provocation", what->name, "id", (int)i, "number",
		                  (int)what->number, "tag", provoke_tag_name(what->tag), "level",
		                  level_name(what), "verdict", verdict_name(r->verdict), "failed",
		                  is_failure(r->verdict), "times", (json_int_t)r->times,
		                  "questions", (int)r->asked, "lost", (int)r->lost, "wrong_answers",
		                  (int)r->corrupt, "rule", what->rule));
	}
	return list;
}

void provoke_junit(const struct provoke *p, const char *device, FILE *out)
{
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++) {
		const struct provoke_result *r = provoke_result(p, i);
		const struct provocation *what = &provocations[i];

		if (r->verdict == PROVOKE_UNUSED)
			continue;
		fprintf(out, "    <testcase classname=\"%s.provoke\" name=\"%s\">", device,
		        what->name);
		if (is_failure(r->verdict)) {
			fprintf(out, "<failure message=\"%s\">%s %s, F%u, %s\n",
			        verdict_name(r->verdict), level_name(what), what->rule,
			        what->number, provoke_tag_name(what->tag));
			xml_put(what->does, out);
			fputs("</failure>", out);
		}
		if (r->verdict == PROVOKE_NOT_TRIED || r->verdict == PROVOKE_NO_OCCASION)
			fprintf(out, "<skipped message=\"%s\"/>", verdict_name(r->verdict));
		fputs("</testcase>\n", out);
	}
}
