/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that are not judged by themselves, and why: those that others are the parts of, that nothing here brings up, that leave no trace. */
#include <string.h>

#include "check/rule.h"
#include "vmm/core/compiler.h"

/* clang-format off */
static const struct {
	const char *id;
	enum rule_sight sight;
	const char *why;
} unseen[] = {
	{"cfg.reset-on-needs-reset-irq", RULE_UNSEEN,
	 "Drivers in use, Linux among them, do not look at Status when the device needs a reset: to report it would be to report everybody."
	 " --provoke needs-reset says who does not come back; who has looked is judged by status.needs-reset-no-trust."},
	{"rssctx.id-range", RULE_ABSENT,
	 "RSS_CONTEXT is bit 64 of version 1.4: a device of 1.2 and 1.3, as this one, has 64 bits, and no maximum to tell."},
	{"rssctx.no-pairs-set", RULE_ABSENT,
	 "RSS_CONTEXT is bit 64 of version 1.4: a device of 1.2 and 1.3, as this one, has 64 bits, and carries out no command that adds a context."},
	{"split.barrier-before-suppress-check", RULE_UNSEEN,
	 "A barrier has no trace but on a machine that reorders, and then seldom: the kick that is lost is notif.must-kick or event_idx.must-kick."},
	{"packed.barrier-before-event-read", RULE_UNSEEN,
	 "A barrier has no trace but on a machine that reorders, and then seldom: the kick that is lost is event_idx.must-kick."},
	{"packed.list-le-device-limit", RULE_ABSENT,
	 "No version has a field in which a network device could say such a limit (a block device has seg_max): what is left is the size of the ring, packed.list-le-queue-size."},
	{"mmio.devid0-silent", RULE_UNSEEN,
	 "It is words on a console, of which nobody can say for every kernel whether they are a complaint, and about which slot:"
	 " --provoke slots has such slots there, and what is printed is for you to read."},
	{"mmio.general-sequence", RULE_SUM,
	 "It is the sum of init.*, which have rules of their own."},
	{"feat.legacy-detect", RULE_SUM,
	 "It is the sum of what a driver does on version 1, which has rules of its own."},
	{"feat.legacy-obey-sections", RULE_SUM,
	 "It is the sum of what a driver does on version 1, which has rules of its own."},
	{"legacy.vq-endian", RULE_ABSENT,
	 "The byte order of guests here is the little one, so that it is the same in either version."},
	{"net.legacy-cfg-endian", RULE_ABSENT,
	 "The byte order of guests here is the little one, so that it is the same in either version."},
	{"net.legacy-hdr-endian", RULE_ABSENT,
	 "The byte order of guests here is the little one, so that it is the same in either version."},
	{"ctrl.mac-table-legacy-endian", RULE_ABSENT,
	 "The byte order of guests here is the little one, so that it is the same in either version."},
	{"ctrl.vlan-legacy-endian", RULE_ABSENT,
	 "The byte order of guests here is the little one, so that it is the same in either version."},
	{"mq.legacy-endian", RULE_ABSENT,
	 "The byte order of guests here is the little one, so that it is the same in either version."},
	{"offloads.legacy-endian", RULE_ABSENT,
	 "The byte order of guests here is the little one, so that it is the same in either version."},
	{"vqreset.verify", RULE_ABSENT,
	 "doorbell does not offer RING_RESET."},
	{"vqreset.reconfigure", RULE_ABSENT,
	 "doorbell does not offer RING_RESET."},
	{"packed.reset-wrap-on-reenable", RULE_ABSENT,
	 "doorbell does not offer RING_RESET."},
	{"mmio.qreset-wait", RULE_ABSENT,
	 "doorbell does not offer RING_RESET."},
};
/* clang-format on */

enum rule_sight rule_sight(const struct rule *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(unseen); i++)
		if (strcmp(unseen[i].id, r->id) == 0)
			return unseen[i].sight;
	return RULE_SEEN;
}

const char *rule_unseen(const struct rule *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(unseen); i++)
		if (strcmp(unseen[i].id, r->id) == 0)
			return unseen[i].why;
	return NULL;
}
