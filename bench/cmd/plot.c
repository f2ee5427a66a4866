/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/plot.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cmd/metric.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

/* What the rest says is in these, too, in other words; it stands in the tables. */
static const uint32_t drawn = 1u << BM_EXITS | 1u << BM_USERSPACE_EXITS | 1u << BM_KICKS |
                              1u << BM_INTERRUPTS | 1u << BM_WAKEUPS | 1u << BM_COPIES |
                              1u << BM_CPU_NS | 1u << BM_BYTES_PER_CPU | 1u << BM_P50_NS |
                              1u << BM_BITS | 1u << BM_LOSS | 1u << BM_NS | 1u << BM_BYTES;

static bool is_drawn(unsigned id)
{
	return drawn >> id & 1;
}

static bool is_in(const struct bench_run *run, size_t i, const struct bench_chart *c)
{
	return strcmp(run->result[i].row->set, c->set) == 0 && bench_figure(run, i, c->id)->nr;
}

/* Is there a chart of its set and @id, and has no row before it begun it? */
static bool begins(const struct bench_run *run, size_t i, const struct bench_chart *c)
{
	for (size_t k = 0; k < i; k++)
		if (is_in(run, k, c))
			return false;
	return is_in(run, i, c);
}

/* One for each way, at most @room. */
static size_t curves(const struct bench_run *run, struct bench_chart *out, size_t room)
{
	struct bench_line *lines = calloc(BENCH_LINES_MAX, sizeof(*lines));
	const size_t nr_lines = lines ? bench_lines(run, lines) : 0;
	size_t nr = 0;

	for (size_t i = 0; i < nr_lines; i++) {
		bool known = nr == room;

		for (size_t k = 0; k < nr; k++)
			known |= strcmp(out[k].way, lines[i].way) == 0;
		if (known)
			continue;
		out[nr] = (struct bench_chart){BENCH_CURVE, BM_LOSS, ""};
		memcpy(out[nr++].way, lines[i].way, BENCH_WAY_MAX);
	}
	free(lines);
	return nr;
}

size_t bench_charts(const struct bench_run *run, struct bench_chart *out)
{
	size_t nr = 0;

	for (size_t i = 0; i < run->nr; i++)
		for (unsigned id = 0; id < BENCH_METRICS && nr < BENCH_CHARTS_MAX; id++) {
			const struct bench_chart c = {run->result[i].row->set, id, ""};

			if (is_drawn(id) && begins(run, i, &c))
				out[nr++] = c;
		}
	return nr + curves(run, out + nr, BENCH_CHARTS_MAX - nr);
}

const char *bench_chart_file(const struct bench_chart *c, const char *kind, char *buf, size_t size)
{
	snprintf(buf, size, "%s-%s.%s", c->set, c->way[0] ? c->way : bench_metrics[c->id].name,
	         kind);
	return buf;
}

const char *bench_chart_text(const struct bench_chart *c, char *buf, size_t size)
{
	snprintf(buf, size, "%s: %s%s%s", c->set, bench_metrics[c->id].help, c->way[0] ? ", " : "",
	         c->way[0] ? bench_way_text(c->way) : "");
	return buf;
}

bool bench_is_drawn(const struct bench_report *rep, const struct bench_chart *c, const char *kind)
{
	char file[128], path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", rep->run->env->tmp,
	         bench_chart_file(c, kind, file, sizeof(file)));
	return access(path, R_OK) == 0;
}

/* Values that lie further apart than this cannot be seen beside each other on a linear scale. */
#define FAR 30

/* Of all that is in the chart: how many rows, the least and the most. */
struct extent {
	size_t rows;
	double least, most;
};

static struct extent extent_of(const struct bench_run *run, const struct bench_chart *c)
{
	struct extent e = {0};

	for (size_t i = 0; i < run->nr; i++) {
		const double v = bench_figure(run, i, c->id)->value.median;

		if (!is_in(run, i, c))
			continue;
		e.least = e.rows == 0 || v < e.least ? v : e.least;
		e.most = v > e.most ? v : e.most;
		e.rows++;
	}
	return e;
}

