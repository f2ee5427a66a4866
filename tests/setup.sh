#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing doorbell needs on Debian 12, and fetches the stock kernels for
# the lab and its guests. Does nothing, and says nothing, when everything is there already.
set -euo pipefail
export LC_ALL=C.UTF-8 # the words of apt-cache and others are read

usage() {
	cat <<'END'
usage: tests/setup.sh [GROUP...]

Groups (default: all of them):
  build    compiler and libraries for `make`
  test     unit tests, fuzzing, lint
  lab      QEMU and tools for the emulated host, guest images
  kernels  Debian's stock kernels, unpacked into the cache, never installed

Installs packages as root or through sudo. The cache is $DOORBELL_CACHE, or ~/.cache/doorbell:
  x86_64/host/   the generic kernel, which the emulated host (L1) runs
  x86_64/guest/  the cloud kernel, which guests (L2) run
Both with vmlinux, unpacked from vmlinuz.
Remove one of these directories to have the current kernel fetched again.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${DOORBELL_CACHE:-${HOME:-/root}/.cache/doorbell}

pkgs_build="gcc libc6-dev make pkg-config libslirp-dev libfdt-dev libjansson-dev libpcap-dev
	linux-libc-dev"
pkgs_test="libcmocka-dev clang lld libclang-rt-14-dev llvm clang-tidy clang-format cppcheck shellcheck
	tcpdump jq iproute2 util-linux acpica-tools man-db user-mode-linux dpdk iperf3 busybox-static cpio kmod
	git procps"
pkgs_lab="qemu-system-x86 busybox-static cpio kmod lz4 xz-utils iproute2 util-linux tcpdump jq gcc
	libc6-dev dpdk-dev librte-net-vhost23 librte-net-tap23 librte-mempool-ring23 librte-bus-vdev23"
pkgs_kernels="kmod lz4 xz-utils"

die() {
	echo "setup: $*" >&2
	exit 1
}

say() {
	echo "setup: $*" >&2
}

# Runs its arguments as root, or explains in one line that it cannot.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -- "$@"
	else
		die "this needs root or sudo: $*"
	fi
}

# Runs a command with its output kept aside; shows the end of it only when the command fails.
quietly() {
	local log rc=0
	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	[ $rc = 0 ] || tail -n 15 "$log" >&2
	rm -f "$log"
	return $rc
}

updated=no
apt_update() {
	[ $updated = no ] || return 0
	updated=yes
	say "updating the package lists"
	quietly as_root apt-get -q -o DPkg::Lock::Timeout=600 update || say "apt-get update failed"
}

# Prints those of its arguments that are not installed.
missing() {
	local p
	for p in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed ||
			echo "$p"
	done
}

apt_install() {
	quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o DPkg::Lock::Timeout=600 --no-install-recommends install "$@"
}

install_packages() {
	local want
	mapfile -t want < <(missing "$@" | sort -u)
	[ ${#want[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "not a Debian system, please install: ${want[*]}"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		die "this needs root or sudo: apt-get install ${want[*]}"
	apt_update
	say "installing ${want[*]}"
	apt_install "${want[@]}" || die "these packages cannot be installed: ${want[*]}"
}

# Prints the package that the meta package $1 stands for at present.
resolve() {
	apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' |
		head -n 1
}

download() { # META DIRECTORY: fetches the kernel package of META into DIRECTORY
	local pkg
	pkg=$(resolve "$1")
	[ -n "$pkg" ] || return 1
	# As root apt would switch to a user of its own, who may not write into our directory.
	(cd "$2" && quietly apt-get -q -o APT::Sandbox::User= download "$pkg")
}

fetch_kernel() { # META NAME: unpacks the kernel of META as x86_64/NAME of the cache
	local dst=$cache/x86_64/$2 tmp rel
	if [ -e "$dst/release" ]; then # one of an earlier set-up may be as it came
		[ -e "$dst/vmlinux" ] || "$top/tests/guest/extract-vmlinux.sh" "$dst/vmlinuz" "$dst/vmlinux"
		return
	fi
	mkdir -p "$cache/x86_64"
	rm -rf "$cache/x86_64/.$2".* # left by a run that was killed; we hold the lock
	tmp=$(mktemp -d "$cache/x86_64/.$2.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
	say "fetching $1 (once, into the cache)"
	if ! download "$1" "$tmp" 2>/dev/null; then
		apt_update
		download "$1" "$tmp" || die "cannot download the kernel of $1"
	fi
	dpkg-deb -x "$tmp"/*.deb "$tmp/root"
	rel=$(basename "$tmp"/root/lib/modules/*)
	mkdir -p "$tmp/new/lib/modules"
	mv "$tmp/root/boot/vmlinuz-$rel" "$tmp/new/vmlinuz"
	mv "$tmp/root/lib/modules/$rel" "$tmp/new/lib/modules/"
	PATH=$PATH:/sbin:/usr/sbin depmod -b "$tmp/new" "$rel"
	"$top/tests/guest/extract-vmlinux.sh" "$tmp/new/vmlinuz" "$tmp/new/vmlinux"
	echo "$rel" >"$tmp/new/release"
	chmod -R a+rX "$tmp/new"
	rm -rf "$dst" # a directory without "release" is not ours to keep
	mv "$tmp/new" "$dst"
	rm -rf "$tmp"
	trap - EXIT
}

fetch_kernels() {
	[ ! -e "$cache/x86_64/host/vmlinux" ] || [ ! -e "$cache/x86_64/guest/vmlinux" ] || return 0
	mkdir -p "$cache"
	# Two runs at once: the second waits, then finds everything done.
	exec 9>"$cache/lock"
	flock 9
	fetch_kernel linux-image-amd64 host
	fetch_kernel linux-image-cloud-amd64 guest
	exec 9>&-
}

main() {
	local group pkgs="" kernels=no
	[ $# -gt 0 ] || set -- build test lab kernels
	for group in "$@"; do
		case $group in
		-h | --help) usage && exit 0 ;;
		build) pkgs+=" $pkgs_build" ;;
		test) pkgs+=" $pkgs_test" ;;
		lab) pkgs+=" $pkgs_lab" ;;
		kernels) pkgs+=" $pkgs_kernels" kernels=yes ;;
		*) die "no group is called '$group'; there are: build, test, lab, kernels" ;;
		esac
	done
	# shellcheck disable=SC2086 # a list of words
	install_packages $pkgs
	[ $kernels = no ] || fetch_kernels
}

main "$@"
