/* SPDX-License-Identifier: Apache-2.0 */
#include "check/junit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/core/xml.h"

/* What is text in @xml has no '<': xml_put(). */
static unsigned count(const char *xml, const char *tag)
{
	unsigned n = 0;

	for (; (xml = strstr(xml, tag)); xml++)
		n++;
	return n;
}

int junit_begin(struct junit *j)
{
	*j = (struct junit){0};
	j->cases = open_memstream(&j->text, &j->len);
	return j->cases ? 0 : -ENOMEM;
}

int junit_end(struct junit *j, const char *name, FILE *out)
{
	const int ret = fclose(j->cases) == 0 ? 0 : -ENOMEM;

	if (ret == 0) {
		fputs("  <testsuite name=\"", out);
		xml_put(name, out);
		fprintf(out, "\" tests=\"%u\" failures=\"%u\" errors=\"0\" skipped=\"%u\">\n",
		        count(j->text, "<testcase"), count(j->text, "<failure"),
		        count(j->text, "<skipped"));
		fputs(j->text, out);
		fputs("  </testsuite>\n", out);
	}
	free(j->text);
	return ret;
}
