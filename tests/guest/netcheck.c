// SPDX-License-Identifier: Apache-2.0
/*
 * Sends and receives data whose content both sides can compute, and compares every byte. Runs in the
 * guest and outside. See usage() for the command line.
 *
 * TCP: the connecting side says which stream this is, the listening side repeats it, then both send
 * what they have to, close their direction, and read until the end.
 * UDP: the connecting side says hello until it is welcomed. Data is numbered; the receiver reports
 * what it has seen, so that the sender is never more than a window ahead: the rate adapts itself to
 * the machine, and a loss is a loss, not a queue that overflowed because somebody was slow.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STREAMS_MAX 64u
#define CHUNK       65536u /* bytes per write */
#define UDP_MAX     65507u
#define MAGIC       0x64624e43u
/* What is out for so long is lost. Long: giving up too early sends more than a window to a slow peer. */
#define UDP_PATIENCE_MS 10000u
#define UDP_LATE_MS     3000u

struct options {
	bool udp, listen, send, recv;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	uint16_t port;
	uint64_t bytes;  /* TCP: per stream and direction */
	uint32_t count;  /* UDP: datagrams per stream and direction */
	uint32_t size;   /* UDP: largest payload, at least sizeof(struct msg) */
	uint32_t window; /* UDP: datagrams on their way at once */
	uint32_t loss;   /* UDP: datagrams that may be lost, per stream and direction */
	uint32_t streams;
	uint32_t seed;
	uint32_t timeout; /* seconds for everything */
};

static struct options opt = {.bytes = 1u << 20,
                             .count = 1000,
                             .size = 1472,
                             .window = 32,
                             .streams = 1,
                             .seed = 1,
                             .timeout = 120};

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("netcheck: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	_exit(1); /* the other threads too */
}

static void on_alarm(int sig)
{
	static const char text[] = "netcheck: time is up\n";

	(void)sig;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(5);
	_exit(4);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(unsigned ms)
{
	(void)poll(NULL, 0, (int)ms);
}

/* ---- content */

/* The 8 bytes at block @block of a flow: a hash of (seed, flow, block), different for each. */
static uint64_t word_at(uint64_t flow, uint64_t block)
{
	uint64_t x = flow * 0x9e3779b97f4a7c15u + block * 0xd1342543de82ef95u + opt.seed;

	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	return x ^ (x >> 32);
}

static uint64_t flow_id(uint32_t stream, bool from_connector)
{
	return (uint64_t)stream * 2 + (from_connector ? 1 : 0) + 1;
}

static void fill(uint8_t *buf, size_t len, uint64_t flow, uint64_t off)
{
	uint64_t w = word_at(flow, off / 8);

	for (size_t i = 0; i < len; i++, off++) {
		if (off % 8 == 0)
			w = word_at(flow, off / 8);
		buf[i] = (uint8_t)(w >> (8 * (off % 8)));
	}
}

/* Index of the first wrong byte, or @len. */
static size_t compare(const uint8_t *buf, size_t len, uint64_t flow, uint64_t off)
{
	uint8_t want[4096];

	for (size_t done = 0; done < len;) {
		size_t n = len - done < sizeof(want) ? len - done : sizeof(want);

		fill(want, n, flow, off + done);
		if (memcmp(want, buf + done, n) != 0) {
			for (size_t i = 0; i < n; i++)
				if (want[i] != buf[done + i])
					return done + i;
		}
		done += n;
	}
	return len;
}

/* ---- sockets */

static struct sockaddr_storage address(uint32_t port_offset)
{
	struct sockaddr_storage a = opt.addr;
	uint16_t port = htons((uint16_t)(opt.port + port_offset));

	if (a.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&a)->sin6_port = port;
	else
		((struct sockaddr_in *)&a)->sin_port = port;
	return a;
}

static int open_socket(int type)
{
	int one = 1, fd = socket(opt.addr.ss_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket: %s", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd;
}

static void parse_address(const char *text)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&opt.addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&opt.addr;
	char copy[128];
	char *scope;

	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		opt.addr_len = sizeof(*in4);
		return;
	}
	(void)snprintf(copy, sizeof(copy), "%s", text);
	scope = strchr(copy, '%');
	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET6, copy, &in6->sin6_addr) != 1)
		fail("'%s' is not an address", text);
	in6->sin6_family = AF_INET6;
	in6->sin6_scope_id = scope ? if_nametoindex(scope) : 0;
	opt.addr_len = sizeof(*in6);
}

/* ---- TCP */

