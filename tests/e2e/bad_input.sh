#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# needs: nothing
# Input that cannot work gives one clear line and status 2 (1 when it is the host that refuses), before
# anything has started, and leaves nothing behind.
# shellcheck disable=SC1091,SC2154 # lib.sh and the variables it sets
. "$(dirname "$0")/lib.sh"

# refused STATUS REGEX ARGUMENT... : what doorbell must answer to the arguments; STATUS is a pattern.
refused() {
	local status=$1 regex=$2 rc=0
	shift 2
	mkdir -p "$work/empty"
	ip -o link >"$work/links" 2>/dev/null
	echo "+ doorbell $*"
	(cd "$work/empty" && exec timeout 30 "$doorbell" "$@" </dev/null >"$work/stdout" 2>"$work/stderr" 9>&-) ||
		rc=$?
	cat "$work/stderr"
	# shellcheck disable=SC2053 # a pattern
	[[ $rc = $status ]] || fail "status $rc instead of $status for: $*$(vm_error)"
	[ "$(wc -l <"$work/stderr")" = 1 ] || fail "$(wc -l <"$work/stderr") lines on stderr for: $*"
	grep -qiE -e "$regex" "$work/stderr" || fail "'$(cat "$work/stderr")' lacks '$regex' for: $*"
	[ ! -s "$work/stdout" ] || fail "something on stdout for: $*"
	[ -z "$(ls -A "$work/empty")" ] || fail "left a file behind: $(ls -A "$work/empty")"
	ip -o link 2>/dev/null | cut -d: -f2 | diff <(cut -d: -f2 "$work/links") - >/dev/null ||
		fail "left an interface behind: $*"
}

# A file of N bytes that begins with the given ones: bytes FILE SIZE FORMAT-FOR-PRINTF
bytes() {
	# shellcheck disable=SC2059 # that is what it is for
	printf "$3" >"$1"
	truncate -s "$2" "$1"
}

kernel() { # REGEX FILE: a file that is no kernel for us
	refused 2 "$1" run --net none -i "$initrd" "$2"
}

test_no_kernel_is_said() {
	refused 2 'kernel' run
	refused 2 'kernel' run -m 64M
}

test_two_kernels_are_too_many() {
	refused 2 'one kernel' run "$bzimage" "$bzimage"
}

test_a_missing_kernel_is_named() {
	kernel 'nowhere/kernel.*(no such file|does not exist)' "$work/nowhere/kernel"
}

test_a_directory_is_no_kernel() {
	kernel 'directory' "$work"
}

test_an_empty_kernel_is_refused() {
	: >"$work/empty-kernel"
	kernel 'empty' "$work/empty-kernel"
}

test_a_truncated_bzimage_is_refused() {
	local n
	for n in 300 600 5000 1000000; do
		head -c $n "$bzimage" >"$work/cut"
		kernel 'cut' "$work/cut"
	done
}

test_a_truncated_vmlinux_is_refused() {
	local n
	for n in 20 64 100 4000 10000000; do
		head -c $n "$vmlinux" >"$work/cut"
		kernel 'cut' "$work/cut"
	done
}

test_an_arm64_image_is_named_for_what_it_is() {
	bytes "$work/image" 65536 "$(printf '%56s' '' | sed 's/ /\\0/g')ARMd"
	kernel 'arm64' "$work/image"
}

test_packed_files_are_named_for_what_they_are() {
	gzip -c "$initrd" >"$work/packed.gz"
	kernel 'gzip' "$work/packed.gz"
	xz -0 -c "$tools/verdict" >"$work/packed.xz"
	kernel 'xz' "$work/packed.xz"
	bytes "$work/packed.zst" 4096 '\x28\xb5\x2f\xfd'
	kernel 'zst' "$work/packed.zst"
}

test_elf_files_of_other_machines_are_refused() {
	bytes "$work/elf32" 4096 '\x7fELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1\0\0\0'
	kernel '32.bit' "$work/elf32"
	bytes "$work/elf-arm" 4096 '\x7fELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\xb7\0\1\0\0\0'
	kernel 'arm|aarch64|machine' "$work/elf-arm"
}

test_text_and_noise_are_no_kernels() {
	echo 'I am not a kernel.' >"$work/text"
	kernel 'text' "$work/text"
	tail -c 50000 "$bzimage" >"$work/noise"
	kernel 'noise' "$work/noise"
}

