/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/card.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vmm/core/num.h"
#include "vmm/host.h"

/* What is measured so many times, for so long each: of the card, and of what is looked at between rounds. */
#define TIMES    5
#define CARD_MS  20
#define PROBE_MS 4

/* The value behind the first line of @path that begins with @key; "not known". */
static void line_of(const char *path, const char *key, char *out, size_t size)
{
	char buf[8192];
	const char *at;

	host_text(path, buf, sizeof(buf));
	at = strstr(buf, key);
	if (at) {
		at += strlen(key);
		at += strspn(at, " \t:");
	}
	snprintf(out, size, "%.*s", at ? (int)strcspn(at, "\n") : 9, at ? at : "not known");
}

static void take_host(struct bench_card *c)
{
	struct utsname u;

	if (uname(&u) == 0)
		snprintf(c->host, sizeof(c->host), "%.40s %.80s %.20s", u.sysname, u.release,
		         u.machine);
	line_of("/proc/cpuinfo", "model name", c->cpu, sizeof(c->cpu));
	line_of("/proc/self/status", "Cpus_allowed_list", c->pinned, sizeof(c->pinned));
	line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "", c->governor,
	        sizeof(c->governor));
	if (!c->governor[0])
		snprintf(c->governor, sizeof(c->governor), "not known");
	c->cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

static void take_kvm(struct bench_card *c)
{
	const char *module = host_kvm_module();
	char cpuinfo[8192];

	host_text("/proc/cpuinfo", cpuinfo, sizeof(cpuinfo));
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		snprintf(c->kvm, sizeof(c->kvm), "no /dev/kvm for this user");
	else if (!module)
		snprintf(c->kvm, sizeof(c->kvm), "without vmx and svm, it can only emulate");
	else
		snprintf(c->kvm, sizeof(c->kvm), "%s%s", module,
		         strstr(cpuinfo, " hypervisor") ? ", nested" : "");
}

/* The least of a few: what disturbs for a moment is gone by the time that a row is measured. 0: why says why. */
static double cost_of(enum cost_id id, unsigned ms, char *why)
{
	double least = 0, ns;

	for (unsigned i = 0; i < TIMES; i++) {
		if (cost_measure(id, ms, &ns, why) < 0)
			return 0;
		least = i == 0 || ns < least ? ns : least;
	}
	return least;
}

void bench_card_take(struct bench_card *card)
{
	memset(card, 0, sizeof(*card));
	take_host(card);
	take_kvm(card);
	for (unsigned i = 0; i < COSTS; i++)
		card->cost[i].ns = cost_of(i, CARD_MS, card->cost[i].why);
}

static json_t *costs_json(const struct bench_card *card)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < COSTS; i++) {
		const struct bench_card_cost *c = &card->cost[i];

		json_object_set_new(o, costs[i].name,
		                    c->ns > 0 ? json_real(c->ns)
		                              : json_string(c->why[0] ? c->why : "not measured"));
	}
	return o;
}

json_t *bench_card_json(const struct bench_card *card)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:o}", "host", card->host, "cpu",
	                 card->cpu, "cpus", (int)card->cpus, "pinned", card->pinned, "kvm",
	                 card->kvm, "governor", card->governor, "cost_ns", costs_json(card));
}

/* ---- between rounds */

bool bench_cpu_time(const char *text, struct bench_cpu_time *out)
{
	uint64_t field[8];

	if (strncmp(text, "cpu ", 4) != 0)
		return false;
	text += 4;
	out->all = 0;
	/* user nice system idle iowait irq softirq steal; what follows is part of the first two */
	for (unsigned i = 0; i < 8; i++) {
		if (!num_next(&text, 10, &field[i]))
			return false;
		out->all += field[i];
	}
	out->stolen = field[7];
	return true;
}

void bench_probe_now(void *prober, struct bench_probe *now)
{
	struct bench_prober *p = prober;
	char text[512], why[BENCH_WHY_MAX];
	struct bench_cpu_time t;

	host_text("/proc/stat", text, sizeof(text));
	now->steal = 0;
	now->syscall_ns = cost_of(COST_SYSCALL, PROBE_MS, why);
	now->wake_same_ns = cost_of(COST_WAKEUP_SAME, PROBE_MS, why);
	if (!bench_cpu_time(text, &t))
		return;
	if (p->last.all && t.all > p->last.all && t.stolen >= p->last.stolen)
		now->steal = (double)(t.stolen - p->last.stolen) / (double)(t.all - p->last.all);
	p->last = t;
}
