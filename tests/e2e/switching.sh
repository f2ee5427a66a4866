# SPDX-License-Identifier: Apache-2.0
# For tests with a guest whose net0 changes its path: sourced after lib.sh. $us and $it are the addresses; its
# control socket is $work/control.
# shellcheck shell=bash disable=SC2154 # variables of lib.sh and of the test files

ctl() {
	"$doorbell" ctl "$work/control" "$@"
}

path() { # pure|vhost
	ctl net0 "path=$1" || fail "path=$1"
}

path_is() {
	[ "$(ctl status | sed -n 's/.*"path": "\([a-z]*\)".*/\1/p' | head -n 1)" = "$1" ] ||
		fail "status does not say path $1"
}

# ---- at moments when little, or nothing, can move

switch_while_idle() { # TIMES
	local i
	for i in $(seq "$1"); do
		path pure
		path_is pure
		path vhost
		path_is vhost
		guest "ping -c 1 -W 5 $us >/dev/null" || fail "no answer after $((2 * i)) switches"
	done
}

no_ports() { # datagrams that reached the guest's UDP for nobody
	guest "awk '/^Udp: [0-9]/ { print \$3 }' /proc/net/snmp" 2>/dev/null
}

# Nobody empties the rings, of 256 each, and posts new buffers while the CPUs are stopped. The sender's ports spread
# the datagrams over the pairs.
switch_while_rx_rings_are_empty() { # PAIRS
	local before nr=$((400 * $1))
	guest "ping -c 1 -W 5 $us >/dev/null"
	before=$(no_ports)
	ctl pause
	for _ in $(seq $nr); do
		echo x >"/dev/udp/$it/9"
	done
	path pure
	path vhost
	path pure
	ctl resume
	guest "ping -c 1 -W 5 $us >/dev/null"
	path vhost
	guest "ping -c 1 -W 5 $us >/dev/null"
	[ $(($(no_ports) - before)) = $nr ] || fail "$(($(no_ports) - before)) of $nr datagrams arrived"
}

rebind() { # TIMES: by the guest, with a ping after each
	guest "cd /sys/bus/virtio/drivers/virtio_net && dev=\$(basename \$(readlink -f /sys/class/net/eth0/device)) &&
		for i in \$(seq $1); do
			echo \$dev >unbind && [ ! -e /sys/class/net/eth0 ] && echo \$dev >bind &&
			ip addr add $it/24 dev eth0 && ip link set eth0 up &&
			ping -c 1 -w 10 $us >/dev/null || { echo failed in round \$i; exit 1; }
		done"
}

switch_while_the_driver_is_rebound() { # TIMES
	local pid
	rebind "$1" &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		path pure
		path vhost
	done
	wait $pid || fail "$(cat "$work/hint")"
}

switch_while_the_link_is_down() {
	ctl net0 link=down
	guest "ping -c 1 -W 1 $us >/dev/null" && fail "a ping went through a link that is down"
	path pure
	path vhost
	ctl net0 link=up
	guest_has_link eth0
	guest "ping -A -c 3 -w 30 $us"
}
