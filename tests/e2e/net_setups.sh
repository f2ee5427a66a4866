#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# Networks that are set up in another way; each with a guest of its own.
. "$(dirname "$0")/lib.sh"

us=192.168.78.1 it=192.168.78.2

test_a_missing_tap_is_created_and_gone_afterwards() {
	need_tap
	vm_start --net tap,ifname=dbnew0 -a "$(append_agent net0=$it/24)" "$bzimage"
	vm_expect @agent
	tap_exists dbnew0 || fail "there is no dbnew0"
	ip addr add $us/24 dev dbnew0
	ip link set dbnew0 up
	busybox ping -A -c 3 -w 20 $it
	guest_off
	! tap_exists dbnew0 || fail "dbnew0 is still there"
}

test_a_tap_handed_in_by_descriptor_is_not_changed() {
	need_tap
	tap_add dbfd0 $us/24
	"$tools/tapfd" dbfd0 true # whoever attaches changes vnet_hdr, and that stays
	ip -d link show dbfd0 | sed 's/<.*>//; s/state [A-Z]*//' >"$work/before"
	vm_run "$tools/tapfd" dbfd0 "$doorbell" run -m 256M -i "$initrd" --net tap,fd=3 \
		-a "$(append_run "ping -A -c 3 -w 20 $us" net0=$it/24)" "$bzimage"
	vm_expect_status 0
	grep tapfd: "$work/console"
	ip -d link show dbfd0 | sed 's/<.*>//; s/state [A-Z]*//' | diff "$work/before" - ||
		fail "dbfd0 is not as it was"
}

test_two_nics_on_two_kinds_of_network() {
	need_tap
	tap_add dbtwo0 $us/24
	vm_start --net user --net "tap,ifname=dbtwo0,mac=02:00:00:00:00:77" \
		-a "$(append_agent net0=dhcp net1=$it/24)" "$bzimage"
	vm_expect @agent
	guest 'ip link show eth1' | grep -qi 02:00:00:00:00:77 || fail "eth1 has another MAC"
	guest 'ping -A -c 3 -w 20 10.0.2.2'
	guest "ping -A -c 3 -w 20 $us"
	traffic "tcp connect 10.0.2.2 7001 both" "tcp listen 127.0.0.1 7001 both" bytes=300000
	traffic "tcp listen $it 7001 both" "tcp connect $it 7001 both" bytes=300000
	guest_off
}

# One guest with a NIC for each set of further keys. Linux stops sending for good when fewer than 19 entries of a ring
# are free, so 32 is the shortest for it.
sets=(features=none features=minimal features=default-mrg_rxbuf features=default+packed queue-size=32)

test_traffic_arrives_unchanged_with_every_set_of_features_and_on_short_rings() {
	local i net=192.168.78 ours its options=() words=() # set i: our end is .(4i + 1), the guest's .(4i + 2)
	need_tap
	for i in "${!sets[@]}"; do
		tap_add "dbkeys$i" "$net.$((4 * i + 1))/30"
		options+=(--net "tap,ifname=dbkeys$i,${sets[i]}")
		words+=("net$i=$net.$((4 * i + 2))/30")
	done
	vm_start "${options[@]}" -a "$(append_agent "${words[@]}")" "$bzimage"
	vm_expect @agent
	# RING_PACKED is bit 34; sysfs begins with bit 0.
	guest "cut -c 35 /sys/class/net/eth3/device/features | grep -qx 1" || fail "no packed rings"
	for i in "${!sets[@]}"; do
		echo "== ${sets[i]}"
		ours=$net.$((4 * i + 1)) its=$net.$((4 * i + 2))
		guest "ping -A -c 5 -s 1400 -w 20 $ours"
		traffic "tcp listen $its 7001 both" "tcp connect $its 7001 both" bytes=300000 streams=2
		traffic "udp listen $its 7002 both" "udp connect $its 7002 both" count=150
	done
	guest_off
}

# shellcheck disable=SC2016 # expanded in the guest
test_the_guest_takes_the_mtu_it_is_told() {
	vm_start --net user,mtu=1400 -a "$(append_run 'cat /sys/class/net/eth0/mtu
		[ $(cat /sys/class/net/eth0/mtu) = 1400 ] && ping -c 1 -w 20 10.0.2.2')" "$bzimage"
	vm_expect_status 0
}

