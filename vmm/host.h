/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/host.h - what can be read about the host */
#ifndef DOORBELL_HOST_H
#define DOORBELL_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* The first @size - 1 bytes of a small file as text; "" when it cannot be read. */
void host_text(const char *path, char *buf, size_t size);

/* The module that gives this CPU a /dev/kvm; NULL when it has no virtualization. */
const char *host_kvm_module(void);

/* Is there a program of this name in PATH? */
bool host_has_program(const char *name);

#endif
