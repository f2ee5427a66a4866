/* SPDX-License-Identifier: Apache-2.0 */
/* tests/tiny/bzimage.S - the smallest bzImage: setup header and a 64-bit entry that judges the zero page
 *
 * A flat file, made with objcopy -O binary. Verdict 0, or the number of what is wrong.
 */
#define EXIT_PORT 0xf4

	.text
	.org	0x1f1
	.byte	1			/* setup_sects */
	.word	0
	.long	(end - kernel) / 16	/* syssize */
	.word	0, 0, 0
	.word	0xaa55
	.byte	0xeb, header_end - 1f	/* jump */
1:	.ascii	"HdrS"
	.word	0x020c
	.long	0
	.word	0, 0
	.byte	0, 1			/* type_of_loader, loadflags: loaded high */
	.word	0
	.long	0x100000		/* code32_start */
	.long	0, 0, 0			/* ramdisk, bootsect_kludge */
	.word	0
	.byte	0, 0
	.long	0			/* cmd_line_ptr */
	.long	0x7fffffff		/* initrd_addr_max */
	.long	0x200000		/* kernel_alignment */
	.byte	1, 21			/* relocatable, min_alignment */
	.word	1			/* xloadflags: 64-bit entry */
	.long	2047			/* cmdline_size */
	.long	0
	.quad	0
	.long	0, 0
	.quad	0			/* setup_data */
	.quad	0x400000		/* pref_address */
	.long	0x100000		/* init_size */
	.long	0
header_end:

	.org	1024
kernel:
	.org	1024 + 0x200		/* the 64-bit entry */
	.code64
	.macro	check number, value, where
	mov	$\number, %al
	cmpl	\value, \where
	jne	done
	.endm

	check	1, $0x53726448, 0x202(%rsi)	/* "HdrS": rsi is the zero page */
	mov	$2, %al
	cmpb	$0xff, 0x210(%rsi)		/* type_of_loader */
	jne	done
	mov	$3, %al
	cmpb	$3, 0x1e8(%rsi)			/* e820 entries */
	jb	done
	mov	0x228(%rsi), %edi		/* command line */
	check	4, $0x796e6974, (%rdi)		/* "tiny" */
	mov	0x70(%rsi), %rdi		/* RSDP */
	check	5, $0x20445352, (%rdi)
	check	6, $0x400000, 0x214(%rsi)	/* code32_start: where it was put */
	mov	$7, %al
	lea	kernel(%rip), %rdi		/* and where it runs */
	cmp	$0x400000, %rdi
	jne	done
	mov	%cs, %ecx
	check	8, $0x10, %ecx
	mov	%ss, %ecx
	check	9, $0x18, %ecx
	push	$0x1234				/* a stack, and it is mapped */
	pop	%rcx
	mov	0x21c(%rsi), %edi		/* initrd size */
	xor	%al, %al
	test	%edi, %edi
	jz	done
	mov	0x218(%rsi), %edi
	check	10, $0x37303730, (%rdi)		/* "0707": a cpio archive */
	xor	%al, %al
done:
	outb	%al, $EXIT_PORT
	cli
	hlt
	jmp	done

	.balign	16
end:
	.section .note.GNU-stack, "", @progbits
