#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# doorbell check and stock Debian's driver: it is right, and so nothing may be found.
. "$(dirname "$0")/lib.sh"

check() { # OPTION...
	vm_run "$doorbell" check -m 256M -i "$initrd" --report json="$work/report" "$@" "$bzimage"
}

# One NIC with split rings, one with packed ones. Unbinding is where it breaks a SHOULD, and version 1 where it breaks another:
# docs/check.md. No other finding, of any level, is known.
test_the_driver_of_debian_breaks_no_rule() {
	local script
	script="ping -A -c 20 -w 30 10.0.2.2 && ping -A -c 100 -w 30 10.0.3.2 && cd /sys/bus/virtio/drivers/virtio_net &&
		for dev in \$(ls -d virtio*); do echo \$dev >unbind && echo \$dev >bind || exit 1; done; sleep 1"
	check --fail-on any --ignore reset.wait-for-zero --net echo,queues=2 --net echo,features=default+packed,queue-size=32 \
		-a "$(append_run "$script" net0=10.0.2.15/24 net1=10.0.3.15/24)"
	vm_expect_status 0
	grep '"state": "broken"' -B 4 -A 6 "$work/report" || :
	[ "$(grep -c '"state": "kept"' "$work/report")" -ge 120 ] || fail "too few rules were exercised"
	grep -A 6 '"rule": "packed.wrap-toggle"' "$work/report" | grep '"state": "kept"' || fail "no packed ring went round"
}

test_no_cell_of_the_matrix_breaks_a_rule() {
	check --matrix --fail-on any --ignore cfg.legacy-read-twice --timeout "$boot_limit" --net echo \
		-a "$(append_run 'ping -A -c 20 -w 30 10.0.2.2' net0=10.0.2.15/24)"
	vm_expect_status 0 450
	cat "$work/stderr"
	[ "$(jq '[.cells[] | select(.status == 0)] | length' "$work/report")" -ge 8 ] || fail "too few cells were run"
}

test_it_bears_all_legal_provocations() {
	check --provoke legal --seed 1 --timeout 300 --net echo -a "$(append_agent net0=10.0.2.15/24)"
	vm_expect_status 0 320
	cat "$work/stderr"
	[ "$(grep -c 'survived; [1-9]' "$work/stderr")" -ge 12 ] || fail "too few were tried"
	grep -q 'provoked by shared-line .*: survived; [1-9]' "$work/stderr" || fail "nobody else was on the line"
}

# With this seed ANY_LAYOUT is not offered: what is sent has its header in a piece of its own, and mergeable buffers are one.
test_it_bears_them_on_version_1() {
	check --provoke legal --seed 15 --fail-on any --ignore cfg.legacy-read-twice --timeout 300 --cpus 2 \
		--net echo,queues=2,transport=mmio-legacy -a "$(append_agent net0=10.0.2.15/24)"
	vm_expect_status 0 320
	cat "$work/stderr"
	[ "$(grep -c 'survived; [1-9]' "$work/stderr")" -ge 12 ] || fail "too few were tried"
	[ "$(jq '[.. | objects | select(.rule == "net.legacy-hdr-own-desc")][0].kept' "$work/report")" -ge 8 ] ||
		fail "ANY_LAYOUT was there"
}

# A pair is taken away and given back all the time, and every second of these commands is refused.
test_it_bears_them_while_its_pairs_come_and_go() {
	local script='while :; do pairs eth0 1; usleep 300000; pairs eth0 2; usleep 300000; done 2>/tmp/refused'
	check --provoke ctrl-error,ack-race,kick-race,reorder,delay,flood --seed 1 --timeout 200 --net echo,queues=2 \
		-a "$(append_run "$script" net0=10.0.2.15/24)"
	vm_expect_status 0 220
	cat "$work/stderr"
	[ "$(grep -c 'provoked by .*: survived' "$work/stderr")" -eq 6 ] || fail "not all were survived"
	[ "$(jq '[.. | objects | select(.rule == "mq.pairs-range")][0].kept' "$work/report")" -ge 8 ] || fail "its pairs did not change"
}

main "$@"
