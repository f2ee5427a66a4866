#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What each mechanism costs, all combinations in one run. See --help.
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
set -euo pipefail

usage() {
	cat <<'END'
usage: bench/mechanisms.sh [OPTION...]

Boots two guests for each --irqchip: one with a network card for each combination of kick=, irq= and regs=, served by
doorbell on a TAP, and one whose cards vhost-net serves, which needs kick=ioeventfd and irq=irqfd; and one for each of poll=off, auto and on, one
after the other, since a thread that looks for ever would be in the way of the rest. Each card in turn answers small echo requests, many at once and one at a time, forwards and backwards
through the cards so that what disturbs one disturbs the others. Two tables on stdout, many and one:

  user, exits    exits to userspace, and all exits for kicks and registers, per frame (audit, with tracefs)
  calls, wakes   system calls of the card's thread, and how often it slept and was woken, per frame
  work           runs of a kernel worker for an irqfd, per frame
  CPU            microseconds of all CPUs per frame (/proc/stat: guest, doorbell, kernel and the sender): the median of the
                 rounds, and in parentheses that of the ratios to the first line of the same round, and where it lies with 95 %
                 probability
  time           microseconds from a request until the next one, likewise

  --only REGEX   only those whose line ("split kick=exit,irq=irqfd,regs=page", "kernel path=vhost,regs=trap") matches
  --rounds N     (6)
  --frames N     requests of a round, many at once (2000); a tenth of it one at a time
  --help

Needs root, TAP, /dev/vhost-net, tracefs and a /dev/kvm that can run Linux. Where there is none: tests/lab/run.sh -- bench/mechanisms.sh
END
}

rounds=6 frames=2000 only=.
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?} && shift 2 ;;
	--frames) frames=${2:?} && shift 2 ;;
	--only) only=${2:?} && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) echo "mechanisms: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done

. "$(dirname "$0")/../tests/e2e/lib.sh"
. "$(dirname "$0")/lib.sh"
work=$(mktemp -d)
trap 'rc=$?; set +e; clean_up; exit $rc' EXIT
mkfifo "$work/never"
exec 9<>"$work/never" # see pause
trace=/sys/kernel/tracing/instances/doorbell-mechanisms
net=192.168.85 # card i: our end is .(4i + 1), the guest's .(4i + 2)

pure=()
for kick in ioeventfd exit inline; do
	for irq in irqfd ioctl; do
		for regs in page trap; do
			pure+=("kick=$kick,irq=$irq,regs=$regs")
		done
	done
done
vhost=("path=vhost,regs=page" "path=vhost,regs=trap")
poll=(poll=off poll=auto poll=on)

boot() { # IRQCHIP
	local i fixed options=() words=()
	for i in "${!cards[@]}"; do
		fixed="kick-usecs=0,busyloop=0" # what comes and goes with the traffic is not compared here
		[[ "${cards[i]}" = *poll=* ]] || fixed+=,poll=off
		tap_add "dbebe$i" "$net.$((4 * i + 1))/30"
		options+=(--net "tap,ifname=dbebe$i,$fixed,${cards[i]}")
		words+=("net$i=$net.$((4 * i + 2))/30")
	done
	vm_start -c 1 --control "$work/control" --irqchip "$1" "${options[@]}" \
		-a "$(append_agent "${words[@]}")" "$bzimage" >&2
	vm_expect @agent
}

flood() { # CARD COUNT WINDOW
	"$tools/flood" "$net.$((4 * $1 + 2))" "$2" "$3" >"$work/flood" 2>&1 && return
	echo "mechanisms: $irqchip ${cards[$1]}: $(tail -n 1 "$work/flood")" >&2
	return 1
}

busy() { # ticks of all CPUs that were not idle
	awk '/^cpu / { print $2 + $3 + $4 + $7 + $8; exit }' /proc/stat
}

cost() { # CARD COUNT WINDOW: a line of $work/cost: IRQCHIP CARD WINDOW CPU TIME, in microseconds
	local from
	from=$(busy)
	flood "$@"
	echo "$irqchip ${cards[$1]} $3 $((($(busy) - from) * 1000000 / hz / (2 * $2))) $(awk -v n="$2" \
		'{ print int($(NF - 1) / n) }' "$work/flood")" >>"$work/cost"
}

round() { # CARD...
	local i
	for i; do
		cost "$i" "$frames" 64
		cost "$i" $((frames / 10)) 1
	done
}

