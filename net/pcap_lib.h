/* SPDX-License-Identifier: Apache-2.0 */
/* net/pcap_lib.h - what of libpcap is used: writing capture files */
#ifndef DOORBELL_PCAP_LIB_H
#define DOORBELL_PCAP_LIB_H

#include <pcap/pcap.h>

#include "net/dl.h"

struct pcap_api {
	__typeof__(pcap_open_dead_with_tstamp_precision) *open_dead;
	__typeof__(pcap_close) *close;
	__typeof__(pcap_geterr) *geterr;
	__typeof__(pcap_dump_fopen) *dump_fopen;
	__typeof__(pcap_dump) *dump;
	__typeof__(pcap_dump_file) *dump_file;
	__typeof__(pcap_dump_flush) *dump_flush;
	__typeof__(pcap_dump_close) *dump_close;
};

extern const struct dl_library pcap_library; /* dl_open() fills a struct pcap_api */

#endif
