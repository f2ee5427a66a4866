/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/cmd/cpio_out.h"
#include "bench/cmd/equation.h"
#include "bench/cmd/net_load.h"
#include "bench/cmd/net_proc.h"
#include "bench/cmd/net_run.h"
#include "bench/cmd/net_subject.h"
#include "bench/cmd/rows_net.h"
#include "boot/cpio.h"
#include "vmm/core/compiler.h"

#define LONG_MS 60000u

struct rig {
	char dir[64];
	volatile int stop;
	struct bench_env env;
	char why[BENCH_WHY_MAX];
};

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-bench-net-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	r->env = (struct bench_env){.tmp = r->dir,
	                            .self = "/bin/false",
	                            .seconds_div = 1,
	                            .stop = &r->stop,
	                            .boot_ms = LONG_MS,
	                            .answer_ms = LONG_MS};
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a directory of ours */
	free(r);
	return 0;
}

/* ---- what guests are started with */

static void an_archive_of_ours_is_whole(void **state)
{
	char *data = NULL;
	size_t len = 0;
	struct cpio_out c = {.out = open_memstream(&data, &len)};

	(void)state;
	assert_non_null(c.out);
	cpio_add(&c, "dir", CPIO_DIR, NULL, 0);
	cpio_add(&c, "dir/file", CPIO_FILE, "12345", 5);
	cpio_end(&c);
	assert_int_equal(fclose(c.out), 0);
	assert_int_equal(len % 4, 0);
	assert_memory_equal(data, "070701", 6);
	assert_false(cpio_is_cut(data, len));
	assert_true(cpio_is_cut(data, len - 5));
	assert_non_null(memmem(data, len, "dir/file", 9));
	free(data);
}

static const char dep[] = "kernel/net/core/failover.ko:\n"
			  "kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko\n"
			  "kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/net/net_failover.ko "
			  "kernel/net/core/failover.ko kernel/drivers/virtio/virtio_ring.ko\n"
			  "kernel/drivers/virtio/virtio_mmio.ko: kernel/drivers/virtio/virtio.ko "
			  "kernel/drivers/virtio/virtio_ring.ko\n";

