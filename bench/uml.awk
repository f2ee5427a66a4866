# SPDX-License-Identifier: Apache-2.0
# "ROW PLACEMENT SYSTEM VALUE" lines of bench/uml.sh, in the order of the rounds, to its table. Variable: bar.

function sort(a, n,    i, k, t) {
	for (i = 2; i <= n; i++) {
		t = a[i]
		for (k = i - 1; k >= 1 && a[k] > t; k--)
			a[k + 1] = a[k]
		a[k + 1] = t
	}
}

function at(a, n, share) {
	return a[1 + int((n - 1) * share + 0.5)]
}

function better(row, x, y) {
	if (row == "ping")
		return x < y ? x : y
	return x > y ? x : y
}

# Values of one system, sorted, to v[]. Their number.
function collect(row, where, who,    i) {
	for (i = 1; i <= count[row, "free", who]; i++)
		v[i] = where == "better" ? better(row, value[row, "free", who, i], value[row, "apart", who, i]) \
			: value[row, where, who, i]
	return i - 1
}

function compare(row, where,    n, i, q1, q3, verdict) {
	n = collect(row, where, "doorbell")
	for (i = 1; i <= n; i++)
		mine[i] = v[i]
	collect(row, where, "dpdk")
	for (i = 1; i <= n; i++)
		ratio[i] = row == "ping" ? v[i] / mine[i] : mine[i] / v[i]
	sort(ratio, n)
	q1 = at(ratio, n, 0.25)
	q3 = at(ratio, n, 0.75)
	verdict = n < 9 ? "not concluded: fewer than 9 rounds" : \
		q1 >= bar ? "met" : q3 < bar ? "not met" : "not concluded: noise"
	printf "%-12s %-7s doorbell : DPDK  %6.2f  (middle half %.2f .. %.2f)  %s\n", row, where, at(ratio, n, 0.5), \
		q1, q3, verdict
}

$4 > 0 {
	value[$1, $2, $3, ++count[$1, $2, $3]] = $4
	if (!seen[$1]++)
		rows[++nr] = $1
}

END {
	split("doorbell dpdk", systems, " ")
	split("free apart", places, " ")
	for (r = 1; r <= nr; r++)
		for (p = 1; p <= 2; p++)
			for (s = 1; s <= 2; s++) {
				n = collect(rows[r], places[p], systems[s])
				sort(v, n)
				printf "%-12s %-7s %-9s median %8.3f   %8.3f .. %8.3f  %s (%d)\n", rows[r], places[p], systems[s], \
					at(v, n, 0.5), v[1], v[n], rows[r] == "ping" ? "ms" : "Mbit/s", n
			}
	printf "bar: doorbell at least %.1f times DPDK; of ping, its inverse\n", bar
	for (r = 1; r <= nr; r++)
		for (p = 1; p <= 3; p++)
			compare(rows[r], p == 3 ? "better" : places[p])
}
