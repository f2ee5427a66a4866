#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: nothing
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# Two User Mode Linuxes whose network cards are joined by doorbell backend: card i of the one with card i of the other. The
# last two are joined by sockets between two NICs of that backend each, a stream and datagrams, and what goes over card 3
# is captured.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/uml.sh"

net=192.168.92 # card i: .(4i + 1) in one, .(4i + 2) in two
one=("" "" ",features=default+packed" ",features=minimal+csum")
two=("" ",features=default-mrg_rxbuf" "" ",features=minimal")

side_start() { # one|two CARDS
	local i words="" sockets=() last=1
	[ "$1" = one ] || last=2
	for ((i = 0; i < $2; i++)); do
		words+=" net$i=$net.$((4 * i + last))/30"
		sockets+=("$work/$1$i")
	done
	in_vm "$1" uml_boot "$uml/initramfs.cpio" "$words" "${sockets[@]}"
}

start_group() {
	local i options=()
	need_uml
	for i in "${!one[@]}"; do
		options+=(--socket "$work/one$i" --net "pair,name=$i${one[i]}"
			--socket "$work/two$i" --net "pair,name=$i${two[i]}")
	done
	backend_start "${options[@]}" \
		--socket "$work/one${#one[@]}" --net "socket,path=$work/link,server=on" \
		--socket "$work/two${#two[@]}" --net "socket,path=$work/link" \
		--socket "$work/one$((${#one[@]} + 1))" --net "socket,type=dgram,path=$work/dgram,server=on" \
		--socket "$work/two$((${#two[@]} + 1))" --net "socket,type=dgram,path=$work/dgram,local=$work/dgram2"
	ctl net6 "pcap=$work/card3.pcap"
	side_start one $((${#one[@]} + 2))
	side_start two $((${#two[@]} + 2))
}

end_group() {
	in_vm one uml_kill
	in_vm two uml_kill
	backend_signal TERM
}

heard() { # ID
	in_vm one vm_says "@rc $1 "
}

# netcheck in both guests, over card CARD: between CARD PROTOCOL [KEY=N...]
between() {
	local address=$net.$((4 * $1 + 1)) id=n$RANDOM protocol=$2
	shift 2
	in_vm one guest_tell $id "netcheck $protocol listen $address 7001 both timeout=60 $*"
	in_vm two guest "netcheck $protocol connect $address 7001 both timeout=60 $*"
	wait_for 30 "the other side" heard $id
	in_vm one vm_says "@rc $id 0" || fail "the other side found fault with it: $(tail -n 3 "$work/one/console")"
}

test_tcp_and_udp_arrive_unchanged_both_ways() {
	between 0 tcp bytes=5000000 streams=2
	between 0 udp count=300
}

test_ends_with_other_features_understand_each_other() {
	local i
	for ((i = 1; i < ${#one[@]}; i++)); do
		echo "== ${one[i]} ${two[i]}"
		between "$i" tcp bytes=300000
		between "$i" udp count=50
	done
}

test_sockets_join_them_as_well() {
	local i
	for i in 0 1; do
		between $((${#one[@]} + i)) tcp bytes=300000
		between $((${#one[@]} + i)) udp count=50
	done
	ctl stats | jq -e '.nics[8:] | length == 4 and all(.kind == "socket" and .backend.sends > 50 and .backend.recvs > 50)' ||
		fail "$(ctl stats | jq -c '[.nics[8:][].backend | [.sends, .recvs]]')"
}

captured() { # as often as sent and received, each of which the guests may do at any time
	local frames
	frames=$(tcpdump -r "$work/card3.pcap" -n 2>"$work/tcpdump" | wc -l)
	ctl stats | jq -e "$frames > 100 and $frames == (.nics[6].backend | .sends + .recvs)"
}

test_a_capture_has_each_frame_once() {
	between 3 udp count=50
	wait_for 10 "as many frames in the capture as were sent and received" captured
	ctl net6 pcap=off
}

# One copy for each byte, and the thread of each pair is one, as is that of each end of the socket.
test_what_it_counts_is_one_copy() {
	ctl stats | jq '.nics |= .[:8]' >"$work/stats"
	jq -e '[.nics[].backend] | (map(.bytes_copied) | add) == (map(.recv_bytes - 12 * .recvs) | add)' "$work/stats" ||
		fail "$(jq -c '[.nics[].backend | [.recvs, .recv_bytes, .bytes_copied]]' "$work/stats")"
	jq -e 'all(.nics[].backend; .send_errors == 0)' "$work/stats" || fail "$(jq -c '[.nics[].backend.send_errors]' "$work/stats")"
	jq -e '.threads | length == 9' "$work/stats" || fail "threads: $(jq -c '[.threads[].name]' "$work/stats")"
}

# Each message of a front end about its rings pauses its device, and what is on its way has to wait.
test_a_driver_that_comes_and_goes_loses_none_of_the_other_cards_frames() {
	local d=/sys/bus/virtio/drivers/virtio_net
	in_vm two guest_tell gone "for i in 1 2 3 4; do echo virtio1 >$d/unbind; echo virtio1 >$d/bind; done"
	between 0 tcp bytes=3000000
	in_vm two guest "ip link set eth1 up && ip addr add $net.6/30 dev eth1"
	between 1 tcp bytes=300000
}

test_a_front_end_killed_under_load_is_followed_by_the_next() {
	in_vm one guest_tell load "netcheck tcp listen $net.1 7002 both bytes=1000000000 timeout=120"
	in_vm two guest_tell load "netcheck tcp connect $net.1 7002 both bytes=1000000000 timeout=120"
	local before
	before=$(ctl stats | jq '.nics[0].device.rx_frames')
	wait_for 60 "load" eval "[ \$(ctl stats | jq '.nics[0].device.rx_frames') -gt $((before + 200)) ]"
	in_vm two uml_kill
	side_start two 1
	in_vm two guest "ping -A -c 20 -w 20 $net.1" | grep -w '0% packet loss' || fail "packets were lost"
}

main "$@"
