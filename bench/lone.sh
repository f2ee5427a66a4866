#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A lone frame on the NIC's thread, and on the thread that kicks. See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: bench/lone.sh [--rounds N] [--rates "R..."] [--ms N]

A driver that sleeps between two frames of 64 bytes sends them by a TAP at a rate, N interleaved rounds (9) of so many
milliseconds (300) each (bench/lone.c): "thread", kick=exit, where the NIC's thread has to be woken by the kick; and
"here", kick=inline, where the thread that kicks does what there is to do. Medians of: what the kick costs who kicks; how long it takes until
the frame is with the host; the CPU of the whole process for a frame, and how often one of its threads slept. Then the ratio of
each to that of the other, with the interval in which its median lies with 95 % probability. Root.
END
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=9 ms=300 rates="1000 5000 20000"
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?} && shift 2 ;;
	--rates) rates=${2:?} && shift 2 ;;
	--ms) ms=${2:?} && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) echo "lone: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done
. bench/lib.sh
bench_nic_program lone
for ((i = 0; i < rounds; i++)); do
	for rate in $rates; do
		for what in kick sent; do
			for who in thread here; do
				echo "$rate $what $who $(build/bench/lone $who $what "$rate" "$ms" 2>/dev/null)"
			done
		done
	done
	echo "lone: round $((i + 1)) of $rounds" >&2
done | awk "$bench_awk"'
	{
		if (!($1 in seen))
			order[++rates] = $1
		seen[$1] = 1
		k = ++n[$1, $2, $3]
		x[$1, $2, $3, "ns", k] = $4
		x[$1, $2, $3, "cpu", k] = $6
		x[$1, $2, $3, "sleeps", k] = $7
	}
	function show(rate, text, what, column,    v, w, r, m, i) {
		m = n[rate, what, "here"]
		for (i = 1; i <= m; i++) {
			v[i] = x[rate, what, "thread", column, i]
			w[i] = x[rate, what, "here", column, i]
			r[i] = w[i] / (v[i] + 0.001)
		}
		sort(v, m); sort(w, m); sort(r, m)
		printf "  %-34s thread %9.2f  here %9.2f  ratio %.2f, median lies in %s\n", text, med(v, m), med(w, m),
			med(r, m), span(r, m, "%.2f .. %.2f")
	}
	END {
		for (i = 1; i <= rates; i++) {
			print order[i] " frames per second"
			show(order[i], "the kick, ns", "kick", "ns")
			show(order[i], "until the frame is sent, ns", "sent", "ns")
			show(order[i], "CPU of a frame, ns", "kick", "cpu")
			show(order[i], "sleeps of a frame", "kick", "sleeps")
		}
	}'
