/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients write to the control socket: bytes in pieces, half lines, lines without an end, hanging up at any
 * moment, answers that nobody reads; behind it the real command table. The input is what the first client
 * writes, and a newline for each client at the end; 0xff begins an order (enum order).
 *
 * Judged is that each line has one answer, an object with "ok", and that only a line too long ends a client.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fuzz/input.h"
#include "vmm/commands.h"
#include "vmm/control.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/loop.h"
#include "vmm/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLIENTS 3u

enum order {
	ORDER_CLIENT,         /* below CLIENTS: that one writes from now on */
	ORDER_LOOK = CLIENTS, /* all that was written is one piece, or the end of one */
	ORDER_READ,           /* the client reads its answers */
	ORDER_HANG_UP,        /* and is there again when it writes next */
	ORDER_FILL,           /* the next byte, times 4096, plus one: so many bytes of one line */
	ORDER_NONE,           /* from here on: a byte 0xff, and this one */
};

struct writer {
	int fd;              /* -1: hung up */
	size_t line;         /* bytes since the last newline */
	size_t lines;        /* whole ones that have to be answered */
	bool cut;            /* one was too long: nothing behind it counts */
	size_t answers;      /* read so far */
	char answer[65536];  /* the one that is being read */
	size_t answer_bytes; /* of it */
};

static struct world {
	struct sockaddr_un addr;
	struct loop *loop;
	struct control *control;
	struct writer writer[CLIENTS];
} world;

/*
 * Commands that reach the machine need one, and there is none here: what is judged is that nothing
 * but a well-formed request gets so far.
 */
static bool reaches_the_machine(const json_t *request)
{
	static const char *const plain[] = {"status", "stats", "pause", "resume", "stop"};
	const char *name = json_string_value(json_object_get(request, "command"));
	static const char *const of_a_nic[] = {"link", "path", "pcap"};

	for (size_t i = 0; name && i < ARRAY_SIZE(plain); i++)
		if (strcmp(name, plain[i]) == 0)
			return true;
	if (!json_is_string(json_object_get(request, "nic")) ||
	    !json_is_string(json_object_get(request, "value")))
		return false;
	for (size_t i = 0; name && i < ARRAY_SIZE(of_a_nic); i++)
		if (strcmp(name, of_a_nic[i]) == 0)
			return true; /* the NIC is looked for before the value is judged */
	return false;
}

static int command(unused void *arg, const json_t *request, json_t **result, char *why, size_t size)
{
	char small[64] = "";
	int ret;

	REQUIRE(json_is_object(request));
	if (reaches_the_machine(request)) {
		*result = json_pack("{s:O}", "as asked", request);
		return 0;
	}
	ret = vm_command(NULL, request, result, small, sizeof(small));
	REQUIRE(ret < 0 && !*result);
	REQUIRE(small[0] != '\0' && memchr(small, '\0', sizeof(small)));
	snprintf(why, size, "%s", small);
	return ret;
}

static void look(void)
{
	while (loop_turn(world.loop, 0) > 0)
		;
}

/* One line that came back. */
static void judge(struct writer *w)
{
	json_t *o = json_loadb(w->answer, w->answer_bytes, 0, NULL);

	REQUIRE(json_is_object(o) && json_is_boolean(json_object_get(o, "ok")));
	REQUIRE(json_object_get(o, json_is_true(json_object_get(o, "ok")) ? "result" : "error"));
	json_decref(o);
	w->answers++;
	w->answer_bytes = 0;
}

/* False: nothing there. */
static bool take_answers(struct writer *w)
{
	char buf[4096];
	ssize_t n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n <= 0) {
		/* Only after a line too long; what it had not read of that resets the connection. */
		REQUIRE(w->cut || (n < 0 && errno == EAGAIN));
		return false;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\n') {
			judge(w);
			continue;
		}
		REQUIRE(w->answer_bytes < sizeof(w->answer));
		w->answer[w->answer_bytes++] = buf[i];
	}
	return true;
}

static void read_answers(struct writer *w)
{
	do {
		look();
	} while (w->fd >= 0 && take_answers(w));
}

/* Those that hung up are gone by now: more than CONTROL_CLIENTS_MAX would be turned away, tests/unit has that. */
static void dial(struct writer *w)
{
	look();
	*w = (struct writer){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	REQUIRE(w->fd >= 0);
	REQUIRE(connect(w->fd, (struct sockaddr *)&world.addr, sizeof(world.addr)) == 0);
}

/* What the other side will see of it. */
static void written(struct writer *w, const uint8_t *p, size_t len, size_t sent)
{
	REQUIRE(sent <= len);
	for (size_t i = 0; i < sent && !w->cut; i++) {
		w->line = p[i] == '\n' ? 0 : w->line + 1;
		w->lines += p[i] == '\n';
		if (w->line > CONTROL_LINE_MAX) {
			w->cut = true;
			w->lines++; /* has an answer too */
		}
	}
}

static void put(struct writer *w, const uint8_t *p, size_t len)
{
	if (w->fd < 0)
		dial(w);
	while (len) {
		ssize_t n = send(w->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) { /* it reads no more before we have */
			read_answers(w);
			continue;
		}
		if (n < 0)
			break;
		written(w, p, len, (size_t)n);
		p += n;
		len -= (size_t)n;
	}
	REQUIRE(!len || w->cut);
}

static void fill(struct writer *w, size_t times)
{
	uint8_t block[4096];

	memset(block, ' ', sizeof(block));
	for (; times; times--)
		put(w, block, sizeof(block));
	put(w, block, 1);
}

static void obey(struct input *in, struct writer **w)
{
	static const uint8_t literal = 0xff;
	const uint64_t order = take(in, 1);

	if (order < CLIENTS)
		*w = &world.writer[order];
	else if (order == ORDER_LOOK)
		look();
	else if (order == ORDER_READ)
		read_answers(*w);
	else if (order == ORDER_HANG_UP)
		fd_close(&(*w)->fd);
	else if (order == ORDER_FILL)
		fill(*w, take(in, 1));
	else
		put(*w, (uint8_t[]){literal, (uint8_t)order}, 2);
}

static void write_all(struct input *in)
{
	struct writer *w = &world.writer[0];

	while (in->left) {
		const uint8_t *order = memchr(in->p, 0xff, in->left);
		const size_t len = order ? (size_t)(order - in->p) : in->left;

		put(w, in->p, len);
		in->p += len;
		in->left -= len;
		if (!in->left)
			break;
		take(in, 1);
		obey(in, &w);
	}
}

static void end(struct writer *w)
{
	if (w->fd < 0)
		return;
	put(w, (const uint8_t *)"\n", 1);
	read_answers(w);
	REQUIRE(w->answers == w->lines && w->answer_bytes == 0);
	fd_close(&w->fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};

	world.addr.sun_family = AF_UNIX;
	snprintf(world.addr.sun_path, sizeof(world.addr.sun_path), "/tmp/doorbell-fuzz-%d",
	         (int)getpid());
	REQUIRE(loop_create(&world.loop) == 0);
	REQUIRE(control_create(world.addr.sun_path, world.loop, command, NULL, &world.control) ==
	        0);
	for (unsigned i = 0; i < CLIENTS; i++)
		world.writer[i].fd = -1;
	write_all(&in);
	for (unsigned i = 0; i < CLIENTS; i++)
		end(&world.writer[i]);
	look();
	control_destroy(world.control);
	loop_destroy(world.loop);
	return 0;
}
