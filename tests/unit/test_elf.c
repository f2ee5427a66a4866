/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/elf.h"
#include "tests/lib/boot_file.h"
#include "tests/lib/capture.h"
#include "tests/lib/pattern.h"
#include "vmm/core/compiler.h"
#include "vmm/core/le.h"

#define FILE_SIZE 65536u
#define MIN       UINT64_C(0x10000)
#define MAX_PHDRS 70u
#define NOTE_AT   0x8000u

/* A program with two segments and no notes, to be spoilt by a case. put() makes the file. */
static uint8_t file[FILE_SIZE];
static Elf64_Ehdr eh;
static Elf64_Phdr ph[MAX_PHDRS];

static int setup(void **state)
{
	(void)state;
	pattern_fill(file, sizeof(file), 0);
	eh = (Elf64_Ehdr){
		.e_ident = ELFMAG,
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = MIB(1) + 16,
		.e_phoff = 64,
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	memset(ph, 0, sizeof(ph));
	ph[0] = (Elf64_Phdr){.p_type = PT_LOAD,
	                     .p_offset = 0x1000,
	                     .p_vaddr = 0xffffffff80000000,
	                     .p_paddr = MIB(1),
	                     .p_filesz = 0x3000,
	                     .p_memsz = 0x3000};
	ph[1] = (Elf64_Phdr){.p_type = PT_LOAD,
	                     .p_offset = 0x4321,
	                     .p_vaddr = 0xffffffff80200000,
	                     .p_paddr = MIB(1) + 0x3000,
	                     .p_filesz = 0x1001,
	                     .p_memsz = 0x5000};
	return 0;
}

static struct image_file put(void)
{
	memcpy(file, &eh, sizeof(eh));
	if (eh.e_phoff < 0x1000 - sizeof(Elf64_Phdr) && eh.e_phnum <= MAX_PHDRS)
		memcpy(file + eh.e_phoff, ph, eh.e_phnum * sizeof(Elf64_Phdr));
	return boot_file(file, sizeof(file));
}

static int load(struct gmem *m, struct elf_image *e)
{
	static const struct gmem_range ram[] = {{0, MIB(4)}, {MIB(8), MIB(1)}};
	struct image_file f = put();
	int ret;

	assert_int_equal(gmem_create(m, ram, 2, false), 0);
	ret = elf_load(&f, m, MIN, e);
	image_close(&f);
	return ret;
}

static void refused(int want, const char *part)
{
	struct elf_image e;
	struct capture c;
	struct gmem m;
	int ret;

	CAPTURED(&c, &ret, load(&m, &e));
	gmem_destroy(&m);
	assert_one_line(&c, part);
	assert_non_null(strstr(c.text, "'test.img'"));
	assert_int_equal(ret, want);
}

static struct elf_image loaded(void)
{
	struct elf_image e;
	struct gmem m;

	assert_int_equal(load(&m, &e), 0);
	gmem_destroy(&m);
	return e;
}

static void segments_go_to_their_physical_addresses(void **state)
{
	static const uint8_t zeros[0x4000];
	struct elf_image e;
	struct gmem m;

	(void)state;
	assert_int_equal(load(&m, &e), 0);
	assert_int_equal(e.entry, MIB(1) + 16);
	assert_false(e.has_pvh);
	assert_int_equal(e.low, MIB(1));
	assert_int_equal(e.high, MIB(1) + 0x8000);
	assert_memory_equal(gmem_ptr(&m, MIB(1), 0x3000), file + 0x1000, 0x3000);
	assert_memory_equal(gmem_ptr(&m, MIB(1) + 0x3000, 0x1001), file + 0x4321, 0x1001);
	assert_memory_equal(gmem_ptr(&m, MIB(1) + 0x4001, 0x3fff), zeros, 0x3fff);
	gmem_destroy(&m);
}

static void segment_of_bss_only_may_point_anywhere_in_the_file(void **state)
{
	struct elf_image e;

	(void)state;
	ph[1].p_offset = UINT64_MAX;
	ph[1].p_filesz = 0;
	e = loaded();
	assert_int_equal(e.high, MIB(1) + 0x8000);
}

static void empty_segment_is_ignored(void **state)
{
	(void)state;
	ph[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_paddr = UINT64_MAX};
	assert_int_equal(loaded().high, MIB(1) + 0x3000);
}

static void segment_in_a_second_region_is_loaded(void **state)
{
	(void)state;
	ph[1].p_paddr = MIB(9) - ph[1].p_memsz;
	assert_int_equal(loaded().high, MIB(9));
}

static void segment_outside_ram_is_refused(void **state)
{
	static const uint64_t places[] = {MIB(4) - 0x4fff,    MIB(4),   MIB(8) - 1,
	                                  MIB(9) - 0x4fff,    MIB(100), UINT64_MAX,
	                                  UINT64_MAX - 0x5000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		ph[1].p_paddr = places[i];
		refused(-E2BIG, "is not RAM, the guest has 5120 KiB in all");
	}
	ph[1].p_paddr = MIB(2);
	ph[1].p_memsz = UINT64_MAX;
	refused(-E2BIG, "is not RAM");
}

static void segment_on_our_tables_is_refused(void **state)
{
	(void)state;
	ph[1].p_paddr = MIN - 1;
	refused(-EINVAL, "is loaded at 0xffff, allowed is 0x10000 or above");
	ph[1].p_paddr = MIN;
	assert_int_equal(loaded().low, MIN);
}

static void overlapping_segments_are_refused(void **state)
{
	static const uint64_t places[] = {MIB(1) + 0x2fff, MIB(1), MIB(1) - 0x4fff, MIB(1) + 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		ph[1].p_paddr = places[i];
		refused(-EINVAL, "overlap");
	}
	ph[1].p_paddr = MIB(1) - 0x5000;
	assert_int_equal(loaded().low, MIB(1) - 0x5000);
}

static void segment_larger_in_the_file_than_in_memory_is_refused(void **state)
{
	(void)state;
	ph[1].p_filesz = ph[1].p_memsz + 1;
	refused(-EINVAL, "more bytes in the file (20481) than in memory (20480)");
	ph[1].p_memsz = 0;
	refused(-EINVAL, "than in memory (0)");
}

static void truncated_segment_is_refused(void **state)
{
	(void)state;
	ph[1].p_offset = FILE_SIZE - 0x1000;
	refused(-EINVAL, "is truncated");
	ph[1].p_offset = UINT64_MAX;
	refused(-EINVAL, "is truncated");
	ph[1].p_offset = UINT64_MAX - 0x800;
	refused(-EINVAL, "is truncated");
}

static void truncated_headers_are_refused(void **state)
{
	static const size_t sizes[] = {1, 63, 64, 64 + 56 + 55};

	(void)state;
	eh.e_phoff = UINT64_MAX;
	refused(-EINVAL, "is truncated: its ELF program headers are at byte");
	eh.e_phoff = FILE_SIZE;
	refused(-EINVAL, "is truncated");
	setup(NULL);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct gmem m = {0};
		struct elf_image e;
		struct image_file f = put();
		struct capture c;
		int ret;

		assert_int_equal(ftruncate(f.fd, (off_t)sizes[i]), 0);
		CAPTURED(&c, &ret, elf_load(&f, &m, MIN, &e));
		assert_one_line(&c, "is truncated");
		assert_int_equal(ret, -EINVAL);
		image_close(&f);
	}
}

