# Makefile - the architecture of zv and how to build it: one file, no configure.
#
#   make          build everything into build/
#   make demo     install what is missing, build, show what the embedded model sees
#   make check    all tests that need neither a network nor anything outside this tree
#   make help     the other targets
#
# Variants: make SANITIZE=address,undefined BUILD=build-asan check

BUILD ?= build
PREFIX ?= /usr/local
CC ?= cc
CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wvla -Wformat=2 -Wundef
ifdef SANITIZE
SANITIZER = -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
ALL_CFLAGS = -std=c11 $(WARNINGS) $(WERROR) -Ilib -Itests/support -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 \
	-fno-math-errno -ffp-contract=off $(SANITIZER) $(CFLAGS)
LIBRARIES = -lblis -ljpeg -lpng -lwebp -lzstd -ljansson -lutf8proc -lxxhash -lb2 -lsqlite3 -lpthread -lm

# The layers, lowest first; each may use those before it (tests/lint/layers checks it).
#   cmd -> train search -> model import -> image text stream num -> base
LAYERS = base num stream text image import model search train
PROGRAMS = $(patsubst cmd/%.c,%,$(wildcard cmd/zv-*.c))
SCRIPTS = $(patsubst cmd/%.sh,%,$(wildcard cmd/zv-*.sh))

# Kernels are compiled for the CPU that their name ends in and chosen at run time (lib/base/cpu.c);
# elsewhere than on x86-64 only the portable ones are built.
ARCHITECTURE := $(shell $(CC) -dumpmachine | cut -d- -f1)
ifeq ($(ARCHITECTURE),x86_64)
AVX2_FLAGS = -mavx2 -mfma -mf16c
AVX512_FLAGS = -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c
VNNI_FLAGS = $(AVX512_FLAGS) -mavx512vnni
BF16_FLAGS = $(AVX512_FLAGS) -mavx512bf16
else
FOREIGN = %_avx2.c %_avx512.c %_vnni.c %_bf16.c %_amx.c
endif

