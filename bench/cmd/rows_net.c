/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/cmd/rows_net.c - the core: each way to carry packets, each direction, small datagrams, round trips and TCP
 * streams; from there everything else is one dimension at a time
 */
#include "bench/cmd/rows_net.h"

#include "bench/cmd/net_run.h"
#include "bench/cmd/net_subject.h"
#include "vmm/core/compiler.h"

/* 18 bytes make the smallest frame of Ethernet, 64 bytes with its checksum. */
#define SMALL 18
#define LARGE 65536

/* The three directions: out of the guest, into it, from one to another. */
#define g2h_WAY  NET_OUT
#define h2g_WAY  NET_IN
#define g2g_WAY  NET_OUT
#define g2h_TEXT ", out of the guest"
#define h2g_TEXT ", into the guest"
#define g2g_TEXT ", from guest to guest"

/* A row is called KIND/DIRECTION/ON. @against_: such a name, or NULL; the rest goes to struct net_work. */
#define ROW(kind_, ...) ROW_IN(kind_, kind_, __VA_ARGS__)
#define ROW_IN(set_, kind_, dir_, on_, subject_, core_, against_, what_, ...)            \
	{                                                                                \
		.name = kind_ "/" #dir_ "/" on_, .set = set_, .what = what_ dir_##_TEXT, \
		.against = against_, .subject = &net_subjects[subject_], .ms = 2000,     \
		.more_ms = 1200, .core = core_, .measure = net_measure,                  \
		.arg = &(const struct net_work){.dir = dir_##_WAY, __VA_ARGS__},         \
	}

/* At one rate for all: what is compared is the CPU time for the same work. All that runs Linux carries this one. */
#define UDP(dir_, on_, subject_, core_, against_)                                      \
	ROW("udp64", dir_, on_, subject_, core_, against_,                             \
	    "UDP, frames of 64 bytes, 5000 a second", .work = LOAD_UDP, .size = SMALL, \
	    .rate = 5000)
#define RATE(kind_, dir_, on_, subject_, against_, rate_)                                       \
	ROW_IN("loss", kind_, dir_, on_, subject_, false, against_,                             \
	       "UDP, frames of 64 bytes, " #rate_ " a second", .work = LOAD_UDP, .size = SMALL, \
	       .rate = (rate_))
#define MAX(dir_, on_, subject_, against_)                                \
	ROW_IN("loss", "udp64-max", dir_, on_, subject_, false, against_, \
	       "UDP, frames of 64 bytes, as many as can be sent", .work = LOAD_UDP, .size = SMALL)
#define RR(dir_, on_, subject_, core_, against_)                                          \
	ROW("rr", dir_, on_, subject_, core_, against_, "TCP, a byte there and one back", \
	    .work = LOAD_RR, .size = 1)
#define CRR(dir_, on_, subject_, against_)                                                  \
	ROW("crr", dir_, on_, subject_, false, against_, "the same, a connection for each", \
	    .work = LOAD_CRR, .size = 1)
#define TCP(dir_, on_, subject_, core_, against_)                                                \
	ROW("tcp", dir_, on_, subject_, core_, against_, "TCP, one stream", .work = LOAD_STREAM, \
	    .size = LARGE)
#define SIZE(kind_, dir_, on_, subject_, size_)                      \
	ROW(kind_, dir_, on_, subject_, false, "tcp/" #dir_ "/" on_, \
	    "TCP, messages of " #size_ " bytes", .work = LOAD_STREAM, .size = (size_))
#define BUFFER(kind_, dir_, on_, subject_, bytes_)                                          \
	ROW(kind_, dir_, on_, subject_, false, "tcp/" #dir_ "/" on_,                        \
	    "TCP, socket buffers of " #bytes_ " bytes", .work = LOAD_STREAM, .size = LARGE, \
	    .buffer = (bytes_))
#define FIVE(dir_, on_, subject_)                                                           \
	ROW("tcp-5", dir_, on_, subject_, false, "tcp/" #dir_ "/" on_, "TCP, five streams", \
	    .work = LOAD_STREAM, .size = LARGE, .streams = 5)

/*
 * What a subject with one guest is measured with, alone or beside @ref_. Core, 24 in all, is what each path is judged by
 * against QEMU's of the same kind: datagrams out of the guest, into it, round trips, streams both ways.
 */
#define ALONE(on_, subject_, out_, in_, trips_, streams_)                                  \
	UDP(g2h, on_, subject_, out_, NULL), UDP(h2g, on_, subject_, in_, NULL),           \
		RR(g2h, on_, subject_, trips_, NULL), RR(h2g, on_, subject_, false, NULL), \
		TCP(g2h, on_, subject_, streams_, NULL), TCP(h2g, on_, subject_, streams_, NULL)
#define BESIDE(on_, subject_, out_, in_, trips_, streams_, ref_)    \
	UDP(g2h, on_, subject_, out_, "udp64/g2h/" ref_),           \
		UDP(h2g, on_, subject_, in_, "udp64/h2g/" ref_),    \
		RR(g2h, on_, subject_, trips_, "rr/g2h/" ref_),     \
		RR(h2g, on_, subject_, false, "rr/h2g/" ref_),      \
		TCP(g2h, on_, subject_, streams_, "tcp/g2h/" ref_), \
		TCP(h2g, on_, subject_, streams_, "tcp/h2g/" ref_)
#define TWO(on_, subject_, udp_, rr_, tcp_)                                       \
	UDP(g2g, on_, subject_, false, udp_), RR(g2g, on_, subject_, false, rr_), \
		TCP(g2g, on_, subject_, false, tcp_)

/* How many get lost at which rate: the points of curves (bench/cmd/curve.h), with those of UDP. */
#define LOSS_ALONE(dir_, on_, subject_)                                \
	RATE("udp64-1k", dir_, on_, subject_, NULL, 1000),             \
		RATE("udp64-10k", dir_, on_, subject_, NULL, 10000),   \
		RATE("udp64-20k", dir_, on_, subject_, NULL, 20000),   \
		RATE("udp64-50k", dir_, on_, subject_, NULL, 50000),   \
		RATE("udp64-100k", dir_, on_, subject_, NULL, 100000), \
		MAX(dir_, on_, subject_, NULL)
#define LOSS_BESIDE(dir_, on_, subject_, ref_)                                                 \
	RATE("udp64-1k", dir_, on_, subject_, "udp64-1k/" #dir_ "/" ref_, 1000),               \
		RATE("udp64-10k", dir_, on_, subject_, "udp64-10k/" #dir_ "/" ref_, 10000),    \
		RATE("udp64-20k", dir_, on_, subject_, "udp64-20k/" #dir_ "/" ref_, 20000),    \
		RATE("udp64-50k", dir_, on_, subject_, "udp64-50k/" #dir_ "/" ref_, 50000),    \
		RATE("udp64-100k", dir_, on_, subject_, "udp64-100k/" #dir_ "/" ref_, 100000), \
		MAX(dir_, on_, subject_, "udp64-max/" #dir_ "/" ref_)

#define SIZES(dir_, on_, subject_)                                                            \
	SIZE("tcp-64", dir_, on_, subject_, 64), SIZE("tcp-1460", dir_, on_, subject_, 1460), \
		SIZE("tcp-4k", dir_, on_, subject_, 4096),                                    \
		SIZE("tcp-16k", dir_, on_, subject_, 16384),                                  \
		BUFFER("tcp-buf64k", dir_, on_, subject_, 65536),                             \
		BUFFER("tcp-buf256k", dir_, on_, subject_, 262144), FIVE(dir_, on_, subject_)

#define OFFLOAD(on_, subject_, ref_)                     \
	TCP(g2h, on_, subject_, false, "tcp/g2h/" ref_), \
		TCP(h2g, on_, subject_, false, "tcp/h2g/" ref_)

/* A guest behind a router is not reached from outside: it begins. */
#define MODE(on_, subject_, ref_)                                \
	UDP(g2h, on_, subject_, false, "udp64/g2h/" ref_),       \
		RR(g2h, on_, subject_, false, "rr/g2h/" ref_),   \
		TCP(g2h, on_, subject_, false, "tcp/g2h/" ref_), \
		TCP(h2g, on_, subject_, false, "tcp/h2g/" ref_)

static const struct bench_row rows[] = {
	ALONE("loopback", NS_LOOPBACK, false, false, false, false),
	ALONE("veth", NS_VETH, false, false, false, false),
	ALONE("qemu-microvm-tap", NS_QEMU_TAP, true, true, true, true),
	ALONE("qemu-microvm-vhost", NS_QEMU_VHOST, false, true, true, true),
	ALONE("qemu-microvm-user", NS_QEMU_USER, false, false, false, true),
	BESIDE("pure", NS_PURE, true, true, true, true, "qemu-microvm-tap"),
	BESIDE("vhost", NS_VHOST, false, true, true, true, "qemu-microvm-vhost"),
	BESIDE("slirp", NS_SLIRP, false, false, false, true, "qemu-microvm-user"),
	BESIDE("qemu-pc-tap", NS_PC_TAP, false, false, false, false, "pure"),
	BESIDE("qemu-pc-vhost", NS_PC_VHOST, false, false, false, false, "vhost"),
	BESIDE("qemu-pc-user", NS_PC_USER, false, false, false, false, "slirp"),
	BESIDE("peer", NS_PEER, false, false, false, false, "pure"),
	BESIDE("vhost-user", NS_VHOST_USER, true, false, true, false, "pure"),
	BESIDE("pure-poll", NS_PURE_POLL, false, false, false, false, "pure"),
	BESIDE("pure-tx0", NS_PURE_TX0, false, false, false, false, "pure"),
	BESIDE("vhost-busyloop", NS_VHOST_BUSYLOOP, false, false, false, false,
               "qemu-microvm-vhost"),
	TWO("pure-two", NS_PURE_TWO, NULL, NULL, NULL),
	TWO("vhost-two", NS_VHOST_TWO, "udp64/g2g/pure-two", "rr/g2g/pure-two", "tcp/g2g/pure-two"),
	TWO("slirp-two", NS_SLIRP_TWO, "udp64/g2g/pure-two", "rr/g2g/pure-two", "tcp/g2g/pure-two"),
	TWO("pair", NS_PAIR, "udp64/g2g/pure-two", "rr/g2g/pure-two", "tcp/g2g/pure-two"),
	LOSS_ALONE(g2h, "qemu-microvm-tap", NS_QEMU_TAP),
	LOSS_ALONE(h2g, "qemu-microvm-tap", NS_QEMU_TAP),
	LOSS_ALONE(g2h, "qemu-microvm-vhost", NS_QEMU_VHOST),
	LOSS_ALONE(h2g, "qemu-microvm-vhost", NS_QEMU_VHOST),
	LOSS_BESIDE(g2h, "pure", NS_PURE, "qemu-microvm-tap"),
	LOSS_BESIDE(h2g, "pure", NS_PURE, "qemu-microvm-tap"),
	LOSS_BESIDE(g2h, "vhost", NS_VHOST, "qemu-microvm-vhost"),
	LOSS_BESIDE(h2g, "vhost", NS_VHOST, "qemu-microvm-vhost"),
	CRR(g2h, "qemu-microvm-tap", NS_QEMU_TAP, NULL),
	CRR(g2h, "qemu-microvm-vhost", NS_QEMU_VHOST, NULL),
	CRR(g2h, "qemu-microvm-user", NS_QEMU_USER, NULL),
	CRR(g2h, "pure", NS_PURE, "crr/g2h/qemu-microvm-tap"),
	CRR(g2h, "vhost", NS_VHOST, "crr/g2h/qemu-microvm-vhost"),
	CRR(g2h, "slirp", NS_SLIRP, "crr/g2h/qemu-microvm-user"),
	OFFLOAD("pure-none", NS_PURE_NONE, "pure"),
	OFFLOAD("pure-csum", NS_PURE_CSUM, "pure"),
	OFFLOAD("vhost-none", NS_VHOST_NONE, "vhost"),
	OFFLOAD("vhost-csum", NS_VHOST_CSUM, "vhost"),
	MODE("pure-bridged", NS_PURE_BRIDGED, "pure"),
	MODE("vhost-bridged", NS_VHOST_BRIDGED, "vhost"),
	MODE("pure-nat", NS_PURE_NAT, "pure"),
	MODE("vhost-nat", NS_VHOST_NAT, "vhost"),
	OFFLOAD("pure-9000", NS_PURE_9000, "pure-none"),
	OFFLOAD("vhost-9000", NS_VHOST_9000, "vhost-none"),
	OFFLOAD("slirp-9000", NS_SLIRP_9000, "slirp"),
	BESIDE("vhost-user-dpdk", NS_DPDK, false, false, false, false, "vhost-user"),
	TCP(g2g, "pure-two-none", NS_TWO_NONE, false, "tcp/g2g/pure-two"),
	TCP(g2g, "pure-two-csum", NS_TWO_CSUM, false, "tcp/g2g/pure-two"),
	TCP(g2g, "pair-none", NS_PAIR_NONE, false, "tcp/g2g/pair"),
	TCP(g2g, "pair-csum", NS_PAIR_CSUM, false, "tcp/g2g/pair"),
	SIZES(g2g, "pure-two", NS_PURE_TWO),
	SIZES(g2g, "pair", NS_PAIR),
	SIZES(g2h, "pure", NS_PURE),
	SIZES(h2g, "pure", NS_PURE),
	SIZES(g2h, "vhost", NS_VHOST),
	SIZES(h2g, "vhost", NS_VHOST),
	FIVE(g2h, "slirp", NS_SLIRP),
	FIVE(h2g, "slirp", NS_SLIRP),
};

const struct bench_rows rows_net = {.row = rows, .nr = ARRAY_SIZE(rows)};