static void odd_program_header_tables_are_refused(void **state)
{
	(void)state;
	eh.e_phnum = 0;
	refused(-EINVAL, "has 0 ELF program headers of 56 bytes, allowed are 1 to 64 of 56 bytes");
	eh.e_phnum = 65;
	refused(-EINVAL, "has 65 ELF program headers");
	eh.e_phnum = 0xffff;
	refused(-EINVAL, "has 65535 ELF program headers");
	eh.e_phnum = 1;
	eh.e_phentsize = 32;
	refused(-EINVAL, "of 32 bytes");
}

static void as_many_segments_as_allowed_are_loaded(void **state)
{
	(void)state;
	eh.e_phnum = 64;
	for (unsigned i = 0; i < 64; i++)
		ph[i] = (Elf64_Phdr){.p_type = PT_LOAD,
		                     .p_offset = 0x1000 + i,
		                     .p_paddr = MIB(1) + 0x3f00 - i * UINT64_C(0x100),
		                     .p_filesz = 0x100,
		                     .p_memsz = 0x100};
	assert_int_equal(loaded().high, MIB(1) + 0x4000);
}

static void file_with_nothing_to_load_is_refused(void **state)
{
	(void)state;
	ph[0].p_type = ph[1].p_type = PT_DYNAMIC;
	refused(-EINVAL, "nothing to load");
}

