/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/vu_proc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BURST 32u /* frames: half of what a ring has room for */

int vu_proc_setup(struct vu_proc *p)
{
	p->pairs = 1;
	p->pid = -1;
	strcpy(p->dir, "/tmp/doorbell-peer-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	snprintf(p->path, sizeof(p->path), "%s/socket", p->dir);
	return 0;
}

int vu_proc_teardown(struct vu_proc *p)
{
	vu_proc_kill(p);
	vu_rig_destroy(&p->rig);
	unlink(p->path);
	return rmdir(p->dir);
}

void vu_proc_create(struct vu_proc *p, const char *more)
{
	const struct net_common common = {
		.nic = "net0", .mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500, .more_pairs = p->pairs - 1};
	char keys[128];

	snprintf(keys, sizeof(keys), "socket=%s%s", p->path, more);
	assert_int_equal(vu_rig_create(&p->rig, keys, &common), 0);
}

bool vu_proc_fork(struct vu_proc *p)
{
	const pid_t parent = getpid();

	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid > 0)
		return false;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	return true;
}

void vu_proc_kill(struct vu_proc *p)
{
	if (p->pid < 0)
		return;
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	p->pid = -1;
}

void vu_proc_die(struct vu_proc *p, void (*start)(struct vu_proc *p))
{
	const uint64_t before = p->rig.b->stats.reconnects;

	vu_rig_send(&p->rig, BURST);
	vu_proc_kill(p);
	vu_rig_until_link(&p->rig, false);
	vu_rig_send(&p->rig, BURST);
	start(p);
	vu_rig_until_link(&p->rig, true);
	assert_int_equal(p->rig.b->stats.reconnects, before + 1);
}
