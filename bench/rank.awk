# SPDX-License-Identifier: Apache-2.0
#
# The largest k so that the k-th smallest and k-th largest of n enclose the median with 95 %: how often
# fewer than k of n fall on one side is a matter of coin tosses. 0: there is none, of fewer than 6.
function rank(n,    k, p, sum) {
	p = 0.5 ^ n
	for (k = 0; k < n / 2; k++) {
		sum += p
		if (sum > 0.025)
			break
		p *= (n - k) / (k + 1)
	}
	return k
}
