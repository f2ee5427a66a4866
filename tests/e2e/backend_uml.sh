#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: nothing
# shellcheck disable=SC1091,SC2016,SC2154 # lib.sh, its variables, and those of the guest
# The virtio-net driver of Linux in User Mode Linux, on the device that doorbell backend serves: one process with
# a socket for each set of features, one guest with a network card at each of them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/uml.sh"

sets=("tap" "tap,features=minimal" "tap,features=default-mrg_rxbuf" "tap,features=default-event_idx"
	"tap,features=default-indirect_desc" "tap,mtu=1400" "tap,queues=2" "tap,features=default+packed")

start_group() {
	need_tap
	need_uml
	cards_start dbu "${sets[@]}"
}

end_group() {
	uml_kill
	backend_signal TERM
}

test_pings_lose_nothing() {
	guest "ping -A -c 100 -w 30 $(us 0)" | grep -w '0% packet loss' || fail "packets were lost"
	busybox ping -A -c 100 -w 30 "$(it 0)" | grep -w '0% packet loss' || fail "packets were lost"
}

test_tcp_both_ways_on_four_streams() {
	traffic "tcp listen $(it 0) 7001 both" "tcp connect $(it 0) 7001 both" bytes=2000000 streams=4
}

test_udp_both_ways_without_loss() {
	traffic "udp listen $(it 0) 7002 both" "udp connect $(it 0) 7002 both" count=500
}

