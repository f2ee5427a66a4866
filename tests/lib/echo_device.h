/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/echo_device.h - the smallest virtio device that does something
 *
 * Two queues. Each request's readable bytes are copied to its writable part, as many as fit; that many
 * are reported as used. The config space is a scratch pad.
 */
#ifndef DOORBELL_TESTS_ECHO_DEVICE_H
#define DOORBELL_TESTS_ECHO_DEVICE_H

#include <stdint.h>
#include <sys/uio.h>

#include "devices/virtio.h"
#include "vmm/core/loop.h"

#define ECHO_ID       42u
#define ECHO_QUEUES   2u
#define ECHO_NUM_MAX  64u
#define ECHO_CONFIG   12u                                       /* bytes */
#define ECHO_FEATURES (FEATURE(32) | FEATURE(28) | FEATURE(29)) /* VERSION_1, both ring features */

struct echo {
	struct virtio_dev dev;
	struct virtio_queue queue[ECHO_QUEUES];
	struct echo_port {
		struct echo *echo;
		struct virtio_queue *q;
		struct loop_fd watch;
	} port[ECHO_QUEUES];
	uint8_t config[ECHO_CONFIG];
	/* Looks at every chain before it is served; may be NULL. */
	void (*inspect)(struct echo *e, const struct vq *q, const struct vq_chain *c);
	uint64_t served;
	struct iovec iov[ECHO_NUM_MAX + 4];
};

/* 0 or -errno. @mem and @loop are borrowed; the loop must not run, now and at echo_destroy(). */
int echo_create(struct echo *e, const struct gmem *mem, struct loop *loop);
void echo_destroy(struct echo *e);

#endif
