#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: nothing
# doorbell bench, with rows that need neither KVM nor a right.
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
. "$(dirname "$0")/lib.sh"

export TMPDIR # what is left in it is left behind

# A row of nothing but system calls, and one of a copy.
rows=cost/syscall,cost/copy-64k

start_group() {
	"$doorbell" bench --list --only "$rows" >"$work/rows" || fail "this doorbell has no rows $rows"
	cat "$work/rows"
	[ "$(grep -c '^cost/' "$work/rows")" = 2 ] || fail "other rows than $rows"
}

# bench STATUS ARGUMENT...: runs in $work/here; a pattern for the status.
bench() {
	local status=$1 rc=0
	shift
	TMPDIR=$work/tmp
	mkdir -p "$work/here" "$TMPDIR"
	(cd "$work/here" && exec "$doorbell" bench "$@" </dev/null >"$work/stdout" 2>"$work/stderr" 9>&-) || rc=$?
	cat "$work/stdout" "$work/stderr"
	# shellcheck disable=SC2053 # a pattern
	[[ $rc = $status ]] || fail "status $rc instead of $status for: $*$(vm_error)"
	[ -z "$(ls -A "$TMPDIR")" ] || fail "left behind in \$TMPDIR: $(ls -A "$TMPDIR")"
}

test_the_list_has_every_row_and_the_time() {
	bench 0 --list
	grep -q '^cost/syscall ' "$work/stdout" || fail "a row is missing"
	grep -qE '^[0-9]+ rows, 24 of them the core; [0-9]+ can be measured here, [0-9]+ of them the core, in about [0-9]+:[0-9]{2} minutes$' "$work/stdout" || fail "no estimate"
	[ -z "$(ls -A "$work/here")" ] || fail "a list left a file behind"
}

test_a_peer_has_its_turn_beside_doorbell() {
	bench 0 --list --quick
	! grep -q '^[a-z0-9/]*/peer ' "$work/stdout" || fail "a peer that was not given is listed"
	bench 0 --list --quick --peer-cmd /bin/true
	[ "$(grep -c '^[a-z0-9/]*/peer ' "$work/stdout")" = 5 ] || fail "not every core row of pure has its peer"
}

test_results_are_whole_and_can_be_compared() {
	local f
	bench 0 --quick --only "$rows" --out "$work/out"
	grep -q '^cost/syscall  *ns ' "$work/stdout" || fail "no figure of the row"
	jq -e '.schema == "doorbell-bench/1" and (.rows | length) == 2 and
		(.rows[0].metrics.ns.samples | length) >= 6' "$work/out/results.json" >/dev/null || fail "the JSON lacks something"
	for f in results.csv results.md plots.gp index.html; do
		[ -s "$work/out/$f" ] || fail "$f is missing"
	done
	command -v gnuplot >/dev/null ||
		grep -q 'gnuplot is not installed' "$work/stdout" || fail "it is not said that there are no plots"
	! command -v gnuplot >/dev/null || grep -q '<svg' "$work/out/micro-ns.svg" || fail "no plot"
	[ -z "$(find "$work/out" -name '.*' -type f)" ] || fail "half a file was left behind"
	bench 0 compare "$work/out/results.json" "$work/out/results.json"
	grep -q '2 figures compared: 0 better, 0 worse' "$work/stdout" || fail "it is not equal to itself"
	bench 2 compare --gate counts "$work/out/results.json" "$work/out/results.json" # nothing is counted in it
}

test_compare_refuses_another_machine() {
	jq '.card.kvm = "another"' "$work/out/results.json" >"$work/other.json"
	bench 2 compare "$work/out/results.json" "$work/other.json"
	grep -q "kvm is '.*' in one and 'another'" "$work/stderr" || fail "it is not said what differs"
	bench 0 compare --force "$work/out/results.json" "$work/other.json"
	head -n 1 "$work/stdout" | grep -q 'Not results of one machine' || fail "the table does not say so"
}

