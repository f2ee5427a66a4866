/* SPDX-License-Identifier: Apache-2.0 */
#include "check/registers.h"

#include <inttypes.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>

#include "check/rule.h"
#include "devices/virtio_watch.h"
#include "vmm/core/compiler.h"

static enum register_kind modern_register(uint32_t off)
{
	switch (off) {
	case VIRTIO_MMIO_MAGIC_VALUE:
	case VIRTIO_MMIO_VERSION:
	case VIRTIO_MMIO_DEVICE_ID:
	case VIRTIO_MMIO_VENDOR_ID:
	case VIRTIO_MMIO_DEVICE_FEATURES:
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
	case VIRTIO_MMIO_INTERRUPT_STATUS:
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return READ_ONLY;
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
	case VIRTIO_MMIO_DRIVER_FEATURES:
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
	case VIRTIO_MMIO_QUEUE_SEL:
	case VIRTIO_MMIO_QUEUE_NUM:
	case VIRTIO_MMIO_QUEUE_NOTIFY:
	case VIRTIO_MMIO_INTERRUPT_ACK:
	case VIRTIO_MMIO_SHM_SEL:
		return WRITE_ONLY;
	case VIRTIO_MMIO_QUEUE_READY:
	case VIRTIO_MMIO_STATUS:
	case QUEUE_RESET:
		return BOTH;
	default:
		return is_ring_address(off) ? WRITE_ONLY : NO_REG;
	}
}

static enum register_kind legacy_register(uint32_t off)
{
	switch (off) {
	case VIRTIO_MMIO_MAGIC_VALUE:
	case VIRTIO_MMIO_VERSION:
	case VIRTIO_MMIO_DEVICE_ID:
	case VIRTIO_MMIO_VENDOR_ID:
	case VIRTIO_MMIO_DEVICE_FEATURES:
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return READ_ONLY;
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
	case VIRTIO_MMIO_DRIVER_FEATURES:
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
	case VIRTIO_MMIO_GUEST_PAGE_SIZE:
	case VIRTIO_MMIO_QUEUE_SEL:
	case VIRTIO_MMIO_QUEUE_NUM:
	case VIRTIO_MMIO_QUEUE_ALIGN:
	case VIRTIO_MMIO_QUEUE_NOTIFY:
	case VIRTIO_MMIO_INTERRUPT_ACK:
		return WRITE_ONLY;
	case VIRTIO_MMIO_QUEUE_PFN:
	case VIRTIO_MMIO_STATUS:
		return BOTH;
	default:
		return NO_REG;
	}
}

enum register_kind register_kind(uint32_t off, bool legacy)
{
	return legacy ? legacy_register(off) : modern_register(off);
}

const char *register_name(uint32_t off)
{
	static const char *const names[VIRTIO_MMIO_CONFIG] = {
		[VIRTIO_MMIO_MAGIC_VALUE] = "MagicValue",
		[VIRTIO_MMIO_VERSION] = "Version",
		[VIRTIO_MMIO_DEVICE_ID] = "DeviceID",
		[VIRTIO_MMIO_VENDOR_ID] = "VendorID",
		[VIRTIO_MMIO_DEVICE_FEATURES] = "DeviceFeatures",
		[VIRTIO_MMIO_DEVICE_FEATURES_SEL] = "DeviceFeaturesSel",
		[VIRTIO_MMIO_DRIVER_FEATURES] = "DriverFeatures",
		[VIRTIO_MMIO_DRIVER_FEATURES_SEL] = "DriverFeaturesSel",
		[VIRTIO_MMIO_GUEST_PAGE_SIZE] = "GuestPageSize",
		[VIRTIO_MMIO_QUEUE_SEL] = "QueueSel",
		[VIRTIO_MMIO_QUEUE_NUM_MAX] = "QueueNumMax",
		[VIRTIO_MMIO_QUEUE_NUM] = "QueueNum",
		[VIRTIO_MMIO_QUEUE_ALIGN] = "QueueAlign",
		[VIRTIO_MMIO_QUEUE_PFN] = "QueuePFN",
		[VIRTIO_MMIO_QUEUE_READY] = "QueueReady",
		[VIRTIO_MMIO_QUEUE_NOTIFY] = "QueueNotify",
		[VIRTIO_MMIO_INTERRUPT_STATUS] = "InterruptStatus",
		[VIRTIO_MMIO_INTERRUPT_ACK] = "InterruptACK",
		[VIRTIO_MMIO_STATUS] = "Status",
		[VIRTIO_MMIO_QUEUE_DESC_LOW] = "QueueDescLow",
		[VIRTIO_MMIO_QUEUE_DESC_HIGH] = "QueueDescHigh",
		[VIRTIO_MMIO_QUEUE_AVAIL_LOW] = "QueueDriverLow",
		[VIRTIO_MMIO_QUEUE_AVAIL_HIGH] = "QueueDriverHigh",
		[VIRTIO_MMIO_QUEUE_USED_LOW] = "QueueDeviceLow",
		[VIRTIO_MMIO_QUEUE_USED_HIGH] = "QueueDeviceHigh",
		[VIRTIO_MMIO_SHM_SEL] = "SHMSel",
		[VIRTIO_MMIO_SHM_LEN_LOW] = "SHMLenLow",
		[VIRTIO_MMIO_SHM_LEN_HIGH] = "SHMLenHigh",
		[VIRTIO_MMIO_SHM_BASE_LOW] = "SHMBaseLow",
		[VIRTIO_MMIO_SHM_BASE_HIGH] = "SHMBaseHigh",
		[VIRTIO_MMIO_CONFIG_GENERATION] = "ConfigGeneration",
	};

	return off < ARRAY_SIZE(names) ? names[off] : NULL;
}

const char *register_text(uint32_t off, char *buf, size_t size)
{
	const char *name = register_name(off);

	if (off >= VIRTIO_MMIO_CONFIG)
		snprintf(buf, size, "byte %" PRIu32 " of the config space",
		         off - VIRTIO_MMIO_CONFIG);
	else
		snprintf(buf, size, "%s (0x%03" PRIx32 ")", name ? name : "no register", off);
	return buf;
}

const char *value_text(const struct virtio_access *a, char *buf, size_t size)
{
	char width[24] = "", reg[48];

	if (a->size != 4)
		snprintf(width, sizeof(width), ", %u byte%s", a->size, plural(a->size));
	snprintf(buf, size, "0x%" PRIx64 " %s %s%s", a->val, a->write ? "to" : "from",
	         register_text(a->off, reg, sizeof(reg)), width);
	return buf;
}

const char *access_text(const struct virtio_access *a, char *buf, size_t size)
{
	char value[96];

	snprintf(buf, size, "%s of %s", a->write ? "write" : "read",
	         value_text(a, value, sizeof(value)));
	return buf;
}
