#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# Stock Debian's driver with regs= and kick= in all combinations; what an interrupt costs with each.
. "$(dirname "$0")/lib.sh"

tap=dbe2e1 us=192.168.78.1 it=192.168.78.2

start() { # CPUS KEYS
	need_tap
	tap_add $tap $us/24
	vm_start -c "$1" --control "$work/ctl" --net "tap,ifname=$tap,$2" \
		-a "$(append_agent net0=$it/24,$us)" "$bzimage"
	vm_expect @agent
}

ctl() {
	"$doorbell" ctl "$work/ctl" "$@"
}

counter() { # NAME...: the sum of these counters over all CPUs and NICs
	ctl stats >"$work/stats"
	for _ in "$@"; do
		sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" "$work/stats"
		shift
	done | awk '{n += $1} END {print n + 0}'
}

# Leaves in $exits and $interrupts how many more there are after 400 pings from our side.
ping_and_count() {
	busybox ping -A -c 20 -w 60 $it >/dev/null # addresses are resolved
	exits=$(counter exits_mmio) interrupts=$(counter rx_interrupts tx_interrupts)
	busybox ping -A -c 400 -w 300 $it | tail -n 2 | grep -w '0% packet loss' || packets_were_lost
	exits=$(($(counter exits_mmio) - exits))
	interrupts=$(($(counter rx_interrupts tx_interrupts) - interrupts))
	echo "400 pings: $exits MMIO exits to userspace, $interrupts interrupts"
}

# Who has stopped: the guest, its driver, or we? The numbers before and after it was asked are in the log.
packets_were_lost() {
	ctl stats
	guest "cat /proc/interrupts; ip -s link show eth0; cat /proc/net/snmp"
	ctl stats
	fail "packets were lost; the guest itself answers"
}

carrier() { # 0|1: waits until the guest has seen it
	guest "for i in \$(seq 100); do [ \$(cat /sys/class/net/eth0/carrier) = $1 ] && exit 0; sleep 0.1; done; exit 1"
}

traffic_both_ways() {
	traffic "tcp connect $us 7001 both" "tcp listen $us 7001 both" bytes=300000
	traffic "tcp listen $it 7001 both" "tcp connect $it 7001 both" bytes=300000
}

link_goes_down_and_up() {
	for _ in 1 2 3; do
		ctl net0 link=down
		carrier 0
		ctl net0 link=up
		carrier 1
	done
}

driver_comes_and_goes() { # TIMES
	guest "cd /sys/bus/virtio/drivers/virtio_net && dev=\$(ls -d virtio*) && for i in \$(seq $1); do
		echo \$dev >unbind && [ ! -e /sys/class/net/eth0 ] && echo \$dev >bind &&
		ip addr add $it/24 dev eth0 && ip link set eth0 up &&
		ping -c 1 -w 10 $us >/dev/null || { echo failed in round \$i; exit 1; }
	done"
}

test_interrupts_cost_no_exit_with_the_page_on_one_cpu() {
	start 1 regs=page
	link_goes_down_and_up
	driver_comes_and_goes 2
	traffic_both_ways
	ping_and_count
	[ "$interrupts" -ge 100 ] || fail "only $interrupts interrupts"
	[ "$exits" = 0 ] || fail "$exits exits to userspace in 400 pings"
	guest_off
}

test_interrupts_cost_no_exit_with_the_page_on_two_cpus() {
	start 2 regs=page
	traffic_both_ways
	link_goes_down_and_up
	driver_comes_and_goes 5
	traffic_both_ways
	ping_and_count
	[ "$exits" = 0 ] || fail "$exits exits to userspace in 400 pings"
	guest_off
}

# The handler may run once for two edges, so there are less than two exits for each interrupt.
test_interrupts_cost_two_exits_without_the_page() {
	start 2 regs=trap
	traffic_both_ways
	link_goes_down_and_up
	ping_and_count
	[ "$exits" -ge "$interrupts" ] || fail "$exits exits for $interrupts interrupts"
	guest_off
}

test_each_kick_exits_when_asked_for() {
	start 2 regs=page,kick=exit,poll=off # who looks for frames asks for no kicks
	traffic_both_ways
	ping_and_count
	[ "$exits" -ge 200 ] || fail "$exits exits in 400 pings"
	guest_off
}

test_version_1() {
	start 2 transport=mmio-legacy
	traffic_both_ways
	link_goes_down_and_up
	driver_comes_and_goes 1
	guest_off
}

test_user_network_with_the_page() {
	vm_start --net user,regs=page -a "$(append_agent net0=dhcp)" "$bzimage"
	vm_expect @agent
	guest "ip -4 addr show dev eth0 | grep -q 'inet 10.0.2.15' && ping -A -c 20 -w 30 10.0.2.2"
	guest_off
}

main "$@"
