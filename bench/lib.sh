# SPDX-License-Identifier: Apache-2.0
# What the benchmarks share that put a driver of our own on a NIC of the product. Sourced, in the top directory.
# shellcheck shell=bash

# bench_nic_program NAME: build/bench/NAME from bench/NAME.c, with the objects and flags of the product
bench_nic_program() {
	local driver=(fake_driver fake_packed fake_page)
	driver=("${driver[@]/#/build/obj-gcc/tests/lib/}")
	mkdir -p build/bench
	make -s build/obj-gcc/libdoorbell.a "${driver[@]/%/.o}" >&2
	gcc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -I . -o "build/bench/$1" "bench/$1.c" bench/nic.c \
		"${driver[@]/%/.o}" build/obj-gcc/libdoorbell.a -l:libfdt.a -l:libjansson.a -pthread
}

# For awk. Of a sorted array v[1 .. n]: the interval that has the true median with 95 % probability, from the order of
# the samples alone, as low() and high(); and a verdict about a share that has to reach @least.
# shellcheck disable=SC2034,SC2016 # for those who source this; awk's own variables
bench_awk=$(<"$(dirname "${BASH_SOURCE[0]}")/rank.awk")'
	function sort(v, n,    i, k, t) {
		for (i = 2; i <= n; i++)
			for (k = i; k > 1 && v[k - 1] > v[k]; k--) {
				t = v[k]; v[k] = v[k - 1]; v[k - 1] = t
			}
	}
	function med(v, n) { return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2 }
	function low(v, n) { return rank(n) > 0 ? v[rank(n)] : -1 }
	function high(v, n) { return rank(n) > 0 ? v[n + 1 - rank(n)] : 1e99 }
	function span(v, n, format) {
		return rank(n) > 0 ? sprintf(format, low(v, n), high(v, n)) : "unknown, too few rounds"
	}
	function verdict(v, n, least) {
		return low(v, n) >= least ? "met" : high(v, n) < least ? "not met" : "not concluded"
	}'
