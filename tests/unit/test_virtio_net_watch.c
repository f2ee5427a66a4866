/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of commands to who looks on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "devices/virtio_net_priv.h"
#include "devices/virtio_watch.h"
#include "tests/lib/vnet_layouts.h"
#include "vmm/core/le.h"

static struct vrig rig;

static struct notes {
	struct virtio_watch watch;
	unsigned nr;
	struct virtio_command cmd; /* the last one */
	uint8_t data[NET_CTRL_COPY];
} notes;

static void on_access(unused struct virtio_watch *w, unused const struct virtio_access *a)
{
}

static struct vq_watch *on_queue(unused struct virtio_watch *w, unused unsigned queue,
                                 unused const struct vq_addr *a)
{
	return NULL;
}

static void on_command(struct virtio_watch *w, const struct virtio_command *cmd)
{
	struct notes *n = container_of(w, struct notes, watch);

	assert_in_range(cmd->held, 0, sizeof(n->data));
	n->nr++;
	n->cmd = *cmd;
	memcpy(n->data, cmd->data, cmd->held);
}

static int setup(void **state)
{
	*state = &rig;
	vrig_create(&rig, (struct vrig_options){.mtu = 1500});
	notes = (struct notes){
		.watch = {.access = on_access, .queue = on_queue, .command = on_command}};
	virtio_net_dev(rig.n)->watch = &notes.watch;
	vrig_up(&rig, VRIG_ALL);
	return 0;
}

static int teardown(void **state)
{
	vrig_destroy(*state);
	return 0;
}

static void commands_are_told_with_their_answer(unused void **state)
{
	const uint8_t id[2] = {7, 0};

	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, id, 2),
	                 VIRTIO_NET_OK);
	assert_int_equal(notes.nr, 1);
	assert_int_equal(notes.cmd.held, 4);
	assert_int_equal(notes.cmd.out_len, 4);
	assert_int_equal(notes.cmd.in_len, 1);
	assert_memory_equal(notes.data, ((const uint8_t[]){2, 0, 7, 0}), 4);
	assert_int_equal(notes.cmd.ack, VIRTIO_NET_OK);
	assert_false(notes.cmd.changed);
	assert_int_equal(vrig_command(&rig, 77, 1, NULL, 0), VIRTIO_NET_ERR);
	assert_int_equal(notes.nr, 2);
	assert_int_equal(notes.cmd.held, 2);
	assert_int_equal(notes.cmd.ack, VIRTIO_NET_ERR);
}

/* Of a table of more addresses than are copied the first are told, and all of it is done. */
static void of_a_long_command_the_beginning_is_told(unused void **state)
{
	static uint8_t data[4 + 6 * 1000 + 4];

	put_le32(data, 1000);
	assert_int_equal(vrig_command(&rig, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
	                              data, sizeof(data)),
	                 VIRTIO_NET_OK);
	assert_int_equal(notes.cmd.held, NET_CTRL_COPY);
	assert_int_equal(notes.cmd.out_len, 2 + sizeof(data));
	assert_memory_equal(notes.data + 2, data, 4);
	assert_false(notes.cmd.changed);
}

static uint8_t *in_hand;

static void scribble(void)
{
	memset(in_hand, 0xee, 8);
}

static void a_command_that_changes_under_way_counts_as_it_was(unused void **state)
{
	static const uint8_t hdr[2] = {VIRTIO_NET_CTRL_GUEST_OFFLOADS,
	                               VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET};
	struct fake_buf b[3];
	uint8_t data[8];

	put_le64(data, VRIG_F(GUEST_CSUM));
	b[0] = fake_out(&rig.m, hdr, sizeof(hdr));
	b[1] = fake_out(&rig.m, data, sizeof(data));
	b[2] = fake_in(&rig.m, 1);
	in_hand = fake_at(&rig.m, b[1].addr, sizeof(data));
	rig.net->on_set_offloads = scribble;
	assert_true(fake_vq_add(&rig.vq[rig.ctrl], b, 3) >= 0);
	vrig_go(&rig, rig.ctrl);
	assert_true(notes.cmd.changed);
	assert_int_equal(notes.cmd.ack, VIRTIO_NET_OK);
	assert_memory_equal(notes.data + 2, data, sizeof(data));
	assert_int_equal(rig.net->offloads, VRIG_F(GUEST_CSUM));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(commands_are_told_with_their_answer),
		CASE(of_a_long_command_the_beginning_is_told),
		CASE(a_command_that_changes_under_way_counts_as_it_was),
	};

	return VRIG_RUN_LAYOUTS(tests);
}
