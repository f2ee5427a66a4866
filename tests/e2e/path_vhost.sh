#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap vhost-net cpus
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# One guest whose rings the kernel's vhost-net serves, and doorbell, in turn: traffic on either, and
# while it changes; and a card that vhost could serve.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/switching.sh"

tap=dbe2e3 other=dbe2e4 third=dbe2e7 us=192.168.79.1 it=192.168.79.2 us2=192.168.77.1 it2=192.168.77.2

start_group() {
	need_tap
	[ -c /dev/vhost-net ] || skip "no /dev/vhost-net"
	tap_add $tap $us/24
	tap_add $other
	tap_add $third $us2/24
	vm_start -c 2 --control "$work/control" --on-reboot restart --net "tap,ifname=$tap,path=vhost,busyloop=try" \
		--net "tap,ifname=$other" --net "tap,ifname=$third,busyloop=50,features=default-ctrl_rx-ctrl_rx_extra-ctrl_vlan" \
		-a "$(append_agent net0=$it/24,$us net1=none net2=$it2/24)" "$bzimage"
	vm_expect @agent
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

tap_drops() { # either way
	awk '{ n += $1 } END { print n }' /sys/class/net/$tap/statistics/{tx,rx}_dropped
}

# Runs a command, again and again, while the path changes $1 times.
switching() { # TIMES COMMAND...
	local times=$1 n=0 pid rc=0 drops
	drops=$(tap_drops)
	shift
	rm -f "$work/enough"
	(until [ -e "$work/enough" ]; do
		"$@"
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
	drops=$(($(tap_drops) - drops))
	echo "dropped by the TAP meanwhile: $drops frames"
	[ $rc = 0 ] || fail "$(cat "$work/reason"); the TAP dropped $drops frames meanwhile"
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

trial() { # COUNTER NIC
	ctl stats | jq ".nics[$2].backend.$1"
}

does_not_poll() { # NIC
	[ $(($(trial trial_switches "$1") % 2)) = 0 ]
}

# Whether it pays is up to the machine. That it is tried, and that vhost does not poll when nobody asks any more, is not.
test_whether_polling_pays_is_tried_where_one_asks_and_waits() {
	local trials i switches
	[ "$(ctl status | jq -r '.nics[0].busyloop')" = try ] || fail "busyloop is not try"
	trials=$(trial trials 0)
	for ((i = 0; i < 20 && $(trial trials 0) <= trials; i++)); do
		traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=5000
	done
	trials=$(trial trials 0) switches=$(trial trial_switches 0)
	echo "$trials trials, $(trial trials_paid 0) paid, $switches switches"
	[ "$trials" -gt 0 ] || fail "it was not tried"
	[ "$switches" -ge $((2 * trials)) ] || fail "$switches switches for $trials trials"
	wait_for 20 "vhost to be told not to poll" does_not_poll 0
}

test_a_number_is_not_tried() {
	[ "$(ctl status | jq -r '.nics[2].busyloop')" = 50 ] || fail "busyloop is not 50"
	ctl net2 path=vhost
	traffic "udp listen $it2 7002 both" "udp connect $it2 7002 both" count=5000
	[ "$(trial trials 2)-$(trial trial_calls 2)" = 0-0 ] || fail "it was tried: $(ctl stats | jq -c '.nics[2].backend')"
	ctl net2 path=pure
}

# ---- in turn

test_a_switch_while_nothing_happens() {
	switch_while_idle 5
}

test_a_switch_while_the_receive_ring_is_empty() {
	switch_while_rx_rings_are_empty 1
}

test_the_pure_path_with_what_vhost_can_honour() {
	path pure
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=4000000
	traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=1000
	[ "$(counter rx_frames)" -gt 1000 ] || fail "these frames did not pass through doorbell"
	path vhost
}

test_udp_both_ways_under_500_switches() {
	switching 500 traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=1000
}

test_tcp_both_ways_under_500_switches() {
	switching 500 traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=4000000
}

# Both ways each, and at once: the guest obeys one command at a time.
udp_and_tcp() {
	local udp tcp rc=0 limit=timeout=$guest_limit
	"$tools/netcheck" udp connect $it 7002 both "$limit" count=1000 9>&- &
	udp=$!
	"$tools/netcheck" tcp listen $us 7001 both "$limit" bytes=4000000 9>&- &
	tcp=$!
	guest "netcheck udp listen $it 7002 both $limit count=1000 & udp=\$!
		netcheck tcp connect $us 7001 both $limit bytes=4000000; rc=\$?; wait \$udp && exit \$rc" || rc=$?
	[ $rc = 0 ] || kill $udp $tcp 2>/dev/null || :
	wait $udp || rc=1
	wait $tcp || rc=1
	[ $rc = 0 ] || fail "UDP and TCP at once: $(grep '^netcheck:' "$work/traffic" | grep -v ' ok: ' | tail -n 1)"
}

# Segments that a side sent again, and those of which the other said that it had them (DSACK): for nothing, as the lab was slow.
# For the log: the end of a connection can be sent again without a DSACK, so no rule is made of the difference.
retransmissions() { # FILE...: snmp and netstat
	cat "$@" | awk '
	($1 == "Tcp:" || $1 == "TcpExt:") && $2 ~ /^[A-Z]/ { for (i = 2; i <= NF; i++) name[i] = $i; next }
	$1 == "Tcp:" || $1 == "TcpExt:" { for (i = 2; i <= NF; i++) v[name[i]] = $i }
	END { print v["RetransSegs"] + 0, v["TCPDSACKRecv"] + 0 }'
}

guest_retransmissions() {
	guest "cat /proc/net/snmp /proc/net/netstat" >"$work/tcp" && retransmissions "$work/tcp"
}

test_udp_and_tcp_at_once_under_1000_switches() {
	local host guest
	host=$(retransmissions /proc/net/snmp /proc/net/netstat) guest=$(guest_retransmissions)
	switching 1000 udp_and_tcp
	echo "retransmitted, of it in vain: host from $host to $(retransmissions /proc/net/snmp /proc/net/netstat), guest from $guest to $(guest_retransmissions)"
}

# ---- driver and link

test_the_driver_can_be_unbound_and_bound() {
	rebind 5
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=1000000
}

test_the_driver_can_be_unbound_and_bound_while_the_path_changes() {
	switch_while_the_driver_is_rebound 5
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=1000000
}

test_a_link_that_is_down_stops_vhost_too() {
	switch_while_the_link_is_down
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

refused_at_the_node() { # MAJOR MINOR WORD...: such a node as /dev/vhost-net, and the answer has these words
	local rc=0
	rm -f "$work/nodes/vhost-net"
	mknod "$work/nodes/vhost-net" c "$1" "$2"
	mount --bind "$work/nodes/vhost-net" /dev/vhost-net
	ctl net2 path=vhost 2>"$work/why" || rc=$?
	umount /dev/vhost-net
	cat "$work/why"
	[ $rc != 0 ] || fail "it was not refused"
	grep -q "${*:3}" "$work/why" || fail "$(cat "$work/why")"
	ctl status | jq -e '.nics[2].path == "pure"' || fail "the path is another one"
}

test_a_vhost_that_cannot_be_opened_is_refused_while_frames_pass() {
	local pid
	rm -f "$work/enough"
	(until [ -e "$work/enough" ]; do
		traffic "udp listen $it2 7002 both" "udp connect $it2 7002 both" count=500
	done) >"$work/traffic" 2>&1 &
	pid=$!
	mkdir "$work/nodes"
	mount -t tmpfs -o nodev none "$work/nodes"
	refused_at_the_node 10 238 "no permission to open /dev/vhost-net"
	mount -o remount,dev "$work/nodes"
	refused_at_the_node 240 0 "there is no /dev/vhost-net: load it"
	umount "$work/nodes"
	ctl net2 path=vhost
	ctl net2 path=pure
	touch "$work/enough"
	wait $pid || fail "$(cat "$work/reason")"
	cat "$work/traffic"
	! grep -q 'reordered [1-9]' "$work/traffic" || fail "datagrams were reordered"
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

# Handed in with a limit of its send buffer, which keeps vhost from batching: there is none while vhost may serve, and it is back at the end.
test_the_send_buffer_has_no_limit_while_vhost_serves() {
	vm_ended || guest_off # its TAP is needed; the test before may have taken both away
	[ -d /sys/class/net/$tap ] || tap_add $tap $us/24
	vm_run "$tools/tapfd" -s 65536 $tap "$doorbell" run -m 256M -i "$initrd" --control "$work/control" \
		--net tap,fd=3,path=vhost -a "$(append_agent net0=$it/24,$us)" "$bzimage"
	vm_expect @agent
	guest "ping -c 1 -w 30 $us >/dev/null"
	"$tools/tapfd" -l "$(ctl status | jq .pid)" | sort -u >"$work/looked"
	[ "$(cat "$work/looked")" = 'tapfd: sndbuf 2147483647' ] || fail "$(tr '\n' ' ' <"$work/looked")"
	guest_off # 90, if tapfd finds the TAP changed
	[ "$(grep -c 'sndbuf 65536 ' "$work/console")" = 2 ] || fail "$(grep tapfd: "$work/console" | tr '\n' ' ')"
}

main "$@"
