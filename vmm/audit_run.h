/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/audit_run.h - run --audit: one life of a guest, from its first instruction to its last */
#ifndef DOORBELL_AUDIT_RUN_H
#define DOORBELL_AUDIT_RUN_H

struct audit_run; /* opaque */
struct outfile;
struct vm;

/* Before vm_run(). NULL without memory: then the report has less in it. */
struct audit_run *audit_run_begin(struct vm *vm);
/*
 * After vm_run(): the report, for people on standard error, or as JSON to @f unless that is NULL. 0 or -errno.
 */
int audit_run_report(struct audit_run *a, struct vm *vm, struct outfile *f);
void audit_run_end(struct audit_run *a); /* NULL is fine */

#endif
