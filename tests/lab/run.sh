#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command as root on an emulated host with KVM, TAP and vhost-net. See --help.
# shellcheck disable=SC2054 # commas belong to QEMU's options
# shellcheck disable=SC2317 # clean_up is called by a trap
set -euo pipefail

usage() {
	cat <<'END'
usage: tests/lab/run.sh [OPTION...] -- COMMAND [ARGUMENT...]

Boots the lab: QEMU emulates a machine with AMD's virtualization, a stock Debian kernel runs on it as
a full host ("L1") with /dev/kvm, /dev/net/tun, /dev/vhost-net, bridge, veth and overlay. COMMAND runs
there as root, in the same working directory, with every file of this machine at its own path.

  --arch x86_64     what to emulate (only this one so far)
  --timeout S       hard limit for the whole run (900); exit status is then 124
  --mem MIB         memory of L1 (4096)
  --cpus N          CPUs of L1 (2)
  --out DIR         a directory that COMMAND may write to (build/lab-out); everything else of this
                    machine is read-only there, /tmp and /run are L1's own and vanish with it
  --nic             gives L1 a network card with access to the outside (QEMU's user networking)
  --log FILE        keeps L1's kernel messages
  --help

COMMAND's output (stdout and stderr) goes to stdout, the exit status is COMMAND's. 125 means that the
lab itself failed, or that L1 stood still. COMMAND has no stdin unless this runs on a terminal; then it
has a terminal too: `tests/lab/run.sh -- bash` is a root shell on a host with KVM. Variables named
DOORBELL_* are handed on, DOORBELL_LAB=1 is set.

Needs no root and no hardware virtualization. A run takes about 4 s plus COMMAND's own time; what
happens in there takes 10 to 50 times as long as on a real machine.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${DOORBELL_CACHE:-${HOME:-/root}/.cache/doorbell}
host_modules="virtio_pci virtio_net virtio_console 9p 9pnet_virtio kvm_amd tun tap vhost_net bridge
	veth overlay nft_chain_nat nft_masq"

die() {
	echo "lab: $*" >&2
	exit 125
}

arch=x86_64 limit=900 mem=4096 cpus=2 out=$top/build/lab-out nic="" log=""

parse() {
	while [ $# -gt 0 ]; do
		case $1 in
		--arch) arch=${2:?} && shift 2 ;;
		--timeout) limit=${2:?} && shift 2 ;;
		--mem) mem=${2:?} && shift 2 ;;
		--cpus) cpus=${2:?} && shift 2 ;;
		--out) out=${2:?} && shift 2 ;;
		--log) log=${2:?} && shift 2 ;;
		--nic) nic=1 && shift ;;
		-h | --help) usage && exit 0 ;;
		--) shift && break ;;
		*) die "unknown option '$1', see --help" ;;
		esac
	done
	[ $# -gt 0 ] || die "no command given, see --help"
	[ "$arch" = x86_64 ] || die "--arch $arch: there is only x86_64"
	command=("$@")
}

# What L1's init reads, and the command as a script.
write_job() {
	local name size=""
	[ -z "$tty" ] || size=$(stty size | sed 's/\(.*\) \(.*\)/rows \1 cols \2/')
	{
		for name in tree=$top cache=$cache out=$out tty=$tty nic=$nic size="$size"; do
			printf '%s=%q\n' "${name%%=*}" "${name#*=}"
		done
	} >"$job/conf"
	{
		printf 'export HOME=%q PATH=%q TERM=%q LANG=C.UTF-8 USER=root DOORBELL_LAB=1\n' \
			"${HOME:-/root}" "$PATH:/usr/sbin:/sbin" "${TERM:-dumb}"
		for name in ${!DOORBELL_*}; do
			[ "$name" = DOORBELL_LAB ] || printf 'export %s=%q\n' "$name" "${!name}"
		done
		printf 'cd %q || exit 125\n' "$PWD"
		printf 'exec'
		printf ' %q' "${command[@]}"
		echo
	} >"$job/command"
}

qemu() {
	local args=(
		# No erms: a guest that is given pages with code of an earlier one has L1 clear them byte by byte, and for
		# each byte the emulator looks through what it has translated of that page: up to a second for 2 MiB.
		-M q35 -accel tcg -cpu max,erms=off,fsrm=off -smp "$cpus" -m "$mem"
		-nographic -nodefaults -no-user-config -no-reboot
		# Not vmlinuz: to unpack that takes the emulator two seconds.
		-kernel "$cache/x86_64/host/vmlinux" -initrd "$image"
		# QEMU's emulation of SVM has its faults. idle=poll: a halted L1 CPU can miss its wake-up.
		# nokaslr: otherwise L1 dies more often of page faults in a vCPU's thread.
		-append "console=ttyS0 panic=-1 quiet mitigations=off idle=poll nokaslr"
		-serial "file:$log"
		-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
		-device virtio-9p-pci,fsdev=root,mount_tag=root
		-fsdev "local,id=job,path=$job,security_model=none,multidevs=remap"
		-device virtio-9p-pci,fsdev=job,mount_tag=job
		-fsdev "local,id=out,path=$out,security_model=none,multidevs=remap"
		-device virtio-9p-pci,fsdev=out,mount_tag=out
		-device virtio-serial-pci
		-chardev "pipe,id=monitor,path=$job/monitor" -mon chardev=monitor,mode=readline
		-gdb "unix:$job/gdb,server=on,wait=off")
	if [ -n "$nic" ]; then # not 10.0.2.0/24, which the guests of L1 will use
		args+=(-netdev "user,id=nic,net=10.0.3.0/24,dhcpstart=10.0.3.15"
			-device virtio-net-pci,netdev=nic)
	fi
	if [ -n "$tty" ]; then
		args+=(-chardev stdio,id=cmd,signal=off -device virtconsole,chardev=cmd)
	else
		args+=(-chardev "file,id=cmd,path=$job/pipe" -device virtserialport,chardev=cmd)
	fi
	# The main thread has the timers, and competes with vCPUs that never rest: first, where that is allowed.
	local first=(chrt --reset-on-fork --fifo 1)
	"${first[@]}" true 2>/dev/null || first=()
	# Whatever ends this script, the emulator must not stay behind.
	exec setpriv --pdeathsig TERM timeout --foreground -k 5 "$limit" \
		setpriv --pdeathsig KILL "${first[@]}" qemu-system-x86_64 "${args[@]}"
}

