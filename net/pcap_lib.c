/* SPDX-License-Identifier: Apache-2.0 */
#include "net/pcap_lib.h"

static const struct dl_function functions[] = {
	{"pcap_open_dead_with_tstamp_precision", offsetof(struct pcap_api, open_dead)},
	{"pcap_close", offsetof(struct pcap_api, close)},
	{"pcap_geterr", offsetof(struct pcap_api, geterr)},
	{"pcap_dump_fopen", offsetof(struct pcap_api, dump_fopen)},
	{"pcap_dump", offsetof(struct pcap_api, dump)},
	{"pcap_dump_file", offsetof(struct pcap_api, dump_file)},
	{"pcap_dump_flush", offsetof(struct pcap_api, dump_flush)},
	{"pcap_dump_close", offsetof(struct pcap_api, dump_close)},
	{.name = NULL},
};

const struct dl_library pcap_library = {
	.soname = "libpcap.so.0.8",
	.package = "libpcap0.8",
	.functions = functions,
};
