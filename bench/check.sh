#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What doorbell check costs a guest's TCP. See --help.
# shellcheck disable=SC2034 # work is read by tests/e2e/lib.sh
set -euo pipefail

usage() {
	cat <<'END'
usage: bench/check.sh [--rounds N] [--bytes N] [--bar TIMES]

Four guests at once, each on a TAP of its own: under `doorbell check`, with --record too, and under `doorbell run` with the same
traps (regs=trap,kick=exit) and with regs=trap alone. In N rounds (10), there and back, each in turn sends N bytes (4000000) by TCP to the host
while as many come (tests/guest/netcheck.c, which compares all of them), and the others have nothing to do. Prints the milliseconds
of each, and how many times longer than with regs=trap the first two take: no more than TIMES (5) is the bar. Root, /dev/kvm that runs
Linux (elsewhere: tests/lab/run.sh -- bench/check.sh), in a network namespace of its own.
END
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=10 bytes=4000000 bar=5
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?} && shift 2 ;;
	--bytes) bytes=${2:?} && shift 2 ;;
	--bar) bar=${2:?} && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) echo "check: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done
. bench/lib.sh
. tests/e2e/lib.sh
guests=(check record exits trap)
base=$(mktemp -d)
mkfifo "$base/never"
exec 9<>"$base/never" # see pause

on() { # GUEST COMMAND...: a function of tests/e2e/lib.sh about that one
	local work=$base/$1
	shift
	"$@"
}

end() {
	local g
	for g in "${guests[@]}"; do
		on "$g" vm_kill
		on "$g" taps_del
	done
	rm -rf "$base"
}
trap end EXIT

start() { # GUEST NUMBER
	local net=tap,ifname=bench$2 run=("$doorbell" run)
	case $1 in
	check) run=("$doorbell" check) ;;
	record) run=("$doorbell" check --record "$base/recording") ;;
	exits) net+=,regs=trap,kick=exit ;;
	trap) net+=,regs=trap ;;
	esac
	mkdir "$base/$1"
	on "$1" tap_add "bench$2" "10.77.$2.1/24"
	on "$1" vm_run "${run[@]}" -m 128M -i "$initrd" --net "$net" \
		-a "$(append_agent "net0=10.77.$2.2/24")" "$bzimage" >"$base/$1/log" 2>&1
}

measure() { # GUEST NUMBER: "GUEST MILLISECONDS"
	local out
	out=$(on "$1" traffic "tcp connect 10.77.$2.1 7001 both" "tcp listen 10.77.$2.1 7001 both" \
		bytes="$bytes" 2>"$base/$1/traffic") || cat "$base/$1/traffic" >&2
	sed -nE "s/^netcheck: tcp ok: .*, ([0-9]+) ms.*/$1 \1/p" <<<"$out" | head -n 1
}

for i in "${!guests[@]}"; do
	start "${guests[i]}" "$i"
done
for g in "${guests[@]}"; do
	on "$g" vm_expect @agent >&2
done
for ((round = 0; round < rounds; round++)); do
	for i in "${!guests[@]}"; do
		[ $((round % 2)) = 0 ] || i=$((${#guests[@]} - 1 - i))
		measure "${guests[i]}" "$i" | tr '\n' ' '
	done
	echo
done | awk -v bar="$bar" "$bench_awk"'
	NF < 8 {
		print "a round that was not finished, and does not count: " $0
		next
	}
	{
		print "round " ++n ", ms: " $0
		fflush()
		for (i = 1; i < NF; i += 2)
			all[$i, n] = $(i + 1)
	}
	function row(name,    v, i) {
		for (i = 1; i <= n; i++)
			v[i] = all[name, i]
		sort(v, n)
		printf "%-7s least %7d ms  median %7.0f  most %7d\n", name, v[1], med(v, n), v[n]
	}
	function times(name, base,    v, i) {
		for (i = 1; i <= n; i++)
			v[i] = all[name, i] / all[base, i]
		sort(v, n)
		printf "%s : %s  least %.2f  median %.2f  most %.2f  median lies in %s", name, base,
			v[1], med(v, n), v[n], span(v, n, "%.2f .. %.2f")
		if (base == "trap")
			printf(": at most %s is %s", bar,
				high(v, n) <= bar ? "met" : low(v, n) > bar ? "not met" : "not concluded")
		printf "\n"
	}
	END {
		row("check"); row("record"); row("exits"); row("trap")
		times("check", "exits"); times("check", "trap"); times("record", "trap")
	}'
