/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/doctor.c - doorbell doctor: what this host has and lacks, and the one command that would fix it */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"
#include "vmm/core/opt.h"
#include "vmm/host.h"
#include "vmm/kvm.h"
#include "vmm/run.h"

enum verdict { HAS, LIMITED, LACKS };

/* Of the source tree: a host with KVM, emulated. */
#define IN_THE_LAB "./tests/lab/run.sh -- ./build/doorbell run KERNEL"

/* What a check found out. fix is one command for a shell; "" where nothing has to be done. */
struct finding {
	enum verdict verdict;
	char text[200];
	char fix[120];
};

struct check {
	const char *name;
	bool needed; /* without it "doorbell run KERNEL" does not work */
	void (*look)(struct finding *f);
};

static void say(struct finding *f, enum verdict v, const char *text, const char *fix)
{
	f->verdict = v;
	snprintf(f->text, sizeof(f->text), "%s", text);
	snprintf(f->fix, sizeof(f->fix), "%s", fix);
}

static void say_no_kvm(struct finding *f)
{
	const char *module = host_kvm_module();

	say(f, LACKS, "there is no /dev/kvm", IN_THE_LAB);
	if (module)
		snprintf(f->fix, sizeof(f->fix), "sudo modprobe %s", module);
}

static void look_kvm(struct finding *f)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int err = errno;
	struct kvm k;

	if (fd < 0 && (err == EACCES || err == EPERM)) {
		say(f, LACKS,
		    "/dev/kvm is there, but this user may not open it (after the fix: log in "
		    "again)",
		    "sudo usermod -aG kvm $USER");
		return;
	}
	if (fd < 0) {
		say_no_kvm(f);
		return;
	}
	fd_close(&fd);
	log_set_level(LOG_ERROR);
	if (kvm_open(&k) < 0) {
		say(f, LACKS, "/dev/kvm opens, but makes no VM", IN_THE_LAB);
		return;
	}
	snprintf(f->text, sizeof(f->text), "/dev/kvm works, up to %u CPUs", k.max_vcpus);
	f->verdict = HAS;
	if (kvm_capability(&k, KVM_CAP_READONLY_MEM) <= 0)
		say(f, LIMITED, "/dev/kvm works, but has no read-only memory",
		    "doorbell run --net user,regs=trap KERNEL");
	kvm_close(&k);
}

static void look_virtualization(struct finding *f)
{
	if (host_kvm_module())
		say(f, HAS, "the CPU has vmx or svm", "");
	else if (access("/dev/kvm", F_OK) == 0)
		say(f, LIMITED,
		    "no vmx or svm: /dev/kvm here can only emulate, good for tiny guests and not "
		    "for a stock kernel; the fix is a host with KVM, emulated",
		    IN_THE_LAB);
	else
		say(f, LACKS,
		    "the CPU shows no vmx or svm: switch virtualization on in the firmware, or "
		    "nested "
		    "virtualization in the cloud; the fix is a host with KVM, emulated",
		    IN_THE_LAB);
}

static bool has_net_admin(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return data[0].effective & (1u << CAP_NET_ADMIN);
}

/* A TAP that belongs to this user: name into @name. */
static bool find_own_tap(char *name, size_t size)
{
	DIR *d = opendir("/sys/class/net");
	const struct dirent *e;
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		char path[300], owner[32];

		snprintf(path, sizeof(path), "/sys/class/net/%s/owner", e->d_name);
		host_text(path, owner, sizeof(owner));
		/* A /sys of another network namespace has names that are not here. */
		if (owner[0] && if_nametoindex(e->d_name) &&
		    strtol(owner, NULL, 10) == (long)getuid()) {
			/* An interface's name has 15 characters at most. */
			snprintf(name, size, "%.15s", e->d_name);
			found = true;
		}
	}
	if (d)
		closedir(d);
	return found;
}

static void look_tap(struct finding *f)
{
	char name[64];

	if (access("/dev/net/tun", F_OK) < 0)
		say(f, LACKS, "there is no /dev/net/tun", "sudo modprobe tun");
	else if (access("/dev/net/tun", R_OK | W_OK) < 0)
		say(f, LACKS, "/dev/net/tun may not be opened", "sudo chmod 666 /dev/net/tun");
	else if (has_net_admin())
		say(f, HAS, "TAPs can be made (CAP_NET_ADMIN)", "");
	else if (find_own_tap(name, sizeof(name)))
		snprintf(f->text, sizeof(f->text),
		         "TAP %s belongs to this user: --net tap,ifname=%s", name, name);
	else
		say(f, LIMITED, "no right to make a TAP, and none belongs to this user",
		    "sudo ip tuntap add tap0 mode tap user $USER && sudo ip link set tap0 up");
}

