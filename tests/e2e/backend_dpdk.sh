#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: nothing
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# DPDK's virtio-user as the driver: for each set of features it joins two devices of one doorbell backend, and what
# goes through has to come out unchanged at the TAP of the other one, which is in a network of its own.
. "$(dirname "$0")/lib.sh"

net=192.168.91 # set i: our end is .(4i + 1), the other network's .(4i + 2)
far=dbfar
sets=("" ",features=minimal" ",features=default-mrg_rxbuf" ",features=default-indirect_desc"
	",features=default-ctrl_vq-ctrl_rx-ctrl_vlan-ctrl_rx_extra-ctrl_mac_addr-guest_announce-ctrl_guest_offloads"
	",queues=2" ",features=default+packed" ",features=default+packed+in_order")
# shellcheck disable=SC2054 # commas belong to DPDK
rings=(queue_size=256,packed_vq=0 queue_size=64,packed_vq=0 queue_size=1024,packed_vq=0 queue_size=256,packed_vq=0
	queue_size=256,packed_vq=0 queue_size=256,packed_vq=0 queue_size=256,packed_vq=1,in_order=0
	queue_size=256,packed_vq=1,in_order=1)

start_group() {
	need_tap
	command -v dpdk-testpmd >/dev/null || skip "no dpdk-testpmd: package dpdk"
	ip netns add $far
	sets_start
}

# Two devices and their drivers for each of the sets.
sets_start() {
	local i k options=()
	for i in "${!sets[@]}"; do
		for k in 0 1; do
			options+=(--socket "$work/s$i$k" --net "tap,ifname=dbd$i$k${sets[i]}")
		done
	done
	backend_start "${options[@]}"
	for i in "${!sets[@]}"; do
		ip addr add $net.$((4 * i + 1))/30 dev "dbd${i}0"
		ip link set "dbd${i}0" up
		ip link set "dbd${i}1" netns $far
		ip -n $far addr add $net.$((4 * i + 2))/30 dev "dbd${i}1"
		ip -n $far link set "dbd${i}1" up
	done
	pmd_start
}

end_group() {
	pmd_signal KILL
	backend_signal TERM
	ip netns del $far
}

running() { # how many drivers
	[ "$(ctl status | jq '[.nics[] | select(.driver == "running")] | length')" = "$1" ]
}

pmd_start() {
	local i devices=()
	for i in "${!sets[@]}"; do
		devices+=("path=$work/s${i}0,queues=1,${rings[i]}" "path=$work/s${i}1,queues=1,${rings[i]}")
	done
	pmd_join 1 "${devices[@]}"
}

# Each joined with the next one.
pmd_join() { # QUEUES VIRTIO-USER...
	local queues=$1 device devices=()
	shift
	for device in "$@"; do
		devices+=(--vdev "net_virtio_user$((${#devices[@]} / 2)),$device")
	done
	nice -n 19 dpdk-testpmd -l 0,1 --no-huge --no-shconf -m 96 --no-pci --no-telemetry --file-prefix=e2ebe \
		"${devices[@]}" -- --forward-mode=io --auto-start --no-lsc-interrupt --nb-cores=1 \
		--rxq="$queues" --txq="$queues" --total-num-mbufs=8192 --no-flush-rx --disable-link-check \
		--stats-period 1000 >>"$work/pmd.log" 2>&1 </dev/null 9>&- &
	echo $! >"$work/pmd.pid"
	wait_for 60 "DPDK: $(tail -n 1 "$work/pmd.log")" running $#
}

pmd_signal() { # SIGNAL
	process_end "$1" "$work/pmd.pid"
}

through() { # SET tcp|udp [KEY=N...]
	local at=$net.$((4 * $1 + 2)) kind=$2 pid
	shift 2
	ip netns exec $far "$tools/netcheck" "$kind" listen "$at" 7001 both timeout=60 "$@" \
		>"$work/netcheck" 2>&1 9>&- &
	pid=$!
	"$tools/netcheck" "$kind" connect "$at" 7001 both timeout=60 "$@" ||
		fail "set '${sets[(${at##*.} - 2) / 4]}', $kind: status $?"
	wait $pid || fail "on the far side: $(tail -n 1 "$work/netcheck")"
}

test_every_set_of_features_carries_tcp_and_udp() {
	local i
	for i in "${!sets[@]}"; do
		echo "== ${sets[i]:-all}"
		through "$i" tcp bytes=100000
		through "$i" udp count=50
	done
}

test_what_was_withheld_was_not_accepted() {
	ctl status | jq -r '.nics[].accepted' | tee "$work/accepted"
	[ "$(sed -n 1p "$work/accepted")" = mrg_rxbuf,indirect_desc,version_1 ] || fail "not all of it"
	[ "$(sed -n 3p "$work/accepted")" = version_1 ] || fail "minimal is more"
	[ "$(sed -n 5p "$work/accepted")" = indirect_desc,version_1 ] || fail "mrg_rxbuf was withheld"
	[ "$(sed -n 7p "$work/accepted")" = mrg_rxbuf,version_1 ] || fail "indirect_desc was withheld"
	[ "$(sed -n 13p "$work/accepted")" = mrg_rxbuf,indirect_desc,version_1,packed ] || fail "no packed rings"
	[ "$(sed -n 15p "$work/accepted")" = mrg_rxbuf,indirect_desc,version_1,packed,in_order ] || fail "not in order"
}

