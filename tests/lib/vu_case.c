/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/vu_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/net_rig.h"

const struct net_common vu_case_common = {.nic = "net0", .mac = {2, 0, 0, 0, 0, 1}};

int vu_case_setup(struct vu_case *c)
{
	c->fds_before = count_fds();
	strcpy(c->dir, "/tmp/doorbell-vu-XXXXXX");
	if (!mkdtemp(c->dir))
		return -1;
	snprintf(c->path, sizeof(c->path), "%s/socket", c->dir);
	fake_peer_create(&c->peer, c->path);
	return 0;
}

int vu_case_teardown(struct vu_case *c)
{
	vu_rig_destroy(&c->rig);
	fake_peer_destroy(&c->peer);
	rmdir(c->dir);
	return count_fds() == c->fds_before ? 0 : -1;
}

int vu_case_create(struct vu_case *c, const char *more, const struct net_common *common)
{
	char keys[128];

	snprintf(keys, sizeof(keys), "socket=%s%s", c->path, more);
	return vu_rig_create(&c->rig, keys, common);
}

void vu_case_start(struct vu_case *c)
{
	fake_peer_listen(&c->peer);
	if (vu_case_create(c, "", &vu_case_common) < 0 || vu_rig_prepare(&c->rig) < 0) {
		fprintf(stderr, "vu_case: no NIC: %s\n", c->rig.why);
		abort();
	}
	vu_rig_up(&c->rig, 0);
	vu_rig_traffic(&c->rig, 100);
}

void vu_case_goes_on(struct vu_case *c)
{
	vu_rig_until_link(&c->rig, false);
	vu_rig_until_link(&c->rig, true);
	vu_rig_traffic(&c->rig, 50);
}

static bool each_lane(struct vu_case *c, bool (*is_so)(const struct vu_lane *l))
{
	vu_rig_reap(&c->rig);
	for (unsigned i = 0; i < c->rig.nr_lanes; i++)
		if (!is_so(&c->rig.lane[i]))
			return false;
	return true;
}

static bool has_all(const struct vu_lane *l)
{
	return l->received == l->sent;
}

bool vu_case_all_came(void *c)
{
	return each_lane(c, has_all);
}

static bool has_tx_back(const struct vu_lane *l)
{
	return l->nr_tx_free == VU_RIG_QUEUE;
}

bool vu_case_tx_back(void *c)
{
	return each_lane(c, has_tx_back);
}

void vu_case_settles(struct vu_case *c)
{
	vu_rig_until(&c->rig, vu_case_tx_back, c, "the driver does not get its frames back");
	vu_rig_until(&c->rig, vu_case_all_came, c, "frames were lost");
}
