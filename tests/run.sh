#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sets up, builds and runs all tests. See --help.
# shellcheck disable=SC2317 # the steps are called by the names in $steps
set -euo pipefail
export LC_ALL=C.UTF-8 # the tests read the words of programs

usage() {
	cat <<'END'
usage: tests/run.sh [OPTION...]

Installs what is missing (as root or through sudo), builds, and runs in this order:

  build      doorbell itself
  unit       unit tests, built by gcc
  unit-san   the same, built by clang with address and undefined behaviour sanitizers
  fuzz       every fuzz target on its stored corpus, some seconds each
  lint       format, static analysis, house rules
  native     input that is refused, and other end-to-end tests that boot no Linux; begins with the first one
  tiny       tiny guests on /dev/kvm, even where it only emulates
  driver     examples/driver, likewise; begins with lint
  docs       do the documents say what the program does, and do their commands run?
  guests     stock Debian guests: directly where the hardware can, otherwise in the lab (tests/lab)

Failures and skips are shown with their reason, the rest goes to build/test-logs/. The last line is
"N passed, N failed, N skipped"; exit status 0 only when nothing failed.

  --quick        without the guests
  --soak         at the end, five minutes ($SOAK_SECONDS) of one guest on doorbell backend
  --only REGEX   only the steps of that name; when no step has it, the end-to-end tests that match
  --no-setup     installs nothing
  --verbose      shows what passes too
  --list         prints the steps, and the names of the end-to-end tests
  --help

E2E_KILLS=5 has the peer of vhost-user killed 5 times under load in place of 20: three minutes less.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"
logs=$top/build/test-logs
steps="build unit unit-san fuzz lint native tiny driver docs guests"
quick="" soak="" only="" setup=1 verbose="" list=""

while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 && shift ;;
	--soak) soak=" soak" && shift ;;
	--only) only=${2:?} && shift 2 ;;
	--no-setup) setup="" && shift ;;
	--verbose) verbose=1 && shift ;;
	--list) list=1 && shift ;;
	-h | --help) usage && exit 0 ;;
	*) echo "tests/run.sh: unknown option '$1', see --help" >&2 && exit 2 ;;
	esac
done

if [ -n "$list" ]; then
	tr ' ' '\n' <<<"$steps"
	tests/e2e/run.sh --list
	exit 0
fi

# --only: names of steps, or else of end-to-end tests
tests_only=.
if [ -n "$only" ]; then
	chosen=$(tr ' ' '\n' <<<"$steps" | grep -xE -e "$only" | tr '\n' ' ' || :)
	[ -n "$chosen" ] || chosen="native guests" tests_only=$only
	steps="build ${chosen/build/}" # the others need it
fi
[ -z "$quick" ] || steps=${steps/guests/}
steps+=$soak

passed=0 failed=0 skipped=0

# Counts and shows result lines from stdin, and leaves other lines out. take STEP [live]
take() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok '*)
			passed=$((passed + 1))
			[ -z "$verbose${2:-}" ] || echo "$line"
			;;
		'not ok '*)
			failed=$((failed + 1))
			echo "not ok $1: ${line#not ok }"
			;;
		'skip '*)
			skipped=$((skipped + 1))
			echo "skip $1: ${line#skip }"
			;;
		esac
	done
}

# Runs a command as a step: its result lines count; when there are none, its exit status does.
step() { # STEP COMMAND...
	local name=$1 log=$logs/$1.log rc=0 start=$SECONDS before=$failed good=$passed
	shift
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	take "$name" <"$log"
	if ! grep -qE '^(ok|not ok|skip) ' "$log"; then
		if [ "$rc" = 0 ]; then
			take "$name" <<<"ok $name"
		else
			take "$name" <<<"not ok exit status $rc, see build/test-logs/$name.log"
		fi
	elif [ "$rc" != 0 ] && [ "$failed" = "$before" ]; then
		take "$name" <<<"not ok exit status $rc, see build/test-logs/$name.log"
	fi
	if [ "$failed" != "$before" ]; then
		tail -n 25 "$log" | sed 's/^/    /'
	fi
	echo "== $name: $((passed - good)) passed, $((SECONDS - start)) s"
	return "$rc"
}

# Steps that run beside others: by name, the process.
declare -A background=()

begin() { # STEP COMMAND...
	local name=$1
	shift
	"$@" >"$logs/$name.out" 2>&1 </dev/null &
	background[$name]=$!
}

end() { # STEP
	local rc=0
	wait "${background[$1]}" || rc=$?
	unset "background[$1]"
	cat "$logs/$1.out"
	return "$rc"
}

