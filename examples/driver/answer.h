/* SPDX-License-Identifier: Apache-2.0 */
/* examples/driver/answer.h - a host with one address that answers ARP, ping and UDP echo */
#ifndef EXAMPLE_ANSWER_H
#define EXAMPLE_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

/* 10.0.2.15, as the guest of --net user is called. */
#define HOST_ADDRESS 0x0a00020fu

struct host {
	uint8_t mac[6];
	bool stop; /* somebody has sent a datagram to the discard port (9): the sign to end */
};

/* Turns @frame into its answer. Its length, or 0: there is none. */
uint32_t answer(struct host *h, uint8_t *frame, uint32_t len);

#endif
