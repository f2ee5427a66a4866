/* SPDX-License-Identifier: Apache-2.0 */
/* check/borne.h - rules that show only in what a driver bears: those of a device that is provoked */
#ifndef DOORBELL_CHECK_BORNE_H
#define DOORBELL_CHECK_BORNE_H

#include <stdbool.h>

#include "check/provoke.h"
#include "check/rule.h"

struct check;

/* Is @rule judged by provocations alone? */
bool borne_only(const struct rule *rule);
/* ... by that one? */
bool borne_by(const struct rule *rule, enum provoke_id id);

/* Behind provoke_end(): what the driver @c has watched has borne. After it nothing is judged any more. */
void check_borne(struct check *c, const struct provoke *p);

#endif
