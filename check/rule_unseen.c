/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that cannot be judged by looking at what a driver does to a device that behaves, and why. */
#include <string.h>

#include "check/rule.h"
#include "vmm/core/compiler.h"

/* clang-format off */
static const struct {
	const char *id, *why;
} unseen[] = {
	{"feat.validate-offer",
	 "It shows only when the offer contradicts itself, and doorbell refuses to offer such a set."},
	{"feat.fallback",
	 "It shows only when runs are compared, each with one feature less: --net ...,features=default-NAME."},
	{"feat.unknown-not-fatal",
	 "It shows only when something unknown is offered, and doorbell offers nothing that it does not have."},
	{"cfg.no-size-limit",
	 "It shows only when the config space is longer than it is here."},
	{"cfg.only-min-size",
	 "It shows only when the config space is longer or shorter than it is here."},
	{"cfg.reset-on-needs-reset-irq",
	 "The device says so only behind a broken rule, which is reported by itself, and the drivers in use, Linux among "
	 "them, do not look at Status then."},
	{"net.speed-unknown",
	 "What a driver makes of a speed stays within the guest."},
	{"net.rx-ignore-unknown-flags",
	 "It shows only when a frame comes with flags that do not exist, and these have none."},
	{"net.rx-single-without-mrg",
	 "It shows only when num_buffers is wrong, and here it is right."},
	{"net.tx-reclaim",
	 "A driver that has run out of descriptors just sends no more, as one does that has nothing to send."},
	{"net.rx-csum-fields",
	 "It shows only when the two fields hold what has no meaning, and here they are 0."},
	{"net.rx-no-trust-csum",
	 "It shows only in the answer to a frame that is damaged, and doorbell damages none."},
	{"net.rx-hdrlen-hint",
	 "It shows only when hdr_len is wrong, and here it is right or 0."},
	{"net.rx-num-buffers",
	 "A driver that puts a frame together wrongly keeps that to itself: ask it by an echo of long frames."},
	{"net.rx-num-buffers-sane",
	 "It shows only when num_buffers is wrong, and here it is right."},
	{"rssctx.id-range",
	 "doorbell does not have RSS_CONTEXT, so that there is no maximum."},
	{"rssctx.no-pairs-set",
	 "doorbell does not have RSS_CONTEXT, so that no context can exist."},
};
/* clang-format on */

const char *rule_unseen(const struct rule *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(unseen); i++)
		if (strcmp(unseen[i].id, r->id) == 0)
			return unseen[i].why;
	return NULL;
}
