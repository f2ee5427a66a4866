/* SPDX-License-Identifier: Apache-2.0 */
/* audit/text.h - words out of JSON that somebody else made */
#ifndef DOORBELL_TEXT_H
#define DOORBELL_TEXT_H

#include <jansson.h>

/* The member @name of @o; "" when there is none, or none that is text. */
static inline const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

#endif
