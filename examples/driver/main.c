/* SPDX-License-Identifier: Apache-2.0 */
/* The buffers and the main loop. An answer is made in the buffer that its question came in, and goes out from
 * there. With a command line that begins with "up" all ends as soon as the device works.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "driver.h"

static struct nic nic;
static struct queue queues[2];
static uint8_t buffers[QUEUE_SIZE][ROOM]; /* header and frame in one piece: any layout will do */

/* To be written, header and all. [net.rx-writable-only], [net.rx-hdr-size] */
static void post(uint16_t i)
{
	queue_add(&queues[RX], i, buffers[i], ROOM, true);
}

/* No offloads. [net.tx-hdr-present], [net.tx-gso-none], [net.tx-flags-0-without-csum], [net.tx-num-buffers-0] */
static void send(uint16_t i, uint32_t len)
{
	__builtin_memset(buffers[i], 0, HDR);
	queue_add(&queues[TX], i, buffers[i], HDR + len, false);
}

bool add_queues(const struct nic *n)
{
	for (uint32_t i = RX; i <= TX; i++) {
		struct queue *const q = &queues[i];

		for (uint32_t k = 0; k < sizeof(*q); k++) /* [split.mem-zeroed] */
			((volatile uint8_t *)q)[k] = 0;   /* [notif.used-flags-init-0] */
		q->size = nic_add_queue(n, i, (const void *[]){q->desc, &q->avail, &q->used});
		if (q->size == 0)
			return false;
	}
	for (uint16_t i = 0; i < queues[RX].size && i < queues[TX].size; i++)
		post(i); /* [net.rx-filled-at-start] */
	return true;
}

/* Takes back what was used: an answer goes out if there is one, and otherwise the buffer is for the next question. */
static void work(void)
{
	uint32_t len;
	int i;

	while ((i = queue_take(&queues[TX], &len)) >= 0)
		post((uint16_t)i); /* [net.tx-reclaim], [net.rx-replenish] */
	while ((i = queue_take(&queues[RX], &len)) >= 0) {
		/* What is behind @len means nothing [used.ignore-past-len]; a device may lie. */
		len = answer(&nic, buffers[i] + HDR, len < HDR || len > ROOM ? 0 : len - HDR);
		if (len > 0 && nic.link)
			send((uint16_t)i, len);
		else
			post((uint16_t)i);
	}
	for (uint32_t q = RX; q <= TX; q++)
		if (queue_flush(&queues[q])) /* [notif.must-kick] */
			nic_kick(&nic, q);
}

void say(const char *text)
{
	while (*text)
		cpu_put(*text++);
	cpu_put('\n');
}

void driver_main(const void *tree, const void *rsdp, const char *line)
{
	(void)tree, (void)rsdp;
	nic.base = cpu_nic_registers;
	/* What we can do; the device takes its pick. [feat.fallback], but not [feat.accept-packed]: that is in more/ */
	nic.wanted = (bug(no_version_1) ? 0 : FEATURE(VIRTIO_F_VERSION_1)) |
	             FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_MTU) |
	             FEATURE(VIRTIO_NET_F_STATUS);
	if (!nic_probe(&nic)) {
		say("no network device");
		cpu_exit(2);
	}
	cpu_interrupts_on(cpu_nic_input);
	nic_up(&nic);
	say("ready");
	nic.stop = line[0] == 'u' && line[1] == 'p';
	for (work(); !nic.stop; work()) {
		cpu_wait(); /* not for long if something was used since work() looked */
		if (!bug(status_unread))
			nic_look(&nic);
	}
	/* Before the memory becomes something else. [cleanup.reset-before-unexpose] */
	nic_reset(&nic);
	say("done");
	cpu_exit(0);
}
