// SPDX-License-Identifier: Apache-2.0
/* Ends the guest with a verdict: writes one byte to the debug-exit port of the virtual machine. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>

#define DEBUG_EXIT_PORT 0xf4

int main(int argc, char **argv)
{
	char *end = NULL;
	unsigned long v = argc == 2 ? strtoul(argv[1], &end, 10) : 256;

	if (v > 255 || (end && *end != '\0')) {
		(void)fputs("usage: verdict 0..255\n", stderr);
		return 2;
	}
	if (ioperm(DEBUG_EXIT_PORT, 1, 1) != 0) {
		perror("verdict: ioperm");
		return 1;
	}
	outb((unsigned char)v, DEBUG_EXIT_PORT);
	(void)fputs("verdict: still here\n", stderr);
	return 1;
}
