/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/stop.h - Ctrl-C, while a row waits for something */
#ifndef DOORBELL_BENCH_STOP_H
#define DOORBELL_BENCH_STOP_H

/*
 * From here on signals that would end this process do not: the first one's number is stored where the result points to, 0
 * until then. They interrupt what waits (no SA_RESTART), and a program that is started has them as ever. Those that were
 * ignored still are.
 */
const volatile int *bench_stop_begin(void);

#endif