test_a_stop_and_a_new_driver_in_one_go() {
	pmd_signal INT
	running 0 || fail "a driver is still there"
	pmd_start
	through 0 tcp bytes=300000
}

load() { # towards the other network, that nobody waits for
	local before
	ip netns exec $far "$tools/netcheck" udp listen $net.2 7003 recv count=100000000 timeout=60 \
		>/dev/null 2>&1 9>&- &
	"$tools/netcheck" udp connect $net.2 7003 send count=100000000 timeout=60 >/dev/null 2>&1 9>&- &
	echo $! >"$work/load"
	before=$(ctl stats | jq '.nics[0].device.rx_frames')
	wait_for 60 "load" eval "[ \$(ctl stats | jq '.nics[0].device.rx_frames') -gt $((before + 200)) ]"
}

test_a_driver_killed_under_load_is_followed_by_the_next() {
	load
	pmd_signal KILL
	wait_for 10 "the drivers to be gone" running 0
	kill "$(cat "$work/load")"
	pmd_start
	through 0 tcp bytes=300000
	through 1 udp count=200
	ctl status | jq -e '.nics | all(.refused == 0)' || fail "a connection was refused"
}

# virtio-user does not connect again: a new one does, to a backend that finds the sockets of the one before.
test_a_backend_killed_under_load_is_followed_by_the_next() {
	load
	backend_signal KILL
	kill "$(cat "$work/load")" 2>/dev/null || : # its TAP has gone, too
	pmd_signal KILL
	[ -S "$work/s00" ] || fail "there is nothing of the one before"
	sets_start
	through 0 tcp bytes=300000
	through 6 tcp bytes=300000 # packed
	ctl status | jq -e '.nics | all(.front_ends == 1 and .refused == 0)' || fail "a connection was refused"
}

# What DPDK has, withheld in turn with the rings of the sets that are not among the first.
test_features_withheld_in_turn_with_other_rings() {
	pmd_signal KILL
	backend_signal TERM
	sets=(",features=default+packed+in_order-mrg_rxbuf" ",features=default+packed+in_order-indirect_desc"
		",features=default+packed+in_order-ctrl_vq-ctrl_rx-ctrl_vlan-ctrl_rx_extra-ctrl_mac_addr-guest_announce-ctrl_guest_offloads"
		",features=default+in_order")
	# shellcheck disable=SC2054 # commas belong to DPDK
	rings=(queue_size=256,packed_vq=1,in_order=1 queue_size=256,packed_vq=1,in_order=1 queue_size=256,packed_vq=1,in_order=1
		queue_size=256,packed_vq=0,in_order=1)
	sets_start
	test_every_set_of_features_carries_tcp_and_udp
	ctl status | jq -r '.nics[].accepted' | tee "$work/accepted"
	[ "$(sed -n 1p "$work/accepted")" = indirect_desc,version_1,packed,in_order ] || fail "mrg_rxbuf was withheld"
	[ "$(sed -n 3p "$work/accepted")" = mrg_rxbuf,version_1,packed,in_order ] || fail "indirect_desc was withheld"
	[ "$(sed -n 5p "$work/accepted")" = mrg_rxbuf,indirect_desc,version_1,packed,in_order ] || fail "not all of it"
	[ "$(sed -n 7p "$work/accepted")" = mrg_rxbuf,indirect_desc,version_1,in_order ] || fail "not in order, split"
}

# The same two TAPs on a backend of its own, each with two queue pairs.
test_two_queue_pairs() {
	local i
	pmd_signal KILL
	backend_signal TERM
	backend_start --socket "$work/q0" --net tap,ifname=dbm0 --queues 2 \
		--socket "$work/q1" --net tap,ifname=dbm1,queues=2
	ip addr add $net.1/30 dev dbm0
	ip link set dbm0 up
	ip link set dbm1 netns $far
	ip -n $far addr add $net.2/30 dev dbm1
	ip -n $far link set dbm1 up
	pmd_join 2 "path=$work/q0,queues=2,packed_vq=0" "path=$work/q1,queues=2,packed_vq=0"
	through 0 tcp bytes=200000 streams=8
	through 0 udp count=50 streams=8
	ctl status | jq -e '.nics | all(.pairs_in_use == 2)' || fail "not both pairs are in use"
	for i in 0 1; do
		ctl stats | jq -e ".nics[$i].pairs | length == 2 and all(.device.rx_frames > 0 and .device.tx_frames > 0)" ||
			fail "NIC $i: $(ctl stats | jq -c ".nics[$i].pairs[].device | [.rx_frames, .tx_frames]")"
	done
}

sunk() { # how many frames with a number
	ctl stats | jq -e ".nics[3].numbered.good >= $1"
}

# gen -> DPDK -> pair -> DPDK -> sink
test_numbered_frames_through_a_pair_are_whole_and_in_order() {
	pmd_signal KILL
	backend_signal TERM
	backend_start --socket "$work/k0" --net gen,rate=5000,size=1514 --socket "$work/k1" --net pair,name=p \
		--socket "$work/k2" --net pair,name=p --socket "$work/k3" --net sink
	pmd_join 1 "path=$work/k"{0,1,2,3}",queues=1,packed_vq=0"
	wait_for 30 "frames in the sink" sunk 2000
	# Between two polling rings DPDK drops what finds no room: lost is for it to say.
	ctl stats | jq -e '.nics[3].numbered | .duplicated + .reordered + .corrupted == 0' ||
		fail "$(ctl stats | jq -c '.nics[3].numbered')"
}

main "$@"