test_a_missing_initrd_is_named() {
	refused 2 'nowhere/initrd' run --net none -i "$work/nowhere/initrd" "$bzimage"
}

test_an_empty_initrd_is_refused() {
	: >"$work/empty-initrd"
	refused 2 'initrd' run --net none -i "$work/empty-initrd" "$bzimage"
}

test_a_truncated_initrd_is_refused() {
	local n
	for n in 50 150 10001 1000001; do
		head -c $n "$initrd" >"$work/cut-initrd"
		refused 2 "initrd.*truncated" run --net none -i "$work/cut-initrd" "$bzimage"
		refused 2 "initrd.*truncated" run --net none -i "$work/cut-initrd" "$vmlinux"
	done
}

test_an_initrd_that_does_not_fit_is_refused() {
	truncate -s 200M "$work/large"
	refused 2 'fit|large|memory' run --net none -m 128M -i "$work/large" "$bzimage"
	rm "$work/large"
}

test_a_kernel_that_does_not_fit_is_refused() {
	refused 2 'fit|large|memory' run --net none -m 8M "$bzimage"
	refused 2 'fit|large|memory' run --net none -m 16M "$vmlinux"
}

test_a_command_line_that_is_too_long_is_refused() {
	refused 2 'command line' run --net none -a "$(printf '%5000s' '' | tr ' ' x)" "$bzimage"
}

test_an_unknown_command_is_refused() {
	refused 2 'frobnicate' frobnicate
}

test_words_that_mean_nothing_are_refused() {
	refused 2 'version.*extra' version extra
	refused 2 'help.*run' help run
	refused 2 "user.*unknown key ''" run --net user, "$bzimage"
	refused 2 "user.*unknown key ''" run --net user,mtu=1500, "$bzimage"
}

test_an_unknown_option_is_named() {
	refused 2 'frobnicate' run --frobnicate "$bzimage"
	refused 2 'memo' run --memo 64M "$bzimage"
	refused 2 'X' run -X "$bzimage"
}

test_an_option_without_its_value_is_refused() {
	refused 2 'append' run "$bzimage" --append
	refused 2 'mem|-m' run "$bzimage" -m
}

test_wrong_values_are_named_with_what_is_allowed() {
	local value
	for value in 0 1M 12x -5 '' 99999999999999999999 513G; do
		refused 2 "(-m|mem).*$value.*allowed" run --net none -m "$value" "$bzimage"
	done
	for value in 0 -1 x 100000 ''; do
		refused 2 'cpus' run --net none -c "$value" "$bzimage"
	done
	refused 2 'console.*stdio.*none.*file' run --net none --console vga "$bzimage"
	refused 2 'announce.*acpi' run --net none --announce smoke "$bzimage"
	refused 2 'on-reboot.*exit.*restart' run --net none --on-reboot never "$bzimage"
	for value in 0 -1 soon; do
		refused 2 'timeout' run --net none --timeout "$value" "$bzimage"
	done
}

test_an_unknown_kind_of_network_is_named() {
	refused 2 'carrier-pigeon.*user.*tap' run --net carrier-pigeon "$bzimage"
	refused 2 'tap0.*user' run --net tap0 "$bzimage"
}

test_unknown_network_keys_are_named_with_those_that_exist() {
	refused 2 'colour.*mac' run --net user,colour=red "$bzimage"
	refused 2 'ma[^c].*mac' run --net user,ma=52:54:00:00:00:01 "$bzimage"
	refused 2 'hostfwd.*mac|hostfwd.*ifname' run --net tap,hostfwd=tcp:127.0.0.1:1-:1 "$bzimage"
}

test_wrong_mac_addresses_are_refused() {
	refused 2 'mac.*multicast' run --net user,mac=01:00:5e:00:00:01 "$bzimage"
	refused 2 'mac' run --net user,mac=00:00:00:00:00:00 "$bzimage"
	refused 2 'mac' run --net user,mac=52:54:00:12:34 "$bzimage"
	refused 2 'mac' run --net user,mac=52:54:00:12:34:5g "$bzimage"
	refused 2 'mac' run --net user,mac= "$bzimage"
}

