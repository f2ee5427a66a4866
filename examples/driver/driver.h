/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the driver have for each other.
 *
 * Words like [init.reset-first] name the rule that a line obeys: doorbell check --explain init.reset-first.
 * bug() is the tests': bugs.h makes it true for one mistake.
 */
#ifndef EXAMPLE_DRIVER_H
#define EXAMPLE_DRIVER_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef bug
#define bug(name) false
#endif

#define FEATURE(bit) (1ull << (bit))
#define QUEUE_SIZE   16u   /* entries; a device may have room for fewer */
#define HDR          12u   /* with VERSION_1 always [net.hdr-12-bytes], [net.tx-hdr-same-size] */
#define ROOM         1528u /* for a header and the longest frame [net.rx-buf-1526] */

enum { RX, TX };

struct nic {
	uint64_t base;                      /* of its registers */
	uint64_t wanted, offered, accepted; /* features; wanted is what the driver can do */
	uint8_t mac[6];
	bool link; /* is up */
	bool stop; /* somebody has sent a datagram to the discard port (9): the sign to end */
};

/* ---- nic.c: a virtio-net device behind virtio-mmio registers */

/* Is there one that we can drive? */
bool nic_probe(const struct nic *n);
/* From any state to a device that works; if that cannot be, ends. */
void nic_up(struct nic *n);
/* Hands over queue @index, which is empty: how many entries it has; 0: there is no such queue. */
uint16_t nic_add_queue(const struct nic *n, uint32_t index, const void *const part[3]);
void nic_kick(const struct nic *n, uint32_t index);
/* Behind an interrupt: acknowledges it, and looks for all that is not in the queues. */
void nic_look(struct nic *n);
/* Gives it up, and ends. */
_Noreturn void nic_fail(const struct nic *n);
/* Nothing that was handed over is touched any more. */
void nic_reset(const struct nic *n);

/* ---- queue.c: a split virtqueue (virtio 1.2, 2.7) whose buffer @i is always the one descriptor @i */

/* One per queue, in memory that the device can reach. */
struct queue {
	struct vring_desc desc[QUEUE_SIZE] __attribute__((aligned(16))); /* [split.align] */
	struct {
		/* used_event is always there [split.used-tail-allocated] */
		uint16_t flags, idx, ring[QUEUE_SIZE], used_event;
	} avail;
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[QUEUE_SIZE];
		uint16_t avail_event;
	} used __attribute__((aligned(4)));
	uint16_t size;         /* entries of the three */
	uint16_t added, seen;  /* free-running: the next entry to offer, the next used one */
	bool busy[QUEUE_SIZE]; /* the device has this buffer */
};

/* Offers buffer @i, which the device does not have, and which is below the queue's size. */
void queue_add(struct queue *q, uint16_t i, const void *at, uint32_t len, bool device_writes);
/* Shows the device what was added. True: it wants a kick. */
bool queue_flush(struct queue *q);
/* Takes back a buffer that the device has used: its number, or -1: there is none. @len: written. */
int queue_take(struct queue *q, uint32_t *len);

/* ---- main.c: the buffers and the main loop */

/* Called by nic_up(): hands the queues over, with buffers to receive into. False: there are none. */
bool add_queues(const struct nic *n);
void say(const char *text);
/* Where the CPU's start code goes to. @tree: the device tree; @line: the command line. */
_Noreturn void driver_main(const void *tree, const void *rsdp, const char *line);

/* ---- answer.c: a host with the address 10.0.2.15, as the guest of --net user is called */

/* Turns @frame into its answer. Its length, or 0: there is none. */
uint32_t answer(struct nic *n, uint8_t *frame, uint32_t len);

/* ---- x86_64.c: the CPU and its machine. Barriers are not here: __atomic functions have them for each CPU. */

/* The first network device: its registers, and its input of the interrupt controller. */
extern const uint64_t cpu_nic_registers;
extern const unsigned cpu_nic_input;

/* From now on, edges on @input end cpu_wait(). */
void cpu_interrupts_on(unsigned input);
/* Sleeps until the next interrupt. One that came since the last cpu_wait() ends it at once. */
void cpu_wait(void);
void cpu_put(char c); /* to the serial port */
_Noreturn void cpu_exit(uint8_t status);

#endif
