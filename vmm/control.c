/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/core/fd.h"
#include "vmm/core/listener.h"
#include "vmm/core/log.h"
#include "vmm/core/loop.h"
#include "vmm/core/unix_socket.h"
#include "vmm/json_file.h"

struct client {
	struct control *c;
	struct loop_fd w; /* fd -1: this place is free */
	char in[CONTROL_LINE_MAX + 1];
	size_t in_len;
	char *out; /* an answer that the client has not taken yet, or NULL; owned */
	size_t out_len, out_at;
	bool closing; /* when the answer is out */
};

struct control {
	struct loop *loop;
	control_fn *fn;
	void *arg;
	struct listener listener;
	struct client client[CONTROL_CLIENTS_MAX];
};

static void drop_client(struct client *cl)
{
	loop_del(&cl->w);
	fd_close(&cl->w.fd);
	free(cl->out);
	cl->out = NULL;
	cl->in_len = 0;
	cl->closing = false;
}

/* ---- answers */

/* Write what is left. False: the client is gone, and so is its place. */
static bool flush(struct client *cl)
{
	while (cl->out && cl->out_at < cl->out_len) {
		ssize_t n = send(cl->w.fd, cl->out + cl->out_at, cl->out_len - cl->out_at,
		                 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_set(&cl->w, EPOLLOUT); /* nothing is read before this is out */
			return true;
		}
		if (n < 0) {
			drop_client(cl);
			return false;
		}
		cl->out_at += (size_t)n;
	}
	free(cl->out);
	cl->out = NULL;
	if (cl->closing) {
		drop_client(cl);
		return false;
	}
	loop_set(&cl->w, EPOLLIN);
	return true;
}

/* Takes @answer; one that cannot be printed for lack of memory ends the client. */
static bool send_answer(struct client *cl, json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT | JSON_DIGITS) : NULL;
	size_t len = text ? strlen(text) : 0;

	json_decref(answer);
	if (!text) {
		drop_client(cl);
		return false;
	}
	text[len] = '\n'; /* in place of the NUL: from here on it is bytes with a length */
	cl->out = text;
	cl->out_len = len + 1;
	cl->out_at = 0;
	return flush(cl);
}

static json_t *refusal(const char *why)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", why);
}

/* ---- requests */

static json_t *answer_to(struct control *c, const json_t *request)
{
	json_t *result = NULL, *answer, *id = json_object_get(request, "id");
	char why[256] = "it did not work";
	int ret = c->fn(c->arg, request, &result, why, sizeof(why));

	if (ret < 0)
		answer = refusal(why);
	else
		answer = json_pack("{s:b, s:o}", "ok", 1, "result", result ? result : json_null());
	if (!answer) /* not UTF-8 any more: a word was cut */
		answer = refusal("refused, and the reason cannot be written as JSON");
	if (answer && id)
		json_object_set(answer, "id", id);
	return answer;
}

static json_t *not_json(const json_error_t *err)
{
	char why[sizeof(err->text) + 16];
	json_t *answer;

	snprintf(why, sizeof(why), "not JSON: %s", err->text);
	answer = refusal(why);
	/* It quotes the line, and that need not be UTF-8. */
	return answer ? answer : refusal("not JSON, and what it is cannot be written as JSON");
}

static bool take_line(struct client *cl, const char *line, size_t len)
{
	json_error_t err;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &err);
	json_t *answer;

	if (!request)
		answer = not_json(&err);
	else if (!json_is_object(request))
		answer = refusal("a request is an object: {\"command\": NAME, ...}");
	else
		answer = answer_to(cl->c, request);
	json_decref(request);
	return send_answer(cl, answer);
}

/* Whole lines in the buffer, until an answer has to wait. */
static void take_lines(struct client *cl)
{
	char *end;

	while (!cl->out && (end = memchr(cl->in, '\n', cl->in_len))) {
		size_t len = (size_t)(end - cl->in);

		if (!take_line(cl, cl->in, len))
			return;
		cl->in_len -= len + 1;
		memmove(cl->in, end + 1, cl->in_len);
	}
	if (!cl->out && cl->in_len == sizeof(cl->in)) {
		cl->closing = true;
		send_answer(cl, refusal("the line is too long, possible are 4096 bytes"));
	}
}

static void on_client(void *arg, uint32_t revents)
{
	struct client *cl = arg;
	ssize_t n;

	if (cl->out) {
		if (revents & (EPOLLERR | EPOLLHUP))
			drop_client(cl);
		else if (flush(cl))
			take_lines(cl);
		return;
	}
	n = recv(cl->w.fd, cl->in + cl->in_len, sizeof(cl->in) - cl->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop_client(cl);
		return;
	}
	cl->in_len += (size_t)n;
	take_lines(cl);
}

/* ---- connections */

static void turn_away(int fd)
{
	static const char text[] =
		"{\"ok\":false,\"error\":\"too many clients, possible are 16\"}\n";

	/* Whether it is read is the client's business. */
	if (send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("control: %s", strerror(errno));
	close(fd);
}

static void take_client(void *arg, int fd)
{
	struct control *c = arg;

	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *cl = &c->client[i];

		if (cl->w.fd >= 0)
			continue;
		cl->w = (struct loop_fd){.fd = fd, .events = EPOLLIN, .fn = on_client, .arg = cl};
		if (loop_add(c->loop, &cl->w) < 0)
			fd_close(&cl->w.fd);
		return;
	}
	turn_away(fd);
}

/* ---- the socket */

int control_create(const char *path, struct loop *l, control_fn *fn, void *arg,
                   struct control **out)
{
	struct control *c = calloc(1, sizeof(*c));
	struct sockaddr_un addr;
	int ret;

	*out = NULL;
	if (!c)
		return -ENOMEM;
	*c = (struct control){.loop = l, .fn = fn, .arg = arg};
	listener_init(&c->listener, l, take_client, c);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		c->client[i].c = c;
		c->client[i].w.fd = -1;
	}
	ret = unix_address(path, &addr);
	if (ret == 0)
		ret = listener_open(&c->listener, &addr, (int)CONTROL_CLIENTS_MAX);
	if (ret < 0) {
		log_error("--control %s: %s", path, unix_reason(ret));
		control_destroy(c);
		return ret;
	}
	listener_on(&c->listener);
	*out = c;
	return 0;
}

void control_destroy(struct control *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->client[i].w.fd >= 0)
			drop_client(&c->client[i]);
	listener_close(&c->listener);
	free(c);
}
