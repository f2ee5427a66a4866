# SPDX-License-Identifier: Apache-2.0
#
# make             build/doorbell
# make check       unit tests                  (SAN=address,undefined or SAN=thread for sanitizer builds)
# make fuzz-run    every fuzz target on its corpus, FUZZ_SECONDS each
# make lint        clang-format, clang-tidy, cppcheck, gcc -fanalyzer and the house rules in tests/lint
# make bench       the benchmarks of bench/
# make clauses     docs/device-clauses.md: which test shows which clause of the standard
# make mutants     wrong devices, each of which a test must notice; MUTANTS=REGEX for some clauses
# make install     DESTDIR= PREFIX=/usr/local
#
# CC=clang works too. WERROR=0 is for packagers. ARCH is chosen by which folder is linked.

VERSION := 0.1.0
ifeq ($(origin CC),default)
CC      := gcc
endif
ARCH    ?= $(shell uname -m)
SAN     ?=
WERROR  ?= 1
V       ?= 0
PREFIX  ?= /usr/local

# V=1 shows whole commands.
Q       := $(if $(filter 0,$(V)),@)
say      = $(if $(filter 0,$(V)),@printf '  %-5s %s\n' $(1) $(2))

comma   := ,
BUILD   ?= build
OBJ     := $(BUILD)/obj-$(notdir $(CC))$(if $(SAN),-$(subst $(comma),-,$(SAN)))
BIN     := $(if $(SAN),$(OBJ)/doorbell,$(BUILD)/doorbell)

