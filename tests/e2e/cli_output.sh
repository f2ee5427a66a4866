#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: nothing
# What the program says about itself, the machine and the host.
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
. "$(dirname "$0")/lib.sh"

says() { # REGEX ARGUMENT... : on stdout, with status 0 and nothing on stderr
	local regex=$1 rc=0
	shift
	"$doorbell" "$@" </dev/null >"$work/stdout" 2>"$work/stderr" || rc=$?
	cat "$work/stdout" "$work/stderr"
	[ $rc = 0 ] || fail "status $rc for: $*$(vm_error)"
	[ ! -s "$work/stderr" ] || fail "something on stderr for: $*$(vm_error)"
	grep -qiE -e "$regex" "$work/stdout" || fail "stdout lacks '$regex' for: $*"
}

test_help_goes_to_stdout() {
	says 'run' --help
	says '[-]-on-reboot' run --help
	says 'hostfwd' run --help
	says 'ifname' run -h
}

test_version_goes_to_stdout() {
	says '[0-9]+\.[0-9]+' --version
}

test_a_call_without_arguments_shows_the_usage() {
	local rc=0
	"$doorbell" </dev/null >"$work/stdout" 2>"$work/stderr" || rc=$?
	[ $rc = 2 ] || fail "status $rc"
	grep -qiE 'usage|command' "$work/stderr" || fail "no usage on stderr"
}

test_the_machine_is_printed_as_json() {
	says . run --print-machine --net user --net user -c 2 -m 5G
	jq -e . "$work/stdout" >/dev/null || fail "not JSON"
}

test_doctor_names_kvm_and_tap() {
	local rc=0
	"$doorbell" doctor </dev/null >"$work/stdout" 2>"$work/stderr" || rc=$?
	cat "$work/stdout" "$work/stderr"
	[ $rc -le 1 ] || fail "status $rc"
	grep -qi kvm "$work/stdout" || fail "not a word about KVM"
	grep -qiE 'tap|/dev/net/tun' "$work/stdout" || fail "not a word about TAP"
}

main "$@"
