/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/uart16550.h"
#include "vmm/config.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/outfile.h"
#include "vmm/terminal.h"

#define MS             UINT64_C(1000000) /* ns */
#define GATHER_NS      (4 * MS)          /* how long the start of a line waits for its rest */
#define FOREGROUND_NS  (300 * MS)        /* between two looks whether the terminal is ours again */
#define TYPED_MAX      1024u             /* keys that the guest has not taken yet */
#define CTRL_A         0x01u
#define CHUNK_BLOCKING 256u /* bytes at once to a descriptor that we could not make non-blocking */

/* One end of the console on the host. */
struct stream {
	int fd;        /* ours; -1: none, or at its end */
	bool socket;   /* MSG_DONTWAIT says what O_NONBLOCK says elsewhere */
	bool nonblock; /* an open file description of our own, or one that never blocks */
	struct loop_fd watch;
};

struct console {
	struct loop *loop;
	void (*quit)(void *arg);
	void *arg;
	struct loop_fd wake; /* eventfd: vCPUs and signal handlers to the loop */

	/* Input; loop thread. */
	struct stream in;
	bool in_terminal;
	bool started;
	bool after_ctrl_a;
	struct uart16550 *uart;
	struct loop_timer look; /* while in the background */
	uint8_t typed[TYPED_MAX];
	size_t typed_len;

	/* Output; under lock, but for out.watch and gather, which are the loop thread's. */
	pthread_mutex_t lock;
	struct stream out;
	struct outfile file; /* out's descriptor, until console_start() */
	struct loop_timer gather;
	bool loop_knows; /* that there is output: wake was set, gather runs or out is watched */
	bool stalled;    /* the reader was given up; until it takes something */
	bool gone;       /* writing failed: no more output */
	uint64_t dropped;
	bool wrote, wrote_controls; /* anything; such as may change what a terminal shows */
	uint8_t last;               /* byte that was written */
	uint8_t ring[CONSOLE_BUFFER];
	size_t head, len; /* oldest; filled */
};

/* ---- streams */

/*
 * O_NONBLOCK belongs to the open file description, which we share with the shell and whoever else has
 * it, and would outlive us. Opening the same file again makes one of our own. That works for terminals
 * that we have the right to open, and for pipes; not for sockets; a regular file never blocks.
 */
static int stream_open(struct stream *s, int fd, int mode)
{
	char path[32];
	struct stat st;

	*s = (struct stream){.fd = -1};
	if (fstat(fd, &st) < 0)
		return errno == EBADF ? 0 : -errno; /* closed: as if nobody were there */
	s->socket = S_ISSOCK(st.st_mode);
	s->nonblock = S_ISREG(st.st_mode);
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		s->fd = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		s->nonblock = s->fd >= 0;
	}
	if (s->fd < 0)
		s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return s->fd < 0 ? -errno : 0;
}

static void stream_close(struct stream *s)
{
	loop_del(&s->watch);
	fd_close(&s->fd);
}

static bool stream_ready(const struct stream *s, short events)
{
	struct pollfd pfd = {.fd = s->fd, .events = events};

	return s->nonblock || s->socket || poll(&pfd, 1, 0) != 0;
}

/* Bytes, 0 at the end, or -errno; -EAGAIN: later. */
static ssize_t stream_read(const struct stream *s, void *buf, size_t len)
{
	ssize_t n;

	if (!stream_ready(s, POLLIN))
		return -EAGAIN;
	n = s->socket ? recv(s->fd, buf, len, MSG_DONTWAIT) : read(s->fd, buf, len);
	return n < 0 ? -errno : n;
}

static ssize_t stream_write(const struct stream *s, const void *buf, size_t len)
{
	ssize_t n;

	if (!stream_ready(s, POLLOUT))
		return -EAGAIN;
	if (!s->nonblock)
		len = min_u64(len, CHUNK_BLOCKING);
	n = s->socket ? send(s->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) : write(s->fd, buf, len);
	return n < 0 ? -errno : n;
}

/* Regular files and /dev/null cannot be watched, and need not be: they never say "later". */
static void stream_watch(struct stream *s, struct loop *l, bool on)
{
	if (!on || s->fd < 0)
		loop_del(&s->watch); /* not muted: the hang-up of a pipe cannot be muted */
	else if (!s->watch.loop && loop_add(l, &s->watch) < 0)
		log_debug("console: descriptor %d cannot be watched", s->fd);
}

/* ---- output; the lock is held */

