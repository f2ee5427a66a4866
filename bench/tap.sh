#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The pure path over a TAP against a bare readv/writev loop on the same TAP. See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: bench/tap.sh [--rounds N] [--bar SHARE]

CPU nanoseconds per frame of 64 bytes, one thread, in N rounds (11) of 100000 frames each way (bench/tap.c): the device's part of
the pure path, from a ring to the TAP and back, and a bare loop of writev() and readv() on the same TAP, in
turns of 200 frames. Least, median and most; then the bare loop's time as a share of ours, and whether it reaches SHARE (0.9)
with 95 % probability. tx: UDP into the host's stack, which finds no way for it. rx: frames that wait in the TAP. both: one each
way. Root, in a network namespace of its own.
END
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=11 bar=0.9
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?} && shift 2 ;;
	--bar) bar=${2:?} && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) echo "tap: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done
. bench/lib.sh
bench_nic_program tap
for ((i = 0; i < rounds; i++)); do
	build/bench/tap | tr '\n' ' '
	echo
done | awk -v bar="$bar" "$bench_awk"'
	{
		for (i = 1; i < NF; i += 2)
			x[$i] = $(i + 1)
		x["both-bare"] = x["tx-bare"] + x["rx-bare"]
		x["both-ours"] = x["tx-ours"] + x["rx-ours"]
		for (k in x)
			all[k, NR] = x[k]
	}
	function row(name,    v, i) {
		for (i = 1; i <= NR; i++)
			v[i] = all[name, i]
		sort(v, NR)
		printf "%-10s least %7.1f ns  median %7.1f  most %7.1f\n", name, v[1], med(v, NR), v[NR]
	}
	function share(name,    v, i) {
		row(name "-bare"); row(name "-ours")
		for (i = 1; i <= NR; i++)
			v[i] = all[name "-bare", i] / all[name "-ours", i]
		sort(v, NR)
		printf "%-10s least %7.3f     median %7.3f  most %7.3f   median lies in %s: bar %s %s\n", name,
			v[1], med(v, NR), v[NR], span(v, NR, "%.3f .. %.3f"), bar, verdict(v, NR, bar)
	}
	END { share("tx"); share("rx"); share("both") }'