test_the_gate_fails_when_a_count_got_worse() {
	jq '.rows[0].metrics.exits.samples = [1,1,1,1,1,1,1,1,1]' "$work/out/results.json" >"$work/a.json"
	jq '.rows[0].metrics.exits.samples = [2,2,2,2,2,2,2,2,2]' "$work/out/results.json" >"$work/b.json"
	bench 10 compare --gate counts "$work/a.json" "$work/b.json"
	grep -q '| 2.000 (2.000 .. 2.000) | worse |' "$work/stdout" || fail "the figure is not in the table"
	bench 0 compare --gate counts "$work/b.json" "$work/a.json"
}

test_bad_words_give_one_line() {
	local words
	for words in --only=no/row --rounds=0 '--quick --full' more --out=/dev/null/x --kernel=/nowhere compare \
		"compare /nowhere/a /nowhere/b" "compare $work/rows $work/rows" '--gate counts'; do
		# shellcheck disable=SC2086 # words
		bench 2 $words
		[ "$(wc -l <"$work/stderr")" = 1 ] || fail "$(wc -l <"$work/stderr") lines for: $words"
	done
}

test_a_signal_ends_it_and_leaves_nothing() {
	TMPDIR=$work/tmp
	mkdir -p "$work/here" "$TMPDIR"
	(cd "$work/here" && exec "$doorbell" bench --only cost --rounds 500 9>&- </dev/null \
		>"$work/stdout" 2>"$work/stderr") &
	local pid=$! rc=0
	wait_for "$boot_limit" "the first row" grep -q 'round 1 of 500' "$work/stderr"
	kill -TERM $pid
	wait $pid || rc=$?
	cat "$work/stderr"
	[ $rc = 143 ] || fail "status $rc"
	[ -z "$(ls -A "$TMPDIR")" ] || fail "left behind in \$TMPDIR: $(ls -A "$TMPDIR")"
	[ -z "$(ls -A "$work/here")" ] || fail "results were left behind: $(ls -A "$work/here")"
	grep -q 'ended by Terminated' "$work/stderr" || fail "it does not say why it ended"
}