# The audit cannot say whose a work item was when there are several cards; here only one has frames.
trace_begin() {
	mkdir "$trace"
	{
		ls "/proc/$(cat "$work/pid")/task"
		pgrep -x "vhost-$(cat "$work/pid")" || : # its workers
	} >"$trace/set_event_pid"
	echo 'hist:keys=function.sym' >"$trace/events/workqueue/workqueue_queue_work/trigger"
}

trace_end() { # prints how often irqfds took a kernel worker
	tr -d '{},' <"$trace/events/workqueue/workqueue_queue_work/hist" |
		awk '/irqfd_inject.*hitcount:/ { n += $NF } END { print n + 0 }'
	rmdir "$trace"
}

counts() { # CARD COUNT WINDOW: a line of $work/counts: IRQCHIP CARD WINDOW USER EXITS CALLS WAKES WORK, per frame
	local pid items
	"$doorbell" ctl "$work/control" audit --seconds 100 --json >"$work/audit" 2>"$work/why" 9>&- &
	pid=$!
	wait_for 30 "the audit to begin" grep -q '^counting' "$work/why"
	trace_begin
	flood "$@"
	items=$(trace_end)
	kill -INT $pid
	wait $pid || fail "the audit: $(cat "$work/why")"
	jq -r --argjson i "$1" --argjson n $((2 * $2)) --argjson items "$items" --arg at "$irqchip ${cards[$1]} $3" '
		[.nics[$i].rows[] | select(.direction == "both")] as $rows |
		def of(e): [$rows[] | select(.event == e) | .observed][0];
		[$at, (of("exits to userspace"), of("exits (kick, registers)"), of("system calls of the I/O thread"),
			of("wake-ups of the I/O thread"), $items
			| if . == null then "-" else . / $n * 1000 | round / 1000 end)] | join(" ")' "$work/audit" >>"$work/counts"
}

measure() { # IRQCHIP CARD...
	local i forwards backwards
	irqchip=$1 cards=()
	for i in "${@:2}"; do
		! [[ "$irqchip $i" =~ $only ]] || cards+=("$i")
	done
	[ ${#cards[@]} -gt 0 ] || return 0
	boot "$irqchip"
	forwards=("${!cards[@]}")
	mapfile -t backwards < <(printf '%s\n' "${forwards[@]}" | sort -rn)
	for i in "${forwards[@]}"; do
		flood "$i" 200 64 # neighbours know each other
		counts "$i" "$frames" 64
		counts "$i" $((frames / 10)) 1
	done
	for ((i = 0; i < rounds; i += 2)); do
		round "${forwards[@]}"
		round "${backwards[@]}"
	done
	guest_off >&2
	taps_del
}

table() { # WINDOW
	awk -v window="$1" "$bench_awk"'
	$3 != window { next }
	FNR == NR { row[++nr] = $1 " " $2; counts[row[nr]] = $4 " | " $5 " | " $6 " | " $7 " | " $8; next }
	{ key = $1 " " $2; n[key]++; cpu[key, n[key]] = $4; time[key, n[key]] = $5 }
	function cell(x, key,    i, v, r) {
		for (i = 1; i <= n[key]; i++) {
			v[i] = x[key, i]
			r[i] = x[key, i] / (x[row[1], i] ? x[row[1], i] : 1)
		}
		sort(v, n[key]); sort(r, n[key])
		return sprintf("%.0f (%.2f, %s)", med(v, n[key]), med(r, n[key]), span(r, n[key], "%.2f .. %.2f"))
	}
	END {
		print (window > 1 ? "many at once (" window ")" : "one at a time") "\n"
		print "| irqchip | card | user | exits | calls | wakes | work | CPU | time |"
		print "|---|---|---|---|---|---|---|---|---|"
		for (i = 1; i <= nr; i++) {
			split(row[i], name, " ")
			print "| " name[1] " | " name[2] " | " counts[row[i]] " | " cell(cpu, row[i]) " | " cell(time, row[i]) " |"
		}
		print ""
	}' "$work/counts" "$work/cost"
}

[ "$(id -u)" = 0 ] || { echo "mechanisms: TAP needs root" >&2 && exit 1; }
hz=$(getconf CLK_TCK)
for chip in split kernel; do
	measure $chip "${pure[@]}"
	measure $chip "${vhost[@]}"
done
for mode in "${poll[@]}"; do
	measure split "$mode"
done
[ -s "$work/counts" ] || { echo "mechanisms: no line matches '$only'" >&2 && exit 2; }
table 64
table 1
