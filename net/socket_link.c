/* SPDX-License-Identifier: Apache-2.0 */
#include "net/socket_link.h"

#include <stdio.h>
#include <string.h>

#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

/* Between two attempts; the second, doubled each time, when the last peer broke a rule. */
#define RETRY_NS     UINT64_C(100000000)
#define RETRY_MAX_NS UINT64_C(6400000000)

static void wake_at(struct socket_link *k, uint64_t when_ns)
{
	loop_timer_at(k->loop, &k->timer, when_ns);
}

static void on_timer(void *arg)
{
	struct socket_link *k = arg;

	if (!k->up && loop_now_ns() >= k->next_ns)
		k->look(k->arg);
	else if (!k->up)
		wake_at(k, k->next_ns);
	if (k->told == k->up)
		return;
	k->told = k->up;
	if (k->tell)
		k->tell(k->tell_arg, k->told);
}

int link_init(struct socket_link *k)
{
	k->timer = (struct loop_timer){.fn = on_timer, .arg = k};
	k->pause_ns = RETRY_NS;
	k->b->peer = "waiting";
	return loop_timer_make(k->loop, &k->timer); /* or there may be no next peer, ever */
}

void link_free(struct socket_link *k)
{
	if (k->timer.fn)
		loop_timer_off(&k->timer);
}

void link_up(struct socket_link *k)
{
	k->up = true;
	k->b->peer = "connected";
	if (k->was_up)
		k->b->stats.reconnects++;
	k->was_up = true;
	if (k->said[0])
		log_warn("%s: %s %s: the peer is there again", k->nic, k->b->kind, k->b->label);
	k->said[0] = '\0';
	wake_at(k, 0);
}

void link_lost(struct socket_link *k, bool refused, const char *why)
{
	k->up = false;
	k->b->peer = "waiting";
	k->pause_ns = refused ? min_u64(2 * k->pause_ns, RETRY_MAX_NS) : RETRY_NS;
	k->next_ns = loop_now_ns() + k->pause_ns;
	if (strcmp(k->said, why) != 0) {
		snprintf(k->said, sizeof(k->said), "%s", why);
		log_warn("%s: %s %s: the peer is lost: %s", k->nic, k->b->kind, k->b->label, why);
	}
	wake_at(k, 0);
}

void link_retry(struct socket_link *k)
{
	k->next_ns = loop_now_ns() + k->pause_ns;
	wake_at(k, k->next_ns);
}

bool link_attend(struct socket_link *k, void (*tell)(void *arg, bool up), void *arg)
{
	k->tell = tell;
	k->tell_arg = arg;
	k->told = k->up;
	return k->up;
}
