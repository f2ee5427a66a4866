/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/init.c - /init that says how old its kernel is, and ends the guest */
#include <stdio.h>
#include <sys/reboot.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	printf("init-reached %lld us\n",
	       (long long)ts.tv_sec * 1000000 + (long long)ts.tv_nsec / 1000);
	fflush(stdout);
	tcdrain(STDOUT_FILENO); /* or the machine is off before the serial port has said it */
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
