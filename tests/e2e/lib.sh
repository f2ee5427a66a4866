# SPDX-License-Identifier: Apache-2.0
# What every end-to-end test uses. A test file sources this, defines functions test_<sentence> and
# ends with `main "$@"`. They run in the order of the file, each in a subshell with `set -eu`:
#   fail REASON   ends the test as failed        skip REASON   ends it as skipped
# Functions of a file that are called when they exist: start_group (before the first test; a guest
# that all of the file's tests share is started here) and end_group.
# shellcheck shell=bash disable=SC2034 # variables for the test files
set -u

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${DOORBELL_CACHE:-${HOME:-/root}/.cache/doorbell}
group=$(basename "$0" .sh)
logs=${E2E_LOGS:-$top/build/e2e}/$group
doorbell=${DOORBELL:-$top/build/doorbell}
tools=$top/build/guest
initrd=$tools/initramfs.cpio
bzimage=$cache/x86_64/guest/vmlinuz
vmlinux=$cache/x86_64/guest/vmlinux

# Emulated machines are slow, and their speed varies by a factor of ten: limits only end what hangs.
boot_limit=180 # seconds, from the start of a guest to its first words
guest_limit=120 # one command in the guest

fail() {
	echo "$*" >"$work/reason"
	echo "FAILED: $*"
	exit 1
}

skip() {
	echo "$*" >"$work/reason"
	exit 77
}

# Waits until a command succeeds. wait_for SECONDS WHAT COMMAND...
wait_for() {
	local end=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "waited too long for $what$(vm_last_words)"
		pause
	done
}

process_gone() { # FILE with its id: has it ended, and closed all that it had?
	! grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$(cat "$1")/status"
}

pause() { # a twentieth of a second, without a process
	read -r -t 0.05 <&9 || :
}

# Are there so many lines that match a pattern of the shell's? Asked again and again by who waits: a process for each
# time would take an emulated CPU half of its time, and that of the guest for which it waits.
has_lines() { # COUNT PATTERN FILE
	local line n=0
	while [ $n -lt "$1" ] && { IFS= read -r line || [ -n "$line" ]; }; do
		# shellcheck disable=SC2053 # a pattern
		[[ $line != $2 ]] || n=$((n + 1))
	done <"$3"
	[ $n -ge "$1" ]
}

# ---- guests

# vm_start OPTION... : starts a guest with our initramfs; its console is $work/console.
# vm_run is the general form: vm_run COMMAND..., console and exit status are looked after.
vm_start() {
	vm_run "$doorbell" run -m 256M -i "$initrd" "$@"
}

vm_run() {
	rm -f "$work"/{console,stderr,status,pid,in}
	mkfifo "$work/in"
	: >"$work/console"
	echo "+ $*"
	(
		exec 8<>"$work/in" # a console that stays open
		"$@" <&8 >"$work/console" 2>"$work/stderr" 8>&- 9>&- &
		echo $! >"$work/pid"
		rc=0
		wait $! || rc=$?
		echo $rc >"$work/rc"
		mv "$work/rc" "$work/status"
	) &
	wait_for 10 "the program to start" test -s "$work/pid"
}

vm_ended() {
	[ -e "$work/status" ]
}

vm_says() { # TEXT: is there a line of the console that begins with it?
	has_lines 1 "$1*" "$work/console"
}

vm_says_or_ended() {
	vm_says "$1" || vm_ended
}

# Waits for a line of the console.
vm_expect() { # TEXT [SECONDS]
	wait_for "${2:-$boot_limit}" "'$1' on the console" vm_says_or_ended "$1"
	vm_says "$1" || fail "the guest ended (status $(cat "$work/status")) before it said '$1'$(vm_error)"
}

vm_last_words() { # of the guest, for a reason
	[ ! -s "$work/console" ] || vm_ended ||
		printf "; the guest's last words: %s" "$(tr -d '\r' <"$work/console" | tail -n 1 | tail -c 120)"
}

vm_error() { # what the program has said, for a reason
	[ ! -s "$work/stderr" ] || printf ': %s' "$(head -n 1 "$work/stderr")"
}

# Waits for the end and compares the exit status.
vm_expect_status() { # STATUS [SECONDS]
	wait_for "${2:-$boot_limit}" "the end of the guest" vm_ended
	local got
	got=$(cat "$work/status")
	[ "$got" = "$1" ] || fail "exit status $got instead of $1$(vm_error)"
}

