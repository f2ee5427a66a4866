#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the tools for tests (static C programs) and the guests' initramfs: build/guest/. Both are
# left alone when nothing has changed.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${DOORBELL_CACHE:-${HOME:-/root}/.cache/doorbell}
src=$top/tests/guest
out=$top/build/guest
tools="netcheck verdict rsstable pairs rxhash fakedns tapfd relay flood"
# virtio_net brings virtio_ring, virtio and the failover modules along.
modules="virtio_mmio virtio_net"

build_tool() { # NAME
	local tmp=$out/.$1.$$
	[ ! "$out/$1" -nt "$src/$1.c" ] || return 0
	gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wconversion -static -pthread -o "$tmp" "$src/$1.c"
	mv "$tmp" "$out/$1"
}

[ -e "$cache/x86_64/guest/release" ] || {
	echo "mkinitramfs: no guest kernel yet, run tests/setup.sh" >&2
	exit 1
}
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
for tool in $tools; do
	build_tool "$tool"
done
"$src/pack-initramfs.sh" "$cache/x86_64/guest" "$out/initramfs.cpio" "$src/init" "$modules" \
	"$out/netcheck=bin/netcheck" "$out/verdict=bin/verdict" "$out/rsstable=bin/rsstable" \
	"$out/rxhash=bin/rxhash" "$out/pairs=bin/pairs" \
	"$top/tests/lab/dhcp=bin/dhcp"
