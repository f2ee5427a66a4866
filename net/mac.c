/* SPDX-License-Identifier: Apache-2.0 */
#include "net/mac.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, uint8_t mac[6])
{
	static const uint8_t zero[6];
	uint8_t out[6];

	if (strlen(text) != MAC_TEXT - 1)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]);
		int low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	if ((out[0] & 1) || memcmp(out, zero, sizeof(out)) == 0)
		return -EADDRNOTAVAIL;
	memcpy(mac, out, sizeof(out));
	return 0;
}

void mac_print(const uint8_t mac[6], char text[MAC_TEXT])
{
	snprintf(text, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
	         mac[4], mac[5]);
}

void mac_pick(unsigned index, uint8_t mac[6])
{
	mac[0] = 0x02; /* locally administered, unicast */
	mac[1] = 'd';
	mac[2] = 'b';
	mac[3] = (uint8_t)(index >> 16);
	mac[4] = (uint8_t)(index >> 8);
	mac[5] = (uint8_t)index;
}