# Kills what is left of a guest.
vm_kill() {
	[ -s "$work/pid" ] && [ ! -e "$work/status" ] || return 0
	kill -KILL "$(cat "$work/pid")" 2>/dev/null || :
	wait_for 10 "the guest's end after SIGKILL" vm_ended
}

base_append="console=ttyS0 quiet panic=-1"

# The kernel command line for a guest that runs a script: append_run SCRIPT [WORD...]
append_run() {
	local script=$1
	shift
	echo "$base_append $* run=$(printf '%s\n' "$script" | base64 -w 0)"
}

# The same for a guest that obeys the function guest.
append_agent() {
	echo "$base_append $* agent"
}

# Has a command run in a guest started with append_agent, and does not wait.
guest_tell() { # ID COMMAND
	! vm_ended || fail "there is no guest any more to tell it: $2" # and nobody would ever read
	printf '%s %s\n' "$1" "$(base64 -w 0 <<<"$2")" >"$work/in"
}

# Runs a command in a guest started with append_agent; prints its output, returns its status.
guest() {
	local id=$RANDOM$RANDOM end=$((SECONDS + guest_limit + 5)) rc="" line="" rest answer="" console
	exec {console}<"$work/console"
	while IFS= read -r -d '' -u "$console"; do :; done # what was said before
	echo "+ guest: $*" >&2
	guest_tell "$id" "$*"
	while [ -z "$rc" ]; do
		IFS= read -r -u "$console" rest || { # no line yet, but perhaps its beginning
			line+=$rest
			! vm_ended || fail "the guest ended during: $*$(vm_error)"
			[ $SECONDS -lt $end ] || fail "the guest takes too long for: $*"
			pause
			continue
		}
		line+=$rest
		line=${line//$'\r'/}
		case $line in
		"@rc $id "*) rc=${line##* } ;;
		*) answer+=$line$'\n' ;;
		esac
		line=""
	done
	exec {console}<&-
	printf %s "$answer" >"$work/answer"
	printf %s "$answer"
	[ "$rc" = 0 ] || # the reason, should the test end by this
		echo "in the guest: ${*//$'\n'/ }: status $rc: $(grep . "$work/answer" | tail -n 1)" >"$work/hint"
	return "$rc"
}

# Has a guest with agent and --on-reboot restart reboot, and waits until it obeys again.
guest_reboot() {
	local boots
	boots=$(grep -c '^@agent' "$work/console")
	guest_tell again 'reboot -f'
	wait_for "$boot_limit" "boot $((boots + 1))" vm_booted $((boots + 1))
}

vm_booted() { # TIMES
	vm_ended || has_lines "$1" '@agent*' "$work/console"
}

# Until the driver has heard that a link is back, the guest's stack drops what is sent. guest_has_link INTERFACE...
guest_has_link() {
	guest "for i in $*; do until grep -q 1 /sys/class/net/\$i/carrier; do sleep 0.1; done; done"
}

# Shuts a guest with agent down and expects a clean end.
guest_off() {
	guest_tell off 'poweroff -f'
	vm_expect_status 0
}

# netcheck on both sides: traffic "GUEST'S WORDS" "OUR WORDS" [KEY=N...]
traffic() {
	local inside=$1 outside=$2 pid rc=0 out
	shift 2
	# shellcheck disable=SC2086 # lists of words
	"$tools/netcheck" $outside timeout=$guest_limit "$@" >"$work/netcheck" 2>&1 9>&- &
	pid=$!
	out=$(guest "netcheck $inside timeout=$guest_limit $*") || rc=$?
	echo "$out"
	if [ $rc != 0 ]; then
		kill $pid 2>/dev/null || :
		wait $pid || :
		cat "$work/netcheck"
		fail "in the guest: $(grep '^netcheck:' <<<"$out" | tail -n 1)"
	fi
	wait $pid || fail "outside: $(tail -n 1 "$work/netcheck")"
	cat "$work/netcheck"
}

# ---- doorbell backend: one process, its control socket is $work/control

ctl() {
	"$doorbell" ctl "$work/control" "$@"
}

ctl_answers() {
	ctl status >/dev/null 2>&1
}

count() { # COUNTER [NIC]
	ctl stats | jq ".nics[${2:-0}].device.$1"
}

backend_start() { # OPTION...
	"$doorbell" backend --control "$work/control" "$@" >>"$work/backend.log" 2>&1 9>&- &
	echo $! >"$work/backend.pid"
	wait_for 10 "the backend: $(tail -n 1 "$work/backend.log")" ctl_answers
}

