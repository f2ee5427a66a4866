/* SPDX-License-Identifier: Apache-2.0 */
/* check/trace_print.h - records for people and for programs */
#ifndef DOORBELL_CHECK_TRACE_PRINT_H
#define DOORBELL_CHECK_TRACE_PRINT_H

#include <stdio.h>

#include "check/trace.h"

/* @device: the one that @r is about. One line. */
void trace_print_text(FILE *out, const struct trace_device *device, const struct trace_record *r);
/* One object of JSON on a line. 0; -ENOMEM; -EIO: @out says no. */
int trace_print_json(FILE *out, const struct trace_device *device, const struct trace_record *r);

#endif
