/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net_offload.h"

#include "net/csum.h"
#include "net/net_backend.h"
#include "vmm/core/compiler.h"
#include "vmm/core/iov.h"
#include "vmm/core/le.h"

void net_offload_complete(const struct iovec *iov, unsigned nr, size_t len)
{
	struct virtio_net_hdr_v1 hdr;
	uint8_t flags;

	/* Nearly always this is all; and what has just been written behind it is not waited for. */
	if (iov_read(iov, nr, 0, &flags, sizeof(flags)) < sizeof(flags) ||
	    likely(!(flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)))
		return;
	if (iov_read(iov, nr, 0, &hdr, sizeof(hdr)) < sizeof(hdr) ||
	    hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return;
	if (csum_complete_iov(iov, nr, len, NET_HDR_LEN + get_le16(&hdr.csum_start),
	                      get_le16(&hdr.csum_offset)) == 0)
		iov_zero(iov, nr, 0, NET_HDR_LEN);
}
