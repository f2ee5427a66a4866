#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: nothing
# How doorbell bench ends what it has started, with guests that take no virtual machine.
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# shellcheck disable=SC2016 # of other shells
. "$(dirname "$0")/lib.sh"

export TMPDIR # what is left in it is left behind

# The load generator of the end outside is a guest, too: once more, beside it, on an eth0 that leads nowhere.
start_group() {
	if [ "$(id -u)" != 0 ] || [ ! -c /dev/kvm ] || [ ! -c /dev/net/tun ] || [ ! -r "$bzimage" ]; then
		skip "it takes root, /dev/kvm, /dev/net/tun and a kernel"
	fi
	sed 's/^flags.*/& svm/' /proc/cpuinfo >"$work/cpuinfo"
	cat >"$work/guest" <<'END'
#!/bin/sh
ip tuntap add dev eth0 mode tap
for p in /proc/[0-9]*; do
	[ "$(readlink "$p/ns/net")" = "$(readlink /proc/self/ns/net)" ] || continue
	case $(readlink "$p/exe") in
	/memfd:load*) echo $$ >"$1" && exec "$p/exe" ;;
	esac
done
END
	chmod +x "$work/guest"
}

# bench_begin NAME PEER ARGUMENT...: in the background; no guest of doorbell's own or QEMU's, which would be waited for, but the
# peer. Its files are $work/NAME.*, and its process is the last one.
bench_begin() {
	local name=$1 peer=$2
	shift 2
	TMPDIR=$work/$name.tmp
	mkdir -p "$TMPDIR" "$work/$name.there"
	# A shell's own children in the background do not see SIGINT otherwise.
	(cd "$work/$name.there" && exec env --default-signal=INT,HUP unshare -m sh -c 'mount --bind "$0" /proc/cpuinfo &&
		mount --bind /dev/null /dev/kvm && exec "$@"' "$work/cpuinfo" "$doorbell" bench --kernel "$bzimage" "$@" \
		--peer-cmd "$peer" </dev/null >"$work/$name.stdout" 2>"$work/$name.stderr" 9>&-) &
}

gone() { # NAMESPACE: has its last process ended?
	! readlink /proc/[0-9]*/ns/net | grep -qxF "$1"
}

ended_by() { # SIGNAL STATUS
	local pid rc=0 ns
	rm -rf "$work/$1".*
	bench_begin "$1" "exec $work/guest $work/$1.guest" --only rr/g2h/peer --rounds 500
	pid=$!
	wait_for "$boot_limit" "packets" grep -q 'rr/g2h/peer, round 1 of 500' "$work/$1.stderr"
	ns=$(readlink "/proc/$(cat "$work/$1.guest")/ns/net")
	nsenter -t "$(cat "$work/$1.guest")" -n ip link show dev b0 || fail "there is no TAP that could be left"
	kill "-$1" $pid
	wait $pid || rc=$?
	cat "$work/$1.stderr"
	[ $rc = "$2" ] || fail "$1: status $rc"
	wait_for 10 "the guest's end" process_gone "$work/$1.guest"
	wait_for 10 "the end of its network" gone "$ns"
	! tap_exists b0 || fail "$1: the TAP is here"
}

test_a_signal_while_a_guest_runs_leaves_no_tap_network_process_or_file() {
	local sig
	for sig in INT:130 TERM:143 HUP:129; do
		ended_by "${sig%:*}" "${sig#*:}"
		grep -q 'ended by .*: no results were written' "$work/${sig%:*}.stderr" || fail "it is not said"
		[ -z "$(ls -A "$TMPDIR")$(ls -A "$work/${sig%:*}.there")" ] ||
			fail "${sig%:*}: left behind: $(ls -AR "$TMPDIR" "$work/${sig%:*}.there")"
	done
}

test_a_kill_leaves_no_tap_network_or_process() {
	ended_by KILL 137
}

test_a_row_whose_vmm_ends_is_marked_and_the_rest_goes_on() {
	local rc=0
	bench_begin ends 'echo "the VMM is out of order" >&2; exit 3' --quick --rounds 1 --only rr/g2h/peer,rr/g2h/veth \
		--out "$work/ends.out"
	wait $! || rc=$?
	cat "$work/ends.stdout" "$work/ends.stderr"
	[ $rc = 1 ] || fail "status $rc"
	jq -r '.rows[] | select(.name == "rr/g2h/peer") | .state, .why' "$work/ends.out/results.json" | tee "$work/said"
	printf 'failed\nit ended before it said @ready (guest0 ended with status 3; standard error: the VMM is out of order)\n' |
		cmp - "$work/said" || fail "$(cat "$work/said")"
	jq -e '.rows[] | select(.name == "rr/g2h/veth") | .state == "measured"' "$work/ends.out/results.json" ||
		fail "the rest did not go on"
	[ -z "$(ls -A "$TMPDIR")" ] || fail "left behind: $(ls -A "$TMPDIR")"
}

test_a_guest_that_is_killed_while_packets_flow_is_named_with_the_signal_and_started_anew() {
	local pid rc=0
	bench_begin killed "exec $work/guest $work/killed.guest" --only rr/g2h/peer --rounds 2 --out "$work/killed.out"
	pid=$!
	wait_for "$boot_limit" "packets" grep -q 'rr/g2h/peer, round 1 of 2' "$work/killed.stderr"
	kill -SEGV "$(cat "$work/killed.guest")"
	kill -CONT "$(cat "$work/killed.guest")" 2>/dev/null || : # it may have been at rest
	wait $pid || rc=$?
	cat "$work/killed.stdout"
	[ $rc = 1 ] || fail "status $rc" # the row that it is measured against has no KVM
	jq -r '.rows[] | select(.name == "rr/g2h/peer") | .state + ": " + .started_anew' "$work/killed.out/results.json" >"$work/said"
	grep -q '^measured: in round 1, .*(guest0 ended by signal 11 (Segmentation fault)' "$work/said" || fail "$(cat "$work/said")"
}

test_no_room_for_what_a_run_needs_is_said() {
	local rc=0
	rm -rf "$work/full.tmp"
	mkdir -p "$work/full.tmp"
	mount -t tmpfs -o size=64k tmpfs "$work/full.tmp" || skip "no tmpfs can be mounted here"
	bench_begin full /bin/true --quick --rounds 1 --only rr/g2h/peer --out "$work/full.out"
	wait $! || rc=$?
	ls -A "$work/full.tmp" >"$work/said"
	umount "$work/full.tmp"
	cat "$work/full.stdout"
	[ $rc = 0 ] || fail "status $rc" # nothing of it can be measured here
	jq -r '.rows[] | select(.name == "rr/g2h/peer") | .why' "$work/full.out/results.json" |
		grep -q 'initrd cannot be written: is the disk full?$' || fail "it is not said"
	[ ! -s "$work/said" ] || fail "left behind: $(cat "$work/said")"
}

main "$@"