# ---- the steps

step_build() {
	if ! step build make -j"$(nproc)"; then
		finish # nothing else makes sense
	fi
	tests/guest/mkinitramfs.sh
	# Mostly waits, and goes on beside the steps that compute. Those are nice, because its waits have limits.
	[[ " $steps " != *" native "* ]] ||
		begin native tests/e2e/run.sh --native --only "$tests_only" --logs build/e2e
}

step_unit() {
	step unit nice make -k -j"$(nproc)" check
}

step_unit-san() {
	step unit-san nice make -k -j"$(nproc)" check CC=clang SAN=address,undefined
}

step_fuzz() {
	step fuzz nice make -j"$(nproc)" fuzz-run FUZZ_SECONDS="${FUZZ_SECONDS:-2}"
}

step_tiny() {
	begin_driver
	if [ ! -x tests/tiny/run.sh ]; then
		take tiny <<<"skip all - there is no tests/tiny/run.sh"
	elif ! can_open /dev/kvm; then
		take tiny <<<"skip all - /dev/kvm cannot be opened; in the lab: tests/lab/run.sh -- tests/tiny/run.sh"
	else
		step tiny tests/tiny/run.sh
	fi
}

# Guests that wait for each other: beside lint, which is nice, or beside those of tiny.
begin_driver() {
	[[ " $steps " != *" driver "* ]] || [ -n "${background[driver]:-}" ] ||
		begin driver make -C examples/driver check
}

step_driver() {
	begin_driver
	step driver end driver
}

step_native() {
	step native end native
}

step_soak() {
	export SOAK_SECONDS=${SOAK_SECONDS:-300}
	E2E_LIMIT=$((SOAK_SECONDS + 300)) step soak tests/e2e/run.sh --logs build/soak tests/e2e/soak.sh
}

step_docs() {
	step docs tests/docs/run.sh
}

step_lint() {
	begin_driver
	step lint nice make lint
}

can_open() {
	[ -r "$1" ] && [ -w "$1" ]
}

# Where stock guests run: empty when it can be here, otherwise the reason why not.
needs_lab() {
	if ! grep -qwE 'vmx|svm' /proc/cpuinfo; then
		echo "no hardware virtualization"
	elif ! can_open /dev/kvm; then
		echo "/dev/kvm cannot be opened"
	elif [ "$(id -u)" != 0 ] || ! can_open /dev/net/tun; then
		echo "no right to make TAPs"
	fi
}

step_guests() {
	local why log=$logs/guests.log start=$SECONDS before=$failed
	why=$(needs_lab)
	: >"$log"
	if [ -z "$why" ]; then
		tests/e2e/run.sh --guests --only "$tests_only" --logs build/e2e 2>&1 </dev/null | tee "$log" |
			grep -E --line-buffered '^(ok|not ok|skip) ' || :
	else
		echo "== guests: in the lab ($why)"
		tests/lab/e2e.sh --only "$tests_only" ${DOORBELL_LAB_LIMIT:+--timeout "$DOORBELL_LAB_LIMIT"} </dev/null |
			tee "$log" | grep -E --line-buffered '^(ok|not ok|skip|==) ' || :
	fi
	take_quietly <"$log"
	take guests < <(never_run "$log")
	[ "$failed" = "$before" ] || echo "    logs of the tests: build/lab-out/e2e or build/e2e"
	echo "== guests: $(grep -c '^ok ' "$log" || :) passed, $((SECONDS - start)) s"
}

# Whatever ended the run early: what should have been run, and has no result, has failed.
never_run() { # LOG
	tests/e2e/run.sh --guests --only "$tests_only" --list |
		grep -vxFf <(sed -nE 's/^(ok|not ok|skip) ([a-z0-9_]+: [a-z0-9_]+).*/\2/p' "$1") |
		sed 's/.*/not ok & - it was not run/' || :
}

take_quietly() { # lines that have been shown already
	local file
	file=$(mktemp)
	cat >"$file"
	passed=$((passed + $(grep -c '^ok ' "$file" || :)))
	failed=$((failed + $(grep -c '^not ok ' "$file" || :)))
	skipped=$((skipped + $(grep -c '^skip ' "$file" || :)))
	rm -f "$file"
}

finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ]
	exit
}

mkdir -p "$logs"
trap '[ ${#background[@]} = 0 ] || kill "${background[@]}" 2>/dev/null' EXIT
if [ -n "$setup" ]; then
	tests/setup.sh || {
		take setup <<<"not ok set-up failed"
		finish
	}
fi
for s in $steps; do
	"step_$s" || :
done
finish
