# SPDX-License-Identifier: GPL-2.0-or-later
#
# HaloD. `make help` lists the targets. Nothing is written outside $(O).

MODE    ?= release
O       ?= build$(if $(filter-out release,$(MODE)),/$(MODE))
PREFIX  ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
CONFDIR ?= /etc/halod
COMPDIR ?= $(PREFIX)/share/bash-completion/completions

# `make V=1` shows the commands instead of what they make
Q    := $(if $(V),,@)
say  = @$(if $(V),:,printf '  %-7s %s\n' $(1) $(2))

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1)

CC_release := gcc
CC_asan    := gcc
CC_tsan    := gcc
CC_cov     := gcc
CC_fuzz    := clang
CC         := $(CC_$(MODE))

FLAGS_release := -O2 -D_FORTIFY_SOURCE=2
FLAGS_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_tsan    := -O1 -fsanitize=thread -fno-omit-frame-pointer
FLAGS_cov     := -O0 --coverage
FLAGS_fuzz    := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all

WARN   := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow \
          -Wpointer-arith -Wwrite-strings -Wvla -Wno-unused-parameter
CFLAGS := -std=gnu17 -g $(FLAGS_$(MODE)) $(WARN) $(if $(WERROR),-Werror) \
          -D_GNU_SOURCE -DHALO_VERSION='"$(VERSION)"' -Ihalod -Ikmod -MMD -MP $(EXTRA_CFLAGS)
LDFLAGS := -pthread $(filter -fsanitize% --coverage,$(FLAGS_$(MODE))) $(EXTRA_LDFLAGS)

# The layers, lowest first. An archive is linked only by what stands above it.
LAYERS := base conf wire table control packet io plane
LIBS_conf  := -lconfig
LIBS_agent := -lgnutls -ljansson -lmnl -lev -lcap-ng -lcurl
LIBS_io    := -lgnutls -lsqlite3 -ljansson -lnetfilter_queue -lnftables -lnftnl -lmnl -lev -lcap-ng

# Conntrack's sequence numbers are read by a BPF program; without clang and
# libbpf halod is built without it, and says so. `make WITHOUT_BPF=1` forces it.
HAVE_BPF := $(if $(WITHOUT_BPF),,$(shell pkg-config --exists 'libbpf >= 1.0' && \
            command -v clang >/dev/null && echo yes))
LEFT_OUT := $(if $(HAVE_BPF),halod/io/ct_seq_none.c,halod/io/ct_seq.c)
LIBS_io  += $(if $(HAVE_BPF),-lbpf)

