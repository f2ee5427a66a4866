/* SPDX-License-Identifier: Apache-2.0 */
/* A frame that the guest sends to echo. Each in a block of its own, whose ends the address sanitizer guards. */
#include <stdint.h>

#include "net/turn_round.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame = malloc(size ? size : 1);

	REQUIRE(frame);
	memcpy(frame, data, size);
	turn_round(frame, size);
	if (size >= 14) {
		REQUIRE(memcmp(frame, data + 6, 6) == 0);
		REQUIRE(!(frame[6] & 1));
	}
	free(frame);
	return 0;
}
