#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap vhost-net
# shellcheck disable=SC1091,SC2154,SC2016 # lib.sh and the variables it sets; awk's own variables
# What frames cost, as doorbell's audit says and as this script counts by tracefs itself.
. "$(dirname "$0")/lib.sh"

tap=dbe2e5 us=192.168.80.1 it=192.168.80.2
tracing=/sys/kernel/tracing
mine=$tracing/instances/e2e-audit
frames_wanted=100000
strays=16 # neighbour and router discovery, of either side: a frame, its kick, its interrupt
slept='$4 == 1 || $4 == 2' # of sched_switch: who left the CPU waits, interruptible or not
asked=100 # system calls by which the thread of the NIC answers status and stats, looks at the TAP each second, and those for strays

start_group() {
	need_tap
	[ -c /dev/vhost-net ] || skip "no /dev/vhost-net"
	[ -w $tracing/instances ] || skip "no tracefs"
	tap_add $tap $us/24
	# What is tried by default comes and goes: here each call is to be counted twice.
	vm_start --control "$work/control" --net "tap,ifname=$tap,path=vhost,poll=off,busyloop=0" \
		-a "$(append_agent net0=$it/24,$us)" "$bzimage"
	vm_expect @agent
	guest "ping -A -c 3 -w 30 $us >/dev/null"
}

# In place of the one that there is, whose TAP is needed.
another_guest() { # KEYS OPTION...
	local keys=$1
	shift
	vm_ended || guest_off
	vm_start --control "$work/control" "$@" --net "tap,ifname=$tap,$keys" \
		-a "$(append_agent net0=$it/24,$us)" "$bzimage"
	vm_expect @agent
}

ctl() {
	"$doorbell" ctl "$work/control" "$@"
}

# ---- counting by ourselves

tids() { # of doorbell, and of vhost's workers for it
	local pid tid
	pid=$(cat "$work/pid")
	for tid in /proc/"$pid"/task/*; do
		echo "${tid##*/}"
		grep -lx "vhost-${tid##*/}" /proc/[0-9]*/comm 2>/dev/null | sed 's|/proc/||; s|/comm||' || :
	done
}

trace_begin() {
	[ ! -d $mine ] || trace_end
	mkdir $mine
	tids >$mine/set_event_pid
	echo 'hist:keys=type,gpa' >$mine/events/kvm/kvm_mmio/trigger
	echo 'hist:keys=common_pid' >$mine/events/kvm/kvm_msi_set_irq/trigger
	echo 'hist:keys=reason' >$mine/events/kvm/kvm_userspace_exit/trigger
	echo 'hist:keys=common_pid' >$mine/events/raw_syscalls/sys_enter/trigger
	echo 'hist:keys=prev_pid,prev_state' >$mine/events/sched/sched_switch/trigger
	echo 'hist:keys=function.sym' >$mine/events/workqueue/workqueue_queue_work/trigger
}

trace_end() {
	rmdir $mine
}

# Sums the rows of an event's histogram for which an awk condition holds; $2, $4, ... are the keys.
trace_sum() { # EVENT CONDITION
	tr -d '{},' <"$mine/events/$1/hist" | awk "/hitcount:/ && ($2) {n += \$NF} END {print n + 0}"
}

io_thread() {
	grep -lx net0 /proc/"$(cat "$work/pid")"/task/*/comm | sed 's|.*/task/||; s|/comm||'
}

# ---- the audit

audit_begin() { # FILE
	: >"$work/why" # what the last one said is not its word
	"$doorbell" ctl "$work/control" audit --seconds 500 --json >"$1" 2>"$work/why" 9>&- &
	audit_pid=$!
	wait_for 30 "the audit to begin" has_lines 1 'counting*' "$work/why"
}

audit_end() {
	kill -INT "$audit_pid"
	wait "$audit_pid" || fail "the audit: $(cat "$work/why")"
	"$doorbell" ctl "$work/control" status | jq -e '.state == "running"' >/dev/null
}

