#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap vhost-net
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# Every pair of values of kick=, irq=, regs=, --irqchip, queues= and path= meets in one of these rows, or (vhost-user with
# the I/O APIC in doorbell and two pairs) in path_vhost_user.sh. irq=ioctl cannot meet vhost or vhost-user, which have no
# way to call an ioctl.
. "$(dirname "$0")/lib.sh"

net=192.168.84 # NIC i: our end is .(4i + 1), the guest's .(4i + 2)

both_ways() { # NIC
	local ours=$net.$((4 * $1 + 1)) its=$net.$((4 * $1 + 2))
	traffic "tcp connect $ours 7001 both" "tcp listen $ours 7001 both" bytes=200000 streams=2
	traffic "udp listen $its 7002 both" "udp connect $its 7002 both" count=200
}

# One guest, with a NIC for each row. Traffic on vhost where it can be, and on the pure path.
rows() { # IRQCHIP "KICK IRQ REGS QUEUES"...
	local i=0 irqchip=$1 kick irq regs queues add paths=() options=() words=()
	shift
	need_tap
	[ -c /dev/vhost-net ] || skip "no /dev/vhost-net"
	while [ $# -gt 0 ]; do
		read -r kick irq regs queues <<<"$1"
		add=tap_add paths[i]=pure
		[ "$queues" = 1 ] || add=tap_add_queues
		[ "$irq" = ioctl ] || paths[i]=vhost
		$add "dbe2e8$i" "$net.$((4 * i + 1))/30"
		options+=(--net "tap,ifname=dbe2e8$i,kick=$kick,irq=$irq,regs=$regs,queues=$queues,path=${paths[i]}")
		words+=("net$i=$net.$((4 * i + 2))/30")
		shift
		i=$((i + 1))
	done
	vm_start -c 2 --control "$work/ctl" --irqchip "$irqchip" "${options[@]}" \
		-a "$(append_agent "${words[@]}")" "$bzimage"
	vm_expect @agent
	for i in "${!paths[@]}"; do
		echo "== ${options[2 * i + 1]}"
		both_ways "$i"
		if [ "${paths[i]}" = vhost ]; then
			"$doorbell" ctl "$work/ctl" "net$i" path=pure
			both_ways "$i"
		fi
	done
	guest_off
}

test_every_pair_of_mechanisms_with_the_io_apic_in_doorbell() {
	rows split "ioeventfd irqfd page 1" "exit irqfd trap 2" "exit ioctl page 2"
}

test_every_pair_of_mechanisms_with_the_io_apic_in_kvm() {
	rows kernel "exit irqfd trap 1" "ioeventfd irqfd trap 2" "exit irqfd page 2" "ioeventfd ioctl trap 1"
}

# Its peer here is doorbell's own backend; in path_vhost_user.sh it is DPDK.
test_vhost_user_with_the_io_apic_in_kvm() {
	local i
	need_tap
	tap_add dbe2e80 $net.1/30
	tap_add_queues dbe2e81 $net.5/30
	backend_start --socket "$work/vhu0" --net tap,ifname=dbe2e80 \
		--socket "$work/vhu1" --net tap,ifname=dbe2e81,queues=2
	vm_start -c 2 --irqchip kernel --net "vhost-user,socket=$work/vhu0,kick=ioeventfd,regs=trap" \
		--net "vhost-user,socket=$work/vhu1,kick=exit,regs=page,queues=2" \
		-a "$(append_agent "net0=$net.2/30" "net1=$net.6/30")" "$bzimage"
	vm_expect @agent
	both_ways 0
	both_ways 1
	for i in 0 1; do
		[ "$(count tx_frames $i)" -gt 100 ] || fail "NIC $i: $(ctl stats | grep _frames)"
	done
	guest_off
	backend_signal TERM
}

main "$@"
