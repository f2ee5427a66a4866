/* SPDX-License-Identifier: Apache-2.0 */
/* net/vhost_user_msg.h - what goes over a vhost-user socket, and what of it is believed
 *
 * QEMU's docs/interop/vhost-user.rst is the specification. The front-end owns the rings, the back-end
 * serves them; we can be either (net/vhost_user.c, vmm/vhost_server.c). A message is a header, a payload, and descriptors that
 * come with the first byte of the header. Numbers are in the order of the host.
 */
#ifndef DOORBELL_VHOST_USER_MSG_H
#define DOORBELL_VHOST_USER_MSG_H

#include <linux/vhost_types.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/core/gmem.h"

/* From front-end to back-end. */
enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_NET_SET_MTU = 20,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_GET_INFLIGHT_FD = 31,
	VU_SET_INFLIGHT_FD = 32,
	VU_SET_STATUS = 39,
	VU_GET_STATUS = 40,
};

/* From back-end to front-end, over the socket of VU_SET_BACKEND_REQ_FD. */
enum vu_back_request {
	VU_BACK_CONFIG_CHANGED = 2,
};

/* Bit numbers. */
#define VU_F_PROTOCOL_FEATURES 30 /* among the virtio features: the next ones exist */
#define VU_PROTOCOL_MQ         0
#define VU_PROTOCOL_REPLY_ACK  3
#define VU_PROTOCOL_NET_MTU    4
#define VU_PROTOCOL_BACKEND    5
#define VU_PROTOCOL_CONFIG     9
#define VU_PROTOCOL_INFLIGHT   12
#define VU_PROTOCOL_STATUS     16

#define VU_VERSION       1u
#define VU_VERSION_MASK  3u
#define VU_REPLY         4u
#define VU_NEED_REPLY    8u
#define VU_FDS_MAX       8u             /* with one message */
#define VU_CONFIG_MAX    256u           /* bytes of config space in one message: those of QEMU */
#define VU_CONFIG_HEADER 12u            /* bytes before these */
#define VU_RING_MASK     UINT64_C(0xff) /* of the number that names a ring */
#define VU_NO_FD         FEATURE(8)     /* in the number that names a ring: no descriptor */
#define VU_INFLIGHT_MAX  ((uint64_t)1 << 24) /* bytes: far above what the rings can need */

struct vu_header {
	uint32_t request, flags, size; /* size: bytes of payload */
};
_Static_assert(sizeof(struct vu_header) == 12, "as it is on the wire");

struct vu_region {
	uint64_t guest, size, user,
		offset; /* guest address, bytes, our address, place in the file */
};

struct vu_memory {
	uint32_t nr, padding;
	struct vu_region region[GMEM_MAX_REGIONS];
};

struct vu_inflight {
	uint64_t size, offset;
	uint16_t nr_rings, ring_size;
};

struct vu_config {
	uint32_t offset, size, flags;
	uint8_t bytes[VU_CONFIG_MAX];
};
_Static_assert(offsetof(struct vu_config, bytes) == VU_CONFIG_HEADER, "as it is on the wire");

union vu_payload {
	uint64_t number;
	struct vhost_vring_state ring;
	struct vhost_vring_addr addr;
	struct vu_memory memory;
	struct vu_inflight inflight;
	struct vu_config config;
};

struct vu_msg {
	struct vu_header h;
	union vu_payload p; /* h.size bytes of it are valid */
	int fd[VU_FDS_MAX]; /* owned by whoever has the message */
	unsigned nr_fds;
};

/* A message whose answer is due. */
struct vu_sent {
	uint32_t request;
	uint32_t index; /* VU_GET_VRING_BASE: which ring */
	uint32_t size;  /* VU_GET_CONFIG: bytes asked for; VU_GET_INFLIGHT_FD: number of rings */
};

/* As back-end: the answer to @to, of no bytes; its flags are set. */
void vu_answer(const struct vu_msg *to, struct vu_msg *answer);

const char *vu_name(uint32_t request); /* "GET_FEATURES"; "?" */
/* Does the peer always answer it? Otherwise only with VU_NEED_REPLY: a number, 0 for good. */
bool vu_is_question(uint32_t request);

/*
 * The one place where a peer's messages are judged; nothing is used before. 0; or -EPROTO with what is
 * wrong in @why. The first is asked when there is a header only: may its payload be read?
 */
int vu_check_header(const struct vu_header *h, char *why, size_t why_size);
/* As back-end: a request. One that we do not know is 0, too: vu_name() is "?" then. */
int vu_check_request(const struct vu_msg *m, char *why, size_t why_size);
/* As front-end: */
int vu_check_answer(const struct vu_msg *m, const struct vu_sent *to, char *why, size_t why_size);
int vu_check_back_request(const struct vu_msg *m, char *why, size_t why_size);

/* Payload and descriptors (borrowed) of VU_SET_MEM_TABLE. 0; or -EINVAL when @m is not shared memory. */
int vu_memory_of(const struct gmem *m, struct vu_msg *out);

#endif