row() { # FILE DIRECTION EVENT FIELD
	jq -r --arg d "$2" --arg e "$3" --arg f "$4" \
		'.nics[0].rows[] | select(.direction == $d and .event == $e) | .[$f]' "$1"
}

observed() { # FILE EVENT: of both directions
	row "$1" both "$2" observed
}

# Small frames, as many both ways: the guest answers them in its kernel.
small_frames() { # COUNT
	"$tools/flood" $it "$1" 64
}

# Both count the same in the kernel, and this script begins before the audit and ends after it: it sees all that the
# audit sees, and besides that what happens when no frame of ours is on its way: at most MORE.
near() { # WHAT A B MORE
	echo "$1: $2 and $3"
	if [ "$3" -lt "$2" ] || [ "$3" -gt $(($2 + $4)) ]; then
		fail "$1: the audit says $2, tracefs $3"
	fi
}

# The audit of at least $frames_wanted small frames, beside tracefs. Leaves it in $work/PATH.json.
audit_of() { # PATH
	local file=$work/$1.json
	ctl net0 "path=$1"
	small_frames 300
	trace_begin
	audit_begin "$file"
	small_frames $((frames_wanted / 2 + 100))
	audit_end
	jq . "$file"
	near "accesses to the registers" "$(observed "$file" 'exits (kick, registers)')" \
		"$(trace_sum kvm/kvm_mmio '$2 != 0 && $4 >= 3489664768 && $4 < 3489665280')" $strays
	near kicks $(($(row "$file" tx kicks observed) + $(row "$file" rx kicks observed))) \
		"$(trace_sum kvm/kvm_mmio '$2 == 2 && $4 == 3489664848')" $strays
	near interrupts "$(observed "$file" 'interrupts raised')" \
		"$(trace_sum kvm/kvm_msi_set_irq "$(raisers "$1")")" $strays
	near "exits to userspace" "$(jq '.machine.rows[1].observed' "$file")" \
		"$(trace_sum kvm/kvm_userspace_exit 1)" 0
	near "system calls" "$(observed "$file" 'system calls of the I/O thread')" \
		"$(trace_sum raw_syscalls/sys_enter "\$2 == $(io_thread)")" $asked
	near "work items" "$(observed "$file" 'kernel-worker runs')" \
		"$(trace_sum workqueue/workqueue_queue_work '/irqfd_inject/')" 0
	near "wake-ups of the I/O thread" "$(observed "$file" 'wake-ups of the I/O thread')" \
		"$(trace_sum sched/sched_switch "\$2 == $(io_thread) && ($slept)")" $asked
	if [ "$1" = vhost ]; then
		near "wake-ups of vhost's worker" "$(observed "$file" "wake-ups of vhost's worker")" \
			"$(trace_sum sched/sched_switch "($(raisers vhost)) && ($slept)")" $strays
	fi
	trace_end
}

raisers() { # PATH: an awk condition on who interrupts
	if [ "$1" = pure ]; then
		echo "\$2 == $(io_thread)"
	else
		tids | while read -r tid; do
			grep -q vhost "/proc/$tid/comm" && echo "\$2 == $tid"
		done | sed '2,$s/^/|| /' | tr '\n' ' '
	fi
}

zero_exits() { # FILE
	[ "$(jq '.machine.frames' "$1")" -ge $frames_wanted ] || fail "only $(jq .machine.frames "$1") frames"
	[ "$(observed "$1" 'exits to userspace')" = 0 ] ||
		fail "$(observed "$1" 'exits to userspace') exits to userspace: $(row "$1" both 'exits to userspace' why)"
	[ "$(observed "$1" 'kernel-worker runs')" = 0 ] || fail "an irqfd took a kernel worker"
	[ -z "$(unexplained "$1")" ] || fail "unexplained: $(unexplained "$1")"
}

unexplained() { # FILE
	jq -r '.nics[].rows[] | select(.verdict == "unexplained") | "\(.direction) \(.event): \(.why)"' "$1" | tr '\n' ' '
}

# ---- tests

