/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend around another one that writes every frame it passes, both directions, to a capture file
 * for tcpdump and Wireshark: Ethernet, nanoseconds, without the virtio header. A frame that a
 * segmentation offload left whole is written whole, up to 64 KiB, and its checksum is what the guest
 * left for others to complete: what crossed the virtqueue, not what a wire would carry.
 *
 * One file for all queue pairs of a NIC. Each pair's wrapper is its own thread's, like the backend inside; the file
 * is shared, and a lock held for the time and the write of one record: records are whole, and in the order of their
 * times. So whoever reads a FIFO slowly holds up all pairs; whoever takes nothing for OUTFILE_PATIENCE_MS loses the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "net/net_backend.h"
#include "net/pcap_lib.h"
#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"
#include "vmm/core/log.h"
#include "vmm/core/outfile.h"

#define FRAME_MAX (NET_RECV_MAX - NET_HDR_LEN)

struct pcap_file;

struct net_pcap {
	struct net_backend b; /* first */
	struct net_backend *inner;
	struct pcap_file *file; /* in which it is */
	/* With done(): frames that are on their way, and those taken back, which come a second time. */
	unsigned on_way, again;
	bool taken_back, given_up; /* since done() was asked; given up: those do not come */
	uint8_t frame[FRAME_MAX];
};

struct pcap_file {
	struct pcap_api api;
	pcap_t *pcap;         /* what the file's header says */
	struct outfile file;  /* until it is the dumper's */
	pthread_mutex_t lock; /* of dumper, while pairs run */
	pcap_dumper_t *
		dumper; /* NULL before the capture begins, and once the file could not be written */
	_Atomic bool recording; /* there is one; a hint that spares the copy */
	struct net_pcap pair[];
};

static struct net_pcap *pcap_of(struct net_backend *b)
{
	return container_of(b, struct net_pcap, b);
}

static void end_dump(struct pcap_file *f)
{
	atomic_store_explicit(&f->recording, false, memory_order_relaxed);
	if (f->dumper)
		f->api.dump_close(f->dumper);
	f->dumper = NULL;
}

static void write_record(struct pcap_file *f, const uint8_t *frame, size_t len)
{
	struct pcap_pkthdr h;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	h.ts.tv_sec = now.tv_sec;
	h.ts.tv_usec = now.tv_nsec; /* nanoseconds, as the file was opened */
	h.caplen = h.len = (bpf_u_int32)len;
	f->api.dump((u_char *)f->dumper, &h, frame);
	/* At once: whatever ends this process, the file can be read up to here. */
	/* A frame larger than the stream's buffer is written, and may fail, in dump(): flushing has no error then. */
	if (f->api.dump_flush(f->dumper) < 0 || ferror(f->api.dump_file(f->dumper))) {
		log_warn("pcap: %s: the capture ends here", outfile_strerror(errno));
		end_dump(f);
	}
}

/* @bytes are those of header and frame. */
static void record(struct net_pcap *p, const struct iovec *iov, unsigned nr, ssize_t bytes)
{
	struct pcap_file *f = p->file;
	size_t len;

	if (!atomic_load_explicit(&f->recording, memory_order_relaxed) ||
	    bytes <= (ssize_t)NET_HDR_LEN)
		return;
	len = min_u32((uint32_t)bytes - NET_HDR_LEN, sizeof(p->frame));
	len = iov_read(iov, nr, NET_HDR_LEN, p->frame, len);
	pthread_mutex_lock(&f->lock);
	if (f->dumper)
		write_record(f, p->frame, len);
	pthread_mutex_unlock(&f->lock);
}

static ssize_t pcap_send(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pcap *p = pcap_of(b);
	ssize_t ret = p->inner->frame->send(p->inner, iov, nr);

	record(p, iov, nr, ret);
	return ret;
}

