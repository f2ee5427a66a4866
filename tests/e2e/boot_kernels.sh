#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# Boots of a stock kernel, and the ways in which a guest ends.
. "$(dirname "$0")/lib.sh"

boots() { # CPUS KERNEL
	vm_start --net none -c "$1" -a "$(append_run "[ \$(nproc) = $1 ] || exit 9; echo; echo @up")" "$2"
	vm_expect_status 0
	vm_says @up || fail "it never ran its script"
}

# shellcheck disable=SC2016 # expanded in the guest
test_the_clock_is_kvms_and_the_serial_port_interrupts() {
	vm_start --net none -a "$(append_run 'grep -w kvm-clock /sys/devices/system/clocksource/clocksource0/available_clocksource || exit 9
		[ "$(sed -n "s/^ *[0-9]*: *\([0-9]*\) .*ttyS0$/\1/p" /proc/interrupts)" -gt 0 ] || exit 8')" "$bzimage"
	vm_expect_status 0
}

test_a_bzimage_boots_on_one_cpu() {
	boots 1 "$bzimage"
}

test_a_bzimage_boots_on_two_cpus() {
	boots 2 "$bzimage"
}

test_a_vmlinux_boots_by_its_pvh_note_on_one_cpu() {
	boots 1 "$vmlinux"
}

test_a_vmlinux_boots_by_its_pvh_note_on_two_cpus() {
	boots 2 "$vmlinux"
}

test_four_gigabytes_of_memory_are_all_there() {
	vm_start --net none -m 4G -a "$(append_run "grep MemTotal /proc/meminfo
		[ \$(awk '/MemTotal/ { print \$2 }' /proc/meminfo) -gt 3900000 ]")" "$bzimage"
	vm_expect_status 0
}

test_the_command_line_arrives_unchanged() {
	local odd='odd=a,b;c:%=~+"quoted"'
	vm_start --net none -a "$(append_run "grep -qF '$odd' /proc/cmdline" "$odd")" "$bzimage"
	vm_expect_status 0
}

test_the_guests_verdict_is_the_exit_status() {
	vm_start --net none -a "$(append_run 'verdict 42')" "$bzimage"
	vm_expect_status 42
}

test_a_reboot_ends_the_run() {
	vm_start --net none -a "$(append_run 'reboot -f')" "$bzimage"
	vm_expect_status 0
}

test_a_reboot_restarts_the_guest_when_asked() {
	vm_start --net user --on-reboot restart -c 2 -a "$(append_agent)" "$bzimage"
	vm_expect @agent
	guest_reboot
	guest 'ping -c 1 -W 10 10.0.2.2' || fail "no network after the restart"
	guest_off
}

test_the_time_limit_ends_the_run_with_124() {
	local start=$SECONDS
	vm_start --net none --timeout 3 -a "$(append_agent)" "$bzimage"
	vm_expect_status 124
	[ $((SECONDS - start)) -ge 2 ] || fail "after $((SECONDS - start)) s already"
}

test_a_triple_fault_is_a_dead_guest() {
	vm_start --net none -a "$(append_run 'reboot -f' reboot=t)" "$bzimage"
	vm_expect_status 3
	grep -qi 'rip' "$work/stderr" || fail "no registers in the message: $(head -n 1 "$work/stderr")"
}

test_sigterm_ends_the_run() {
	need_tap
	vm_start --net tap,ifname=db9 --control "$work/ctl" -a "$(append_agent net0=none)" "$bzimage"
	vm_expect @agent
	tap_exists db9 || fail "there is no db9 before the signal"
	kill -TERM "$(cat "$work/pid")"
	vm_expect_status 143 20
	! tap_exists db9 || fail "db9 is left"
	[ ! -e "$work/ctl" ] || fail "the control socket is left"
}

test_statistics_are_json() {
	vm_start --net user --stats="$work/stats" -a "$(append_run 'ping -A -c 3 10.0.2.2')" "$bzimage"
	vm_expect_status 0
	jq -e . "$work/stats" >/dev/null || fail "not JSON: $(head -c 200 "$work/stats")"
	# Three echoes and what found their way; nothing went astray between card and network.
	jq -e '.nics[0] | .device.tx_frames >= 4 and .device.rx_frames >= 4 and .device.tx_bytes > 3 * 98 and
		.backend.sends == .device.tx_frames and .backend.recvs == .device.rx_frames and .broken == 0' \
		"$work/stats" >/dev/null || fail "counters: $(jq -c '.nics[0]' "$work/stats")"
}

test_the_console_can_go_to_a_file() {
	vm_start --net none --console "file=$work/other" -a "$(append_run 'echo; echo @here')" "$bzimage"
	vm_expect_status 0
	grep -q '^@here' "$work/other" || fail "nothing in the file"
	[ ! -s "$work/console" ] || fail "stdout has something too"
}

test_a_guest_without_console_runs() {
	vm_start --net none --console none -a "$(append_run 'verdict 5')" "$bzimage"
	vm_expect_status 5
	[ ! -s "$work/console" ] || fail "something on stdout: $(head -n 1 "$work/console")"
}

test_stdin_may_be_empty() {
	vm_run sh -c '"$@" </dev/null' sh "$doorbell" run -m 256M -i "$initrd" --net none \
		-a "$(append_run 'echo; echo @fine')" "$bzimage"
	vm_expect_status 0
	vm_says @fine || fail "no output"
}

test_ctrl_a_x_ends_and_the_terminal_is_restored() {
	local run
	run=$(printf '%q ' "$doorbell" run -m 256M -i "$initrd" --net none -a "$base_append" "$bzimage")
	# script(1) gives it a terminal; what we write is typed there.
	vm_run script -qec "stty -a >$work/before; $run; rc=\$?; stty -a >$work/after; echo; echo @status \$rc" /dev/null
	vm_expect "Leave with"
	printf '%s\n' 'printf "@%x\n" 255' >"$work/in"
	vm_expect @ff
	printf '\001x' >"$work/in"
	vm_expect @status 20
	diff "$work/before" "$work/after" || fail "terminal settings have changed"
	vm_expect_status 0
}

main "$@"