# Where do the CPUs of L1 stand? What docs/lab.md knows of stand-stills was found by this.
ask_monitor() { # COMMAND...
	local line
	printf '%s\n' "$@" >&6
	while read -r -t 3 line <&5; do
		printf '%s\n' "$line"
	done
}

# After 20 s without a sign of life the emulator is helped on (unstick.c); after two minutes the run ends.
watch_over() { # PID
	local now last helped=0
	touch "$job/beat"
	mkfifo "$job/never"
	exec 5<>"$job/monitor.out" 6<>"$job/monitor.in" 7<>"$job/never" # read waits here: a sleep would be a process that outlives us
	while kill -0 "$1" 2>/dev/null; do
		read -r -t 10 <&7 || :
		now=$(date +%s)
		last=$(stat -c %Y "$job/beat" 2>/dev/null || echo "$now")
		if [ $((now - last)) -gt 20 ] && [ $((now - helped)) -gt 20 ]; then
			helped=$now
			echo "lab: no sign of life for $((now - last)) s, unstick:" >>"$log"
			timeout 20 "${image%/*}/unstick" "$job/gdb" >>"$log" 2>&1 || :
		fi
		if [ $((now - last)) -gt 120 ]; then
			touch "$job/stuck"
			ask_monitor 'info registers -a' 'info lapic 0' 'info lapic 1' >>"$log"
			kill "$1"
		fi
	done
}

pids=()
clean_up() {
	local p
	trap - EXIT
	for p in "${pids[@]}"; do
		kill "$p" 2>/dev/null || :
	done
	wait 2>/dev/null || :
	[ -z "$saved_tty" ] || stty "$saved_tty" </dev/tty 2>/dev/null || :
	rm -rf "$job"
}

parse "$@"
for file in "$cache/x86_64/host/vmlinux" "$(command -v qemu-system-x86_64 || echo qemu)"; do
	[ -e "$file" ] || die "not set up yet ($(basename "$file") is missing), run tests/setup.sh lab kernels"
done
mkdir -p "$out"
out=$(cd "$out" && pwd)
image=$top/build/lab/initramfs.cpio
mkdir -p "${image%/*}"
(
	flock 9
	for tool in hold unstick; do
		[ "${image%/*}/$tool" -nt "$top/tests/lab/$tool.c" ] ||
			gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -static -o "${image%/*}/$tool" "$top/tests/lab/$tool.c"
	done
	hold=${image%/*}/hold
	"$top/tests/guest/pack-initramfs.sh" "$cache/x86_64/host" "$image" "$top/tests/lab/init" \
		"$host_modules" "$top/tests/lab/dhcp=bin/dhcp" "$hold=bin/hold"
) 9>"$image.lock"

tty="" saved_tty=""
if [ -t 0 ] && [ -t 1 ]; then
	tty=1 saved_tty=$(stty -g)
fi
job=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkfifo "$job/monitor.in" "$job/monitor.out"
[ -n "$log" ] || log=$job/console
write_job

if [ -n "$tty" ]; then
	qemu <&0 &
	run=$! pids+=("$run")
else
	mkfifo "$job/pipe"
	cat "$job/pipe" &
	reader=$!
	exec 8<>"$job/pipe" # so that cat ends even when QEMU never opens it
	qemu </dev/null 8>&- &
	run=$! pids+=("$run" "$reader")
fi
watch_over "$run" 8>&- >/dev/null 2>&1 &
pids+=("$!")

rc=0
wait "$run" || rc=$?
if [ -z "$tty" ]; then
	exec 8>&-
	wait "$reader" || :
fi
if [ -s "$job/status" ]; then
	exit "$(cat "$job/status")"
elif [ -e "$job/stuck" ]; then
	die "L1 stood still: no sign of life for two minutes"
elif [ $rc = 124 ] || [ $rc = 137 ]; then
	echo "lab: the time limit of $limit s was hit" >&2
	exit 124
fi
tail -n 20 "$log" >&2 || :
die "L1 ended without a status (QEMU: $rc)"
