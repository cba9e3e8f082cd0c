# edgetrain: GNU make >= 4.2. `make help` lists the targets.
#
# Yours to set: CC CFLAGS CPPFLAGS LDFLAGS LDLIBS PREFIX DESTDIR, CROSS=aarch64-linux-gnu-,
# SAN=address,undefined, WERROR=1, OMP=0, V=1, RUN="qemu-aarch64-static -L /usr/aarch64-linux-gnu".

.DEFAULT_GOAL := all
.SUFFIXES:
.DELETE_ON_ERROR:

CROSS ?=
ifeq ($(origin CC),default)
CC := $(CROSS)gcc
endif
ifeq ($(origin AR),default)
AR := $(CROSS)ar
endif
CFLAGS ?= -O2 -g
INSTALL ?= install
PREFIX ?= /usr/local
bindir ?= $(PREFIX)/bin
libdir ?= $(PREFIX)/lib
includedir ?= $(PREFIX)/include
mandir ?= $(PREFIX)/share/man
datadir ?= $(PREFIX)/share/edgetrain
unitdir ?= $(PREFIX)/lib/systemd

TRIPLE := $(shell $(CC) -dumpmachine 2>/dev/null)
ARCH := $(firstword $(subst -, ,$(TRIPLE)))
comma := ,
MODE := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),release)
B := build/$(TRIPLE)-$(MODE)

PKG_CONFIG ?= pkg-config
ifneq ($(CROSS),)
# Debian's multiarch directories: the cross pkg-config is only a search path.
PKG_ENV := PKG_CONFIG_LIBDIR=/usr/lib/$(CROSS:-=)/pkgconfig:/usr/share/pkgconfig
endif
PKGS := libpng libjpeg zlib libcjson
TEST_PKGS := check
pkg = $(shell $(PKG_ENV) $(PKG_CONFIG) $(1) $(2) 2>/dev/null)

OMP ?= 1
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wcast-qual \
	-Wwrite-strings -Wpointer-arith \
	$(if $(WERROR),-Werror)
ALL_CPPFLAGS = -Ilib -I$(B)/gen -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(call pkg,--cflags,$(PKGS)) $(CPPFLAGS)
ALL_CFLAGS = -std=c11 $(WARN) -ffp-contract=off $(if $(filter 1,$(OMP)),-fopenmp,-Wno-unknown-pragmas) -pthread \
	-ffile-prefix-map=$(CURDIR)/= $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) $(CFLAGS)
# Kernels only: contraction to FMA must be asked for under -std=c11; never -ffast-math, a trainer must see NaN.
KERN_CFLAGS := -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wno-psabi
ALL_LDFLAGS = $(if $(filter 1,$(OMP)),-fopenmp) -pthread $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
ALL_LDLIBS = $(call pkg,--libs,$(PKGS)) -lm $(LDLIBS)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))

# One object for each instruction set, all from lib/kern/kern_isa.c.
ISAS := generic
ISA_FLAGS_generic :=
ifeq ($(ARCH),x86_64)
ISAS += avx2 avx512
ISA_FLAGS_avx2 := -mavx2 -mfma
ISA_FLAGS_avx512 := -mavx512f -mavx512vl -mavx512dq -mavx512bw -mavx2 -mfma -mprefer-vector-width=512
else ifeq ($(ARCH),aarch64)
ISAS += neon
ISA_FLAGS_neon := -march=armv8-a
else ifneq ($(filter arm%,$(ARCH)),)
ISAS += neon
# gcc uses NEON float arithmetic on 32-bit ARM only so: it flushes denormals.
ISA_FLAGS_neon := -march=armv7-a -mfpu=neon-vfpv4 -funsafe-math-optimizations
endif

