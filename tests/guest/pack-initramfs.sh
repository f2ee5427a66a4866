#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packs an initramfs: busybox, kernel modules in the order in which they have to be loaded, an init,
# and further files. Used for the guests and for the emulated host. Does nothing when no input changed.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

usage() {
	cat <<'END'
usage: tests/guest/pack-initramfs.sh KERNEL-DIRECTORY OUTPUT INIT "MODULE..." [FILE=PATH...]

KERNEL-DIRECTORY is one of those that tests/setup.sh makes (release, lib/modules). The image gets INIT
as /init, the modules with all they depend on, the order in /modules, and each FILE as /PATH.
END
	exit 2
}

[ $# -ge 4 ] || usage
kernel=$1 out=$2 init=$3 modules=$4
shift 4
release=$(cat "$kernel/release")
busybox=$(command -v busybox) || {
	echo "pack-initramfs: busybox-static is missing; run tests/setup.sh lab" >&2
	exit 1
}

# Everything that the image depends on, in one checksum.
fingerprint() {
	{
		printf '%s\n' "$release" "$modules" "$@"
		cat "${BASH_SOURCE[0]}" "$init" "$busybox" "${@%%=*}" "$kernel/lib/modules/$release/modules.dep"
	} | sha256sum
}

print=$(fingerprint "$@")
[ ! -e "$out" ] || [ "$(cat "$out.sum" 2>/dev/null)" != "$print" ] || exit 0

mkdir -p "$(dirname "$out")"
tmp=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp,run,etc,lib}
cp "$busybox" "$root/bin/busybox"
cp "$init" "$root/init"
chmod 755 "$root/init"

for m in $modules; do
	# "insmod FILE" lines; "builtin NAME" for what is in the kernel itself.
	modprobe -d "$kernel" -S "$release" --show-depends "$m"
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$tmp/files"
while read -r file; do
	path=lib/modules/${file#*/lib/modules/}
	mkdir -p "$root/$(dirname "$path")"
	cp "$file" "$root/$path"
	echo "/$path"
done <"$tmp/files" >"$root/modules"

for pair in "$@"; do
	mkdir -p "$root/$(dirname "${pair#*=}")"
	cp "${pair%%=*}" "$root/${pair#*=}"
done

# Not compressed: unpacking would cost more time in an emulated machine than reading does.
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$tmp/image"
mv "$tmp/image" "$out"
echo "$print" >"$out.sum"
