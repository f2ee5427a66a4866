#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: kvm tap vhost-net cpus
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
# What doorbell bench counts of doorbell's guests, beside the kernel's tracepoints.
. "$(dirname "$0")/lib.sh"

tracing=/sys/kernel/tracing
rows=udp64/h2g/pure,rr/g2h/pure,rr/g2h/vhost,rr/g2g/pure-two
nat=rr/g2h/pure-nat
# Neighbour and router discovery, and the last words on the guest's console: what can happen at the edges of a window that
# begins and ends when nothing flows. The tracepoints begin before doorbell's counters and end after them.
strays=16 # for each guest

start_group() {
	need_tap
	[ -c /dev/vhost-net ] || skip "no /dev/vhost-net"
	[ -w $tracing/instances ] || skip "no tracefs"
	mkdir -p "$work/path" "$work/tmp"
	# Without QEMU: its rows would be measured, too.
	PATH=$work/path TMPDIR=$work/tmp "$doorbell" bench --quick --rounds 1 --only $rows,$nat --kernel "$bzimage" \
		--out "$work/out" </dev/null 9>&- || fail "bench: status $?"
}

of_row() { # ROW JQ-FILTER
	jq -e --arg row "$1" ".rows[] | select(.name == \$row) | $2" "$work/out/results.json"
}

not_compared() { # ROW
	local why
	why=$(of_row "$1" .why)
	case $why in
	*"initial PID namespace"*) skip "$1: $why" ;;
	esac
	fail "$1 was not compared: $why"
}

test_doorbell_counts_what_the_tracepoints_count() {
	local row key may
	for row in ${rows//,/ }; do
		may=$strays
		[ "$row" != rr/g2g/pure-two ] || may=$((2 * strays))
		of_row "$row" .tracepoints || not_compared "$row"
		for key in exits userspace_exits kicks interrupts interrupts_taken; do
			[ "$row $key" != "rr/g2h/vhost interrupts" ] || continue # only the kernel counts them
			of_row "$row" ".tracepoints.$key.agree" >/dev/null || fail "$row: $key differ"
		done
		of_row "$row" "[.tracepoints | del(.exits)[] | (.traced - .counted) | . >= 0 and . <= $may] | all" >/dev/null ||
			fail "$row: the tracepoints saw less than doorbell, or more than strays"
		of_row "$row" '.tracepoints | .exits.traced >= .exits.counted and .exits.counted > .interrupts_taken.counted and
			.interrupts_taken.counted > 20' >/dev/null || fail "$row: hardly anything was counted"
	done
}

test_the_guests_kernel_is_on_the_card() {
	jq -e '.subjects.pure.card.kernel | test("^[0-9]+[.][0-9]")' "$work/out/results.json" || fail "no release"
}

test_counts_have_what_they_should_be_and_the_article_says() {
	of_row rr/g2h/vhost '.metrics.userspace_exits.expected == 0 and .metrics.kicks.at_most' || fail "no expected counts"
	jq -e '[.equations[].row] - ["'$nat'"] | length == 4' "$work/out/results.json" || fail "not every row has an equation"
	# A short frame goes through one piece of ours: its payload, all but the header, is copied once more.
	jq -e '.equations[] | select(.row == "udp64/h2g/pure") | .terms[] | select(.term == "copy") |
		.article == 1 and (.observed > 1.5 and .observed < 2.1)' "$work/out/results.json" || fail "no copies"
	grep -q '^## The article' "$work/out/results.md" || fail "no table of it"
}

test_a_guest_is_measured_behind_a_router_that_translates() {
	local why
	why=$(of_row $nat '.why // ""')
	case $why in
	*"no NAT in this kernel"*) skip "$why" ;;
	esac
	of_row $nat '.state == "measured" and .metrics.p50_ns.median > 0' || fail "$why"
}

test_counts_of_two_guests_are_those_of_both() {
	# A round trip is two frames, each out of one guest and into the other: an interrupt each, and more in both than in one.
	of_row rr/g2g/pure-two ".metrics.interrupts.median > 1.5 * $(of_row rr/g2h/pure .metrics.interrupts.median)" ||
		fail "of one alone: $(of_row rr/g2g/pure-two .metrics.interrupts.median)"
}

test_slirp_and_pair_take_no_right_but_that_to_kvm() {
	local here=$work/user row
	setpriv --reuid 65534 --regid 65534 --clear-groups true || skip "nobody cannot be had here"
	mkdir -p "$here/tmp" "$here/guest"
	cp "$doorbell" "$here/doorbell"
	chmod 755 "$work"
	chown -R 65534:65534 "$here"
	mknod -m 666 "$here/kvm" c 10 232 && mknod -m 600 "$here/tun" c 10 200
	# shellcheck disable=SC2016 # of that shell
	unshare -m sh -c 'mount --bind "$0/kvm" /dev/kvm && mount --bind "$0/tun" /dev/net/tun && mount --bind "$1" "$0/guest" &&
		shift && exec "$@"' "$here" "$(dirname "$bzimage")" setpriv --reuid 65534 --regid 65534 --clear-groups \
		env PATH=/nowhere TMPDIR="$here/tmp" "$here/doorbell" bench --quick --rounds 1 --only rr/g2h/slirp,rr/g2g/pair \
		--kernel "$here/guest/vmlinuz" --out "$here/out" </dev/null 9>&- || fail "bench: status $?"
	for row in rr/g2h/slirp rr/g2g/pair; do
		jq -e ".rows[] | select(.name == \"$row\") | .state == \"measured\"" "$here/out/results.json" ||
			fail "$row: $(jq -r ".rows[] | select(.name == \"$row\") | .why" "$here/out/results.json")"
	done
	jq -e '.rows[] | select(.name == "rr/g2g/pure-two") | .state == "cannot" and
		(.why | test("^/dev/net/tun: Permission denied: TAP needs it"))' "$here/out/results.json" || fail "the right is not named"
	[ -z "$(ls -A "$here/tmp")" ] || fail "left behind: $(ls -A "$here/tmp")"
}

test_a_vmm_that_is_not_there_is_named() {
	of_row rr/g2h/qemu-microvm-vhost '.state == "cannot" and (.why | test("no qemu-system-x86_64"))' || fail "it is not"
}

test_nothing_is_left_behind() {
	local left
	left=$(find $tracing/instances -mindepth 1 -maxdepth 1; ls -A "$work/tmp")
	[ -z "$left" ] || fail "$left"
}

main "$@"
