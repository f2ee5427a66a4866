# SPDX-License-Identifier: Apache-2.0
# User Mode Linux as a guest of doorbell backend: a test file sources this behind lib.sh. Network card i of it is at the
# socket $work/s<i>.
# shellcheck shell=bash disable=SC2154 # variables of lib.sh

uml=$tools/uml
net=192.168.90 # card i: our end is .(4i + 1), the guest's .(4i + 2)

us() { # CARD
	echo $net.$((4 * $1 + 1))
}

it() {
	echo $net.$((4 * $1 + 2))
}

# What User Mode Linux needs to boot: the guests' initramfs, with its own modules.
need_uml() {
	local release
	command -v linux.uml >/dev/null || skip "no linux.uml: package user-mode-linux"
	release=$(basename /usr/lib/uml/modules/*)
	mkdir -p "$uml/lib"
	ln -sfn /usr/lib/uml/modules "$uml/lib/modules"
	echo "$release" >"$uml/release"
	"$top/tests/guest/pack-initramfs.sh" "$uml" "$uml/initramfs.cpio" "$top/tests/guest/init" virtio_net \
		"$tools/netcheck=bin/netcheck"
}

uml_start() { # CARDS [none]: without addresses
	local i words="" arguments=()
	for ((i = 0; i < $1; i++)); do
		words+=" net$i=${2:-$(it "$i")/30,$(us "$i")}"
		arguments+=("virtio_uml.device=$work/s$i:1")
	done
	# shellcheck disable=SC2086 # a list of words
	vm_run nice -n 19 linux.uml mem=128M initrd="$uml/initramfs.cpio" con=null con0=fd:0,fd:1 \
		"${arguments[@]}" quiet panic=-1 agent $words
	vm_expect @agent
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