ROOMS := base io data kern op mode net run power
LIB_SRC := $(filter-out lib/kern/kern_isa.c,$(sort $(wildcard $(ROOMS:%=lib/%/*.c))))
CMD_SRC := $(sort $(wildcard cmd/*.c))
TEST_SRC := $(sort $(wildcard tests/unit/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(ISAS:%=$(B)/lib/kern/kern_%.o)
CMD_OBJ := $(CMD_SRC:%.c=$(B)/%.o)
TEST_OBJ := $(TEST_SRC:%.c=$(B)/%.o)
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz-%,$(filter-out %/standalone.c,$(sort $(wildcard tests/fuzz/*.c))))
UNITS := $(notdir $(sort $(wildcard configs/nightly/*@.*)))
MANS := $(sort $(wildcard man/*.[1-9]))

# Cross and sanitizer builds leave the link to the program alone.
## all: the program and the library (the default)
all: $(B)/edgetrain $(if $(CROSS)$(SAN),,build/edgetrain)

build/edgetrain: $(B)/edgetrain
	$(Q)ln -sfn $(<:build/%=%) $@

$(B)/libedgetrain.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/edgetrain: $(CMD_OBJ) $(B)/libedgetrain.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

$(B)/unit: $(TEST_OBJ) $(B)/libedgetrain.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(call pkg,--libs,$(TEST_PKGS)) $(ALL_LDLIBS)

# Fuzz targets over the files of their corpus, without a fuzzer.
$(FUZZ): $(B)/fuzz-%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/standalone.o $(B)/libedgetrain.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

# Objects depend on the flags they were built with, and on whether the libraries are there at all.
FLAGS_TEXT = $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(KERN_CFLAGS) $(foreach i,$(ISAS),$(ISA_FLAGS_$(i)))
$(B)/flags: .FORCE
	$(Q)mkdir -p $(@D) $(B)/gen
	$(Q)printf '%s\n' '$(FLAGS_TEXT)' | cmp -s - $@ || printf '%s\n' '$(FLAGS_TEXT)' >$@
	$(Q)$(PKG_ENV) $(PKG_CONFIG) --exists $(PKGS) || { \
		echo "missing libraries: $(PKGS) (pkg-config). On Debian: make deps" >&2; exit 1; }

# The version comes from git where there is one; rewritten only when it changes.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0)
$(B)/gen/version.h: .FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '#define ET_VERSION "0.1.0"\n#define ET_REVISION "%s"\n#define ET_CFLAGS "%s"\n' \
		'$(VERSION)' '$(strip $(filter-out -W% -ffile-prefix-map%,$(ALL_CFLAGS)))' >$@.new; \
	cmp -s $@.new $@ || cp $@.new $@; rm -f $@.new

$(B)/%.o: %.c $(B)/flags | $(B)/gen/version.h
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(if $(filter tests/%,$<),-Itests/unit $(call pkg,--cflags,$(TEST_PKGS))) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define isa_rule
$(B)/lib/kern/kern_$(1).o: lib/kern/kern_isa.c $(B)/flags
	$$(call say,CC,"$$< ($(1))")
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_CPPFLAGS) $$(ALL_CFLAGS) $$(KERN_CFLAGS) $$(ISA_FLAGS_$(1)) -DET_ISA=$(1) -MMD -MP -c -o $$@ $$<
endef
$(foreach i,$(ISAS),$(eval $(call isa_rule,$(i))))

# The compiler's assembly of the AArch64 kernels: what ships, and for one core each. Made anew each
# time, and of nothing but the compiler: no libraries are asked for.
ASM_CORES := cortex-a53 cortex-a72 cortex-a76
ASM := $(B)/lib/kern/kern_neon.s $(ASM_CORES:%=$(B)/lib/kern/kern_neon-%.s)
$(ASM): lib/kern/kern_isa.c .FORCE
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -g0 $(KERN_CFLAGS) $(if $(ASM_CORE),-mcpu=$(ASM_CORE),$(ISA_FLAGS_neon)) \
		-DET_ISA=neon -S -o $@ $<
$(foreach i,$(ASM_CORES),$(eval $(B)/lib/kern/kern_neon-$(i).s: ASM_CORE := $(i)))
asm-report-only: $(ASM)
	$(Q)tests/asm-report.sh $<

## asm-report: loops of the AArch64 kernels in llvm-mca's models of three cores; installs what is missing first
asm-report:
	$(Q)datasets/deps.sh asm
	$(Q)$(MAKE) --no-print-directory CROSS=$(if $(filter aarch64,$(ARCH)),$(CROSS),aarch64-linux-gnu-) asm-report-only

-include $(sort $(wildcard $(B)/*/*.d $(B)/*/*/*.d))

## deps: install what building, testing, the demo and lint need (apt; sudo when not root)
deps:
	$(Q)datasets/deps.sh build test demo lint

# As many compilers at once as processors, and as memory allows at 300 MB each.
JOBS = $(firstword $(shell awk '/^MemAvailable/ { m = int($$2 / 300000) } \
	END { print m < 1 ? 1 : m < n ? m : n }' n=$$(nproc) /proc/meminfo 2>/dev/null) 1)
SUBMAKE = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS))

