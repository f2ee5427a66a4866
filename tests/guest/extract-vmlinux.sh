#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks the ELF kernel out of an x86 bzImage. Where it lies in the file is said by the setup header
# (boot protocol 2.08 and later): sectors before the 32-bit code, offset and length of the payload.
set -euo pipefail

[ $# = 2 ] || {
	echo "usage: extract-vmlinux.sh BZIMAGE VMLINUX" >&2
	exit 2
}
src=$1 dst=$2

die() {
	echo "extract-vmlinux: $src: $*" >&2
	exit 1
}

number() { # OFFSET BYTES: the little-endian number there
	od -An -v -t "u$2" -j "$1" -N "$2" "$src" | tr -d ' '
}

[ "$(dd if="$src" bs=1 skip=514 count=4 2>/dev/null)" = HdrS ] || die "not a bzImage"
sectors=$(number $((0x1f1)) 1)
start=$(((sectors + 1) * 512 + $(number $((0x248)) 4)))
# The last four bytes are the unpacked size, which the unpackers below would take for rubbish.
length=$(($(number $((0x24c)) 4) - 4))
magic=$(od -An -v -t x1 -j $start -N 4 "$src" | tr -d ' ')
case $magic in
02214c18) unpack="lz4 -dc" ;;
fd377a58) unpack="xz -dc" ;;
1f8b*) unpack="gzip -dc" ;;
28b52ffd) unpack="zstd -dc" ;;
*) die "payload of an unknown compression ($magic)" ;;
esac

tmp=$(mktemp "$dst.XXXXXX")
trap 'rm -f "$tmp"' EXIT
$unpack < <(tail -c +$((start + 1)) "$src" | head -c $length) >"$tmp" || die "$unpack failed"
[ "$(head -c 4 "$tmp" | od -An -t x1 | tr -d ' ')" = 7f454c46 ] || die "payload is no ELF file"
chmod 644 "$tmp"
mv "$tmp" "$dst"
trap - EXIT
