/* SPDX-License-Identifier: Apache-2.0 */
/* net/slirp_lib.h - the functions of libslirp that we use */
#ifndef DOORBELL_SLIRP_LIB_H
#define DOORBELL_SLIRP_LIB_H

#include <slirp/libslirp.h>

struct slirp_api {
	__typeof__(slirp_new) *create;
	__typeof__(slirp_cleanup) *cleanup;
	__typeof__(slirp_pollfds_fill) *fill;
	__typeof__(slirp_pollfds_poll) *poll;
	__typeof__(slirp_input) *input;
	__typeof__(slirp_add_hostfwd) *add_hostfwd;
};

/*
 * Open the library; what it prints goes to log_guest() from then on, for a guest can make it print.
 * 0; or -errno after one log_error(). @nic is for the message.
 */
int slirp_lib_open(struct slirp_api *api, const char *nic);

#endif
