#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tiny guests on this host's /dev/kvm, whatever that is. See --help.
# shellcheck disable=SC2317 # cases are called by name
set -uo pipefail

usage() {
	cat <<'END'
usage: tests/tiny/run.sh [CASE...]

Runs all cases, or those that are named: small guests without an operating system, which doorbell has to
boot, serve and end. One line per case:

  ok NAME
  not ok NAME - REASON      then what the guest and doorbell wrote, indented
  skip NAME - REASON

Needs `make` to have been run ($DOORBELL names another binary) and /dev/kvm: it may be one that only
emulates instructions. Exit status 0 when nothing failed.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
doorbell=${DOORBELL:-$top/build/doorbell}
guests=$top/build/tiny
guest=$guests/guest.elf
limit=60 # seconds; hit only by a doorbell that hangs

# run [OPTION...] KERNEL: leaves $status, $out (the guest's console) and $err (doorbell's messages).
run() {
	timeout -k 5 "$limit" "$doorbell" run "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	out=$(cat "$tmp/out")
	err=$(cat "$tmp/err")
}

# tiny WORDS [OPTION...]: the bare-metal guest without network.
tiny() {
	run --net none --append "$@" "$guest"
}

# Checks, each with the reason in $why when it fails.
is_status() {
	[ "$status" = "$1" ] && return
	why="exit status $status, expected $1"
	return 1
}

is_out() {
	[ "$out" = "$1" ] && return
	why="the console has '$out', expected '$1'"
	return 1
}

err_has() {
	case $err in *"$1"*) return ;; esac
	why="no '$1' in the messages"
	return 1
}

is_quiet() {
	[ -z "$err" ] && return
	why="messages were written"
	return 1
}

# ---- the cases; a new one is a function here, whose name begins with t_

t_hello_on_the_console() {
	tiny hello && is_status 0 && is_out "hello from a tiny guest" && is_quiet
}

t_console_goes_to_a_file() {
	tiny hello --console file="$tmp/console" && is_status 0 && is_out "" || return
	[ "$(cat "$tmp/console")" = "hello from a tiny guest" ] || {
		why="the file has '$(cat "$tmp/console")'"
		return 1
	}
}

t_console_none_is_silent() {
	tiny hello --console none && is_status 0 && is_out "" && is_quiet
}

t_input_comes_from_a_pipe() {
	out=$(echo "a line" | timeout -k 5 "$limit" "$doorbell" run --net none --append echo "$guest" 2>"$tmp/err")
	status=$?
	err=$(cat "$tmp/err")
	is_status 0 && is_out "a line"
}

t_verdict_is_the_exit_status() {
	local v

	for v in 0 1 7 124 255; do
		tiny "verdict $v"
		is_status "$v" && is_quiet || return
	done
}

t_wide_verdict_is_not_cut() {
	tiny "wide 7"
	is_status 7 || return
	tiny "wide 256"
	is_status 255
}

t_power_off_ends_at_once() {
	tiny off && is_status 0 && is_out off && is_quiet
}

t_reset_ends_at_once() {
	tiny reset && is_status 0 && is_out boot && is_quiet
}

t_keyboard_controller_resets() {
	tiny kbd && is_status 0 && is_out boot && is_quiet
}

t_jump_to_the_bios_resets() {
	tiny bios --cpus 2 --timeout 20 && is_status 0 && is_out boot && is_quiet
}

t_reset_restarts_when_told() {
	tiny reset --on-reboot restart --timeout 2
	is_status 124 || return
	[ "$(grep -c '^boot$' "$tmp/out")" -ge 2 ] && return
	why="the guest did not start again"
	return 1
}

t_triple_fault_shows_registers() {
	tiny fault
	is_status 3 && err_has "triple fault" && err_has "cr3" || return
	case $err in *"values of a reset"*) return ;; esac # AMD
	err_has "rax    1234567890abcdef" && err_has "rcx    000000000000feed"
}

t_endless_loop_is_timed_out() {
	tiny loop --timeout 1
	is_status 124 && err_has "timeout"
}