test_wrong_network_values_are_refused() {
	refused 2 'mtu' run --net user,mtu=10 "$bzimage"
	refused 2 'mtu' run --net user,mtu=70000 "$bzimage"
	refused 2 'queue-size' run --net user,queue-size=100 "$bzimage"
	refused 2 'queue-size' run --net user,queue-size=4096 "$bzimage"
	refused 2 'restrict' run --net user,restrict=perhaps "$bzimage"
	refused 2 'features' run --net user,features=default+telepathy "$bzimage"
	refused 2 'fd' run --net tap,fd=x "$bzimage"
}

test_wrong_port_forwardings_are_refused() {
	local value
	for value in nonsense tcp tcp: tcp:127.0.0.1:80 tcp:127.0.0.1:99999-:80 sctp:127.0.0.1:80-:80 \
		tcp:127.0.0.1:80-:0 tcp:300.0.0.1:80-:80; do
		refused 2 'hostfwd' run --net "user,hostfwd=$value" "$bzimage"
	done
}

test_a_forwarded_port_that_is_in_use_is_named() {
	local pid
	"$tools/netcheck" udp listen 127.0.0.1 17999 recv timeout=60 >/dev/null 2>&1 9>&- &
	pid=$!
	wait_for 10 "the port to be taken" taken 17999
	refused 1 '17999' run --net user,hostfwd=udp:127.0.0.1:17999-:1 -i "$initrd" "$bzimage"
	kill $pid
}

taken() { # PORT
	grep -qi ":$(printf %04X "$1") " /proc/net/udp
}

test_two_forwardings_of_one_port_are_refused() {
	refused '[12]' '17998' run --net "user,hostfwd=tcp:127.0.0.1:17998-:1,hostfwd=tcp:127.0.0.1:17998-:2" \
		-i "$initrd" "$bzimage"
}

test_a_tap_descriptor_that_is_none_is_refused() {
	refused 2 'fd=77 is not open' run --net tap,fd=77 -i "$initrd" "$bzimage"
	refused 2 'fd=0 is not a TAP' run --net tap,fd=0 -i "$initrd" "$bzimage"
	refused 2 'fd=8 is not a TAP' run --net tap,fd=8 -i "$initrd" "$bzimage" 8< <(:)
}

test_a_pipe_descriptor_that_is_none_is_refused() {
	refused 2 'fd=77 is not open' run --net pipe,fd=77 -i "$initrd" "$bzimage"
	refused 2 'fd=8 is not a socket' run --net pipe,fd=8 -i "$initrd" "$bzimage" 8< <(:)
	refused 2 'needs fd' run --net pipe -i "$initrd" "$bzimage"
}

test_what_two_network_cards_cannot_share_is_refused() {
	refused 2 'net0 and net1.*fd=7' run --net tap,fd=7 --net tap,fd=7 "$bzimage"
	refused 2 'net0 and net1.*ifname=db0' run --net tap,ifname=db0 --net tap,ifname=db0 "$bzimage"
	refused 2 'net0 and net1.*pcap=x' run --net user,pcap=x --net user,pcap=x "$bzimage"
	refused 2 'net0 and net1.*mac=52:54:00:00:00:01' run --net user,mac=52:54:00:00:00:01 \
		--net user,mac=52:54:00:00:00:01 "$bzimage"
}

test_no_network_takes_no_keys() {
	refused 2 'none takes no keys.*foo=1' run --net none,foo=1 "$bzimage"
}

# At each limit something else is the first that does not get a descriptor.
test_too_many_open_files_are_called_so() {
	local n
	for n in 8 9 10 11 12 13 14 15 16; do
		cat >"$work/limited" <<-END
			#!/bin/sh
			ulimit -n $n
			exec "$doorbell" "\$@"
		END
		chmod +x "$work/limited"
		doorbell=$work/limited refused 1 'too many open files' run --net user -i "$initrd" "$bzimage"
	done
}

test_a_vhost_user_socket_that_cannot_be_one_is_refused() {
	refused 2 'socket=PATH' run --net vhost-user -i "$initrd" "$bzimage"
	refused 2 '/etc/passwd.*something else of that name' run --net vhost-user,socket=/etc/passwd -i "$initrd" "$bzimage"
	refused 2 'something else of that name' run --net vhost-user,socket=/etc/passwd,server=on -i "$initrd" "$bzimage"
	refused 2 'too long' run --net "vhost-user,socket=/$(printf '%0120d' 0)" -i "$initrd" "$bzimage"
	refused 2 'server' run --net vhost-user,socket=x,server=maybe "$bzimage"
	refused 2 'same socket=x' run --net vhost-user,socket=x --net vhost-user,socket=x "$bzimage"
	refused 2 'exclude each other' run --net "vhost-user,socket=x,pcap=$work/x.pcap" -i "$initrd" "$bzimage"
}

