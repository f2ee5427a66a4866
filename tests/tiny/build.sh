#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the tiny guests into DIRECTORY (build/tiny). Does nothing for what is up to date.
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
out=$(realpath -m "${1:-$here/../../build/tiny}") # of where we were called
cd "$here"
cc=${CC:-gcc}
mkdir -p "$out"

# What the emulation of instructions on a host without hardware virtualization can do: no SSE, no CET.
flags=(-std=c11 -O1 -g -Wall -Wextra -Werror -ffreestanding -fno-stack-protector -fno-pic
	-mno-red-zone -mgeneral-regs-only -fcf-protection=none -fno-asynchronous-unwind-tables
	-fno-tree-loop-distribute-patterns -Wno-unused-command-line-argument)
# shellcheck disable=SC2054 # commas belong to the linker's options
link=(-nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro
	-Wl,-Ttext-segment=0x100000)
if "$cc" --version | grep -q clang; then
	flags=("${flags[@]/-fno-tree-loop-distribute-patterns/-fno-builtin}")
fi

stale() { # TARGET SOURCE...
	local source
	for source in "${@:2}" build.sh; do
		[ "$1" -nt "$source" ] || return 0
	done
	return 1
}

if stale "$out/guest.elf" start.S guest.c irq.c net.c lib.c tiny.h; then
	"$cc" "${flags[@]}" "${link[@]}" -o "$out/guest.elf" start.S guest.c irq.c net.c lib.c
fi
# The same as a file that is its memory: sections from 0x200000 on, .text first and in it _start, without what ELF has.
if stale "$out/guest.bin" start.S guest.c irq.c net.c lib.c tiny.h; then
	"$cc" "${flags[@]}" "${link[@]}" -Wl,-n,-Ttext=0x200000 -o "$out/guest.bin.elf" start.S guest.c irq.c net.c lib.c
	objcopy -O binary "$out/guest.bin.elf" "$out/guest.bin"
fi
if stale "$out/pvh.elf" pvh.S; then
	"$cc" "${flags[@]}" "${link[@]}" -o "$out/pvh.elf" pvh.S
fi
if stale "$out/bzimage" bzimage.S; then
	"$cc" "${flags[@]}" -c -o "$out/bzimage.o" bzimage.S
	objcopy -O binary -j .text "$out/bzimage.o" "$out/bzimage"
fi