/* Where the bars begin. */
static double put_axes(const struct extent *e, FILE *out)
{
	const bool far = e->least > 0 && e->most > FAR * e->least;

	/* The first row is the uppermost. */
	fprintf(out, "set yrange [%zu.5:-0.5]\n", e->rows ? e->rows - 1 : 0);
	if (far)
		fprintf(out, "set logscale x\nset xrange [%.9g:*]\n", e->least / 2);
	else /* of nothing but 0 there is no range, which gnuplot warns of */
		fprintf(out, "unset logscale x\nset xrange [0:%s]\n", e->most > 0 ? "*" : "1");
	return far ? e->least / 2 : 0;
}

/* Where the next chart goes, and what it is called. */
static void put_head(const struct bench_chart *c, size_t height, FILE *out)
{
	char text[160];

	fprintf(out,
	        "if (kind eq \"png\") set terminal pngcairo noenhanced size 860,%zu\n"
	        "if (kind eq \"svg\") set terminal svg noenhanced size 860,%zu background "
	        "\"white\"\n",
	        height, height);
	fprintf(out, "set output \"%s\".kind\n", bench_chart_file(c, "", text, sizeof(text)));
	fprintf(out, "set title \"%s\"\n", bench_chart_text(c, text, sizeof(text)));
}

/* The lines of one way. */
static void put_curve(const struct bench_run *run, const struct bench_chart *c, FILE *out)
{
	struct bench_line *lines = calloc(BENCH_LINES_MAX, sizeof(*lines));
	const size_t nr = lines ? bench_lines(run, lines) : 0;
	double most = 0.01; /* or a scale of nothing, where nothing is lost */
	bool first = true;

	fputc('\n', out);
	for (size_t i = 0; i < nr; i++) {
		if (strcmp(lines[i].way, c->way) != 0)
			continue;
		fprintf(out, "$line%zu << END\n", i);
		for (size_t k = 0; k < lines[i].nr; k++) {
			const struct bench_interval *v = &lines[i].point[k].loss->value;

			fprintf(out, "%.9g %.9g %.9g %.9g\n", lines[i].point[k].sent, v->median,
			        v->low, v->high);
			most = v->high > most ? v->high : most;
		}
		fputs("END\n", out);
	}
	put_head(c, 560, out);
	fprintf(out,
	        "set xlabel \"sent per second\"\nset ylabel \"lost, of 1\"\n"
	        "set ytics autofreq\nunset grid\nset grid ytics\nset key left top\n"
	        "set logscale x\nset xrange [*:*]\nunset logscale y\nset yrange [%.9g:%.9g]\n",
	        -0.03 * most,
	        most * 1.05); /* a line of 0 lies beside the frame, where it is seen */
	for (size_t i = 0; i < nr; i++) {
		if (strcmp(lines[i].way, c->way) != 0)
			continue;
		fprintf(out, "%s $line%zu using 1:2:3:4 with yerrorlines title \"%s\"",
		        first ? "plot" : ", \\\n    ", i, lines[i].subject);
		first = false;
	}
	fputc('\n', out);
	free(lines);
}

static void put_chart(const struct bench_run *run, const struct bench_chart *c, FILE *out)
{
	const struct bench_metric *m = &bench_metrics[c->id];
	const struct extent e = extent_of(run, c);
	double base;

	fputs("\n$data << END\n", out);
	for (size_t i = 0; i < run->nr; i++) {
		const struct bench_interval *v = &bench_figure(run, i, c->id)->value;

		if (is_in(run, i, c))
			fprintf(out, "\"%s\" %.9g %.9g %.9g\n", run->result[i].row->name, v->median,
			        v->low, v->high);
	}
	fputs("END\n", out);
	/* Names of rows are long: they stand below each other, however many they are. */
	put_head(c, 120 + 24 * e.rows, out);
	base = put_axes(&e, out);
	fprintf(out, "set xlabel \"%s (%s%s): median, and where 95 %% lie\"\n", m->unit,
	        m->want == BENCH_LESS ? "less is better" : "more is better",
	        base > 0 ? "; logarithmic" : "");
	fprintf(out,
	        "plot $data using 2:0:(%.9g):2:($0-0.3):($0+0.3):ytic(1) with boxxyerror notitle, "
	        "\\\n    $data using 2:0:3:4 with xerrorbars pointtype 0 linecolor black notitle\n",
	        base);
}

