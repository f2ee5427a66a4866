/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/samples.h - the last so many values of something, and how they are distributed */
#ifndef DOORBELL_SAMPLES_H
#define DOORBELL_SAMPLES_H

#include <jansson.h>
#include <stdint.h>

#define SAMPLES_MAX 1024u

struct samples {
	uint64_t value[SAMPLES_MAX];
	uint64_t count; /* ever added; the last SAMPLES_MAX of them are kept */
};

void samples_add(struct samples *s, uint64_t value);
/*
 * {"count", "min_ns", "median_ns", "p99_ns", "max_ns"} of what is kept, which are nanoseconds; a quantile
 * is the smallest value that this part of them does not exceed. All 0 without values, and with @s NULL. NULL: no memory.
 */
json_t *samples_json(const struct samples *s);

#endif
