/* SPDX-License-Identifier: Apache-2.0 */
/* bench/rate.c - a driver sends at a rate and gets each frame back; prints one line. See bench/rate.sh.
 *
 * The NIC is that of the product, made as `doorbell backend --net echo,...` makes it and served by its own thread; the
 * driver of the unit tests stands in this program's main thread. What is measured is what the NIC's thread makes of
 * poll=, so the driver is as busy as a guest may be: it looks for used buffers all the time, or it
 * sleeps until its interrupt comes. With a TAP the frames are echo requests, which the kernel answers on the thread that
 * writes them, so that there is no third party.
 */
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "bench/nic.h"
#include "net/csum.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"

#define AHEAD 128u /* frames on their way at most */
#define ETH   14u
#define STAMP (BENCH_HDR + ETH)
#define ICMP  (STAMP + sizeof(struct iphdr))

/* Round trips by their time: 64 steps to each doubling, 1 ns to 2^40 ns. */
#define STEPS   64u
#define BUCKETS (40u * STEPS)

struct run {
	struct bench_nic b;
	bool sleeps;  /* the driver does */
	bool pings;   /* behind the NIC is a TAP */
	size_t stamp; /* where a frame has the time at which it was sent */
	uint64_t gap; /* ns between two frames; 0: as fast as they go */
	uint64_t due; /* the next one */
	unsigned on_their_way;
	uint64_t sent, came, late;
	uint64_t hist[BUCKETS];
};

/* ---- frames */

static void sum_up(uint8_t *p, size_t len, size_t field)
{
	uint16_t sum = 0;

	memcpy(p + field, &sum, sizeof(sum));
	sum = (uint16_t)~csum_sum(p, len);
	memcpy(p + field, &sum, sizeof(sum));
}

/* From 10.9.0.2 to 10.9.0.1 at @to. */
static void make_ping(struct run *r, uint8_t *p, const uint8_t to[6])
{
	const struct iphdr ip = {.version = 4,
	                         .ihl = sizeof(ip) / 4,
	                         .tot_len = htons(BENCH_LEN - ETH),
	                         .ttl = 64,
	                         .protocol = IPPROTO_ICMP,
	                         .saddr = htonl(0x0a090002),
	                         .daddr = htonl(0x0a090001)};

	bench_frame(p + BENCH_HDR, to, r->b.cfg.mac);
	p[STAMP - 2] = 8; /* IPv4 */
	p[STAMP - 1] = 0;
	memset(p + STAMP, 0, BENCH_LEN - ETH);
	memcpy(p + STAMP, &ip, sizeof(ip));
	sum_up(p + STAMP, sizeof(ip), offsetof(struct iphdr, check));
	p[ICMP] = ICMP_ECHO;
}

/* Is it the answer to one of ours? A TAP has frames of its own, too. */
static bool is_answer(const struct run *r, const uint8_t *p)
{
	return !r->pings || (p[STAMP - 2] == 8 && p[STAMP - 1] == 0 && p[ICMP] == ICMP_ECHOREPLY);
}

static void send_due(struct run *r, uint64_t now)
{
	bool any = false;

	while (r->due <= now && r->on_their_way < AHEAD && r->b.vq[BENCH_TX].nr_free) {
		uint8_t *p = bench_nic_buffer(&r->b, BENCH_TX, r->b.vq[BENCH_TX].free_head);

		memcpy(p + r->stamp, &now, sizeof(now));
		if (r->pings)
			sum_up(p + ICMP, BENCH_HDR + BENCH_LEN - ICMP,
			       offsetof(struct icmphdr, checksum));
		bench_nic_add(&r->b, BENCH_TX);
		r->due += r->gap;
		r->sent++;
		r->on_their_way++;
		any = true;
	}
	/* What there is no room for is not made up for. */
	if (r->gap && r->due + 1000000 < now) {
		r->late += (now - r->due) / r->gap;
		r->due = now;
	}
	if (any)
		bench_nic_publish(&r->b, BENCH_TX);
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned log = 0;

	while (ns >> log > 1)
		log++;
	if (log < 6)
		return (unsigned)ns;
	return (unsigned)min_u64((uint64_t)(log - 6) * STEPS + (ns >> (log - 6)), BUCKETS - 1);
}

static double ns_of(unsigned bucket)
{
	const unsigned log = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;

	return (double)((uint64_t)(bucket - log * STEPS) << log);
}

static bool reap(struct run *r)
{
	bool any = false, came = false;
	const uint64_t now = loop_now_ns();
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(&r->b.vq[BENCH_TX], &head, &len))
		any = true;
	while (fake_vq_reap(&r->b.vq[BENCH_RX], &head, &len)) {
		const uint8_t *p = bench_nic_buffer(&r->b, BENCH_RX, head);
		uint64_t then;

		if (is_answer(r, p)) {
			memcpy(&then, p + r->stamp, sizeof(then));
			r->hist[bucket_of(now - then)]++;
			r->came++;
			r->on_their_way--;
		}
		bench_nic_add(&r->b, BENCH_RX);
		came = true;
	}
	if (came)
		bench_nic_publish(&r->b, BENCH_RX);
	return any || came;
}

