#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap dpdk cpus
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# One guest whose rings DPDK serves: two network cards of two queue pairs, one whose peer listens and one whose peer
# connects (its kicks exit, its registers are trapped), each joined to a TAP. The peer comes late, and is killed under
# load. The other mechanisms are in path_pairwise.sh, and with DPDK in tests/tiny.
. "$(dirname "$0")/lib.sh"

us=192.168.80.1 it=192.168.80.2 us1=192.168.81.1 it1=192.168.81.2
tap0=dbe2e5 tap1=dbe2e6 # they outlive the peer
kills=${E2E_KILLS:-20} # 12 s each in the lab

# Its start is most of the time of this file, on an emulated machine: locking its memory would double that.
pmd_start() { # [EAL-OPTION...]: more ports
	rm -f "$work/vhu0" # DPDK does not replace it
	dpdk-testpmd -l 0,1 --no-huge -m 64 --no-pci --no-telemetry --no-shconf --file-prefix=e2e \
		--vdev "net_vhost0,iface=$work/vhu0,queues=2" --vdev "net_tap0,iface=$tap0,mac=fixed" "$@" \
		-- --no-mlockall --forward-mode=io --auto-start --no-lsc-interrupt --nb-cores=1 --rxq=2 --txq=2 \
		--total-num-mbufs=4096 --no-flush-rx --disable-link-check --stats-period 1000 \
		>>"$work/pmd.log" 2>&1 </dev/null 9>&- &
	echo $! >"$work/pmd.pid"
}

pmd_start_both() {
	pmd_start --vdev "net_vhost1,iface=$work/vhu1,client=1,queues=2" --vdev "net_tap1,iface=$tap1,mac=fixed"
}

pmd_kill() {
	[ -s "$work/pmd.pid" ] || return 0
	kill -KILL "$(cat "$work/pmd.pid")"
	rm -f "$work/pmd.pid"
}

waits_or_ended() {
	vm_ended || has_lines 1 '*waiting for a vhost-user peer*' "$work/stderr"
}

# DPDK begins by opening every driver in its directory, 128 of them: most of its start on an emulated machine. Here, in the
# namespace of the runner, there are those that the program is linked with, and those for our ports.
pmd_drivers_few() {
	local dir linked
	[ -n "${E2E_INSIDE:-}" ] || return 0
	linked=$(ldd "$(command -v dpdk-testpmd)" | sed -n 's|.* => \(/.*/dpdk/.*\)\.so\..*|\1|p')
	[ -n "$linked" ] || return 0
	dir=$(dirname "$(head -n 1 <<<"$linked")")
	mkdir "$work/drivers"
	for linked in $linked "$dir"/librte_{net_vhost,net_tap,mempool_ring}; do
		cp -a "$linked".so* "$work/drivers"
	done
	mount --bind "$work/drivers" "$dir"
	echo "$dir" >"$work/drivers_at"
}

start_group() {
	local tap
	need_tap
	command -v dpdk-testpmd >/dev/null || skip "no dpdk-testpmd"
	pmd_drivers_few
	for tap in "$tap0" "$tap1"; do
		tap_add_queues "$tap" # what DPDK opens
	done
	ip addr add $us/24 dev "$tap0"
	ip addr add $us1/24 dev "$tap1"
	vm_start -c 2 --control "$work/control" -v --net "vhost-user,socket=$work/vhu0,queues=2" \
		--net "vhost-user,socket=$work/vhu1,server=on,queues=2,kick=exit,regs=trap" \
		-a "$(append_agent net0=$it/24,$us net1=$it1/24)" "$bzimage"
	wait_for "$boot_limit" "doorbell to wait" waits_or_ended
	! vm_ended || fail "doorbell ended: $(cat "$work/stderr")"
	[ ! -s "$work/console" ] || fail "the guest runs without a peer"
	pmd_start_both
	vm_expect @agent
}

end_group() {
	pmd_kill
	# What is bound vanishes with $work, and whoever comes next in this namespace would have no drivers.
	[ ! -e "$work/drivers_at" ] || umount --lazy "$(cat "$work/drivers_at")"
}

ctl() {
	"$doorbell" ctl "$work/control" "$@"
}

peer_was_found() { # TIMES, after the first
	has_lines "$1" '*net0*the peer is there again*' "$work/stderr"
}

links_are() { # up|down: both
	[ "$(ctl status | grep -c "\"link\": \"$1\"")" = 2 ]
}

