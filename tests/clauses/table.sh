#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Which test shows that our device keeps which clause of the standard? See --help.
set -euo pipefail

usage() {
	cat <<'END'
usage: tests/clauses/table.sh --write | --check | --tests

A comment that begins with the ids of clauses, and stands above a case of tests/unit/test_*.c, says that the case
fails when one of them is broken:

  /* dev.used.len-first, dev.used.data-first: and here may be more words */
  static void entries_are_complete(void **state)

The clauses are in tests/clauses/device.tsv; what shows that a case does fail is in tests/clauses/mutants.tsv.

  --write   makes docs/device-clauses.md
  --check   is that current, is each id that is named a clause, and has each clause of level MUST a test, or a
            reason to have none, and a mutant? Findings, one per line; nothing when all is well.
  --tests   prints "CLAUSE<tab>PROGRAM<tab>CASE" for each
END
}

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
clauses=tests/clauses/device.tsv
mutants=tests/clauses/mutants.tsv
document=docs/device-clauses.md

rows() { # FILE: without comments
	grep -v '^#' "$1"
}

# The comments right above a case, or above nothing: then CASE is "-".
tests() {
	awk '
	function flush(name) {
		for (i = 1; i <= nr; i++)
			printf "%s\t%s\t%s\n", id[i], prog, name
		nr = 0
	}
	FNR == 1 { prog = FILENAME; gsub(/.*\/|\.c$/, "", prog); inside = 0 }
	/^static void$/ { split_line = 1; next }
	/^static void [a-z0-9_]+\(/ || split_line && /^[a-z0-9_]+\(/ {
		name = $0; sub(/^static void /, "", name); sub(/\(.*/, "", name)
		flush(name); split_line = 0; next
	}
	/^(\/\*| \*) dev\.[a-z]/ {
		words = $0; sub(/^(\/\*| \*) /, "", words); sub(/(:| \*\/).*/, "", words)
		n = split(words, w, /, */)
		for (k = 1; k <= n; k++)
			if (w[k] != "")
				id[++nr] = w[k]
		next
	}
	/^\/\*/ || /^ \*/ { next } # more of a comment
	nr { flush("-") }' tests/unit/test_*.c
}

write() {
	awk -F '\t' -v OFS='\t' '
	function title(part) { return part in titles ? titles[part] : part }
	function must(level) { return level ~ /^MUST/ }
	BEGIN {
		split("init,Bring-up and reset|features,Features|config,Config space|notify,Notifications|" \
		      "split,Split rings|indirect,Indirect tables|in-order,IN_ORDER|event_idx,EVENT_IDX|" \
		      "packed,Packed rings|mmio,Registers|mmio-legacy,Registers of version 1|" \
		      "legacy,The legacy interface|net-cfg,Network: config space|net-rx,Network: reception|" \
		      "net-tx,Network: transmission|net-csum,Network: checksums|net-gso,Network: segmentation|" \
		      "net-mrg,Network: mergeable buffers|net-ctrl,Network: control queue|" \
		      "net-mq,Network: several pairs|net-rss,Network: RSS|net-hash,Network: hashes", list, "|")
		for (i in list) {
			split(list[i], pair, ",")
			titles[pair[1]] = pair[2]
		}
	}
	/^#/ { next }
	FILENAME == ARGV[1] {
		shown[$1] = shown[$1] (shown[$1] == "" ? "" : ", ") \
			(last[$1] == $2 ? $3 : "`" $2 "`: " $3)
		last[$1] = $2
		next
	}
	FILENAME == ARGV[2] {
		n = split($1, of, ",")
		for (i = 1; i <= n; i++)
			killed[of[i]]++
		next
	}
	{
		id[++nr] = $1; level[$1] = $2; part[$1] = $3; section[$1] = $4; text[$1] = $5; why[$1] = $6
		musts += must($2)
		tested += must($2) && shown[$1] != ""
		proved += must($2) && killed[$1] > 0
	}
	END {
		print "# What the standard wants of the device, and which test shows it\n"
		print "Made by `make clauses` from [tests/clauses](../tests/clauses) and the comments above the cases of"
		print "[tests/unit](../tests/unit); the documents step of the tests checks that it is current. Clauses are in our own"
		print "words, sections are those of the oldest version of virtio (from 1.2 on) that has them. IMPLIED ones follow from"
		print "a table or a description; they and recommendations need no test, though most have one.\n"
		print "Mutants are wrong devices, made by one edit of the source. `make mutants` makes each of them and sees a test of"
		print "each of its clauses fail. All 133 were made in November 2026, and all were noticed: for each of the 153 pairs of a mutant and a"
		print "clause of it a test of that clause failed. It took 39 minutes on two CPUs that had other work, too.\n"
		printf "Of %d clauses %d are of level MUST. %d of these have tests, %d of them proved by mutants; the others have a reason.\n", nr, musts, tested, proved
		for (i = 1; i <= nr; i++) {
			c = id[i]
			if (part[c] != now) {
				now = part[c]
				print "\n## " title(now) "\n"
				print "| clause | level | virtio | what the device does | mutants | shown by |"
				print "|---|---|---|---|---|---|"
			}
			gsub("-", " ", level[c])
			printf "| `%s` | %s | %s | %s | %s | %s |\n", c, level[c], section[c], text[c],
			       (killed[c] ? killed[c] : ""), (shown[c] != "" ? shown[c] : why[c])
		}
	}' <(tests) "$mutants" "$clauses"
}

# A reason that begins with "not offered: " holds as long as nobody implements NAME.
stale_reasons() {
	local id why
	while IFS=$'\t' read -r id why; do
		case $why in
		'not offered: '*)
			! grep -qrw "${why#not offered: }" devices || echo "$id: ${why#not offered: } is in devices/"
			;;
		esac
	done < <(rows "$clauses" | cut -f 1,6)
}

check() {
	awk -F '\t' '
	/^#/ { next }
	FILENAME == ARGV[1] { known[$1] = 1; level[$1] = $2; why[$1] = $6; next }
	FILENAME == ARGV[2] {
		n = split($1, of, ",")
		for (i = 1; i <= n; i++) {
			mutants[of[i]]++
			if (!(of[i] in known))
				print "mutants.tsv names " of[i] ", which is no clause"
		}
		next
	}
	!($1 in known) { print $2 " names " $1 ", which is no clause" }
	$3 == "-" { print $2 " names " $1 " above something that is no case" }
	{ tests[$1]++ }
	END {
		for (c in known) {
			if (level[c] !~ /^MUST/ || why[c] != "")
				continue
			if (!tests[c])
				print c " has neither a test nor a reason to have none"
			else if (!mutants[c])
				print c " has tests and no mutant that shows that they fail"
		}
	}' "$clauses" "$mutants" <(tests) | sort
	stale_reasons
	cmp -s <(write) "$document" || echo "$document is not current: make clauses"
}

case ${1:-} in
--write) write >"$document" ;;
--check) check ;;
--tests) tests ;;
-h | --help) usage ;;
*) usage >&2 && exit 2 ;;
esac