test_waiting_for_a_vhost_user_peer_ends_with_the_time() {
	refused 124 'no peer at x.*--timeout' run -q --timeout 1 --net vhost-user,socket=x -i "$initrd" "$bzimage"
	refused 124 'no peer at x.*--timeout' run -q --timeout 1 --net vhost-user,socket=x,server=on -i "$initrd" "$bzimage"
}

test_a_tap_name_that_cannot_be_one_is_refused() {
	refused 2 'ifname' run --net tap,ifname=this-name-is-too-long "$bzimage"
	refused '[12]' 'ifname|slash' run --net tap,ifname=a/b -i "$initrd" "$bzimage"
}

test_a_capture_that_cannot_be_written_is_named() {
	refused 2 'nowhere/x.pcap' run --net "user,pcap=$work/nowhere/x.pcap" -i "$initrd" "$bzimage"
}

test_a_console_file_that_cannot_be_written_is_named() {
	refused 2 'nowhere/log' run --net none --console "file=$work/nowhere/log" -i "$initrd" "$bzimage"
}

test_a_file_for_counters_that_cannot_be_written_is_named_before_the_guest_starts() {
	refused 2 'stats=.*nowhere/x.json' run --net none --stats="$work/nowhere/x.json" -i "$initrd" "$bzimage"
	refused 2 'stats=.*directory' run --net none --stats="$work" -i "$initrd" "$bzimage"
}

# The control socket is the last that is opened.
test_what_is_refused_costs_no_file() {
	local name before
	for name in log net.pcap stats; do
		echo "precious $name" >"$work/$name"
	done
	before=$(cat "$work/log" "$work/net.pcap" "$work/stats")
	refused 2 'nowhere/ctl' run --console "file=$work/log" --net "user,pcap=$work/net.pcap" \
		--stats="$work/stats" --control "$work/nowhere/ctl" -i "$initrd" "$bzimage"
	[ "$(cat "$work/log" "$work/net.pcap" "$work/stats")" = "$before" ] || fail "a file was emptied"
	refused 2 'nowhere/ctl' run --console file=log --net user,pcap=net.pcap --stats=stats \
		--control "$work/nowhere/ctl" -i "$initrd" "$bzimage"
}

# A doorbell that finds nothing but /dev/null, and /dev/net/tun when it is to be KEPT: hide_devices [KEPT]
hide_devices() {
	[ "$(id -u)" = 0 ] || skip "hiding devices needs root"
	cat >"$work/inside" <<-END
		#!/bin/sh
		mount -t tmpfs tmpfs /dev && mknod /dev/null c 1 3 && mkdir /dev/net || exit 99
		[ -z "$*" ] || mknod /dev/net/tun c 10 200 || exit 99
		exec "$doorbell" "\$@"
	END
	cat >"$work/hidden" <<-END
		#!/bin/sh
		exec unshare --mount --propagation private sh "$work/inside" "\$@"
	END
	chmod +x "$work/hidden"
}

test_a_device_that_is_missing_is_the_fault_of_the_host() {
	hide_devices
	doorbell=$work/hidden refused 1 '/dev/kvm' run --net none -i "$initrd" "$bzimage"
	doorbell=$work/hidden refused 1 '/dev/net/tun' run --net tap -i "$initrd" "$bzimage"
	[ -w /dev/net/tun ] || return 0
	hide_devices tun
	doorbell=$work/hidden refused 1 '/dev/vhost-net' run --net tap,path=vhost -i "$initrd" "$bzimage"
}

test_a_forwarding_from_an_address_of_somebody_else_is_refused() {
	refused 2 'hostfwd=tcp:192.0.2.7:2222.*no such address' run \
		--net user,hostfwd=tcp:192.0.2.7:2222-:22 -i "$initrd" "$bzimage"
}

test_the_terminal_is_as_before() {
	script -qec "stty -a >'$work/before'; '$doorbell' run --net none '$work/nowhere' 2>/dev/null
		stty -a >'$work/after'" /dev/null >/dev/null
	diff "$work/before" "$work/after" || fail "terminal settings have changed"
}

