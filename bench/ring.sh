#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the queue core costs per request, here and at another revision. See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: bench/ring.sh [--rounds N] [--against REVISION]

Nanoseconds per request of the queue core alone (bench/ring.c: driver and device in turns, in one thread): median,
least and most of N interleaved rounds (11). With --against the same of that revision, in turns, and whether
this tree is slower: "slower" and "faster" only when the medians differ by more than the middle half of
both samples is wide; otherwise the noise is larger than the difference.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
rounds=11 against=""
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?} && shift 2 ;;
	--against) against=${2:?} && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) echo "ring: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done
out=$top/build/bench
mkdir -p "$out"

# build TREE PROGRAM: with the flags of the product
build() {
	local lib
	make -s -C "$1" build/obj-gcc/libdoorbell.a >&2
	lib=$1/build/obj-gcc/libdoorbell.a
	gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -I "$1" -o "$2" "$1/bench/ring.c" "$lib" -pthread
}

build . "$out/ring-new"
if [ -n "$against" ]; then
	tree=$out/ring-tree
	rm -rf "$tree"
	mkdir -p "$tree"
	git archive "$against" | tar -x -C "$tree"
	[ -e "$tree/bench/ring.c" ] || { echo "ring: there is no bench/ring.c at '$against'" >&2 && exit 2; }
	build "$tree" "$out/ring-old"
fi

: >"$out/ring"
for ((i = 0; i < rounds; i++)); do
	for which in ${against:+old} new; do
		taskset -c 0 "$out/ring-$which" | sed "s/^/$which /" >>"$out/ring"
	done
done
sort -k2,2 -k1,1r -k3,3n "$out/ring" | awk '
	function at(share) { return v[1 + int((n - 1) * share + 0.5)] }
	function flush(    wide) {
		if (!n)
			return
		printf "%-14s %-4s median %7.2f ns   %7.2f .. %7.2f   (%d)", row, which, at(0.5), v[1], v[n], n
		wide = at(0.75) - at(0.25)
		if (which == "new" && old_row == row) {
			if (at(0.5) - old > wide && at(0.5) - old > old_wide)
				printf "   slower"
			else if (old - at(0.5) > wide && old - at(0.5) > old_wide)
				printf "   faster"
			else
				printf "   no difference beyond the noise"
		}
		printf "\n"
		old = at(0.5); old_wide = wide; old_row = row
		n = 0
	}
	$2 != row || $1 != which { flush(); which = $1; row = $2 }
	{ v[++n] = $3 }
	END { flush() }'
