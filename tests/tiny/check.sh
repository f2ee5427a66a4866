# SPDX-License-Identifier: Apache-2.0
# tests/tiny/check.sh - the cases of doorbell check; part of run.sh, whose functions and variables it uses
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2317 # they are run.sh's; cases are called by name

# check WORDS OPTION... KERNEL: the same of doorbell check.
check() {
	timeout -k 5 "$limit" "$doorbell" check --net echo --append "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	out=$(tr -d '\0' <"$tmp/out")
	err=$(cat "$tmp/err")
}

t_flat_binary_is_checked() {
	check found --flat 0x200000 "$guests/guest.bin"
	is_status 0 && err_has "net0: 1 rule broken" && err_has "SHOULD cfg.generation-loop"
}

# In a DIRECTORY of its own. What ends by --timeout may take longer to come so far.
comes_to() { # DIRECTORY WORDS STATUS TEXT
	local tmp=$1 seconds
	mkdir "$tmp"
	for seconds in 1 4 30; do
		check "$2" --timeout $seconds "$guest"
		with "$2" is_status "$3" && with "$2" err_has "$4" && return
	done
	echo "$why" >"$tmp/why"
	return 1
}

# It never reads InterruptStatus, has not said that it needs no interrupts, and gets none.
t_driver_that_polls_need_not_look_at_interrupts() {
	local words
	for words in "unread off" "unread masked"; do
		check "$words" "$guest"
		with "$words" is_status 0 && with "$words" err_has "net0: 1 rule broken" &&
			with "$words" err_has "SHOULD cfg.generation-loop" || return
	done
}

# What a guest does, how it ends, what the report says. All at once: most of it is waiting.
t_driver_that_comes_to_nothing_is_11() {
	local words want part n=0 pids=() row
	while IFS='|' read -r words want part; do
		n=$((n + 1))
		comes_to "$tmp/$n" "$words" "$want" "$part" &
		pids+=($!)
	done <<-END
		verdict 0|11|the kernel never touched the device
		off|11|the kernel never touched the device
		fault|11|the guest died
		halt|11|has halted for good, with interrupts off, at 0x10
		driver negotiated loop|11|the driver never came as far as DRIVER_OK
		driver negotiated off|11|the driver never came as far as DRIVER_OK
		driver live loop|11|the driver never offered a buffer to receive into
		driver live verdict 0|11|the driver never offered a buffer to receive into
		driver filled fault|11|the guest died
		driver filled halt|11|has halted for good, with interrupts off, at 0x10
		driver filled loop|124|net0: 1 rule broken
		driver filled verdict 7|7|net0: 1 rule broken
		driver filled off|0|net0: 1 rule broken
		driver silent loop|10|MUST notif.must-kick
	END
	for n in "${!pids[@]}"; do
		wait "${pids[n]}" && continue
		row=$tmp/$((n + 1))
		why=$(cat "$row/why")
		cp "$row/out" "$row/err" "$tmp"
		return 1
	done
}

# Its console and the report go to one terminal, one pipe, or two files: the report can be read in each.
t_noise_on_the_console_does_not_break_the_report() {
	check "noise verdict 0" --report json="$tmp/json" "$guest"
	is_status 11 && grep -q '^net0: 0 rules broken' "$tmp/err" && [ "$(wc -c <"$tmp/out")" -gt 256 ] || return
	jq -e '.devices[0].trouble' "$tmp/json" >/dev/null || { why="no JSON" && return 1; }
	timeout -k 5 "$limit" "$doorbell" check --net echo --append "noise verdict 0" "$guest" >"$tmp/out" 2>&1 </dev/null
	grep -qa '^net0: 0 rules broken' "$tmp/out" || { why="one pipe: the report begins within the noise" && return 1; }
	timeout -k 5 "$limit" script -qec "'$doorbell' check --net echo --append 'noise verdict 0' '$guest'" /dev/null \
		>"$tmp/out" 2>"$tmp/err" </dev/null
	# Cancel, letters, soft reset, the usual screen; then the report.
	tr '\033\030\017' 'EcO' <"$tmp/out" | grep -qa 'no endcOE\[!pE\[?47l' || { why="a terminal is left as it is" && return 1; }
	grep -qa '^net0: 0 rules broken' "$tmp/out" || { why="a terminal: the report begins within the noise" && return 1; }
}

