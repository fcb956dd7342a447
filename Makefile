# mailreeve: build, install, test.  No configure step; `make V=1` shows the commands.
#
#   make            build/mailreeve, build/mailreeved
#   make SAN=1      the same with ASan and UBSan, in build-san/
#   make tests      every test program, in build/tests/
#   make install    DESTDIR and prefix are honoured

SHELL := /bin/bash
V ?= 0
SAN ?= 0
prefix ?= /usr/local
bindir ?= $(prefix)/bin
sbindir ?= $(prefix)/sbin
mandir ?= $(prefix)/share/man
VERSION := 0.1.0

B ?= $(if $(filter 1,$(SAN)),build-san,build)
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),@:,@printf '  %-8s %s\n' $(1) $(patsubst $(B)/%,%,$@))

CC ?= cc
CLANG ?= clang
BPFTOOL ?= $(shell PATH=$$PATH:/usr/sbin:/sbin command -v bpftool)
PKGS := libbpf libnl-3.0 libnl-route-3.0 libsystemd jansson libpcap libmicrohttpd sqlite3 libmariadb zlib
ifeq ($(filter clean,$(MAKECMDGOALS)),)
ifneq ($(shell pkg-config --exists $(PKGS) && echo yes),yes)
$(error a library is missing ($(PKGS)): run scripts/deps)
endif
endif
comma := ,
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
CPPFLAGS += -Iinclude -I$(B)/gen -D_GNU_SOURCE -DMR_VERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
OPT := $(if $(filter 1,$(SAN)),-O1 -fsanitize=address,-O2)
OPT += $(if $(filter 1,$(SAN)),-fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
OPT += $(if $(filter 1,$(FUZZ)),-fsanitize=fuzzer-no-link$(comma)address$(comma)undefined -fno-sanitize-recover=all)
CFLAGS += -std=gnu11 -g $(OPT) $(WARN) -pthread
LDLIBS += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -pthread
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Iinclude -I/usr/include/$(shell uname -m)-linux-gnu

LIB_SRC := $(wildcard lib/*.c lib/*/*.c)
DAEMON_SRC := $(wildcard daemon/*.c daemon/*/*.c)
CTL_SRC := $(wildcard ctl/*.c)
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB := $(B)/libmailreeve.a

all: $(if $(CTL_SRC),$(B)/mailreeve) $(if $(DAEMON_SRC),$(B)/mailreeved)

# --- the BPF object and its skeleton; the embedded object is what the programs load
$(B)/gen/mailreeve.bpf.o: $(wildcard bpf/*) include/mailreeve/abi.h
	$(call say,BPF)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c bpf/mailreeve.bpf.c -o $@.tmp
	$(Q)llvm-strip -g $@.tmp 2>/dev/null || :
	$(Q)mv $@.tmp $@

$(B)/gen/mailreeve.skel.h: $(B)/gen/mailreeve.bpf.o
	$(call say,SKEL)
	$(Q)$(BPFTOOL) gen skeleton $< name mailreeve_bpf >$@.tmp && mv $@.tmp $@

$(B)/obj/%.o: %.c | $(B)/gen/mailreeve.skel.h
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(call obj,$(wildcard lib/kernel/*.c)): $(B)/gen/mailreeve.skel.h

$(LIB): $(call obj,$(LIB_SRC))
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/mailreeved: $(call obj,$(DAEMON_SRC)) $(LIB)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

$(B)/mailreeve: $(call obj,$(CTL_SRC)) $(LIB)
	$(call say,LD)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LDLIBS) -o $@

# --- tests: every tests/{unit,packet,net,kernels,bench}/*.c with a main is a program; files that begin with an
#     underscore are linked into the programs of their folder
TEST_DIRS := unit packet net kernels bench
define test_dir
$(1)_SHARED := $$(call obj,$$(wildcard tests/$(1)/_*.c))
$(1)_PROGS := $$(patsubst tests/%.c,$(B)/tests/%,$$(filter-out tests/$(1)/_%,$$(wildcard tests/$(1)/*.c)))
$$($(1)_PROGS): $(B)/tests/%: $(B)/obj/tests/%.o $$($(1)_SHARED) $(LIB)
	$$(call say,LD)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(filter %.o,$$^) $$(LIB) $$(LDLIBS) -lcmocka -o $$@
TESTS += $$($(1)_PROGS)
endef
$(foreach d,$(TEST_DIRS),$(eval $(call test_dir,$(d))))
# the daemon's sources stand on their own
$(filter $(B)/tests/unit/source-%,$(TESTS)): $(call obj,$(wildcard daemon/source/*.c))
# this one stands between the library and libbpf
$(B)/tests/packet/faults: LDFLAGS += -Wl,--wrap=bpf_map_update_batch,--wrap=bpf_map_update_elem,--wrap=bpf_map_delete_elem
$(B)/tests/unit/ids: $(call obj,daemon/ids.c daemon/ids_users.c daemon/state.c)
tests: all $(TESTS)

# --- fuzzers: make FUZZ=1 CC=clang B=build/fuzz/obj build/fuzz/obj/fuzz/NAME
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(LIB)
	$(call say,LD)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) $(filter %.o,$^) $(LIB) $(LDLIBS) -o $@
# these read what is not in the library, and no file
$(B)/fuzz/split: $(call obj,daemon/source/lines.c)
$(B)/fuzz/import: $(call obj,$(wildcard ctl/import*.c))
$(B)/fuzz/import: LDFLAGS += -Wl,--wrap=mr_read_file,--wrap=access
$(B)/fuzz/state: $(call obj,$(filter-out daemon/main.c,$(DAEMON_SRC)))
$(B)/fuzz/state: LDFLAGS += -Wl,--wrap=mr_read_file,--wrap=rename,--wrap=mr_log_emit

-include Makefile.install
include Makefile.bench

clean:
	$(Q)rm -rf build build-san

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
.PHONY: all tests clean install
.SECONDARY:
.DELETE_ON_ERROR:
