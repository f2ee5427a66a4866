#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the end-to-end tests on this machine, which may be the lab's emulated host. See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: tests/e2e/run.sh [OPTION...] [FILE...]

Runs the tests of tests/e2e/*_*.sh (or of the FILEs) here, in a network namespace of its own, and
prints one line for each: "ok NAME", "not ok NAME - reason" or "skip NAME - reason".

  --native       only those that boot no Linux (the third line of the file says `needs: nothing`)
  --guests       only the others
  --only REGEX   only tests whose NAME matches
  --list         prints the names
  --logs DIR     keeps the logs there (build/e2e)
  --vmm FILE     what to test (build/doorbell); tests/e2e/vmm-qemu.sh shows whether it is the test
                 or doorbell that is wrong
  --help

Needs root for TAP, and a /dev/kvm that can run Linux. Where there is none:
  tests/lab/run.sh --mem 6144 -- tests/e2e/run.sh --logs build/lab-out/e2e
END
}

dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$dir/../.." && pwd)
export E2E_LOGS=${E2E_LOGS:-$top/build/e2e} E2E_ONLY=${E2E_ONLY:-.} DOORBELL=${DOORBELL:-$top/build/doorbell}
which=all list="" files=()
args=("$@")

while [ $# -gt 0 ]; do
	case $1 in
	--native) which=native && shift ;;
	--guests) which=guests && shift ;;
	--only) E2E_ONLY=${2:?} && shift 2 ;;
	--list) list=--list && shift ;;
	--logs) E2E_LOGS=$(realpath -m "${2:?}") && shift 2 ;;
	--vmm) DOORBELL=$(realpath "${2:?}") && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	-*) echo "e2e: unknown option '$1', see --help" >&2 && exit 2 ;;
	*) files+=("$1") && shift ;;
	esac
done
[ ${#files[@]} -gt 0 ] || files=("$dir"/*_*.sh)

wanted() { # FILE
	local native=no
	sed -n 3p "$1" | grep -q 'needs: nothing' && native=yes
	[ $which = all ] || [ "$which-$native" = native-yes ] || [ "$which-$native" = guests-no ]
}

if [ -z "$list" ] && [ "$(id -u)" = 0 ] && [ -z "${E2E_INSIDE:-}" ]; then
	# Interfaces, ports and /etc/resolv.conf of the machine stay untouched, and all of ours vanish.
	E2E_INSIDE=1 exec unshare --net --mount --propagation private -- "$0" "${args[@]}"
fi
if [ -z "$list" ]; then
	[ -x "$DOORBELL" ] || { echo "e2e: there is no $DOORBELL, run make first" >&2 && exit 2; }
	copy=$(mktemp -d) # somebody may build while the tests run
	trap 'rm -rf "$copy"' EXIT
	install -m 755 "$DOORBELL" "$copy/doorbell"
	DOORBELL=$copy/doorbell
fi
if [ -n "${E2E_INSIDE:-}" ]; then
	ip link set lo up
	mount -t sysfs sysfs /sys
	[ ! -d /sys/kernel/tracing ] || mount -t tracefs tracefs /sys/kernel/tracing # was below the old /sys
fi

rc=0 limit=${E2E_LIMIT:-600} running=""
trap '[ -z "$running" ] || kill "$running" 2>/dev/null || :; wait; exit 143' TERM INT HUP
for file in "${files[@]}"; do
	wanted "$file" || continue
	# Each wait in a test has its own limit; this one is for what nobody thought of.
	timeout -k 10 "$limit" bash "$file" $list &
	running=$!
	wait "$running" || {
		status=$?
		rc=1
		[ $status != 124 ] || echo "not ok $(basename "$file" .sh): all of it - time limit of $limit s"
	}
	running=""
done
exit $rc
