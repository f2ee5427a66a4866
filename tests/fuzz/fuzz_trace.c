// SPDX-License-Identifier: Apache-2.0
/* A recording that anybody has written: all of it is read, printed and summed up, or what is wrong with it is said. */
#include <errno.h>
#include <string.h>

#include "check/trace.h"
#include "check/trace_print.h"
#include "check/trace_summary.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(FILE *out, struct trace_sum *sum, const struct trace_reader *r,
                const struct trace_record *t)
{
	const struct trace_device *d = &r->device[t->nic];
	int ret;

	trace_print_text(out, d, t);
	ret = trace_print_json(out, d, t);
	REQUIRE(ret == 0);
	trace_sum_add(sum, d, t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *in = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
	FILE *out = fopen("/dev/null", "w");
	struct trace_sum *sum = calloc(1, sizeof(*sum));
	struct trace_reader r;
	struct trace_record t;
	int ret;

	if (!out || !sum)
		abort();
	if (in) {
		ret = trace_open(&r, in);
		if (ret == 0)
			while ((ret = trace_next(&r, &t)) == 1)
				use(out, sum, &r, &t);
		REQUIRE(ret == 0 || (ret == -EPROTO && r.why[0]));
		trace_sum_print(sum, out);
		trace_close(&r);
		fclose(in);
	}
	fclose(out);
	free(sum);
	return 0;
}