static ssize_t pcap_recv(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pcap *p = pcap_of(b);
	ssize_t ret = p->inner->frame->recv(p->inner, iov, nr);

	record(p, iov, nr, ret);
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

static void pcap_forget(struct net_backend *b)
{
	struct net_backend *inner = pcap_of(b)->inner;

	if (inner->frame->forget)
		inner->frame->forget(inner);
}

/* ---- around one that reads frames after send() */

static ssize_t pcap_send_for_later(struct net_backend *b, const struct iovec *iov, unsigned nr)
{
	struct net_pcap *p = pcap_of(b);
	ssize_t ret = p->inner->frame->send(p->inner, iov, nr);

	if (ret <= 0)
		return ret;
	p->on_way++;
	if (p->again)
		p->again--;
	else
		record(p, iov, nr, ret);
	return ret;
}

static unsigned pcap_done(struct net_backend *b)
{
	struct net_pcap *p = pcap_of(b);
	unsigned nr = p->inner->frame->done(p->inner);

	p->on_way -= nr;
	if (p->taken_back) {
		p->again = p->given_up ? 0 : p->again + p->on_way;
		p->on_way = 0;
	}
	p->taken_back = p->given_up = false;
	return nr;
}

static void pcap_recall(struct net_backend *b, bool again)
{
	struct net_pcap *p = pcap_of(b);

	p->inner->frame->recall(p->inner, again);
	p->taken_back = true;
	p->given_up |= !again;
}

/* Which takes them back as well. */
static void pcap_stop_and_recall(struct net_backend *b)
{
	pcap_stop(b);
	pcap_of(b)->taken_back = true;
}

/* The next driver sends others. */
static void pcap_forget_all(struct net_backend *b)
{
	struct net_pcap *p = pcap_of(b);

	pcap_forget(b);
	p->on_way = p->again = 0;
	p->taken_back = p->given_up = false;
}

/* Likewise of the first one: for all pairs. */
static int pcap_set_pairs(struct net_backend *b, unsigned nr)
{
	struct net_backend *inner = pcap_of(b)->inner;

	return inner->set_pairs(inner, nr);
}

static void free_file(struct pcap_file *f)
{
	end_dump(f);
	outfile_close(&f->file);
	if (f->pcap)
		f->api.close(f->pcap);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

struct net_backend *net_pcap_inner(struct net_backend *wrapper)
{
	return pcap_of(wrapper)->inner;
}

struct net_backend *net_pcap_unwrap(struct net_backend *wrapper)
{
	struct net_backend *inner = pcap_of(wrapper)->inner;

	free_file(pcap_of(wrapper)->file);
	return inner;
}

static void pcap_destroy(struct net_backend *b)
{
	net_destroy(net_pcap_unwrap(b));
}

#define OPS                                                                        \
	.start = pcap_start, .set_offloads = pcap_set_offloads, .recv = pcap_recv, \
	.want_recv = pcap_want_recv

static const struct net_frame_ops pcap_ops = {
	OPS,
	.stop = pcap_stop,
	.send = pcap_send,
	.forget = pcap_forget,
};
static const struct net_frame_ops pcap_done_ops = {
	OPS,
	.stop = pcap_stop_and_recall,
	.send = pcap_send_for_later,
	.done = pcap_done,
	.recall = pcap_recall,
	.forget = pcap_forget_all,
};

static bool is_stdout(const char *path)
{
	return strcmp(path, "-") == 0;
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
static int open_file_running(struct pcap_file *f, const char *path)
{
	int ret = is_stdout(path) ? outfile_open_stdout(&f->file) : outfile_open(&f->file, path);

	return ret == 0 && has_reader(f->file.fd) ? -ENXIO : ret;
}

static int begin(struct pcap_file *f)
{
	/* What is in the standard output already is not ours. */
	int ret = is_stdout(f->file.path) ? 0 : outfile_begin(&f->file);
	FILE *out;

	if (ret < 0)
		return ret;
	f->pcap = f->api.open_dead(DLT_EN10MB, FRAME_MAX, PCAP_TSTAMP_PRECISION_NANO);
	if (!f->pcap)
		return -ENOMEM;
	out = outfile_stream(&f->file);
	if (!out)
		return -errno;
	f->dumper = f->api.dump_fopen(f->pcap, out); /* closes it when it fails */
	if (!f->dumper)
		return -EIO;
	if (f->api.dump_flush(f->dumper) < 0)
		return -errno;
	atomic_store_explicit(&f->recording, true, memory_order_relaxed);
	return 0;
}

int net_pcap_begin(struct net_backend *b)
{
	struct pcap_file *f = pcap_of(b)->file;
	int ret;

	if (f->pcap)
		return 0;
	ret = begin(f);
	if (ret < 0)
		log_error("pcap=%s: the capture cannot be written: %s", f->file.path,
		          outfile_strerror(ret));
	return ret == -ETIMEDOUT ? -EIO : ret; /* it is not that of --timeout */
}

static bool pcap_attend(struct net_backend *b, void (*tell)(void *arg, bool up), void *arg)
{
	struct net_backend *inner = pcap_of(b)->inner;

	return inner->attend(inner, tell, arg);
}

static void init_wrapper(struct net_pcap *p, struct net_backend *b, struct pcap_file *f)
{
	p->inner = b;
	p->file = f;
	p->b.kind = b->kind;
	memcpy(p->b.label, b->label, sizeof(p->b.label));
	p->b.interface = b->interface;
	p->b.can = b->can;
	p->b.numbered = b->numbered;
	p->b.attend = b->attend ? pcap_attend : NULL;
	p->b.frame = b->frame->done ? &pcap_done_ops : &pcap_ops;
	p->b.set_pairs = b->set_pairs ? pcap_set_pairs : NULL;
	p->b.destroy = pcap_destroy;
}

/* Around @b and those of the other pairs, without a file yet. 0; or -errno with the reason in @why. */
static int make_wrappers(struct net_backend *b, struct pcap_file **out, char *why, size_t why_size)
{
	struct pcap_file *f;
	unsigned nr = 0;
	int ret;

	for (const struct net_backend *each = b; each; each = each->next)
		nr++;
	f = calloc(1, sizeof(*f) + nr * sizeof(f->pair[0]));
	if (!f) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	f->file = OUTFILE_NONE;
	pthread_mutex_init(&f->lock, NULL);
	for (unsigned i = 0; i < nr; i++, b = b->next) {
		init_wrapper(&f->pair[i], b, f);
		f->pair[i].b.next = i + 1 < nr ? &f->pair[i + 1].b : NULL;
	}
	ret = dl_open(&pcap_library, &f->api, why, why_size);
	if (ret < 0)
		free_file(f);
	else
		*out = f;
	return ret;
}

int net_pcap_wrap(const char *path, struct net_backend *b, struct net_backend **out, char *why,
                  size_t why_size)
{
	struct pcap_file *f;
	int ret = make_wrappers(b, &f, why, why_size);

	if (ret < 0)
		return ret;
	ret = open_file_running(f, path);
	if (ret < 0) {
		snprintf(why, why_size, "the capture cannot be written: %s",
		         ret == -ENXIO ? "a FIFO, which could hold up the guest, is possible only "
		                         "with pcap= of --net"
		                       : strerror(-ret));
		free_file(f);
		return ret;
	}
	*out = &f->pair[0].b;
	return 0;
}

int net_pcap_create(const char *path, uint64_t deadline_ns, struct net_backend *b,
                    struct net_backend **out)
{
	struct pcap_file *f;
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
	ret = make_wrappers(b, &f, why, sizeof(why));
	if (ret < 0) {
		log_error("pcap=%s: %s", path, why);
		net_destroy(b);
		return ret;
	}
	ret = is_stdout(path) ? outfile_open_stdout(&f->file)
	                      : outfile_open_by(&f->file, path, deadline_ns);
	if (ret < 0) {
		log_error("pcap=%s: the capture cannot be written: %s", path,
		          outfile_strerror(ret));
		net_destroy(&f->pair[0].b);
		return ret;
	}
	*out = &f->pair[0].b;
	return 0;
}
