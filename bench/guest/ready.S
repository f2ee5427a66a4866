/* SPDX-License-Identifier: Apache-2.0 */
/* bench/guest/ready.S - says "ready" on the serial port and sleeps for ever */
	.globl _start
_start:
	lea	text(%rip), %rsi
	mov	$0x3f8, %dx
1:	movb	(%rsi), %al
	test	%al, %al
	jz	2f
	out	%al, %dx
	inc	%rsi
	jmp	1b
2:	cli
	hlt
	jmp	2b

text:	.asciz	"ready\n"

	.section .note.GNU-stack, "", @progbits
