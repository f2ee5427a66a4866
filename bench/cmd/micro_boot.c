/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/micro_boot.c - Linux until its init: ours, and QEMU's microvm beside it */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bench/cmd/aside.h"
#include "bench/cmd/guest_images.h"
#include "bench/cmd/micro.h"
#include "bench/cmd/micro_vm.h"
#include "bench/cmd/process.h"
#include "bench/guest/micro.h"
#include "vmm/host.h"

#define LIMIT_S 180 /* of an emulated machine under load */
#define MEM     "512M"
#define MEM_KIB (512u << 10)
#define QEMU    "qemu-system-x86_64"
#define APPEND  "console=ttyS0 quiet panic=-1"

#define WORDS_MAX 32

struct boot {
	const char *word[WORDS_MAX];
	char initrd[PATH_MAX];
};

static void doorbell_words(struct boot *b, const struct bench_env *env, const char *append)
{
	const char *const words[] = {env->self,  "run",     "--mem",    MEM,    "--net",     "user",
	                             "--initrd", b->initrd, "--append", append, env->kernel, NULL};

	_Static_assert(sizeof(words) <= sizeof(b->word), "room for the words");
	memcpy(b->word, words, sizeof(words));
}

/*
 * As it comes: with KVM that machine has no clock chip and does not say so, and Linux waits for it, seconds long. And
 * what it is fastest with that a stock kernel boots on: with a clock, without option ROMs. Its RAM is told from the rest
 * of its memory by what it keeps out of core dumps.
 */
static void qemu_words(struct boot *b, const struct bench_env *env, const char *append, bool tuned)
{
	const char *const words[] = {
		QEMU,
		"-M",
		tuned ? "microvm,accel=kvm,dump-guest-core=off,x-option-roms=off,rtc=on"
		      : "microvm,accel=kvm,dump-guest-core=off",
		"-cpu",
		"host",
		"-m",
		MEM,
		"-nodefaults",
		"-no-user-config",
		"-nographic",
		"-serial",
		"stdio",
		"-no-reboot",
		"-netdev",
		"user,id=net0",
		"-device",
		"virtio-net-device,netdev=net0",
		"-kernel",
		env->kernel,
		"-initrd",
		b->initrd,
		"-append",
		append,
		NULL,
	};

	_Static_assert(sizeof(words) <= sizeof(b->word), "room for the words");
	memcpy(b->word, words, sizeof(words));
}

/* 0; or -EOPNOTSUPP with the reason in @why. */
static int can(const struct bench_env *env, const struct micro_boot *m, char *why)
{
	int ret = micro_vm_can(why);

	if (ret < 0)
		return ret;
	if (!host_kvm_module())
		snprintf(why, BENCH_WHY_MAX,
		         "KVM here only emulates (no vmx, no svm): Linux would not boot; there is "
		         "tests/lab/run.sh");
	else if (!env->kernel)
		snprintf(why, BENCH_WHY_MAX,
		         "no kernel for the guests: --kernel, or tests/setup.sh kernels");
	else if (m->vmm != MICRO_DOORBELL && !host_has_program(QEMU))
		snprintf(why, BENCH_WHY_MAX, "no " QEMU ": package qemu-system-x86");
	else
		return 0;
	return -EOPNOTSUPP;
}

MICRO_CAN(micro_can_boot)
{
	return can(env, row->arg, why);
}

static int boot(const struct bench_env *env, const struct micro_boot *m,
                int (*fn)(const void *job, double *v, char *why), double v[ASIDE_VALUES], char *why)
{
	/* A word that the kernel does not know is init's: it stays. */
	const char *append = fn == process_memory ? APPEND " stay" : APPEND;
	struct boot b;
	const struct process_job job = {
		.argv = b.word, .marker = MICRO_INIT_LINE, .ram_kib = MEM_KIB};
	const struct aside a = {.fn = fn, .arg = &job, .limit_s = LIMIT_S, .stop = env->stop};
	int ret = can(env, m, why);

	if (ret == 0)
		ret = guest_init_file(env, b.initrd, why);
	if (ret < 0)
		return ret;
	if (m->vmm == MICRO_DOORBELL)
		doorbell_words(&b, env, append);
	else
		qemu_words(&b, env, append, m->vmm == MICRO_QEMU_TUNED);
	return aside_run(&a, v, why);
}

MICRO_MEASURE(micro_boot)
{
	double v[ASIDE_VALUES];
	int ret = boot(env, row->arg, process_marker, v, why);

	if (ret == 0)
		bench_set(s, BM_NS, v[0]);
	return ret;
}

MICRO_MEASURE(micro_boot_memory)
{
	double v[ASIDE_VALUES];
	int ret = boot(env, row->arg, process_memory, v, why);

	if (ret == 0)
		bench_set(s, BM_BYTES, v[0] * 1024);
	return ret;
}
