/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/json_file.h - JSON for people and programs */
#ifndef DOORBELL_JSON_FILE_H
#define DOORBELL_JSON_FILE_H

#include <jansson.h>
#include <stdio.h>

struct outfile;

/* Numbers as they were written: with 17 digits 0.1 is 0.10000000000000001. */
#define JSON_DIGITS JSON_REAL_PRECISION(15)

/* @json, any value, borrowed, indented and with a newline behind it. 0 or -errno; NULL is -EIO: there was no memory for it. */
int json_print(const json_t *json, FILE *out);
int json_file(const json_t *json, struct outfile *f); /* the same to @f, which is closed by it */

#endif
