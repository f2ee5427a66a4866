/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/console_rig.h - a console on a loop with a thread, with stdin and stdout of the test's choice
 *
 * "The guest" is the test: it uses the port's registers.
 */
#ifndef DOORBELL_TESTS_CONSOLE_RIG_H
#define DOORBELL_TESTS_CONSOLE_RIG_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/config.h"

struct loop;

struct console_rig {
	int old_in, old_out;
	int far_in, far_out; /* the test's ends: write to far_in, read from far_out */
	struct loop *loop;
	struct console *c;
	struct uart16550 *u;
	struct vm_config cfg;
	sem_t quit;
};

int console_rig_setup(void **state); /* *state = struct console_rig */
int console_rig_teardown(void **state);

/* What stdin and stdout are, before the guest is made. */
void use_as(int fd, int as); /* @fd is closed */
void pipe_as_stdin(struct console_rig *r);
void pipe_as_stdout(struct console_rig *r);
void file_as_stdin(const char *path);
void pty_as_stdio(struct console_rig *r); /* far_in and far_out are the master's */

void on_quit(void *arg);                 /* what the console is given: posts quit */
void make_guest(struct console_rig *r);  /* the loop does not run */
void begin_guest(struct console_rig *r); /* it does */
void next_life(struct console_rig *r);   /* a reboot: another port on the same console */
void end_guest(struct console_rig *r);   /* stdio is the test's again afterwards */

void guest_says(struct console_rig *r, const char *text);
void guest_listens(struct console_rig *r);
uint8_t guest_hears(struct console_rig *r); /* the next byte */
void assert_guest_hears(struct console_rig *r, const char *text);
void type(struct console_rig *r, const char *text);
void assert_seen(int fd, const char *text); /* reads exactly as much as @text is long */
bool is_raw(int fd);

#endif
