#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the driver and its variants. check.sh DIRECTORY: where they were built; `make check` calls this.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")" || exit
built=$1
doorbell=${DOORBELL:-../../build/doorbell}
limit=600 # seconds; reached only by a driver or a doorbell that hangs
passed=0 failed=0 peer=

[ -x "$doorbell" ] || { echo "check.sh: $doorbell is missing: run make at the top" >&2 && exit 2; }
if ! { : <>/dev/kvm; } 2>/dev/null; then
	echo "skip driver - /dev/kvm cannot be opened"
	exit 0
fi
tmp=$(mktemp -d)
trap '[ -z "$peer" ] || kill "$peer" 2>/dev/null; rm -rf "$tmp"' EXIT

result() { # NAME REASON: empty when it passed
	if [ -z "$2" ]; then
		echo "ok $1"
		passed=$((passed + 1))
	else
		echo "not ok $1 - $2"
		sed 's/^/    /' "$tmp/out" "$tmp/err" "$tmp/peer"
		failed=$((failed + 1))
	fi
}

# The network from outside, as long as the guest runs. Leaves the exit statuses in $guest and $net.
with_peer() { # COMMAND...: --net is added
	local net_keys=socket,type=dgram,path=$tmp/p,local=$tmp/g,hello=hi
	rm -f "$tmp/p" "$tmp/g"
	"$built/peer" "$tmp/p" "$tmp/g" 2>"$tmp/peer" &
	peer=$!
	until [ -S "$tmp/p" ] || ! kill -0 "$peer" 2>/dev/null; do sleep 0.01; done
	"$@" --net "$net_keys,features=$features" >"$tmp/out" 2>"$tmp/err" </dev/null
	guest=$?
	wait "$peer"
	net=$?
	peer=
}

# A driver with what the device offers, and with what it does without. It keeps all rules.
keeps_all() { # ELF FEATURES [WORD]
	local features=$2 why=
	with_peer "$doorbell" check --fail-on any --mem 16M --timeout "$limit" --append "${3:-}" "$built/$1.elf"
	[ "$guest-$net" = 0-0 ] || why="exit status of the guest $guest, of its peer $net"
	result "$1: $features ${3:-}" "$why"
}
for features in default none; do
	keeps_all driver "$features"
done
for features in default default-event_idx default-indirect_desc default-mrg_rxbuf \
	default-mrg_rxbuf-event_idx-indirect_desc none default+packed default+packed-event_idx \
	default+in_order default+packed+in_order-indirect_desc \
	default+packed-indirect_desc-mrg_rxbuf; do
	keeps_all more "$features"
	keeps_all more "$features" poll
done

# What it does is written down: all of it can be printed, and its frames are a capture.
features=default
with_peer "$doorbell" check --record "$tmp/record" --mem 16M --timeout "$limit" "$built/more.elf"
why=
[ "$guest-$net" = 0-0 ] || why="exit status of the guest $guest, of its peer $net"
for kind in device read write kick queue chain memory avail written used wish interrupt frame end; do
	"$doorbell" trace --kind "$kind" "$tmp/record" >"$tmp/lines" 2>&1
	grep -q " $kind " "$tmp/lines" || why="no $kind is in the recording"
done
"$doorbell" trace --summary "$tmp/record" >"$tmp/lines"
grep -qE '  queue 1: .* (8[3-9]|9[0-9]|[0-9]{3,}) frames from the guest' "$tmp/lines" || why="the summary is another"
"$doorbell" trace --json --queue 1 --from 0 --to 100 "$tmp/record" >"$tmp/lines"
grep -q '"kind":"used".*"entries":\[{' "$tmp/lines" || why="no used entry in JSON"
"$doorbell" trace --pcap "$tmp/pcap" "$tmp/record" && [ -s "$tmp/pcap" ] || why="no capture"
result "a recording" "$why"

# A device of the version that it does not speak is left alone.
"$doorbell" check --fail-on any --mem 16M --timeout "$limit" --net echo,transport=mmio-legacy "$built/driver.elf" \
	>"$tmp/out" 2>"$tmp/err" </dev/null
guest=$? why=
[ "$guest" = 11 ] || why="exit status $guest, expected 11"
grep -q '^net0: 0 rules broken' "$tmp/err" || why="rules were broken"
result "driver: refuses version 1" "$why"

