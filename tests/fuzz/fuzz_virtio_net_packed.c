/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_virtio_net.c with drivers that take packed rings whenever they are offered. */
#define LAYOUTS VRIG_LAYOUTS
#include "tests/fuzz/fuzz_virtio_net.c" // NOLINT(bugprone-suspicious-include): the same but for LAYOUTS
