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

# shellcheck source=examples/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

shell() {
	"$doorbell" run -i "$initrd" -a "$append" --net user "$@" "$kernel"
}

# The guest's side of --check. 10.0.2.2 is how the guest sees the machine that runs doorbell.
guest_script() { # PORT CHECKSUM
	cat <<END
ip -4 addr show dev eth0 | grep -o 'inet 10.0.2[^ ]*' || { echo "no address"; exit 1; }
wget -q -O /tmp/file http://10.0.2.2:$1/file || { echo "the file did not come"; exit 1; }
sha256sum /tmp/file | grep -q ^$2 || { echo "the file is not the same"; exit 1; }
END
}

serve() { # DIRECTORY: a web server for it; sets server (its pid) and served (its port)
	local port
	for port in $(shuf -i 20000-60000 -n 20); do
		busybox httpd -f -p "127.0.0.1:$port" -h "$1" >/dev/null 2>&1 &
		server=$!
		# It ends at once when the port is taken.
		for _ in $(seq 100); do
			kill -0 "$server" 2>/dev/null || break
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
	"$doorbell" run -i "$initrd" --net user --timeout 300 \
		-a "$append run=$(guest_script "$served" "$sum" | base64 -w 0)" "$kernel" </dev/null || rc=$?
	if [ "$rc" != 0 ]; then
		say "FAILED, doorbell ended with status $rc"
		return 1
	fi
	say "ok: the guest got an address, fetched 1000000 bytes over slirp, and they were the same"
}

# Ends with 0 or 1, whatever make, the lab or doorbell ended with. The trap waits for them.
check_and_exit() {
	local rc
	trap 'exit 1' TERM HUP
	set +e
	(
		set -e
		here_or_in_the_lab --check
		check
	)
	rc=$?
	[ $rc = 0 ] || exit 1
	exit 0
}

case ${1:-} in
--check) check_and_exit ;;
-h | --help) usage && exit 0 ;;
esac
here_or_in_the_lab "$@"
[ "${1:-}" != -- ] || shift
shell "$@"