static size_t ring_add(struct console *c, const uint8_t *buf, size_t len)
{
	size_t n = 0;

	while (n < len && c->len < CONSOLE_BUFFER)
		c->ring[(c->head + c->len++) % CONSOLE_BUFFER] = buf[n++];
	return n;
}

/* Of @len bytes that were written: console_part() asks. */
static void note_written(struct console *c, const uint8_t *buf, size_t len)
{
	c->wrote = true;
	c->last = buf[len - 1];
	for (size_t i = 0; i < len && !c->wrote_controls; i++)
		c->wrote_controls = buf[i] == 0x1b || buf[i] == 0x0e || buf[i] >= 0x80;
}

static void flush_output(struct console *c)
{
	while (c->len > 0 && !c->gone) {
		size_t part = min_u64(c->len, CONSOLE_BUFFER - c->head);
		ssize_t n = stream_write(&c->out, c->ring + c->head, part);

		if (n == -EAGAIN)
			return;
		if (n == -EINTR)
			continue;
		if (n < 0) {
			log_info("console: output ends: %s", strerror((int)-n));
			c->gone = true;
			c->dropped += c->len;
			c->len = 0;
			break;
		}
		if (n > 0)
			note_written(c, c->ring + c->head, (size_t)n);
		c->head = (c->head + (size_t)n) % CONSOLE_BUFFER;
		c->len -= (size_t)n;
		c->stalled = false;
	}
	if (c->len == 0)
		c->head = 0; /* the buffer's pages get dirty only as far as they are needed */
}

static int ms_until(uint64_t when_ns)
{
	uint64_t now = loop_now_ns();

	return now < when_ns ? (int)((when_ns - now) / MS) + 1 : 0;
}

/*
 * The buffer is full. Wait for the reader, without the lock; whether there is room. The signal that takes
 * a vCPU out of the guest says nothing about the reader: what the guest wrote before a pause is not lost.
 */
static bool wait_for_room(struct console *c)
{
	uint64_t deadline = loop_now_ns() + CONSOLE_PATIENCE_MS * MS;
	struct pollfd pfd = {.fd = c->out.fd, .events = POLLOUT};
	int n = 0;

	flush_output(c);
	while (c->len == CONSOLE_BUFFER && !c->stalled && n >= 0) {
		int ms = ms_until(deadline);

		if (ms == 0) {
			c->stalled = true;
			break;
		}
		pthread_mutex_unlock(&c->lock);
		n = poll(&pfd, 1, ms);
		if (n < 0 && errno == EINTR)
			n = 0;
		pthread_mutex_lock(&c->lock);
		flush_output(c);
	}
	return c->len < CONSOLE_BUFFER;
}

