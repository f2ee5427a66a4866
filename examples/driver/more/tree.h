/* SPDX-License-Identifier: Apache-2.0 */
/* Where the machine has its devices: the device tree, as much of it as is needed */
#ifndef EXAMPLE_MORE_TREE_H
#define EXAMPLE_MORE_TREE_H

#include <stdbool.h>
#include <stdint.h>

/* Is there a word @word in the command line? */
bool tree_has_word(const void *tree, const char *word);
/* Node number @nth, from 0, of those that are compatible with @compatible: its address, and its interrupt's input. */
bool tree_find(const void *tree, const char *compatible, unsigned nth, uint64_t *base,
               unsigned *line);

#endif
