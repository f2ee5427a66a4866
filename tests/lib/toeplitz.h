/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/toeplitz.h - the values that Microsoft publishes for the hash of RSS, and frames that have them
 *
 * From "Verifying the RSS Hash Calculation".
 */
#ifndef DOORBELL_TESTS_TOEPLITZ_H
#define DOORBELL_TESTS_TOEPLITZ_H

#include <stddef.h>
#include <stdint.h>

#include "devices/rss.h"

#define TOEPLITZ_FRAME \
	(RSS_LOOK + 64u) /* bytes of any that toeplitz_frame() makes, and room behind */
#define TOEPLITZ_IP4 5u
#define TOEPLITZ_IP6 3u

struct toeplitz_vector {
	const char *dst, *src;
	uint16_t dport, sport;
	uint32_t addresses, with_ports; /* the hash over these */
};

extern const uint8_t toeplitz_key[RSS_KEY_MAX];
extern const struct toeplitz_vector toeplitz_ip4[TOEPLITZ_IP4], toeplitz_ip6[TOEPLITZ_IP6];

/* A frame of @family (AF_INET, AF_INET6) with addresses and ports of @v, zeros behind it; its length. */
size_t toeplitz_frame(uint8_t frame[TOEPLITZ_FRAME], int family, const struct toeplitz_vector *v,
                      uint8_t proto);

#endif
