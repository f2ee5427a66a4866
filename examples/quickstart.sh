#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh Debian 12 machine to the shell of a stock Debian guest whose network works.
set -euo pipefail

usage() {
	cat <<'END'
usage: examples/quickstart.sh [--check] [-- OPTION...]

Installs what is missing (as root or through sudo), builds doorbell, fetches Debian's cloud kernel, packs
an initramfs, and starts a guest with user networking. You are in its shell then: try `ip addr`,
`wget`, `ping 10.0.2.2`. `exit` or Ctrl-A x ends it.

Where the processor has no virtualization, or the kernel does not offer it, all this happens inside the
lab: an emulated machine that has it (tests/lab/run.sh). Slow, and otherwise the same.

  --check     instead of a shell: the guest gets an address by DHCP, fetches a file from a server that
              this script starts outside, and the contents are compared. Exit status 0 or 1.
  OPTION...   further options of `doorbell run`, for the shell
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${DOORBELL_CACHE:-${HOME:-/root}/.cache/doorbell}
kernel=$cache/x86_64/guest/vmlinuz
initrd=$top/build/guest/initramfs.cpio
append="console=ttyS0 quiet panic=-1"

say() {
	echo "quickstart: $*" >&2
}

set_up() {
	"$top/tests/setup.sh" build "$@" kernels
	make -s -C "$top" -j"$(nproc)"
	"$top/tests/guest/mkinitramfs.sh"
}

# Prints why a stock kernel cannot run under this machine's KVM; nothing when it can.
lacks() {
	if ! grep -qwE 'vmx|svm' /proc/cpuinfo; then
		echo "this machine has no hardware virtualization"
	elif [ ! -e /dev/kvm ]; then
		echo "there is no /dev/kvm (is the module kvm_intel or kvm_amd loaded?)"
	elif [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
		echo "/dev/kvm may not be opened by $(id -un) (group kvm: sudo adduser $(id -un) kvm)"
	fi
}

shell() {
	"$top/build/doorbell" run -i "$initrd" -a "$append" --net user "$@" "$kernel"
}

# The guest's side of --check. 10.0.2.2 is how the guest sees the machine that runs doorbell.
guest_script() { # PORT CHECKSUM
	cat <<END
ip -4 addr show dev eth0 | grep -o 'inet 10.0.2[^ ]*' || { echo "no address"; exit 1; }
wget -q -O /tmp/file http://10.0.2.2:$1/file || { echo "the file did not come"; exit 1; }
sha256sum /tmp/file | grep -q ^$2 || { echo "the file is not the same"; exit 1; }
END
}

serve() { # DIRECTORY: prints the port, for which there may be no other user
	local port
	for port in $(shuf -i 20000-60000 -n 20); do
		busybox httpd -f -p "127.0.0.1:$port" -h "$1" >/dev/null 2>&1 &
		server=$!
		# It ends at once when the port is taken.
		for _ in $(seq 100); do
			kill -0 $server 2>/dev/null || break
			if busybox wget -q -O /dev/null "http://127.0.0.1:$port/file"; then
				served=$port
				return
			fi
			sleep 0.05
		done
	done
	say "no server could be started"
	return 1
}

check() {
	local rc=0 sum
	work=$(mktemp -d)
	trap 'kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
	head -c 1000000 /dev/urandom >"$work/file"
	sum=$(sha256sum "$work/file" | cut -d' ' -f1)
	server="" served=""
	serve "$work"
	"$top/build/doorbell" run -i "$initrd" --net user --timeout 300 \
		-a "$append run=$(guest_script "$served" "$sum" | base64 -w 0)" "$kernel" </dev/null || rc=$?
	if [ $rc != 0 ]; then
		say "FAILED, doorbell ended with status $rc"
		return 1
	fi
	say "ok: the guest got an address, fetched 1000000 bytes over slirp, and they were the same"
}

main() {
	local action=shell why
	case ${1:-} in
	--check) action=check && shift ;;
	-h | --help) usage && exit 0 ;;
	esac
	[ "${1:-}" != -- ] || shift

	if [ -n "${DOORBELL_LAB:-}" ]; then # set up by the outer run
		$action "$@"
		return
	fi
	why=$(lacks)
	if [ -z "$why" ]; then
		set_up
		# busybox for the initramfs and the server
		$action "$@"
	else
		set_up lab
		say "$why; doing it inside the lab (emulated, slow)"
		exec "$top/tests/lab/run.sh" --timeout "$([ $action = check ] && echo 600 || echo 86400)" \
			--nic -- "$top/examples/quickstart.sh" "$([ $action = check ] && echo --check || echo --)" "$@"
	fi
}

main "$@"