# All kinds of devices, and pairs of them. matrix STATUS ELF [OPTION...]: $why is empty when that was it, in each cell
matrix() {
	local status=$1 elf=$2 cells
	shift 2
	"$doorbell" check --matrix --mem 16M --timeout "$limit" --append up --report json="$tmp/report" --net echo "$@" \
		"$built/$elf" >"$tmp/out" 2>"$tmp/err" </dev/null
	guest=$? why=
	[ "$guest" = "$status" ] || why="exit status $guest, expected $status"
	cells=$(grep -c '"cell": ' "$tmp/report")
	[ "$cells" -ge 8 ] && [ "$(grep -c '"status": ' "$tmp/report")" = $((cells + 1)) ] || why="of $cells cells not all were run"
}
for elf in driver more; do
	ignore=()
	[ $elf = more ] || ignore=(--ignore feat.accept-packed) # the small one has no packed rings
	matrix 0 $elf.elf --fail-on any "${ignore[@]}"
	[ "$(grep -c 'left alone$' "$tmp/err")" -ge 1 ] || why="no cell of version 1"
	result "$elf: matrix" "$why"
done
matrix 10 bug-no_reset.elf --jobs 3
grep -q 'MUST init.reset-first$' "$tmp/err" || why="init.reset-first was not found"
result "bug: no_reset in the matrix" "$why"
# It is ended from outside, and takes its cells along. The second signal comes while a cell is about to end.
"$doorbell" check --matrix --jobs 2 --mem 16M --net echo --report text="$tmp/report" "$built/driver.elf" \
	>"$tmp/out" 2>"$tmp/err" </dev/null &
peer=$!
until cells=$(pgrep -P $peer) && [ "$(wc -w <<<"$cells")" = 2 ] || ! kill -0 $peer 2>/dev/null; do sleep 0.01; done
first=${cells%%$'\n'*}
kill -STOP "$first"
kill -TERM $peer
until grep -q '^ShdPnd:.*0$' /proc/$peer/status || ! kill -0 $peer 2>/dev/null; do sleep 0.01; done
kill -TERM $peer
kill -CONT "$first"
wait $peer
guest=$? peer='' why=
[ "$guest" = 143 ] || why="exit status $guest, expected 143"
grep -q '^10 cells, ' "$tmp/report" || why="there is no report"
for pid in $cells; do
	! kill -0 "$pid" 2>/dev/null || why="a cell outlived its matrix"
done
[ -n "$cells" ] || why="there were no cells"
result "matrix: ended by a signal" "$why"

# Whatever a device may do, the driver bears it: here from a seed each, and with what is seldom offered.
for run in "driver default 1" "more default 2" "more default+packed 3" "more default+in_order 4"; do
	: >"$tmp/peer"
	read -r elf features seed <<<"$run"
	"$doorbell" check --provoke legal --seed "$seed" --mem 16M --timeout "$limit" --net "echo,features=$features" \
		--record "$tmp/record" "$built/$elf.elf" >"$tmp/out" 2>"$tmp/err" </dev/null
	guest=$? why=
	[ "$guest" = 0 ] || why="exit status $guest"
	"$doorbell" trace --kind provoke "$tmp/record" >"$tmp/lines"
	grep -qE " header-poison \(legal, seed $seed\): header:( 00){10}" "$tmp/lines" ||
		why=${why:-no provocation is in the recording}
	grep -q "^  provoked by shared-line .*: survived; [1-9]" "$tmp/err" ||
		why=${why:-nobody else was on the line}
	result "$elf, provoked: $features, seed $seed" "$why"
done

