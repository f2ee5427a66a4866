#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: nothing
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# shellcheck disable=SC2054 # commas belong to QEMU's options
# QEMU as the front end of doorbell backend: a stock kernel with the virtio-net driver on virtio-pci, two CPUs and two
# queue pairs, and QEMU comes back when the backend has died. It emulates the CPUs, so nothing is needed.
. "$(dirname "$0")/lib.sh"

us=192.168.92.1 it=192.168.92.2
image=$tools/qemu/initramfs.cpio

qemu_start() {
	local args=(
		-M q35,memory-backend=mem -accel tcg,thread=multi -cpu max -smp 2 -m 192M,slots=2,maxmem=1G
		-object memory-backend-memfd,id=mem,size=192M,share=on # a file, or it cannot be handed over
		-nodefaults -no-user-config -display none -no-reboot -serial stdio -monitor "pipe:$work/monitor"
		-kernel "$bzimage" -initrd "$image" -append "$(append_agent mitigations=off net0=$it/30)"
		-chardev "socket,id=nic,path=$work/s0,reconnect=1"
		-netdev vhost-user,id=net0,chardev=nic,queues=2
		# Without KVM QEMU 7.2 dies of vhost-user with MSI-X.
		-device virtio-net-pci,netdev=net0,mq=on,vectors=0,romfile=)
	rm -f "$work"/monitor.*
	mkfifo "$work"/monitor.{in,out}
	vm_run nice -n 19 qemu-system-x86_64 "${args[@]}"
	vm_expect @agent
}

start_group() {
	need_tap
	command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64: package qemu-system-x86"
	[ -e "$bzimage" ] || skip "no guest kernel: tests/setup.sh kernels"
	mkdir -p "$tools/qemu"
	"$top/tests/guest/pack-initramfs.sh" "$cache/x86_64/guest" "$image" "$top/tests/guest/init" \
		"virtio_pci virtio_net" "$tools/netcheck=bin/netcheck"
	tap_add_queues dbq0 $us/30 # it stays when the backend dies
	backend
	qemu_start
}

backend() {
	backend_start -vv --socket "$work/s0" --net tap,ifname=dbq0,queues=2
}

end_group() {
	vm_kill
	backend_signal TERM
}

connected() {
	[ "$(ctl status | jq -r '.nics[0] | .front_end + " " + .driver')" = "connected running" ]
}

test_pings_lose_nothing() {
	guest "ping -A -c 50 -w 30 $us" | grep -w '0% packet loss' || fail "packets were lost"
	busybox ping -A -c 50 -w 30 $it | grep -w '0% packet loss' || fail "packets were lost"
}

test_tcp_and_udp_both_ways() {
	traffic "tcp listen $it 7001 both" "tcp connect $it 7001 both" bytes=1000000 streams=4
	traffic "udp connect $us 7002 both" "udp listen $us 7002 both" count=200
}

test_both_queue_pairs_are_used() {
	guest "ls -d /sys/class/net/eth0/queues/tx-1"
	ctl status | jq -e '.nics[0].pairs_in_use == 2' || fail "$(ctl status | jq -c '.nics[0]')"
	ctl stats | jq -e '[.nics[0].pairs[].device | .rx_frames + .tx_frames] | length == 2 and all(. > 0)' ||
		fail "$(ctl stats | jq -c '[.nics[0].pairs[].device.tx_frames]')"
}

test_a_driver_that_goes_and_comes_back_is_served() {
	local d=/sys/bus/virtio/drivers/virtio_net
	guest "echo virtio0 >$d/unbind && echo virtio0 >$d/bind && ip link set eth0 up && ip addr add $it/30 dev eth0"
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=200000
}

# Regions in the last table of memory that QEMU has sent: -vv has the size of each message.
regions() {
	echo $((($(sed -n 's/.*SET_MEM_TABLE (5), \([0-9]*\) bytes.*/\1/p' "$work/backend.log" | tail -n 1) - 8) / 32))
}

goes_on() { # WHEN: 30 more frames of the load
	local before
	before=$(count tx_frames)
	wait_for 30 "load $1" eval "[ \$(count tx_frames) -gt $((before + 30)) ]"
}

test_memory_is_added_under_load() {
	local pid n before
	"$tools/netcheck" tcp listen $us 7004 both bytes=40000000 timeout="$guest_limit" >"$work/netcheck" 2>&1 9>&- &
	pid=$!
	guest_tell more "netcheck tcp connect $us 7004 both bytes=40000000 timeout=$guest_limit"
	before=$(regions)
	for n in 1 2; do
		goes_on "before memory is added"
		printf '%s\n' "object_add memory-backend-memfd,id=m$n,size=128M,share=on" "device_add pc-dimm,memdev=m$n" \
			>"$work/monitor.in"
		wait_for 10 "QEMU to tell of it" eval "[ \$(regions) -eq $((before + n)) ]"
	done
	goes_on "with more memory"
	wait $pid || fail "outside: $(tail -n 1 "$work/netcheck")"
	vm_expect "@rc more"
	vm_says "@rc more 0" || fail "in the guest: $(grep '^netcheck' "$work/console" | tail -n 1)"
	ctl status | jq -e '.nics[0] | .refused == 0 and .front_ends == 1' || fail "$(tail -n 1 "$work/backend.log")"
}

# One connection over the deaths: what it carries is compared to the last byte.
test_a_backend_killed_under_load_is_followed_by_the_next() {
	local pid death
	"$tools/netcheck" tcp listen $us 7003 both bytes=40000000 timeout=60 >"$work/netcheck" 2>&1 9>&- &
	pid=$!
	guest_tell load "netcheck tcp connect $us 7003 both bytes=40000000 timeout=60"
	for death in first second; do
		wait_for 30 "load before the $death death" eval "[ \$(count tx_frames) -gt 30 ]"
		backend_signal KILL
		backend
		wait_for 20 "QEMU to come back" connected
	done
	wait $pid || fail "outside: $(tail -n 1 "$work/netcheck")"
	vm_expect "@rc load"
	vm_says "@rc load 0" || fail "in the guest: $(grep '^netcheck' "$work/console" | tail -n 1)"
	ctl status | jq -e '.nics[0].refused == 0' || fail "$(tail -n 1 "$work/backend.log")"
}

test_a_front_end_that_is_killed_leaves_room_for_the_next() {
	vm_kill
	wait_for 10 "it to be missed" eval "ctl status | jq -e '.nics[0].front_end == \"none\"'"
}

main "$@"
