/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_virtio_net.c with three queue pairs: MQ and RSS commands among the others. */
#define PAIRS 3u
#include "tests/fuzz/fuzz_virtio_net.c" // NOLINT(bugprone-suspicious-include): the same but for PAIRS
