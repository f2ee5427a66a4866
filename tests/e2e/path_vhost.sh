#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap vhost-net
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# One guest whose rings the kernel's vhost-net serves, and doorbell, in turn: traffic on either, and
# while it changes.
. "$(dirname "$0")/lib.sh"

tap=dbe2e3 other=dbe2e4 us=192.168.79.1 it=192.168.79.2

start_group() {
	need_tap
	[ -c /dev/vhost-net ] || skip "no /dev/vhost-net"
	tap_add $tap $us/24
	tap_add $other
	vm_start -c 2 --control "$work/control" --on-reboot restart --net "tap,ifname=$tap,path=vhost,busyloop=50" \
		--net "tap,ifname=$other" -a "$(append_agent net0=$it/24,$us net1=none)" "$bzimage"
	vm_expect @agent
}

ctl() {
	"$doorbell" ctl "$work/control" "$@"
}

path() { # pure|vhost
	ctl net0 "path=$1" || fail "path=$1"
}

path_is() {
	[ "$(ctl status | sed -n 's/.*"path": "\([a-z]*\)".*/\1/p' | head -n 1)" = "$1" ] ||
		fail "status does not say path $1"
}

counter() { # NAME: of net0's device
	ctl stats | sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" | head -n 1
}

# Two switches, $1 times, by one ctl; each answer is a line of $work/answers.
switches() { # TIMES
	local i
	for ((i = 0; i < $1; i++)); do
		echo '{"command": "path", "nic": "net0", "value": "pure"}'
		echo '{"command": "path", "nic": "net0", "value": "vhost"}'
	done | ctl - >"$work/answers" || fail "$(grep -v '"ok":true' "$work/answers" | head -n 1)"
}

# Runs `traffic ARGUMENTS`, again and again, while the path changes $1 times.
switching() { # TIMES ARGUMENT...
	local times=$1 n=0 pid rc=0
	shift
	rm -f "$work/enough"
	(until [ -e "$work/enough" ]; do
		traffic "$@"
	done) >"$work/traffic" 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null && [ $n -lt "$times" ]; do
		switches 10
		n=$((n + 20))
	done
	touch "$work/enough"
	wait $pid || rc=$?
	cat "$work/traffic"
	echo "$n switches; of the last 1024: $(ctl stats | sed -n '/"switch_pause"/,/}/p' | tr -d '\n ')"
	echo "dropped by the TAP since it was made: $(cat /sys/class/net/$tap/statistics/tx_dropped)"
	[ $rc = 0 ] || fail "$(cat "$work/reason")"
	[ "$n" -ge "$times" ] || fail "the traffic ended after $n switches"
	! grep -q 'reordered [1-9]' "$work/traffic" || fail "datagrams were reordered"
}

# ---- vhost alone

test_tcp_both_ways() {
	path_is vhost
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=4000000
	traffic "tcp listen $it 7001 both" "tcp connect $it 7001 both" bytes=1000000 streams=4
}

test_udp_both_ways_without_loss() {
	traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=1000
	traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=80 size=30000 window=4
}

test_none_of_these_frames_passed_through_doorbell() {
	[ "$(counter rx_frames)-$(counter tx_frames)" = 0-0 ] ||
		fail "rx_frames $(counter rx_frames), tx_frames $(counter tx_frames)"
}

# ---- in turn

test_a_switch_while_nothing_happens() {
	local i
	for i in $(seq 5); do
		path pure
		path_is pure
		path vhost
		path_is vhost
		guest "ping -c 1 -W 5 $us >/dev/null" || fail "no answer after $((2 * i)) switches"
	done
}

no_ports() { # datagrams that reached the guest's UDP for nobody
	guest "awk '/^Udp: [0-9]/ { print \$3 }' /proc/net/snmp" 2>/dev/null
}

# Nobody empties the ring of 256 and posts new buffers while the CPUs are stopped.
test_a_switch_while_the_receive_ring_is_empty() {
	local before
	guest "ping -c 1 -W 5 $us >/dev/null"
	before=$(no_ports)
	ctl pause
	for _ in $(seq 400); do
		echo x >"/dev/udp/$it/9"
	done
	path pure
	path vhost
	path pure
	ctl resume
	guest "ping -c 1 -W 5 $us >/dev/null"
	path vhost
	guest "ping -c 1 -W 5 $us >/dev/null"
	[ $(($(no_ports) - before)) = 400 ] || fail "$(($(no_ports) - before)) of 400 datagrams arrived"
}

