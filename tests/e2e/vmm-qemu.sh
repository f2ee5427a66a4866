#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Takes the command line of `doorbell run` as far as the end-to-end tests use it, and runs QEMU's
# microvm instead. A test that fails with this one too is a wrong test.
# shellcheck disable=SC2054 # commas belong to QEMU's options
set -euo pipefail

[ "${1:-}" = run ] || exit 2
shift
mem=512M cpus=1 append="" initrd=() nets=() limit=() reboot=(-no-reboot) console=stdio kernel=""

add_net() { # KIND,KEY=VALUE...: two options of QEMU
	local kind=${1%%,*} rest="" mac="" key n=${#nets[@]}
	for key in $(tr ',' ' ' <<<"${1#"$kind"}"); do
		case $key in
		mac=*) mac=,$key ;;
		pcap=*) nets+=(-object "filter-dump,id=dump$n,netdev=net$n,file=${key#pcap=}") ;;
		ifname=*) rest+=,$key,script=no,downscript=no ;;
		*) rest+=,$key ;;
		esac
	done
	case $kind in
	none) nets=(-nic none) && return ;;
	tap) rest+=,vhost=off ;;
	esac
	# In front: -object looks for the netdev.
	nets=(-netdev "$kind,id=net$n$rest" -device "virtio-net-device,netdev=net$n$mac" "${nets[@]}")
}

while [ $# -gt 0 ]; do
	case $1 in
	-i | --initrd) initrd=(-initrd "$2") && shift 2 ;;
	-a | --append) append=$2 && shift 2 ;;
	-m | --mem) mem=$2 && shift 2 ;;
	-c | --cpus) cpus=$2 && shift 2 ;;
	--net) add_net "$2" && shift 2 ;;
	--timeout) limit=(timeout "$2") && shift 2 ;;
	--console) console=$2 && shift 2 ;;
	--on-reboot) reboot=() && shift 2 ;;
	--stats=*) echo '{}' >"${1#*=}" && shift ;;
	-*) exit 2 ;;
	*) kernel=$1 && shift ;;
	esac
done
case $console in
file=*) serial=file:${console#file=} ;;
none) serial=null ;;
*) serial=stdio ;;
esac
[ ${#nets[@]} -gt 0 ] || nets=(-netdev user,id=net0 -device virtio-net-device,netdev=net0)
rc=0
"${limit[@]}" qemu-system-x86_64 -M microvm,accel=kvm,rtc=on -cpu host -smp "$cpus" -m "$mem" -nodefaults \
	-no-user-config -nographic -serial "$serial" "${reboot[@]}" -device isa-debug-exit,iobase=0xf4 \
	"${nets[@]}" -kernel "$kernel" "${initrd[@]}" -append "$append" || rc=$?
# isa-debug-exit makes 2 * verdict + 1 of it
[ $((rc % 2)) = 0 ] || [ $rc = 1 ] || rc=$(((rc - 1) / 2))
exit $rc
