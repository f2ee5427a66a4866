/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/nic.h - one NIC put together: I/O threads, backend, virtio-net device, virtio-mmio registers */
#ifndef DOORBELL_NIC_H
#define DOORBELL_NIC_H

#include <jansson.h>
#include <pthread.h>

#include "boot/machine_map.h"
#include "devices/irq.h"
#include "devices/virtio_mmio.h"
#include "devices/virtio_net.h"
#include "net/net_backend.h"
#include "vmm/config.h"
#include "vmm/core/loop.h"
#include "vmm/kvm.h"
#include "vmm/samples.h"

struct bus;

struct nic {
	/* The host's side, which lives on when the guest reboots: nic_open(). */
	const struct nic_config *cfg; /* borrowed */
	struct loop *loop; /* its own thread; the only one that touches what follows ... */
	bool shares_loop;  /* with a NIC that was opened before: the end of a pair */
	struct loop *more_loops[VIRTIO_NET_PAIRS_MAX - 1]; /* ... but for queue pairs 1, 2, ... */
	struct net_backend *backend;
	uint64_t
		features; /* offered to the first driver, and so to every other; 0: not chosen yet */
	bool link, rings; /* what the next device begins with: nic_set_link(), nic_set_path() */

	/* The guest's side: nic_create(). */
	struct virtio_net *net;
	struct net_backend_stats stats_before[VIRTIO_NET_PAIRS_MAX]; /* of earlier devices */
	struct loop_stats loop_before[VIRTIO_NET_PAIRS_MAX];
	struct virtio_mmio mmio;
	/*
	 * irq=irqfd, and a NIC whose rings a peer may serve: a write is an interrupt, by whoever writes,
	 * since two who pulse one wire by different ways can swallow each other's edge. Else -1.
	 */
	int irq_fd;
	/* Several pairs without an irqfd: two threads that pulse one wire could swallow each other's edge. */
	struct irq_line wire;
	pthread_mutex_t wire_lock;
	gpa_t base;             /* of its registers */
	char *pcap;             /* where a capture goes, or NULL; owned */
	struct samples *pauses; /* of switches; NULL before the first */
	/* regs=page: */
	struct kvm *kvm; /* borrowed; NULL: regs=trap */
	uint8_t *page;   /* where they are memory of ours; the guest may only read it */
	int ack_fd;      /* eventfd that swallows InterruptACK; nobody listens */
};

/*
 * Open the backend, which waits for nobody longer than @deadline_ns (CLOCK_MONOTONIC, 0: no limit), and finds the other
 * end of a pair in @pairs (borrowed until nic_close(); NULL: there is none). 0 or -errno after one log_error(), with
 * nothing left behind.
 */
int nic_open(struct nic *n, const struct nic_config *cfg, uint64_t deadline_ns,
             struct net_pairs *pairs);
/*
 * Make the device; nothing runs yet. @mem is borrowed until nic_destroy(). 0 or -errno after one log_error(); with no
 * device left behind, but nic_destroy() is fine.
 */
int nic_make_device(struct nic *n, const struct gmem *mem);
int nic_start(struct nic *n); /* the capture and the I/O threads; 0 or -errno, logged */
/* When vCPUs are stopped. No callback runs any more; no-op when not started. */
void nic_stop(struct nic *n);
/* Who counts and may have a ring table: n->backend, or what its capture is around. NULL before there is one. */
struct net_backend *nic_backend(const struct nic *n);
struct loop *nic_loop(const struct nic *n, unsigned pair); /* that of queue pair @pair */
/* Any thread but the NIC's own: */
/* To @all: what its threads did that have ended by nic_stop(). */
void nic_add_ended_tasks(const struct nic *n, json_t *all);
json_t *nic_status(struct nic *n); /* link, driver, features; NULL: no memory */
void nic_set_link(struct nic *n, bool up);
/*
 * Who serves the rings: "pure" or what the backend has. 0 and *result (path, pause_ns, pause_at_ns); or -errno with
 * the reason in @why, and nothing has changed.
 */
int nic_set_path(struct nic *n, const char *path, json_t **result, char *why, size_t why_size);
/*
 * Capture its frames to @path from now on; NULL: no more. 0; or -errno with the reason in @why, and nothing has
 * changed: there is a capture, no frame passes here, the file cannot be written.
 */
int nic_set_pcap(struct nic *n, const char *path, char *why, size_t why_size);
/* After nic_stop(); a zeroed one is fine. The device goes, nic_create() may follow: */
void nic_destroy(struct nic *n);
void nic_close(struct nic *n); /* and so does the backend */

/* ---- vmm/nic_mmio.c: of a guest of ours */

/*
 * nic_make_device() with registers. @mem is borrowed until nic_destroy(), @irq is its wire for irq=ioctl.
 * 0 or -errno after one log_error(), with no device left behind.
 */
int nic_create(struct nic *n, const struct gmem *mem, struct irq_line irq);
/*
 * With regs=page: the page of its registers. Before KVM gets its interrupt controller, as all memory. @k is
 * borrowed until nic_destroy(). 0 or -errno, logged.
 */
int nic_map(struct nic *n, const struct machine_virtio *where, struct kvm *k);
/* Put its registers at @where, its doorbells and, with irq=irqfd, its interrupt into the kernel. 0 or -errno, logged. */
int nic_attach(struct nic *n, const struct machine_virtio *where, struct bus *mmio, struct kvm *k);
void nic_detach(struct nic *n);                              /* part of nic_destroy() */
void nic_describe_registers(const struct nic *n, json_t *o); /* part of nic_status() */

#endif