# What is in no group: it goes on with less, or gives up as it should, and says so.
for run in "more tiny-queues 1 ready" "more tiny-queues 8 the device cannot be used" "driver orphan-features 1 ready" \
	"more kept 1 ready" "driver needs-reset 1 ready" "more in-order 1 ready" "more demanded-feature 1 ready" \
	"more demanded-feature 2 the device cannot be used" "driver features-never-ok 1 the device cannot be used" \
	"driver early-needs-reset 1 the device cannot be used" "driver slow-reset 1 ready"; do
	: >"$tmp/peer"
	read -r elf name seed words <<<"$run"
	"$doorbell" check --provoke "$name" --seed "$seed" --mem 16M --timeout "$limit" --net echo "$built/$elf.elf" \
		>"$tmp/out" 2>"$tmp/err" </dev/null
	guest=$? why=
	[ "$guest" = 0 ] || why="exit status $guest"
	grep -q "^$words" "$tmp/out" || why="it did not say: $words"
	grep -qE "^  provoked by $name .*: survived(, lost frames)?;" "$tmp/err" || why="it does not bear $name"
	result "$elf, provoked: $name, seed $seed" "$why"
done

# Ids under which nothing was offered, or another thing: no rule asks a driver to look, but these do.
for run in "driver default bad-id" "driver default free-id" "more default bad-id" "more default free-id" \
	"more default+packed free-id" "more default-indirect_desc free-id" "more default-indirect_desc chain-id"; do
	: >"$tmp/peer"
	read -r elf features name <<<"$run"
	"$doorbell" check --provoke "$name" --mem 16M --timeout "$limit" --net "echo,features=$features" \
		--record "$tmp/record" "$built/$elf.elf" >"$tmp/out" 2>"$tmp/err" </dev/null
	guest=$? why=
	[ "$guest" = 0 ] || why="exit status $guest"
	grep -qE "^  provoked by $name .*: survived[a-z, ]*;" "$tmp/err" || why="it does not bear $name"
	if ! grep -q "had no occasion" "$tmp/err"; then
		"$doorbell" trace --kind provoke "$tmp/record" >"$tmp/lines"
		grep -qE " $name \(illegal, seed [0-9]+\): used" "$tmp/lines" || why="$name is not in the recording"
	fi
	result "$elf, provoked: $name, $features" "$why"
done

# Runs a variant for so long; $why is empty when it is caught by the name of its rule.
try_variant() { # NAME RULE RUN FEATURES SECONDS [PROVOCATION]
	local run=(check --fail-on any --mem 16M --timeout "$5" --append "${3/peer/}" "$built/bug-$1.elf")
	features=default$4
	: >"$tmp/peer"
	case $3 in
	peer) with_peer "$doorbell" "${run[@]}" ;;
	provoke)
		"$doorbell" check --provoke "$6" --mem 16M --timeout "$limit" --net "echo,features=$features" \
			"$built/bug-$1.elf" >"$tmp/out" 2>"$tmp/err" </dev/null
		guest=$? why=
		[ "$guest" = 11 ] || why="exit status $guest, expected 11"
		grep -qE "^  provoked by $6 .*: (corrupted payload|no progress);" "$tmp/err" || why="it bears $6"
		grep -qE "^  (MUST|MUST NOT|SHOULD|SHOULD NOT|implied) $2 " "$tmp/err" || why="$2 was not found"
		return
		;;
	*)
		"$doorbell" "${run[@]}" --net "echo,features=$features" >"$tmp/out" 2>"$tmp/err" </dev/null
		guest=$?
		;;
	esac
	why=
	[ "$guest" = 10 ] || why="exit status $guest, expected 10"
	[ "$1" != narrow_register ] || grep -q "^    seen: .*, guest at 0x10" "$tmp/err" ||
		why="nothing says where the guest was"
	grep -qE "^  (MUST|MUST NOT|SHOULD|SHOULD NOT|implied) $2 " "$tmp/err" || why="$2 was not found"
}

# What is seen only when nothing happens takes a second of looking on, on a busy machine more; the rest ends by itself.
variant() { # NAME RULE RUN FEATURES
	local seconds more=$4 provocation=
	[ "$3" != provoke ] || { read -r provocation more <<<"$4"; }
	for seconds in 2 8 20 40; do
		try_variant "$1" "$2" "$3" "$more" $seconds "$provocation"
		if [ -z "$why" ] || [ "$3" = provoke ]; then
			break
		fi
	done
	result "bug: $1 breaks $2" "$why"
}

while IFS='|' read -r name rule run more; do
	variant "$name" "$rule" "$run" "$more"
done < <(sed -nE 's/^\tX\((\w+), *"([^"]+)", *"[^"]+", *"(\w+) ?([^"]*)"\).*/\1|\2|\3|\4/p' bugs.h)
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
