# SPDX-License-Identifier: Apache-2.0
# User Mode Linux as a front end of doorbell backend: tests and benchmarks source this behind lib.sh.
# shellcheck shell=bash disable=SC2154 # variables of lib.sh

uml=$tools/uml
net=192.168.90 # card i: our end is .(4i + 1), the guest's .(4i + 2)

us() { # CARD
	echo $net.$((4 * $1 + 1))
}

it() {
	echo $net.$((4 * $1 + 2))
}

# The initramfs of the guests, with UML's own modules and netcheck. uml_initramfs OUTPUT [FILE=PATH...]
uml_initramfs() {
	local out=$1
	shift
	mkdir -p "$uml/lib"
	ln -sfn /usr/lib/uml/modules "$uml/lib/modules"
	basename /usr/lib/uml/modules/* >"$uml/release"
	"$top/tests/guest/pack-initramfs.sh" "$uml" "$out" "$top/tests/guest/init" virtio_net \
		"$tools/netcheck=bin/netcheck" "$@"
}

need_uml() {
	command -v linux.uml >/dev/null || skip "no linux.uml: package user-mode-linux"
	uml_initramfs "$uml/initramfs.cpio"
}

# Boots one with a network card at each socket. uml_boot INITRAMFS "WORD..." SOCKET...
uml_boot() {
	local initramfs=$1 words=$2 socket arguments=()
	shift 2
	for socket in "$@"; do
		arguments+=("virtio_uml.device=$socket:1")
	done
	# shellcheck disable=SC2086 # a list of words
	vm_run ${uml_nice-nice -n 19} linux.uml mem=128M initrd="$initramfs" con=null con0=fd:0,fd:1 \
		"${arguments[@]}" quiet panic=-1 agent $words
	vm_expect @agent
}

# One whose card i is at the socket $work/s<i>.
uml_start() { # CARDS [none]: without addresses
	local i words="" sockets=()
	for ((i = 0; i < $1; i++)); do
		words+=" net$i=${2:-$(it "$i")/30,$(us "$i")}"
		sockets+=("$work/s$i")
	done
	uml_boot "$uml/initramfs.cpio" "$words" "${sockets[@]}"
}

# SIGTERM does not end it, and SIGKILL leaves the processes in which its programs ran.
uml_kill() {
	local children
	[ -s "$work/pid" ] && [ ! -e "$work/status" ] || return 0
	children=$(pgrep -P "$(cat "$work/pid")" || :)
	vm_kill
	# shellcheck disable=SC2086 # a list of words
	[ -z "$children" ] || kill -KILL $children 2>/dev/null || :
}

# One of several guests: in_vm NAME COMMAND...
in_vm() {
	local work=$work/$1
	mkdir -p "$work"
	shift
	"$@"
}

works() { # CARD
	guest "ping -A -c 10 -w 20 $(us "$1")" | grep -w '0% packet loss' || fail "card $1: packets were lost"
	traffic "tcp connect $(us "$1") 7001 both" "tcp listen $(us "$1") 7001 both" bytes=300000
}

# A backend with a socket for each of these --net, and a guest with a card at each: cards_start TAP-PREFIX NET...
cards_start() {
	local prefix=$1 i=0 options=() set
	shift
	for set in "$@"; do
		options+=(--socket "$work/s$i" --net "${set/tap/tap,ifname=$prefix$i}")
		i=$((i + 1))
	done
	backend_start "${options[@]}"
	for ((i = 0; i < $#; i++)); do
		ip addr add "$(us "$i")/30" dev "$prefix$i"
		ip link set "$prefix$i" up
	done
	uml_start $#
}