test_no_nic_means_no_nic() {
	vm_start --net none -a "$(append_run '[ ! -e /sys/class/net/eth0 ]')" "$bzimage"
	vm_expect_status 0
}

test_without_net_option_there_is_user_networking() {
	vm_start -a "$(append_run 'ping -c 1 -w 20 10.0.2.2')" "$bzimage"
	vm_expect_status 0
}

test_a_restricted_guest_reaches_nothing_outside() {
	local pid
	vm_start --net user,restrict=on -a "$(append_agent)" "$bzimage"
	vm_expect @agent
	guest 'ip -4 addr show dev eth0' | grep -q 'inet 10\.0\.2\.15' || fail "no address by DHCP"
	"$tools/netcheck" tcp listen 127.0.0.1 7001 recv timeout=30 bytes=10 >"$work/netcheck" 2>&1 9>&- &
	pid=$!
	guest 'netcheck tcp connect 10.0.2.2 7001 send bytes=10 timeout=4' && fail "TCP went through"
	kill -0 $pid || fail "something arrived outside: $(cat "$work/netcheck")"
	kill $pid
	guest_off
}

# one_line STATUS REGEX COMMAND...: a refusal, in one line
one_line() {
	local rc=0 status=$1 regex=$2
	shift 2
	timeout 60 "$@" </dev/null >"$work/stdout" 2>"$work/stderr" 9>&- || rc=$?
	cat "$work/stderr"
	# shellcheck disable=SC2053 # a pattern
	[[ $rc = $status ]] || fail "status $rc instead of $status$(vm_error)"
	[ "$(wc -l <"$work/stderr")" = 1 ] || fail "$(wc -l <"$work/stderr") lines on stderr"
	grep -qiE -e "$regex" "$work/stderr" || fail "'$(cat "$work/stderr")' lacks '$regex'"
}

test_a_busy_tap_is_named() {
	need_tap
	tap_add dbbusy0
	"$tools/tapfd" dbbusy0 sleep 60 >/dev/null 2>&1 9>&- &
	wait_for 10 "the TAP to be taken" carrier dbbusy0
	one_line 1 'dbbusy0.*(busy|in use)' "$doorbell" run -i "$initrd" --net tap,ifname=dbbusy0 "$bzimage"
	kill $!
}

carrier() { # NAME: has somebody opened this TAP?
	ip link show "$1" | grep -q LOWER_UP
}

test_a_tap_without_the_right_to_it_is_refused() {
	need_tap
	chmod 666 /dev/kvm /dev/net/tun
	tap_add dbroot0
	ip tuntap del dev dbroot0 mode tap
	ip tuntap add dev dbroot0 mode tap user 1
	cp "$doorbell" "$work/doorbell" # the tree may be closed to others
	chmod 755 "$work" "$work/doorbell"
	one_line 1 'dbroot0.*(permitted|permission|denied|CAP_NET_ADMIN)' \
		setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
		"$work/doorbell" run --net tap,ifname=dbroot0 "$(readable "$bzimage")"
	one_line 1 'dbnone0.*(permitted|permission|denied|CAP_NET_ADMIN)' \
		setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
		"$work/doorbell" run --net tap,ifname=dbnone0 "$(readable "$bzimage")"
}

# A copy that everybody can read.
readable() {
	install -m 644 "$1" "$work/readable"
	echo "$work/readable"
}

test_a_failed_start_removes_the_tap_it_created() {
	need_tap
	one_line '[12]' '17997' "$doorbell" run -i "$initrd" --net tap,ifname=dbgone0 \
		--net user,hostfwd=tcp:127.0.0.1:17997-:1,hostfwd=tcp:127.0.0.1:17997-:2 "$bzimage"
	! tap_exists dbgone0 || fail "dbgone0 was left behind"
}

test_a_killed_run_leaves_no_tap() {
	need_tap
	vm_start --net tap,ifname=dbkill0 -a "$(append_agent net0=$it/24)" "$bzimage"
	vm_expect @agent
	tap_exists dbkill0
	vm_kill
	! tap_exists dbkill0 || fail "dbkill0 was left behind"
}

main "$@"
