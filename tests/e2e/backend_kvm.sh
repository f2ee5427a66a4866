#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# shellcheck disable=SC2054 # commas belong to QEMU's options
# QEMU with KVM as the front end of doorbell backend: it hands over MSI-X interrupts as irqfds and kicks as ioeventfds, and
# stands by. Two network cards, the second with packed rings. What needs no KVM is in backend_qemu.sh.
. "$(dirname "$0")/lib.sh"

us=(192.168.93.1 192.168.93.5) it=(192.168.93.2 192.168.93.6)

start_group() {
	local i args
	need_tap
	command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64: package qemu-system-x86"
	[ -e "$bzimage" ] || skip "no guest kernel: tests/setup.sh kernels"
	"$top/tests/guest/pack-initramfs.sh" "$cache/x86_64/guest" "$work/initramfs.cpio" "$top/tests/guest/init" \
		"virtio_pci virtio_net" "$tools/netcheck=bin/netcheck"
	backend_start --socket "$work/s0" --net tap,ifname=dbk0 \
		--socket "$work/s1" --net tap,ifname=dbk1,features=default+packed
	mkfifo "$work"/monitor.{in,out}
	args=(-M q35,accel=kvm,memory-backend=mem -cpu host -m 192M
		-object memory-backend-memfd,id=mem,size=192M,share=on # a file, or it cannot be handed over
		-nodefaults -no-user-config -display none -no-reboot -serial stdio -monitor "pipe:$work/monitor"
		-kernel "$bzimage" -initrd "$work/initramfs.cpio"
		-append "$(append_agent "net0=${it[0]}/30" "net1=${it[1]}/30")")
	for i in 0 1; do
		ip addr add "${us[i]}/30" dev dbk$i
		ip link set dbk$i up
		args+=(-chardev "socket,id=c$i,path=$work/s$i" -netdev "vhost-user,id=n$i,chardev=c$i"
			-device "virtio-net-pci,netdev=n$i,packed=$([ $i = 1 ] && echo on || echo off),romfile=")
	done
	vm_run qemu-system-x86_64 "${args[@]}"
	vm_expect @agent
}

end_group() {
	vm_kill
	backend_signal TERM
}

test_tcp_and_udp_both_ways() {
	local i
	for i in 0 1; do
		traffic "tcp listen ${it[i]} 7001 both" "tcp connect ${it[i]} 7001 both" bytes=300000
		traffic "udp connect ${us[i]} 7002 both" "udp listen ${us[i]} 7002 both" count=100
	done
	ctl status | jq -r '.nics[].accepted' | tee "$work/accepted"
	[ "$(grep -cw packed "$work/accepted")" = 1 ] || fail "not one of them has packed rings"
}

interrupts() { # CARD: of its receive queue
	guest "awk '/MSI.*virtio$1-input.0/ { print \$2 }' /proc/interrupts"
}

test_interrupts_are_msi_x() {
	local i before after
	for i in 0 1; do
		before=$(interrupts $i)
		guest "ping -A -c 20 -w 60 ${us[i]}" | grep -w '0% packet loss' || fail "card $i: packets were lost"
		after=$(interrupts $i)
		[ "$after" -gt "${before:?no MSI for card $i}" ] || fail "card $i: $before interrupts, and then $after"
	done
}

rings_are() { # true|false: with both devices
	ctl status | jq -e ".nics | all((.driver == \"running\") == $1)"
}

carried() { # FRAMES more by each card than when it was last true
	local now
	now=$(ctl stats | jq '[.nics[].device.tx_frames] | min')
	[ "$now" -ge $(($(cat "$work/carried" 2>/dev/null || echo 0) + $1)) ] && echo "$now" >"$work/carried"
}

# Through both cards at once, one connection each, and then the next, however fast the machine is.
load() { # until there is $work/enough
	local i pids bytes=bytes=3000000
	while [ ! -e "$work/enough" ]; do
		pids=()
		for i in 0 1; do
			"$tools/netcheck" tcp listen "${us[i]}" 7003 both $bytes timeout="$guest_limit" >"$work/netcheck$i" 2>&1 9>&- &
			pids+=($!)
		done
		guest "netcheck tcp connect ${us[0]} 7003 both $bytes timeout=$guest_limit & pid=\$!
			netcheck tcp connect ${us[1]} 7003 both $bytes timeout=$guest_limit && wait \$pid" ||
			fail "in the guest: $(grep '^netcheck' "$work/answer" | tail -n 1)"
		for i in 0 1; do
			wait "${pids[i]}" || fail "card $i, outside: $(tail -n 1 "$work/netcheck$i")"
		done
	done
}

# What QEMU reads of the rings by GET_VRING_BASE it hands over again; all connections are compared to the last byte.
test_a_machine_that_is_stopped_under_load_goes_on() {
	local n pid
	carried 0
	load >"$work/load" 2>&1 &
	pid=$!
	for n in 1 2 3; do
		wait_for 60 "load before stop $n" carried 20
		echo stop >"$work/monitor.in"
		wait_for 30 "the rings to be taken back" rings_are false
		echo cont >"$work/monitor.in"
		wait_for 30 "the rings to be there again" rings_are true
	done
	touch "$work/enough"
	wait $pid || fail "$(tail -n 1 "$work/load")"
	ctl status | jq -e '.nics | all(.refused == 0 and .front_ends == 1)' || fail "$(tail -n 1 "$work/backend.log")"
}

main "$@"
