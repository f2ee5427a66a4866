#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# For how long nobody serves the rings when the path changes. See --help.
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
set -euo pipefail

usage() {
	cat <<'END'
usage: bench/pauses.sh [OPTION...]

Boots a guest on a TAP and changes its path between doorbell and vhost-net under traffic both ways: datagrams, a TCP stream,
and both at once, in turns. Beside it runs bench/late.c, which notes when a CPU ran nobody, not even a
thread of the highest real-time priority: the emulated host of the lab stands still so now and then.
A table on stdout, in microseconds:

  median, p99, longest   of the pauses (pause_ns of the answers)
  over                   how many were longer than 5 ms
  of them own            how many still are without the time in which either CPU of this host ran nobody: also the one that
                         had nothing to do with the change, so it is the least that is doorbell's

and a line for each that was longer: when, how long, how much of it a CPU stood still.

  --changes N    of a round (250 each way)
  --rounds N     of all three (2)
  --pairs N      queue pairs, and CPUs of the guest (2 CPUs with 1)
  --help

Needs root, TAP, /dev/vhost-net and a /dev/kvm that can run Linux. Where there is none: tests/lab/run.sh -- bench/pauses.sh
END
}

changes=250 rounds=2 pairs=1
while [ $# -gt 0 ]; do
	case $1 in
	--changes) changes=${2:?} && shift 2 ;;
	--rounds) rounds=${2:?} && shift 2 ;;
	--pairs) pairs=${2:?} && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) echo "pauses: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done
for number in "$changes" "$rounds" "$pairs"; do
	[[ $number =~ ^[1-9][0-9]*$ ]] || { echo "pauses: '$number' is not a number above 0" >&2 && exit 2; }
done

. "$(dirname "$0")/../tests/e2e/lib.sh"
work=$(mktemp -d)
trap 'rc=$?; set +e; clean_up; exit $rc' EXIT
mkfifo "$work/never"
exec 9<>"$work/never" # see pause
tap=dbeba0 us=192.168.79.1 it=192.168.79.2

begin() {
	local queues=""
	[ "$pairs" = 1 ] || queues=,queues=$pairs
	gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$work/late" "$top/bench/late.c" -pthread
	if [ "$pairs" = 1 ]; then
		tap_add $tap $us/24
	else
		tap_add_queues $tap $us/24
	fi
	vm_start -c "$((pairs > 2 ? pairs : 2))" --control "$work/control" --net "tap,ifname=$tap,path=vhost$queues" \
		-a "$(append_agent net0=$it/24,$us)" "$bzimage" >&2
	vm_expect @agent
	guest "ping -c 3 -w 20 $us >/dev/null"
}

udp() {
	traffic "udp listen $it 7002 both" "udp connect $it 7002 both" count=1000
}

tcp() {
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=4000000
}

both() { # the guest obeys one command at a time
	local pids=() limit=timeout=$guest_limit
	"$tools/netcheck" udp connect $it 7002 both "$limit" count=1000 9>&- &
	pids+=($!)
	"$tools/netcheck" tcp listen $us 7001 both "$limit" bytes=4000000 9>&- &
	pids+=($!)
	guest "netcheck udp listen $it 7002 both $limit count=1000 & udp=\$!
		netcheck tcp connect $us 7001 both $limit bytes=4000000; rc=\$?; wait \$udp && exit \$rc"
	wait "${pids[@]}"
}

requests() {
	local i
	for ((i = 0; i < changes; i++)); do
		echo '{"command": "path", "nic": "net0", "value": "pure"}'
		echo '{"command": "path", "nic": "net0", "value": "vhost"}'
	done
}

measure() { # TRAFFIC: lines TRAFFIC PATH FROM PAUSE of $work/pauses
	local pid rc=0
	rm -f "$work/enough"
	(until [ -e "$work/enough" ]; do "$1"; done) >"$work/traffic" 2>&1 &
	pid=$!
	requests | "$doorbell" ctl "$work/control" - >"$work/answers" || rc=$?
	touch "$work/enough"
	wait $pid || { echo "pauses: the traffic: $(tail -n 1 "$work/traffic") $(cat "$work/hint" 2>&1)" >&2 && return 1; }
	! grep -q 'reordered [1-9]' "$work/traffic" ||
		{ echo "pauses: datagrams were reordered: $(grep -m 1 'reordered [1-9]' "$work/traffic")" >&2 && return 1; }
	[ $rc = 0 ] || { echo "pauses: $(grep -v '"ok":true' "$work/answers" | head -n 1)" >&2 && return 1; }
	jq -r --arg t "$1" '.result | [$t, .path, (.pause_at_ns | tostring), (.pause_ns | tostring)] | join(" ")' \
		"$work/answers" >>"$work/pauses"
}

table() {
	sort -k 2n "$work/late.out" | awk '
	FILENAME == ARGV[1] { # what both CPUs missed at once counts once
		if (gaps && $2 < to[gaps]) { if ($3 > to[gaps]) to[gaps] = $3 }
		else { from[++gaps] = $2; to[gaps] = $3 }
		next
	}
	{ row = $1 " | " $2; v[row, ++n[row]] = $4; at[row, n[row]] = $3 } # the shortest first
	function stood(begin, end, i, sum, a, b) {
		for (i = 1; i <= gaps; i++) {
			a = from[i] > begin ? from[i] : begin; b = to[i] < end ? to[i] : end
			if (b > a) sum += b - a
		}
		return sum
	}
	END {
		print "| traffic | to | changes | median | p99 | longest | over | of them own |"
		print "|---|---|---|---|---|---|---|---|"
		rows = split("udp | pure,udp | vhost,tcp | pure,tcp | vhost,both | pure,both | vhost", order, ",")
		for (r = 1; r <= rows; r++) {
			row = order[r]; over = own = 0
			for (i = 1; i <= n[row]; i++) {
				if (v[row, i] <= 5e6) continue
				over++
				lost = stood(at[row, i], at[row, i] + v[row, i])
				if (v[row, i] - lost > 5e6) own++
				line[++lines] = sprintf("%s: %.1f ms at %.6f s, of it %.1f ms in which a CPU stood still",
					row, v[row, i] / 1e6, at[row, i] / 1e9, lost / 1e6)
			}
			printf "| %s | %d | %d | %d | %d | %d | %d |\n", row, n[row], v[row, int((n[row] + 1) / 2)] / 1000,
				v[row, int((n[row] * 99 + 99) / 100)] / 1000, v[row, n[row]] / 1000, over, own
		}
		for (i = 1; i <= lines; i++) print line[i]
		printf "a CPU ran nobody %d times for more than 0.5 ms, late.c says\n", gaps
	}' - <(sort -k 4n "$work/pauses")
}

[ "$(id -u)" = 0 ] || { echo "pauses: TAP needs root" >&2 && exit 1; }
[ -c /dev/vhost-net ] || { echo "pauses: no /dev/vhost-net" >&2 && exit 1; }
begin
"$work/late" >"$work/late.out" 9>&- &
late=$!
for ((round = 0; round < rounds; round++)); do
	for kind in udp tcp both; do
		measure $kind
	done
done
kill $late
wait $late || { echo "pauses: bench/late.c failed" >&2 && exit 1; }
guest_off >&2
table