# A driver that has offered, and is about to kick. Should a busy machine take a second to pause it, that counts: once more.
t_pause_is_no_stall() {
	local try pid
	for try in 1 2 3; do
		rm -f "$tmp/keys"
		mkfifo "$tmp/keys"
		: >"$tmp/out"
		timeout -k 5 "$limit" "$doorbell" check --net echo --control "$tmp/ctl" --append "driver silent kick verdict 0" \
			"$guest" >"$tmp/out" 2>"$tmp/err" <"$tmp/keys" &
		pid=$!
		exec 8>"$tmp/keys"
		wait_out offered || return
		"$doorbell" ctl "$tmp/ctl" pause >/dev/null || return
		sleep 1.5 # of ten looks, a tenth of a second apart, there would be enough
		"$doorbell" ctl "$tmp/ctl" resume >/dev/null || return
		echo >&8
		exec 8>&-
		wait "$pid"
		status=$?
		is_status 0 && return
	done
	why="try $try: $why"
	return 1
}

t_reports_of_several_formats_are_written() {
	check hello --report json="$tmp/json" --report junit="$tmp/junit" --report text="$tmp/text" "$guest"
	is_status 11 || return
	grep -q '"trouble": "the kernel never touched the device"' "$tmp/json" &&
		grep -q '<failure message="the kernel never touched the device"' "$tmp/junit" &&
		grep -q '^  the kernel never touched the device' "$tmp/text" && return
	why="one of the three lacks what was found"
	return 1
}

# trace OPTION... : of the recording $tmp/one
trace() {
	err=$("$doorbell" trace "$@" "$tmp/one" 2>&1 >"$to")
	status=$?
}

t_trace_spares_the_recording_and_names_what_takes_no_more() {
	local to=/dev/null
	check hello --record "$tmp/one" "$guest"
	cp "$tmp/one" "$tmp/two"
	trace --pcap "$tmp/./one"
	is_status 2 && err_has "--pcap $tmp/./one: that is the recording" || return
	cmp -s "$tmp/one" "$tmp/two" || { why="the recording was written over" && return 1; }
	trace --pcap /dev/full
	is_status 1 && err_has "--pcap /dev/full: it could not be written" || return
	to=/dev/full
	trace
	is_status 1 && err_has "standard output cannot be written" || return
	trace --json
	is_status 1 && err_has "standard output cannot be written"
}

t_check_refuses_before_the_guest_starts() {
	local words part
	while IFS='|' read -r words part; do
		# shellcheck disable=SC2086 # an option and its value
		check hello $words "$guest"
		with "$words" is_status 2 && with "$words" is_out "" && with "$words" err_has "$part" || return
	done <<-END
		--ignore init.rset-first|the most like it is init.reset-first
		--explain init.rset-first|the most like it is init.reset-first
		--explain nope|there is no such rule: --list-rules shows them
		--provoke nope|there is no provocation 'nope': --list-provocations shows them
		--provoke reoder|the most like it is reorder
		--provoke legal,hostil|the most like it is hostile
		--report json=$tmp/none/report|--report json=$tmp/none/report: No such file or directory
		--report junit=$tmp|--report junit=$tmp: Is a directory
		--record $tmp/none/record|--record=$tmp/none/record: No such file or directory
		--record $tmp/one --report json=$tmp/one|--record $tmp/one: --report json writes that file, too
		--record $tmp/one --report json=$tmp/./one|--record $tmp/one: --report json writes that file, too
		--report text=$tmp/one --report json=$tmp/./one|--report json=$tmp/./one: --report text writes that file, too
		--net vhost-user,socket=$tmp/none/s|vhost-user: only rings that doorbell serves itself can be checked
		--matrix --net vhost-user,socket=$tmp/none/s|vhost-user: only rings that doorbell serves itself can be checked
		--report yaml=$tmp/report|allowed: text=FILE, json=FILE, junit=FILE
	END
}
