/* SPDX-License-Identifier: Apache-2.0 */
/* check/trace_pcap.h - the frames of a recording as a capture, for tcpdump and Wireshark */
#ifndef DOORBELL_CHECK_TRACE_PCAP_H
#define DOORBELL_CHECK_TRACE_PCAP_H

#include <stdint.h>
#include <stdio.h>

#include "net/pcap_lib.h"

struct trace_record;

struct trace_pcap {
	struct pcap_api api;
	pcap_t *pcap;
	pcap_dumper_t *dumper;
};

/* @out is taken, also on failure. 0; or -errno with the reason in @why. trace_pcap_end() in every case. */
int trace_pcap_begin(struct trace_pcap *p, FILE *out, char *why, size_t why_size);
/* A frame; no-op with other records. @began_ns: CLOCK_REALTIME of time 0. 0 or -errno. */
int trace_pcap_add(struct trace_pcap *p, uint64_t began_ns, const struct trace_record *r);
int trace_pcap_end(struct trace_pcap *p); /* 0 or -errno */

#endif
