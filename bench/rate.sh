#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# poll=off, on, auto and try over a sweep of rates. See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: bench/rate.sh [--rounds N] [--rates "R..."] [--ms N]

A driver sends frames of 64 bytes at a rate to a NIC that sends each one back (bench/rate.c, --net echo), with poll=off, on,
auto and try in turns, N interleaved rounds (9) of so many milliseconds (300) each:

  two CPUs   the driver looks for its frames all the time, as a guest that is busy
  tap        likewise, with a TAP in place of what sends back: echo requests, which the kernel answers. Root
  one CPU    driver and NIC share one, and the driver sleeps until an interrupt comes
  none free  on each CPU another program never sleeps, and the driver does: once on the NIC's CPU, once on the other
  idle       a few frames, then silence: the CPU that the NIC's thread takes

Where the two are decides more than poll= does, so it is not left to the scheduler, but for idle.

Rates in frames per second; 0 is as fast as they go, 128 on their way at most. Printed are frames carried (median, least, most),
round trip in microseconds (median of the medians), and the CPU of the NIC's thread. "carried" then compares auto, and try, with the better of off
and on: met, when it carries 0.9 of that with 95 % probability; not met, when it does not with 95 %; else not concluded.
A short round trip and little CPU cannot both be had at few frames: "time or CPU" is met when the round trip is at most 1.1 times the
better one's, or the CPU for a frame at most 1.1 times that of off (one of them with 95 % probability); not met, when neither is with 95 %.
END
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ "$(nproc)" -ge 2 ] || { echo "rate: this takes two CPUs" >&2 && exit 2; }
rounds=9 ms=300 rates="1000 5000 20000 50000 100000 300000 0"
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?} && shift 2 ;;
	--rates) rates=${2:?} && shift 2 ;;
	--ms) ms=${2:?} && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) echo "rate: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done
. bench/lib.sh
bench_nic_program rate
samples=build/bench/rate.samples
: >"$samples"

# As long as COMMAND takes, others want CPUs 0 and 1.
none_free() { # COMMAND...
	local i hogs=()
	for i in 0 1; do
		(taskset -pc $i $BASHPID >/dev/null && while kill -0 $$ 2>/dev/null; do :; done) & # they do not hear Ctrl-C
		hogs+=($!)
	done
	"$@"
	kill "${hogs[@]}"
	wait "${hogs[@]}" 2>/dev/null || :
}

one() { # PLACE RATE MODE COMMAND...
	printf '%s %s %s %s\n' "$1" "$2" "$3" "$("${@:4}" 2>/dev/null)" >>"$samples"
}

for ((i = 0; i < rounds; i++)); do
	for rate in $rates; do
		for mode in off on auto try; do
			one two-cpus "$rate" $mode build/bench/rate "echo,poll=$mode" spin "$rate" "$ms" 0 1
			one tap "$rate" $mode build/bench/rate "tap,ifname=rate0,poll=$mode" spin "$rate" "$ms" 0 1
			one one-cpu "$rate" $mode build/bench/rate "echo,poll=$mode" sleep "$rate" "$ms" 0 0
			one none-free,one-cpu "$rate" $mode none_free build/bench/rate "echo,poll=$mode" sleep "$rate" "$ms" 0 0
			one none-free,two-cpus "$rate" $mode none_free build/bench/rate "echo,poll=$mode" sleep "$rate" "$ms" 0 1
		done
	done
	for mode in off on auto try; do
		one idle - $mode build/bench/rate "echo,poll=$mode" sleep -1 "$ms"
	done
	echo "rate: round $((i + 1)) of $rounds" >&2
done

awk "$bench_awk"'
	{
		place = $1 " " $2
		if (!(place in seen))
			order[++places] = place
		seen[place] = 1
		n[place, $3]++
		for (c = 4; c <= 7; c++)
			x[place, $3, c, n[place, $3]] = $c
	}
	function get(place, mode, c, v,    i) {
		for (i = 1; i <= n[place, mode]; i++)
			v[i] = x[place, mode, c, i]
		sort(v, n[place, mode])
		return n[place, mode]
	}
	function show(place, mode,    v, m, carried) {
		m = get(place, mode, 4, v)
		carried = med(v, m)
		printf "  %-5s carried %9.0f  (%9.0f .. %9.0f)", mode, carried, v[1], v[m]
		get(place, mode, 5, v)
		printf "  round trip %8.1f us", med(v, m) / 1000
		get(place, mode, 7, v)
		printf "  CPU %5.1f %% (%.1f .. %.1f)\n", med(v, m), v[1], v[m]
		return carried
	}
	# Round trip against the better one, CPU for a frame against off: of each round, then whether either is at most 1.1.
	function judge_cost(place, mode,    m, i, v, w, best) {
		m = get(place, "off", 5, v); i = med(v, m)
		get(place, "on", 5, v)
		best = med(v, m) < i ? "on" : "off"
		for (i = 1; i <= m; i++) {
			v[i] = x[place, mode, 5, i] / (x[place, best, 5, i] + 1)
			w[i] = (x[place, mode, 7, i] + 0.01) / (x[place, mode, 4, i] + 1) / \
				((x[place, "off", 7, i] + 0.01) / (x[place, "off", 4, i] + 1))
		}
		sort(v, m); sort(w, m)
		printf "  its round trip is %.2f of %s, median lies in %s, its CPU for a frame %.2f of off, %s: time or CPU %s\n",
			med(v, m), best, span(v, m, "%.2f .. %.2f"), med(w, m), span(w, m, "%.2f .. %.2f"),
			(high(v, m) <= 1.1 || high(w, m) <= 1.1) ? "met" : \
			(low(v, m) > 1.1 && low(w, m) > 1.1) ? "not met" : "not concluded"
	}
	function judge(place, mode, best,    m, i, v) {
		m = n[place, mode]
		for (i = 1; i <= m; i++)
			v[i] = x[place, mode, 4, i] / (x[place, best, 4, i] + 1)
		sort(v, m)
		printf "  %s is %.2f of %s, median lies in %s: carried %s\n", mode, med(v, m), best,
			span(v, m, "%.2f .. %.2f"), verdict(v, m, 0.9)
		judge_cost(place, mode)
	}
	END {
		for (p = 1; p <= places; p++) {
			place = order[p]
			if (place ~ /^idle/)
				continue
			print place
			off = show(place, "off"); on = show(place, "on"); show(place, "auto"); show(place, "try")
			best = on > off ? "on" : "off"
			judge(place, "auto", best)
			judge(place, "try", best)
		}
		print "idle"
		for (k = 1; k <= split("off on auto try", mode, " "); k++) {
			m = get("idle -", mode[k], 7, v)
			printf "  %-5s CPU %.2f %% (%.2f .. %.2f)\n", mode[k], med(v, m), v[1], v[m]
		}
	}' "$samples"