test_registers_of_version_1() {
	local net=echo,transport=mmio-legacy
	refused 2 'transport=pci is not possible, allowed: mmio, mmio-legacy' run --net echo,transport=pci "$bzimage"
	refused 2 'packed is not possible here' run --net $net,features=default+packed "$bzimage"
	refused 2 'regs=page exclude each other' run --net $net,regs=page "$bzimage"
	refused 2 'kick=ioeventfd exclude' run --net $net,kick=ioeventfd "$bzimage"
	refused 2 'transport=mmio-legacy: allowed with this kind is mmio' run --net vhost-user,socket="$work/s",transport=mmio-legacy "$bzimage"
}

test_checks() {
	refused 2 'no kernel given: doorbell check' check
	refused 2 'ignore init.rset-first: .*most like it is init.reset-first' check --ignore init.rset-first "$bzimage"
	refused 2 'explain x' check --explain x
	refused 2 'allowed: text=FILE, json=FILE, junit=FILE' check --report xml=x "$bzimage"
	refused 2 'report json=b: json=a was given before' check --report json=a --report junit=c --report json=b "$bzimage"
	refused 2 'fail-on' check --fail-on some "$bzimage"
	refused 2 'nowhere/r.json' check --report json="$work/nowhere/r.json" "$bzimage"
	refused 2 'nowhere/record' check --record "$work/nowhere/record" "$bzimage"
	refused 2 'no recording of doorbell check' trace /dev/null
	refused 2 'no recording of doorbell check' trace "$bzimage"
	refused 2 'nowhere' trace "$work/nowhere"
	refused 2 'allowed, separated by commas: device read' trace --kind kick,kcik /dev/null
	refused 2 'allowed: seconds' trace --from -1 /dev/null
	refused 2 'exclude each other' trace --json --summary /dev/null
	refused 2 'one recording is enough' trace a b
	refused 2 'no recording given' trace
	refused 2 'no driver to check' check --net none "$bzimage"
	refused 2 'allowed: pairwise, full' check --matrix=some "$bzimage"
	refused 2 'keys features=.* are chosen for you' check --matrix --net echo,features=none "$bzimage"
	refused 2 'keys features=.* are chosen for you' check --matrix --net echo,transport=mmio-legacy "$bzimage"
	refused 2 'matrix and --control exclude' check --matrix --control "$work/c" "$bzimage"
	refused 2 'matrix and pcap= exclude' check --matrix --net echo,pcap="$work/p" "$bzimage"
	refused 2 'one cell at a time' check --matrix --jobs 2 --net tap,ifname=t0 "$bzimage"
	refused 2 'jobs 2 is about --matrix' check --jobs 2 "$bzimage"
	refused 2 'jobs 0 is not possible' check --matrix --jobs 0 "$bzimage"
	refused 2 "nowhere' does not exist" check --matrix --timeout 20 "$work/nowhere"
	refused 2 'nowhere/r.json' check --matrix --report json="$work/nowhere/r.json" "$bzimage"
	refused 2 "no provocation 'reoder'; the most like it is reorder" check --provoke delay,reoder "$bzimage"
	refused 2 'seed' check --provoke legal --seed x "$bzimage"
	refused 2 'seed 7 is about --provoke' check --seed 7 "$bzimage"
	refused 2 'provoke and --matrix exclude' check --provoke legal --matrix "$bzimage"
	refused 2 'a recording is of one run' check --record "$work/r" --matrix "$bzimage"
}

test_backends() {
	local kind
	refused 2 'no socket given' backend
	refused 2 'there is no --socket before it' backend --net user
	refused 2 'there is no --socket before it that has no --net yet' backend --socket s --net user --net user
	refused 2 'given twice' backend --socket s --socket s
	refused 2 "options only, given was 'kernel'" backend --socket s kernel
	refused 2 "unknown kind 'vhost-user', there are: user, tap" backend --socket s --net vhost-user,socket=t
	for kind in irq=irqfd regs=page kick=exit queue-size=64; do
		refused 2 "${kind%=*}" backend --socket s --net "user,$kind"
	done
	refused 2 'same mac=' backend --socket s --net user,mac=02:00:00:00:00:01 --socket t --net user,mac=02:00:00:00:00:01
	refused '[12]' 'no/such/s' backend --socket no/such/s
	refused 2 'the path is empty' backend --socket ''
	refused 2 'something else of that name' backend --socket .
}

main "$@"
