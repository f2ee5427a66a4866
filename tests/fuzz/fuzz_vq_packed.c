/* SPDX-License-Identifier: Apache-2.0 */
/* As fuzz_vq.c, with a packed ring: of any size, resumed anywhere, finished in order or in any. */
#define PACKED true
#include "tests/fuzz/fuzz_vq.c" // NOLINT(bugprone-suspicious-include)
