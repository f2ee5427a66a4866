#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Do the documents say what the program does? See --help.
# shellcheck disable=SC2016 # backquotes and dollars in patterns
# shellcheck disable=SC2317 # the checks are called by name
set -euo pipefail

usage() {
	cat <<'END'
usage: tests/docs/run.sh

Needs `make` to have been run. One line per check: "ok NAME", "not ok NAME - reason" or "skip NAME - reason".

  options    the manual page has every option of `doorbell run --help`, and no other
  keys       the same for the keys of each --net kind
  features   the same for the names of features=
  commands   the same for the commands of `doorbell help`
  manual     the manual page renders without a warning
  links      what documents link to exists, and has the heading that is named
  clauses    each clause of the standard for a device has a test or a reason, and docs/device-clauses.md says which
  ci         the steps of the job for CI in docs/drivers.md pass, with our example as the kernel
  FILE:LINE  a block of a document that begins with "```sh" and "# test" runs; behind
             "# test:" stands what it needs (kvm)

Then what tests/e2e/docs.sh finds.
END
}

case ${1:-} in
-h | --help) usage && exit 0 ;;
esac
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
doorbell=$top/build/doorbell
manual=docs/doorbell.1
rc=0
[ -x "$doorbell" ] || { echo "skip all - there is no build/doorbell" && exit 0; }

result() { # NAME REASON: an empty reason is good
	if [ -z "$2" ]; then
		echo "ok $1"
	else
		echo "not ok $1 - $2"
		rc=1
	fi
}

# What only one of two lists has, in words.
differences() { # LIST-OF-PROGRAM LIST-OF-MANUAL
	comm -23 <(sort -u <<<"$1") <(sort -u <<<"$2") | sed 's/$/ is not in the manual;/'
	comm -13 <(sort -u <<<"$1") <(sort -u <<<"$2") | sed 's/$/ is in the manual only;/'
}

compare() { # NAME LIST-OF-PROGRAM LIST-OF-MANUAL
	if [ -z "$2" ] || [ -z "$3" ]; then
		result "$1" "one of the two lists is empty: the check itself is wrong"
	else
		result "$1" "$(differences "$2" "$3" | paste -s -d ' ')"
	fi
}

section() { # TITLE: lines of the manual's section, without the \- of roff
	sed -n "/^\.SH \"\?$1\"\?\$/,/^\.SH /p" "$manual" | sed 's/\\-/-/g; s/\\f[A-Z]//g'
}

help_text=$("$doorbell" run --help)

check_options() {
	compare options \
		"$(sed -n '/^Options:/,/^$/p' <<<"$help_text" |
			sed -nE 's/^ +((-[a-z], )?--[a-z-]+).*/\1/p')" \
		"$(section OPTIONS | grep -A 1 '^\.TP' | grep -E '^\.BR? ' |
			sed -nE 's/^\.BR? (-[a-z])? ?(" ?, ?" ?)?(--[a-z-]+).*/\1, \3/p' | sed 's/^, //')"
}

check_keys() {
	compare keys \
		"$(sed -n '/^--net /,/^Exit status/p' <<<"$help_text" |
			sed -nE 's/^--net ([a-z-]+):.*/kind \1/p; s/^keys of every.*/kind any/p; s/^ +([a-z0-9-]+)=.*/\1=/p' |
			awk '$1 == "kind" { kind = $2; next } { print kind ": " $0 }')" \
		"$(section NETWORK | grep -A 1 -E '^\.(SS|TP)' | sed -nE 's/^\.SS "--net ([a-z-]+)[",].*/kind \1/p; s/^\.SS "Keys of every.*/kind any/p
				s/^\.B[IR] ([a-z0-9-]+=).*/\1/p' |
			awk '$1 == "kind" { kind = $2; next } { print kind ": " $0 }')"
}

check_features() {
	compare features \
		"$(sed -nE 's/^\t\{"([a-z0-9_]+)", .*VIRTIO_.*/\1/p' devices/net_features.c)" \
		"$(section NETWORK | sed -n '/^\.IR NAME s/,/^\.IP/p' | sed -nE 's/^\.BR? ([a-z0-9_]+).*/\1/p')"
}

check_commands() {
	compare commands \
		"$("$doorbell" help | sed -nE 's/^  ([a-z]+) .*/\1/p')" \
		"$(section SYNOPSIS | sed -nE 's/^\.B doorbell ([a-z]+).*/\1/p')"
}

check_manual() {
	if ! command -v groff >/dev/null; then
		echo "skip manual - groff is not installed"
		return
	fi
	result manual "$(groff -man -Tutf8 -ww -z "$manual" 2>&1 | head -n 5 | paste -s -d ' ')"
}

