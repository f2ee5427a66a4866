/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/curve.h"

#include <stdlib.h>
#include <string.h>

#include "bench/cmd/report.h"
#include "vmm/core/compiler.h"

/* ---- from rows to lines */

/* Of "udp64-20k/h2g/vhost" these two. False: no such name. */
static bool split(const char *row, char way[BENCH_WAY_MAX], const char **subject)
{
	const char *first = strchr(row, '/'), *second = first ? strchr(first + 1, '/') : NULL;
	const size_t len = second ? (size_t)(second - first) - 1 : 0;

	if (len == 0 || len >= BENCH_WAY_MAX)
		return false;
	memcpy(way, first + 1, len);
	way[len] = '\0';
	*subject = second + 1;
	return true;
}

static struct bench_line *line_of(struct bench_line *lines, size_t *nr, const char *way,
                                  const char *subject)
{
	for (size_t i = 0; i < *nr; i++)
		if (strcmp(lines[i].way, way) == 0 && strcmp(lines[i].subject, subject) == 0)
			return &lines[i];
	if (*nr == BENCH_LINES_MAX)
		return NULL;
	lines[*nr] = (struct bench_line){.subject = subject};
	memcpy(lines[*nr].way, way, BENCH_WAY_MAX);
	return &lines[(*nr)++];
}

static void add_point(const struct bench_run *run, size_t i, struct bench_line *lines, size_t *nr)
{
	const struct bench_figure *sent = bench_figure(run, i, BM_SENT);
	const struct bench_figure *loss = bench_figure(run, i, BM_LOSS);
	const char *name = run->result[i].row->name, *subject;
	char way[BENCH_WAY_MAX] = "";
	struct bench_line *l;

	/* Rates have a scale on which there is no 0. */
	if (!sent->nr || !loss->nr || sent->value.median <= 0 || !split(name, way, &subject))
		return;
	l = line_of(lines, nr, way, subject);
	if (l && l->nr < BENCH_POINTS_MAX)
		l->point[l->nr++] = (struct bench_point){name, sent->value.median, loss};
}

static int by_rate(const void *a, const void *b)
{
	const double x = ((const struct bench_point *)a)->sent;
	const double y = ((const struct bench_point *)b)->sent;

	return (x > y) - (x < y);
}

size_t bench_lines(const struct bench_run *run, struct bench_line *out)
{
	size_t nr = 0, kept = 0;

	for (size_t i = 0; i < run->nr; i++)
		add_point(run, i, out, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (out[i].nr < 2)
			continue;
		qsort(out[i].point, out[i].nr, sizeof(out[i].point[0]), by_rate);
		out[kept++] = out[i];
	}
	return kept;
}

double bench_lossless(const struct bench_line *l)
{
	double most = 0;

	for (size_t i = 0; i < l->nr; i++) {
		if (l->point[i].loss->value.median >= bench_metrics[BM_LOSS].floor)
			break;
		most = l->point[i].sent;
	}
	return most;
}

const char *bench_way_text(const char *way)
{
	static const char *const ways[][2] = {{"g2h", "out of the guest"},
	                                      {"h2g", "into the guest"},
	                                      {"g2g", "from guest to guest"}};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (strcmp(ways[i][0], way) == 0)
			return ways[i][1];
	return way;
}

/* ---- for programs */

static json_t *point_json(const struct bench_point *p)
{
	const struct bench_interval *v = &p->loss->value;

	return json_pack("{s:s, s:f, s:{s:f, s:f, s:f}}", "row", p->row, "sent", p->sent, "loss",
	                 "median", v->median, "low", v->low, "high", v->high);
}

json_t *bench_lines_json(const struct bench_run *run)
{
	struct bench_line *lines = calloc(BENCH_LINES_MAX, sizeof(*lines));
	const size_t nr = lines ? bench_lines(run, lines) : 0;
	json_t *all = lines ? json_array() : NULL;

	for (size_t i = 0; i < nr; i++) {
		const struct bench_line *l = &lines[i];
		json_t *points = json_array();

		for (size_t k = 0; k < l->nr; k++)
			json_array_append_new(points, point_json(&l->point[k]));
		json_array_append_new(all, json_pack("{s:s, s:s, s:f, s:o}", "way", l->way,
		                                     "subject", l->subject, "lossless",
		                                     bench_lossless(l), "points", points));
	}
	free(lines);
	return all;
}
