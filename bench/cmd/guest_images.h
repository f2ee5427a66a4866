/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/guest_images.h - guests of a few instructions, which this program carries: bench/guest/CPU/ */
#ifndef DOORBELL_BENCH_GUEST_IMAGES_H
#define DOORBELL_BENCH_GUEST_IMAGES_H

#include <limits.h>
#include <stdint.h>

struct bench_env;

struct guest_image {
	const char *name; /* of its file, too */
	const uint8_t *data, *end;
};

/* A kernel: does what the first word of its command line says. And the only file of an initramfs. */
extern const struct guest_image guest_micro, guest_init;

/*
 * The path of a file with that kernel, of an initramfs with that init: made in @env->tmp when it is not there. 0; or
 * -errno with a line in @why (BENCH_WHY_MAX).
 */
int guest_micro_file(const struct bench_env *env, char path[PATH_MAX], char *why);
int guest_init_file(const struct bench_env *env, char path[PATH_MAX], char *why);

#endif
