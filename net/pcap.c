/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend around another one that writes every frame it passes, both directions, to a capture file
 * for tcpdump and Wireshark: Ethernet, nanoseconds, without the virtio header. A frame that a
 * segmentation offload left whole is written whole, up to 64 KiB, and its checksum is what the guest
 * left for others to complete: what crossed the virtqueue, not what a wire would carry.
 */
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "net/dl.h"
#include "net/net_backend.h"
#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"
#include "vmm/core/log.h"
#include "vmm/core/outfile.h"

#define FRAME_MAX (NET_RECV_MAX - NET_HDR_LEN)

struct pcap_api {
	__typeof__(pcap_open_dead_with_tstamp_precision) *open_dead;
	__typeof__(pcap_close) *close;
	__typeof__(pcap_geterr) *geterr;
	__typeof__(pcap_dump_fopen) *dump_fopen;
	__typeof__(pcap_dump) *dump;
	__typeof__(pcap_dump_flush) *dump_flush;
	__typeof__(pcap_dump_close) *dump_close;
};

static const struct dl_function functions[] = {
	{"pcap_open_dead_with_tstamp_precision", offsetof(struct pcap_api, open_dead)},
	{"pcap_close", offsetof(struct pcap_api, close)},
	{"pcap_geterr", offsetof(struct pcap_api, geterr)},
	{"pcap_dump_fopen", offsetof(struct pcap_api, dump_fopen)},
	{"pcap_dump", offsetof(struct pcap_api, dump)},
	{"pcap_dump_flush", offsetof(struct pcap_api, dump_flush)},
	{"pcap_dump_close", offsetof(struct pcap_api, dump_close)},
	{.name = NULL},
};

static const struct dl_library library = {
	.soname = "libpcap.so.0.8",
	.package = "libpcap0.8",
	.functions = functions,
};

struct net_pcap {
	struct net_backend b; /* first */
	struct net_backend *inner;
	struct pcap_api api;
	pcap_t *pcap;        /* what the file's header says */
	struct outfile file; /* until it is the dumper's */
	/* NULL before the capture begins, and once the file could not be written */
	pcap_dumper_t *dumper;
	uint8_t frame[FRAME_MAX];
};

static struct net_pcap *pcap_of(struct net_backend *b)
{
	return container_of(b, struct net_pcap, b);
}

/* @bytes are those of header and frame. */
static void record(struct net_pcap *p, const struct iovec *iov, unsigned nr, ssize_t bytes)
{
	struct pcap_pkthdr h;
	struct timespec now;
	size_t len;

	if (!p->dumper || bytes <= (ssize_t)NET_HDR_LEN)
		return;
	len = min_u32((uint32_t)bytes - NET_HDR_LEN, sizeof(p->frame));
	len = iov_read(iov, nr, NET_HDR_LEN, p->frame, len);
	clock_gettime(CLOCK_REALTIME, &now);
	h.ts.tv_sec = now.tv_sec;
	h.ts.tv_usec = now.tv_nsec; /* nanoseconds, as the file was opened */
	h.caplen = h.len = (bpf_u_int32)len;
	p->api.dump((u_char *)p->dumper, &h, p->frame);
	/* At once: whatever ends this process, the file can be read up to here. */
	if (p->api.dump_flush(p->dumper) < 0) {
		log_warn("pcap: %s: the capture ends here", strerror(errno));
		p->api.dump_close(p->dumper);
		p->dumper = NULL;
	}
}

/* Readers of the counters know only the outer backend. */
static void show_stats(struct net_pcap *p)
{
	p->b.stats = p->inner->stats;
}

static ssize_t pcap_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pcap *p = pcap_of(b);
	ssize_t ret = p->inner->frame->send(p->inner, iov, nr);

	record(p, iov, nr, ret);
	show_stats(p);
	return ret;
}

static ssize_t pcap_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pcap *p = pcap_of(b);
	ssize_t ret = p->inner->frame->recv(p->inner, iov, nr);

	record(p, iov, nr, ret);
	show_stats(p);
	return ret;
}

static int pcap_start(struct net_backend *b, uint64_t offloads, const struct net_sink *s)
{
	struct net_backend *inner = pcap_of(b)->inner;

	return inner->frame->start(inner, offloads, s);
}

static void pcap_stop(struct net_backend *b)
{
	struct net_backend *inner = pcap_of(b)->inner;

	inner->frame->stop(inner);
	show_stats(pcap_of(b));
}

static int pcap_set_offloads(struct net_backend *b, uint64_t offloads)
{
	struct net_backend *inner = pcap_of(b)->inner;

	return inner->frame->set_offloads(inner, offloads);
}

static void pcap_want_recv(struct net_backend *b, bool on)
{
	struct net_backend *inner = pcap_of(b)->inner;

	inner->frame->want_recv(inner, on);
}

static void free_pcap(struct net_pcap *p)
{
	if (p->dumper)
		p->api.dump_close(p->dumper);
	outfile_close(&p->file);
	if (p->pcap)
		p->api.close(p->pcap);
	free(p);
}

struct net_backend *net_pcap_inner(struct net_backend *wrapper)
{
	return pcap_of(wrapper)->inner;
}

