#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# One guest with user networking (slirp): addresses, names, traffic both ways, forwarded ports.
. "$(dirname "$0")/lib.sh"

tcp_port=17001 udp_port=17002 # forwarded to the guest's 7001 and 7002

start_group() {
	"$tools/fakedns" 127.0.0.1 53 box.test 10.9.8.7 9>&- &
	echo $! >"$work/dns"
	echo "nameserver 127.0.0.1" >"$work/resolv.conf"
	# Only in the namespace of the runner.
	[ -z "${E2E_INSIDE:-}" ] || mount --bind "$work/resolv.conf" /etc/resolv.conf
	vm_start -c 2 --control "$work/control" --net "user,hostfwd=tcp:127.0.0.1:$tcp_port-:7001,hostfwd=udp:127.0.0.1:$udp_port-:7002" \
		-a "$(append_agent)" "$bzimage"
	vm_expect @agent
}

end_group() {
	kill "$(cat "$work/dns")" 2>/dev/null
	[ -z "${E2E_INSIDE:-}" ] || umount /etc/resolv.conf
}

test_the_guest_gets_an_address_by_dhcp() {
	guest 'ip -4 addr show dev eth0' | grep -q 'inet 10\.0\.2\.15/24' || fail "eth0 has no 10.0.2.15"
	guest 'ip route' | grep -q 'default via 10\.0\.2\.2' || fail "no default route"
	guest 'cat /etc/resolv.conf' | grep -q 10.0.2.3 || fail "no name server"
}

test_the_gateway_answers_every_ping() {
	guest 'ping -A -c 50 -w 50 10.0.2.2' | grep -w '0% packet loss' || fail "packets were lost"
}

test_tcp_to_the_outside_arrives_unchanged() {
	traffic "tcp connect 10.0.2.2 7001 send" "tcp listen 127.0.0.1 7001 recv" bytes=1500000
}

backend_count() { # COUNTER
	ctl stats | jq ".nics[0].backend.$1"
}

test_tcp_from_the_outside_arrives_unchanged() {
	local before
	before=$(backend_count recv_joined)
	traffic "tcp connect 10.0.2.2 7001 recv" "tcp listen 127.0.0.1 7001 send" bytes=1500000
	# Of some 1040 segments.
	[ $(($(backend_count recv_joined) - before)) -ge 500 ] || fail "of the segments few were joined"
	[ "$(count rx_dropped)" = 0 ] || fail "the device dropped some"
}

test_four_tcp_streams_at_once_both_ways() {
	traffic "tcp connect 10.0.2.2 7001 both" "tcp listen 127.0.0.1 7001 both" bytes=300000 streams=4
}

test_tcp_through_a_forwarded_port() {
	traffic "tcp listen 0.0.0.0 7001 both" "tcp connect 127.0.0.1 $tcp_port both" bytes=300000 streams=4
}

test_udp_both_ways_without_loss() {
	traffic "udp connect 10.0.2.2 7002 both" "udp listen 127.0.0.1 7002 both" count=400
}

test_udp_through_a_forwarded_port() {
	traffic "udp listen 0.0.0.0 7002 both" "udp connect 127.0.0.1 $udp_port both" count=300
}

test_names_are_resolved_by_our_resolver() {
	[ -n "${E2E_INSIDE:-}" ] || skip "needs root, for an /etc/resolv.conf of its own"
	guest 'nslookup box.test 10.0.2.3' | grep -q 10.9.8.7 || fail "box.test was not resolved"
}

has_global_ipv6() {
	guest 'ip -6 addr show dev eth0 scope global; ip -6 addr show dev eth0 scope site' | grep -q 'inet6 f'
}

test_ipv6_gets_an_address_and_carries_tcp() {
	wait_for 30 "an IPv6 address" has_global_ipv6
	guest 'ping -6 -A -c 3 -w 20 fec0::2'
	local before
	before=$(backend_count recv_joined)
	traffic "tcp connect fec0::2 7001 both" "tcp listen ::1 7001 both" bytes=500000
	[ $(($(backend_count recv_joined) - before)) -ge 100 ] || fail "of the segments few were joined"
}

test_a_link_taken_down_in_the_guest_comes_back() {
	guest 'for i in 1 2 3; do ip link set eth0 down; ip link set eth0 up; done
		ip route replace default via 10.0.2.2' >/dev/null
	guest 'ping -A -c 3 -w 20 10.0.2.2'
	traffic "tcp connect 10.0.2.2 7001 both" "tcp listen 127.0.0.1 7001 both" bytes=200000
}

test_power_off_is_a_clean_end() {
	guest_off
	[ ! -s "$work/stderr" ] || fail "it said: $(head -n 1 "$work/stderr")"
}

main "$@"
