#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap vhost-net
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# One guest with two CPUs and two queue pairs: on vhost, by doorbell, and while that changes; a card with RSS,
# without an irqfd; and one without either. The last two report hashes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/switching.sh"

tap=dbe2e5 other=dbe2e6 us=192.168.81.1 it=192.168.81.2 us1=192.168.82.1 it1=192.168.82.2
hash_port=17005 # forwarded to the third card

start_group() {
	need_tap
	[ -c /dev/vhost-net ] || skip "no /dev/vhost-net"
	tap_add_queues $tap $us/24
	tap_add_queues $other $us1/24
	vm_start -c 2 --control "$work/control" --net "tap,ifname=$tap,path=vhost,queues=2" \
		--net "tap,ifname=$other,queues=2,features=default+rss+hash_report,irq=ioctl" \
		--net "user,features=default+hash_report,hostfwd=udp:127.0.0.1:$hash_port-:7005" \
		-a "$(append_agent net0=$it/24,$us net1=$it1/24 net2=10.0.2.15/24)" "$bzimage"
	vm_expect @agent
}

# A counter of each pair of a card, in one line: of_pairs NIC NAME
of_pairs() {
	ctl stats | jq -j --arg nic "$1" --arg key "$2" \
		'.nics[] | select(.name == $nic) | .pairs[].device[$key] | "\(.) "'
}

# Both have grown by more than $4 since of_pairs said $3.
both_grew() { # NIC NAME BEFORE BY
	local now
	now=$(of_pairs "$1" "$2")
	echo "$2 of the pairs of $1: $3 then $now"
	awk -v a="$3" -v b="$now" -v by="$4" 'BEGIN {
		split(a, was, " "); n = split(b, is, " ")
		exit !(n == 2 && is[1] - was[1] > by && is[2] - was[2] > by)
	}' || fail "$2: $3 then $now"
}

# Datagrams both ways by a program on each CPU, whose queue Linux takes; then TCP by four streams.
on_both_cpus() { # US
	local cpu
	for cpu in 1 2; do
		guest "taskset $cpu netcheck udp connect $1 7003 both count=50 timeout=60" >"$work/out" &
		"$tools/netcheck" udp listen "$1" 7003 both count=50 timeout=60 || fail "CPU mask $cpu"
		wait $! || fail "CPU mask $cpu: $(cat "$work/out")"
	done
	traffic "tcp connect $1 7001 both" "tcp listen $1 7001 both" bytes=80000 streams=4
}

test_linux_finds_both_pairs_and_takes_them() {
	guest "cd /sys/class/net/eth0/queues && ls -d rx-1 tx-1 && grep virtio /proc/interrupts"
	ctl status | grep -q '"pairs_in_use": 2' || fail "$(ctl status)"
}

test_vhost_serves_both_pairs() {
	local before
	before=$(of_pairs net0 tx_kicks)
	on_both_cpus $us
	[ "$(of_pairs net0 tx_frames)" = "0 0 " ] || fail "frames passed through doorbell"
	path pure # kicks are counted now
	both_grew net0 tx_kicks "$before" 3
}

passed() { # frames between net0 and the host
	ctl stats | jq '.nics[0].backend | .sends + .recvs'
}

test_doorbell_serves_both_pairs_and_captures_them() {
	local rx tx frames captured
	path pure
	frames=$(passed)
	ctl net0 "pcap=$work/pairs.pcap"
	rx=$(of_pairs net0 rx_frames) tx=$(of_pairs net0 tx_frames)
	on_both_cpus $us
	# The first ones of a flow come before the kernel knows where the guest sends: a window of netcheck's.
	both_grew net0 rx_frames "$rx" 10
	both_grew net0 tx_frames "$tx" 40
	ctl net0 pcap=off
	frames=$(($(passed) - frames))
	captured=$(tcpdump -n -r "$work/pairs.pcap" 2>"$work/tcpdump" | wc -l)
	echo "captured $captured of $frames frames"
	# Some may have come before it began, and after it had ended.
	frames=$((frames - captured))
	[ $frames -ge 0 ] || fail "captured more than there were"
	[ $frames -lt 20 ] || fail "not captured: $frames"
}

