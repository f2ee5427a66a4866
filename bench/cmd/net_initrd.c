/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cmd/net_initrd.c - the guests' initial RAM disk, of our generator and a kernel's modules */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/cmd/bench.h"
#include "bench/cmd/cpio_out.h"
#include "bench/cmd/net_load.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"

#define FILE_MAX   MIB(64)
#define FOLDER_MAX (PATH_MAX - 512) /* so that names below it fit */

/* ---- which kernel is it */

int net_kernel_release(const char *kernel, char *out, size_t size)
{
	uint8_t head[0x210], text[128] = {0};
	int fd = open(kernel, O_RDONLY | O_CLOEXEC), ret;
	uint64_t at;
	size_t len;

	if (fd < 0)
		return -errno;
	ret = fd_pread_all(fd, head, sizeof(head), 0);
	if (ret == 0 && memcmp(head + 0x202, "HdrS", 4) != 0)
		ret = -EINVAL;
	if (ret == 0) {
		at = 0x200u + (uint64_t)(head[0x20e] | head[0x20f] << 8);
		ret = fd_pread_all(fd, text, sizeof(text), at);
	}
	fd_close(&fd);
	if (ret < 0)
		return ret;
	text[sizeof(text) - 1] = '\0';
	len = strcspn((const char *)text, " ");
	if (len == 0 || len >= size || text[0] == '.' || memchr(text, '/', len))
		return -EINVAL;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

/* ---- which modules */

/* Where the line of @module begins: its path ends in "/MODULE.ko", packed or not. */
static const char *line_of(const char *dep, const char *module)
{
	const size_t len = strlen(module);

	for (const char *line = dep; line && *line; line = strchr(line, '\n')) {
		const char *colon, *name;

		line += *line == '\n';
		colon = strchr(line, ':');
		if (!colon)
			return NULL;
		for (name = colon; name > line && name[-1] != '/'; name--)
			;
		if (strncmp(name, module, len) == 0 && strncmp(name + len, ".ko", 3) == 0)
			return line;
	}
	return NULL;
}

static bool listed(const struct module_list *l, const char *path, size_t len)
{
	for (size_t i = 0; i < l->nr; i++)
		if (strlen(l->path[i]) == len && memcmp(l->path[i], path, len) == 0)
			return true;
	return false;
}

static int append(struct module_list *l, const char *path, size_t len)
{
	if (listed(l, path, len))
		return 0;
	if (len == 0 || len >= sizeof(l->path[0]) || l->nr == MODULES_MAX || path[0] == '/' ||
	    memmem(path, len, "..", 2))
		return -EINVAL;
	memcpy(l->path[l->nr], path, len);
	l->path[l->nr++][len] = '\0';
	return 0;
}

int module_list_add(struct module_list *l, const char *dep, const char *module)
{
	const char *line = line_of(dep, module), *colon, *end, *word;
	int ret = 0;

	if (!line)
		return -ENOENT;
	colon = strchr(line, ':');
	end = strchrnul(line, '\n');
	if (!colon || colon > end)
		return -EINVAL;
	/* What is needed stands behind it, that which has to be there first last. */
	for (word = end; ret == 0 && word > colon + 1;) {
		const char *stop = word;

		while (word > colon + 1 && word[-1] != ' ')
			word--;
		if (stop > word)
			ret = append(l, word, (size_t)(stop - word));
		if (word > colon + 1)
			word--;
	}
	return ret < 0 ? ret : append(l, line, (size_t)(colon - line));
}

/* ---- files */

/* All of it, with a zero behind, for free(). NULL: errno. */
static char *slurp(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size >= 0 && (uint64_t)st.st_size <= FILE_MAX) {
		*len = (size_t)st.st_size;
		data = malloc(*len + 1);
	}
	if (data && fd_pread_all(fd, data, *len, 0) < 0) {
		free(data);
		data = NULL;
	}
	if (data)
		data[*len] = '\0';
	fd_close(&fd);
	return data;
}

/* The folder of the modules of @release: beside the kernel, or the system's. */
static bool find_folder(const char *kernel, const char *release, char out[FOLDER_MAX])
{
	const char *slash = strrchr(kernel, '/');
	const int dir = slash ? (int)(slash - kernel) : 1;
	const struct {
		const char *dir;
		int len;
	} place[] = {{slash ? kernel : ".", dir}, {"", 0}, {"/usr", 4}};
	char dep[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(place); i++) {
		if (snprintf(out, FOLDER_MAX, "%.*s/lib/modules/%s", place[i].len, place[i].dir,
		             release) >= FOLDER_MAX)
			continue;
		snprintf(dep, sizeof(dep), "%s/modules.dep", out);
		if (access(dep, R_OK) == 0)
			return true;
	}
	return false;
}