test_every_set_of_features_carries_traffic() {
	local i
	for ((i = 1; i < ${#sets[@]}; i++)); do
		echo "== ${sets[i]}"
		works "$i"
	done
}

test_the_driver_takes_what_it_was_offered() {
	local i
	guest "cat /sys/bus/virtio/devices/virtio*/features" | tee "$work/features"
	# Bits 15, 28, 29: withheld from one card each.
	[ "$(sed -n 8p "$work/features" | cut -c 35)" = 1 ] || fail "no packed rings on card 7"
	for i in 15:2 28:4 29:3; do
		[ "$(cut -c "$((${i%:*} + 1))" "$work/features" | sed -n "$((${i#*:} + 1))p")" = 0 ] ||
			fail "bit ${i%:*} was withheld from card ${i#*:}"
		[ "$(cut -c "$((${i%:*} + 1))" "$work/features" | head -n 1)" = 1 ] ||
			fail "bit ${i%:*} was not accepted on card 0"
	done
	guest "cat /sys/class/net/eth5/mtu" | grep -wx 1400 || fail "the MTU was not told"
}

test_the_control_queue_is_served() {
	guest "ip link set eth0 promisc on && ip link set eth0 promisc off" # twice rx mode, at least
	[ "$(count ctrl_commands)" -gt 1 ] || fail "no command arrived"
	[ "$(count ctrl_errors)" = 0 ] || fail "commands were refused"
}

test_a_link_that_goes_down_is_seen() {
	ctl net0 link=down
	wait_for 10 "the guest to see it" guest "grep -wx 0 /sys/class/net/eth0/carrier"
	ctl net0 link=up
	wait_for 10 "the guest to see it" guest "grep -wx 1 /sys/class/net/eth0/carrier"
	works 0
}

test_a_driver_that_goes_and_comes_back_is_served() {
	local d=/sys/bus/virtio/drivers/virtio_net i
	for i in 1 2 3; do
		guest "echo virtio1 >$d/unbind && echo virtio1 >$d/bind && echo virtio7 >$d/unbind && echo virtio7 >$d/bind"
	done
	for i in 1 7; do
		guest "ip link set eth$i up && ip addr add $(it $i)/30 dev eth$i"
		works $i
	done
}

test_what_it_counts_is_what_went_through() {
	ctl stats >"$work/stats"
	jq -e '.nics | length == 8 and all(.device.rx_frames > 10 and .device.tx_frames > 10 and .broken == 0)' \
		"$work/stats" || fail "$(jq -c '[.nics[] | [.device.rx_frames, .device.tx_frames, .broken]]' "$work/stats")"
	ctl status | jq -e '.nics | all(.front_end == "connected" and .driver == "running" and .refused == 0)' ||
		fail "a front end is not connected"
}

# Load that nobody waits for.
load() {
	guest_tell load "netcheck tcp connect $(us 0) 7003 both bytes=1000000000 timeout=60"
	"$tools/netcheck" tcp listen "$(us 0)" 7003 both bytes=1000000000 timeout=60 >/dev/null 2>&1 9>&- &
	echo $! >"$work/load"
	local before
	before=$(count tx_frames)
	wait_for 60 "load" eval "[ \$(count tx_frames) -gt $((before + 200)) ]"
}

load_end() {
	kill "$(cat "$work/load")" 2>/dev/null || :
}

test_a_front_end_killed_under_load_is_followed_by_the_next() {
	load
	uml_kill
	load_end
	uml_start 1
	works 0
	ctl status | jq -e '.nics[0].front_ends == 2' || fail "no second front end was counted"
}

test_a_backend_killed_under_load_is_followed_by_the_next() {
	load
	backend_signal KILL
	load_end
	uml_kill
	backend_start --socket "$work/s0" --net tap,ifname=dbu0
	ip addr add "$(us 0)/30" dev dbu0
	ip link set dbu0 up
	uml_start 1
	works 0
}

# Each card of one guest lacks another feature. Behind them is echo: what goes to .2 comes back, TCP too.
card_works='
	set -e
	ip link set eth$i up
	ip addr add 10.9.$i.1/24 dev eth$i
	ping -A -c 2 -w 20 10.9.$i.2 | grep -w "0% packet loss"
	rm -f /tmp/came
	nc 10.9.$i.2 7 </tmp/sent >/tmp/came & # which hears no end
	n=0
	until cmp -s /tmp/sent /tmp/came; do
		[ $((n += 1)) -lt 2000 ]
		usleep 10000
	done
	kill $! 2>/dev/null || :'

without() { # NET FEATURE...
	local everything=$1 f i=0 options=()
	shift
	for f in "$@"; do
		options+=(--socket "$work/s$((i++))" --net "$everything-$f")
	done
	backend_start "${options[@]}"
	uml_start $# none
	guest "head -c 300000 /dev/urandom >/tmp/sent"
	for ((i = 0; i < $#; i++)); do
		echo "== without ${*:i+1:1}"
		guest "i=$i; $card_works" || fail "without ${*:i+1:1}: $(tail -n 1 "$work/answer")"
	done
	ctl status | jq -r '.nics[].accepted' | tee "$work/accepted"
	cat "$work/accepted" >>"$work/all_accepted"
	for ((i = 1; i <= $#; i++)); do
		! sed -n "${i}p" "$work/accepted" | grep -w "${!i}" || fail "${!i} was withheld and is accepted"
	done
	uml_kill
	backend_signal TERM
}

each_withheld() { # FEATURES
	local everything=echo,queues=2,mtu=1400,features=$1 names
	uml_kill
	backend_signal TERM
	backend_start --socket "$work/s0" --net "$everything"
	mapfile -t names < <(ctl status | jq -r '.nics[0].offered' | tr , '\n' | grep -vx version_1)
	backend_signal TERM
	[ ${#names[@]} -ge 24 ] || fail "only ${names[*]} are offered"
	: >"$work/all_accepted"
	without "$everything" "${names[@]:0:16}"
	without "$everything" "${names[@]:16}"
}

test_bring_up_with_every_feature_withheld_in_turn_packed() {
	each_withheld default+packed+in_order
	# Bring-up without packed rings is one of them.
	[ "$(grep -cvw packed "$work/all_accepted")" = 1 ] || fail "not packed: $(grep -vw packed "$work/all_accepted")"
}

test_bring_up_with_every_feature_withheld_in_turn_split() {
	each_withheld default+in_order
	! grep -w packed "$work/all_accepted" || fail "packed rings"
}

test_it_ends_with_the_signal_and_leaves_nothing() {
	uml_kill
	backend_signal TERM
	[ ! -e "$work/s0" ] || fail "the socket stayed"
	[ ! -e "$work/control" ] || fail "the control socket stayed"
	! tap_exists dbu0 || fail "the TAP stayed"
}

main "$@"
