#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures doorbell against its budgets. See --help.
# shellcheck disable=SC2317 # the parts are called by name
set -euo pipefail

usage() {
	cat <<'END'
usage: bench/run.sh [OPTION...]

Measures, in interleaved rounds, and says for each budget "met", "not met" or "not concluded":

  start      exec to the first KVM_RUN with 256 MiB of guest memory, and from there to the end of the
             process, by a guest whose first act is to end
  memory     private dirty memory beside guest RAM, with one network card: at rest, and (with the
             boots) after 16 MB of traffic of a Linux guest
  boot       exec to init of a stock kernel, against QEMU's microvm with the same kernel, initramfs and
             command line, as it comes and at its fastest, A B C C B A: where hardware can, here;
             otherwise in the lab

  --rounds N     rounds of start (15)
  --blocks N     blocks A B C C B A of boot (7)
  --only WHAT    start, memory or boot; repeatable
  --json FILE    results for machines (build/bench/results.json)
  --help

The table has the median of each row, its range, and the interval in which the true median lies with 95 %
probability. A budget is met or not when that interval lies on one side of it; a budget for an idle
machine is not missed on a busy one. Needs `make`; boot needs tests/setup.sh lab kernels.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
out=$top/build/bench
samples=$out/samples
doorbell=$top/build/doorbell
measure=$out/measure
guest=$top/build/bench-guest/micro
rounds=15 blocks=7 only="" json=$out/results.json
args=("$@")

while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?} && shift 2 ;;
	--blocks) blocks=${2:?} && shift 2 ;;
	--only) only+=" ${2:?}" && shift 2 ;;
	--json) json=$(realpath -m "${2:?}") && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) echo "bench: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done
only=${only:-start memory boot}

say() {
	echo "bench: $*" >&2
}

wanted() {
	[[ " $only " = *" $1 "* ]]
}

build() {
	[ -x "$doorbell" ] || { say "there is no build/doorbell, run make first" && exit 2; }
	mkdir -p "$out"
	make -s build/obj-gcc/libdoorbell.a build/bench-guest/init build/bench-guest/micro >&2
	gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -I . -o "$measure" bench/measure.c build/obj-gcc/libdoorbell.a \
		-l:libjansson.a -pthread
}

# Runs a measurement and keeps what it printed as samples "ROW VALUE"; each name gets SUFFIX.
sample() { # SUFFIX MEASUREMENT...
	"$measure" "${@:2}" </dev/null | sed -E "s/^([a-z]+)_([a-z]+) /\1-$1 /" >>"$samples"
}

# Per cent of all CPUs that others use.
busy() {
	local a b
	read -r -a a < <(head -n 1 /proc/stat)
	sleep 1
	read -r -a b < <(head -n 1 /proc/stat)
	awk -v a="${a[*]}" -v b="${b[*]}" 'BEGIN {
		n = split(a, x, " "); split(b, y, " ")
		for (i = 2; i <= n; i++) total += y[i] - x[i]
		printf "%d", 100 - 100 * (y[5] + y[6] - x[5] - x[6]) / (total ? total : 1)
	}'
}

can_run_tiny() {
	[ -r /dev/kvm ] && [ -w /dev/kvm ] && return
	say "$1: /dev/kvm cannot be opened, skipped"
	return 1
}

bench_start() {
	local run=("$doorbell" run -m 256M) i net
	can_run_tiny start || return 0
	for ((i = 0; i < rounds; i++)); do
		say "start: round $((i + 1)) of $rounds"
		for net in none user $tap; do
			sample "$net" start "${run[@]}" --net "$net" -a exit "$guest"
			sample "$net" whole "${run[@]}" --net "$net" -a exit "$guest"
		done
		sample true whole true
	done
}

bench_memory() {
	local i net
	can_run_tiny memory || return 0
	say memory
	for ((i = 0; i < 3; i++)); do
		for net in user $tap; do
			sample "$net" memory ready 256 "$doorbell" run -m 256M --net "$net" -a ready "$guest"
		done
	done
}

bench_boot() {
	local here=(bench/boot.sh "$blocks") cache=${DOORBELL_CACHE:-${HOME:-/root}/.cache/doorbell}
	if [ ! -e "$cache/x86_64/guest/release" ] || ! command -v qemu-system-x86_64 >/dev/null; then
		say "boot: run tests/setup.sh lab kernels first, skipped"
		return
	fi
	tests/guest/mkinitramfs.sh
	tests/guest/pack-initramfs.sh "$cache/x86_64/guest" "$out/initramfs.cpio" build/bench-guest/init \
		"virtio_mmio virtio_net"
	if ! grep -qwE 'vmx|svm' /proc/cpuinfo || [ ! -w /dev/kvm ]; then
		say "boot: no hardware virtualization, in the lab (some minutes)"
		here=(tests/lab/run.sh --timeout 1800 -- "${here[@]}")
	fi
	"${here[@]}" >"$out/boot" || { say "boot: failed, see build/bench/boot" && return 1; }
	grep -E '^[a-z-]+ [0-9.]+$' "$out/boot" >>"$samples"
}

# Interfaces of ours in a network namespace of our own.
if [ "$(id -u)" = 0 ] && [ -z "${BENCH_INSIDE:-}" ] && [ -z "${DOORBELL_LAB:-}" ]; then
	BENCH_INSIDE=1 exec unshare --net -- "$0" "${args[@]}"
fi
tap=""
if [ "$(id -u)" = 0 ] && [ -w /dev/net/tun ]; then
	tap=tap
else
	say "no right to make a TAP: rows with tap are skipped"
fi
ip link set lo up 2>/dev/null || :

build
: >"$samples"
before=$(busy)
rc=0
for what in start memory boot; do
	! wanted $what || "bench_$what" || rc=1
done
after=$(busy)
awk -v busy=$((before > after ? before : after)) -v cpus="$(nproc)" -v json="$json" \
	-v version="$("$doorbell" --version)" -v date="$(date -u +%FT%TZ)" -f bench/rank.awk -f bench/summary.awk "$samples"
exit $rc
