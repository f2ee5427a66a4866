#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# Traffic with the I/O-APIC in doorbell and in KVM, and interrupts by irqfd and by ioctl.
. "$(dirname "$0")/lib.sh"

us=192.168.79 # .1 and .2 on one NIC, .65 and .66 on the other

interrupts() { # NIC: how many the guest has counted
	guest "grep 'virtio$1\$' /proc/interrupts" | awk '{ for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }'
}

# One guest with two NICs, whose interrupts come by different ways; the console's by the irqchip's own.
both_ways() { # CPUS KERNEL OPTION...
	local nic address before cpus=$1 kernel=$2
	shift 2
	need_tap
	tap_add dbirq0 $us.1/26
	tap_add dbirq1 $us.65/26
	vm_start "$@" -c "$cpus" --net tap,ifname=dbirq0,irq=irqfd --net tap,ifname=dbirq1,irq=ioctl \
		-a "$(append_agent net0=$us.2/26 net1=$us.66/26)" "$kernel"
	vm_expect @agent
	for nic in 0 1; do
		address=$us.$((nic * 64 + 2))
		before=$(interrupts $nic)
		guest "ping -A -c 3 -w 20 $us.$((nic * 64 + 1))"
		traffic "tcp listen $address 7001 both" "tcp connect $address 7001 both" bytes=150000
		[ "$(interrupts $nic)" -gt "$before" ] || fail "virtio$nic had no interrupt"
	done
	guest 'cat /proc/interrupts'
	guest_off
}

test_tcp_goes_both_ways_with_the_io_apic_in_doorbell() {
	both_ways 2 "$vmlinux" --irqchip split
}

test_tcp_goes_both_ways_with_the_io_apic_in_kvm() {
	both_ways 2 "$bzimage" --irqchip kernel
}

main "$@"