t_halted_cpu_is_timed_out() {
	tiny halt --timeout 1
	is_status 124
}

t_memory_above_4_gib_is_there() {
	tiny high --mem 5G && is_status 0
}

t_second_cpu_starts() {
	tiny smp --cpus 2 && is_status 0 && is_out "second cpu has id 0x1"
}

# Waits until $pid sleeps.
wait_asleep() {
	for _ in $(seq 600); do
		! grep -qs '^State:.*S' "/proc/$pid/status" || return 0
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	why="it does not sleep"
	return 1
}

t_a_signal_ends_the_wait_for_the_reader_of_a_fifo() {
	local pid option
	mkfifo "$tmp/fifo"
	for option in "--stats=$tmp/fifo" "--net=user,pcap=$tmp/fifo"; do
		timeout -k 5 "$limit" "$doorbell" run "$option" --append off "$guest" >"$tmp/out" 2>"$tmp/err" </dev/null &
		pid=$!
		wait_asleep || return
		kill "$pid"
		wait "$pid" 2>/dev/null
		status=$?
		with "$option" is_status 143 || return
	done
}

t_a_timeout_ends_the_wait_for_the_reader_of_a_fifo() {
	local option
	mkfifo "$tmp/unread"
	for option in "--stats=$tmp/unread" "--audit=$tmp/unread" "--net=user,pcap=$tmp/unread"; do
		run "$option" --timeout 1 --append off "$guest"
		with "$option" is_status 124 && err_has "nobody reads" || return
	done
}

# The FIFO's reader is there and does not read; but for the last 4 KiB it is full.
t_a_reader_that_stalls_holds_up_neither_guest_nor_end() {
	local option
	mkfifo "$tmp/stalls"
	exec 8<>"$tmp/stalls"
	head -c 61440 /dev/zero >&8
	run --net "user,pcap=$tmp/stalls" --timeout "$limit" --append "ping ping" "$guest"
	is_status 0 && err_has "the capture ends here" || return
	head -c 4096 /dev/zero | dd bs=4096 oflag=nonblock status=none >&8 2>/dev/null
	for option in --stats --audit; do
		run --net none "$option=$tmp/stalls" --append off "$guest"
		with "$option" is_status 1 && err_has "nobody reads" || return
	done
	exec 8>&-
}

# A terminal that is still raw does not go back to the first column.
t_numbers_on_a_terminal_are_straight_lines() {
	local option
	for option in --stats --audit; do
		timeout -k 5 "$limit" script -qec "'$doorbell' run --net none $option --append off '$guest'" /dev/null \
			>"$tmp/out" 2>"$tmp/err" </dev/null
		status=$?
		with "$option" is_status 0 || return
		[ "$(wc -l <"$tmp/out")" -gt 3 ] || { why="$option: no numbers" && return 1; }
		! sed 1d "$tmp/out" | grep -qv $'\r$' || { why="$option: a line without a carriage return" && return 1; }
	done
}

t_a_signal_that_was_ignored_at_the_start_stays_so() {
	local pid
	(
		trap '' HUP # as nohup does
		exec "$doorbell" run --net none --control "$tmp/ctl" --timeout "$limit" --append loop "$guest" 2>"$tmp/err"
	) &
	pid=$!
	until "$doorbell" ctl "$tmp/ctl" status >/dev/null 2>&1; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -HUP "$pid"
	"$doorbell" ctl "$tmp/ctl" stop
	wait "$pid"
	status=$?
	is_status 0
}

