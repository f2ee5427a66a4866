#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap vhost-net
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# Every pair of values of kick=, irq=, regs=, --irqchip, queues= and path= meets in one of these guests.
# irq=ioctl cannot meet vhost, which has no way to call an ioctl.
. "$(dirname "$0")/lib.sh"

tap=dbe2e8 us=192.168.84.1 it=192.168.84.2

both_ways() {
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=200000 streams=2
	traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=200
}

# Traffic on vhost where it can be, and on the pure path.
row() { # KICK IRQ REGS IRQCHIP QUEUES
	local path=pure add=tap_add
	need_tap
	if [ "$2" = irqfd ]; then
		[ -c /dev/vhost-net ] || skip "no /dev/vhost-net"
		path=vhost
	fi
	[ "$5" = 1 ] || add=tap_add_queues
	$add $tap $us/24
	vm_start -c 2 --control "$work/ctl" --irqchip "$4" \
		--net "tap,ifname=$tap,kick=$1,irq=$2,regs=$3,queues=$5,path=$path" \
		-a "$(append_agent net0=$it/24,$us)" "$bzimage"
	vm_expect @agent
	both_ways
	if [ $path = vhost ]; then
		"$doorbell" ctl "$work/ctl" net0 path=pure
		both_ways
	fi
	guest_off
}

test_kick_ioeventfd_irqfd_page_split_one_pair() {
	row ioeventfd irqfd page split 1
}

test_kick_exit_irqfd_trap_kernel_one_pair() {
	row exit irqfd trap kernel 1
}

test_kick_ioeventfd_irqfd_trap_kernel_two_pairs() {
	row ioeventfd irqfd trap kernel 2
}

test_kick_exit_irqfd_page_kernel_two_pairs() {
	row exit irqfd page kernel 2
}

test_kick_exit_irqfd_trap_split_two_pairs() {
	row exit irqfd trap split 2
}

test_kick_ioeventfd_ioctl_trap_kernel_one_pair() {
	row ioeventfd ioctl trap kernel 1
}

test_kick_exit_ioctl_page_split_two_pairs() {
	row exit ioctl page split 2
}

main "$@"