layer_objs = $(patsubst %.c,$(O)/obj/%.o,$(filter-out $(LEFT_OUT),$(wildcard halod/$(1)/*.c)))
define layer
$(O)/lib$(1).a: $(call layer_objs,$(1))
	$$(call say,AR,$$@)
	@rm -f $$@; ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$(l))))

# ar(chives) of the layers named, highest first so that the linker is content
ar = $(foreach l,plane io packet control table wire conf base,$(if $(filter $(l),$(1)),$(O)/lib$(l).a))

PURE   := base conf wire table control packet
ALL    := $(LAYERS)
HALOD_OBJS := $(patsubst %.c,$(O)/obj/%.o,$(filter-out halod/main.c,$(wildcard halod/*.c)))
AGENT_OBJS := $(patsubst %.c,$(O)/obj/%.o,$(filter-out nodeagent/main.c,$(wildcard nodeagent/*.c)))
CTL_OBJS   := $(patsubst %.c,$(O)/obj/%.o,$(filter-out tools/haloctl/main.c,$(wildcard tools/haloctl/*.c)))

.DEFAULT_GOAL := all
all: $(O)/halod $(O)/halo-agent $(O)/haloctl

$(O)/halod: $(O)/obj/halod/main.o $(HALOD_OBJS) $(call ar,$(ALL))
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_io) $(LIBS_conf)
$(O)/halo-agent: $(O)/obj/nodeagent/main.o $(AGENT_OBJS) $(call ar,io wire base)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_agent)
$(O)/haloctl: $(O)/obj/tools/haloctl/main.o $(CTL_OBJS) $(call ar,io control table packet wire conf base)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_io) -lsmartcols $(LIBS_conf)

$(O)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<

# A program for the kernel's own machine, built into the object that loads it.
BPF_DIR    := $(O)/obj/halod/io/bpf
BPF_CFLAGS := -target bpf -O2 -g $(filter -Wall -Wextra -Werror,$(CFLAGS)) \
              -idirafter /usr/include/$(shell gcc -print-multiarch) -MMD -MP
$(BPF_DIR)/%.bpf.o: halod/io/bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)clang $(BPF_CFLAGS) -c -o $@ $<
$(O)/obj/halod/io/ct_seq.o: $(BPF_DIR)/ct_seq.bpf.o
$(O)/obj/halod/io/ct_seq.o: CFLAGS += -Wa,-I$(BPF_DIR)

# tests/unit/test_X.c, tests/sim/test_X.c, tests/bench/bench_X.c: a program each,
# linked with tests/lib and the layers that tests/link.mk names. The servers and
# clients of the lab (HELPERS) are programs too, but no tests.
TEST_LIB  := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/lib/*.c))
TEST_SRCS := $(wildcard tests/unit/test_*.c tests/sim/test_*.c)
TESTS     := $(patsubst %.c,$(O)/%,$(TEST_SRCS))
BENCHES   := $(patsubst %.c,$(O)/%,$(wildcard tests/bench/bench_*.c))
HELPERS   := $(patsubst %.c,$(O)/%,$(wildcard tests/netns/*.c tests/demo/*.c tests/vm/kmod_*.c))
FUZZERS   := $(patsubst %.c,$(O)/%,$(wildcard tests/fuzz/fuzz_*.c))

# what a test program is linked with beyond the pure layers; by its name
LINK_default := $(call ar,$(PURE))
test_link = $(or $(LINK_$(notdir $(1))),$(LINK_default))
-include tests/link.mk

.SECONDEXPANSION:
$(TESTS) $(BENCHES): $(O)/%: $(O)/obj/%.o $$(TEST_LIB) $$(call test_link,%)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS_io) $(LIBS_conf) -Wl,--as-needed -lcurl
$(HELPERS): $(O)/%: $(O)/obj/%.o $$(call test_link,%)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_io) $(LIBS_conf)
$(FUZZERS): $(O)/%: $(O)/obj/%.o $$(call test_link,%)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_io) $(LIBS_conf) -Wl,--as-needed -lcurl

# preloaded into halod: tests/netns/audit_failures.sh
FAULT := $(O)/tests/fault/fail_nth.so
$(FAULT): tests/fault/fail_nth.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)gcc -std=gnu17 -O1 -g -Wall -Wextra $(if $(WERROR),-Werror) \
		-D_GNU_SOURCE -fPIC -shared -o $@ $< -ldl -pthread

tests: all $(TESTS) $(HELPERS) $(FAULT)
benches: all $(BENCHES) $(HELPERS)
helpers: all $(HELPERS) $(FAULT)
fuzzers: $(FUZZERS)

MAN := $(patsubst doc/%.scd,$(O)/man/%,$(wildcard doc/*.scd))
man: $(MAN)
$(O)/man/%: doc/%.scd
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)scdoc <$< >$@

# The module for the kernel whose headers are in KDIR; below $(O) as well.
KDIR ?= /lib/modules/$(shell uname -r)/build
kmod:
	@scripts/install-deps --kmod
	@scripts/kmod build "$(KDIR)" "$(O)/kmod/halo"
modules_install: kmod
	@scripts/kmod install "$(KDIR)" "$(O)/kmod/halo" \
		$(if $(INSTALL_MOD_PATH),INSTALL_MOD_PATH="$(INSTALL_MOD_PATH)")
# What DKMS builds it from, for each kernel that is installed.
install-dkms:
	install -d $(DESTDIR)/usr/src/halo-1.0
	cp -r Kbuild dkms.conf kmod $(DESTDIR)/usr/src/halo-1.0

deps:
	@scripts/install-deps
check: deps
	@scripts/run-tests
check-vm: deps
	@scripts/build helpers WERROR=1
	@scripts/vm tests
bench-vm: deps
	@scripts/build helpers WERROR=1
	@scripts/bench-vm
demo: deps
	@scripts/build all benches
	@scripts/demo
bench: deps
	@scripts/build all benches
	@scripts/run-bench
fuzz: deps
	@scripts/run-fuzz
soak: deps
	@scripts/soak
cov: deps
	@scripts/run-cov

# man pages carry their section as suffix: halod.8 goes to man8/
install: all man
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) \
		$(DESTDIR)$(UNITDIR) $(DESTDIR)$(CONFDIR)
	install -m 755 $(O)/halod $(O)/halo-agent $(DESTDIR)$(SBINDIR)
	install -m 755 $(O)/haloctl $(DESTDIR)$(BINDIR)
	install -m 644 etc/halod.conf.example $(DESTDIR)$(CONFDIR)
	for page in $(MAN); do \
		install -D -m 644 -t \
			$(DESTDIR)$(MANDIR)/man$${page##*.} $$page || exit; \
	done
	for unit in etc/systemd/*.service; do \
		sed 's|@SBINDIR@|$(SBINDIR)|; s|@CONFDIR@|$(CONFDIR)|' $$unit \
			>$(DESTDIR)$(UNITDIR)/$${unit##*/} || exit; \
	done
	for completion in $(wildcard tools/completion/*); do \
		install -D -m 644 -t $(DESTDIR)$(COMPDIR) $$completion || exit; \
	done

clean:
	rm -rf build

help:
	@echo 'make            build/halod build/halo-agent build/haloctl'
	@echo 'make MODE=asan  the same into build/asan (tsan, cov and fuzz too)'
	@echo 'make O=/tmp/x   the same into another directory'
	@echo 'make deps       install the Debian packages that are missing (root)'
	@echo 'make check      build and run every test (root)'
	@echo 'make check-vm   the network tests on a kernel of Debian, in QEMU (root)'
	@echo 'make kmod       build/kmod/halo/halo.ko for the kernel of KDIR='
	@echo 'make modules_install, install-dkms   install it, or what DKMS builds'
	@echo 'make bench-vm   what a packet costs in instructions, in that guest (root)'
	@echo 'make demo       a lab of namespaces, a cluster, faults (root)'
	@echo 'make bench      measure; a table and build/bench/*.json (root)'
	@echo 'make fuzz       run each fuzzer for FUZZ_SECONDS=60'
	@echo 'make soak       hours: simulations, fuzzers, kills, failing calls (root)'
	@echo 'make cov        coverage of the unit tests, a line per layer'
	@echo 'make man        manual pages into build/man'
	@echo 'make install    DESTDIR= PREFIX=/usr/local'
	@echo 'make clean      remove build/'
	@echo
	@echo 'V=1 shows the commands, WERROR=1 makes warnings errors.'

.PHONY: all tests benches helpers fuzzers man deps check check-vm demo bench \
	kmod modules_install install-dkms bench-vm \
	fuzz soak cov install clean help
.SECONDARY:

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