# What --print-machine says, the device tree says, too, and it is there.
t_devices_are_where_the_map_says() {
	local bases gsis

	run --net user --net user --print-machine "$guest"
	is_status 0 || return
	bases=$(sed -n '/"virtio"/,$s/.*"base": "\(0x[0-9a-f]*\)".*/\1/p' "$tmp/out" | tr '\n' ' ')
	gsis=$(sed -n '/"virtio"/,$s/.*"gsi": \([0-9]*\).*/\1/p' "$tmp/out" | xargs printf '%#x ')
	run --net user --net user --append map "$guest"
	is_status 0 || return
	[ "$(sed -n 's/^device //p' "$tmp/out" | tr '\n' ' ')" = "$bases" ] &&
		[ "$(sed -n 's/^irq //p' "$tmp/out" | tr '\n' ' ')" = "$gsis" ] &&
		[ "$(grep -c '^magic 0x74726976$' "$tmp/out")" = 2 ] &&
		[ "$(grep -c '^version 0x2$' "$tmp/out")" = 2 ] &&
		[ "$(grep -c '^id 0x1$' "$tmp/out")" = 2 ] && return
	why="the map says '$bases' with '$gsis'"
	return 1
}

t_announce_none_tells_nothing() {
	run --net user --announce none --append map "$guest"
	is_status 0 && is_out "devices 0x0"
}

# ELF and flat, each told of its device in every way, find it, and it interrupts where they were told.
t_devices_are_found_however_they_are_announced() {
	local way announce kind

	for way in "cmdline command line" "fdt tree" "acpi tree" "none nowhere"; do
		announce=${way%% *}
		for kind in "$guest" "--flat=0x200000 $guests/guest.bin"; do
			# shellcheck disable=SC2086 # an option and a file
			run --net echo --announce "$announce" --append found --timeout "$limit" $kind
			with "--announce $announce $kind" is_status 0 && with "--announce $announce $kind" is_out "${way#* }
arp reply
24 replies" || return
		done
	done
}

t_flat_binary_goes_where_it_is_told() {
	run --net none --flat 0x200000 --append hello "$guests/guest.bin"
	is_status 0 && is_out "hello from a tiny guest" && is_quiet || return
	# Behind something else, and with an initrd as high as can be.
	{ head -c 64 /dev/zero; cat "$guests/guest.bin"; } >"$tmp/flat"
	run --net none --flat 0x1fffc0,entry=0x200000 --initrd "$guests/guest.bin" --append hello "$tmp/flat"
	is_status 0 && is_out "hello from a tiny guest" && is_quiet
}

t_flat_binary_that_cannot_be_is_refused() {
	local flat file part
	: >"$tmp/empty"
	while IFS='|' read -r flat file part; do
		run --net none ${flat:+--flat "$flat"} --mem 4M "$file"
		with "--flat $flat" is_status 2 && with "--flat $flat" err_has "$part" && with "--flat $flat" is_out "" || return
		[ "$(wc -l <"$tmp/err")" = 1 ] || { why="more than one line for --flat $flat" && return 1; }
	done <<-END
		|$guests/guest.bin|a flat binary is loaded by --flat ADDRESS
		0x200000|$tmp/empty|is empty
		0x200000|$tmp/none|does not exist
		0x200000|$guest|without --flat
		0x200000|$guests/bzimage|without --flat
		0xff000|$guests/guest.bin|is below 0x100000
		0x3ff000|$guests/guest.bin|does not fit
		0xd0000000|$guests/guest.bin|does not fit
		0x200000,entry=0x1fffff|$guests/guest.bin|is not in the file
		high|$guests/guest.bin|allowed: ADDRESS
	END
}

t_pvh_entry_is_reached() {
	run --net none --append tiny "$guests/pvh.elf"
	is_status 0 && is_out pvh
}

t_pvh_with_a_device_tree_is_refused() {
	run --net none --announce fdt "$guests/pvh.elf"
	is_status 2 && err_has "--announce fdt" && is_out ""
}

t_bzimage_gets_its_zero_page() {
	run --net none --append tiny "$guests/bzimage"
	is_status 0
}

t_bzimage_gets_its_initrd() {
	printf '070701%088x%08x%08xTRAILER!!!\0' 0 11 0 >"$tmp/initrd"
	run --net none --append tiny --initrd "$tmp/initrd" "$guests/bzimage"
	is_status 0
}

t_ping_through_user_network() {
	run --net user --append ping "$guest"
	is_status 0 && is_out "arp reply
24 replies"
}

