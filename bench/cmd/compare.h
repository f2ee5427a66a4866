/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/compare.h - two runs beside each other */
#ifndef DOORBELL_BENCH_COMPARE_H
#define DOORBELL_BENCH_COMPARE_H

/* The words behind "doorbell bench compare"; the exit status. */
int bench_compare_command(int argc, char **argv);

#endif
