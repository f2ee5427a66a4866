#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What each technique of the queue core is worth, on against off. See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: bench/techniques.sh [--rounds N] [--share S] [--only TECHNIQUE]

Nanoseconds per frame of 64 bytes out of a guest (take-ahead: into it), over doorbell's queue core (bench/cores.c, bench/frames.h), with each
technique and without it, driver and device in turns in one thread (turns) and on a CPU each (cpus), in bursts of 32:

  publish            used entries are published, and the driver's wish is looked at, once for a burst; off: for each frame
  acquire            the available index is read when all that it promised is used up; off: for each frame (split)
  translation        where the parts of the ring are is known; off: looked up whenever one of them is used
  slot-of-2, -of-8   buffers lie in the last of so many regions of guest memory, and a buffer is looked for where the last one was;
                     off: from the first region on
  take-ahead         into the guest: chains are taken off the ring behind each burst; off: as frames use them up
  fetch-frame        the device that copies fetches each frame of a burst before it copies the first
  fetch-descriptor   likewise the descriptor of the fourth frame from now; in the product this is off

Each of N rounds (15) is a process of its own, with windows on, off, off, on for each row; "off over on" is the median over the
rounds, and where it lies with 95 % probability: the technique pays when all of that is above 1, and costs when all of it is
below. Windows of two CPUs count only when both threads had S of theirs (0.85), as in cores.sh.
END
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=15 share=0.85 only=()
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?} && shift 2 ;;
	--share) share=${2:?} && shift 2 ;;
	--only) only=("${2:?}") && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) echo "techniques: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done
[ "$(nproc)" -ge 2 ] || { echo "techniques: this takes two CPUs" >&2 && exit 2; }
. bench/lib.sh
out=build/bench
mkdir -p "$out"
make -s build/obj-gcc/libdoorbell.a >&2
gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -I . -o "$out/cores" bench/cores.c build/obj-gcc/libdoorbell.a -pthread

for ((r = 0; r < rounds; r++)); do
	"$out/cores" techniques "${only[@]}"
done | tee "$out/techniques.samples" | awk -v share="$share" "$bench_awk"'
	function flush(key,    i) {
		for (i = 1; i < w; i += 2) { # neighbours: one of them on, the other off
			if (had[i] < share || had[i + 1] < share)
				continue
			sum[state[i]] += ns[i]; sum[state[i + 1]] += ns[i + 1]
			all[key, state[i], ++n[key, state[i]]] = ns[i]
			all[key, state[i + 1], ++n[key, state[i + 1]]] = ns[i + 1]
		}
		if (sum["on"])
			ratio[key, ++rounds[key]] = sum["off"] / sum["on"]
		if (!(key in seen))
			keys[++nr] = key
		seen[key] = 1
		w = 0
		delete sum
	}
	function median_of(key, which,    v, i) {
		for (i = 1; i <= n[key, which]; i++)
			v[i] = all[key, which, i]
		sort(v, i - 1)
		return med(v, i - 1)
	}
	function show(key,    v, i, k) {
		k = rounds[key]
		if (k < 6) {
			printf "%-32s %d rounds had their CPUs: no result\n", key, k
			return
		}
		for (i = 1; i <= k; i++)
			v[i] = ratio[key, i]
		sort(v, k)
		printf "%-32s on %6.2f ns  off %6.2f  off over on %.3f (%.3f .. %.3f)  %s (%d)\n", key,
			median_of(key, "on"), median_of(key, "off"), med(v, k), low(v, k), high(v, k),
			(low(v, k) > 1 ? "pays" : high(v, k) < 1 ? "costs" : "no difference"), k
	}
	{
		w++
		state[w] = $4; ns[w] = $5; had[w] = $6
		if (w == 4)
			flush($1 " " $2 " " $3)
	}
	END {
		for (i = 1; i <= nr; i++)
			show(keys[i])
	}'