pings() { # until both ways work again
	guest_has_link eth0 eth1
	guest "ping -c 1 -w 30 $us >/dev/null && ping -c 1 -w 30 $us1 >/dev/null"
}

# ---- while all is well

test_tcp_both_ways() {
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=1000000
	traffic "tcp listen $it1 7001 both" "tcp connect $it1 7001 both" bytes=300000 streams=4
}

test_udp_both_ways() {
	traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=500
	traffic "udp listen $it1 7002 both" "udp connect $it1 7002 both" count=500
}

test_both_pairs_are_in_use() {
	ctl status | jq -e '[.nics[] | .pairs_in_use] == [2, 2]' || fail "$(ctl status | jq -c '.nics[].pairs_in_use')"
}

test_none_of_these_frames_passed_through_doorbell() {
	ctl stats >"$work/stats"
	! grep -q '"[rt]x_frames": [1-9]' "$work/stats" || fail "$(grep '[rt]x_frames' "$work/stats")"
	ctl status >"$work/shown"
	[ "$(grep -c '"path": "vhost-user"' "$work/shown")-$(grep -c '"peer": "connected"' "$work/shown")" = 2-2 ] ||
		fail "$(cat "$work/shown")"
}

test_the_driver_can_be_unbound_and_bound() {
	guest "cd /sys/bus/virtio/drivers/virtio_net && dev=\$(basename \$(readlink -f /sys/class/net/eth0/device)) &&
	for i in 1 2; do
		echo \$dev >unbind && [ ! -e /sys/class/net/eth0 ] && echo \$dev >bind &&
		ip addr add $it/24 dev eth0 && ip link set eth0 up &&
		ping -c 1 -w 10 $us >/dev/null || { echo failed in round \$i; exit 1; }
	done"
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=1000000
}

test_a_link_that_is_down_stops_the_peer() {
	ctl net0 link=down
	guest "ping -c 1 -W 1 $us >/dev/null" && fail "a ping went through a link that is down"
	ctl net0 link=up
	guest_has_link eth0
	guest "ping -c 1 -w 30 $us >/dev/null"
}

test_the_path_cannot_be_changed() {
	ctl net0 path=pure 2>"$work/why" && fail "it was not refused"
	grep -q 'cannot be changed' "$work/why" || fail "$(cat "$work/why")"
}

# ---- without a peer

count_tap_frames() { # into $tap_frames
	local rx tx
	read -r rx <"/sys/class/net/$tap0/statistics/rx_packets"
	read -r tx <"/sys/class/net/$tap0/statistics/tx_packets"
	tap_frames=$((rx + tx))
}

frames_pass_since() { # COUNT
	count_tap_frames
	[ "$tap_frames" -gt "$1" ]
}

test_traffic_goes_on_after_each_death_of_the_peer() {
	local n=0 pid rc=0 before tap_frames
	# What a TCP connection waits before it tries again grows with each death.
	# shellcheck disable=SC2034 # for traffic
	(guest_limit=$((100 + 20 * kills))
	until [ -e "$work/enough" ]; do
		traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=1000000 streams=2
	done) >"$work/traffic" 2>&1 &
	pid=$!
	count_tap_frames
	before=$tap_frames
	while [ $n -lt "$kills" ] && kill -0 $pid 2>/dev/null; do
		wait_for 60 "frames before death $((n + 1))" frames_pass_since "$before"
		pmd_kill
		pmd_start
		n=$((n + 1))
		wait_for 60 "peer $n" peer_was_found $n
		count_tap_frames
		before=$tap_frames
	done
	touch "$work/enough"
	wait $pid || rc=$?
	cat "$work/traffic"
	[ $rc = 0 ] || fail "$(cat "$work/reason")"
	[ $n = "$kills" ] || fail "the traffic ended after $n deaths"
	guest "ping -c 1 -w 30 $us >/dev/null"
	[ "$(ctl stats | jq '.nics[0].backend.reconnects')" = $n ] || fail "$(ctl stats | grep reconnects)"
	pmd_kill
	pmd_start_both
	wait_for 60 "the links to come up" links_are up
	pings
}

test_the_guest_ends_without_a_peer_too() {
	pmd_kill
	wait_for 10 "the links to go down" links_are down
	guest "grep -qx 0 /sys/class/net/eth0/carrier"
	guest "ping -c 2 -W 1 $us >/dev/null" && fail "a ping without a peer"
	guest_off
}

main "$@"
