#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guest on a TAP: a network card of its own, of which this machine has the other end. Needs root.
set -euo pipefail
# shellcheck source=examples/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

[ "${1:-}" != --help ] || {
	echo "usage: examples/tap/run.sh [NAME]    (dbtap0; we are 192.168.75.1, the guest is 192.168.75.2)"
	exit 0
}
tap=${1:-dbtap0}
here_or_in_the_lab "$@"

sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
# Ours, so that doorbell needs no privilege to open it.
$sudo ip tuntap add dev "$tap" mode tap user "$(id -un)"
trap '$sudo ip link del "$tap"' EXIT
$sudo ip addr add 192.168.75.1/24 dev "$tap"
$sudo ip link set "$tap" up

say "the guest is 192.168.75.2; try: ping 192.168.75.2"
"$doorbell" run -i "$initrd" --net "tap,ifname=$tap" -a "$append net0=192.168.75.2/24,192.168.75.1" "$kernel"
