/* SPDX-License-Identifier: Apache-2.0 */
/* tests/tiny/start.S - where a bare-metal guest begins: as if called, so there is nothing to do */
	.section .text.start, "ax"
	.globl _start
_start:
	jmp	guest_main

	.section .note.GNU-stack, "", @progbits
