/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/console.h - what the guest's serial port is connected to: --console
 *
 * stdio: a terminal as stdin is switched to raw mode and every key goes to the guest, but for what
 * Ctrl-A introduces (Ctrl-A h lists it). Anything else as stdin (pipe, file, socket, /dev/null,
 * closed) is passed on as it is; its end is not the end of the guest. file: output only.
 *
 * Output is written by a loop, whole lines by the vCPU that ended them, never in another order than
 * the guest's. When the reader is slow, CONSOLE_BUFFER bytes wait; then the writing vCPU does, up to
 * CONSOLE_PATIENCE_MS after the reader last took something. That is less than what a guest's watchdogs
 * allow, and enough for any reader that is alive. From then on output is dropped and counted
 * until the reader takes something again. A reader that is gone (EPIPE, a full disk) ends output, not
 * the guest.
 */
#ifndef DOORBELL_CONSOLE_H
#define DOORBELL_CONSOLE_H

#include <stdint.h>

struct console; /* opaque */
struct loop;
struct uart16550;
struct uart16550_config;
struct vm_config;

#define CONSOLE_BUFFER      65536u
#define CONSOLE_PATIENCE_MS 2000

/*
 * Open what cfg->console asks for; neither terminal nor file is touched yet, so that errors of what comes
 * next look right and cost nothing. @quit(arg) is called on the loop when the user types Ctrl-A x. One console
 * at a time may have the terminal. 0 and *out, which is NULL for CONSOLE_NONE: none of the functions below
 * minds; or -errno, *out NULL, after one log_error().
 */
int console_create(const struct vm_config *cfg, struct loop *l, void (*quit)(void *arg), void *arg,
                   struct console **out);

/* Put our side into @uart before uart16550_create(). */
void console_connect(struct console *c, struct uart16550_config *uart);
/* Input goes to @uart, which is borrowed; NULL: to nobody, waits. Loop thread, or while the loop does not run. */
void console_attach(struct console *c, struct uart16550 *uart);

/*
 * Nothing can be refused any more: empty the file, raw mode on, read input. Loop thread, or while the loop
 * does not run. 0 or -errno, logged.
 */
int console_start(struct console *c);

/*
 * No guest runs any more: write what is left and give the terminal back, for what is said about its run. The loop does
 * not run. NULL and twice are fine.
 */
void console_finish(struct console *c);
/*
 * After console_finish(): more is to be said to standard error. When that is the terminal or file that has the guest's output
 * it begins a line of its own, and the terminal shows letters, whatever the guest has sent to it.
 */
void console_part(const struct console *c);
/* console_finish(), and say how much was dropped. */
void console_destroy(struct console *c);

/* Give the terminal back in a hurry. Any thread, async-signal-safe, also without any console. */
void console_restore(void);

/* Output that nobody read, bytes. Any thread. */
uint64_t console_dropped(struct console *c);

#endif
