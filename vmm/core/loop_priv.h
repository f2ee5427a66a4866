/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/loop_priv.h - what loop.c has for loop_timer.c */
#ifndef DOORBELL_LOOP_PRIV_H
#define DOORBELL_LOOP_PRIV_H

struct loop;

/* The loop's thread: a timer was set, or has fired. */
void loop_count_timer(struct loop *l);

#endif