test_vhost_needs_no_exit_to_userspace_for_100000_frames() {
	audit_of vhost
	zero_exits "$work/vhost.json"
	[ "$(observed "$work/vhost.json" "wake-ups of vhost's worker")" -gt 0 ] || fail "no worker was seen"
}

test_pure_needs_no_exit_to_userspace_for_100000_frames() {
	audit_of pure
	zero_exits "$work/pure.json"
}

test_the_audit_leaves_nothing_behind() {
	local left
	[ ! -d $mine ] || trace_end
	left=$(find $tracing/instances -mindepth 1 -maxdepth 1)
	[ -z "$left" ] || fail "$left"
}

test_a_path_that_changes_cannot_be_audited() {
	audit_begin "$work/x.json"
	ctl net0 path=vhost
	audit_end
	jq -e '.nics[0].error' "$work/x.json"
	ctl stats | jq -e '.nics[0].switch_pause | .count >= 2 and .min_ns > 0 and
		.min_ns <= .median_ns and .median_ns <= .p99_ns and .p99_ns <= .max_ns' ||
		fail "$(ctl stats | jq -c '.nics[0].switch_pause')"
}

test_a_capture_begins_and_ends_while_frames_pass() {
	local bytes
	ctl net0 "pcap=$work/x.pcap" 2>"$work/why" && fail "vhost's frames cannot be captured"
	grep -q 'path=pure first' "$work/why" || fail "$(cat "$work/why")"
	[ ! -e "$work/x.pcap" ] || fail "a refusal made a file"
	ctl net0 path=pure
	ctl net0 "pcap=$work/x.pcap"
	ctl net0 "pcap=$work/y.pcap" 2>"$work/why" && fail "two captures at once"
	ctl net0 path=vhost 2>"$work/why" && fail "vhost during a capture"
	ctl status | jq -e --arg f "$work/x.pcap" '.nics[0].pcap == $f' || fail "status does not name it"
	small_frames 300
	ctl net0 pcap=off
	bytes=$(stat -c %s "$work/x.pcap")
	small_frames 300
	[ "$bytes" -gt 30000 ] || fail "$bytes bytes were captured"
	[ "$(stat -c %s "$work/x.pcap")" = "$bytes" ] || fail "it went on"
	ctl net0 path=vhost
	small_frames 300
}

test_trapped_registers_cost_two_exits_for_each_interrupt() {
	local exits interrupts
	another_guest regs=trap --audit="$work/run.json"
	small_frames 300
	audit_begin "$work/trap.json"
	small_frames 3000
	audit_end
	jq . "$work/trap.json"
	exits=$(observed "$work/trap.json" 'exits to userspace')
	interrupts=$(observed "$work/trap.json" 'interrupts taken')
	[ "$interrupts" -gt 20 ] || fail "only $interrupts interrupts"
	[ "$exits" = $((2 * interrupts)) ] ||
		fail "$exits exits to userspace for $interrupts interrupts"
	[ -z "$(unexplained "$work/trap.json")" ] || fail "unexplained: $(unexplained "$work/trap.json")"
	guest_off
	jq -e '.tracefs and .nics[0].tx.frames > 3000' "$work/run.json" || fail "run --audit: $(head -c 300 "$work/run.json")"
}

explained() { # KEYS PATH
	local file=$work/explained.json
	ctl net0 "path=$2"
	small_frames 300
	audit_begin "$file"
	small_frames 3000
	audit_end
	[ "$(jq .machine.frames "$file")" -ge 6000 ] || fail "$1, $2: only $(jq .machine.frames "$file") frames"
	[ -z "$(unexplained "$file")" ] || fail "$1, $2: unexplained: $(unexplained "$file")"
	row "$file" both 'system calls of the I/O thread' why
}

test_looks_instead_of_sleep_are_explained() {
	local keys paths path
	while read -r keys paths; do
		another_guest "$keys"
		for path in $paths; do
			explained "$keys" "$path"
		done
	done <<-'end'
		path=vhost,poll=try,busyloop=try pure vhost
		poll=auto,irq=irqfd pure
		poll=on,regs=trap pure
	end
}

main "$@"