/* Until there is something, or the next frame is due. */
static void doze(struct run *r)
{
	struct pollfd p = {.fd = r->b.call_fd, .events = POLLIN};
	struct timespec t = {.tv_nsec = 1000000};
	const uint64_t now = loop_now_ns();

	if (r->gap && r->on_their_way < AHEAD) {
		if (r->due <= now)
			return;
		t.tv_nsec = (long)min_u64(r->due - now, 1000000);
	}
	if (!fake_vq_irq_on(&r->b.vq[BENCH_RX]) && ppoll(&p, 1, &t, NULL) > 0)
		fd_event_take(r->b.call_fd);
	fake_vq_irq_off(&r->b.vq[BENCH_RX]);
}

static void drive(struct run *r, uint64_t ns)
{
	const uint64_t end = loop_now_ns() + ns;
	uint64_t now;

	r->due = loop_now_ns();
	while ((now = loop_now_ns()) < end) {
		send_due(r, now);
		if (!reap(r) && r->sleeps)
			doze(r);
	}
}

/* ---- the NIC's thread */

static void cpu_of(void *arg)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	*(uint64_t *)arg = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Of the thread that calls it. */
static void pin(void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(*(const int *)arg, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		bench_die("no such CPU");
}

static uint64_t cpu(struct run *r)
{
	uint64_t ns;

	loop_call(r->b.nic.loop, cpu_of, &ns);
	return ns;
}

/* ---- the TAP's end */

static void interface_up(struct run *r, const char *name)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a090001)};
	struct arpreq peer = {.arp_flags = ATF_COM | ATF_PERM, .arp_ha.sa_family = ARPHRD_ETHER};
	struct ifreq i = {0};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up;

	snprintf(i.ifr_name, sizeof(i.ifr_name), "%s", name);
	snprintf(peer.arp_dev, sizeof(peer.arp_dev), "%s", name);
	memcpy(peer.arp_ha.sa_data, r->b.cfg.mac, 6);
	memcpy(&i.ifr_addr, &in, sizeof(in));
	up = s >= 0 && ioctl(s, SIOCSIFADDR, &i) == 0;
	in.sin_addr.s_addr = htonl(0xffffff00);
	memcpy(&i.ifr_addr, &in, sizeof(in));
	up = up && ioctl(s, SIOCSIFNETMASK, &i) == 0;
	i.ifr_flags = IFF_UP;
	up = up && ioctl(s, SIOCSIFFLAGS, &i) == 0;
	in.sin_addr.s_addr = htonl(0x0a090002);
	memcpy(&peer.arp_pa, &in, sizeof(in));
	if (!up || ioctl(s, SIOCSARP, &peer) < 0 || ioctl(s, SIOCGIFHWADDR, &i) < 0)
		bench_die("the TAP does not come up");
	for (unsigned k = 0; k < BENCH_NUM; k++)
		make_ping(r, bench_nic_buffer(&r->b, BENCH_TX, k),
		          (const uint8_t *)i.ifr_hwaddr.sa_data);
	close(s);
}

/* ---- one run */

static double quantile(const struct run *r, double share)
{
	uint64_t left = (uint64_t)((double)r->came * share);
	unsigned i = 0;

	while (i < BUCKETS - 1 && left >= r->hist[i])
		left -= r->hist[i++];
	return ns_of(i);
}

int main(int argc, char **argv)
{
	static struct run r;
	uint64_t ns, from_cpu, from;
	int cpus[2];
	double s;

	if (argc != 5 && argc != 7)
		bench_die("usage: rate NET spin|sleep RATE MILLISECONDS [DRIVER-CPU NIC-CPU]; RATE "
		          "0: as fast as they go, -1: none at all");
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	r.sleeps = strcmp(argv[2], "sleep") == 0;
	r.gap = strcmp(argv[3], "0") == 0 ? 0 : (uint64_t)(1e9 / strtod(argv[3], NULL));
	ns = strtoull(argv[4], NULL, 10) * 1000000u;
	r.pings = strncmp(argv[1], "tap", 3) == 0;
	r.stamp = r.pings ? ICMP + sizeof(struct icmphdr) : STAMP;
	if (r.pings && unshare(CLONE_NEWNET) < 0)
		bench_die("no network namespace: a TAP takes root");
	bench_nic_create(&r.b, argv[1]);
	if (r.pings)
		interface_up(&r, "rate0");
	if (nic_start(&r.b.nic) < 0)
		bench_die("no thread");
	if (argc == 7) {
		for (int i = 0; i < 2; i++)
			cpus[i] = (int)strtol(argv[5 + i], NULL, 10);
		pin(&cpus[0]);
		loop_call(r.b.nic.loop, pin, &cpus[1]);
	}
	if (argv[3][0] == '-') { /* a few frames, then silence */
		r.gap = 10000;
		drive(&r, 10000000);
		from_cpu = cpu(&r);
		from = loop_now_ns();
		nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
		                             .tv_nsec = (long)(ns % 1000000000u)},
		          NULL);
	} else {
		drive(&r, ns / 4); /* warm, and auto has learnt */
		memset(r.hist, 0, sizeof(r.hist));
		r.came = 0;
		from_cpu = cpu(&r);
		from = loop_now_ns();
		drive(&r, ns);
	}
	s = (double)(loop_now_ns() - from);
	printf("%.0f %.0f %.0f %.1f\n", (double)r.came * 1e9 / s, quantile(&r, 0.5),
	       quantile(&r, 0.99), (double)(cpu(&r) - from_cpu) * 100 / s);
	bench_nic_destroy(&r.b);
	return 0;
}