static void file_of_another_kind_is_refused(void **state)
{
	(void)state;
	eh.e_machine = EM_AARCH64;
	refused(-EINVAL, "is not an x86-64 ELF executable");
	setup(NULL);
	eh.e_type = ET_DYN;
	refused(-EINVAL, "is not an x86-64 ELF executable");
	setup(NULL);
	eh.e_ident[EI_CLASS] = ELFCLASS32;
	refused(-EINVAL, "is not an x86-64 ELF executable");
	setup(NULL);
	eh.e_ident[EI_DATA] = ELFDATA2MSB;
	refused(-EINVAL, "is not an x86-64 ELF executable");
	setup(NULL);
	eh.e_ident[0] = 0;
	refused(-EINVAL, "is not an x86-64 ELF executable");
}

static void entry_outside_the_loaded_bytes_is_refused(void **state)
{
	static const uint64_t entries[] = {0, MIB(1) - 1, MIB(1) + 0x4001, 0xffffffff80000010,
	                                   UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		eh.e_entry = entries[i];
		refused(-EINVAL,
		        "is not a physical address below 4 GiB inside a loaded ELF segment");
	}
	eh.e_entry = MIB(1) + 0x4000;
	assert_int_equal(loaded().entry, MIB(1) + 0x4000);
}

/* Adds a note to the file at NOTE_AT + @at; returns where the next one goes. */
static size_t put_note(size_t at, const char *name, uint32_t type, uint64_t desc, size_t desc_len,
                       size_t align)
{
	const Elf64_Nhdr nh = {.n_namesz = (uint32_t)strlen(name) + 1,
	                       .n_descsz = (uint32_t)desc_len,
	                       .n_type = type};
	uint8_t *p = file + NOTE_AT;
	uint8_t value[16] = {0};

	memcpy(p + at, &nh, sizeof(nh));
	memcpy(p + at + sizeof(nh), name, nh.n_namesz);
	at = align_up(at + sizeof(nh) + nh.n_namesz, align);
	put_le64(value, desc);
	memcpy(p + at, value, desc_len);
	return align_up(at + desc_len, align);
}

static void put_note_segment(size_t len, size_t align)
{
	ph[2] = (Elf64_Phdr){.p_type = PT_NOTE,
	                     .p_offset = NOTE_AT,
	                     .p_filesz = len,
	                     .p_memsz = len,
	                     .p_align = align};
	eh.e_phnum = 3;
}

static void pvh_note_is_found_behind_others_at_each_alignment(void **state)
{
	static const size_t aligns[] = {0, 1, 4, 8};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(aligns); i++) {
		for (size_t desc = 4; desc <= 8; desc += 4) {
			const size_t pad = aligns[i] == 8 ? 8 : 4;
			struct elf_image e;
			size_t at;

			at = put_note(0, "GNU", 3, 0x1122334455667788, 13, pad);
			at = put_note(at, "Linux", 18, 7, 4, pad);
			at = put_note(at, "Xen", 3, 9, 8, pad);
			at = put_note(at, "Xen", 18, MIB(1) + 32, desc, pad);
			put_note_segment(at, aligns[i]);
			eh.e_entry = 0xffffffff80000010; /* not used */
			e = loaded();
			assert_true(e.has_pvh);
			assert_int_equal(e.pvh_entry, MIB(1) + 32);
			assert_int_equal(e.entry, 0);
		}
	}
}

static void last_note_needs_no_padding(void **state)
{
	(void)state;
	put_note_segment(put_note(0, "Xen", 18, MIB(1) + 32, 4, 4), 8);
	assert_true(loaded().has_pvh);
	put_note(0, "GNU", 3, 0, 13, 4);
	put_note_segment(12 + 4 + 13, 4);
	assert_false(loaded().has_pvh);
}

static void pvh_note_in_a_second_segment_is_found(void **state)
{
	(void)state;
	put_note_segment(put_note(0, "GNU", 3, 0, 4, 4), 4);
	ph[3] = ph[2];
	ph[3].p_offset += 0x100;
	ph[3].p_filesz = put_note(0x100, "Xen", 18, MIB(1) + 32, 8, 4) - 0x100;
	eh.e_phnum = 4;
	assert_true(loaded().has_pvh);
}

