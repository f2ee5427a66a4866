# SPDX-License-Identifier: Apache-2.0
#
# What looks at one C file at a time: called by tests/lint/run.sh as
#
#   make -f tests/lint/analyse.mk -k -j2 analyse-TOOL
#
# Each file that passes leaves build/lint/TOOL/FILE.ok and is not looked at again until it, or a
# header that it includes, or the rules change; what was found otherwise is in FILE.log. Which headers
# those are is asked once for all tools: build/lint/headers-of/FILE.ok is as new as the newest of them.

include Makefile

LINT := $(BUILD)/lint
# With CC=gcc and clang the same file may mean different things.
LINT_FLAGS := $(CPPFLAGS_ALL) -std=c11
PRODUCT_C := $(filter-out tests/% bench/% examples/%,$(LINT_C)) $(filter bench/cmd/%,$(LINT_C))
# Programs that run inside a guest are built by rules of their own.
HOST_C := $(filter-out tests/tiny/% tests/guest/% bench/guest/% examples/driver/%,$(LINT_C))
HOST_H := $(filter-out tests/tiny/% tests/guest/% bench/guest/% examples/driver/%,$(LINT_H))

analyse-files = $(patsubst %,$(LINT)/$1/%.ok,$2)

# $(call look,COMMAND): passes when it does; keeps what it said.
define look
@mkdir -p $(@D)
@if $1 >$(@:.ok=.log) 2>&1; then touch $@; else rm -f $@; false; fi
endef

$(LINT)/headers-of/%.ok: %
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS_ALL) -MM -MP -MT $@ -MF $(@:.ok=.d) -x c $< 2>/dev/null || :
	@touch $@

$(LINT)/clang-tidy/%.ok: % $(LINT)/headers-of/%.ok .clang-tidy tests/.clang-tidy Makefile
	$(call look,clang-tidy --quiet $< -- $(LINT_FLAGS))

$(LINT)/cppcheck/%.ok: % $(LINT)/headers-of/%.ok tests/lint/cppcheck.txt
	$(call look,cppcheck -q --enable=warning$(comma)performance$(comma)portability \
		--error-exitcode=1 --std=c11 --template=gcc -I. -D_GNU_SOURCE \
		--suppressions-list=tests/lint/cppcheck.txt $<)

$(LINT)/gcc-analyzer/%.ok: % $(LINT)/headers-of/%.ok Makefile
	$(call look,gcc -fanalyzer -O2 $(LINT_FLAGS) $(WARN) -S -o /dev/null $<)

# -include: what is compiled is an empty file, so that no "#pragma once in main file" comes up and
# unused static functions of the header are as quiet as in its users.
$(LINT)/headers-alone/%.ok: % $(LINT)/headers-of/%.ok Makefile
	$(call look,for cc in gcc clang; do \
		$$cc $(LINT_FLAGS) $(WARN) -fsyntax-only -include $< -x c /dev/null || exit 1; done)

analyse-clang-tidy: $(call analyse-files,clang-tidy,$(HOST_C))
analyse-cppcheck: $(call analyse-files,cppcheck,$(HOST_C))
analyse-gcc-analyzer: $(call analyse-files,gcc-analyzer,$(PRODUCT_C))
analyse-headers-alone: $(call analyse-files,headers-alone,$(HOST_H))

# The files that a tool looks at, for whoever collects the results.
list-clang-tidy list-cppcheck:
	@echo $(HOST_C)
list-gcc-analyzer:
	@echo $(PRODUCT_C)
list-headers-alone:
	@echo $(HOST_H)

.PHONY: list-clang-tidy list-cppcheck list-gcc-analyzer list-headers-alone
.PHONY: analyse-clang-tidy analyse-cppcheck analyse-gcc-analyzer analyse-headers-alone
-include $(shell find $(LINT) -name '*.d' 2>/dev/null)
