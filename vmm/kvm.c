/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/core/fd.h"
#include "vmm/core/log.h"

#define KVM_DEVICE "/dev/kvm"

/* What of it failed, and may be said. */
static int open_all(struct kvm *k, const char **what)
{
	int ret, max;

	*k = (struct kvm){.sys_fd = -1, .vm_fd = -1};
	*what = NULL;
	k->sys_fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	if (k->sys_fd < 0)
		return -errno;
	*what = "KVM_GET_API_VERSION";
	ret = ioctl(k->sys_fd, KVM_GET_API_VERSION, 0);
	if (ret != KVM_API_VERSION)
		return ret < 0 ? -errno : -ENOTSUP;
	*what = "KVM_CREATE_VM";
	do /* a signal that is pending makes it fail for nothing */
		k->vm_fd = ioctl(k->sys_fd, KVM_CREATE_VM, 0);
	while (k->vm_fd < 0 && errno == EINTR);
	if (k->vm_fd < 0)
		return -errno;
	*what = "KVM_GET_VCPU_MMAP_SIZE";
	ret = ioctl(k->sys_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (ret < (int)sizeof(struct kvm_run))
		return ret < 0 ? -errno : -ENOTSUP;
	k->run_bytes = (uint32_t)ret;
	/* Not KVM_CAP_NR_VCPUS: that is how many this host has, and more work as well. */
	max = kvm_capability(k, KVM_CAP_MAX_VCPUS);
	k->max_vcpus =
		max > 0 ? (unsigned)max : 4; /* kernel: Documentation/virt/kvm/api.rst, 4.7 */
	return 0;
}

static void say(int ret, const char *what)
{
	if (what)
		log_error("%s: %s: %s", KVM_DEVICE, what, strerror(-ret));
	else if (ret == -EACCES || ret == -EPERM)
		log_error("%s may not be opened: be a member of group kvm, or root", KVM_DEVICE);
	else
		log_error("%s cannot be opened: %s (doorbell doctor says what this host lacks)",
		          KVM_DEVICE, strerror(-ret));
}

int kvm_try(struct kvm *k)
{
	const char *what;
	int ret = open_all(k, &what);

	if (ret < 0)
		kvm_close(k);
	return ret;
}

int kvm_open(struct kvm *k)
{
	const char *what;
	int ret = open_all(k, &what);

	if (ret == 0)
		return 0;
	say(ret, what);
	kvm_close(k);
	/* ENOENT is a name that the user got wrong, and this is none. */
	return ret == -ENOENT ? -ENODEV : ret;
}

void kvm_close(struct kvm *k)
{
	fd_close(&k->vm_fd);
	fd_close(&k->sys_fd);
}

int kvm_capability(const struct kvm *k, int cap)
{
	int ret = ioctl(k->vm_fd, KVM_CHECK_EXTENSION, cap);

	return ret < 0 ? -errno : ret;
}

static int add_slot(struct kvm *k, struct kvm_userspace_memory_region slot)
{
	slot.slot = k->nr_slots;
	if (ioctl(k->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return -errno;
	k->nr_slots++;
	return 0;
}

int kvm_add_memory(struct kvm *k, const struct gmem *m)
{
	for (unsigned i = 0; i < m->nr; i++) {
		const struct gmem_region *r = &m->region[i];
		const struct kvm_userspace_memory_region slot = {
			.guest_phys_addr = r->base,
			.memory_size = r->size,
			.userspace_addr = (uintptr_t)r->host,
		};
		int ret = add_slot(k, slot);

		if (ret < 0) {
			log_error("KVM takes no memory of %llu MiB at 0x%llx: %s",
			          (unsigned long long)(r->size >> 20), (unsigned long long)r->base,
			          strerror(-ret));
			return ret;
		}
	}
	return 0;
}

int kvm_add_readonly(struct kvm *k, gpa_t gpa, const void *host, uint64_t size)
{
	const struct kvm_userspace_memory_region slot = {
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};
	int ret = -ENOTSUP;

	if (kvm_capability(k, KVM_CAP_READONLY_MEM) > 0)
		ret = add_slot(k, slot);
	if (ret < 0)
		log_error("KVM takes no read-only memory at 0x%llx: %s (--net KIND,regs=trap does "
		          "without)",
		          (unsigned long long)gpa, strerror(-ret));
	return ret;
}

static int set_ioeventfd(struct kvm *k, struct kvm_ioeventfd io)
{
	io.len = sizeof(uint32_t);
	if (ioctl(k->vm_fd, KVM_IOEVENTFD, &io) < 0) {
		int ret = -errno;

		log_error("KVM_IOEVENTFD at 0x%llx: %s", (unsigned long long)io.addr,
		          strerror(-ret));
		return ret;
	}
	return 0;
}

int kvm_irqfd(struct kvm *k, unsigned gsi, int fd)
{
	const struct kvm_irqfd irqfd = {.fd = (uint32_t)fd, .gsi = gsi};

	if (ioctl(k->vm_fd, KVM_IRQFD, &irqfd) < 0) {
		int ret = -errno;

		log_error("KVM_IRQFD on interrupt %u: %s", gsi, strerror(-ret));
		return ret;
	}
	return 0;
}

int kvm_ioeventfd(struct kvm *k, gpa_t gpa, uint32_t val, int fd)
{
	return set_ioeventfd(k, (struct kvm_ioeventfd){.addr = gpa,
	                                               .datamatch = val,
	                                               .fd = fd,
	                                               .flags = KVM_IOEVENTFD_FLAG_DATAMATCH});
}

int kvm_ioeventfd_any(struct kvm *k, gpa_t gpa, int fd, bool on)
{
	return set_ioeventfd(
		k, (struct kvm_ioeventfd){
			   .addr = gpa, .fd = fd, .flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN});
}

int kvm_vcpu_open(struct kvm *k, unsigned index, struct kvm_run **run)
{
	int fd = ioctl(k->vm_fd, KVM_CREATE_VCPU, index);
	void *p;

	*run = NULL;
	if (fd < 0) {
		int ret = -errno;

		log_error("KVM makes no CPU %u: %s", index, strerror(-ret));
		return ret;
	}
	p = mmap(NULL, k->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		int ret = -errno;

		log_error("CPU %u: %s", index, strerror(-ret));
		fd_close(&fd);
		return ret;
	}
	*run = p;
	return fd;
}

void kvm_vcpu_close(struct kvm *k, int *fd, struct kvm_run **run)
{
	if (*run)
		munmap(*run, k->run_bytes);
	*run = NULL;
	fd_close(fd);
}

int kvm_stats_open(int fd)
{
	int file = ioctl(fd, KVM_GET_STATS_FD, NULL);

	return file < 0 ? -errno : file;
}

int kvm_vcpu_run(int fd)
{
	return ioctl(fd, KVM_RUN, 0) < 0 ? -errno : 0;
}
