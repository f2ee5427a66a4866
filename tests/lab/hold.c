/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lab/hold.c - holds a VM with one vCPU for as long as the emulated host lives
 *
 * KVM switches code of the kernel on with the first VM and off with the last one: static keys, by patching
 * instructions, in __schedule() too. QEMU, emulating several CPUs at once, can go on with a translation of the
 * breakpoint that stands there while an instruction is replaced; that CPU then takes breakpoints for ever,
 * with interrupts off. With a VM and its local APIC always there, nothing is patched when others come and go.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR);
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0 || ioctl(vm, KVM_CREATE_IRQCHIP, 0) || ioctl(vm, KVM_CREATE_VCPU, 0) < 0) {
		perror("hold");
		return 1;
	}
	if (fork() == 0) {
		for (;;)
			pause();
	}
	return 0;
}
