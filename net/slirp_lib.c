/* SPDX-License-Identifier: Apache-2.0 */
#include "net/slirp_lib.h"

#include "net/dl.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

#define NEEDED_FOR "user networking"

static const struct dl_function slirp_functions[] = {
	{"slirp_new", offsetof(struct slirp_api, create)},
	{"slirp_cleanup", offsetof(struct slirp_api, cleanup)},
	{"slirp_pollfds_fill", offsetof(struct slirp_api, fill)},
	{"slirp_pollfds_poll", offsetof(struct slirp_api, poll)},
	{"slirp_input", offsetof(struct slirp_api, input)},
	{"slirp_add_hostfwd", offsetof(struct slirp_api, add_hostfwd)},
	{.name = NULL},
};

static const struct dl_library slirp = {
	.soname = "libslirp.so.0",
	.package = "libslirp0",
	.functions = slirp_functions,
};

typedef void (*glib_print_fn)(const char *domain, unsigned level, const char *msg, void *arg);

/* libslirp prints by way of GLib. Its headers are not needed for one function. */
struct glib_api {
	glib_print_fn (*set_default_handler)(glib_print_fn fn, void *arg);
};

static const struct dl_function glib_functions[] = {
	{"g_log_set_default_handler", offsetof(struct glib_api, set_default_handler)},
	{.name = NULL},
};

static const struct dl_library glib = {
	.soname = "libglib-2.0.so.0",
	.package = "libglib2.0-0",
	.functions = glib_functions,
};

static void print(unused const char *domain, unused unsigned level, const char *msg,
                  unused void *arg)
{
	log_guest("user: libslirp: %s", msg);
}

int slirp_lib_open(struct slirp_api *api, const char *nic)
{
	struct glib_api g;
	char why[256];
	int ret = dl_open(&slirp, api, why, sizeof(why));

	if (ret == 0)
		ret = dl_open(&glib, &g, why, sizeof(why));
	if (ret != 0)
		log_error("%s: " NEEDED_FOR ": %s", nic, why);
	else
		g.set_default_handler(print, NULL);
	return ret;
}
