/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/metric.h - names of what is measured, and numbers for people */
#ifndef DOORBELL_BENCH_METRIC_H
#define DOORBELL_BENCH_METRIC_H

#include "bench/cmd/bench.h"

/* A name and its number: 16 characters. */
#define BENCH_NUMBER_MAX 24

const char *bench_trust_name(enum bench_trust t); /* "count" */
const char *bench_want_name(enum bench_want w);   /* "less" */
int bench_metric_of(const char *name); /* enum bench_metric_id, or -1: there is none of that name */

/* @v, finite, in four digits or so: "0.021", "812.4", "1234", "1234k". Returns @buf. */
const char *bench_number(char *buf, size_t size, double v);

#endif