struct net_backend *net_pcap_unwrap(struct net_backend *wrapper)
{
	struct net_pcap *p = pcap_of(wrapper);
	struct net_backend *inner = p->inner;

	free_pcap(p);
	return inner;
}

static void pcap_destroy(struct net_backend *b)
{
	net_destroy(net_pcap_unwrap(b));
}

static const struct net_frame_ops pcap_ops = {
	.start = pcap_start,
	.stop = pcap_stop,
	.set_offloads = pcap_set_offloads,
	.send = pcap_send,
	.recv = pcap_recv,
	.want_recv = pcap_want_recv,
};

static bool is_stdout(const char *path)
{
	return strcmp(path, "-") == 0;
}

static int open_file(struct net_pcap *p, const char *path, int flags)
{
	int ret = 0;

	if (!is_stdout(path))
		ret = outfile_open(&p->file, path, flags);
	else if ((p->file.fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)) < 0)
		ret = -errno;
	p->file.path = path;
	return ret;
}

/* Something with another end, which decides when a write goes on. */
static bool has_reader(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/*
 * While guests run: neither the opening nor a write may wait for somebody. A FIFO that nobody reads
 * is ENXIO without waiting, one that is read could stop being read.
 */
static int open_file_running(struct net_pcap *p, const char *path)
{
	int ret = open_file(p, path, O_NONBLOCK);

	return ret == 0 && has_reader(p->file.fd) ? -ENXIO : ret;
}

static int begin(struct net_pcap *p)
{
	/* What is in the standard output already is not ours. */
	int ret = is_stdout(p->file.path) ? 0 : outfile_begin(&p->file);
	FILE *out;

	if (ret < 0)
		return ret;
	p->pcap = p->api.open_dead(DLT_EN10MB, FRAME_MAX, PCAP_TSTAMP_PRECISION_NANO);
	if (!p->pcap)
		return -ENOMEM;
	out = fdopen(p->file.fd, "w");
	if (!out)
		return -errno;
	outfile_take(&p->file);
	p->dumper = p->api.dump_fopen(p->pcap, out); /* closes it when it fails */
	if (!p->dumper)
		return -EIO;
	return p->api.dump_flush(p->dumper) < 0 ? -errno : 0;
}

int net_pcap_begin(struct net_backend *b)
{
	struct net_pcap *p = pcap_of(b);
	int ret;

	if (p->pcap)
		return 0;
	ret = begin(p);
	if (ret < 0)
		log_error("pcap=%s: the capture cannot be written: %s", p->file.path,
		          strerror(-ret));
	return ret;
}

static bool pcap_attend(struct net_backend *b, void (*tell)(void *arg, bool up), void *arg)
{
	struct net_backend *inner = pcap_of(b)->inner;

	return inner->attend(inner, tell, arg);
}

/* Around @b, without a file yet. */
static int make_wrapper(struct net_backend *b, struct net_pcap **out, char *why, size_t why_size)
{
	struct net_pcap *p = calloc(1, sizeof(*p));
	int ret;

	if (!p) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	p->inner = b;
	p->file = OUTFILE_NONE;
	p->b.kind = b->kind;
	memcpy(p->b.label, b->label, sizeof(p->b.label));
	p->b.interface = b->interface;
	p->b.can = b->can;
	p->b.stats = b->stats;
	p->b.numbered = b->numbered;
	p->b.attend = b->attend ? pcap_attend : NULL;
	p->b.frame = &pcap_ops;
	p->b.destroy = pcap_destroy;
	ret = dl_open(&library, &p->api, why, why_size);
	if (ret < 0) {
		free_pcap(p);
		return ret;
	}
	*out = p;
	return 0;
}

int net_pcap_wrap(const char *path, struct net_backend *b, struct net_backend **out, char *why,
                  size_t why_size)
{
	struct net_pcap *p;
	int ret = make_wrapper(b, &p, why, why_size);

	if (ret < 0)
		return ret;
	ret = open_file_running(p, path);
	if (ret < 0) {
		snprintf(why, why_size, "the capture cannot be written: %s",
		         ret == -ENXIO ? "a FIFO, which could hold up the guest, is possible only "
		                         "with pcap= of --net"
		                       : strerror(-ret));
		free_pcap(p);
		return ret;
	}
	*out = &p->b;
	return 0;
}

int net_pcap_create(const char *path, struct net_backend *b, struct net_backend **out)
{
	struct net_pcap *p = NULL;
	char why[256];
	int ret;

	*out = NULL;
	if (b->ring_first) {
		log_error("pcap=%s and path=%s exclude each other: no frame passes through "
		          "doorbell there",
		          path, b->ring->name);
		net_destroy(b);
		return -EINVAL;
	}
	if (b->next) {
		log_error(
			"pcap=%s and queues= above 1 exclude each other: one file, several threads",
			path);
		net_destroy(b);
		return -EINVAL;
	}
	ret = make_wrapper(b, &p, why, sizeof(why));
	if (ret == 0) {
		ret = open_file(p, path, 0);
		snprintf(why, sizeof(why), "the capture cannot be written: %s", strerror(-ret));
	}
	if (ret < 0) {
		log_error("pcap=%s: %s", path, why);
		if (p)
			free_pcap(p);
		net_destroy(b);
		return ret;
	}
	*out = &p->b;
	return 0;
}
