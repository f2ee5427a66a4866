#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Format, static analysis and house rules. See --help.
# shellcheck disable=SC2317 # the checks are called by the names in $checks
set -euo pipefail

usage() {
	cat <<'END'
usage: tests/lint/run.sh [CHECK...]

Checks the working tree, files that git does not know yet included. One line per check:

  ok lint: CHECK
  not ok lint: CHECK - REASON        what was found follows, indented
  skip lint: CHECK - REASON

Checks (default: all):
  clang-format    as .clang-format says, version 14
  clang-tidy, cppcheck, gcc-analyzer
                  one file at a time; a file that passed is looked at again only when it changed
  headers-alone   every header compiles by itself, with gcc and with clang
  shellcheck      every shell script
  includes        who may include what, and in which order (table in includes.awk)
  length          800 lines in a file, 60 in a function
  words           no note to oneself, no path of somebody's machine, no #ifdef on a CPU outside arch/,
                  no assert() with a call in it
  licence         SPDX line at the top of each source
  state           no writable data outside of functions but for the named exceptions

Exit status 0 when nothing failed.
END
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
jobs=${DOORBELL_LINT_JOBS:-2}
checks="clang-format clang-tidy cppcheck gcc-analyzer headers-alone shellcheck includes length words
	licence state"
failed=0
found=$(mktemp)
trap 'rm -f "$found"' EXIT

have() { # TOOL CHECK
	command -v "$1" >/dev/null || {
		echo "skip lint: $2 - $1 is not installed"
		return 1
	}
}

# The verdict on a check whose findings, if any, are in $found.
verdict() { # CHECK
	if [ -s "$found" ]; then
		echo "not ok lint: $1 - $(grep -c . "$found") lines of findings"
		sed 's/^/    /' "$found"
		failed=$((failed + 1))
	else
		echo "ok lint: $1"
	fi
}

# ---- tools

check_clang-format() {
	local version
	have clang-format clang-format || return 0
	version=$(clang-format --version | sed 's/.*version \([0-9]*\).*/\1/')
	if [ "$version" != 14 ]; then # versions differ in details
		echo "skip lint: clang-format - the tree is formatted by version 14, this is $version"
		return 0
	fi
	xargs -d '\n' clang-format --dry-run -Werror 2>&1 <<<"$c_files"$'\n'"$h_files" |
		grep -E 'error:' >"$found" || :
	verdict clang-format
}

analysis() { # TARGET
	make -s --no-print-directory -f tests/lint/analyse.mk -k -j"$jobs" \
		LINT_C="${c_files//$'\n'/ }" LINT_H="${h_files//$'\n'/ }" "$1" 2>/dev/null
}

analyse() { # TOOL: its findings file by file
	local f
	: >"$found"
	if ! analysis "analyse-$1" >/dev/null; then
		for f in $(analysis "list-$1"); do
			[ ! -e "build/lint/$1/$f.ok" ] || continue
			grep -vE '^[0-9]+ warnings? .*generated\.$|^Suppressed |^Use -header' \
				"build/lint/$1/$f.log" 2>/dev/null | sed "s|^$top/||" |
				head -n 30 >>"$found" || :
			[ -s "$found" ] || echo "$f: no result" >>"$found"
		done
	fi
	verdict "$1"
}

check_clang-tidy() {
	! have clang-tidy clang-tidy || analyse clang-tidy
}

check_cppcheck() {
	! have cppcheck cppcheck || analyse cppcheck
}

check_gcc-analyzer() {
	! have gcc gcc-analyzer || analyse gcc-analyzer
}

check_headers-alone() {
	! have clang headers-alone || analyse headers-alone
}

check_shellcheck() {
	have shellcheck shellcheck || return 0
	xargs -d '\n' shellcheck -x -f gcc <<<"$scripts" >"$found" 2>&1 || :
	verdict shellcheck
}

# ---- house rules

check_includes() {
	xargs -d '\n' awk -f tests/lint/includes.awk <<<"$c_files"$'\n'"$h_files" >"$found" 2>&1 || :
	# Only these speak to KVM.
	xargs -d '\n' grep -nE 'ioctl\(.*\<KVM_' <<<"$product" |
		grep -vE '^(vmm/kvm\.c|arch/[a-z0-9_]+/[a-z0-9_]+\.c):' |
		sed 's/$/   <- KVM ioctls are for vmm\/kvm.c and arch\/CPU\//' >>"$found" || :
	verdict includes
}

check_length() {
	xargs -d '\n' awk -f tests/lint/length.awk <<<"$sources" >"$found" 2>&1 || :
	verdict length
}

# Words are written here so that this file does not contain them.
check_words() {
	: >"$found"
	xargs -d '\n' grep -nIwE 'TO''DO|FIX''ME|X''XX|HA''CK' <<<"$all_files" >>"$found" || :
	xargs -d '\n' grep -nIE '(^|[^a-zA-Z0-9_.$}])/(wor''k|hom''e)/[a-z]' <<<"$all_files" >>"$found" || :
	xargs -d '\n' grep -nE '^[[:space:]]*#[[:space:]]*(el)?if.*__(x86_64|i386|aarch64|arm|riscv)' \
		<<<"$c_files"$'\n'"$h_files" | grep -v '^arch/' >>"$found" || :
	# sizeof is no call. An assert may be compiled out: what it calls would not happen then.
	xargs -d '\n' grep -nE '(^|[^_a-z])assert\(.*[A-Za-z0-9_]+\(' <<<"$product" |
		grep -vE 'assert\([^(]*(sizeof\([^(]*)+$' >>"$found" || :
	verdict words
}

check_licence() {
	local f
	: >"$found"
	while IFS= read -r f; do
		head -n 2 "$f" | grep -qF 'SPDX-License-Identifier: Apache-2.0' ||
			echo "$f: no SPDX line at the top" >>"$found"
	done <<<"$sources"
	verdict licence
}

# What may be written and belongs to no struct: the log's level, the process's one terminal, and the signal that ends
# a benchmark.
check_state() {
	local objects
	objects=$(find build/obj-gcc/vmm build/obj-gcc/devices build/obj-gcc/net build/obj-gcc/boot \
		build/obj-gcc/check build/obj-gcc/bench/cmd build/obj-gcc/arch -name '*.o' 2>/dev/null || :)
	if [ -z "$objects" ]; then
		echo "skip lint: state - not built with gcc yet"
		return 0
	fi
	# .bss and .data; .data.rel.ro are constants with pointers. said_ is log_guest()'s counter.
	xargs objdump -t <<<"$objects" | awk '
		/file format/ { file = $1; sub(/:$/, "", file); sub(/^build\/obj-gcc\//, "", file) }
		/ O \.(bss|data)[[:space:]]/ { sub(/\.[0-9]+$/, "", $NF); print file ": " $NF }' |
		grep -vxE '.*: said_|vmm/core/log\.o: log_(level|raw)|vmm/terminal\.o: term|bench/cmd/stop\.o: stop_signal' \
			>"$found" || :
	verdict state
}

case ${1:-} in
-h | --help) usage && exit 0 ;;
esac
[ $# -gt 0 ] || read -r -d '' -a chosen <<<"$checks" || :
[ $# = 0 ] || chosen=("$@")

all_files=$(tests/lint/files.sh | grep -v '^tests/fuzz/corpus/')
c_files=$(grep -E '\.c$' <<<"$all_files")
h_files=$(grep -E '\.h$' <<<"$all_files")
product=$(grep -E '^(vmm|devices|net|boot|arch|audit|check|bench/cmd)/.*\.[ch]$' <<<"$all_files")
scripts=$(while IFS= read -r f; do
	! head -n 1 "$f" | grep -qE '^#!.*\b(ba|da)?sh\b' || echo "$f"
done <<<"$all_files")
sources=$(printf '%s\n' "$c_files" "$h_files" "$scripts" Makefile \
	"$(grep -E '\.(awk|mk|py)$' <<<"$all_files")" | grep . | sort -u)

for check in "${chosen[@]}"; do
	if ! declare -F "check_$check" >/dev/null; then
		echo "lint: no check is called '$check', there are: ${checks//[$'\n\t']/ }" >&2
		exit 2
	fi
	"check_$check"
done
[ $failed = 0 ]
