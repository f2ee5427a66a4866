/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/rows_net.h - rows of packets that go through a guest's network card */
#ifndef DOORBELL_BENCH_ROWS_NET_H
#define DOORBELL_BENCH_ROWS_NET_H

#include "bench/cmd/bench.h"

extern const struct bench_rows rows_net;

#endif
