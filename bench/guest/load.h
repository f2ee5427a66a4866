/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/guest/load.h - the load generator of doorbell bench: the guest's /init, and the other end outside
 *
 * One program without libraries at run time. It reads commands, a line each, from its standard input, and answers each
 * with one line that begins with '@':
 *
 *   net IF ADDRESS/LENGTH [GATEWAY]   address and route of an interface, which is then up       @ok
 *   tap IF [QUEUES]                   make a TAP that stays, for a VMM to open                  @ok
 *   bridge IF PORT...                 make a bridge of these interfaces                         @ok
 *   veth IF IF PID                    a cable from here to where that process is              @ok
 *   mtu IF BYTES                      of an interface                                           @ok
 *   nat                               pass on what comes in, with our own address               @ok
 *   features                          of the first network device, as the driver took them      @ok HEX
 *   run KEY=VALUE...                  see struct load_job     @listening (server), @running, then @done KEY=VALUE...
 *   off                               the guest powers off; outside the program ends
 *
 * or with "@error REASON". Nothing is said, and nothing read, between @running and @done: the console costs exits.
 */
#ifndef DOORBELL_LOAD_H
#define DOORBELL_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_LINE_MAX    512u
#define LOAD_STREAMS_MAX 16u
#define LOAD_SIZE_MAX    65536u /* bytes of a message */
#define LOAD_UDP_MAX     2048u
#define LOAD_UDP_MIN     16u    /* struct datagram */
#define LOAD_WAIT_MS     20000u /* for the other end, which may be an emulated machine */

enum load_work {
	LOAD_STREAM, /* TCP, one way */
	LOAD_UDP,    /* numbered datagrams, one way */
	LOAD_RR,     /* TCP: a message there, one back */
	LOAD_CRR,    /* the same with a connection for each */
	LOAD_WORKS,
};

struct load_job {
	enum load_work work; /* work=stream|udp|rr|crr */
	bool server;         /* role=server|client: who waits for the other */
	bool send;           /* dir=send|recv, of stream and udp */
	uint32_t addr;       /* addr=, network order; of the server */
	uint16_t port;       /* port=, host order */
	uint32_t id;         /* id=: the same at both ends, of this run alone */
	uint32_t size;       /* size=: bytes of a message */
	uint32_t buffer;     /* buffer=: of the sockets, bytes; 0: as the kernel does it */
	uint32_t streams;    /* streams= */
	uint32_t ms;         /* ms=: for how long */
	uint32_t rate;       /* rate=: datagrams per second; 0: as fast as it goes */
};

#define HIST_OCTAVES 40u /* up to 2^40 ns */
#define HIST_STEPS   32u /* in each: no value is wrong by more than 1/32 */

struct load_hist {
	uint64_t nr, n[HIST_OCTAVES * HIST_STEPS];
};

/* What one end saw of it. */
struct load_result {
	uint64_t messages,
		bytes;        /* sent, or received; of rr and crr: round trips and what came back */
	uint64_t ns;          /* from the first to the last */
	uint64_t frames;      /* through the first network device meanwhile, both ways */
	int error;            /* -errno, 0: none */
	struct load_hist rtt; /* ns, of the client */
};

/* bench/guest/load_words.c: no system call in it */
/* The words after "run". False: *why names the first that is wrong. */
bool load_parse(const char *words, struct load_job *job, const char **why);
/* "A.B.C.D[/LENGTH]", network order. */
bool load_parse_address(const char *text, uint32_t *addr, unsigned *length);
void load_hist_add(struct load_hist *h, uint64_t ns);
/* The value below which @permille of all lie; 0 of nothing. */
uint64_t load_hist_at(const struct load_hist *h, unsigned permille);
void load_result_add(struct load_result *to, const struct load_result *r);
/* The line after @done; the number of bytes, as snprintf(). */
int load_result_print(const struct load_result *r, char *line, size_t size);
/* Its parts again. False: not such a line. Percentiles in ns. */
struct load_said {
	uint64_t messages, bytes, ns, frames, p50, p99, p999;
};
bool load_said_parse(const char *line, struct load_said *out);

/* bench/guest/load_run.c */
uint64_t load_now_ns(void);
/* One run. @said is called for @listening and @running. r->error says how it went. */
void load_run(const struct load_job *job, struct load_result *r, void (*said)(const char *line));

/* bench/guest/load_udp.c; as load_run(), on this socket: of the client connected, of the server bound */
int load_udp(const struct load_job *job, int fd, struct load_result *r,
             void (*said)(const char *line));

/* bench/guest/load_net.c: 0 or -errno */
int load_net_address(const char *name, uint32_t addr, unsigned length, uint32_t gateway);
int load_net_tap(const char *name, bool queues);
int load_net_bridge(const char *name, char *const *port, size_t nr);
int load_net_veth(const char *name, const char *other, int pid);
int load_net_mtu(const char *name, int bytes);
int load_net_nat(void);         /* bench/guest/load_nat.c */
uint64_t load_net_frames(void); /* of all interfaces but lo, both ways */

/* bench/guest/load_init.c: as a guest's first process, mounts and modules; the console is raw afterwards */
void load_init(void);

#endif
