/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/x86_64/init.c - /init that says how old its kernel is: "init-reached N us"
 *
 * Then it turns the machine off; or, when it is given a word, stays. Without a library: nothing of one is measured.
 */
#include <linux/reboot.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include "bench/guest/micro.h"

static long call(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
	                 : "=a"(ret)
	                 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
	                 : "rcx", "r11", "memory");
	return ret;
}

#define TCSBRK 0x5409 /* <asm/ioctls.h>; with 1: tcdrain() */

void begin(const long *stack);

void begin(const long *stack)
{
	char text[64] = MICRO_INIT_LINE, *p = text + sizeof(MICRO_INIT_LINE) - 1, digits[20];
	struct timespec ts = {0};
	unsigned n = 0;
	uint64_t us;

	call(SYS_clock_gettime, CLOCK_BOOTTIME, (long)&ts, 0, 0);
	us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	do
		digits[n++] = (char)('0' + us % 10);
	while (us /= 10);
	while (n)
		*p++ = digits[--n];
	for (const char *end = " us\n"; *end;)
		*p++ = *end++;
	call(SYS_write, 1, (long)text, p - text, 0);
	call(SYS_ioctl, 1, TCSBRK, 1,
	     0);           /* or the machine is off before the serial port has said it */
	if (stack[0] == 1) /* argc */
		call(SYS_reboot, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		     LINUX_REBOOT_CMD_POWER_OFF, 0);
	for (;;)
		call(SYS_pause, 0, 0, 0, 0);
}

__asm__(".globl _start\n"
        "_start:\n"
        "	mov %rsp, %rdi\n"
        "	and $-16, %rsp\n"
        "	call begin\n");