test_what_a_peer_says_is_shown_as_plain_text() {
	if [ "$(id -u)" != 0 ] || [ ! -c /dev/kvm ] || [ ! -c /dev/net/tun ] || [ ! -r "$bzimage" ]; then
		skip "it takes root, /dev/kvm, /dev/net/tun and a kernel"
	fi
	local rc=0
	mkdir -p "$work/tmp"
	sed 's/^flags.*/& svm/' /proc/cpuinfo >"$work/cpuinfo"
	# No guest of doorbell's own, which would be waited for: the peer alone is started.
	# shellcheck disable=SC2016 # of that shell
	TMPDIR=$work/tmp unshare -m sh -c 'mount --bind "$0" /proc/cpuinfo && mount --bind /dev/null /dev/kvm && exec "$@"' \
		"$work/cpuinfo" "$doorbell" bench --quick --rounds 1 --only rr/g2h/peer --kernel "$bzimage" --out "$work/peer" \
		--peer-cmd 'printf "bad \\033[31m \\377 | <b>\\n" >&2; exit 3' </dev/null >"$work/stdout" 2>"$work/stderr" 9>&- || rc=$?
	cat -v "$work/stdout" "$work/stderr"
	[ $rc = 1 ] || fail "status $rc"
	jq -r '.rows[] | select(.name == "rr/g2h/peer") | .why' "$work/peer/results.json" >"$work/why"
	grep -qF 'it ended before it said @ready (guest0 ended with status 3; standard error: bad ?[31m ? | <b>)' "$work/why" || fail "why: $(cat -v "$work/why")"
	! LC_ALL=C grep -l "$(printf '\033')" "$work/stdout" "$work"/peer/*.* || fail "an escape code went out"
	[ -z "$(ls -A "$work/tmp")" ] || fail "left behind: $(ls -A "$work/tmp")"
}

# gnuplot COMMAND...: a shell script of that name, found before any other.
fake_gnuplot() {
	mkdir -p "$work/fake"
	printf '#!/bin/sh\n%s\n' "$*" >"$work/fake/gnuplot"
	chmod +x "$work/fake/gnuplot"
	PATH=$work/fake:$PATH
}

log_is_there() {
	[ -n "$(find "$TMPDIR" -name 'pure-guest0.log')" ]
}

test_a_signal_while_a_guest_boots_leaves_nothing() {
	if [ "$(id -u)" != 0 ] || [ ! -c /dev/kvm ] || [ ! -r "$bzimage" ]; then
		skip "it takes root, /dev/kvm and a kernel"
	fi
	local pid rc=0
	TMPDIR=$work/boot-tmp
	rm -rf "$work/there"
	mkdir -p "$work/there" "$TMPDIR"
	# A KVM that emulates starts guests that never come up, when it is taken for one that does not.
	sed 's/^flags.*/& svm/' /proc/cpuinfo >"$work/cpuinfo"
	# shellcheck disable=SC2016 # of that shell
	(cd "$work/there" && exec unshare -m sh -c 'mount --bind "$0" /proc/cpuinfo && exec "$@"' "$work/cpuinfo" \
		env PATH=/nowhere "$doorbell" bench --only rr/g2h/pure --rounds 500 --kernel "$bzimage" 9>&- </dev/null \
		>"$work/stdout" 2>"$work/stderr") &
	pid=$!
	wait_for "$boot_limit" "the start of a guest" log_is_there
	kill -TERM $pid
	wait $pid || rc=$?
	cat "$work/stderr"
	[ $rc = 143 ] || fail "status $rc"
	grep -q 'ended by Terminated: no results' "$work/stderr" || fail "it does not say why it ended"
	[ -z "$(ls -A "$TMPDIR")$(ls -A "$work/there")" ] || fail "left behind: $(ls -AR "$TMPDIR" "$work/there")"
	! grep -lqs "$TMPDIR/" /proc/[0-9]*/cmdline || fail "a guest is still there"
}

test_a_gnuplot_that_fails_leaves_no_half_plots() {
	rm -rf "$work/out"
	fake_gnuplot 'printf half >micro-ns.svg; exit 1'
	bench 0 --quick --rounds 1 --only cost/syscall --out "$work/out"
	grep -q 'gnuplot has not drawn all plots' "$work/stderr" || fail "it is not said"
	[ -z "$(find "$work/out" -name '*.svg' -o -name '*.png')" ] || fail "half a plot is there"
	! grep -E 'micro-ns\.(svg|png)' "$work/out/results.md" "$work/out/index.html" || fail "a link to no plot"
	# shellcheck disable=SC2016 # of that script
	fake_gnuplot 'case $2 in *svg*) printf "<svg/>" >micro-ns.svg;; *) printf half >micro-ns.png; exit 1;; esac'
	bench 0 --quick --rounds 1 --only cost/syscall --out "$work/out"
	[ -s "$work/out/micro-ns.svg" ] || fail "the plot that was drawn is not there"
	[ ! -e "$work/out/micro-ns.png" ] || fail "half a plot is there"
}

test_a_signal_while_plots_are_drawn_is_said() {
	rm -rf "$work/out"
	# Its parent is doorbell; nobody waits for the end of this sleep.
	# shellcheck disable=SC2016 # of that script
	fake_gnuplot 'printf half >micro-ns.svg; kill -TERM $PPID; exec sleep 1000'
	bench 143 --quick --rounds 1 --only cost/syscall --out "$work/out"
	grep -q 'ended by Terminated: what is in .* is whole, plots may be missing' "$work/stderr" || fail "it is not said"
	jq -e .schema "$work/out/results.json" >/dev/null || fail "the results are not whole"
	[ -z "$(find "$work/out" -name '*.svg' -o -name '*.png')" ] || fail "half a plot is there"
	! grep -E 'micro-ns\.(svg|png)' "$work/out/results.md" "$work/out/index.html" || fail "a link to no plot"
}