documents() {
	tests/lint/files.sh | grep '\.md$'
}

# What a link into a document may name behind its "#": its headings, as GitHub makes names of them.
anchors() { # FILE
	awk '/^```/ { code = !code }
		!code && /^#+ / {
			name = tolower($0)
			sub(/^#+ /, "", name)
			gsub(/[^a-z0-9_ -]/, "", name)
			gsub(/ /, "-", name)
			print name (seen[name]++ ? "-" seen[name] - 1 : "")
		}' "$1"
}

check_links() {
	local file link target bad=""
	while IFS= read -r file; do
		while IFS= read -r link; do
			case $link in
			http*://*) continue ;;
			'#'*) target=$file ;;
			*) target=$(dirname "$file")/${link%%#*} ;;
			esac
			[ -e "$target" ] || bad+="$file links to $link; "
			case $link in
			*.md'#'* | '#'*) grep -qxF -e "${link#*#}" <(anchors "$target") || bad+="$file links to $link: no such heading; " ;;
			esac
		done < <(grep -oE '\]\([^) ]+\)' "$file" | sed 's/^](//; s/)$//')
	done < <(documents)
	result links "$bad"
}

check_clauses() {
	result clauses "$(tests/clauses/table.sh --check | paste -s -d ';')"
	result mutants "$(tests/clauses/mutants.sh --stale | paste -s -d ';')"
}

# With no more of this tree around it than the job fetches, and without the right to change its devices.
check_ci() {
	local dir steps out
	steps=$(sed -n '/^```yaml$/,/^```$/s/^ *- run: //p' docs/drivers.md)
	if ! { [ -r /dev/kvm ] && [ -w /dev/kvm ]; }; then
		echo "skip ci - /dev/kvm cannot be opened"
		return
	fi
	dir=$(mktemp -d)
	mkdir "$dir/bin" "$dir/work"
	printf '#!/bin/sh\n' >"$dir/bin/sudo"
	chmod +x "$dir/bin/sudo"
	ln -s "$top" "$dir/work/doorbell"
	printf 'kernel.elf:\n\tmake -C %s/examples/driver CC=gcc\n\tcp %s/build/driver/gcc/driver.elf $@\n' "$top" "$top" \
		>"$dir/work/Makefile"
	if out=$(cd "$dir/work" && PATH=$dir/bin:$top/build:$PATH timeout -k 5 300 bash -euxc "$steps" 2>&1 </dev/null) &&
		[ -s "$dir/work/check.xml" ]; then
		result ci ""
	else
		result ci "$(grep -E 'doorbell:|rules? broken|^ *(MUST|SHOULD|driver:)|: (corrupted|no progress)' <<<"$out" | paste -s -d ' ') $(tail -n 1 <<<"$out")"
	fi
	rm -rf "$dir"
}

# Each block runs in a directory of its own, from which the tree can be seen.
run_block() { # NAME NEEDS TEXT
	local dir out status=0
	if [ "$2" = kvm ] && ! { [ -r /dev/kvm ] && [ -w /dev/kvm ]; }; then
		echo "skip $1 - /dev/kvm cannot be opened"
		return
	fi
	dir=$(mktemp -d)
	ln -s "$top"/* "$dir/"
	out=$(cd "$dir" && PATH=$top/build:$PATH timeout -k 5 120 bash -euo pipefail -c "$3" 2>&1 </dev/null) ||
		status=$?
	rm -rf "$dir"
	if [ "$status" = 0 ]; then
		result "$1" ""
	else
		result "$1" "exit status $status: $(tail -n 3 <<<"$out" | paste -s -d ' ')"
	fi
}

check_blocks() {
	local file name needs text=""
	while IFS= read -r file; do
		while IFS= read -r -d $'\x1e' name && IFS= read -r -d $'\x1e' needs &&
			IFS= read -r -d $'\x1e' text; do
			run_block "$name" "$needs" "$text"
		done < <(awk -v file="$file" '
			/^```sh$/ { start = FNR; text = ""; marked = 0; next }
			start && FNR == start + 1 && /^# test(: [a-z]+)?$/ {
				marked = 1; needs = $0; sub(/^# test(: )?/, "", needs); next
			}
			start && /^```$/ {
				if (marked)
					printf "%s:%d\036%s\036%s\036", file, start, needs, text
				start = 0
			}
			start { text = text $0 "\n" }' "$file")
	done < <(documents)
}

for check in options keys features commands manual links clauses ci blocks; do
	"check_$check"
done
tests/e2e/docs.sh || rc=1
exit $rc
