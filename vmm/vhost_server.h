/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/vhost_server.h - the back-end of vhost-user: a socket at which front ends find a NIC of ours
 *
 * One front end at a time; the next one waits in the socket until that has gone. Whatever is wrong with what it
 * sends closes its connection, with one line that says what, and the next one is served. All of it runs on the NIC's
 * own loop.
 */
#ifndef DOORBELL_VHOST_SERVER_H
#define DOORBELL_VHOST_SERVER_H

#include <jansson.h>

struct nic;
struct vhost_server; /* opaque */

/*
 * Make the device of @n, after nic_open(), and listen at @path for its driver. Both are borrowed. 0 or -errno after
 * one log_error().
 */
int vhost_server_create(const char *path, struct nic *n, struct vhost_server **out);
/* After nic_stop(); the device stays until nic_destroy(). Removes the socket. NULL is fine. */
void vhost_server_destroy(struct vhost_server *s);

/* To nic_status(): socket, front_end, front_ends, refused. Any thread but the NIC's. */
void vhost_server_describe(struct vhost_server *s, json_t *o);

#endif
