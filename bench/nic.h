/* SPDX-License-Identifier: Apache-2.0 */
/* bench/nic.h - a NIC of the product between a benchmark's driver and a backend
 *
 * Made as `doorbell backend --net ...` makes it; the rings are filled by the driver of the unit tests, in the caller's
 * thread. Whoever fails ends the process with a message.
 */
#ifndef DOORBELL_BENCH_NIC_H
#define DOORBELL_BENCH_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/fake_driver.h"
#include "vmm/nic.h"

#define BENCH_NUM  256u  /* entries of a ring, and buffers */
#define BENCH_SLOT 1536u /* bytes of a buffer, as Linux has them */
#define BENCH_HDR  12u
#define BENCH_LEN  64u /* bytes of a frame */

enum { BENCH_RX, BENCH_TX };

struct bench_nic {
	enum nic_kick kick; /* set before bench_nic_create(): NIC_KICK_INLINE, or not */
	struct nic_config cfg;
	struct nic nic;
	struct fake_mem mem;
	struct fake_dev dev;
	struct fake_vq vq[2];
	gpa_t slot[2]; /* of buffer 0 */
	int call_fd;   /* an eventfd: the interrupt */
};

_Noreturn void bench_die(const char *what);

/* --net @net, up to DRIVER_OK, all rx buffers posted, no interrupts wanted. Nobody turns its loop yet. */
void bench_nic_create(struct bench_nic *b, const char *net);
void bench_nic_destroy(struct bench_nic *b);

/* Put the next free buffer into a ring; there must be one. */
void bench_nic_add(struct bench_nic *b, unsigned ring);
/* Show the device what was added, and kick it if it wants that. */
void bench_nic_publish(struct bench_nic *b, unsigned ring);
/* Header and frame of a buffer; the next one that add() takes is vq[ring].free_head. */
uint8_t *bench_nic_buffer(struct bench_nic *b, unsigned ring, unsigned i);
/* A frame of BENCH_LEN bytes to @to, of a type for experiments. */
void bench_frame(uint8_t *p, const uint8_t to[6], const uint8_t from[6]);

#endif
