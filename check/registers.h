/* SPDX-License-Identifier: Apache-2.0 */
/* check/registers.h - the registers, and what a driver's access to them is in words: for findings and for traces */
#ifndef DOORBELL_CHECK_REGISTERS_H
#define DOORBELL_CHECK_REGISTERS_H

#include <linux/virtio_mmio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct virtio_access;

#define QUEUE_RESET 0x0c0u /* since virtio 1.2; the UAPI header has no name for it */

/* What the driver may do to the register at @off, a multiple of 4 below the config space. */
enum register_kind { NO_REG, READ_ONLY, WRITE_ONLY, BOTH };
enum register_kind register_kind(uint32_t off, bool legacy); /* of version 1, or 2 */
/* A register with half an address of the selected queue. */
static inline bool is_ring_address(uint32_t off)
{
	switch (off) {
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		return true;
	default:
		return false;
	}
}

/* The name that virtio 1.2, 4.2.2 gives the register at @off, or 4.2.4 one of version 1; NULL: there is none. */
const char *register_name(uint32_t off);
/* "Status (0x070)", "byte 6 of the config space"; any @off. Returns @buf. */
const char *register_text(uint32_t off, char *buf, size_t size);
/* "0x3 to Status (0x070)"; any access. Returns @buf. */
const char *value_text(const struct virtio_access *a, char *buf, size_t size);
/* "write of 0x3 to Status (0x070)". Returns @buf. */
const char *access_text(const struct virtio_access *a, char *buf, size_t size);

#endif
