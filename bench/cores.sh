#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The queue core between two CPUs, against DPDK's. See --help.
# shellcheck disable=SC2054 # commas belong to DPDK
set -euo pipefail

usage() {
	cat <<'END'
usage: bench/cores.sh [--rounds N] [--share S] [--bar R] [--patience SECONDS]

Nanoseconds per frame of 64 bytes out of a guest, split and packed, between two CPUs: bench/cores.c, a driver thread and
a device thread over doorbell's queue core, against DPDK's virtio-user driver and its net_vhost (dpdk-testpmd, package
dpdk), in N interleaved rounds (9), each with processes of its own. Both sides copy each frame out of the buffer.

A window (1 s of DPDK, 2^21 frames of ours) counts only when both of its threads had S of their CPU (0.85): who shares
a CPU with something else measures that. Fewer than 6 windows of a row are no result. Printed are best, median and worst, and
ours over theirs, best against best and median against median, and within what the latter lies for sure: each median
with 95 % probability, the one at its highest over the other at its lowest, and the other way round. The bar is R (1.3): met
when all of that and the best are below it, not met when all of it is above. Beside it what the machine can do: memcpy of
64 bytes in one thread, and one way of a cache line between the two CPUs.

With --patience each part of a round waits for a second in which others (but for the nice ones) used less than a tenth of the
machine; for so many seconds in all.

Takes 300 huge pages of 2 MB for the time of the run where the host lets it (root); else DPDK goes without.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
rounds=9 share=0.85 bar=1.3 patience=0
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?} && shift 2 ;;
	--share) share=${2:?} && shift 2 ;;
	--bar) bar=${2:?} && shift 2 ;;
	--patience) patience=${2:?} && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) echo "cores: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done
[ "$(nproc)" -ge 2 ] || { echo "cores: this takes two CPUs" >&2 && exit 2; }
command -v dpdk-testpmd >/dev/null || { echo "cores: no dpdk-testpmd: package dpdk" >&2 && exit 2; }
out=$top/build/bench
work=$(mktemp -d)
mkdir -p "$out"
make -s build/obj-gcc/libdoorbell.a >&2
gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -I . -o "$out/cores" bench/cores.c build/obj-gcc/libdoorbell.a -pthread

pids=() pages=/proc/sys/vm/nr_hugepages had="" took=""
finish() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || :
	wait
	# Unless somebody else has changed it since.
	[ -z "$took" ] || [ "$(cat $pages)" != "$took" ] || echo "$had" >$pages
	rm -rf "$work"
}
trap finish EXIT
memory=(--in-memory --single-file-segments)
if [ "$(awk '/HugePages_Free/ { print $2 }' /proc/meminfo)" -lt 300 ]; then
	had=$(cat $pages)
	if { echo $((had + 300)) >$pages; } 2>/dev/null; then
		took=$(cat $pages)
	fi
fi
if [ "$(awk '/HugePages_Free/ { print $2 }' /proc/meminfo)" -lt 300 ]; then
	echo "cores: no huge pages: DPDK goes without" >&2
	memory=(--no-huge --no-shconf -m 256)
fi

pmd() { # LOG MAIN-LCORE DEVICE ARGUMENT...
	stdbuf -oL dpdk-testpmd -l 0,1 --main-lcore "$2" "${memory[@]}" --no-pci --no-telemetry \
		--file-prefix="cores$$-$2" --vdev "$3" -- --nb-cores=1 --no-lsc-interrupt \
		--total-num-mbufs=16384 --auto-start --stats-period 1 "${@:4}" \
		>"$work/$1" 2>&1 </dev/null &
	pids+=($!)
}

# Waits, while patience lasts, for a second in which the machine is mostly idle.
quiet() {
	local before after
	while [ "$patience" -gt 0 ]; do
		before=$(awk '/^cpu / { print $2 + $4 + $7 + $8 }' /proc/stat)
		sleep 1
		after=$(awk '/^cpu / { print $2 + $4 + $7 + $8 }' /proc/stat)
		[ $((after - before)) -ge $((10 * $(nproc))) ] || return 0
		patience=$((patience - 1))
	done
}

running() {
	kill -0 "${pids[@]}" 2>/dev/null && [ $SECONDS -lt "$1" ]
}

ns_on_cpu() { # PID: of its forwarding thread
	local t
	for t in /proc/"$1"/task/*; do
		case $(cat "$t/comm") in
		rte-worker* | lcore-worker*) awk '{ print $1 }' "$t/schedstat" ;;
		esac
	done
}

frames() {
	awk '/Rx-pps:/ { n = $2 } /RX-packets:/ { if ($2 + 0 > got) got = $2 } END { print got + 0 }' "$work/device"
}

dpdk() { # ROW PACKED: windows of one pair of processes
	local i a b c d n m from to end=$((SECONDS + 20))
	pids=()
	quiet
	pmd device 1 "net_vhost0,iface=$work/socket,queues=1" --forward-mode=rxonly
	while [ ! -S "$work/socket" ] && running $end; do
		sleep 0.1
	done
	pmd driver 0 "net_virtio_user0,path=$work/socket,queues=1,queue_size=1024,packed_vq=$2,mrg_rxbuf=0,in_order=0,vectorized=0" \
		--forward-mode=txonly --txpkts=64
	while [ "$(frames)" = 0 ] && running $end; do
		sleep 0.1
	done
	n=$(frames) i=0
	while [ $i -lt 4 ] && running $end; do # a line each second: between two of them is a window
		m=$(frames)
		if [ "$m" = "$n" ]; then
			sleep 0.02
			continue
		fi
		to=$EPOCHREALTIME c=$(ns_on_cpu "${pids[0]}") d=$(ns_on_cpu "${pids[1]}")
		if [ $i -gt 0 ]; then
			awk -v row="$1" -v n=$((m - n)) -v from="$from" -v to="$to" -v x=$((c - a)) -v y=$((d - b)) \
				'BEGIN { s = to - from; if (y < x) x = y; printf "dpdk %s %.2f %.3f\n", row, s * 1e9 / n, x / s / 1e9 }'
		fi
		n=$m from=$to a=$c b=$d i=$((i + 1))
	done
	[ $i = 4 ] || echo "cores: DPDK: $(tail -qn 1 "$work/device" "$work/driver" | tr '\n' ' ')" >&2
	kill "${pids[@]}" 2>/dev/null || :
	wait
	pids=()
	rm -f "$work/socket"
}

: >"$out/cores.samples"
for ((r = 0; r < rounds; r++)); do
	{
		quiet
		"$out/cores" 6 | sed 's/^/ours /'
		dpdk split 0
		dpdk packed 1
	} >>"$out/cores.samples"
	echo "cores: round $((r + 1)) of $rounds" >&2
done

sort -k2,2 -k1,1 -k3,3n "$out/cores.samples" |
	awk -v share="$share" -v bar="$bar" -f bench/rank.awk -f bench/cores.awk
