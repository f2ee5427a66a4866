#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: nothing
# shellcheck disable=SC1091,SC2154 # lib.sh, uml.sh and the variables they set
# What only time brings to light: for $SOAK_SECONDS (300) a guest uses each of its cards, takes their drivers away and gives
# them back, and is killed now and then. Not a part of the other runs: tests/run.sh --soak.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/uml.sh"

sets=("tap" "tap,features=minimal" "tap,queues=2" "tap,features=default+packed+in_order")
bound=/sys/bus/virtio/drivers/virtio_net

start_group() {
	need_tap
	need_uml
	cards_start dbs "${sets[@]}"
}

end_group() {
	uml_kill
	backend_signal TERM
}

held() { # descriptors and kilobytes of the backend
	local pid
	pid=$(cat "$work/backend.pid")
	echo "$(find "/proc/$pid/fd" | wc -l) $(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status")"
}

round() { # NUMBER
	local i
	for i in "${!sets[@]}"; do
		works "$i"
		traffic "udp listen $(it "$i") 7002 both" "udp connect $(it "$i") 7002 both" count=100
		guest "echo virtio$i >$bound/unbind && echo virtio$i >$bound/bind &&
			ip link set eth$i up && ip addr add $(it "$i")/30 dev eth$i" ||
			fail "round $1, card $i: the driver does not come back"
		ctl "net$i" link=down
		ctl "net$i" link=up
	done
	[ $(($1 % 5)) != 0 ] || {
		uml_kill
		uml_start ${#sets[@]}
	}
}

test_it_lasts() {
	local end=$((SECONDS + ${SOAK_SECONDS:-300})) n=0 fds kb more_fds more_kb
	round 1
	read -r fds kb < <(held)
	for ((n = 2; SECONDS < end; n++)); do
		round $n
	done
	read -r more_fds more_kb < <(held)
	echo "$n rounds; descriptors $fds, then $more_fds; kB $kb, then $more_kb"
	[ "$more_fds" -le "$fds" ] || fail "$more_fds descriptors after $n rounds, $fds at first"
	[ "$more_kb" -le $((kb + 4096)) ] || fail "$more_kb kB after $n rounds, $kb at first"
	ctl status | jq -e '.nics | all(.refused == 0)' || fail "a connection was refused"
	ctl stats | jq -e '.nics | all(.broken == 0 and .device.ctrl_errors == 0)' || fail "a driver broke a rule"
}

main "$@"
