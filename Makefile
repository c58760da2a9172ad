# Makefile - the architecture of zv and how to build it: one file, no configure.
#
#   make          build everything into build/
#   make demo     install what is missing, build, run the pipeline on the example pictures
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
LIBRARIES = -lblis -ljpeg -lpng -lwebp -lzstd -ljansson -lutf8proc -lxxhash -lb2 -lpthread -lm

# The layers, lowest first; each may use those before it (tests/lint/layers checks it).
#   cmd -> model -> image text stream num -> base
LAYERS = base num stream text image model
PROGRAMS = $(patsubst cmd/%.c,%,$(wildcard cmd/zv-*.c))
SCRIPTS = $(patsubst cmd/%.sh,%,$(wildcard cmd/zv-*.sh))

SOURCES = $(foreach layer,$(LAYERS),$(wildcard lib/$(layer)/*.c))
OBJECTS = $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIBRARY = $(BUILD)/libzv.a
UNITS = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
FUZZERS = $(patsubst tests/fuzz/%.c,%,$(filter-out tests/fuzz/driver.c,$(wildcard tests/fuzz/*.c)))
TOOLS = $(patsubst tests/tools/%.c,%,$(wildcard tests/tools/*.c))

.DELETE_ON_ERROR: # a half-written object must not look up to date
.PHONY: all programs tests-build check lint demo deps bench install uninstall clean help
.SECONDARY:

all: programs
programs: $(PROGRAMS:%=$(BUILD)/%) $(SCRIPTS:%=$(BUILD)/%)
tests-build: programs $(UNITS:%=$(BUILD)/unit/%) $(FUZZERS:%=$(BUILD)/fuzz/%) $(TOOLS:%=$(BUILD)/tools/%)

# Kernels are compiled for the CPU that their name ends in and chosen at run time (lib/num/cpu.c).
$(BUILD)/obj/lib/num/%_avx2.o: KERNEL_FLAGS = -mavx2 -mfma -mf16c
$(BUILD)/obj/lib/num/%_avx512.o: KERNEL_FLAGS = -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/zv-%: $(BUILD)/obj/cmd/zv-%.o $(LIBRARY)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(LIBRARY) -Wl,--as-needed $(LIBRARIES)

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

clean:
	rm -rf build build-*