static void look_vhost(struct finding *f)
{
	if (access("/dev/vhost-net", F_OK) < 0)
		say(f, LACKS, "there is no /dev/vhost-net", "sudo modprobe vhost_net");
	else if (access("/dev/vhost-net", R_OK | W_OK) < 0)
		say(f, LIMITED,
		    "/dev/vhost-net is there, but this user may not open it (after the fix: log in "
		    "again)",
		    "sudo usermod -aG kvm $USER");
	else
		say(f, HAS, "/dev/vhost-net can be opened", "");
}

static void look_huge_pages(struct finding *f)
{
	char mode[128];

	host_text("/sys/kernel/mm/transparent_hugepage/enabled", mode, sizeof(mode));
	mode[strcspn(mode, "\n")] = '\0';
	if (strstr(mode, "[always]") || strstr(mode, "[madvise]"))
		snprintf(f->text, sizeof(f->text), "transparent huge pages: %s", mode);
	else
		say(f, LIMITED, "transparent huge pages are off: guests start and run slower",
		    "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled");
}

static void look_library(struct finding *f, const char *soname, const char *package,
                         const char *what)
{
	void *lib = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);

	f->verdict = lib ? HAS : LACKS;
	snprintf(f->text, sizeof(f->text), "%s %s: %s", soname, lib ? "is installed" : "is missing",
	         what);
	if (lib)
		dlclose(lib);
	else
		snprintf(f->fix, sizeof(f->fix), "sudo apt-get install %s", package);
}

static void look_slirp(struct finding *f)
{
	look_library(f, "libslirp.so.0", "libslirp0", "--net user");
}

static void look_pcap(struct finding *f)
{
	look_library(f, "libpcap.so.0.8", "libpcap0.8", "pcap=FILE");
}

static const struct check checks[] = {
	{"kvm", true, look_kvm},          {"virtualization", false, look_virtualization},
	{"libslirp", true, look_slirp},   {"tap", false, look_tap},
	{"vhost-net", false, look_vhost}, {"huge-pages", false, look_huge_pages},
	{"libpcap", false, look_pcap},
};

static const char *const verdict_names[] = {[HAS] = "ok", [LIMITED] = "limited", [LACKS] = "lacks"};

static void print_line(const struct check *c, const struct finding *f)
{
	printf("%-8s %-15s %s\n", verdict_names[f->verdict], c->name, f->text);
	if (f->fix[0])
		printf("%-24s fix: %s\n", "", f->fix);
}

static json_t *finding_json(const struct check *c, const struct finding *f)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:s}", "name", c->name, "verdict",
	                 verdict_names[f->verdict], "needed", c->needed, "text", f->text, "fix",
	                 f->fix);
}

struct doctor_options {
	bool json, help;
};

static const struct opt_def doctor_options[] = {
	{.name = "json",
         .type = OPT_BOOL,
         .offset = offsetof(struct doctor_options, json),
         .help = "for machines"},
	{.name = "help",
         .letter = 'h',
         .type = OPT_BOOL,
         .offset = offsetof(struct doctor_options, help),
         .help = "this text"},
	OPT_END,
};

static int examine(bool json)
{
	json_t *all = json_array();
	bool works = true;

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct finding f = {0};

		checks[i].look(&f);
		works &= !checks[i].needed || f.verdict != LACKS;
		if (json)
			json_array_append_new(all, finding_json(&checks[i], &f));
		else
			print_line(&checks[i], &f);
	}
	if (json && json_dumpf(all, stdout, JSON_INDENT(2)) == 0)
		putchar('\n');
	json_decref(all);
	return works ? EXIT_OK : EXIT_HOST;
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor_options o = {0};
	const struct opt_group group = {.defs = doctor_options, .target = &o};
	int words = opt_parse_argv(&group, 1, argc, argv);

	if (words > 0)
		log_error("doctor takes no words, given was '%s'", argv[0]);
	if (words != 0)
		return EXIT_USAGE;
	if (o.help) {
		puts("Usage: doorbell doctor [options]\n\n"
		     "Exit status: 0 when doorbell run works here, 1 when something it needs is "
		     "missing.\n");
		opt_help(stdout, doctor_options, 2, 0);
		return EXIT_OK;
	}
	return examine(o.json);
}
