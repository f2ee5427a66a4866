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

# examined CPUFLAG: what doctor says of a host with this CPU, without devices and huge pages, as "NAME: FIX"
# shellcheck disable=SC2016 # expanded by sh
examined() {
	echo "flags : fpu $1" >"$work/cpuinfo"
	echo "always madvise [never]" >"$work/thp"
	unshare --mount --propagation private sh -e -c 'mount --bind "$1" /proc/cpuinfo
		mount --bind "$2" /sys/kernel/mm/transparent_hugepage/enabled
		mount -t tmpfs tmpfs /dev
		exec "$3" doctor --json' sh "$work/cpuinfo" "$work/thp" "$doorbell" >"$work/found" || :
	jq -r '.[] | select(.verdict != "ok") | .name + ": " + .fix' "$work/found"
}

test_doctor_names_one_command_for_each_thing_that_is_missing() {
	local lab='./tests/lab/run.sh -- ./build/doorbell run KERNEL' fix
	[ "$(id -u)" = 0 ] || skip "hiding devices needs root"
	[ -e /sys/kernel/mm/transparent_hugepage/enabled ] || skip "this kernel has no transparent huge pages"
	examined svm >"$work/amd"
	examined vmx >"$work/intel"
	examined none >"$work/none"
	cat "$work/amd"
	grep -qx 'kvm: sudo modprobe kvm_amd' "$work/amd" || fail "AMD: $(head -n 1 "$work/amd")"
	grep -qx 'kvm: sudo modprobe kvm_intel' "$work/intel" || fail "Intel: $(head -n 1 "$work/intel")"
	grep -qxF "kvm: $lab" "$work/none" || fail "no virtualization: $(head -n 1 "$work/none")"
	grep -qxF "virtualization: $lab" "$work/none" || fail "no virtualization: $(sed -n 2p "$work/none")"
	for fix in 'tap: sudo modprobe tun' 'vhost-net: sudo modprobe vhost_net' \
		'huge-pages: echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled'; do
		grep -qxF "$fix" "$work/amd" || fail "no '$fix'"
	done
	! grep -q ': $' "$work/amd" "$work/none" || fail "something has no fix"
}

# Here and now, whatever is missing: a line that a shell takes, whose program is there.
test_doctor_names_commands_that_can_be_typed() {
	local fix program
	"$doorbell" doctor --json | jq -r '.[] | select(.verdict != "ok") | .fix' >"$work/fixes"
	while IFS= read -r fix; do
		echo "fix: $fix"
		bash -n -c "$fix" || fail "no shell takes '$fix'"
		program=${fix#sudo }
		(cd "$top" && PATH=$PATH:/sbin:/usr/sbin command -v "${program%% *}") || fail "there is no ${program%% *}"
	done <"$work/fixes"
}

main "$@"