static void modules_come_after_what_they_need_and_once(void **state)
{
	static const char *const want[] = {
		"kernel/drivers/virtio/virtio_ring.ko", "kernel/drivers/virtio/virtio.ko",
		"kernel/drivers/virtio/virtio_mmio.ko", "kernel/net/core/failover.ko",
		"kernel/drivers/net/net_failover.ko",   "kernel/drivers/net/virtio_net.ko.xz",
	};
	struct module_list *l = calloc(1, sizeof(*l));

	(void)state;
	assert_non_null(l);
	assert_int_equal(module_list_add(l, dep, "virtio_mmio"), 0);
	assert_int_equal(module_list_add(l, dep, "virtio_net"), 0);
	assert_int_equal(l->nr, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_string_equal(l->path[i], want[i]);
	free(l);
}

static void a_text_that_lists_no_such_module_says_so(void **state)
{
	struct module_list *l = calloc(1, sizeof(*l));
	char many[8192];
	size_t len;

	(void)state;
	assert_non_null(l);
	assert_int_equal(module_list_add(l, dep, "virtio"), -ENOENT);
	assert_int_equal(module_list_add(l, dep, "net"), -ENOENT);
	assert_int_equal(module_list_add(l, "", "virtio"), -ENOENT);
	assert_int_equal(module_list_add(l, "no colon", "virtio"), -ENOENT);
	assert_int_equal(module_list_add(l, "a/../m.ko:\n", "m"), -EINVAL);
	assert_int_equal(module_list_add(l, "a/m.ko: /etc/shadow\n", "m"), -EINVAL);
	len = (size_t)snprintf(many, sizeof(many), "a/m.ko:");
	for (unsigned i = 0; i < MODULES_MAX + 1; i++)
		len += (size_t)snprintf(many + len, sizeof(many) - len, " a/%u.ko", i);
	assert_int_equal(module_list_add(l, many, "m"), -EINVAL);
	free(l);
}

/* A kernel of @text as its version, and its modules beside it. */
static void make_kernel(const struct rig *r, char path[128], const char *text)
{
	uint8_t image[0x400] = {0};
	FILE *out;

	snprintf(path, 128, "%s/vmlinuz", r->dir);
	memcpy(image + 0x202, "HdrS", 4);
	image[0x20f] = 1; /* 0x200 further on */
	memcpy(image + 0x300, text, strlen(text));
	out = fopen(path, "we");
	assert_non_null(out);
	assert_int_equal(fwrite(image, 1, sizeof(image), out), sizeof(image));
	assert_int_equal(fclose(out), 0);
}

static void a_kernel_says_its_release(void **state)
{
	const struct rig *r = *state;
	char path[128], release[64];

	make_kernel(r, path, "6.1.0-9-cloud-amd64 (someone@somewhere) #1 SMP");
	assert_int_equal(net_kernel_release(path, release, sizeof(release)), 0);
	assert_string_equal(release, "6.1.0-9-cloud-amd64");
	assert_int_equal(net_kernel_release(path, release, 8), -EINVAL);
	make_kernel(r, path, "../../etc #1");
	assert_int_equal(net_kernel_release(path, release, sizeof(release)), -EINVAL);
	assert_int_equal(net_kernel_release("/dev/null", release, sizeof(release)), -ENODATA);
	assert_int_equal(net_kernel_release("/proc/self/exe", release, sizeof(release)), -EINVAL);
}

static void a_kernel_without_modules_is_named_with_the_cure(void **state)
{
	struct rig *r = *state;
	char path[128], image[128];

	make_kernel(r, path, "0.0.0-none");
	snprintf(image, sizeof(image), "%s/initrd", r->dir);
	r->env.kernel = path;
	assert_int_equal(bench_initrd_make(&r->env, image, r->why), -ENOENT);
	assert_non_null(strstr(r->why, "0.0.0-none"));
	assert_non_null(strstr(r->why, "tests/setup.sh kernels"));
	assert_int_not_equal(access(image, F_OK), 0);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	out = fopen(path, "we");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

/* DIR/NAME, made; its path in @path. */
static void make_folder(const struct rig *r, const char *name, char path[192])
{
	snprintf(path, 192, "%s/%s", r->dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void an_initrd_has_the_generator_and_the_modules(void **state)
{
	struct rig *r = *state;
	char path[128], image[128], folder[192], *data;
	struct stat st;
	FILE *in;

	make_kernel(r, path, "1.2 x");
	make_folder(r, "lib", folder);
	make_folder(r, "lib/modules", folder);
	make_folder(r, "lib/modules/1.2", folder);
	write_file(folder, "modules.dep", "x/virtio_net.ko: y/other.ko\n");
	write_file(folder, "modules.builtin", "z/virtio_mmio.ko\nz/virtio_pci.ko\n");
	snprintf(image, sizeof(image), "%s/initrd", r->dir);
	r->env.kernel = path;
	assert_int_equal(bench_initrd_make(&r->env, image, r->why), -ENOENT); /* no such files */
	assert_non_null(strstr(r->why, "y/other.ko"));
	make_folder(r, "lib/modules/1.2/y", folder);
	write_file(folder, "other.ko", "it is other");
	make_folder(r, "lib/modules/1.2/x", folder);
	write_file(folder, "virtio_net.ko", "it is virtio_net");
	assert_int_equal(bench_initrd_make(&r->env, image, r->why), 0);
	assert_int_equal(stat(image, &st), 0);
	data = malloc((size_t)st.st_size);
	in = fopen(image, "re");
	assert_non_null(data);
	assert_non_null(in);
	assert_int_equal(fread(data, 1, (size_t)st.st_size, in), st.st_size);
	fclose(in);
	assert_false(cpio_is_cut(data, (size_t)st.st_size));
	assert_non_null(
		memmem(data, (size_t)st.st_size, "/m/00-other.ko\n/m/01-virtio_net.ko\n", 35));
	assert_non_null(memmem(data, (size_t)st.st_size, net_load, 4096));
	free(data);
}

/* ---- what came of a run */

static double value(const struct bench_sample *s, enum bench_metric_id id)
{
	if (!(s->has & 1u << id))
		fail_msg("%s was not measured", bench_metrics[id].name);
	return s->v[id];
}

static void a_flow_is_judged_by_what_arrived(void **state)
{
	const struct net_work udp = {.work = LOAD_UDP, .dir = NET_IN};
	const struct load_said guest = {
		.messages = 75, .bytes = 1350, .ns = 500000000, .frames = 80};
	const struct load_said host = {.messages = 100, .bytes = 1800, .ns = 400000000};
	const struct net_busy all = {.busy_ns = 75000, .span_ns = 500000000};
	struct bench_sample s = {0};

	(void)state;
	net_sample(&udp, &guest, &host, &all, &s);
	assert_true(value(&s, BM_LOSS) == 0.25 && value(&s, BM_PACKETS) == 150);
	assert_true(value(&s, BM_SENT) == 250);
	assert_true(value(&s, BM_CPU_NS) == 1000 && value(&s, BM_PACKETS_PER_CPU) == 1e6);
	assert_true(value(&s, BM_BITS) == 21600);
	assert_false(s.has & 1u << BM_P50_NS);
}

/* The receiver looks at its clock behind the first datagrams: of 64 in 32 ms it had 32 by then. */
static void no_more_arrive_per_second_than_were_sent(void **state)
{
	const struct net_work udp = {.work = LOAD_UDP, .dir = NET_IN};
	const struct load_said guest = {.messages = 64, .bytes = 1152, .ns = 16000000};
	const struct load_said host = {.messages = 64, .bytes = 1152, .ns = 32000000};
	struct bench_sample s = {0};

	(void)state;
	net_sample(&udp, &guest, &host, &(struct net_busy){0}, &s);
	assert_true(value(&s, BM_PACKETS) == 2000 && value(&s, BM_SENT) == 2000);
	assert_true(value(&s, BM_BITS) == 288000);
}

/*
 * Consoles, handshakes and waiting are at the ends of a run: in half of its time is half of what was carried, whatever
 * the ends cost.
 */
static void cpu_of_the_middle_is_for_what_was_carried_meanwhile(void **state)
{
	const struct net_work udp = {.work = LOAD_UDP}, rr = {.work = LOAD_RR},
			      tcp = {.work = LOAD_STREAM};
	const struct load_said end = {
		.messages = 100, .bytes = 1800, .ns = 400000000, .frames = 200};
	const struct net_busy half = {.busy_ns = 50000, .span_ns = 200000000}, late = {0};
	struct bench_sample s = {0}, none = {0};

	(void)state;
	net_sample(&udp, &end, &end, &half, &s);
	assert_true(value(&s, BM_CPU_NS) == 1000 && value(&s, BM_PACKETS_PER_CPU) == 1e6);
	assert_true(value(&s, BM_BYTES_PER_CPU) == 18e6);
	net_sample(&rr, &end, &end, &half, &s);
	assert_true(value(&s, BM_CPU_NS) == 1000);
	net_sample(&tcp, &end, &end, &half, &s);
	assert_true(value(&s, BM_CPU_NS) == 500);
	net_sample(&rr, &end, &end, &late, &none);
	assert_false(none.has & (1u << BM_CPU_NS | 1u << BM_PACKETS_PER_CPU));
	assert_true(value(&none, BM_PACKETS) == 250);
}

/* On a busy machine a round trip had 4.85 exits to userspace, of the console: what was read last was read behind the run. */
static void what_is_read_behind_the_run_is_late(void **state)
{
	(void)state;
	assert_false(net_is_late(1000, 1000 + 437500000, 500));
	assert_false(net_is_late(1000, 1000 + 500000000, 500));
	assert_true(net_is_late(1000, 1000 + 500000001, 500));
	assert_true(net_is_late(1000, 1000 + 600000000, 500));
}

static void frames_of_tcp_are_the_guests(void **state)
{
	const struct net_work tcp = {.work = LOAD_STREAM, .dir = NET_OUT};
	const struct load_said guest = {
		.messages = 10, .bytes = 1000, .ns = 1000000000, .frames = 40};
	const struct load_said host = {.messages = 7, .bytes = 1000, .ns = 2000000000};
	struct bench_sample s = {0};

	(void)state;
	net_sample(&tcp, &guest, &host, &(struct net_busy){4000, 2e9}, &s);
	assert_true(value(&s, BM_CPU_NS) == 100 && value(&s, BM_BITS) == 4000);
	assert_true(value(&s, BM_BYTES_PER_CPU) == 250e6 && value(&s, BM_PACKETS) == 20);
	assert_false(s.has & 1u << BM_LOSS);
}

static void who_asks_knows_the_latency(void **state)
{
	const struct net_work rr = {.work = LOAD_RR, .dir = NET_IN};
	const struct load_said guest = {.messages = 10, .ns = 1000000000};
	const struct load_said host = {
		.messages = 10, .ns = 500000000, .p50 = 1, .p99 = 2, .p999 = 3};
	struct bench_sample s = {0}, idle = {0};

	(void)state;
	net_sample(&rr, &guest, &host, &(struct net_busy){5000, 5e8}, &s);
	assert_true(value(&s, BM_P50_NS) == 1 && value(&s, BM_P99_NS) == 2 &&
	            value(&s, BM_P999_NS) == 3);
	assert_true(value(&s, BM_PACKETS) == 20 && value(&s, BM_CPU_NS) == 500);
	/* The machine was less busy than when it rested: that says nothing. */
	net_sample(&rr, &guest, &host, &(struct net_busy){-1, 5e8}, &idle);
	assert_false(idle.has & 1u << BM_CPU_NS);
}

/* ---- programs */

static struct net_proc shell(struct rig *r, const char *script)
{
	char sh[] = "/bin/sh", c[] = "-c", text[256], log[128];
	char *argv[] = {sh, c, text, NULL};
	struct net_proc p;

	snprintf(text, sizeof(text), "%s", script);
	snprintf(log, sizeof(log), "%s/log", r->dir);
	assert_int_equal(net_proc_start(&p, &(struct net_spawn){.argv = argv, .log = log}, r->why),
	                 0);
	return p;
}

static void lines_are_waited_for_and_others_passed_over(void **state)
{
	struct rig *r = *state;
	struct net_proc p = shell(
		r, "printf 'kernel: @done\\r\\n@one 1\\r\\n'; read x; echo \"@two $x\"; read x");
	char line[NET_LINE_MAX];

	assert_int_equal(net_proc_expect(&r->env, &p, "@one", LONG_MS, line, r->why), 0);
	assert_string_equal(line, "@one 1");
	assert_int_equal(net_proc_say(&p, "hello"), 0);
	assert_int_equal(net_proc_expect(&r->env, &p, "@two", LONG_MS, line, r->why), 0);
	assert_string_equal(line, "@two hello");
	net_proc_end(&p);
	assert_int_equal(p.fd, -1);
	net_proc_end(&p);
}

static void an_error_an_end_and_a_silence_are_told_apart(void **state)
{
	struct rig *r = *state;
	struct net_proc p = shell(r, "echo '@error it is raining'; echo >&2; echo the end >&2");
	char last[3 * NET_LAST_MAX];

	assert_int_equal(net_proc_expect(&r->env, &p, "@ok", LONG_MS, NULL, r->why), -EREMOTEIO);
	assert_non_null(strstr(r->why, "it is raining"));
	assert_int_equal(net_proc_expect(&r->env, &p, "@ok", LONG_MS, NULL, r->why), -EPIPE);
	net_proc_explain(&p, last, sizeof(last));
	assert_string_equal(last, "ended with status 0; standard error: the end");
	net_proc_end(&p);
	p = shell(r, "read x");
	assert_int_equal(net_proc_expect(&r->env, &p, "@ok", 1, NULL, r->why), -ETIMEDOUT);
	r->stop = SIGINT;
	assert_int_equal(net_proc_expect(&r->env, &p, "@ok", LONG_MS, NULL, r->why), -EINTR);
	assert_int_equal(net_sleep(&r->env, LONG_MS), -EINTR);
	net_proc_end(&p);
}

static void a_line_without_an_end_is_no_trouble(void **state)
{
	struct rig *r = *state;
	struct net_proc p =
		shell(r, "head -c 100000 /dev/zero | tr '\\0' x; printf '\\n@ok\\n'; read x");

	assert_int_equal(net_proc_expect(&r->env, &p, "@ok", LONG_MS, NULL, r->why), 0);
	net_proc_end(&p);
}

static void a_program_that_is_not_there_says_so(void **state)
{
	struct rig *r = *state;
	char none[] = "/nonexistent/program", log[128], last[3 * NET_LAST_MAX];
	char *argv[] = {none, NULL};
	struct net_proc p;

	snprintf(log, sizeof(log), "%s/log", r->dir);
	assert_int_equal(net_proc_start(&p, &(struct net_spawn){.argv = argv, .log = log}, r->why),
	                 0);
	assert_int_equal(net_proc_expect(&r->env, &p, "@ok", LONG_MS, NULL, r->why), -EPIPE);
	net_proc_explain(&p, last, sizeof(last));
	assert_string_equal(last, "ended with status 127; standard error: /nonexistent/program: "
	                          "No such file or directory");
	net_proc_end(&p);
}

/* ---- the generator itself, both ends of it here */

static void measure_here(struct rig *r, struct net_state *s, const struct net_work *w)
{
	const struct bench_row row = {.ms = 100, .arg = w};
	struct bench_sample out = {0};

	if (net_measure(&r->env, &row, s, &out, r->why) != 0)
		fail_msg("%s", r->why);
	if (w->work == LOAD_STREAM)
		assert_true(value(&out, BM_BITS) > 0);
	else
		assert_true(value(&out, BM_PACKETS) > 0);
	if (w->work == LOAD_RR || w->work == LOAD_CRR)
		assert_true(value(&out, BM_P50_NS) > 0 &&
		            value(&out, BM_P50_NS) <= value(&out, BM_P999_NS));
	if (w->work == LOAD_UDP)
		assert_true(value(&out, BM_LOSS) >= 0 && value(&out, BM_LOSS) <= 1);
}

static void all_works_go_over_the_loopback_interface(void **state)
{
	static const struct net_work works[] = {
		{.work = LOAD_STREAM, .dir = NET_OUT, .size = 65536},
		{.work = LOAD_STREAM, .dir = NET_IN, .size = 64, .streams = 3, .buffer = 65536},
		{.work = LOAD_UDP, .dir = NET_OUT, .size = 18, .rate = 5000},
		{.work = LOAD_UDP, .dir = NET_IN, .size = 18},
		{.work = LOAD_RR, .dir = NET_OUT, .size = 1},
		{.work = LOAD_RR, .dir = NET_IN, .size = 100, .streams = 2},
		{.work = LOAD_CRR, .dir = NET_OUT, .size = 1},
	};
	const struct bench_subject *subject = &net_subjects[NS_LOOPBACK];
	struct rig *r = *state;
	void *s = NULL;
	int ret = subject->open(&r->env, subject, &s, r->why);

	if (ret < 0) {
		print_message("no network of our own: %s\n", r->why);
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(works); i++)
		measure_here(r, s, &works[i]);
	subject->close(s);
}

static struct net_proc generator(struct rig *r, bool own)
{
	struct net_proc p;
	char path[64], log[128];
	char *argv[] = {path, NULL};
	int fd = net_load_open(r->why);

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(log, sizeof(log), "%s/log", r->dir);
	assert_int_equal(
		net_proc_start(&p,
	                       &(struct net_spawn){.argv = argv, .log = log, .own_network = own},
	                       r->why),
		0);
	close(fd);
	/* In its own network by now, if it is to have one: no cable leads to it before. */
	assert_int_equal(net_proc_expect(&r->env, &p, "@ready", LONG_MS, NULL, r->why), 0);
	return p;
}

/* Its last command may fail for want of a right or a module; then it says so. */
static bool obeys(struct rig *r, struct net_proc *p, const char *const *lines)
{
	while (*lines && net_proc_ask(&r->env, p, *lines, LONG_MS, r->why) == 0)
		lines++;
	return !*lines;
}

static void what_a_generator_forwards_has_its_own_address(void **state)
{
	static const char *const router_does[] = {
		"net b0 192.168.76.1/24", "net c0 192.168.77.1/24", "mtu c0 9000", "nat", NULL};
	static const char *const guest_does[] = {"net g0 192.168.76.2/24 192.168.76.1", NULL};
	static const char *const far_does[] = {"net c1 192.168.77.2/24", NULL};
	static const char end[] = "run work=rr role=%s addr=%s port=7000 id=1 size=1 ms=50";
	struct rig *r = *state;
	struct net_proc guest = generator(r, true), far = generator(r, true);
	struct net_proc router = generator(r, true);
	char b[64], c[64], line[NET_LINE_MAX];
	const char *const cables[] = {b, c, NULL};
	bool ok;

	snprintf(b, sizeof(b), "veth b0 g0 %d", (int)guest.pid);
	snprintf(c, sizeof(c), "veth c0 c1 %d", (int)far.pid);
	ok = obeys(r, &router, cables) && obeys(r, &guest, guest_does) && obeys(r, &far, far_does);
	for (size_t i = 0; ok && router_does[i]; i++)
		ok = net_proc_ask(&r->env, &router, router_does[i], LONG_MS, r->why) == 0;
	if (ok) {
		/* The far end has no way to the guest's network: only a translated address is answered. */
		snprintf(line, sizeof(line), end, "server", "0.0.0.0");
		assert_int_equal(net_proc_say(&far, line), 0);
		assert_int_equal(
			net_proc_expect(&r->env, &far, "@listening", LONG_MS, NULL, r->why), 0);
		snprintf(line, sizeof(line), end, "client", "192.168.77.2");
		assert_int_equal(net_proc_say(&guest, line), 0);
		if (net_proc_expect(&r->env, &guest, "@done", LONG_MS, line, r->why) != 0)
			fail_msg("%s", r->why);
		assert_null(strstr(line, "messages=0 "));
	}
	net_proc_end(&router);
	net_proc_end(&guest);
	net_proc_end(&far);
	if (!ok) {
		print_message("no router here: %s\n", r->why);
		skip();
	}
}

/* ---- the tables */

static void each_row_stands_after_what_it_is_measured_against(void **state)
{
	(void)state;
	for (size_t i = 0; i < rows_net.nr; i++) {
		const struct bench_row *row = &rows_net.row[i];
		const struct net_work *w = row->arg;
		bool known = !row->against;

		for (size_t k = 0; k < i; k++) {
			known |= row->against && strcmp(rows_net.row[k].name, row->against) == 0;
			assert_string_not_equal(rows_net.row[k].name, row->name);
		}
		if (!known)
			fail_msg("%s: no %s before it", row->name, row->against);
		assert_true(w->size > 0 && w->size <= LOAD_SIZE_MAX);
		assert_non_null(row->subject->name);
	}
}

/* An index into the rows. */
static size_t row_named(const char *name)
{
	for (size_t i = 0; i < rows_net.nr; i++)
		if (strcmp(rows_net.row[i].name, name) == 0)
			return i;
	fail_msg("there is no row %s", name);
	return 0;
}

static const struct bench_equations *equations(const char *name, enum bench_frames *frames)
{
	return bench_equations_of(&rows_net.row[row_named(name)], frames);
}

static void the_core_is_24_rows_of_paths_beside_qemus(void **state)
{
	static const char *const judged[] = {
		"tcp/g2h/pure", "tcp/h2g/pure",  "udp64/g2h/pure", "udp64/h2g/pure",
		"rr/g2h/pure",  "tcp/g2h/vhost", "tcp/h2g/vhost",  "udp64/h2g/vhost",
		"rr/g2h/vhost", "tcp/g2h/slirp", "tcp/h2g/slirp",
	};
	size_t core = 0;

	(void)state;
	for (size_t i = 0; i < rows_net.nr; i++) {
		core += rows_net.row[i].core;
		/* Or it would be more, by what it is measured against. */
		if (rows_net.row[i].core && rows_net.row[i].against)
			assert_true(rows_net.row[row_named(rows_net.row[i].against)].core);
	}
	assert_int_equal(core, 24);
	for (size_t i = 0; i < ARRAY_SIZE(judged); i++) {
		const struct bench_row *row = &rows_net.row[row_named(judged[i])];

		assert_true(row->core);
		assert_non_null(strstr(row->against, "/qemu-microvm-"));
	}
}

/* From guest to guest there were neither sizes, streams and buffers, which decide there, nor offloads. */
static void every_dimension_of_streams_has_its_rows_in_all_directions(void **state)
{
	static const char *const kinds[] = {"tcp",    "tcp-5",   "tcp-64",     "tcp-1460",
	                                    "tcp-4k", "tcp-16k", "tcp-buf64k", "tcp-buf256k"};
	static const char *const on[] = {"g2h/pure",  "h2g/pure",     "g2h/vhost",
	                                 "h2g/vhost", "g2g/pure-two", "g2g/pair"};
	static const char *const offloads[] = {
		"tcp/g2h/pure-none",  "tcp/h2g/pure-none",  "tcp/g2g/pure-two-none",
		"tcp/g2h/pure-csum",  "tcp/h2g/pure-csum",  "tcp/g2g/pure-two-csum",
		"tcp/g2h/vhost-none", "tcp/h2g/vhost-csum", "tcp/g2g/pair-none",
		"tcp/g2g/pair-csum",
	};
	char name[64];

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
			snprintf(name, sizeof(name), "%s/%s", kinds[k], on[i]);
			(void)row_named(name);
		}
	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++)
		(void)row_named(offloads[i]);
}

static void peers_are_measured_beside_doorbells_path_of_their_kind(void **state)
{
	static const struct {
		const char *row, *against;
	} peers[] = {
		{"udp64/h2g/peer", "udp64/h2g/pure"},
		{"tcp/g2h/qemu-pc-tap", "tcp/g2h/pure"},
		{"rr/g2h/qemu-pc-vhost", "rr/g2h/vhost"},
		{"tcp/h2g/qemu-pc-user", "tcp/h2g/slirp"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		assert_string_equal(rows_net.row[row_named(peers[i].row)].against,
		                    peers[i].against);
}

static void each_path_has_the_articles_equation_of_its_direction(void **state)
{
	enum bench_frames frames;
	const struct bench_equations *e = equations("udp64/h2g/vhost", &frames);
	char text[BENCH_EQUATION_MAX];

	(void)state;
	assert_non_null(e);
	assert_int_equal(frames, BENCH_FRAMES_RX);
	assert_string_equal(bench_equation_text(e, frames, text, sizeof(text)),
	                    "host stack + copy + exit + entry");
	e = equations("rr/g2h/vhost-user", &frames);
	assert_non_null(e);
	assert_int_equal(frames, BENCH_FRAMES_BOTH);
	assert_string_equal(e->term[1].name, "NIC doorbell");
	assert_true(bench_article(&e->term[1], frames) == 0.5);
	assert_true(bench_article(&e->term[1], BENCH_FRAMES_TX) == 1);
	/* Out of one guest and into the other: both sides of it. */
	e = equations("udp64/g2g/pure-two", &frames);
	assert_int_equal(frames, BENCH_FRAMES_THROUGH);
	assert_true(bench_article(&e->term[0], frames) == 2);
	assert_non_null(strstr(bench_equation_text(e, frames, text, sizeof(text)), "; in: host"));
	e = equations("rr/g2g/pair", &frames);
	assert_true(bench_article(&e->term[1], frames) == 1);
	e = equations("udp64/g2h/qemu-microvm-tap", &frames);
	assert_non_null(e);
	assert_string_equal(e->path, "pure virtio");
	assert_null(equations("tcp/g2h/pure", &frames));
	assert_null(equations("udp64/g2h/veth", &frames));
}

static void commands_name_the_network_of_their_guest(void **state)
{
	struct rig *r = *state;
	struct net_state s = {.env = &r->env};
	struct net_argv a;

	r->env.kernel = "vmlinuz";
	r->env.initrd = "initrd";
	for (size_t i = 0; i < NET_SUBJECTS; i++) {
		const struct net_setup *t = net_subjects[i].arg;
		bool kernel = false;

		s.subject = &net_subjects[i];
		if (t->guests == 0 || t->vmm == NET_PEER)
			continue;
		assert_int_equal(net_argv_guest(&s, t->guests - 1, &a), 0);
		for (unsigned k = 0; k < a.nr; k++)
			kernel |= strcmp(a.word[k], "vmlinuz") == 0;
		assert_true(kernel);
		assert_null(a.word[a.nr]);
		net_argv_free(&a);
	}
	s.subject = &net_subjects[NS_PEER];
	r->env.peer_cmd = "FOO=1 vmm"; /* all that a shell takes, and nothing before it */
	assert_int_equal(net_argv_guest(&s, 0, &a), 0);
	assert_string_equal(a.word[a.nr - 1], "FOO=1 vmm");
	net_argv_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_archive_of_ours_is_whole),
		cmocka_unit_test(modules_come_after_what_they_need_and_once),
		cmocka_unit_test(a_text_that_lists_no_such_module_says_so),
		cmocka_unit_test_setup_teardown(a_kernel_says_its_release, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_kernel_without_modules_is_named_with_the_cure,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_initrd_has_the_generator_and_the_modules, set_up,
	                                        tear_down),
		cmocka_unit_test(a_flow_is_judged_by_what_arrived),
		cmocka_unit_test(no_more_arrive_per_second_than_were_sent),
		cmocka_unit_test(what_is_read_behind_the_run_is_late),
		cmocka_unit_test(cpu_of_the_middle_is_for_what_was_carried_meanwhile),
		cmocka_unit_test(frames_of_tcp_are_the_guests),
		cmocka_unit_test(who_asks_knows_the_latency),
		cmocka_unit_test_setup_teardown(lines_are_waited_for_and_others_passed_over, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(an_error_an_end_and_a_silence_are_told_apart,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_line_without_an_end_is_no_trouble, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_program_that_is_not_there_says_so, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(all_works_go_over_the_loopback_interface, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(what_a_generator_forwards_has_its_own_address,
	                                        set_up, tear_down),
		cmocka_unit_test(each_row_stands_after_what_it_is_measured_against),
		cmocka_unit_test(the_core_is_24_rows_of_paths_beside_qemus),
		cmocka_unit_test(every_dimension_of_streams_has_its_rows_in_all_directions),
		cmocka_unit_test(peers_are_measured_beside_doorbells_path_of_their_kind),
		cmocka_unit_test(each_path_has_the_articles_equation_of_its_direction),
		cmocka_unit_test_setup_teardown(commands_name_the_network_of_their_guest, set_up,
	                                        tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
