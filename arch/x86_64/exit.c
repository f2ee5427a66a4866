/* SPDX-License-Identifier: Apache-2.0 */
/* arch/x86_64/exit.c - how a guest ends, and what its CPU looked like then */
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "arch/arch.h"
#include "arch/x86_64/irqchip.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define RFLAGS_IF (1u << 9u)

/* Text in a buffer of fixed size; what does not fit is cut off. */
struct text {
	char *buf;
	size_t size, len;
};

static void PRINTF_LIKE(2, 3) add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->len + 1 >= t->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len = min_u64(t->len + (size_t)n, t->size - 1);
}

static void internal_error(const struct kvm_run *run, struct text *t)
{
	static const char *const name[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "KVM cannot emulate this instruction",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "two exceptions at once",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "an event could not be delivered",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "unexpected exit of the CPU",
	};
	uint32_t sub = run->internal.suberror;
	uint32_t nr = min_u32(run->internal.ndata, ARRAY_SIZE(run->internal.data));

	add(t, "KVM internal error %u", sub);
	if (sub < ARRAY_SIZE(name) && name[sub])
		add(t, " (%s)", name[sub]);
	if (sub == KVM_INTERNAL_ERROR_EMULATION && nr >= 3 &&
	    (run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) {
		add(t, ", bytes");
		nr = min_u32(run->emulation_failure.insn_size,
		             ARRAY_SIZE(run->emulation_failure.insn_bytes));
		for (uint32_t i = 0; i < nr; i++)
			add(t, " %02x", run->emulation_failure.insn_bytes[i]);
		return;
	}
	for (uint32_t i = 0; i < nr; i++)
		add(t, "%s0x%" PRIx64, i ? " " : ", data ", (uint64_t)run->internal.data[i]);
}

enum arch_exit arch_handle_exit(const struct kvm *k, const struct kvm_run *run, char *why,
                                size_t why_size)
{
	struct text t = {.buf = why, .size = why_size};

	switch (run->exit_reason) {
	case KVM_EXIT_INTR: /* a signal; whoever sent it has left a note elsewhere */
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return ARCH_EXIT_CONTINUE;
	case KVM_EXIT_IOAPIC_EOI:
		irqchip_eoi(k, run->eoi.vector);
		return ARCH_EXIT_CONTINUE;
	case KVM_EXIT_SHUTDOWN:
		add(&t, "triple fault");
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		internal_error(run, &t);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		add(&t, "the CPU refused to enter the guest, hardware reason 0x%" PRIx64,
		    (uint64_t)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		if (run->system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN)
			return ARCH_EXIT_SHUTDOWN;
		if (run->system_event.type == KVM_SYSTEM_EVENT_RESET)
			return ARCH_EXIT_RESET;
		add(&t, "guest reports a crash, system event %u", run->system_event.type);
		break;
	case KVM_EXIT_UNKNOWN:
		add(&t, "unknown exit of the CPU, hardware reason 0x%" PRIx64,
		    (uint64_t)run->hw.hardware_exit_reason);
		break;
	default:
		add(&t, "exit %u of KVM, which this machine never causes", run->exit_reason);
		break;
	}
	return ARCH_EXIT_DEAD;
}

static void describe_segment(struct text *t, const char *name, const struct kvm_segment *s)
{
	add(t,
	    "%-4s %04x base %016" PRIx64 " limit %08x type %x s %u dpl %u p %u l %u db %u g %u%s\n",
	    name, s->selector, (uint64_t)s->base, s->limit, s->type, s->s, s->dpl, s->present, s->l,
	    s->db, s->g, s->unusable ? " unusable" : "");
}

static void describe_regs(struct text *t, const struct kvm_regs *r)
{
	const struct {
		const char *name;
		uint64_t value;
	} reg[] = {
		{"rip", r->rip}, {"rflags", r->rflags}, {"rsp", r->rsp}, {"rbp", r->rbp},
		{"rax", r->rax}, {"rbx", r->rbx},       {"rcx", r->rcx}, {"rdx", r->rdx},
		{"rsi", r->rsi}, {"rdi", r->rdi},       {"r8", r->r8},   {"r9", r->r9},
		{"r10", r->r10}, {"r11", r->r11},       {"r12", r->r12}, {"r13", r->r13},
		{"r14", r->r14}, {"r15", r->r15},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(reg); i++)
		add(t, "%-6s %016" PRIx64 "%s", reg[i].name, reg[i].value,
		    i % 3 == 2 ? "\n" : "  ");
}

static void describe_sregs(struct text *t, const struct kvm_sregs *s)
{
	add(t, "cr0 %08" PRIx64 "  cr2 %016" PRIx64 "  cr3 %016" PRIx64 "\n", (uint64_t)s->cr0,
	    (uint64_t)s->cr2, (uint64_t)s->cr3);
	add(t, "cr4 %08" PRIx64 "  efer %" PRIx64 "  apic base %" PRIx64 "\n", (uint64_t)s->cr4,
	    (uint64_t)s->efer, (uint64_t)s->apic_base);
	describe_segment(t, "cs", &s->cs);
	describe_segment(t, "ds", &s->ds);
	describe_segment(t, "es", &s->es);
	describe_segment(t, "fs", &s->fs);
	describe_segment(t, "gs", &s->gs);
	describe_segment(t, "ss", &s->ss);
	describe_segment(t, "tr", &s->tr);
	add(t, "gdt  base %016" PRIx64 " limit %04x\nidt  base %016" PRIx64 " limit %04x\n",
	    (uint64_t)s->gdt.base, s->gdt.limit, (uint64_t)s->idt.base, s->idt.limit);
}

/* KVM resets a vCPU of AMD's at a triple fault, before anybody can ask what was in its registers. */
static bool at_reset(const struct kvm_regs *r, const struct kvm_sregs *s)
{
	return r->rip == 0xfff0 && s->cs.base == 0xffff0000;
}

int arch_vcpu_pc(int vcpu_fd, uint64_t *pc)
{
	struct kvm_regs regs;

	if (ioctl(vcpu_fd, KVM_GET_REGS, &regs) < 0)
		return -errno;
	*pc = regs.rip;
	return 0;
}

bool arch_vcpu_rests(int vcpu_fd)
{
	struct kvm_mp_state mp;
	struct kvm_regs regs;

	if (ioctl(vcpu_fd, KVM_GET_MP_STATE, &mp) < 0 || ioctl(vcpu_fd, KVM_GET_REGS, &regs) < 0)
		return false;
	return mp.mp_state == KVM_MP_STATE_UNINITIALIZED ||
	       (mp.mp_state == KVM_MP_STATE_HALTED && !(regs.rflags & RFLAGS_IF));
}

/* Intel SDM 3A, 11.4.1: the local APIC's registers. */
#define APIC_SVR    0x0f0u
#define APIC_SVR_ON (1u << 8u)
#define APIC_IRR    0x200u /* eight of them, 16 bytes apart: what was sent and is not taken */

static uint32_t apic_register(const struct kvm_lapic_state *apic, unsigned at)
{
	return get_le32(&apic->regs[at]);
}

bool arch_vcpu_took_all(int vcpu_fd)
{
	struct kvm_lapic_state apic;
	uint32_t waits = 0;

	if (ioctl(vcpu_fd, KVM_GET_LAPIC, &apic) < 0)
		return false;
	for (unsigned i = 0; i < 8; i++)
		waits |= apic_register(&apic, APIC_IRR + 16 * i);
	return (apic_register(&apic, APIC_SVR) & APIC_SVR_ON) && !waits;
}

const char *arch_vcpu_describe(int vcpu_fd, char *buf, size_t size)
{
	struct text t = {.buf = buf, .size = size};
	struct kvm_sregs sregs = {0};
	struct kvm_regs regs = {0};

	if (size)
		buf[0] = '\0';
	if (ioctl(vcpu_fd, KVM_GET_REGS, &regs) < 0)
		add(&t, "KVM_GET_REGS: %s\n", strerror(errno));
	else
		describe_regs(&t, &regs);
	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		add(&t, "KVM_GET_SREGS: %s\n", strerror(errno));
	else
		describe_sregs(&t, &sregs);
	if (at_reset(&regs, &sregs))
		add(&t, "these are the values of a reset: this host's KVM keeps no others\n");
	return buf;
}
