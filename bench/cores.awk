# SPDX-License-Identifier: Apache-2.0
#
# Sorted "WHO ROW NANOSECONDS SHARE" lines to the table of cores.sh. Variables: share, bar; with rank.awk.

{ key = $2 " " $1; all[key]++ }
$4 >= share { v[key, ++n[key]] = $3 }
function med(k) { return v[k, int((n[k] + 1) / 2)] }
function show(k) {
	if (n[k] < 6) {
		printf "%-12s %d of %d windows had their CPUs: no result\n", k, n[k], all[k]
		return 0
	}
	printf "%-12s best %7.2f ns  median %7.2f  worst %7.2f   (%d of %d windows)\n",
		k, v[k, 1], med(k), v[k, n[k]], n[k], all[k]
	return 1
}
function against(row,    o, d, x, y, i, j, low, high) {
	o = row " ours"; d = row " dpdk"
	if (show(o) + show(d) < 2)
		return
	x = v[o, 1] / v[d, 1]; y = med(o) / med(d)
	i = rank(n[o]); j = rank(n[d])
	low = v[o, i] / v[d, n[d] + 1 - j]; high = v[o, n[o] + 1 - i] / v[d, j]
	printf "%-12s best %.2f, median %.2f times DPDK (%.2f .. %.2f): bar %s %s\n", row, x, y, low, high, bar,
		(high <= bar && x <= bar ? "met" : low > bar ? "not met" : "not concluded")
}
END { against("split"); against("packed"); show("memcpy ours"); show("line ours") }
