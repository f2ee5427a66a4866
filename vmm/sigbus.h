/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/sigbus.h - memory of another process may go away under our hands */
#ifndef DOORBELL_SIGBUS_H
#define DOORBELL_SIGBUS_H

/*
 * A front end that cuts the file behind its memory makes our next access to it raise SIGBUS. From here on the whole
 * mapping that it hit is replaced by zeros, for us alone: the rings in it are broken then, which ends the service of that
 * front end, not the process. For processes that map no files shared but those of front ends. A file with F_SEAL_SHRINK
 * never comes to this. The handler runs on the thread that made the access: loop_thread_start() leaves SIGBUS to it.
 */
void sigbus_survive(void);

#endif
