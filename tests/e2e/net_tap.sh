#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# One guest on a TAP that exists already: ping, traffic both ways, links that go down and up, the
# driver taken away and given back.
. "$(dirname "$0")/lib.sh"

tap=dbe2e0 us=192.168.77.1 it=192.168.77.2 us6=fd00:77::1 it6=fd00:77::2

start_group() {
	need_tap
	tap_add $tap $us/24
	ip addr add $us6/64 dev $tap nodad
	vm_start -c 2 --net "tap,ifname=$tap,pcap=$work/frames.pcap" \
		-a "$(append_agent net0=$it/24,$us)" "$bzimage"
	vm_expect @agent
	guest "ip addr add $it6/64 dev eth0"
}

test_ping_from_the_guest_loses_nothing() {
	guest "ping -A -c 100 -w 60 $us" | grep -w '0% packet loss' || fail "packets were lost"
}

test_ping_to_the_guest_loses_nothing() {
	busybox ping -A -c 100 -w 60 $it | tee /dev/stderr | grep -w '0% packet loss' ||
		fail "packets were lost"
}

test_large_pings_are_cut_and_put_together() {
	guest "ping -A -c 5 -s 20000 -w 30 $us" | grep -w '0% packet loss' || fail "packets were lost"
	busybox ping -A -c 5 -s 20000 -w 30 $it | grep -w '0% packet loss' || fail "packets were lost"
}

test_tcp_from_the_guest_arrives_unchanged() {
	traffic "tcp connect $us 7001 send" "tcp listen $us 7001 recv" bytes=6000000
}

test_tcp_to_the_guest_arrives_unchanged() {
	traffic "tcp listen $it 7001 recv" "tcp connect $it 7001 send" bytes=6000000
}

test_four_tcp_streams_at_once_both_ways() {
	traffic "tcp listen $it 7001 both" "tcp connect $it 7001 both" bytes=1000000 streams=4
}

test_tcp_over_ipv6_both_ways() {
	traffic "tcp connect $us6 7001 both" "tcp listen $us6 7001 both" bytes=1000000
}

test_udp_from_the_guest_without_loss() {
	traffic "udp connect $us 7002 send" "udp listen $us 7002 recv" count=1500
}

test_udp_to_the_guest_without_loss() {
	traffic "udp listen $it 7002 recv" "udp connect $it 7002 send" count=1500
}

test_udp_on_four_flows_both_ways() {
	traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=200 streams=4 window=16
}

test_udp_larger_than_a_frame() {
	traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=80 size=30000 window=4
}

test_a_tap_taken_down_comes_back() {
	for _ in 1 2 3; do
		ip link set $tap down
		guest "ping -c 1 -W 1 $us" && fail "a ping went through a TAP that is down"
		ip link set $tap up
	done
	guest "ping -A -c 5 -w 30 $us"
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=1000000
}

test_a_link_taken_down_in_the_guest_comes_back() {
	guest 'for i in 1 2 3 4 5; do ip link set eth0 down; ip link set eth0 up; done'
	guest "ping -A -c 5 -w 30 $us"
	traffic "tcp listen $it 7001 both" "tcp connect $it 7001 both" bytes=1000000
}

test_the_driver_can_be_unbound_and_bound_twenty_times() {
	guest "cd /sys/bus/virtio/drivers/virtio_net && dev=\$(ls -d virtio*) && for i in \$(seq 20); do
		echo \$dev >unbind && [ ! -e /sys/class/net/eth0 ] && echo \$dev >bind &&
		ip addr add $it/24 dev eth0 && ip link set eth0 up &&
		ping -c 1 -w 10 $us >/dev/null || { echo failed in round \$i; exit 1; }
	done"
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=1000000
}

test_the_capture_holds_frames_that_tcpdump_reads() {
	guest_off
	tcpdump -r "$work/frames.pcap" -n icmp 2>"$work/tcpdump" | head -n 500 >"$work/icmp"
	grep -q 'link-type EN10MB' "$work/tcpdump" || fail "$(tail -n 1 "$work/tcpdump")"
	grep -q "$it > $us: ICMP echo request" "$work/icmp" || fail "no request of the guest"
	grep -q "$us > $it: ICMP echo reply" "$work/icmp" || fail "no reply to the guest"
}

test_a_tap_that_was_there_before_stays() {
	tap_exists $tap || fail "$tap is gone"
	[ ! -s "$work/stderr" ] || fail "doorbell said: $(head -n 1 "$work/stderr")"
}

main "$@"
