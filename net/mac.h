/* SPDX-License-Identifier: Apache-2.0 */
/* net/mac.h - Ethernet addresses */
#ifndef DOORBELL_MAC_H
#define DOORBELL_MAC_H

#include <stddef.h>
#include <stdint.h>

#define MAC_TEXT 18u /* "52:54:00:12:34:56" and NUL */

/*
 * "aa:bb:cc:dd:ee:ff", nothing else. 0; -EINVAL not of this form; -EADDRNOTAVAIL multicast bit set or
 * all zero: not an address that a NIC can have.
 */
int mac_parse(const char *text, uint8_t mac[6]);
void mac_print(const uint8_t mac[6], char text[MAC_TEXT]);
/* Locally administered, unicast, the same for the same @index in each run: reproducible guests. */
void mac_pick(unsigned index, uint8_t mac[6]);

#endif
