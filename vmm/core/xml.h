/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/core/xml.h - text within XML or HTML */
#ifndef DOORBELL_XML_H
#define DOORBELL_XML_H

#include <stdio.h>

/* @s to @out, as the text of an element or the value of an attribute in double quotes. */
void xml_put(const char *s, FILE *out);

#endif
