/* SPDX-License-Identifier: Apache-2.0 */
/* bench/ring.c - what the queue core costs per request; prints "LAYOUT-KIND NANOSECONDS". See bench/ring.sh.
 *
 * What differs between two builds of it are the instructions of the queue core, and of its driver.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/cmd/ring.h"

#define MS 200

int main(void)
{
	static const struct {
		const char *name;
		struct ring_work work;
	} rows[] = {
		{"split-one", {.pieces = 1, .len = 64}},
		{"split-three", {.pieces = 3, .len = 64}},
		{"packed-one", {.packed = true, .pieces = 1, .len = 64}},
		{"packed-three", {.packed = true, .pieces = 3, .len = 64}},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double ns = 0;

		if (ring_cost(&rows[i].work, MS, &ns) < 0) {
			fprintf(stderr, "ring: %s cannot be measured\n", rows[i].name);
			return EXIT_FAILURE;
		}
		printf("%s %.2f\n", rows[i].name, ns);
	}
	return EXIT_SUCCESS;
}
