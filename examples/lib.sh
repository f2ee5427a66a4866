# SPDX-License-Identifier: Apache-2.0
# What every example needs: set-up, and the lab where the hardware cannot run guests.
# shellcheck shell=bash disable=SC2034 # variables for the examples

export LC_ALL=C.UTF-8 # the words of programs are read
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${DOORBELL_CACHE:-${HOME:-/root}/.cache/doorbell}
doorbell=${DOORBELL:-$top/build/doorbell}
kernel=$cache/x86_64/guest/vmlinuz
initrd=$top/build/guest/initramfs.cpio
append="console=ttyS0 quiet panic=-1"

say() {
	echo "$(basename "$(dirname "$0")")/$(basename "$0" .sh): $*" >&2
}

# Why a stock kernel cannot run under this machine's KVM; nothing when it can.
lacks() {
	if ! grep -qwE 'vmx|svm' /proc/cpuinfo; then
		echo "this machine has no hardware virtualization"
	elif [ ! -e /dev/kvm ]; then
		echo "there is no /dev/kvm (is the module kvm_intel or kvm_amd loaded?)"
	elif [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
		echo "/dev/kvm may not be opened by $(id -un) (to allow it: sudo adduser $(id -un) kvm)"
	fi
}

# Packages, build, kernel, initramfs. Returns when guests can run on this machine; otherwise runs the
# calling script once more, inside the lab, with the same arguments, and does not return.
here_or_in_the_lab() {
	local why
	[ -z "${DOORBELL_LAB:-}" ] || return 0 # the outer run has set it up
	"$top/tests/setup.sh" build lab kernels
	make -s -C "$top" -j"$(nproc)"
	"$top/tests/guest/mkinitramfs.sh"
	why=$(lacks)
	[ -n "$why" ] || return 0
	say "$why; doing it inside the lab (emulated, slow)"
	exec "$top/tests/lab/run.sh" --timeout 86400 --nic -- "$(realpath "$0")" "$@"
}
