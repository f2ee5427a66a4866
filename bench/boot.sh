#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The part of bench/run.sh that boots Linux: on a host with KVM, which may be the lab's. Prints
# "ROW VALUE" lines. Argument: how many blocks A B C C B A.
# shellcheck disable=SC2054 # commas belong to QEMU's options
# shellcheck disable=SC2034 # arrays that boot() takes by name
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${DOORBELL_CACHE:-${HOME:-/root}/.cache/doorbell}
blocks=${1:-7}
append="console=ttyS0 quiet panic=-1"
work=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT

say() {
	echo "boot: $*" >&2
}

# In the lab every file comes over a slow file system, which is no property of a VMM: both VMMs, their
# libraries and what they load are copied into memory first.
stage() {
	local file
	mkdir -p "$work/lib" "$work/share"
	cp "$top"/build/bench/{measure,initramfs.cpio} "$top/build/doorbell" "$work/"
	cp "$top/build/guest/initramfs.cpio" "$work/tools.cpio"
	cp "$cache/x86_64/guest/vmlinuz" "$work/"
	cp "$(command -v qemu-system-x86_64)" "$work/qemu"
	for file in $(ldd "$work/qemu" "$work/doorbell" | sed -n 's/.*=> \([^ ]*\).*/\1/p' | sort -u); do
		cp "$file" "$work/lib/"
	done
	for file in libslirp.so.0 libpcap.so.0.8; do # opened by doorbell at run time
		file=$(ldconfig -p | sed -n "s/.*$file.*x86-64.*=> //p" | head -n 1)
		[ -z "$file" ] || cp "$file" "$work/lib/"
	done
	cp -L /usr/share/qemu/*.bin /usr/share/qemu/*.rom "$work/share/"
	export LD_LIBRARY_PATH=$work/lib
}

sample() { # SUFFIX MEASUREMENT...
	"$work/measure" "${@:2}" </dev/null | sed -E "s/^([a-z]+)_([a-z]+) /\1-$1 /"
}

doorbell=("$work/doorbell" run -m 512M -i "$work/initramfs.cpio" -a "$append" --net user "$work/vmlinuz")
common=(-m 512M -nodefaults -no-user-config -nographic -serial stdio -no-reboot
	-netdev user,id=net0 -device virtio-net-device,netdev=net0
	-kernel "$work/vmlinuz" -initrd "$work/initramfs.cpio" -append "$append")
# As it comes. With KVM that machine has no clock chip and does not say so: Linux waits for it, seconds long.
qemu=("$work/qemu" -L "$work/share" -M microvm,accel=kvm -cpu host "${common[@]}")
# What it is fastest with that a stock kernel boots on: with a clock, without option ROMs. Without PIT and PIC
# this kernel takes twice as long.
tuned=("$work/qemu" -L "$work/share" -M microvm,accel=kvm,x-option-roms=off,rtc=on -cpu host "${common[@]}")

boot() { # NAME: a sample of it; its time is left in $took
	local -n command=$1
	sample "$1" marker init-reached "${command[@]}" | tee "$work/sample"
	took=$(sed -n "s/^marker-$1 //p" "$work/sample")
}

boots() {
	local i vmm a b c
	for vmm in doorbell qemu tuned; do # once, uncounted: files into the page cache
		boot $vmm >/dev/null
	done
	for ((i = 0; i < blocks; i++)); do
		say "block $((i + 1)) of $blocks"
		a=0 b=0 c=0
		for vmm in doorbell qemu tuned tuned qemu doorbell; do
			boot $vmm
			case $vmm in
			doorbell) a=$((a + took)) ;;
			qemu) b=$((b + took)) ;;
			tuned) c=$((c + took)) ;;
			esac
		done
		awk -v a="$a" -v b="$b" -v c="$c" \
			'BEGIN { printf "boot-ratio %.4f\nboot-tuned-ratio %.4f\n", a / b, a / c }'
	done
}

fetch() { # SERVER: what a guest runs
	printf 'wget -q -O /dev/null http://%s:8000/file && echo traffic-done\nsleep 600\n' "$1" | base64 -w 0
}

# After 16 MB in one direction, and their acknowledgements in the other.
memory() {
	local run=(memory traffic-done 256 "$work/doorbell" run -m 256M -i "$work/tools.cpio")
	say "memory after traffic"
	mkdir "$work/www"
	head -c 16000000 /dev/zero >"$work/www/file"
	busybox httpd -f -p 8000 -h "$work/www" &
	server=$!
	sample user-traffic "${run[@]}" -a "$append run=$(fetch 10.0.2.2)" --net user "$work/vmlinuz"
	ip tuntap add dev benchtap mode tap
	ip addr add 192.168.75.1/24 dev benchtap
	ip link set benchtap up
	sample tap-traffic "${run[@]}" -a "$append net0=192.168.75.2/24 run=$(fetch 192.168.75.1)" \
		--net tap,ifname=benchtap "$work/vmlinuz"
	ip link del benchtap
}

stage
boots
if [ "$(id -u)" = 0 ]; then
	memory
fi