/* The serial port's sink: any vCPU thread. */
static void put_output(void *arg, const uint8_t *buf, size_t len)
{
	struct console *c = arg;
	bool line = memchr(buf, '\n', len) != NULL;

	pthread_mutex_lock(&c->lock);
	while (len > 0 && !c->gone) {
		size_t n = ring_add(c, buf, len);

		buf += n;
		len -= n;
		if (len > 0 && !wait_for_room(c))
			break;
	}
	c->dropped += len;
	if (line)
		flush_output(c);
	if (c->len > 0 && !c->loop_knows) {
		c->loop_knows = true;
		fd_event_set(c->wake.fd);
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- output, the loop's part */

/* What the first flush after GATHER_NS left over goes when the descriptor takes it. */
static void on_output(struct console *c)
{
	pthread_mutex_lock(&c->lock);
	flush_output(c);
	c->loop_knows = c->len > 0;
	stream_watch(&c->out, c->loop, c->loop_knows);
	pthread_mutex_unlock(&c->lock);
}

static void on_gathered(void *arg)
{
	on_output(arg);
}

static void on_writable(void *arg, unused uint32_t revents)
{
	on_output(arg);
}

static void begin_gathering(struct console *c)
{
	bool due;

	pthread_mutex_lock(&c->lock);
	due = c->loop_knows && !c->gather.armed && !c->out.watch.loop;
	pthread_mutex_unlock(&c->lock);
	if (due && loop_timer_at(c->loop, &c->gather, loop_now_ns() + GATHER_NS) < 0)
		on_output(c);
}

/* ---- input; loop thread */

static void show_help(struct console *c)
{
	static const char text[] = "\r\n"
				   "Ctrl-A h       this help\r\n"
				   "Ctrl-A x       end the guest\r\n"
				   "Ctrl-A Ctrl-A  send a Ctrl-A to the guest\r\n";

	put_output(c, (const uint8_t *)text, sizeof(text) - 1);
}

static void key(struct console *c, uint8_t byte)
{
	if (!c->after_ctrl_a && byte == CTRL_A) {
		c->after_ctrl_a = true;
		return;
	}
	if (c->after_ctrl_a && byte != CTRL_A) {
		c->after_ctrl_a = false;
		if (byte == 'x')
			c->quit(c->arg);
		else if (byte == 'h')
			show_help(c);
		return;
	}
	c->after_ctrl_a = false;
	if (c->typed_len < TYPED_MAX) /* a guest that never reads does not hear the rest */
		c->typed[c->typed_len++] = byte;
}

/* Whether the guest took all that was typed. */
static bool feed_guest(struct console *c)
{
	size_t n = 0;

	if (c->uart && c->typed_len > 0)
		n = uart16550_feed(c->uart, c->typed, c->typed_len);
	c->typed_len -= n;
	memmove(c->typed, c->typed + n, c->typed_len);
	return c->typed_len == 0;
}

static void end_input(struct console *c)
{
	if (c->in_terminal) /* which borrows the descriptor */
		terminal_release();
	c->in_terminal = false;
	stream_close(&c->in);
}

/* One read. Bytes; 0 at the end; -EAGAIN. */
static ssize_t read_input(struct console *c)
{
	uint8_t buf[UART16550_FIFO]; /* as much as the guest takes: less is lost when it reboots */
	ssize_t n;

	do
		n = stream_read(&c->in, buf, sizeof(buf));
	while (n == -EINTR);
	for (ssize_t i = 0; i < n; i++) {
		if (c->in_terminal)
			key(c, buf[i]);
		else
			c->typed[c->typed_len++] = buf[i];
	}
	if (n == 0 || (n < 0 && n != -EAGAIN)) {
		log_info("console: input ends%s%s", n < 0 ? ": " : "",
		         n < 0 ? strerror((int)-n) : "");
		end_input(c);
		return 0;
	}
	return n;
}

/*
 * A terminal is read at once, or Ctrl-A x would not work on a guest that hangs. Others wait until the
 * guest has taken what came before: room() is their next turn.
 */
static void pump_input(struct console *c)
{
	bool all;

	do
		all = feed_guest(c);
	while (c->started && c->in.fd >= 0 && (all || c->in_terminal) && read_input(c) > 0);
	stream_watch(&c->in, c->loop, c->started && (all || c->in_terminal));
}

static void on_readable(void *arg, unused uint32_t revents)
{
	struct console *c = arg;

	if (c->in_terminal && !terminal_raw()) {
		/* Reading in the background would stop us. */
		stream_watch(&c->in, c->loop, false);
		loop_timer_at(c->loop, &c->look, loop_now_ns() + FOREGROUND_NS);
		return;
	}
	pump_input(c);
}

static void on_look(void *arg)
{
	on_readable(arg, 0);
}

static void on_wake(void *arg, unused uint32_t revents)
{
	struct console *c = arg;

	fd_event_take(c->wake.fd);
	begin_gathering(c);
	if (c->started)
		on_readable(c, 0);
}

/* The guest has taken all there was. vCPU thread. */
static void on_room(void *arg)
{
	struct console *c = arg;

	fd_event_set(c->wake.fd);
}

/* ---- the owner's side */

static int open_file(struct console *c, const struct vm_config *cfg)
{
	const char *path = cfg->console_path;
	int ret = outfile_open(&c->file, path);

	if (ret < 0) {
		log_error("--console file=%s: %s", path,
		          ret == -ENXIO ? "nobody reads from this FIFO" : strerror(-ret));
		return ret;
	}
	c->out = (struct stream){.fd = c->file.fd, .nonblock = true};
	return 0;
}

static int open_stdio(struct console *c)
{
	int ret = stream_open(&c->in, STDIN_FILENO, O_RDONLY);

	if (ret == 0)
		ret = stream_open(&c->out, STDOUT_FILENO, O_WRONLY);
	if (ret < 0)
		log_error("--console stdio: %s", strerror(-ret));
	return ret;
}

static int watch_wake(struct console *c)
{
	int ret = fd_eventfd();

	if (ret < 0)
		return ret;
	c->wake = (struct loop_fd){.fd = ret, .events = EPOLLIN, .fn = on_wake, .arg = c};
	return loop_add(c->loop, &c->wake);
}

static int open_console(struct console *c, const struct vm_config *cfg)
{
	int ret = cfg->console == CONSOLE_FILE ? open_file(c, cfg) : open_stdio(c);

	if (ret < 0)
		return ret;
	c->gone = c->out.fd < 0;
	c->in.watch =
		(struct loop_fd){.fd = c->in.fd, .events = EPOLLIN, .fn = on_readable, .arg = c};
	c->out.watch =
		(struct loop_fd){.fd = c->out.fd, .events = EPOLLOUT, .fn = on_writable, .arg = c};
	ret = watch_wake(c);
	if (ret == 0 && c->in.fd >= 0 && isatty(c->in.fd)) {
		ret = terminal_take(c->in.fd, c->wake.fd);
		c->in_terminal = ret == 0;
	}
	if (ret < 0)
		log_error("--console: %s", strerror(-ret));
	return ret;
}

int console_create(const struct vm_config *cfg, struct loop *l, void (*quit)(void *arg), void *arg,
                   struct console **out)
{
	struct console *c;
	int ret;

	*out = NULL;
	if (cfg->console == CONSOLE_NONE)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c) {
		log_error("--console: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	c->loop = l;
	c->quit = quit;
	c->arg = arg;
	c->in.fd = c->out.fd = c->wake.fd = -1;
	c->file = OUTFILE_NONE;
	c->gather = (struct loop_timer){.fn = on_gathered, .arg = c};
	c->look = (struct loop_timer){.fn = on_look, .arg = c};
	pthread_mutex_init(&c->lock, NULL);
	ret = open_console(c, cfg);
	if (ret < 0) {
		console_destroy(c);
		return ret;
	}
	*out = c;
	return 0;
}

void console_connect(struct console *c, struct uart16550_config *uart)
{
	if (!c)
		return;
	uart->put = put_output;
	uart->room = on_room;
	uart->arg = c;
}

void console_attach(struct console *c, struct uart16550 *uart)
{
	if (!c)
		return;
	c->uart = uart;
	if (uart && c->started)
		on_readable(c, 0);
}

int console_start(struct console *c)
{
	int ret;

	if (!c)
		return 0;
	ret = outfile_begin(&c->file);
	if (ret < 0) {
		log_error("--console file=%s: %s", c->file.path, strerror(-ret));
		return ret;
	}
	c->started = true;
	on_readable(c, 0);
	return 0;
}

/* What the guest wrote last is what its user wants to see: give a slow reader its time once more. */
static void drain(struct console *c)
{
	uint64_t deadline = loop_now_ns() + CONSOLE_PATIENCE_MS * MS;
	struct pollfd pfd = {.fd = c->out.fd, .events = POLLOUT};
	size_t before;

	for (;;) {
		before = c->len;
		flush_output(c);
		if (c->len == 0 || ms_until(deadline) == 0)
			break;
		if (c->len < before)
			deadline = loop_now_ns() + CONSOLE_PATIENCE_MS * MS;
		poll(&pfd, 1, ms_until(deadline));
	}
	c->dropped += c->len;
	c->len = 0;
}

void console_finish(struct console *c)
{
	if (!c)
		return;
	if (!c->gone)
		drain(c);
	c->gone = true;
	c->started = false;
	loop_timer_off(&c->gather);
	loop_timer_off(&c->look);
	end_input(c);
}

void console_part(const struct console *c)
{
	/* Cancels a sequence that is not at its end; letters again; modes as usual; the usual screen. */
	static const char usual[] = "\x18\x0f\033[!p\033[?47l";
	struct stat out, err;

	if (!c || !c->wrote || fstat(c->out.fd, &out) < 0 || fstat(STDERR_FILENO, &err) < 0 ||
	    out.st_dev != err.st_dev || out.st_ino != err.st_ino)
		return;
	if (c->wrote_controls && isatty(STDERR_FILENO))
		fputs(usual, stderr);
	if (c->last != '\n')
		fputc('\n', stderr);
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	console_finish(c);
	loop_del(&c->out.watch);
	if (c->file.fd >= 0)
		outfile_close(&c->file);
	else
		fd_close(&c->out.fd);
	loop_del(&c->wake);
	fd_close(&c->wake.fd);
	if (c->dropped > 0)
		log_warn("console: %llu bytes of output were dropped, nobody took them",
		         (unsigned long long)c->dropped);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void console_restore(void)
{
	terminal_restore();
}

uint64_t console_dropped(struct console *c)
{
	uint64_t n = 0;

	if (c) {
		pthread_mutex_lock(&c->lock);
		n = c->dropped;
		pthread_mutex_unlock(&c->lock);
	}
	return n;
}