static void note_that_exceeds_its_segment_is_not_taken(void **state)
{
	const size_t len = put_note(0, "Xen", 18, MIB(1) + 32, 8, 4);

	(void)state;
	for (size_t cut = 1; cut <= len; cut++) {
		put_note_segment(len - cut, 4);
		assert_false(loaded().has_pvh);
	}
	put_note_segment(len, 4);
	put_le32(file + NOTE_AT, UINT32_MAX); /* n_namesz */
	assert_false(loaded().has_pvh);
	put_le32(file + NOTE_AT, 4);
	put_le32(file + NOTE_AT + 4, UINT32_MAX); /* n_descsz */
	assert_false(loaded().has_pvh);
}

static void other_notes_are_not_taken_for_pvh(void **state)
{
	(void)state;
	put_note_segment(put_note(0, "Xen", 17, MIB(1), 8, 4), 4);
	assert_false(loaded().has_pvh);
	put_note_segment(put_note(0, "Xem", 18, MIB(1), 8, 4), 4);
	assert_false(loaded().has_pvh);
	put_note_segment(put_note(0, "Xen4", 18, MIB(1), 8, 4), 4);
	assert_false(loaded().has_pvh);
	put_note_segment(put_note(0, "Xen", 18, MIB(1), 2, 4), 4);
	assert_false(loaded().has_pvh);
}

static void pvh_entry_outside_the_loaded_bytes_is_refused(void **state)
{
	(void)state;
	put_note_segment(put_note(0, "Xen", 18, MIB(2), 8, 4), 4);
	refused(-EINVAL, "its entry 0x200000 is not a physical address");
	put_note_segment(put_note(0, "Xen", 18, GIB(4) + MIB(1), 8, 4), 4);
	refused(-EINVAL, "its entry 0x100100000 is not a physical address");
}

static void notes_outside_the_file_are_refused(void **state)
{
	(void)state;
	put_note_segment(16385, 4);
	refused(-EINVAL, "its ELF notes have 16385 bytes");
	put_note_segment(8, 4);
	ph[2].p_offset = UINT64_MAX;
	refused(-EINVAL, "its ELF notes");
	ph[2].p_offset = FILE_SIZE - 7;
	refused(-EINVAL, "is truncated");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(segments_go_to_their_physical_addresses, setup),
		cmocka_unit_test_setup(segment_of_bss_only_may_point_anywhere_in_the_file, setup),
		cmocka_unit_test_setup(empty_segment_is_ignored, setup),
		cmocka_unit_test_setup(segment_in_a_second_region_is_loaded, setup),
		cmocka_unit_test_setup(segment_outside_ram_is_refused, setup),
		cmocka_unit_test_setup(segment_on_our_tables_is_refused, setup),
		cmocka_unit_test_setup(overlapping_segments_are_refused, setup),
		cmocka_unit_test_setup(segment_larger_in_the_file_than_in_memory_is_refused, setup),
		cmocka_unit_test_setup(truncated_segment_is_refused, setup),
		cmocka_unit_test_setup(truncated_headers_are_refused, setup),
		cmocka_unit_test_setup(odd_program_header_tables_are_refused, setup),
		cmocka_unit_test_setup(as_many_segments_as_allowed_are_loaded, setup),
		cmocka_unit_test_setup(file_with_nothing_to_load_is_refused, setup),
		cmocka_unit_test_setup(file_of_another_kind_is_refused, setup),
		cmocka_unit_test_setup(entry_outside_the_loaded_bytes_is_refused, setup),
		cmocka_unit_test_setup(pvh_note_is_found_behind_others_at_each_alignment, setup),
		cmocka_unit_test_setup(last_note_needs_no_padding, setup),
		cmocka_unit_test_setup(pvh_note_in_a_second_segment_is_found, setup),
		cmocka_unit_test_setup(note_that_exceeds_its_segment_is_not_taken, setup),
		cmocka_unit_test_setup(other_notes_are_not_taken_for_pvh, setup),
		cmocka_unit_test_setup(pvh_entry_outside_the_loaded_bytes_is_refused, setup),
		cmocka_unit_test_setup(notes_outside_the_file_are_refused, setup),
	};

	return cmocka_run_group_tests_name("elf", tests, NULL, NULL);
}
