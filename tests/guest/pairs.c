// SPDX-License-Identifier: Apache-2.0
/* pairs INTERFACE NUMBER: have the driver use so many queue pairs, as ethtool -L INTERFACE combined NUMBER does. */
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

static int request(int s, struct ifreq *ifr, struct ethtool_channels *c, uint32_t cmd)
{
	c->cmd = cmd;
	if (ioctl(s, SIOCETHTOOL, ifr) == 0)
		return 0;
	fprintf(stderr, "pairs: %s: %s\n", ifr->ifr_name, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct ethtool_channels channels = {0};
	struct ifreq ifr = {.ifr_data = (void *)&channels};

	if (argc != 3 || strlen(argv[1]) >= sizeof(ifr.ifr_name)) {
		fprintf(stderr, "usage: pairs INTERFACE NUMBER\n");
		return 2;
	}
	strcpy(ifr.ifr_name, argv[1]);
	if (request(s, &ifr, &channels, ETHTOOL_GCHANNELS))
		return 1;
	channels.combined_count = (uint32_t)strtoul(argv[2], NULL, 0);
	return request(s, &ifr, &channels, ETHTOOL_SCHANNELS);
}