backend_signal() { # SIGNAL
	process_end "$1" "$work/backend.pid"
}

# Sends a signal to the process whose id is in a file, and waits until it has ended.
process_end() { # SIGNAL FILE
	[ -s "$2" ] || return 0
	kill "-$1" "$(cat "$2")" 2>/dev/null || :
	wait_for 20 "the end of $(basename "$2" .pid)" process_gone "$2"
	rm -f "$2"
}

# ---- network of our side

tap_add() { # NAME [ADDRESS/LENGTH...]
	tap_make "" "$@"
}

tap_add_queues() { # NAME [ADDRESS/LENGTH...]: one that can have several queues
	tap_make multi_queue "$@"
}

tap_make() { # multi_queue|"" NAME [ADDRESS/LENGTH...]
	local name=$2 address
	ip tuntap add dev "$name" mode tap ${1:+"$1"}
	echo "$name" >>"$work/taps"
	shift 2
	for address in "$@"; do
		ip addr add "$address" dev "$name"
	done
	ip link set "$name" up
}

# Whatever a test has left.
taps_del() {
	local name
	[ -e "$work/taps" ] || return 0
	while read -r name; do
		! tap_exists "$name" || ip link del "$name"
	done <"$work/taps"
	rm -f "$work/taps"
}

tap_exists() {
	ip link show dev "$1" >/dev/null 2>&1
}

need_tap() {
	[ -c /dev/net/tun ] || skip "no /dev/net/tun"
	[ "$(id -u)" = 0 ] || skip "TAP needs root"
}

# ---- the loop over the tests of a file

report() { # RESULT NAME [REASON]
	if [ -n "${3:-}" ]; then
		printf '%s %s - %s\n' "$1" "$2" "$3"
	else
		printf '%s %s\n' "$1" "$2"
	fi
}

keep_logs() { # NAME: what helps to understand a failure
	local f
	for f in console stderr; do
		[ ! -s "$work/$f" ] || cp "$work/$f" "$logs/$1.$f"
	done
}

run_one() { # FUNCTION NAME
	local rc reason
	rm -f "$work/reason" "$work/hint"
	(
		set -eu
		"$1"
	) >"$logs/$2.log" 2>&1 </dev/null
	rc=$?
	[ -s "$work/reason" ] || cp "$work/hint" "$work/reason" 2>/dev/null ||
		echo "status $rc: $(tail -n 1 "$logs/$2.log")" >"$work/reason"
	reason=$(head -n 1 "$work/reason")
	[ $rc = 0 ] || keep_logs "$2"
	return $rc
}

clean_up() {
	trap - EXIT
	vm_kill
	taps_del
	jobs -p | xargs -r kill 2>/dev/null
	rm -rf "$work"
}

main() {
	local names name rc trouble=""
	mapfile -t names < <(sed -n "s/^test_\([a-z0-9_]*\)() {\$/$group: \1/p" "$0" |
		grep -E -e "${E2E_ONLY:-.}" | sed 's/.*: //')
	if [ "${1:-}" = --list ]; then
		[ ${#names[@]} = 0 ] || printf "$group: %s\n" "${names[@]}"
		return
	fi
	[ ${#names[@]} -gt 0 ] || return 0
	rm -rf "$logs"
	mkdir -p "$logs"
	work=$(mktemp -d)
	trap clean_up EXIT
	trap 'exit 143' TERM INT HUP
	mkfifo "$work/never"
	exec 9<>"$work/never" # see pause
	if declare -F start_group >/dev/null; then
		start_group_and_note || trouble=1
	fi
	for name in "${names[@]}"; do
		if [ -n "$trouble" ]; then
			report "$([ "$rc_start" = 77 ] && echo skip || echo "not ok")" "$group: $name" "$reason_start"
			continue
		fi
		run_one "test_$name" "$name"
		rc=$?
		if ! declare -F start_group >/dev/null; then # nobody shares them
			vm_kill
			taps_del
		fi
		case $rc in
		0) report ok "$group: $name" ;;
		77) report skip "$group: $name" "$(head -n 1 "$work/reason")" ;;
		*) report "not ok" "$group: $name" "$(head -n 1 "$work/reason")" ;;
		esac
	done
	if declare -F end_group >/dev/null; then
		(end_group) >"$logs/end.log" 2>&1
	fi
}

start_group_and_note() {
	# In a subshell too: a guest belongs to files in $work, not to a shell.
	run_one start_group start && return
	rc_start=$?
	reason_start="start: $(head -n 1 "$work/reason")"
	return 1
}