int bench_write_plots(const struct bench_report *rep, FILE *out)
{
	struct bench_chart chart[BENCH_CHARTS_MAX];
	const size_t nr = bench_charts(rep->run, chart);

	fputs("# Medians, and where 95 % of resampled medians lie: gnuplot -e \"kind='png'\" "
	      "plots.gp\n"
	      "if (!exists(\"kind\")) kind = \"svg\"\n"
	      "set style fill solid 0.5\nset grid xtics\nset rmargin 4\n",
	      out);
	for (size_t i = 0; i < nr; i++)
		(chart[i].way[0] ? put_curve : put_chart)(rep->run, &chart[i], out);
	return 0;
}

/* ---- gnuplot */

#define LOOK_MS \
	200 /* how long the user's wish to end may go unseen, should the signal come before poll() */

/* Its exit status; -EINTR when the user did not wait, and it was ended. */
static int wait_for(pid_t pid, const volatile int *stop)
{
	struct pollfd pfd = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	int status = 0;

	while (pfd.fd >= 0 && poll(&pfd, 1, LOOK_MS) != 1)
		if (*stop)
			kill(pid, SIGKILL);
	fd_close(&pfd.fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		if (*stop)
			kill(pid, SIGKILL);
	if (*stop)
		return -EINTR;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static int draw_kind(const struct bench_env *env, const char *kind)
{
	char *argv[] = {(char[]){"gnuplot"}, (char[]){"-e"}, NULL, (char[]){"plots.gp"}, NULL};
	posix_spawn_file_actions_t acts;
	char set[32];
	pid_t pid = -1;
	int ret;

	snprintf(set, sizeof(set), "kind='%s'", kind);
	argv[2] = set;
	ret = -posix_spawn_file_actions_init(&acts);
	if (ret < 0)
		return ret;
	ret = -posix_spawn_file_actions_addchdir_np(&acts, env->tmp);
	if (ret == 0)
		ret = -posix_spawn_file_actions_addopen(&acts, STDIN_FILENO, "/dev/null", 0, 0);
	if (ret == 0)
		ret = -posix_spawnp(&pid, argv[0], &acts, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&acts);
	return ret < 0 ? ret : wait_for(pid, env->stop);
}

static int write_program(const struct bench_report *rep)
{
	char path[PATH_MAX];
	FILE *out;
	int ret;

	snprintf(path, sizeof(path), "%s/plots.gp", rep->run->env->tmp);
	out = fopen(path, "we");
	if (!out)
		return -errno;
	ret = bench_write_plots(rep, out);
	return fclose(out) != 0 ? -errno : ret;
}

/* Those of @kind may be half drawn: there are none then. */
static void forget(const struct bench_report *rep, const char *kind)
{
	struct bench_chart chart[BENCH_CHARTS_MAX];
	const size_t nr = bench_charts(rep->run, chart);
	char file[128], path[PATH_MAX];

	for (size_t i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/%s", rep->run->env->tmp,
		         bench_chart_file(&chart[i], kind, file, sizeof(file)));
		(void)unlink(path);
	}
}

int bench_draw(const struct bench_report *rep)
{
	int ret = write_program(rep), png;

	if (ret == 0)
		ret = draw_kind(rep->run->env, "svg");
	png = ret == 0 ? draw_kind(rep->run->env, "png") : 0;
	if (ret < 0 || png < 0)
		forget(rep, "png");
	if (ret < 0 || png == -EINTR)
		forget(rep, "svg");
	if (png == -EINTR)
		ret = png;
	else if (png < 0) /* some are built without it */
		log_warn("this gnuplot draws no PNG: %s", strerror(-png));
	if (ret < 0 && ret != -ENOENT && ret != -EINTR)
		log_warn("gnuplot has not drawn all plots: %s", strerror(-ret));
	return ret;
}