ifeq ($(wildcard arch/$(ARCH)),)
$(error no support for ARCH=$(ARCH): allowed are $(filter-out arch.h,$(notdir $(wildcard arch/*))))
endif

SRC_FOLDERS := vmm/core vmm devices net boot audit check bench/cmd arch/$(ARCH)
SRC     := $(sort $(foreach d,$(SRC_FOLDERS),$(wildcard $d/*.c)))
# What the load generator and the bench say to each other is read by both.
SRC     += bench/guest/load_words.c
OBJS    := $(SRC:%.c=$(OBJ)/%.o)
LIBOBJS := $(filter-out $(OBJ)/vmm/main.o,$(OBJS))

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual \
        -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wundef -Wvla \
        -Wimplicit-fallthrough -Wformat=2 -Wdouble-promotion $(if $(filter 1,$(WERROR)),-Werror)
# clang 14 has the last one only behind another flag.
HARD := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
        $(shell $(CC) -ftrivial-auto-var-init=zero -E -x c /dev/null >/dev/null 2>&1 && \
                echo -ftrivial-auto-var-init=zero)
ifneq ($(SAN),)
HARD := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
LDHARD := -fsanitize=$(SAN)
endif

# Guests of a few instructions that `doorbell bench` carries (bench/cmd/guest_images.c).
GUESTS  := $(BUILD)/bench-guest
# Its load generator: a static program for guests, carried likewise (bench/cmd/net_load.c).
LOAD    := $(BUILD)/load
CPPFLAGS_ALL := -I. -D_GNU_SOURCE -DDOORBELL_VERSION='"$(VERSION)"' -DBENCH_GUESTS='"$(GUESTS)"' -DBENCH_LOAD='"$(LOAD)"' $(CPPFLAGS)
CFLAGS  ?= -O2 -g
CFLAGS_ALL := -std=c11 -fPIE -pthread $(WARN) $(HARD) $(CFLAGS)
LDFLAGS_ALL := -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed $(LDHARD) $(LDFLAGS)
# libslirp and libpcap are opened when a run asks for them (net/dl.h): their own
# libraries would cost every start a millisecond and half a megabyte.
LDLIBS  := -l:libfdt.a -l:libjansson.a

all: $(BIN)

$(BIN): $(OBJS)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

$(OBJ)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# What a KVM that only emulates instructions can do: no SSE, no CET. micro is bare metal, init is for Linux.
GUEST_FLAGS := -std=gnu11 -O2 $(WARN) -ffreestanding -nostdlib -static -s -no-pie -fno-pic -fno-stack-protector \
               -mno-red-zone -mgeneral-regs-only -fcf-protection=none -fno-asynchronous-unwind-tables \
               -Wno-unused-command-line-argument -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro
$(GUESTS)/micro: GUEST_FLAGS += -Wl,-Ttext-segment=0x100000

$(GUESTS)/%: bench/guest/$(ARCH)/%.c bench/guest/micro.h arch/$(ARCH)/layout.h Makefile
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -I. $(GUEST_FLAGS) -o $@.$$$$ $< && mv $@.$$$$ $@

$(OBJ)/bench/cmd/guest_images.o $(BUILD)/obj-fuzz/bench/cmd/guest_images.o: $(GUESTS)/micro $(GUESTS)/init

$(LOAD): $(wildcard bench/guest/load*.c) bench/guest/load.h Makefile
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -I. -D_GNU_SOURCE -std=c11 $(WARN) -Os -ffunction-sections -static -s -Wl,--gc-sections -o $@.$$$$ $(filter %.c,$^) && mv $@.$$$$ $@

$(OBJ)/bench/cmd/net_load.o $(BUILD)/obj-fuzz/bench/cmd/net_load.o: $(LOAD)

# ---- tests: one program per tests/unit/test_*.c, linked with all of the product but main.c

TESTS    := $(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c)))
TEST_LIB := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/lib/*.c))
TEST_BIN := $(TESTS:%=$(OBJ)/tests/unit/%)
# What waits for the patience of some peer begins first: nobody has to wait for it in the end.
WAITING  := test_vhost_user_dpdk test_vhost_user_rules test_vhost_user test_tap_queues test_peer
TEST_RUN := $(filter $(TEST_BIN),$(WAITING:%=$(OBJ)/tests/unit/%)) $(filter-out $(WAITING:%=$(OBJ)/tests/unit/%),$(TEST_BIN))
# A hundred programs: lld links those of the sanitizers in half of the time.
# Whether this compiler can is asked by linking something, the first time that there is something to link.
TEST_LD   = $(eval TEST_LD := $(shell echo 'int main(void) { return 0; }' | \
	$(CC) $(LDFLAGS_ALL) -fuse-ld=lld -x c - -o /dev/null 2>/dev/null && echo -fuse-ld=lld))$(TEST_LD)

$(OBJ)/libdoorbell.a: $(LIBOBJS)
	@rm -f $@
	@ar rcs $@ $^

$(TEST_BIN): $(OBJ)/tests/unit/%: $(OBJ)/tests/unit/%.o $(TEST_LIB) $(OBJ)/libdoorbell.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) $(TEST_LD) -o $@ $< $(TEST_LIB) $(OBJ)/libdoorbell.a -lcmocka $(LDLIBS)

# Where it counts.
$(OBJ)/tests/unit/test_no_allocation: LDFLAGS_ALL += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=mmap

check: $(TEST_BIN)
	@tests/unit/run.sh $(TEST_RUN)

# ---- the clauses that they show (tests/clauses)

clauses:
	@tests/clauses/table.sh --write

mutants:
	@tests/clauses/mutants.sh '$(MUTANTS)'

# ---- fuzzing: clang's libFuzzer, one program per tests/fuzz/fuzz_*.c

FUZZ_SECONDS ?= 5
FUZZ     := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_OBJ := $(BUILD)/obj-fuzz
FUZZ_BIN := $(FUZZ:%=$(FUZZ_OBJ)/%)
FUZZ_CFLAGS := -std=c11 -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -pthread

$(FUZZ_OBJ)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)clang $(CPPFLAGS_ALL) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

$(FUZZ_OBJ)/libdoorbell.a: $(patsubst %.c,$(FUZZ_OBJ)/%.o,$(filter-out vmm/main.c,$(SRC)) $(wildcard tests/lib/*.c))
	@rm -f $@
	@ar rcs $@ $^

$(FUZZ_BIN): $(FUZZ_OBJ)/%: $(FUZZ_OBJ)/tests/fuzz/%.o $(FUZZ_OBJ)/libdoorbell.a
	$(call say,LD,$@)
	$(Q)clang -fsanitize=fuzzer,address,undefined -pthread $(TEST_LD) -o $@ $^ $(LDLIBS)

fuzz: $(FUZZ_BIN)

fuzz-run: fuzz
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(FUZZ_BIN)

# ---- the rest

lint:
	@tests/lint/run.sh

fmt:
	clang-format -i $$(git ls-files '*.c' '*.h')

bench: all
	@bench/run.sh

install: all
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/doorbell
	install -D -m 644 docs/doorbell.1 $(DESTDIR)$(PREFIX)/share/man/man1/doorbell.1

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/doorbell $(DESTDIR)$(PREFIX)/share/man/man1/doorbell.1

clean:
	rm -rf $(BUILD)

# What tests/lint needs to know, so that no list exists twice.
print-%:
	@echo '$($*)'

.PHONY: all check clauses mutants fuzz fuzz-run lint fmt bench install uninstall clean
.SECONDARY:
-include $(shell find $(OBJ) $(FUZZ_OBJ) -name '*.d' 2>/dev/null)
