#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Do the tests fail when the device breaks a clause? See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: tests/clauses/mutants.sh [REGEX | --stale]

Makes each wrong device of tests/clauses/mutants.tsv whose clauses match REGEX, in a copy of the tree in
build/mutants, and runs the tests that name these clauses. One line per clause of a mutant:

  ok CLAUSE (FILE: EDIT): TEST...          these failed
  not ok CLAUSE (FILE: EDIT) - REASON

A test program that does not come to its end has failed. Exit status 0 when all mutants were noticed.

--stale prints the edits that change nothing any more, because the source is another; nothing is built.
END
}

case ${1:-} in
-h | --help) usage && exit 0 ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [ "${1:-}" = --stale ]; then
	grep -v '^#' tests/clauses/mutants.tsv | while IFS=$'\t' read -r clauses file edit; do
		! sed -E "$edit" "$file" | cmp -s - "$file" || echo "$clauses: $file: $edit"
	done
	exit
fi
copy=build/mutants
chosen=${1:-.}
rc=0
export DOORBELL_UNIT_LIMIT=${DOORBELL_UNIT_LIMIT:-60} LC_ALL=C.UTF-8

# What is compiled. Only what differs, so that little is built anew; a mutant that was left over differs.
copy_tree() {
	local f
	while IFS= read -r f; do
		cmp -s "$f" "$copy/$f" || install -D "$f" "$copy/$f"
	done < <(tests/lint/files.sh | grep -E '^Makefile$|^tests/unit/run\.sh$|\.([ch]|inc)$')
}

build() { # PROGRAM...
	make -C "$copy" -s -k -j"$(nproc)" WERROR=0 HARD= CFLAGS=-O0 "${@/#/build/obj-gcc/tests/unit/}" \
		>"$copy/build.log" 2>&1
}

# The cases of CLAUSE that failed, in words; $results has what the programs said.
failures() { # CLAUSE
	local prog name
	while IFS=$'\t' read -r _ prog name; do
		if grep -qE "^not ok $prog: ${name}(_packed)? - " <<<"$results"; then
			echo "$name"
		elif grep -qE "^not ok $prog - " <<<"$results"; then
			echo "$prog (did not end)"
		fi
	done < <(grep -P "^\Q$1\E\t" <<<"$tests") | sort -u | paste -s -d ',' | sed 's/,/, /g'
}

mutate() { # CLAUSE[,CLAUSE...] FILE EDIT
	local clause failed programs
	mapfile -t programs < <(for clause in ${1//,/ }; do
		grep -P "^\Q$clause\E\t" <<<"$tests" | cut -f 2
	done | sort -u)
	cp "$copy/$2" "$copy/original" # the tree itself may move on meanwhile
	sed -i -E "$3" "$copy/$2"
	if cmp -s "$copy/original" "$copy/$2"; then
		verdict "$1" "$2" "$3" "the edit changes nothing"
	elif ! build "${programs[@]}"; then
		verdict "$1" "$2" "$3" "it does not compile, see $copy/build.log"
	else
		results=$("$copy/tests/unit/run.sh" "${programs[@]/#/$copy/build/obj-gcc/tests/unit/}" || :)
		for clause in ${1//,/ }; do
			failed=$(failures "$clause")
			if [ -n "$failed" ]; then
				echo "ok $clause ($2: $3): $failed"
			else
				verdict "$clause" "$2" "$3" "no test of it fails"
			fi
		done
	fi
	cp "$copy/original" "$copy/$2"
}

verdict() { # CLAUSE FILE EDIT REASON
	echo "not ok $1 ($2: $3) - $4"
	rc=1
}

tests=$(tests/clauses/table.sh --tests)
mkdir -p "$copy"
copy_tree
while IFS=$'\t' read -r clauses file edit; do
	mutate "$clauses" "$file" "$edit"
done < <(grep -v '^#' tests/clauses/mutants.tsv | grep -E "^[^	]*($chosen)")
exit $rc