/* What a kernel may have in itself instead. */
static bool is_builtin(const char *folder, const char *module)
{
	char path[PATH_MAX], name[64];
	bool found;
	char *text;
	size_t len;

	snprintf(path, sizeof(path), "%s/modules.builtin", folder);
	snprintf(name, sizeof(name), "/%s.ko", module);
	text = slurp(path, &len);
	found = text && strstr(text, name);
	free(text);
	return found;
}

static int list_modules(const char *folder, struct module_list *l, char *why)
{
	/* Either transport: of the two a guest uses what its machine has. */
	static const char *const wanted[] = {"virtio_mmio", "virtio_pci", "virtio_net"};
	char path[PATH_MAX];
	size_t len;
	char *dep;
	int ret = 0;

	snprintf(path, sizeof(path), "%s/modules.dep", folder);
	dep = slurp(path, &len);
	if (!dep) {
		return bench_why(why, -EIO, "%s: %s", path, strerror(errno));
	}
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(wanted); i++) {
		ret = module_list_add(l, dep, wanted[i]);
		if (ret == -ENOENT && is_builtin(folder, wanted[i]))
			ret = 0;
		if (ret < 0)
			bench_why(why, ret, "%s: no module %s for the guests", folder, wanted[i]);
	}
	free(dep);
	return ret;
}

/* ---- the image */

static int add_module(struct cpio_out *c, const char *folder, const char *path, size_t nr,
                      FILE *order)
{
	const char *name = strrchr(path, '/');
	char from[PATH_MAX], to[192];
	size_t len;
	char *data;

	snprintf(from, sizeof(from), "%s/%s", folder, path);
	data = slurp(from, &len);
	if (!data)
		return -errno;
	snprintf(to, sizeof(to), "m/%02zu-%s", nr, name ? name + 1 : path);
	cpio_add(c, to, CPIO_FILE, data, len);
	fprintf(order, "/%s\n", to);
	free(data);
	return 0;
}

static int fill(FILE *out, const char *folder, const struct module_list *l, char *why)
{
	struct cpio_out c = {.out = out};
	char *text = NULL;
	size_t len = 0;
	FILE *order = open_memstream(&text, &len);
	int ret = order ? 0 : -ENOMEM;

	cpio_add(&c, "dev", CPIO_DIR, NULL, 0);
	cpio_add(&c, "m", CPIO_DIR, NULL, 0);
	cpio_add(&c, "init", CPIO_PROG, net_load, (size_t)net_load_size);
	for (size_t i = 0; ret == 0 && i < l->nr; i++) {
		ret = add_module(&c, folder, l->path[i], i, order);
		if (ret < 0)
			bench_why(why, ret, "%s/%s: %s", folder, l->path[i], strerror(-ret));
	}
	if (order && fclose(order) != 0 && ret == 0)
		ret = -ENOMEM;
	if (ret == 0)
		cpio_add(&c, "modules", CPIO_FILE, text, len);
	free(text);
	cpio_end(&c);
	return ret;
}

int bench_initrd_make(const struct bench_env *env, const char *path, char *why)
{
	struct module_list *l = calloc(1, sizeof(*l));
	char release[128], folder[FOLDER_MAX];
	FILE *out = NULL;
	int ret;

	if (!l)
		return -ENOMEM;
	ret = net_kernel_release(env->kernel, release, sizeof(release));
	if (ret < 0) {
		bench_why(why, ret, "%s: no Linux kernel for the guests: %s", env->kernel,
		          ret == -EINVAL ? "not a bzImage" : strerror(-ret));
	} else if (!find_folder(env->kernel, release, folder)) {
		bench_why(why, ret,
		          "no lib/modules/%.60s beside the kernel or in /lib/modules: "
		          "tests/setup.sh kernels, or "
		          "install that kernel's package",
		          release);
		ret = -ENOENT;
	} else {
		ret = list_modules(folder, l, why);
	}
	if (ret == 0) {
		out = fopen(path, "we");
		ret = out ? fill(out, folder, l, why) : -errno;
		if (!out)
			bench_why(why, ret, "%s: %s", path, strerror(-ret));
	}
	if (out && (ferror(out) | (fclose(out) != 0)) && ret == 0) {
		ret = -EIO;
		bench_why(why, ret, "%s cannot be written: is the disk full?", path);
	}
	if (out && ret < 0)
		(void)unlink(path);
	free(l);
	return ret;
}
