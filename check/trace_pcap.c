/* SPDX-License-Identifier: Apache-2.0 */
#include "check/trace_pcap.h"

#include <errno.h>
#include <string.h>

#include "check/trace.h"
#include "net/net_backend.h"
#include "vmm/core/compiler.h"

#define SECOND UINT64_C(1000000000) /* ns */

int trace_pcap_begin(struct trace_pcap *p, FILE *out, char *why, size_t why_size)
{
	int ret;

	*p = (struct trace_pcap){.dumper = NULL};
	ret = dl_open(&pcap_library, &p->api, why, why_size);
	if (ret < 0) {
		fclose(out);
		return ret;
	}
	p->pcap = p->api.open_dead(DLT_EN10MB, TRACE_DATA_MAX, PCAP_TSTAMP_PRECISION_NANO);
	if (!p->pcap) {
		fclose(out);
		snprintf(why, why_size, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	p->dumper = p->api.dump_fopen(p->pcap, out); /* closes it when it fails */
	if (p->dumper)
		return 0;
	snprintf(why, why_size, "%s", p->api.geterr(p->pcap));
	return -EIO;
}

int trace_pcap_add(struct trace_pcap *p, uint64_t began_ns, const struct trace_record *r)
{
	const uint64_t at = began_ns + r->ns;
	struct pcap_pkthdr h = {.ts.tv_sec = (time_t)(at / SECOND),
	                        .ts.tv_usec = (suseconds_t)(at % SECOND)}; /* nanoseconds */

	if (r->kind != TRACE_FRAME || r->len <= NET_HDR_LEN)
		return 0;
	h.caplen = r->len - NET_HDR_LEN;
	h.len = r->u.frame.bytes - NET_HDR_LEN;
	p->api.dump((u_char *)p->dumper, &h, r->data + NET_HDR_LEN);
	return ferror(p->api.dump_file(p->dumper)) ? -EIO : 0;
}

int trace_pcap_end(struct trace_pcap *p)
{
	int ret = 0;

	if (p->dumper) {
		ret = p->api.dump_flush(p->dumper) < 0 || ferror(p->api.dump_file(p->dumper)) ? -EIO
		                                                                              : 0;
		p->api.dump_close(p->dumper);
	}
	if (p->pcap)
		p->api.close(p->pcap);
	*p = (struct trace_pcap){.dumper = NULL};
	return ret;
}
