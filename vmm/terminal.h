/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/terminal.h - the user's terminal in raw mode, and as it was on every way out
 *
 * A process has one controlling terminal and signal handlers have no argument, so the state behind
 * these functions is the process's own: one taker at a time.
 */
#ifndef DOORBELL_TERMINAL_H
#define DOORBELL_TERMINAL_H

#include <stdbool.h>

/*
 * @fd, a terminal, is borrowed until terminal_release(). From now on SIGTSTP (sent, not typed) gives
 * the terminal back before it stops us, SIGCONT adds 1 to the eventfd @wake_fd, and a fatal signal
 * gives the terminal back before it takes its course. 0; -EBUSY taken already.
 */
int terminal_take(int fd, int wake_fd);
/*
 * Remember how it is set, make it raw. False: another process group has the terminal (doorbell runs in the
 * background); it was left alone and must not be read. Ask again after @wake_fd, and now and then:
 * not every shell says so when it brings us to the front.
 */
bool terminal_raw(void);
/* As it was, until terminal_raw(). Async-signal-safe; any number of times, also when never taken. */
void terminal_restore(void);
/* terminal_restore(), and the signals are what they were. No-op when not taken. */
void terminal_release(void);

#endif
