/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_virtio_net.c with a thread that looks into the rings: chains are taken ahead, and no kick is waited for. */
#define POLL POLL_ON
#include "tests/fuzz/fuzz_virtio_net.c" // NOLINT(bugprone-suspicious-include): the same but for POLL
