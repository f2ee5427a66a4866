/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/rows_micro.h - the rows without a network */
#ifndef DOORBELL_BENCH_ROWS_MICRO_H
#define DOORBELL_BENCH_ROWS_MICRO_H

#include "bench/cmd/bench.h"

extern const struct bench_rows rows_micro;

#endif
