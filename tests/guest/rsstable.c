// SPDX-License-Identifier: Apache-2.0
/*
 * rsstable INTERFACE QUEUE...: have the card's RSS table name these receive queues in turn, as ethtool -X does.
 * Prints the number of entries.
 */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define ENTRIES_MAX 1024u

static union {
	struct ethtool_rxfh_indir head;
	uint32_t words[3 + ENTRIES_MAX];
} table;

static int request(int s, struct ifreq *ifr, uint32_t cmd, uint32_t entries)
{
	table.head.cmd = cmd;
	table.head.size = entries;
	if (ioctl(s, SIOCETHTOOL, ifr) == 0)
		return 0;
	fprintf(stderr, "rsstable: %s: %s\n", ifr->ifr_name, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq ifr = {.ifr_data = (void *)&table};
	uint32_t entries;

	if (argc < 3 || strlen(argv[1]) >= sizeof(ifr.ifr_name)) {
		fprintf(stderr, "usage: rsstable INTERFACE QUEUE...\n");
		return 2;
	}
	strcpy(ifr.ifr_name, argv[1]);
	if (request(s, &ifr, ETHTOOL_GRXFHINDIR, 0))
		return 1;
	entries = table.head.size;
	if (entries > ENTRIES_MAX)
		return 1;
	for (uint32_t i = 0; i < entries; i++)
		table.head.ring_index[i] =
			(uint32_t)strtoul(argv[2 + i % (uint32_t)(argc - 2)], NULL, 0);
	if (request(s, &ifr, ETHTOOL_SRXFHINDIR, entries))
		return 1;
	printf("%u entries\n", entries);
	return 0;
}
