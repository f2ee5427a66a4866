/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/vnet_rx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/core/le.h"

/* One chain: where its bytes are. */
struct vnet_posted {
	struct fake_buf buf[VQ_NUM_MAX];
	unsigned nr;
	uint32_t len;
};

static void forget_posted(struct vnet_rx *x)
{
	for (unsigned i = 0; i < VQ_NUM_MAX; i++) {
		free(x->by_head[i]);
		x->by_head[i] = NULL;
	}
}

void vnet_rx_create(struct vnet_rx *x, uint32_t entries, uint16_t mtu)
{
	memset(x, 0, sizeof(*x));
	vrig_create(&x->rig,
	            (struct vrig_options){.vq_size = entries, .mtu = mtu, .mem_bytes = MIB(8)});
}

void vnet_rx_destroy(struct vnet_rx *x)
{
	vrig_destroy(&x->rig);
	forget_posted(x);
}

void vnet_rx_up(struct vnet_rx *x, uint64_t accept)
{
	forget_posted(x);
	vrig_up(&x->rig, accept);
}

bool vnet_rx_post_cut(struct vnet_rx *x, uint32_t total, uint32_t first, uint32_t then, int direct)
{
	struct vnet_posted *p = calloc(1, sizeof(*p));
	struct fake_buf whole = fake_in(&x->rig.m, total);
	struct fake_vq *rx = &x->rig.vq[NET_RX];
	int head;

	assert_non_null(p);
	for (uint32_t at = 0, len = first; at < total; at += len, len = then) {
		if (len > total - at)
			len = total - at;
		assert_true(p->nr < VQ_NUM_MAX);
		p->buf[p->nr++] = fake_part(whole, at, len);
	}
	p->len = total;
	head = direct < 0 ? fake_vq_add(rx, p->buf, p->nr)
	                  : fake_vq_add_table(rx, p->buf, p->nr, (unsigned)direct);
	if (head < 0) {
		free(p);
		return false;
	}
	assert_null(x->by_head[head]);
	x->by_head[head] = p;
	return true;
}

void vnet_rx_post(struct vnet_rx *x, uint32_t total)
{
	assert_true(vnet_rx_post_cut(x, total, total, 0, -1));
}

void vnet_rx_go(struct vnet_rx *x)
{
	vrig_go(&x->rig, NET_RX);
}

void vnet_rx_queue(struct vnet_rx *x, const uint8_t dst[6], uint32_t len, unsigned seed)
{
	vrig_frame(x->frame, len, dst, seed);
	fake_net_queue(x->rig.net, NULL, x->frame, len);
}

void vnet_rx_arrive_hdr(struct vnet_rx *x, const struct virtio_net_hdr_v1 *hdr, uint32_t len,
                        unsigned seed)
{
	vrig_frame(x->frame, len, vrig_mac, seed);
	fake_net_queue(x->rig.net, hdr, x->frame, len);
	fake_net_can_recv(x->rig.net);
	vrig_pump(&x->rig);
}

void vnet_rx_arrive(struct vnet_rx *x, uint32_t len, unsigned seed)
{
	vnet_rx_arrive_hdr(x, NULL, len, seed);
}

/* Take the next used chain: all of its bytes at x->got[at]. NULL when there is none; freed by the caller. */
static struct vnet_posted *collect(struct vnet_rx *x, uint32_t at, uint32_t *used)
{
	struct vnet_posted *p;
	unsigned head;

	if (!fake_vq_reap(&x->rig.vq[NET_RX], &head, used))
		return NULL;
	p = x->by_head[head];
	x->by_head[head] = NULL;
	assert_non_null(p);
	assert_true(*used <= p->len);
	for (unsigned i = 0; i < p->nr; i++) {
		memcpy(x->got + at, fake_at(&x->rig.m, p->buf[i].addr, p->buf[i].len),
		       p->buf[i].len);
		at += p->buf[i].len;
	}
	return p;
}

uint32_t vnet_rx_take(struct vnet_rx *x)
{
	unsigned chains = 1;
	uint32_t used, sum = 0;

	for (unsigned i = 0; i < chains; i++) {
		struct vnet_posted *p = collect(x, sum, &used);

		if (!p) {
			assert_int_equal(i, 0); /* all chains of a frame appear as one */
			return 0;
		}
		if (i == 0)
			chains = get_le16(x->got + offsetof(struct virtio_net_hdr_v1, num_buffers));
		if (i + 1 < chains)
			assert_int_equal(used, p->len); /* all but the last are full */
		for (uint32_t at = used; at < p->len && !x->reused; at++)
			assert_int_equal(x->got[sum + at], 0xa5);
		sum += used;
		free(p);
	}
	return sum;
}

void vnet_rx_expect(struct vnet_rx *x, uint32_t len, unsigned seed, unsigned chains)
{
	struct virtio_net_hdr_v1 want = {.num_buffers = htole16(u16_of(chains))};

	vrig_frame(x->frame, len, vrig_mac, seed);
	assert_int_equal(vnet_rx_take(x), NET_HDR_LEN + len);
	assert_memory_equal(x->got, &want, sizeof(want));
	assert_memory_equal(x->got + NET_HDR_LEN, x->frame, len);
}

void vnet_rx_expect_useless(struct vnet_rx *x)
{
	struct vnet_posted *p;
	uint32_t used;

	p = collect(x, 0, &used);
	assert_non_null(p);
	assert_int_equal(used, 0);
	free(p);
}
