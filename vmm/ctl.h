/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/ctl.h - the client's side of the control socket */
#ifndef DOORBELL_CTL_H
#define DOORBELL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

int ctl_connect(const char *path); /* a descriptor; or -errno, logged */
/*
 * Send @request and wait; once @quit is readable (-1: never) no longer than a second. The result, a new
 * reference, null when the answer has none; NULL, logged: refused, or no answer. With SIGPIPE ignored.
 */
json_t *ctl_request(int fd, int quit, const json_t *request);
/* Is the process that listens there @pid, as it says itself? Else it is in another PID namespace. */
bool ctl_is_peer(int fd, json_int_t pid);
int ctl_flush(void); /* what stdio has still to write to standard output; 0 or -EIO, logged */

struct ctl_audit {
	uint64_t packets; /* 0: time decides */
	uint64_t seconds; /* 0: the default */
	bool json;
};

/* doorbell ctl SOCKET audit: watch, then print the report. The exit status. */
int ctl_audit(const char *path, const struct ctl_audit *o);

#endif