## demo: exact and filtered gradients side by side on Fashion-MNIST; installs what is missing first
demo:
	$(Q)datasets/deps.sh build demo
	$(Q)$(SUBMAKE) all
	$(Q)datasets/demo.sh '$(DEMO_DATA)'
DEMO_DATA ?= /usr/share/datasets/fashion-mnist

## check: every test; installs what is missing first
check:
	$(Q)datasets/deps.sh build test
	$(Q)$(SUBMAKE) check-only

## check-unit: the unit tests alone
check-unit: $(B)/unit
	CK_TIMEOUT_MULTIPLIER=$(or $(CK_TIMEOUT_MULTIPLIER),10) $(RUN) $(B)/unit

## check-only: every test, installing nothing
check-only: all $(B)/unit $(FUZZ)
	$(Q)B=$(B) MAKE="$(MAKE)" RUN="$(RUN)" CK_TIMEOUT_MULTIPLIER=$(or $(CK_TIMEOUT_MULTIPLIER),10) tests/run.sh

## lint: shellcheck, mandoc, clang-format; installs what is missing first
lint:
	$(Q)datasets/deps.sh lint
	$(Q)shellcheck -x $(SHELL_SRC)
	$(Q)mandoc -T lint -W warning $(MANS)
	$(Q)clang-format --dry-run -Werror $(C_SRC)
