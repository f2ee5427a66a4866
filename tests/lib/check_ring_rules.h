/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/check_ring_rules.h - the rules that test_check_ring.c, test_check_stall.c and test_check_notify.c have drivers for, not test_check.c */
#ifndef DOORBELL_TESTS_CHECK_RING_RULES_H
#define DOORBELL_TESTS_CHECK_RING_RULES_H

#include <stdbool.h>
#include <string.h>

#include "vmm/core/compiler.h"

/* clang-format off */
static const char *const check_ring_rules[] = {
	"packed.", "inorder.", "cleanup.no-alter-exposed", "indirect.table-stable", "split.few-descriptors",
	"split.avail-idx-start-0", "split.mem-zeroed", "notif.used-flags-init-0", "split.idx-wraps-16bit",
};

static const char *const check_stall_rules[] = {
	"notif.ignore-avail-event", "notif.no-kick-when-suppressed", "event_idx.ignore-used-flags",
	"event_idx.no-kick-otherwise", "event_idx.used-event-progress",
};

static const char *const check_notify_rules[] = {
	"notifdata.", "split.barrier-before-idx", "packed.barrier-before-flags", "split.used-tail-allocated",
};
/* clang-format on */

static inline bool begins_as_one_of(const char *id, const char *const *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (strncmp(id, list[i], strlen(list[i])) == 0)
			return true;
	return false;
}

static inline bool is_ring_rule(const char *id)
{
	return begins_as_one_of(id, check_ring_rules, ARRAY_SIZE(check_ring_rules)) &&
	       !begins_as_one_of(id, check_notify_rules, ARRAY_SIZE(check_notify_rules));
}

static inline bool is_stall_rule(const char *id)
{
	return begins_as_one_of(id, check_stall_rules, ARRAY_SIZE(check_stall_rules));
}

static inline bool is_notify_rule(const char *id)
{
	return begins_as_one_of(id, check_notify_rules, ARRAY_SIZE(check_notify_rules));
}

static inline bool is_rule_of_others(const char *id)
{
	return is_ring_rule(id) || is_stall_rule(id) || is_notify_rule(id);
}

#endif
