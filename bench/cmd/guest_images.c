/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cmd/guest_images.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/cpio_out.h"

/* BENCH_GUESTS is their folder, from the Makefile. */
#define IMAGE(name)                                                       \
	__asm__(".pushsection .rodata\n"                                  \
	        "image_" name ": .incbin \"" BENCH_GUESTS "/" name "\"\n" \
	        "image_" name "_end: .byte 0\n"                           \
	        ".popsection\n")

IMAGE("micro");
IMAGE("init");

extern const uint8_t image_micro[], image_micro_end[], image_init[], image_init_end[];

const struct guest_image guest_micro = {"micro", image_micro, image_micro_end};
const struct guest_image guest_init = {"init", image_init, image_init_end};

static void write_micro(FILE *f)
{
	(void)fwrite(guest_micro.data, 1, (size_t)(guest_micro.end - guest_micro.data), f);
}

static void write_init(FILE *f)
{
	struct cpio_out c = {.out = f};

	cpio_add(&c, "init", CPIO_PROG, guest_init.data,
	         (size_t)(guest_init.end - guest_init.data));
	cpio_end(&c);
}

/* Under another name first: what is there is whole. */
static int write_file(const char *path, void (*fill)(FILE *f))
{
	char part[PATH_MAX + 8];
	FILE *f;
	int ret;

	snprintf(part, sizeof(part), "%s.part", path);
	f = fopen(part, "we");
	if (!f)
		return -errno;
	fill(f);
	ret = fflush(f) != 0 || ferror(f) ? -errno : 0;
	fclose(f);
	if (ret == 0 && rename(part, path) < 0)
		ret = -errno;
	return ret;
}

static int need_file(const struct bench_env *env, const char *name, void (*fill)(FILE *f),
                     char path[PATH_MAX], char *why)
{
	int ret = 0;

	if (snprintf(path, PATH_MAX, "%s/%s", env->tmp, name) >= PATH_MAX)
		ret = -ENAMETOOLONG;
	else if (access(path, F_OK) < 0)
		ret = write_file(path, fill);
	if (ret < 0)
		snprintf(why, BENCH_WHY_MAX, "no file for a guest in %.100s: %s", env->tmp,
		         strerror(-ret));
	return ret;
}

int guest_micro_file(const struct bench_env *env, char path[PATH_MAX], char *why)
{
	return need_file(env, guest_micro.name, write_micro, path, why);
}

int guest_init_file(const struct bench_env *env, char path[PATH_MAX], char *why)
{
	return need_file(env, "micro-init.cpio", write_init, path, why);
}