struct stream {
	int fd;
	uint32_t index;
	uint64_t received;
	pthread_t thread, sender;
};

struct hello {
	uint32_t magic, stream;
};

static bool write_all(int fd, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool read_all(int fd, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = recv(fd, p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void *tcp_send(void *arg)
{
	const struct stream *s = arg;
	uint64_t flow = flow_id(s->index, !opt.listen);
	static _Thread_local uint8_t buf[CHUNK];

	for (uint64_t off = 0; opt.send && off < opt.bytes;) {
		size_t n = opt.bytes - off < CHUNK ? (size_t)(opt.bytes - off) : CHUNK;

		fill(buf, n, flow, off);
		if (!write_all(s->fd, buf, n))
			fail("stream %u: sending byte %llu: %s", s->index, (unsigned long long)off,
			     strerror(errno));
		off += n;
	}
	(void)shutdown(s->fd, SHUT_WR);
	return NULL;
}

static void tcp_recv(struct stream *s)
{
	uint64_t flow = flow_id(s->index, opt.listen);
	uint64_t want = opt.recv ? opt.bytes : 0;
	static _Thread_local uint8_t buf[CHUNK];

	for (;;) {
		ssize_t n = recv(s->fd, buf, sizeof(buf), 0);
		size_t bad;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail("stream %u: receiving byte %llu: %s", s->index,
			     (unsigned long long)s->received, strerror(errno));
		if (n == 0)
			break;
		if (s->received + (uint64_t)n > want)
			fail("stream %u: more than %llu bytes", s->index, (unsigned long long)want);
		bad = compare(buf, (size_t)n, flow, s->received);
		if (bad < (size_t)n)
			fail("stream %u: byte %llu is wrong", s->index,
			     (unsigned long long)s->received + bad);
		s->received += (uint64_t)n;
	}
	if (s->received != want)
		fail("stream %u: %llu bytes instead of %llu", s->index,
		     (unsigned long long)s->received, (unsigned long long)want);
}

static void *tcp_stream(void *arg)
{
	struct stream *s = arg;

	if (pthread_create(&s->sender, NULL, tcp_send, s) != 0)
		fail("no thread");
	tcp_recv(s);
	(void)pthread_join(s->sender, NULL);
	(void)close(s->fd);
	return NULL;
}

/* Until somebody listens: a forwarded port takes the connection first and drops it then. */
static int tcp_connect(uint32_t index)
{
	struct sockaddr_storage a = address(0);
	struct hello mine = {htonl(MAGIC), htonl(index)}, theirs;

	for (;;) {
		int fd = open_socket(SOCK_STREAM);

		if (connect(fd, (struct sockaddr *)&a, opt.addr_len) == 0 &&
		    write_all(fd, &mine, sizeof(mine)) && read_all(fd, &theirs, sizeof(theirs))) {
			if (theirs.magic != mine.magic || theirs.stream != mine.stream)
				fail("stream %u: wrong answer to hello", index);
			return fd;
		}
		(void)close(fd);
		sleep_ms(100);
	}
}

static int tcp_accept(int listener, uint32_t *index)
{
	struct hello h;

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			fail("accept: %s", strerror(errno));
		if (read_all(fd, &h, sizeof(h)) && ntohl(h.magic) == MAGIC &&
		    ntohl(h.stream) < opt.streams && write_all(fd, &h, sizeof(h))) {
			*index = ntohl(h.stream);
			return fd;
		}
		(void)close(fd);
	}
}

static void tcp(struct stream *streams)
{
	struct sockaddr_storage a = address(0);
	int listener = -1;

	if (opt.listen) {
		listener = open_socket(SOCK_STREAM);
		if (bind(listener, (struct sockaddr *)&a, opt.addr_len) != 0 ||
		    listen(listener, (int)STREAMS_MAX) != 0)
			fail("port %u: %s", opt.port, strerror(errno));
	}
	for (uint32_t i = 0; i < opt.streams; i++) {
		struct stream *s = &streams[i];

		s->index = i;
		s->fd = opt.listen ? tcp_accept(listener, &s->index) : tcp_connect(i);
		if (pthread_create(&s->thread, NULL, tcp_stream, s) != 0)
			fail("no thread");
	}
	for (uint32_t i = 0; i < opt.streams; i++)
		(void)pthread_join(streams[i].thread, NULL);
	if (listener >= 0)
		(void)close(listener);
}

/* ---- UDP */

enum msg_type { MSG_HELLO = 1, MSG_WELCOME, MSG_DATA, MSG_SEEN, MSG_END, MSG_DONE, MSG_BYE };

struct msg { /* big endian; DATA: followed by content */
	uint32_t magic, type;
	uint32_t a; /* DATA: number; SEEN: highest number + 1; DONE: lost */
	uint32_t b; /* SEEN, DONE: how many different ones have come */
};

struct udp {
	int fd;
	uint32_t index;
	/* our sending */
	uint32_t next, seen; /* next number; what the peer has seen, or what we have given up */
	uint64_t progress;   /* ms: when seen moved last */
	uint64_t last_try;   /* ms: when HELLO or END was sent last */
	uint32_t peer_lost;
	bool welcome;
	bool sent; /* the peer has all it will get */
	/* our receiving */
	bool complete; /* END has come */
	bool gone;     /* and BYE: our DONE has arrived */
	uint32_t got, top, dup, reordered, unreported;
	uint64_t first_end, last_end; /* ms */
	uint8_t *have;
	pthread_t thread;
};

static void udp_say(struct udp *u, enum msg_type type, uint32_t a, uint32_t b)
{
	struct msg m = {htonl(MAGIC), htonl((uint32_t)type), htonl(a), htonl(b)};

	/* Refused: nobody listens yet. Anything else shows as a loss. */
	(void)send(u->fd, &m, sizeof(m), 0);
}

/* Sizes vary from the smallest to the largest. */
static size_t udp_size(uint32_t number)
{
	uint32_t span = opt.size - (uint32_t)sizeof(struct msg) + 1;

	return number % 4 == 3 ? opt.size : sizeof(struct msg) + (number * 197u) % span;
}

static void udp_send_data(struct udp *u)
{
	uint8_t buf[UDP_MAX];
	struct msg m = {htonl(MAGIC), htonl((uint32_t)MSG_DATA), htonl(u->next), 0};
	size_t len = udp_size(u->next);

	memcpy(buf, &m, sizeof(m));
	fill(buf + sizeof(m), len - sizeof(m), flow_id(u->index, !opt.listen),
	     (uint64_t)u->next << 16);
	if (send(u->fd, buf, len, 0) < 0 && errno != ECONNREFUSED && errno != ENOBUFS)
		fail("stream %u: sending datagram %u: %s", u->index, u->next, strerror(errno));
	u->next++;
}

static void udp_take_data(struct udp *u, const uint8_t *buf, size_t len, uint32_t number)
{
	size_t body = len - sizeof(struct msg);
	uint8_t bit = (uint8_t)(1u << (number % 8));

	if (number >= opt.count || len != udp_size(number))
		fail("stream %u: datagram %u has %zu bytes", u->index, number, len);
	if (compare(buf + sizeof(struct msg), body, flow_id(u->index, opt.listen),
	            (uint64_t)number << 16) < body)
		fail("stream %u: datagram %u has wrong content", u->index, number);
	if (u->have[number / 8] & bit) {
		u->dup++;
		return;
	}
	u->have[number / 8] |= bit;
	u->got++;
	if (number + 1 > u->top)
		u->top = number + 1;
	else
		u->reordered++;
	u->unreported++;
}

/* The peer says END again and again. What is missing may still be on another way: overtaken is not lost. */
static void udp_take_end(struct udp *u, uint64_t now)
{
	if (u->first_end == 0)
		u->first_end = now;
	if (u->got < opt.count && now - u->first_end < UDP_LATE_MS)
		return;
	u->complete = true;
	u->last_end = now;
	udp_say(u, MSG_DONE, opt.count - u->got, u->got);
}

static void udp_take(struct udp *u, const uint8_t *buf, size_t len)
{
	struct msg m;

	if (len < sizeof(m))
		fail("stream %u: a datagram of %zu bytes", u->index, len);
	memcpy(&m, buf, sizeof(m));
	if (ntohl(m.magic) != MAGIC)
		fail("stream %u: a datagram of somebody else", u->index);
	switch (ntohl(m.type)) {
	case MSG_HELLO:
		udp_say(u, MSG_WELCOME, 0, 0);
		return;
	case MSG_WELCOME:
		u->welcome = true;
		return;
	case MSG_DATA:
		u->welcome = true;
		udp_take_data(u, buf, len, ntohl(m.a));
		return;
	case MSG_SEEN:
		if (ntohl(m.a) > u->seen) {
			u->seen = ntohl(m.a);
			u->progress = now_ms();
		}
		return;
	case MSG_END:
		udp_take_end(u, now_ms());
		return;
	case MSG_DONE:
		u->sent = true;
		u->peer_lost = ntohl(m.a);
		udp_say(u, MSG_BYE, 0, 0);
		return;
	case MSG_BYE:
		u->gone = true;
		return;
	default:
		fail("stream %u: a message of type %u", u->index, ntohl(m.type));
	}
}

/* What is due now, if anything. */
static void udp_act(struct udp *u, uint64_t now)
{
	if (!u->welcome) {
		if (!opt.listen && now - u->last_try >= 100) {
			udp_say(u, MSG_HELLO, 0, 0);
			u->last_try = now;
		}
		return;
	}
	if (!opt.send || u->sent)
		return;
	if (u->seen < u->next && now - u->progress > UDP_PATIENCE_MS) {
		u->seen = u->next;
		u->progress = now;
	}
	while (u->next < opt.count && u->next - u->seen < opt.window) {
		if (u->next == u->seen)
			u->progress = now; /* the wait begins */
		udp_send_data(u);
	}
	if (u->next == opt.count && u->seen >= u->next && now - u->last_try >= 100) {
		udp_say(u, MSG_END, 0, 0);
		u->last_try = now;
	}
}

static void udp_open(struct udp *u)
{
	struct sockaddr_storage a = address(u->index);
	int size = 1 << 20;

	u->fd = open_socket(SOCK_DGRAM);
	(void)setsockopt(u->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (opt.listen && bind(u->fd, (struct sockaddr *)&a, opt.addr_len) != 0)
		fail("port %u: %s", opt.port + u->index, strerror(errno));
	if (!opt.listen && connect(u->fd, (struct sockaddr *)&a, opt.addr_len) != 0)
		fail("connect: %s", strerror(errno));
	u->have = calloc(opt.count / 8 + 1, 1);
	if (!u->have)
		fail("no memory");
}

/* The listening side talks to the first who says hello. */
static void udp_await_hello(struct udp *u)
{
	struct sockaddr_storage peer;
	socklen_t len;
	struct msg m;

	do {
		len = sizeof(peer);
	} while (recvfrom(u->fd, &m, sizeof(m), 0, (struct sockaddr *)&peer, &len) != sizeof(m) ||
	         ntohl(m.magic) != MAGIC || ntohl(m.type) != MSG_HELLO);
	if (connect(u->fd, (struct sockaddr *)&peer, len) != 0)
		fail("connect: %s", strerror(errno));
	u->welcome = true;
	udp_say(u, MSG_WELCOME, 0, 0);
}

/*
 * After the end: stay until the peer has our DONE and nothing comes any more; when it does not say BYE, for a moment, because
 * it asks again when our DONE was lost.
 */
static bool udp_over(const struct udp *u, uint64_t now, bool silent)
{
	if (opt.send && !u->sent)
		return false;
	return !opt.recv || (u->complete && ((u->gone && silent) || now - u->last_end > 500));
}

static void *udp_stream(void *arg)
{
	struct udp *u = arg;
	uint8_t *buf = malloc(UDP_MAX);
	bool silent = false;

	if (!buf)
		fail("no memory");
	udp_open(u);
	if (opt.listen)
		udp_await_hello(u);
	u->progress = now_ms();
	while (!udp_over(u, now_ms(), silent)) {
		struct pollfd p = {.fd = u->fd, .events = POLLIN};
		ssize_t n;

		silent = poll(&p, 1, 20) == 0;
		if (!silent) {
			n = recv(u->fd, buf, UDP_MAX, MSG_DONTWAIT);
			if (n >= 0)
				udp_take(u, buf, (size_t)n);
		}
		if (u->unreported >= 4 || (u->unreported > 0 && p.revents == 0)) {
			udp_say(u, MSG_SEEN, u->top, u->got);
			u->unreported = 0;
		}
		udp_act(u, now_ms());
	}
	free(buf);
	(void)close(u->fd);
	return NULL;
}

static uint32_t udp_first_lost(const struct udp *u)
{
	uint32_t n = 0;

	while (n < opt.count && (u->have[n / 8] & (1u << (n % 8))))
		n++;
	return n;
}

static void udp_judge(const struct udp *u)
{
	if (opt.recv && opt.count - u->got > opt.loss)
		fail("stream %u: %u of %u datagrams lost on the way to us, the first is %u",
		     u->index, opt.count - u->got, opt.count, udp_first_lost(u));
	if (opt.send && u->peer_lost > opt.loss)
		fail("stream %u: %u of %u datagrams lost on the way to the peer", u->index,
		     u->peer_lost, opt.count);
	if (u->dup > 0)
		fail("stream %u: %u datagrams came twice", u->index, u->dup);
	printf("netcheck: udp stream %u ok: sent %u, received %u, lost %u, reordered %u\n",
	       u->index, u->next, u->got, opt.recv ? opt.count - u->got : 0, u->reordered);
}

static void udp(void)
{
	static struct udp streams[STREAMS_MAX];

	for (uint32_t i = 0; i < opt.streams; i++) {
		streams[i].index = i;
		if (pthread_create(&streams[i].thread, NULL, udp_stream, &streams[i]) != 0)
			fail("no thread");
	}
	for (uint32_t i = 0; i < opt.streams; i++) {
		(void)pthread_join(streams[i].thread, NULL);
		udp_judge(&streams[i]);
		free(streams[i].have);
	}
}

/* ---- command line */

__attribute__((noreturn)) static void usage(void)
{
	(void)fputs(
		"usage: netcheck tcp|udp listen|connect ADDRESS PORT send|recv|both [KEY=N...]\n"
		"Both sides get the same keys and say what they do: send with recv, both with "
		"both.\n"
		"  streams=1    at once; UDP uses the ports from PORT upwards\n"
		"  bytes=1048576  TCP, per stream and direction\n"
		"  count=1000   UDP, datagrams per stream and direction\n"
		"  size=1472    UDP, the largest of them\n"
		"  window=32    UDP, how many may be on their way\n"
		"  loss=0       UDP, how many may be lost\n"
		"  seed=1       of the content\n"
		"  timeout=120  seconds for everything, then status 4\n"
		"Status 0: every byte was as it should be. connect waits until somebody listens.\n",
		stderr);
	exit(2);
}

static void parse_key(const char *arg)
{
	static const struct {
		const char *name;
		uint32_t *value;
		uint32_t min, max;
	} key[] = {
		{"streams", &opt.streams, 1, STREAMS_MAX},
		{"count", &opt.count, 1, 1u << 30},
		{"size", &opt.size, sizeof(struct msg), UDP_MAX},
		{"window", &opt.window, 1, 65536},
		{"loss", &opt.loss, 0, UINT32_MAX},
		{"seed", &opt.seed, 0, UINT32_MAX},
		{"timeout", &opt.timeout, 1, 86400},
	};
	const char *eq = strchr(arg, '=');
	char *end;
	unsigned long long n;

	if (!eq)
		usage();
	n = strtoull(eq + 1, &end, 0);
	if (*end != '\0' || end == eq + 1)
		usage();
	if (strncmp(arg, "bytes=", 6) == 0) {
		opt.bytes = n;
		return;
	}
	for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++) {
		if (strlen(key[i].name) != (size_t)(eq - arg) ||
		    strncmp(arg, key[i].name, (size_t)(eq - arg)) != 0)
			continue;
		if (n < key[i].min || n > key[i].max)
			fail("%s: from %u to %u", arg, key[i].min, key[i].max);
		*key[i].value = (uint32_t)n;
		return;
	}
	usage();
}

static bool either(const char *arg, const char *yes, const char *no)
{
	if (strcmp(arg, yes) != 0 && strcmp(arg, no) != 0)
		usage();
	return strcmp(arg, yes) == 0;
}

int main(int argc, char **argv)
{
	static struct stream streams[STREAMS_MAX];
	uint64_t start = now_ms(), received = 0;
	unsigned long port;

	if (argc < 6)
		usage();
	opt.udp = either(argv[1], "udp", "tcp");
	opt.listen = either(argv[2], "listen", "connect");
	parse_address(argv[3]);
	port = strtoul(argv[4], NULL, 10);
	if (port < 1 || port > 65535)
		usage();
	opt.port = (uint16_t)port;
	opt.send = strcmp(argv[5], "both") == 0 || either(argv[5], "send", "recv");
	opt.recv = strcmp(argv[5], "send") != 0;
	for (int i = 6; i < argc; i++)
		parse_key(argv[i]);

	(void)signal(SIGALRM, on_alarm);
	(void)alarm(opt.timeout);
	if (opt.udp) {
		udp();
	} else {
		tcp(streams);
		for (uint32_t i = 0; i < opt.streams; i++)
			received += streams[i].received;
		printf("netcheck: tcp ok: %u streams, sent %llu, received %llu bytes, %llu ms\n",
		       opt.streams, (unsigned long long)(opt.send ? opt.bytes * opt.streams : 0),
		       (unsigned long long)received, (unsigned long long)(now_ms() - start));
	}
	return 0;
}