SHELL_SRC = .ci/run $(sort $(wildcard configs/*.sh configs/nightly/*.sh datasets/*.sh tests/*.sh tests/peers/*.sh tests/cli/*.sh tests/cli/*/*.sh))
C_SRC = $(sort $(wildcard cmd/*.[ch] lib/*.h lib/*/*.[ch] tests/*/*.[ch]))

# Comparisons with libraries that nothing else needs.
peers-need:
	$(Q)printf '#include <oneapi/dnnl/dnnl.h>\n' | $(CC) $(CPPFLAGS) -E - >/dev/null 2>&1 || { \
		echo "missing oneDNN. On Debian: apt install libdnnl-dev" >&2; exit 1; }
$(B)/tests/peers/onednn.o: | peers-need
$(B)/peers-conv: $(B)/tests/peers/onednn.o $(B)/tests/peers/onednn_conv.o $(B)/tests/peers/ours.o $(B)/libedgetrain.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -ldnnl $(ALL_LDLIBS)

## peers-conv: single convolutions against oneDNN, side by side (PEER_THREADS, PEER_CONV_ROUNDS, PEER_RECIPES)
peers-conv: $(B)/peers-conv
	OMP_NUM_THREADS=$(PEER_THREADS) OMP_PROC_BIND=true $< $(PEER_CONV_ROUNDS) $(PEER_RECIPES)
PEER_THREADS ?= 2
PEER_CONV_ROUNDS ?= 40
PEER_RECIPES ?= filter:2 filter:4

# OMP_PROC_BIND would keep all threads of OpenBLAS where the first one is.
peers-gemm-need:
	$(Q)printf '#include <cblas.h>\n' | $(CC) $(CPPFLAGS) -E - >/dev/null 2>&1 || { \
		echo "missing OpenBLAS. On Debian: apt install libopenblas-dev" >&2; exit 1; }
$(B)/tests/peers/gemm.o: | peers-gemm-need
$(B)/peers-gemm: $(B)/tests/peers/gemm.o $(B)/tests/peers/peak.o $(B)/tests/peers/ours.o $(B)/libedgetrain.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lopenblas $(ALL_LDLIBS)

## peers-gemm: the GEMM against OpenBLAS and the processor's limit, one and two threads (PEER_GEMM_ROUNDS, PEER_GEMM)
peers-gemm: $(B)/peers-gemm
	GEMM=$< tests/peers/gemm.sh $(PEER_GEMM_ROUNDS) $(PEER_GEMM)
PEER_GEMM_ROUNDS ?= 9

$(B)/peers-step: $(B)/tests/peers/step.o $(B)/libedgetrain.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LDLIBS)

## peers-step: whole training steps against PyTorch, time and memory (python3-torchvision; PEER_ROUNDS, PEER_WORKS)
peers-step: $(B)/peers-step
	STEP=$< tests/peers/steps.sh

## bench-peers: every comparison in turn; PEER_PARTS, "step gemm conv", may name fewer
bench-peers:
	$(Q)for part in $(PEER_PARTS); do $(SUBMAKE) peers-$$part || exit; done
PEER_PARTS ?= step gemm conv

## check-onnx: what export writes of every spec, against ONNX's checker and OpenCV (Debian: python3-onnx python3-opencv)
check-onnx: all
	/usr/bin/python3 tests/peers/onnx_opencv.py $(CHECK_ONNX)

## peers-grad: gradients of whole networks against PyTorch (Debian: python3-torch python3-torchvision)
peers-grad: all
	/usr/bin/python3 tests/peers/torch_grad.py $(PEER_GRAD)

## install: program, library, manual pages, configs, studies and systemd's units under $(DESTDIR)$(PREFIX)
install: all
	$(INSTALL) -d $(DESTDIR)$(bindir) $(DESTDIR)$(libdir) $(DESTDIR)$(includedir)/edgetrain/base \
		$(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man5 $(DESTDIR)$(mandir)/man7 \
		$(DESTDIR)$(datadir)/configs/nightly $(DESTDIR)$(unitdir)/system $(DESTDIR)$(unitdir)/user
	$(INSTALL) -m 755 $(B)/edgetrain $(DESTDIR)$(bindir)/edgetrain
	$(INSTALL) -m 644 $(B)/libedgetrain.a $(DESTDIR)$(libdir)/libedgetrain.a
	$(INSTALL) -m 644 lib/edgetrain.h $(DESTDIR)$(includedir)/edgetrain/edgetrain.h
	$(INSTALL) -m 644 lib/base/err.h lib/base/tools.h $(DESTDIR)$(includedir)/edgetrain/base
	$(INSTALL) -m 644 $(filter %.1,$(MANS)) $(DESTDIR)$(mandir)/man1
	$(INSTALL) -m 644 $(filter %.5,$(MANS)) $(DESTDIR)$(mandir)/man5
	$(INSTALL) -m 644 $(filter %.7,$(MANS)) $(DESTDIR)$(mandir)/man7
	$(INSTALL) -m 644 $(sort $(wildcard configs/*.json)) $(DESTDIR)$(datadir)/configs
	$(INSTALL) -m 755 $(sort $(wildcard configs/*.sh)) $(DESTDIR)$(datadir)/configs
	$(INSTALL) -m 755 $(sort $(wildcard configs/nightly/*.sh)) $(DESTDIR)$(datadir)/configs/nightly
	$(Q)for unit in $(UNITS); do \
		sed 's|/usr/local/share/edgetrain|$(datadir)|' configs/nightly/$$unit >$(B)/$$unit || exit; \
		for dir in $(datadir)/configs/nightly $(unitdir)/system $(unitdir)/user; do \
			$(INSTALL) -m 644 $(B)/$$unit $(DESTDIR)$$dir || exit; \
		done; \
	done

## clean: remove everything built
clean:
	rm -rf build

## help: this list
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))

.FORCE:
.PHONY: all deps demo check check-unit check-only lint asm-report asm-report-only peers-conv peers-need peers-gemm \
	peers-gemm-need peers-step bench-peers peers-grad check-onnx install clean help .FORCE