t_ping_through_echo() {
	run --net echo --append pingirq --stats="$tmp/stats" "$guest"
	is_status 0 && is_out "arp reply
24 replies" || return
	[ "$(jq -c '.nics[0].backend | [.sends, .recvs, .recv_dropped]' "$tmp/stats")" = "[25,25,0]" ] || {
		why="the counters are not those of 25 frames"
		return 1
	}
}

# With poll=on the thread never sleeps, so the guest is asked to kick by nobody, but before its first look.
t_ping_through_a_thread_that_looks() {
	local mode
	for mode in on auto try; do
		run --net "echo,poll=$mode" --append pingirq --stats="$tmp/stats" "$guest"
		is_status 0 && is_out "arp reply
24 replies" || return
		[ "$mode" != on ] || jq -e '.nics[0] | .loop_poll_hits > 0 and .device.tx_kicks <= 1' \
			"$tmp/stats" >/dev/null || {
			why="poll=$mode: $(jq -c .nics "$tmp/stats")"
			return 1
		}
	done
}

t_pair_has_two_ends() {
	run --net pair,name=x --net pair,name=x --append hello "$guest"
	is_status 0 && is_quiet || return
	run --net pair,name=x --append hello "$guest"
	is_status 2 && err_has "name=x is given once" && is_out ""
}

