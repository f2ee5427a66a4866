/* SPDX-License-Identifier: Apache-2.0 */
/* net/slirp_opt.h - keys of --net user */
#ifndef DOORBELL_SLIRP_OPT_H
#define DOORBELL_SLIRP_OPT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/core/opt.h"

/* The guest's network: 10.0.2.0/24 and fec0::/64, we are .2, DNS is .3, DHCP gives out from .15. */
#define SLIRP_NET      0x0a000200u
#define SLIRP_MASK     0xffffff00u
#define SLIRP_GATEWAY  0x0a000202u
#define SLIRP_DNS      0x0a000203u
#define SLIRP_GUEST    0x0a00020fu
#define SLIRP_LABEL    "10.0.2.0/24"
#define SLIRP_HOSTNAME 32u /* characters that DHCP can hand out */

#define SLIRP_MAX_FWD 32u

/* hostfwd=PROTO:[ADDR]:PORT-[GUESTADDR]:PORT; ports in host order */
struct slirp_fwd {
	bool udp;
	uint16_t host_port, guest_port;
	struct in_addr host, guest;
};

struct slirp_config {
	bool restricted;                   /* nothing but hostfwd crosses to the outside */
	bool ipv6;                         /* default on */
	bool join;                         /* likewise: TCP comes to the guest in large segments */
	char hostname[SLIRP_HOSTNAME + 1]; /* "": none told by DHCP */
	unsigned nr_fwd;
	struct slirp_fwd fwd[SLIRP_MAX_FWD];
};

void slirp_defaults(void *config);
extern const struct opt_def slirp_keys[];

#define SLIRP_FWD_TEXT 64u
/* As the user would write it: "tcp:127.0.0.1:8080-10.0.2.15:80" */
void slirp_fwd_print(const struct slirp_fwd *f, char text[SLIRP_FWD_TEXT]);

/*
 * Is the port free? libslirp binds UDP sockets so that two can have the same port, and then one of
 * them hears nothing. 0 or -errno.
 */
int slirp_fwd_try(const struct slirp_fwd *f);

#endif
