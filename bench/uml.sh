#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Doorbell's backend against DPDK's vhost port, with User Mode Linux as the front end. See --help.
# shellcheck disable=SC1091,SC2034,SC2154 # lib.sh and its variables
# shellcheck disable=SC2054 # commas belong to doorbell's options
set -uo pipefail

usage() {
	cat <<'END'
usage: bench/uml.sh pair|tap [--rounds N] [--seconds N] [--keys KEY=VALUE[,...]]

TCP (iperf3, one stream, both ways) and ping, with the virtio-net driver of Linux in User Mode Linux:

  pair   two UMLs, joined by --net pair; against testpmd between two vhost ports (tso=1)
  tap    one UML and a TAP of the host, --net tap; against testpmd between net_vhost and net_tap

All guests are up from the beginning and stopped (SIGSTOP) while they are not measured, as is what joins them: testpmd
never sleeps, nor does doorbell with poll=on. Each of N rounds (9) measures every system once, for N seconds (2) per way, in two
placements: "free", where the scheduler decides; "apart", where guests have core 0 and the switch core 1.
Printed are median, least and most; and for each placement, and for the better of both, the ratio
doorbell : DPDK of each round: median, middle half, and whether the bar is met ("not concluded" when
the middle half has it inside). --keys go to doorbell's --net, poll=on for instance. Needs root,
iperf3 and what tests/setup.sh installs for the UML tests.
END
}

mode=${1:-}
case $mode in
pair) bar=1.0 ;;
tap) bar=1.5 ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac
shift
rounds=9 seconds=2 keys=,poll=off
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?} && shift 2 ;;
	--seconds) seconds=${2:?} && shift 2 ;;
	--keys) keys=,${2:?} && shift 2 ;;
	*) echo "uml: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done

. "$(dirname "$0")/../tests/e2e/lib.sh"
. "$top/tests/e2e/uml.sh"
. "$top/bench/lib.sh"
uml_nice="" boot_limit=30
work=$(mktemp -d)
all=$work
mkfifo "$work/never"
exec 9<>"$work/never" # see pause in lib.sh
out=$top/build/bench
samples=$out/uml-$mode
mkdir -p "$out"
: >"$samples"
pages=$(cat /proc/sys/vm/nr_hugepages)
host=() # processes of ours beside guests and backends

# What DPDK offers, and UML 6.1 cannot take from it: MTU, an address and the link without CONFIG; the control queue, which
# nobody serves there; packed rings.
hide=0x400fe000c

vms() { # SYSTEM
	echo "$1-one"
	[ "$mode" = tap ] || echo "$1-two"
}

switch_of() { # SYSTEM: its process
	cat "$work/$1.pid"
}

end() {
	trap - EXIT
	local work=$all vm system
	{
		for system in doorbell dpdk; do
			signal CONT $system
			for vm in $(vms $system); do
				in_vm "$vm" uml_kill
			done
			[ ! -s "$work/$system.pid" ] || kill -KILL "$(switch_of $system)"
		done
		kill "${host[@]}"
		wait
	} >/dev/null 2>&1
	echo "$pages" >/proc/sys/vm/nr_hugepages
	rm -rf "$work"
}
trap end EXIT
trap 'exit 143' TERM INT HUP

fail() {
	echo "uml: $*" >&2
	tail -n 3 "$all"/*.log >&2
	exit 1
}

signal() { # SIGNAL SYSTEM: its guests, and a switch that polls
	local vm
	for vm in $(vms "$2"); do
		kill "-$1" "$(cat "$work/$vm/pid")"
	done
	kill "-$1" "$(switch_of "$2")"
}

start_doorbell() {
	local second=(--socket "$work/s-doorbell-two" --net "pair,name=x$keys") first=pair,name=x$keys
	[ "$mode" = pair ] || first=tap,ifname=dbbench$keys second=()
	"$doorbell" backend --socket "$work/s-doorbell-one" --net "$first" "${second[@]}" --control "$work/control" \
		>"$work/doorbell.log" 2>&1 9>&- &
	echo $! >"$work/doorbell.pid"
	wait_for 10 "doorbell" ctl_answers
}

start_dpdk() {
	local port="net_vhost1,iface=$work/vhost-two,queues=1,tso=1,legacy-ol-flags=1" tso=,tso=1,legacy-ol-flags=1 vm
	[ "$mode" = pair ] || port=net_tap0,iface=dtbench tso=""
	echo 512 >/proc/sys/vm/nr_hugepages
	dpdk-testpmd -l 0,1 --in-memory --single-file-segments --no-pci --no-telemetry --file-prefix=dbbench \
		--vdev "net_vhost0,iface=$work/vhost-one,queues=1$tso" --vdev "$port" -- --forward-mode=io --auto-start \
		--no-lsc-interrupt --nb-cores=1 --stats-period 1000 --total-num-mbufs=16384 >"$work/dpdk.log" 2>&1 </dev/null 9>&- &
	echo $! >"$work/dpdk.pid"
	for vm in $(vms dpdk); do
		wait_for 30 "testpmd" test -S "$work/vhost-${vm#*-}"
		"$out/vhost_mask" "$work/s-$vm" "$work/vhost-${vm#*-}" $hide 2>>"$work/mask.log" 9>&- &
		host+=($!)
		wait_for 10 "the mask" test -S "$work/s-$vm"
	done
}

# Addresses: doorbell 10.77.1.x, DPDK 10.77.2.x; .1 is the first guest, .2 the second one or the TAP.
boot() { # SYSTEM TAP
	local vm n=1 subnet=10.77.1
	[ "$1" = doorbell ] || n=2
	subnet=10.77.$n
	for vm in $(vms "$1"); do
		n=1
		[ "${vm#*-}" = one ] || n=2
		in_vm "$vm" uml_boot "$out/uml.cpio" net0=$subnet.$n/24 "$work/s-$vm" >/dev/null
		in_vm "$vm" guest "iperf3 -s -D" >/dev/null 2>&1
	done
	[ "$mode" = tap ] || return 0
	wait_for 10 "the TAP" tap_exists "$2"
	ip addr add $subnet.2/24 dev "$2"
	ip link set "$2" up
	iperf3 -s -B $subnet.2 -p 5201 >/dev/null 2>&1 9>&- &
	host+=($!)
}

# From the far end, which is a guest or the host.
far() { # SYSTEM COMMAND
	if [ "$mode" = pair ]; then
		in_vm "$1-two" guest "$2" 2>/dev/null
	else
		bash -c "$2"
	fi
}

place() { # free|apart SYSTEM
	local vm pid guests=0,1 switch=0,1
	[ "$1" = free ] || guests=0 switch=1
	for vm in $(vms "$2"); do
		pid=$(cat "$work/$vm/pid")
		for pid in $pid $(pgrep -P "$pid"); do
			taskset -acp $guests "$pid"
		done
	done >/dev/null
	# testpmd has placed its forwarding thread itself.
	[ "$2" = dpdk ] || taskset -acp $switch "$(switch_of "$2")" >/dev/null
}

mbits() {
	sed -n 's/.* \([0-9.]*\) Mbits\/sec .*receiver.*/\1/p'
}