# The network that QEMU gives to guests of its own, behind a socket of the kind NETDEV. ping_qemu NETDEV SOCKET [OPTION...]
ping_qemu() {
	local pid netdev=$1 sock=$2
	shift 2
	command -v qemu-system-x86_64 >/dev/null || { why="no qemu-system-x86_64" && return 77; }
	(exec qemu-system-x86_64 -machine none -nodefaults -display none -monitor none -netdev "$netdev" \
		-netdev hubport,id=h1,hubid=0,netdev=n -netdev user,id=u -netdev hubport,id=h2,hubid=0,netdev=u \
		>"$tmp/qemu" 2>&1 </dev/null) &
	pid=$!
	until [ -e "$sock" ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
	run "$@" --append ping --timeout 30 "$guest"
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	is_status 0 && is_out "arp reply
24 replies"
}

t_ping_through_a_stream_socket_of_qemu() {
	ping_qemu "stream,id=n,server=on,addr.type=unix,addr.path=$tmp/stream" "$tmp/stream" \
		--net "socket,path=$tmp/stream"
}

t_ping_through_a_datagram_socket_of_qemu() {
	ping_qemu "dgram,id=n,local.type=unix,local.path=$tmp/qemu.d,remote.type=unix,remote.path=$tmp/ours.d" \
		"$tmp/qemu.d" --net "socket,type=dgram,path=$tmp/qemu.d,local=$tmp/ours.d"
}

# DPDK serves the rings of one guest after the other, and answers ARP and pings: each way to registers, kicks and
# interrupts, and a peer for more pairs than the guest uses.
t_ping_through_vhost_user_by_each_mechanism() {
	local pid sock=$tmp/vhost-user rc
	command -v dpdk-testpmd >/dev/null || { why="no dpdk-testpmd" && return 77; }
	# In a subshell, so that nobody says that it was killed.
	(exec dpdk-testpmd --lcores 0@0,1@0 --no-huge -m 64 --no-pci --no-telemetry --no-shconf \
		--file-prefix="tiny$$" --vdev "net_vhost0,iface=$sock,client=1,queues=2" -- --forward-mode=icmpecho --auto-start \
		--rxq=2 --txq=2 --no-lsc-interrupt --total-num-mbufs=4096 --port-topology=loop --no-flush-rx --disable-link-check \
		--stats-period 1000 >"$tmp/pmd" 2>&1 </dev/null) &
	pid=$!
	ping_peer_by_each
	rc=$?
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	return "$rc"
}

ping_peer_by_each() {
	local regs kick chip
	for regs in page trap; do
		for kick in ioeventfd exit; do
			for chip in split kernel; do
				ping_peer "regs=$regs,kick=$kick" "$chip" || return
			done
		done
	done
}

ping_peer() { # KEYS IRQCHIP
	run --net "vhost-user,socket=$sock,server=on,queues=2,$1" --irqchip "$2" --mem 64M --audit="$tmp/audit" \
		--append pingirq --timeout 50 "$guest"
	with "$1, --irqchip $2" is_status 0 && with "$1, --irqchip $2" is_out "arp reply
24 replies" || return
	! grep -q '"verdict": "unexplained"' "$tmp/audit" || { why="$1, --irqchip $2: the audit: $(cat "$tmp/audit")" && return 1; }
}

# Says of a check that failed what the case had used. with WORDS CHECK...
with() {
	local words=$1
	shift
	"$@" && return
	why+=" ($words)"
	return 1
}

is_silent_success() {
	is_status 0 && is_out "" && is_quiet
}

is_quiet_success() {
	is_status 0 && is_quiet
}

t_io_apic_delivers_edges() {
	local chip

	for chip in kernel split; do
		tiny edges --irqchip "$chip" --timeout 30
		with "--irqchip $chip" is_silent_success || return
	done
}

t_io_apic_delivers_levels_until_they_end() {
	local chip

	for chip in kernel split; do
		tiny levels --irqchip "$chip" --timeout 30
		with "--irqchip $chip" is_silent_success || return
	done
}

t_network_interrupts_arrive() {
	local chip irq

	for chip in kernel split; do
		for irq in ioctl irqfd; do
			run --net "user,irq=$irq" --irqchip "$chip" --append pingirq --timeout 30 "$guest"
			with "--irqchip $chip, irq=$irq" is_quiet_success || return
		done
	done
}

# Leaves the number of MMIO exits to userspace in $exits.
ping_with() { # KEYS
	run --net "user,$1" --stats="$tmp/stats" --append ping "$guest"
	if ! is_status 0 || ! is_out "arp reply
24 replies"; then
		why="$1: $why"
		return 1
	fi
	exits=$(sed -n 's/.*"exits_mmio": \([0-9]*\).*/\1/p' "$tmp/stats")
}

t_ping_with_each_way_to_registers_and_kicks() {
	local least
	ping_with regs=page,kick=ioeventfd || return
	least=$exits
	ping_with regs=trap,kick=ioeventfd || return
	[ "$exits" -gt "$least" ] || { why="regs=trap: $exits exits, regs=page: $least" && return 1; }
	ping_with regs=page,kick=exit || return
	# Each of its 25 frames is kicked.
	[ "$exits" -ge $((least + 25)) ] || { why="kick=exit: $exits exits, kick=ioeventfd: $least" && return 1; }
	ping_with regs=trap,kick=exit
}

t_driver_that_breaks_a_rule_costs_a_reset_and_one_line() {
	local keys
	for keys in regs=page regs=trap,kick=exit irq=irqfd; do
		run --net "user,$keys" --append break "$guest"
		with "$keys" is_status 0 && with "$keys" is_out "arp reply
24 replies" || return
		[ "$(grep -c '^doorbell: warning: net0: driver broke a rule: ' "$tmp/err")-$(wc -l <"$tmp/err")" = 4-4 ] && continue
		why="not one line for each time"
		return 1
	done
}

# Waits until the guest, which runs in the background, has said something.
wait_out() { # LINE
	for _ in $(seq 600); do
		grep -qx "$1" "$tmp/out" && return
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	why="no '$1' on the console: '$(tail -n 1 "$tmp/out")'"
	return 1
}

changes_with() { # KEYS
	local link n=0 pid
	: >"$tmp/out"
	timeout -k 5 "$limit" "$doorbell" run --net "user,$1" --control "$tmp/ctl" --append link "$guest" \
		>"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
	wait_out ready || return
	for link in down up down up; do
		"$doorbell" ctl "$tmp/ctl" net0 "link=$link" >/dev/null || return
		n=$((n + 1))
		wait_out "change 0x$n" || return
	done
	wait "$pid"
	status=$?
	is_status 0
}

t_config_changes_are_acknowledged_exactly() {
	local keys
	for keys in regs=page regs=trap regs=page,kick=exit; do
		changes_with "$keys" || { why="$keys: $why" && return 1; }
	done
}

# Waits until the guest, which runs in the background, has rebooted twice more.
more_boots() {
	local n
	n=$(grep -c '^boot$' "$tmp/out")
	for _ in $(seq 600); do
		[ "$(grep -c '^boot$' "$tmp/out")" -lt $((n + 2)) ] || return 0
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	why="the guest did not boot again"
	return 1
}

# What belongs to the host: who made it, what was added to it, what ctl has set.
host_side() {
	stat -c 'socket %i' "$tmp/ctl"
	ip -o link show dev db0 | cut -d: -f1
	ip -o addr show dev db0 | grep -o '192.0.2.1/24'
	"$doorbell" ctl "$tmp/ctl" status | grep -o '"link": "[a-z]*"'
}

# Runs a case that makes TAPs where those of the host are not.
in_own_network() { # FUNCTION
	if [ ! -w /dev/net/tun ] || ! unshare -n true 2>/dev/null; then
		why="no right to make a TAP"
		return 77
	fi
	TINY_INSIDE=1 unshare -n "$0" "${1#t_}" >"$tmp/out" && return
	why="see below"
	return 1
}

# Each frame is kicked on its own, while the NIC's thread sleeps.
t_lone_frames_are_sent_by_the_cpu_that_kicks() {
	local nr
	if [ -z "${TINY_INSIDE-}" ]; then
		in_own_network "${FUNCNAME[0]}"
		return
	fi
	ip tuntap add db0 mode tap && ip addr add 10.0.2.2/24 dev db0 && ip link set db0 up
	run --net tap,ifname=db0,kick=inline --append ping --stats="$tmp/stats" "$guest"
	is_status 0 && is_quiet || return
	is_out "arp reply
24 replies" || return
	nr=$(sed -n 's/.*"tx_inline": \([0-9]*\).*/\1/p' "$tmp/stats")
	[ "$nr" -ge 1 ] || { why="$nr of 25 frames were" && return 1; }
}

t_restarts_keep_what_belongs_to_the_host() {
	local pid before after
	if [ -z "${TINY_INSIDE-}" ]; then
		in_own_network "${FUNCNAME[0]}"
		return
	fi
	printf 'an old file' >"$tmp/pcap"
	timeout -k 5 "$limit" "$doorbell" run --net "tap,ifname=db0,pcap=$tmp/pcap" --control "$tmp/ctl" \
		--on-reboot restart --append reset "$guest" >"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
	wait_out boot || return
	ip addr add 192.0.2.1/24 dev db0
	"$doorbell" ctl "$tmp/ctl" net0 link=down || return
	before=$(host_side)
	more_boots || return
	after=$(host_side)
	[ "$before" = "$after" ] || { why="'$before' became '$after'" && return 1; }
	case $after in *192.0.2.1/24*down*) ;; *) why="it is '$after'" && return 1 ;; esac
	"$doorbell" ctl "$tmp/ctl" stop
	wait "$pid"
	status=$?
	is_status 0 && is_quiet || return
	[ "$(head -c 4 "$tmp/pcap" | od -An -tx4)" = " a1b23c4d" ] || { why="no capture" && return 1; }
	! ip link show dev db0 >/dev/null 2>&1 || { why="db0 is left" && return 1; }
}

