/* SPDX-License-Identifier: Apache-2.0 */
#include "net/slirp_opt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/core/fd.h"

/*
 * "[ADDR]:PORT"; no ADDR is @otherwise. @text is cut up. 0 or -EINVAL.
 */
static int parse_end(char *text, uint32_t otherwise, struct in_addr *addr, uint16_t *port)
{
	char *colon = strchr(text, ':');
	uint64_t n;

	if (!colon || opt_parse_uint(colon + 1, &n) < 0 || n == 0 || n > UINT16_MAX)
		return -EINVAL;
	*colon = '\0';
	*port = (uint16_t)n;
	addr->s_addr = htonl(otherwise);
	return text[0] == '\0' || inet_pton(AF_INET, text, addr) == 1 ? 0 : -EINVAL;
}

/* 0; -EINVAL not of the form; -EADDRNOTAVAIL no address that the guest can have. @text is cut up. */
static int parse_fwd(char *text, struct slirp_fwd *f)
{
	char *colon = strchr(text, ':');
	char *dash = strchr(text, '-');
	uint32_t guest;

	if (!colon || !dash || colon > dash)
		return -EINVAL;
	*colon = *dash = '\0';
	f->udp = strcmp(text, "udp") == 0;
	if (!f->udp && strcmp(text, "tcp") != 0)
		return -EINVAL;
	/* Not 0.0.0.0: a port that the whole network can reach is to be asked for. */
	if (parse_end(colon + 1, INADDR_LOOPBACK, &f->host, &f->host_port) < 0 ||
	    parse_end(dash + 1, SLIRP_GUEST, &f->guest, &f->guest_port) < 0)
		return -EINVAL;
	guest = ntohl(f->guest.s_addr);
	if ((guest & SLIRP_MASK) != SLIRP_NET || guest == SLIRP_NET || guest == SLIRP_GATEWAY ||
	    guest == SLIRP_DNS || guest == (SLIRP_NET | ~SLIRP_MASK))
		return -EADDRNOTAVAIL;
	return 0;
}

static int parse_hostfwd(void *target, const char *value, char *why, size_t size)
{
	struct slirp_config *cfg = target;
	const size_t len = strlen(value);
	char text[SLIRP_FWD_TEXT];
	struct slirp_fwd f = {0};
	int ret = -EINVAL;

	if (cfg->nr_fwd == SLIRP_MAX_FWD) {
		snprintf(why, size, "more than %u of them", SLIRP_MAX_FWD);
		return -ENOSPC;
	}
	if (len < sizeof(text)) {
		memcpy(text, value, len + 1);
		ret = parse_fwd(text, &f);
	}
	if (ret == -EADDRNOTAVAIL)
		snprintf(why, size,
		         "the guest's address is one of " SLIRP_LABEL " but .0, .2, .3 and .255");
	else if (ret < 0)
		snprintf(why, size,
		         "allowed is tcp|udp:[ADDR]:PORT-[GUESTADDR]:PORT with IPv4 "
		         "addresses and ports 1 to 65535, as in tcp::8080-:80");
	else
		cfg->fwd[cfg->nr_fwd++] = f;
	return ret;
}

static int parse_hostname(void *target, const char *value, char *why, size_t size)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
	struct slirp_config *cfg = target;
	size_t len = strlen(value);

	if (len == 0 || len > SLIRP_HOSTNAME || value[strspn(value, allowed)] != '\0') {
		snprintf(why, size, "allowed are 1 to %u letters, digits and '-'", SLIRP_HOSTNAME);
		return -EINVAL;
	}
	memcpy(cfg->hostname, value, len + 1);
	return 0;
}

void slirp_defaults(void *config)
{
	struct slirp_config *cfg = config;

	cfg->ipv6 = true;
	cfg->join = true;
}

void slirp_fwd_print(const struct slirp_fwd *f, char text[SLIRP_FWD_TEXT])
{
	char host[INET_ADDRSTRLEN], guest[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &f->host, host, sizeof(host));
	inet_ntop(AF_INET, &f->guest, guest, sizeof(guest));
	snprintf(text, SLIRP_FWD_TEXT, "%s:%s:%u-%s:%u", f->udp ? "udp" : "tcp", host, f->host_port,
	         guest, f->guest_port);
}

int slirp_fwd_try(const struct slirp_fwd *f)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr = f->host,
		.sin_port = htons(f->host_port),
	};
	int s = socket(AF_INET, (f->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int one = 1, ret = 0;

	if (s < 0)
		return -errno;
	/* For TCP only: connections of an earlier run that are in TIME_WAIT do not count. */
	if (!f->udp)
		setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    (!f->udp && listen(s, 1) < 0))
		ret = -errno;
	fd_close(&s);
	return ret;
}

#define OFF(member) offsetof(struct slirp_config, member)

const struct opt_def slirp_keys[] = {
	{.name = "hostfwd",
         .type = OPT_CALL,
         .parse = parse_hostfwd,
         .repeatable = 1,
         .arg = "PROTO:[ADDR]:PORT-[GUESTADDR]:PORT",
         .help = "host port to guest port, tcp or udp; ADDR is 127.0.0.1 unless given; repeatable"},
	{.name = "restrict",
         .type = OPT_BOOL,
         .offset = OFF(restricted),
         .arg = "on|off",
         .help = "cut the guest off from host and network, but for hostfwd (default: off)"},
	{.name = "ipv6",
         .type = OPT_BOOL,
         .offset = OFF(ipv6),
         .arg = "on|off",
         .help = "announce fec0::/64 to the guest (default: on)"},
	{.name = "join",
         .type = OPT_BOOL,
         .offset = OFF(join),
         .arg = "on|off",
         .help = "TCP comes to the guest in large segments (default: on)"},
	{.name = "hostname",
         .type = OPT_CALL,
         .parse = parse_hostname,
         .arg = "NAME",
         .help = "the name that DHCP gives to the guest"},
	OPT_END,
};
