/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/exit.S - the shortest life: the verdict 0 is its first instruction but one */
	.globl _start
_start:
	xor	%eax, %eax
	out	%al, $0xf4
1:	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