test_a_cable_needs_no_right_but_namespaces() {
	local run=()
	rm -rf "$work/out" "$work/user"
	mkdir -p "$work/user/tmp"
	cp "$doorbell" "$work/user/doorbell"
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid 65534 --regid 65534 --clear-groups true || skip "nobody cannot be had here"
		chmod 755 "$work"
		chown -R 65534:65534 "$work/user"
		run=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	fi
	(cd "$work/user" && TMPDIR=$work/user/tmp "${run[@]}" ./doorbell bench --quick --rounds 1 --only rr/g2h/veth \
		--out out </dev/null 9>&-) || fail "status $?"
	jq -r '.rows[0].why' "$work/user/out/results.json" >"$work/why"
	if grep -q 'sysctl' "$work/why"; then
		! "${run[@]}" unshare -Un true || fail "namespaces can be made here: $(cat "$work/why")"
		skip "$(cat "$work/why")"
	fi
	jq -e ".rows[0].metrics.p50_ns.samples | length > 0" "$work/user/out/results.json" || fail "$(cat "$work/why")"
	[ -z "$(ls -A "$work/user/tmp")" ] || fail "left behind: $(ls -A "$work/user/tmp")"
}

test_namespaces_that_are_refused_are_named_with_the_right() {
	[ "$(id -u)" = 0 ] || skip "a limit of namespaces needs root"
	unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_net_namespaces' ||
		skip "no user namespace with a limit can be had here"
	# None may be made below this one; root of it is who it is outside.
	# shellcheck disable=SC2016 # of that shell
	unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_net_namespaces && exec "$0" bench --list --only rr/g2h/veth' \
		"$doorbell" >"$work/stdout" 2>"$work/stderr" || fail "status $?: $(cat "$work/stderr")"
	grep -q '^1 (1 row): no user and network namespaces for us: root may make them; others see the sysctls' "$work/stdout" ||
		fail "$(cat "$work/stdout")"
}

test_the_list_says_which_micro_rows_cannot_be() {
	if [ -c /dev/kvm ]; then
		[ "$(id -u)" = 0 ] || skip "hiding /dev/kvm needs root"
		unshare -m mount --bind /dev/null /dev/kvm || skip "/dev/kvm cannot be hidden here"
		# shellcheck disable=SC2016 # of that shell
		unshare -m sh -c 'mount --bind /dev/null /dev/kvm && exec "$0" bench --list --only start,vcpu,boot,ring/pop' \
			"$doorbell" >"$work/stdout" || fail "status $?"
	else
		bench 0 --list --only start,vcpu,boot,ring/pop
	fi
	cat "$work/stdout"
	local guests
	guests=$(grep -cE '^(start|vcpu|boot)/' "$work/stdout")
	[ "$(grep -cE '^(start|vcpu|boot)/.*\(cannot here: 1\)$' "$work/stdout")" = "$guests" ] ||
		fail "not every row that needs a guest says so"
	grep -q "^1 ($guests rows): /dev/kvm: " "$work/stdout" || fail "the reason is missing"
	! grep '^ring/pop/split' "$work/stdout" | grep -q 'cannot here' || fail "a ring needs no guest"
}

test_a_full_disk_is_said() {
	[ "$(id -u)" = 0 ] || skip "a small disk needs root"
	mkdir -p "$work/disk"
	mount -t tmpfs -o size=64k tmpfs "$work/disk" || skip "no tmpfs can be mounted here"
	head -c 128K /dev/zero >"$work/disk/fill" 2>/dev/null || :
	(bench 1 --quick --only cost/syscall --out "$work/disk") || fail "$(cat "$work/reason"; umount "$work/disk")"
	ls -A "$work/disk" >"$work/on-disk"
	umount "$work/disk"
	grep -q 'results.json cannot be written: No space left' "$work/stderr" || fail "it is not said"
	! grep -E 'json|^\.' "$work/on-disk" || fail "half a file is there"
}

main "$@"
