# SPDX-License-Identifier: Apache-2.0
#
# "ROW VALUE" lines to a table for people (standard output) and JSON (file json). Variables: busy (per cent
# of the machine that others used), cpus, json, version, date.

BEGIN {
	# Order, unit and text of the rows; those with a budget have its limit, and whether it is a matter of
	# time: which takes several samples, and a machine that others leave idle.
	row("start-none", "us", "exec to first KVM_RUN, no network card")
	row("start-user", "us", "exec to first KVM_RUN, --net user", 3000, 1)
	row("start-tap", "us", "exec to first KVM_RUN, --net tap", 3000, 1)
	row("end-none", "us", "guest's verdict to end of process, no network card")
	row("end-user", "us", "guest's verdict to end of process, --net user", 30000, 1)
	row("end-tap", "us", "guest's verdict to end of process, --net tap", 30000, 1)
	row("whole-none", "us", "exec to end, undisturbed, no network card")
	row("whole-user", "us", "exec to end, undisturbed, --net user")
	row("whole-tap", "us", "exec to end, undisturbed, --net tap")
	row("whole-true", "us", "exec to end of true(1), for comparison")
	row("dirty-user", "KiB", "private dirty memory at rest, --net user", 3072, 0)
	row("dirty-tap", "KiB", "private dirty memory at rest, --net tap", 1024, 0)
	row("dirty-user-traffic", "KiB", "the same after 16 MB of traffic, --net user", 3072, 0)
	row("dirty-tap-traffic", "KiB", "the same after 16 MB of traffic, --net tap", 1024, 0)
	row("pss-user", "KiB", "proportional memory at rest, --net user")
	row("pss-tap", "KiB", "proportional memory at rest, --net tap")
	row("marker-doorbell", "us", "exec to init, doorbell")
	row("marker-qemu", "us", "exec to init, QEMU microvm as it comes")
	row("marker-tuned", "us", "exec to init, QEMU microvm at its fastest")
	row("guest-doorbell", "us", "of that, on the guest's own clock, doorbell")
	row("guest-qemu", "us", "of that, on the guest's own clock, QEMU microvm as it comes")
	row("guest-tuned", "us", "of that, on the guest's own clock, QEMU microvm at its fastest")
	row("boot-ratio", "", "exec to init, doorbell : QEMU microvm as it comes, by blocks", 0.75, 1)
	row("boot-tuned-ratio", "", "exec to init, doorbell : QEMU microvm at its fastest, by blocks")
}

function row(name, unit, text, limit, time) {
	order[++rows] = name
	unit_of[name] = unit
	text_of[name] = text
	limit_of[name] = limit
	time_of[name] = time
}

NF == 2 { value[$1, ++count[$1]] = $2 + 0 }

# values of a row, ascending, into v[1..n]
function sorted(name, v,    n, i, j, x) {
	n = count[name]
	for (i = 1; i <= n; i++) {
		x = value[name, i]
		for (j = i - 1; j >= 1 && v[j] > x; j--)
			v[j + 1] = v[j]
		v[j + 1] = x
	}
	return n
}

function verdict(name, n, lo, hi,    limit) {
	limit = limit_of[name]
	if (limit == "")
		return ""
	if (time_of[name] && n < 6) # no interval has the median with 95 %
		return "not concluded: too few samples"
	if (hi <= limit)
		return "met"
	if (lo <= limit)
		return "not concluded: the budget lies within the noise"
	if (time_of[name] && busy > 10)
		return "not concluded: others used " busy " % of the machine"
	return "NOT MET"
}

function number(x) {
	return x == int(x) ? sprintf("%d", x) : sprintf("%.3f", x)
}

END {
	printf "%s, %s, %d CPUs, others used %d %% of them\n\n", version, date, cpus, busy
	printf "%-62s %4s %10s %10s %21s %21s  %s\n", "", "n", "median", "budget", "median lies in",
		"range", "budget is"
	printf "{\n  \"version\": \"%s\",\n  \"date\": \"%s\",\n  \"cpus\": %d,\n  \"busy_percent\": %d,\n  \"rows\": [",
		version, date, cpus, busy >json
	for (r = 1; r <= rows; r++) {
		name = order[r]
		if (!count[name])
			continue
		n = sorted(name, v)
		k = rank(n) ? rank(n) : 1 # too few values are enclosed by all
		median = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
		what = verdict(name, n, v[k], v[n + 1 - k])
		printf "%-62s %4d %10s %10s %21s %21s  %s\n", text_of[name] (unit_of[name] ? " [" unit_of[name] "]" : ""),
			n, number(median), limit_of[name], number(v[k]) " .. " number(v[n + 1 - k]),
			number(v[1]) " .. " number(v[n]), what
		printf "%s\n    {\"row\": \"%s\", \"unit\": \"%s\", \"n\": %d, \"median\": %s, \"low\": %s, \"high\": %s, \"min\": %s, \"max\": %s",
			first++ ? "," : "", name, unit_of[name], n, number(median), number(v[k]), number(v[n + 1 - k]),
			number(v[1]), number(v[n]) >json
		if (what != "")
			printf ", \"budget\": %s, \"verdict\": \"%s\"", limit_of[name], what >json
		printf "}" >json
	}
	printf "\n  ]\n}\n" >json
	if (!first)
		print "nothing was measured"
	print "\nfor machines: " json
}
