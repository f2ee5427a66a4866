# SPDX-License-Identifier: Apache-2.0
# tests/tiny/forward.sh - cases in which the guest sends on what it receives; part of run.sh, as check.sh is
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317 # they are run.sh's; cases are called by name

# Frames with numbers on their way through the guest: what became of them is WANTED by FILTER.
forwarded() { # FILTER WANTED WORDS OPTION...
	local filter=$1 wanted=$2 is
	shift 2
	run --stats="$tmp/stats" --append "$@" "$guest"
	with "$*" is_status 0 && with "$*" is_quiet || return
	is=$(jq -c "$filter" "$tmp/stats")
	[ "$is" = "$wanted" ] || { why="$*: $filter is $is, expected $wanted" && return 1; }
}

numbered='| [.good, .lost, .duplicated, .reordered, .corrupted, .others]'

t_generated_frames_come_back_whole() {
	local filter=".nics[0] | [.device.rx_frames, .backend.sends], (.numbered $numbered)"
	forwarded "$filter" $'[200,200]\n[200,0,0,0,0,0]' "forward 200" --net gen,rate=0,count=200 &&
		forwarded "$filter" $'[50,50]\n[50,0,0,0,0,0]' "forward 50" --net gen,rate=5000,count=50,size=1514 &&
		forwarded "$filter" $'[50,50]\n[45,5,0,0,5,0]' "spoil 50" --net gen,rate=0,count=50
}

t_generated_frames_arrive_in_the_sink() {
	local filter=".nics[0].device.rx_frames, .nics[1].device.tx_frames, (.nics[1].numbered $numbered)"
	forwarded "$filter" $'200\n200\n[200,0,0,0,0,0]' "forward 200" --net gen,rate=0,count=200 --net sink &&
		forwarded "$filter" $'50\n50\n[45,5,0,0,5,0]' "spoil 50" --net gen,rate=0,count=50 --net sink
}

t_null_takes_every_frame_and_gives_none() {
	forwarded '.nics[1] | [.backend.sends, .backend.send_bytes, .device.rx_frames, .numbered]' \
		"[200,$((200 * (60 + 12))),0,null]" "forward 200" --net gen,rate=0,count=200 --net null
}

killed_backend() { # its process: $backend
	"$doorbell" backend -v -v --control "$tmp/theirs" --socket "$tmp/front" --net null 2>>"$tmp/backend" </dev/null >/dev/null &
	backend=$!
}

said() { # ours|theirs FILTER: in what ctl stats says
	"$doorbell" ctl "$tmp/$1" stats 2>/dev/null | jq "$2"
}

said_until() { # ours|theirs FILTER
	until [ "$(said "$1" "$2")" = true ]; do
		kill -0 "$pid" 2>/dev/null || { why="the guest has ended before $2" && return 1; }
	done
}

# Five times, under load. Leaves in $used how many requests the driver had seen done when the last one began, and in
# $found how many it had offered besides, over all times.
backend_deaths() {
	local before given n
	for n in 1 2 3 4 5; do
		before=$(said ours .nics[0].device.rx_frames)
		said_until ours ".nics[0].device.rx_frames > ${before:-0} + 100" || return
		kill -KILL "$backend"
		wait "$backend" 2>/dev/null
		given=$(said ours .nics[0].device.rx_frames)
		killed_backend
		said_until ours ".nics[1].backend.reconnects == $n" || return
		said_until ours ".nics[0].device.rx_frames > $given + 8" || return
		used=$((0x$(sed -n 's/.*SET_VRING_BASE .*: 0x\(.*\)00000001$/\1/p' "$tmp/backend" | tail -n 1)))
		found=$((found + given - used))
	done
}

# The driver ends when each request of 10000 has come back once; one that comes back otherwise ends it earlier.
t_a_backend_killed_with_requests_in_flight_is_followed_by_one_that_does_them() {
	local pid backend used=0 found=0 rc sent=0
	: >"$tmp/backend"
	killed_backend
	timeout -k 5 "$limit" "$doorbell" run --control "$tmp/ours" --stats="$tmp/stats" --net gen,rate=0,count=10000 \
		--net "vhost-user,socket=$tmp/front" --append "forward 10000" "$guest" >"$tmp/out" 2>"$tmp/err" </dev/null &
	pid=$!
	until [ -S "$tmp/ours" ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
	backend_deaths
	rc=$?
	wait "$pid"
	status=$?
	sent=$(said theirs .nics[0].device.tx_frames)
	kill "$backend"
	wait "$backend" 2>/dev/null
	[ "$rc" = 0 ] && is_status 0 && is_out "" || return
	[ "$found" -gt 0 ] || { why="nothing was in flight" && return 1; }
	# The last one did what its predecessor had not finished, and the rest, each once.
	[ "$sent" = $((10000 - used)) ] || { why="the last one sent $sent frames, of 10000 $used were done" && return 1; }
	# Meanwhile they waited: doorbell dropped none.
	[ "$(jq -c '.nics[1] | [.backend.reconnects, .device.tx_dropped, .device.tx_frames]' "$tmp/stats")" = "[5,0,0]" ] || {
		why="$(jq -c '.nics[1] | [.backend.reconnects, .device.tx_dropped, .device.tx_frames]' "$tmp/stats")"
		return 1
	}
	[ "$(grep -c ' GET_INFLIGHT_FD ' "$tmp/backend") $(grep -c ' SET_INFLIGHT_FD ' "$tmp/backend")" = "1 6" ] || {
		why="the inflight region was not handed on: $(grep INFLIGHT "$tmp/backend")"
		return 1
	}
}
