/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind --net KIND, through the kinds' own tables: first byte the kind, the rest the keys. */
#include <stdalign.h>
#include <stdint.h>

#include "net/mac.h"
#include "net/net_backend.h"
#include "net/slirp_opt.h"
#include "tests/fuzz/input.h"
#include "vmm/core/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_forwards(const struct slirp_config *cfg)
{
	REQUIRE(cfg->nr_fwd <= SLIRP_MAX_FWD);
	REQUIRE(strnlen(cfg->hostname, sizeof(cfg->hostname)) <= SLIRP_HOSTNAME);
	for (unsigned i = 0; i < cfg->nr_fwd; i++) {
		const struct slirp_fwd *f = &cfg->fwd[i];
		char text[SLIRP_FWD_TEXT], keys[SLIRP_FWD_TEXT + 16];
		struct slirp_config again = {0};
		struct opt_group group = {slirp_keys, &again};

		REQUIRE(f->host_port != 0 && f->guest_port != 0);
		REQUIRE((ntohl(f->guest.s_addr) & SLIRP_MASK) == SLIRP_NET);
		/* What is printed means the same. */
		slirp_fwd_print(f, text);
		snprintf(keys, sizeof(keys), "hostfwd=%s", text);
		REQUIRE(opt_parse_keys(&group, 1, "again", keys) == 0);
		REQUIRE(again.nr_fwd == 1 && memcmp(&again.fwd[0].host, &f->host, 4) == 0 &&
		        memcmp(&again.fwd[0].guest, &f->guest, 4) == 0 &&
		        again.fwd[0].host_port == f->host_port &&
		        again.fwd[0].guest_port == f->guest_port && again.fwd[0].udp == f->udp);
	}
}

static void check_mac(const char *text)
{
	uint8_t mac[6], back[6];
	char printed[MAC_TEXT];

	if (mac_parse(text, mac) < 0)
		return;
	mac_print(mac, printed);
	REQUIRE(strlen(printed) == MAC_TEXT - 1 && mac_parse(printed, back) == 0);
	REQUIRE(memcmp(mac, back, 6) == 0 && !(mac[0] & 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	alignas(16) uint8_t config[NET_CONFIG_MAX] = {0};
	struct input in = {data, size};
	unsigned nr = 0, pick;
	const struct net_kind *k;
	struct opt_group group;
	char *text;

	while (net_kinds[nr])
		nr++;
	REQUIRE(nr > 0);
	pick = (unsigned)take(&in, 1) % nr;
	k = net_kinds[pick];
	text = malloc(in.left + 1);
	REQUIRE(text && k->config_size <= sizeof(config) && net_kind_find(k->name) == k);
	memcpy(text, in.p, in.left);
	text[in.left] = '\0';
	log_set_level((enum log_level) - 1);
	if (k->config_init)
		k->config_init(config);
	group = (struct opt_group){k->keys, config};
	if (opt_parse_keys(&group, 1, k->name, text) == 0 && strcmp(k->name, "user") == 0)
		check_forwards((const struct slirp_config *)(const void *)config);
	opt_keys_free(k->keys, config);
	check_mac(text);
	free(text);
	return 0;
}
