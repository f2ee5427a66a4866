/* SPDX-License-Identifier: Apache-2.0 */
/* devices/net_features.h - names, dependencies and presets of the feature bits of a virtio-net device */
#ifndef DOORBELL_NET_FEATURES_H
#define DOORBELL_NET_FEATURES_H

#include <stddef.h>
#include <stdint.h>

struct net_feature {
	const char *name; /* "host_tso4", as in features= */
	unsigned bit;
	uint64_t needs_all; /* masks: virtio 1.2, 5.1.3.1 */
	uint64_t needs_any; /* at least one of these, when not 0 */
};

/* Ended by name NULL, in ascending order of bit. Only what this device implements (VERSION_1 among it). */
extern const struct net_feature net_features[];

/* All bits of the table, or 0-bit-less subsets of it. */
uint64_t net_features_known(void);

/* The first feature of @set whose needs are not in @set; NULL when the set is closed. */
const struct net_feature *net_features_missing(uint64_t set);

/* Remove from @set, again and again, what lacks its needs. */
uint64_t net_features_close(uint64_t set);

/*
 * The set that features= asks for, out of @can (what device and backend together honour).
 * @text is a preset (default = all of @can; minimal = VERSION_1, MAC, nothing that helps speed;
 * none = VERSION_1) followed by +name and -name. NULL is "default". VERSION_1 is always in.
 * Asking for a bit that is not in @can is an error; so is a set that is not closed; "default-x"
 * also removes what depends on x.
 * 0 and *out; or -EINVAL with the reason in @why (names the bit, why not, and what is allowed).
 */
int net_features_parse(const char *text, uint64_t can, uint64_t *out, char *why, size_t why_size);

/* "csum,host_tso4,..." into @buf, cut at @size; returns @buf. */
const char *net_features_print(uint64_t set, char *buf, size_t size);

#endif
