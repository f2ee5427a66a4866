/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/control.h - a unix socket on which a running doorbell takes requests: JSON, one object per line
 *
 * A request is {"command": NAME, ...}, the answer {"ok": true, "result": ...} or {"ok": false,
 * "error": TEXT}, one line each, in the order of the requests; an "id" comes back as it was. This file
 * knows sockets and lines; what the commands mean is the business of whoever passes a control_fn.
 *
 * Everything is bounded, because anybody with access to the socket may write nonsense to it: a line
 * that is too long, or one client too many, gets an error and is closed; a client that does not read
 * its answers is not read from.
 */
#ifndef DOORBELL_CONTROL_H
#define DOORBELL_CONTROL_H

#include <jansson.h>

struct control; /* opaque */
struct loop;

#define CONTROL_LINE_MAX    4096u /* bytes of a request without its newline */
#define CONTROL_CLIENTS_MAX 16u

/*
 * Loop thread. @request is an object, borrowed. Either sets *result (a new reference, or NULL for
 * null) and returns 0, or writes a sentence to @why and returns -errno.
 */
typedef int control_fn(void *arg, const json_t *request, json_t **result, char *why,
                       size_t why_size);

/*
 * Listen at @path, which only this user may connect to; a socket there that nobody listens to any
 * more is replaced. 0; or -errno after one log_error(): in use, not a socket, no such folder, too long.
 */
int control_create(const char *path, struct loop *l, control_fn *fn, void *arg,
                   struct control **out);
void control_destroy(struct control *c); /* closes clients, removes the socket; NULL is fine */

#endif