# Waits for a doorbell on a terminal, ends it by SIGNAL, and looks for what is left.
signal_on_a_terminal() { # SIGNAL
	local pid left
	rm -f "$tmp"/{tty,before,after,pid,rc}
	# A shell has its background jobs ignore some signals, and doorbell respects that.
	script -qec "tty >'$tmp/tty'; stty -a >'$tmp/before'
		sh -c 'echo \$\$ >$tmp/pid; exec env --default-signal \"\$@\"' sh '$doorbell' run --net tap,ifname=db0 \
			--control '$tmp/ctl' --timeout $limit --append halt '$guest' 2>'$tmp/err'
		echo \$? >'$tmp/rc'; stty -a >'$tmp/after'" /dev/null >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	until "$doorbell" ctl "$tmp/ctl" status >/dev/null 2>&1; do
		kill -0 "$pid" 2>/dev/null || { why="it did not start" && return 1; }
		sleep 0.05
	done
	ip link show dev db0 >/dev/null || { why="there is no db0" && return 1; }
	! stty -a -F "$(cat "$tmp/tty")" | cmp -s - "$tmp/before" || { why="the terminal is not raw" && return 1; }
	kill "-$1" "$(cat "$tmp/pid")"
	wait "$pid"
	status=$(cat "$tmp/rc")
	left=$(ip -o link show dev db0 2>/dev/null; ls "$tmp/ctl" 2>/dev/null; diff "$tmp/before" "$tmp/after")
	[ -z "$left" ] || { why="left: $left" && return 1; }
}

