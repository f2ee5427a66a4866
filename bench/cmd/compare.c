/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/compare.h"

#include "vmm/core/compiler.h"
#include "vmm/run.h"

int bench_compare_command(unused int argc, unused char **argv)
{
	return EXIT_USAGE;
}
