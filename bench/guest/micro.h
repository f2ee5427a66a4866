/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/micro.h - what the guests of bench/guest/CPU/micro.c and those who run them agree on */
#ifndef DOORBELL_BENCH_GUEST_MICRO_H
#define DOORBELL_BENCH_GUEST_MICRO_H

#define MICRO_ALIVE \
	0x20000 /* guest-physical: a word that changes as long as "spin" executes something */
#define MICRO_TRIPS      64 /* between two lines of "trip" */
#define MICRO_TRIPS_LINE "trips "
#define MICRO_READY_LINE "ready"
#define MICRO_INIT_LINE  "init-reached " /* and how old the kernel is, in us */

#endif