SOURCES = $(filter-out $(FOREIGN),$(foreach layer,$(LAYERS),$(wildcard lib/$(layer)/*.c)))
OBJECTS = $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIBRARY = $(BUILD)/libzv.a
UNITS = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
FUZZERS = $(patsubst tests/fuzz/%.c,%,$(filter-out tests/fuzz/driver.c,$(wildcard tests/fuzz/*.c)))
TOOLS = $(patsubst tests/tools/%.c,%,$(wildcard tests/tools/*.c))

.DELETE_ON_ERROR: # a half-written object must not look up to date
.PHONY: all programs tests-build force check golden asan lint fuzz demo deps bench bench-peers install uninstall clean help
.SECONDARY:

all: programs
programs: $(PROGRAMS:%=$(BUILD)/%) $(SCRIPTS:%=$(BUILD)/%)
tests-build: programs $(UNITS:%=$(BUILD)/unit/%) $(FUZZERS:%=$(BUILD)/fuzz/%) $(TOOLS:%=$(BUILD)/tools/%)

$(BUILD)/obj/lib/%_avx2.o: KERNEL_FLAGS = $(AVX2_FLAGS)
$(BUILD)/obj/lib/%_avx512.o: KERNEL_FLAGS = $(AVX512_FLAGS)
$(BUILD)/obj/lib/%_vnni.o: KERNEL_FLAGS = $(VNNI_FLAGS)
$(BUILD)/obj/lib/%_bf16.o: KERNEL_FLAGS = $(BF16_FLAGS)
$(BUILD)/obj/lib/%_amx.o: KERNEL_FLAGS = $(AVX512_FLAGS)

# What objects were compiled with: when it changes, they are compiled anew.
STAMP := $(strip $(CC) $(filter-out -Werror,$(ALL_CFLAGS)) $(AVX2_FLAGS) $(VNNI_FLAGS) $(BF16_FLAGS))
ifneq ($(file <$(BUILD)/flags),$(STAMP))
$(BUILD)/flags: force
endif
$(BUILD)/flags:
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(STAMP))' >$@
force:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

# Texts that are data: every line becomes a C string.
$(BUILD)/text/%.inc: lib/%.tsv
	@mkdir -p $(@D)
	sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$(BUILD)/obj/lib/train/caption_prompts.o: KERNEL_FLAGS = -I$(BUILD)/text
$(BUILD)/obj/lib/train/caption_prompts.o: $(BUILD)/text/train/caption_prompts.inc

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	ar rcs $@ $^

# A program is cmd/zv-NAME.c and, where that is too much for one file, cmd/NAME_*.c.
.SECONDEXPANSION:
$(BUILD)/zv-%: $(BUILD)/obj/cmd/zv-%.o \
		$$(addprefix $(BUILD)/obj/,$$(addsuffix .o,$$(basename $$(wildcard cmd/$$*_*.c)))) $(LIBRARY)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBRARY) -Wl,--as-needed $(LIBRARIES)

$(BUILD)/zv-%: cmd/zv-%.sh
	@mkdir -p $(@D)
	install -m 755 $< $@

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/obj/tests/support/tap.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/obj/tests/support/tap.o $(LIBRARY) -Wl,--as-needed $(LIBRARIES)

$(BUILD)/tools/%: $(BUILD)/obj/tests/tools/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(LIBRARY) -Wl,--as-needed $(LIBRARIES)

# Without libFuzzer a target runs its corpus once, through tests/fuzz/driver.c.
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/driver.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -Wl,--as-needed $(LIBRARIES)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# What fails on purpose (tests/fault): preloaded into a program under test.
SHIMS = $(patsubst tests/fault/%.c,$(BUILD)/fault/%.so,$(wildcard tests/fault/*.c))
$(BUILD)/fault/%.so: tests/fault/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARNINGS) $(WERROR) $(CFLAGS) -shared -fPIC -o $@ $< -ldl

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
RUN_TESTS = ZV_BUILD="$(abspath $(BUILD))" ZV_SANITIZE="$(SANITIZE)" tests/run -j $(JOBS)

check: tests-build $(SHIMS)
	@$(RUN_TESTS) $(UNITS:%=$(BUILD)/unit/%) $(FUZZERS:%=$(BUILD)/fuzz/%) $(wildcard tests/cli/*.t \
		tests/format/*.t tests/fault/*.t)

golden: tests-build
	@$(RUN_TESTS) $(wildcard tests/golden/*.t)

asan:
	@$(MAKE) --no-print-directory SANITIZE=address,undefined BUILD=build-asan CFLAGS="-O1 -g" check

lint: programs
	@$(RUN_TESTS) $(sort $(wildcard tests/lint/*.t))

SECONDS ?= 60
fuzz:
	@tests/fuzz/run -s $(SECONDS)

# BENCH: parts of it, such as "encode" or "products" (tests/bench/run).
BENCH ?=
bench: programs
	@ZV_BUILD="$(abspath $(BUILD))" sh tests/bench/run $(BENCH)

# PEERS: -i puts onnxruntime-node into $(BUILD)/peers first; vit or llm alone (tests/bench/peers.sh).
PEERS ?=
bench-peers: programs
	@ZV_BUILD="$(abspath $(BUILD))" sh tests/bench/peers.sh $(PEERS)

deps:
	@.ci/deps build test

demo:
	@.ci/deps build
	@$(MAKE) --no-print-directory programs
	@ZV_BUILD="$(abspath $(BUILD))" sh examples/demo.sh

# For tests that compile by themselves: make -s print-ALL_CFLAGS and the like.
print-%:
	@echo $($*)

PAGES = $(wildcard man/*.[157])
BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man
TEMPLATES = $(wildcard examples/templates/*.template)
TEMPLATEDIR = $(DESTDIR)$(PREFIX)/share/zv/templates
EMBEDDED = $(wildcard examples/emoji/model/*.zv)
MODELDIR = $(DESTDIR)$(PREFIX)/share/zv/models/emoji
install: programs
	install -d $(BINDIR) $(MANDIR)/man1 $(MANDIR)/man5 $(MANDIR)/man7 $(TEMPLATEDIR)
	install -m 755 $(PROGRAMS:%=$(BUILD)/%) $(SCRIPTS:%=$(BUILD)/%) $(BINDIR)
	for page in $(PAGES); do install -m 644 $$page $(MANDIR)/man$${page##*.} || exit 1; done
	install -m 644 $(TEMPLATES) $(TEMPLATEDIR)
	install -m 644 lib/train/caption_prompts.tsv $(DESTDIR)$(PREFIX)/share/zv
	[ -z "$(EMBEDDED)" ] || install -d $(MODELDIR)
	[ -z "$(EMBEDDED)" ] || install -m 644 $(EMBEDDED) $(MODELDIR)

uninstall:
	rm -f $(PROGRAMS:%=$(BINDIR)/%) $(SCRIPTS:%=$(BINDIR)/%)
	for page in $(notdir $(PAGES)); do rm -f $(MANDIR)/man$${page##*.}/$$page; done
	rm -f $(TEMPLATES:examples/templates/%=$(TEMPLATEDIR)/%)
	rm -f $(DESTDIR)$(PREFIX)/share/zv/caption_prompts.tsv
	rm -f $(EMBEDDED:examples/emoji/model/%=$(MODELDIR)/%)
	-[ ! -d $(MODELDIR) ] || rmdir $(MODELDIR) $(dir $(MODELDIR))
	-[ ! -d $(TEMPLATEDIR) ] || rmdir $(TEMPLATEDIR) $(dir $(TEMPLATEDIR))

help:
	@echo 'make              build all programs into $(BUILD)/'
	@echo 'make demo         install what is missing, build, show what the embedded model sees'
	@echo 'make deps         install the Debian packages that building and testing need'
	@echo 'make check        all tests that need no network and nothing outside this tree'
	@echo 'make golden       tests against the reference data in $$ZV_SHARED (default ../shared)'
	@echo 'make lint         format, layers, sizes, manual pages, shell, both compilers'
	@echo 'make asan         make check under the address and undefined-behaviour sanitizers'
	@echo 'make fuzz         fuzz each parser for SECONDS=60 (needs clang)'
	@echo 'make bench        what the machine can do and what the stages make of it; BENCH=encode: a part'
	@echo 'make bench-peers  zv beside PyTorch and onnxruntime, as far as they are installed'
	@echo 'make install      to PREFIX=/usr/local (DESTDIR= in front); make uninstall removes it'
	@echo 'make clean        remove build/ and build-*/'

clean:
	rm -rf build build-*
