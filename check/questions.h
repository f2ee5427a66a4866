/* SPDX-License-Identifier: Apache-2.0 */
/* check/questions.h - frames that have one right answer; private to the peer */
#ifndef DOORBELL_CHECK_QUESTIONS_H
#define DOORBELL_CHECK_QUESTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUESTION_MAX   9014u /* bytes of a frame */
#define QUESTION_USUAL 1514u /* of one that everybody takes */
#define QUESTION_MIN   42u   /* of one by ping or datagram, without data */

struct parties {
	uint8_t mac[6], guest_mac[6];
	uint32_t ip, guest_ip;
};

enum question_kind { ASK_ARP, ASK_PING, ASK_UDP };

struct question {
	enum question_kind kind;
	uint16_t seq; /* what its answer is known by; not of ASK_ARP */
	uint16_t len; /* bytes of the frame, QUESTION_MIN to QUESTION_MAX; of ASK_ARP always 60 */
	bool wrong;   /* its checksum is: nobody may answer */
};

/* Into @frame, of QUESTION_MAX bytes. Length. */
size_t question_write(const struct question *q, const struct parties *p, uint8_t *frame);
/* To the discard port. Likewise. */
size_t question_farewell(const struct parties *p, uint8_t *frame);

/* Is @frame, of @len bytes, the answer to some question, and to which? Its bytes are not judged. */
bool answer_known(const uint8_t *frame, size_t len, const struct parties *p, struct question *q);
/* Is it, of which answer_known() said @q's kind and number, what it has to be? */
bool answer_right(const uint8_t *frame, size_t len, const struct question *q);

#endif