# Of all NICs and their one thread, since the last one of these: counted, per frame that came.
counts=$out/uml-$mode.counts
: >"$counts"
count_from() { # SYSTEM
	[ "$1" = dpdk ] || ctl stats >"$work/before"
}

count_to() { # SYSTEM ROW PLACEMENT
	[ "$1" = dpdk ] || ctl stats | jq -r --slurpfile before "$work/before" --arg row "$2 $3" '
		def of($s): ($s.nics | map(.device) | {frames: (map(.rx_frames) | add),
			kick_reads: (map(.rx_kick_reads + .tx_kick_reads) | add), self_kicks: (map(.self_kicks) | add)})
			+ {interrupts: ($s.nics | map(.interrupts) | add)}
			+ ($s.nics[0] | {loop_wakeups, loop_poll_asks, loop_poll_hits, loop_poll_yields});
		of(.) as $now | of($before[0]) as $was | ($now.frames - $was.frames) as $frames
		| [$row, "frames", $frames], ($now | del(.frames) | to_entries[] | [$row, .key, (.value - $was[.key]) / ([$frames, 1] | max)])
		| join(" ")' >>"$counts"
}

measure() { # SYSTEM PLACEMENT
	local to=10.77.1.1 v
	[ "$1" = doorbell ] || to=10.77.2.1
	signal CONT "$1"
	place "$2" "$1"
	far "$1" "busybox ping -c 2 -i 0.2 -W 2 $to" >/dev/null || fail "$1: no answer"
	count_from "$1"
	v=$(far "$1" "iperf3 -f m -t $seconds -c $to" | mbits)
	count_to "$1" to-first "$2"
	echo "to-first $2 $1 ${v:-0}" >>"$samples"
	count_from "$1"
	v=$(far "$1" "iperf3 -f m -t $seconds -R -c $to" | mbits)
	count_to "$1" from-first "$2"
	echo "from-first $2 $1 ${v:-0}" >>"$samples"
	count_from "$1"
	v=$(far "$1" "busybox ping -A -q -c 300 $to" | sed -n 's/.*= [0-9.]*\/\([0-9.]*\)\/.*/\1/p')
	count_to "$1" ping "$2"
	echo "ping $2 $1 ${v:-0}" >>"$samples"
	signal STOP "$1"
}

for tool in iperf3 linux.uml dpdk-testpmd; do
	command -v $tool >/dev/null || { echo "uml: no $tool" >&2 && exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "uml: only root may" >&2 && exit 1; }
gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$out/vhost_mask" "$top/bench/vhost_mask.c"
mapfile -t files < <(ldd "$(command -v iperf3)" | awk '$3 ~ /^\// { print $3 "=" substr($3, 2) } $1 ~ /^\// { print $1 "=" substr($1, 2) }')
uml_initramfs "$out/uml.cpio" "$(command -v iperf3)=bin/iperf3" "${files[@]}"
start_doorbell
boot doorbell dbbench
signal STOP doorbell
start_dpdk
boot dpdk dtbench
signal STOP dpdk
echo "load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
for ((i = 0; i < rounds; i++)); do
	order="doorbell dpdk"
	[ $((i % 2)) = 0 ] || order="dpdk doorbell"
	for placement in free apart; do
		for system in $order; do
			measure "$system" $placement
		done
	done
done
echo "load after:  $(cut -d ' ' -f 1-3 /proc/loadavg)"
awk -v bar="$bar" -f "$top/bench/uml.awk" "$samples"
echo "doorbell, counted per frame that came to either side: median (least .. most)"
awk "$bench_awk"'
	{
		row = $1 " " $2 " " $3
		if (!(row in n))
			rows[++nr] = row
		x[row, ++n[row]] = $4
	}
	END {
		for (r = 1; r <= nr; r++) {
			split(rows[r], name, " ")
			for (i = 1; i <= n[rows[r]]; i++)
				v[i] = x[rows[r], i]
			sort(v, i - 1)
			printf "%-12s %-7s %-18s %9.3f (%.3f .. %.3f)\n", name[1], name[2], name[3], med(v, i - 1), v[1], v[i - 1]
		}
	}' "$counts"
