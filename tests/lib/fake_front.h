/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/fake_front.h - a NIC behind a vhost-user socket, and a front end for it
 *
 * Nothing runs by itself: each message is followed by as many turns of the NIC's loop as there is something to do. Or
 * the NIC runs on a thread of its own, and each message of front_do() is answered. A host failure ends the process with a
 * message.
 */
#ifndef DOORBELL_TESTS_FAKE_FRONT_H
#define DOORBELL_TESTS_FAKE_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "net/vhost_user_msg.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_net.h"
#include "vmm/nic.h"
#include "vmm/vhost_server.h"

#define FRONT_USER  UINT64_C(0x7f0000000000) /* its own address of guest address 0 */
#define FRONT_RINGS 5u                       /* two pairs and the control queue */
#define FRONT_NUM   64u

struct front {
	char dir[40], path[64];
	struct fake_net *net; /* NULL when it is running */
	struct nic_config cfg;
	struct nic nic;
	struct vhost_server *server;
	int fd; /* the connection, or -1 */
	struct fake_mem mem;
	struct fake_vq vq[FRONT_RINGS];
	int kick[FRONT_RINGS], call[FRONT_RINGS]; /* our ends */
	int their_call[FRONT_RINGS];
	bool running; /* on its own thread */
	bool sockets; /* call descriptors are ends of stream sockets, as with User Mode Linux */
};

/* @features: as the key of --net, or NULL. */
void front_create(struct front *f, unsigned pairs, bool sockets, const char *features);
/* With any network, and its own thread; for front_up() and front_do(). */
void front_create_running(struct front *f, const char *net);
void front_destroy(struct front *f);
void front_connect(struct front *f); /* a new connection; the one before is closed */
void front_leave(struct front *f);
void front_turn(struct front *f); /* let the NIC do all that there is to do */

/* @m with its descriptors, which stay ours. */
void front_send(struct front *f, const struct vu_msg *m);
bool front_answer(struct front *f, struct vu_msg *m); /* false: there is none */
bool front_closed(struct front *f);                   /* by the other side */

/* A good message, as a front end sends it at the right time; @number where it has one. */
struct vu_msg front_msg(struct front *f, uint32_t request, unsigned ring, uint64_t number);
/* Send it; when it is answered, or @flags has VU_NEED_REPLY, what number came back. */
uint64_t front_do(struct front *f, uint32_t request, unsigned ring, uint64_t number);

/* From nothing to rings 0 .. nr that are served, with the features. */
void front_up(struct front *f, uint64_t features, unsigned nr);
/* A frame through pair 0 each way; false: lost, or no interrupt came. */
bool front_sends(struct front *f);
bool front_receives(struct front *f);
bool front_interrupted(struct front *f, unsigned ring); /* since last asked */

#endif