test_the_pure_path_with_what_vhost_can_honour() {
	path pure
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=4000000
	traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=1000
	[ "$(counter rx_frames)" -gt 1000 ] || fail "these frames did not pass through doorbell"
	path vhost
}

test_udp_both_ways_under_500_switches() {
	switching 500 "udp listen $it 7002 both" "udp connect $it 7002 both" count=1000
}

test_tcp_both_ways_under_500_switches() {
	switching 500 "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=4000000
}

# ---- driver and link

rebind="cd /sys/bus/virtio/drivers/virtio_net && dev=\$(basename \$(readlink -f /sys/class/net/eth0/device)) &&
	for i in \$(seq 5); do
		echo \$dev >unbind && [ ! -e /sys/class/net/eth0 ] && echo \$dev >bind &&
		ip addr add $it/24 dev eth0 && ip link set eth0 up &&
		ping -c 1 -w 10 $us >/dev/null || { echo failed in round \$i; exit 1; }
	done"

test_the_driver_can_be_unbound_and_bound() {
	guest "$rebind"
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=1000000
}

test_the_driver_can_be_unbound_and_bound_while_the_path_changes() {
	local pid
	guest "$rebind" &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		path pure
		path vhost
	done
	wait $pid || fail "$(cat "$work/hint")"
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=1000000
}

test_a_link_that_is_down_stops_vhost_too() {
	ctl net0 link=down
	guest "ping -c 1 -W 1 $us >/dev/null" && fail "a ping went through a link that is down"
	path pure
	path vhost
	ctl net0 link=up
	# Until the driver has heard of it, the guest's stack drops what is sent.
	guest "until grep -q 1 /sys/class/net/eth0/carrier; do sleep 0.1; done; ping -A -c 3 -w 30 $us"
	traffic "tcp listen $it 7001 both" "tcp connect $it 7001 both" bytes=1000000
}

# ---- another life

offered() {
	ctl status | grep '"offered"'
}

# Started with vhost, which has the memory of the first life.
test_a_reboot_keeps_the_path_and_what_was_offered() {
	local before
	before=$(offered)
	path pure
	guest_reboot
	path_is pure
	[ "$(offered)" = "$before" ] || fail "offered before: $before, now: $(offered)"
	traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=200
	path vhost
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=1000000
}

# ---- what cannot be

test_a_switch_that_vhost_cannot_honour_is_refused_by_name() {
	ctl net1 path=vhost 2>"$work/why" && fail "it was not refused"
	grep -q 'ctrl_rx,ctrl_vlan,ctrl_rx_extra' "$work/why" || fail "$(cat "$work/why")"
	ctl net1 path=fast 2>"$work/why" && fail "it was not refused"
	grep -q 'pure or vhost' "$work/why" || fail "$(cat "$work/why")"
}

test_a_feature_that_vhost_cannot_honour_is_refused_at_the_start() {
	local feature
	for feature in ctrl_vlan hash_report; do
		"$doorbell" run --net "tap,path=vhost,features=default+$feature" "$bzimage" 2>"$work/why" </dev/null &&
			fail "it was not refused"
		grep -q "$feature is not possible here" "$work/why" || fail "$(cat "$work/why")"
	done
	"$doorbell" run --net "tap,path=vhost,pcap=$work/x.pcap" "$bzimage" 2>"$work/why" </dev/null &&
		fail "it was not refused"
	grep -q 'exclude each other' "$work/why" || fail "$(cat "$work/why")"
}

test_an_interface_that_vanishes_takes_the_link_down() {
	ip link del $tap
	wait_for 10 "the link to go down" sh -c "'$doorbell' ctl '$work/control' status | grep -q '\"link\": \"down\"'"
	guest "ping -c 1 -W 1 $us >/dev/null" && fail "a ping without an interface"
	guest_off
	grep -q "is gone" "$work/stderr" || fail "doorbell did not say so"
}

main "$@"
