/* SPDX-License-Identifier: Apache-2.0 */
/* tests/tiny/pvh.S - an ELF file that is started by its PVH note: 32 bit, start info in ebx
 *
 * Verdict 0 when the start info is what Xen's start_info.h says, else the number of what is not.
 */
#define EXIT_PORT 0xf4
#define UART_PORT 0x3f8

	.section .note.pvh, "a", @note
	.long	4, 4, 18
	.asciz	"Xen"
	.long	pvh_entry

	.text
	.code32
	.macro	check number, value, where
	mov	$\number, %al
	cmpl	\value, \where
	jne	done
	.endm

pvh_entry:
	check	1, $0x336ec578, (%ebx)
	check	2, $1, 4(%ebx)
	mov	$3, %al			/* memory map of three entries or more */
	cmpl	$3, 48(%ebx)
	jb	done
	mov	24(%ebx), %esi		/* command line */
	check	4, $0x796e6974, (%esi)	/* "tiny" */
	mov	32(%ebx), %esi		/* RSDP */
	check	5, $0x20445352, (%esi)	/* "RSD " */
	mov	%cr0, %ecx
	and	$0x80000001, %ecx	/* protected mode, no paging */
	check	6, $1, %ecx
	mov	$text, %esi
	mov	$UART_PORT, %dx
1:	lodsb
	test	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	xor	%al, %al
done:
	outb	%al, $EXIT_PORT
	cli
	hlt
	jmp	done

text:	.asciz	"pvh\n"

	.globl	_start			/* must not be used: the note comes first */
_start:
	mov	$99, %al
	jmp	done

	.section .note.GNU-stack, "", @progbits