test_the_path_changes_under_traffic() {
	local n=0 pid
	(until [ -e "$work/enough" ]; do
		traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=100 streams=2
	done) >"$work/traffic" 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null && [ $n -lt 30 ]; do
		path vhost
		path pure
		n=$((n + 2))
	done >"$work/pauses"
	touch "$work/enough"
	wait $pid || fail "$(cat "$work/reason")"
	cat "$work/traffic"
	! grep -q 'reordered [1-9]' "$work/traffic" || fail "datagrams were reordered"
	[ $n = 30 ] || fail "$n switches"
	sed -n 's/.*"pause_ns": *\([0-9]*\).*/\1/p' "$work/pauses" | sort -n |
		awk '{ p[NR] = $1 } END { print "pause_ns: median", p[int((NR + 1) / 2)], "largest", p[NR] }'
}

test_both_pairs_change_while_nothing_happens() {
	switch_while_idle 3
}

test_both_pairs_change_while_their_receive_rings_are_empty() {
	switch_while_rx_rings_are_empty 2
}

test_both_pairs_change_while_the_link_is_down() {
	switch_while_the_link_is_down
}

test_both_pairs_change_while_the_driver_comes_and_goes() {
	switch_while_the_driver_is_rebound 3
	ctl status | grep -q '"pairs_in_use": 2' || fail "$(ctl status)"
	path pure
}

test_a_driver_that_comes_back_has_both_pairs() {
	rebind 1
	ctl status | grep -q '"pairs_in_use": 2' || fail "$(ctl status)"
	traffic "tcp listen $it 7001 both" "tcp connect $it 7001 both" bytes=80000 streams=4
}

# Datagrams to HOST PORT reach a program that sees whether the kernel knows the hash of each.
hashes() { # INTERFACE on|off HOST PORT WANTED
	local pid
	guest "rxhash $1 $2 7005 3" >"$work/hashes" &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		echo x >"/dev/udp/$3/$4" || :
		pause
	done
	wait $pid || fail "$(cat "$work/hashes")"
	grep -q "hash: $5 of 3" "$work/hashes" || fail "$1 $2: $(cat "$work/hashes")"
}

test_linux_takes_the_hash_that_the_card_reports() {
	ctl status | jq -e '[.nics[].accepted | contains("hash_report")] == [false, true, true]' ||
		fail "$(ctl status)"
	hashes eth2 off 127.0.0.1 $hash_port 0
	hashes eth2 on 127.0.0.1 $hash_port 3
	hashes eth1 off $it1 7005 0
	hashes eth1 on $it1 7005 3
	ctl stats | jq -e 'all(.nics[]; .device.ctrl_errors == 0)' || fail "$(ctl stats)"
}

# Linux leaves it with automatic steering until somebody asks for a table, or for hashes.
test_an_rss_table_names_the_pair() {
	local was now pid
	guest "rsstable eth1 0 1"
	ctl status | grep -q '"steering": "rss"' || fail "$(ctl status)"
	was=$(of_pairs net1 rx_frames)
	"$doorbell" ctl "$work/control" audit --seconds 100 --json >"$work/audit" 2>"$work/why" 9>&- &
	pid=$!
	wait_for 30 "the audit to begin" has_lines 1 'counting*' "$work/why"
	traffic "tcp connect $us1 7001 both" "tcp listen $us1 7001 both" bytes=60000 streams=8
	kill -INT $pid
	wait $pid || fail "the audit: $(cat "$work/why")"
	both_grew net1 rx_frames "$was" 10
	jq '.nics[1]' "$work/audit"
	jq -e '.nics[1] | (.pairs | length == 2) and
		all(.rows[], .pairs[].rows[]; .verdict != "unexplained")' "$work/audit" >/dev/null ||
		fail "something is unexplained"
	guest "rsstable eth1 1"
	was=$(of_pairs net1 rx_frames)
	traffic "tcp connect $us1 7001 both" "tcp listen $us1 7001 both" bytes=80000 streams=4
	now=$(of_pairs net1 rx_frames)
	echo "rx_frames with all in queue 1: $was then $now"
	# What has no hash, ARP, goes to queue 0 all the same.
	[ $((${now%% *} - ${was%% *})) -lt 10 ] || fail "pair 0 received too: $was then $now"
}

test_a_guest_ends_with_all_threads() {
	guest_off
}

main "$@"