t_each_signal_removes_the_tap_and_restores_the_terminal() {
	local signal
	if [ -z "${TINY_INSIDE-}" ]; then
		in_own_network "${FUNCNAME[0]}"
		return
	fi
	for signal in HUP INT QUIT TERM; do
		signal_on_a_terminal "$signal" && is_status $((128 + $(kill -l "$signal"))) && continue
		why="SIG$signal: $why"
		return 1
	done
}

# With a driver that was at work when it happened.
t_network_works_after_restarts() {
	local pid keys
	for keys in regs=page regs=trap,kick=exit irq=irqfd; do
		: >"$tmp/out"
		timeout -k 5 "$limit" "$doorbell" run --net "user,$keys" --control "$tmp/ctl" --on-reboot restart \
			--append "ping reset" "$guest" >"$tmp/out" 2>"$tmp/err" </dev/null &
		pid=$!
		if ! wait_out boot || ! more_boots; then
			why="$keys: $why"
			return 1
		fi
		"$doorbell" ctl "$tmp/ctl" stop
		wait "$pid"
		status=$?
		with "$keys" is_quiet_success || return
		[ "$(grep -c '^24 replies$' "$tmp/out")" -ge 3 ] || { why="$keys: no replies" && return 1; }
	done
}

# A seccomp filter and ptrace, /proc/PID/smaps, and a driver with interrupts: whatever this host's KVM is.
t_bench_measures_what_it_runs() {
	"$doorbell" bench --only start/none,end/none,memory/user,trip/echo --rounds 1 --out "$tmp/bench" \
		>"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	is_status 0 || return
	[ "$(grep -c '"state": "measured"' "$tmp/bench/results.json")" = 4 ] || {
		why="not all rows were measured"
		return 1
	}
}

# shellcheck source=tests/tiny/check.sh
. "$top/tests/tiny/check.sh"
# shellcheck source=tests/tiny/forward.sh
. "$top/tests/tiny/forward.sh"

# ---- the rest

no_kvm() { # prints why there is none
	if [ ! -e /dev/kvm ]; then
		echo "this host has no /dev/kvm"
	elif ! (: <>/dev/kvm) 2>/dev/null; then
		echo "/dev/kvm cannot be opened"
	fi
}

main() {
	local case reason rc failed=0

	case ${1-} in
	-h | --help) usage && exit 0 ;;
	esac
	[ $# -gt 0 ] || mapfile -t cases < <(declare -F | sed -n 's/^declare -f t_//p')
	[ $# = 0 ] || cases=("$@")
	[ -x "$doorbell" ] || {
		echo "tiny: $doorbell is missing: run make" >&2
		exit 2
	}
	"$top/tests/tiny/build.sh" "$guests" || exit 2
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	reason=$(no_kvm)
	for case in "${cases[@]}"; do
		why="no such case" out="" err=""
		if [ -n "$reason" ]; then
			echo "skip $case - $reason"
			continue
		fi
		rc=0
		"t_$case" || rc=$?
		if [ $rc = 0 ]; then
			echo "ok $case"
		elif [ $rc = 77 ]; then
			echo "skip $case - $why"
		else
			failed=1
			echo "not ok $case - $why"
			sed 's/^/    /' "$tmp/out" "$tmp/err" 2>/dev/null
		fi
	done
	exit $failed
}

main "$@"
