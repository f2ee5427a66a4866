/* SPDX-License-Identifier: Apache-2.0 */
/* The report as a table. */
#include <stdbool.h>
#include <string.h>

#include "audit/report.h"
#include "audit/text.h"
#include "vmm/core/compiler.h"

/* A number with @decimals, or "-". */
static const char *figure(const json_t *v, int decimals, char *buf, size_t size)
{
	if (!json_is_number(v))
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%.*f", decimals, json_number_value(v));
	return buf;
}

static void print_row(const json_t *row, FILE *out)
{
	const char *const names[] = {"article",  "alone",     "expected",
	                             "observed", "per_frame", "per_batch"};
	static const int decimals[] = {2, 2, 0, 0, 4, 2};
	const bool bound = json_is_true(json_object_get(row, "at_most"));
	const bool mark = strcmp(text_of(row, "verdict"), "unexplained") == 0;
	char buf[ARRAY_SIZE(names)][32];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		figure(json_object_get(row, names[i]), decimals[i], buf[i], sizeof(buf[i]));
	fprintf(out, "%c %-4s %-32s %7s %6s %2s%10s %10s %9s %7s  %s", mark ? '!' : ' ',
	        text_of(row, "direction"), text_of(row, "event"), buf[0], buf[1], bound ? "<=" : "",
	        buf[2], buf[3], buf[4], buf[5], text_of(row, "verdict"));
	fprintf(out, "%s%s\n", text_of(row, "why")[0] ? ": " : "", text_of(row, "why"));
}

static void print_rows(const json_t *rows, FILE *out)
{
	const json_t *row;
	size_t i;

	fprintf(out, "  %-37s %7s %6s %12s %10s %9s %7s\n", "", "article", "alone", "expected",
	        "observed", "/frame", "/batch");
	json_array_foreach(rows, i, row)
	{
		print_row(row, out);
	}
}

static void print_flow(const json_t *nic, const char *dir, FILE *out)
{
	const json_t *f = json_object_get(nic, dir);
	char frames[32], k[32], j[32], b[32];

	fprintf(out, "  %s: %s frames; K = %s per kick, J = %s per interrupt, B = %s per turn\n",
	        dir, figure(json_object_get(f, "frames"), 0, frames, sizeof(frames)),
	        figure(json_object_get(f, "per_kick"), 2, k, sizeof(k)),
	        figure(json_object_get(f, "per_interrupt"), 2, j, sizeof(j)),
	        figure(json_object_get(f, "per_turn"), 2, b, sizeof(b)));
	fprintf(out, "      the article: %s\n      here:        %s\n", text_of(f, "article"),
	        text_of(f, "rule"));
}

static void print_nic(const json_t *nic, FILE *out)
{
	const json_t *pair;
	size_t i;

	fprintf(out, "\n%s", text_of(nic, "name"));
	if (json_object_get(nic, "error")) {
		fprintf(out, ": no audit: %s\n", text_of(nic, "error"));
		return;
	}
	fprintf(out, " (%s %s): path=%s kick=%s regs=%s irq=%s irqchip=%s\n", text_of(nic, "kind"),
	        text_of(nic, "label"), text_of(nic, "path"), text_of(nic, "kick"),
	        text_of(nic, "regs"), text_of(nic, "irq"), text_of(nic, "irqchip"));
	fprintf(out, "  %s\n", text_of(nic, "accepted"));
	print_flow(nic, "tx", out);
	print_flow(nic, "rx", out);
	print_rows(json_object_get(nic, "rows"), out);
	json_array_foreach(json_object_get(nic, "pairs"), i, pair)
	{
		fprintf(out, "\n%s, one of its queue pairs\n", text_of(pair, "thread"));
		print_flow(pair, "tx", out);
		print_flow(pair, "rx", out);
		print_rows(json_object_get(pair, "rows"), out);
	}
}

void audit_print(const json_t *report, FILE *out)
{
	const json_t *nic;
	size_t i;

	fprintf(out, "audit of %.1f s, %s%s\n",
	        json_number_value(json_object_get(report, "seconds")),
	        json_is_true(json_object_get(report, "tracefs")) ? "with tracefs"
	                                                         : "tracefs is not visible: ",
	        text_of(report, "no_tracefs"));
	json_array_foreach(json_object_get(report, "nics"), i, nic)
	{
		print_nic(nic, out);
	}
	fprintf(out, "\nthe machine, all CPUs\n");
	print_rows(json_object_get(json_object_get(report, "machine"), "rows"), out);
}
