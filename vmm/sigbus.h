/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/sigbus.h - memory of another process may go away under our hands */
#ifndef DOORBELL_SIGBUS_H
#define DOORBELL_SIGBUS_H

/*
 * A front end that cuts the file behind its memory makes our next access to it raise SIGBUS. From here on such
 * a page is replaced by one of zeros, in our mapping alone: the rings that were in it are broken then, which ends the
 * service of that front end, not the process. For processes that map no files but those of front ends. A file with
 * F_SEAL_SHRINK never comes to this.
 */
void sigbus_survive(void);

#endif
