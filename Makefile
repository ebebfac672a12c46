# Xenith: one non-recursive makefile; each folder adds its rules.mk. `make help` lists the targets.
#
#   make                         everything, into build/
#   make CC=clang                beside it, into build/clang/
#   make SAN=address,undefined   into build/san-address-undefined/; SAN=thread uses clang
#   make V=1                     shows each command whole
#   make JOBS=4                  so many at a time; else one a processor
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
JOBS ?= $(shell nproc)
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif
ifneq ($(filter clean,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

comma := ,
empty :=
space := $(empty) $(empty)

# ---- what may be set from outside ----
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
AR := ar
PKG_CONFIG ?= pkg-config
PYTHON ?= python3
PREFIX ?= /usr
DESTDIR ?=
XENITH_CACHE ?= $(HOME)/.cache/xenith
export XENITH_CACHE
# On the command line B names a bench (make bench B=rpc); in the rules it is the folder built into.
BENCH := $(if $(filter command line,$(origin B)),$(B))

# ---- where things go: each way of building has a folder of its own ----
ifneq ($(filter fuzz,$(FOR))$(filter thread,$(SAN)),)
CC := clang
endif
variant := $(strip $(or $(FOR),$(if $(SAN),san-$(subst $(comma),-,$(SAN))),$(if $(findstring clang,$(CC)),clang)))
override B := build$(if $(variant),/$(variant))

# ---- flags: those that packages use, so that what is tested is what ships ----
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
	-Wswitch -Wvla -Wpointer-arith -Wundef -Wno-unused-parameter
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE
ifneq ($(filter x86_64 i686,$(shell uname -m)),)
HARDEN += -fcf-protection
endif
OPT := -O2 -D_FORTIFY_SOURCE=2
SANITIZE :=
ifneq ($(SAN),)
SANITIZE := -fsanitize=$(SAN)
OPT := -O1 -fno-omit-frame-pointer $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined)
endif
ifeq ($(FOR),fuzz)
SANITIZE := -fsanitize=address,undefined
OPT := -O1 -fno-omit-frame-pointer -fno-sanitize-recover=undefined -fsanitize=fuzzer-no-link
endif
ifeq ($(FOR),coverage)
SANITIZE := --coverage
OPT := -O0
endif
# What a packager gives in CPPFLAGS, CFLAGS and LDFLAGS comes last and so wins.
override CPPFLAGS := -D_GNU_SOURCE -I. -I$(B)/gen $(CPPFLAGS)
override CFLAGS := -std=gnu17 -g -pthread $(OPT) $(SANITIZE) $(HARDEN) $(WARN) $(CFLAGS)
override LDFLAGS := -pie -pthread -Wl,-z,relro,-z,now -Wl,--as-needed $(SANITIZE) $(LDFLAGS)

-include local.mk

# ---- what the folders add to ----
PROGRAMS :=
TEST_PROGRAMS :=
DEPFILES :=

LIBCOMMON := $(B)/lib/libcommon.a
LIBGEN := $(B)/lib/libgen.a
LIBS := $(LIBCOMMON) $(LIBGEN)
LIBS_GROUP := -Wl,--start-group $(LIBS) -Wl,--end-group
LDLIBS := -ljansson -levent_core -levent_pthreads -lsqlite3 -lssl -lcrypto -lexpat -lsystemd \
	-lcrypt -lhttp_parser -lwslay

# $(call objects,SOURCES): their object files
objects = $(patsubst %,$(B)/obj/%.o,$(basename $(1)))

# $(eval $(call remember,FILE,WORDS)): FILE holds WORDS and is only written when they differ. What
# depends on it is made again when a flag or a list of sources changes.
same = $(and $(findstring x$(1)x,x$(2)x),$(findstring x$(2)x,x$(1)x))
define remember
$(1): $(if $(call same,$(strip $(file <$(1))),$(strip $(2))),,FORCE)
	@mkdir -p $$(@D)
	@echo '$(subst ','\'',$(strip $(2)))' >$$@
endef
.PHONY: FORCE

# $(eval $(call program,NAME,SOURCES,LIBRARIES)): a program in $(B)/bin, of sources, libcommon, what
# idlc made, and further libraries. test_program: the same in $(B)/tests, never installed.
define program_at
DEPFILES += $(patsubst %.o,%.d,$(call objects,$(2)))
$(call objects,$(2)): | $(GEN_HEADERS)
$(call remember,$(B)/obj/$(1).list,$(2) $(3))
$(B)/$(1): $(call objects,$(2)) $(LIBS) $(B)/obj/$(1).list $(B)/flags
	$$(call say,link,$$@)
	@mkdir -p $$(@D)
	@$$(CC) $$(LDFLAGS) -o $$@ $(call objects,$(2)) $$(LIBS_GROUP) $(3) $$(LDLIBS)
endef
define program
PROGRAMS += $(B)/bin/$(1)
$(call program_at,bin/$(1),$(2),$(3))
endef
define test_program
TEST_PROGRAMS += $(B)/tests/$(1)
$(call program_at,tests/$(1),$(2),$(3))
endef

# $(eval $(call optional,NAME,PKG,WHAT)): NAME is yes when pkg-config knows PKG; else `make` says in
# one line that WHAT is left out.
define optional
$(1) := $(shell $(PKG_CONFIG) --exists $(2) 2>/dev/null && echo yes)
LEFT_OUT += $$(if $$($(1)),,left-out-$(2))
left-out-$(2): ; @echo 'left out: $(3) (pkg-config does not find $(2))'
.PHONY: left-out-$(2)
endef
LEFT_OUT :=

# $(eval $(call installs,FILE,FOLDER,MODE)): `make install` puts FILE into $(PREFIX)/FOLDER.
INSTALLS :=
define installs
INSTALLS += install-$(1)
install-$(1): $(1)
	@install -D -m $(or $(3),755) $(1) '$$(DESTDIR)$$(PREFIX)/$(2)/$(notdir $(1))'
.PHONY: install-$(1)
endef

# One line a step, the whole command with V=1.
ifeq ($(V),1)
say =
.SHELLFLAGS := -xc
else
say = @echo '$(1)	$(2)'
endif

FOLDERS := common idl tests packaging $(foreach d,xapid xenopsd smd networkd rrdd docs,$(if $(wildcard $(d)/rules.mk),$(d)))
include $(addsuffix /rules.mk,$(FOLDERS))

# ---- how things are made ----
$(eval $(call remember,$(B)/flags,$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LDLIBS)))

$(B)/obj/%.o: %.c $(B)/flags
	$(call say,cc,$<)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/gen/%.o: $(B)/gen/%.c $(B)/flags
	$(call say,cc,$<)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# ---- what one calls ----
.PHONY: all install run clean help
all: $(PROGRAMS) $(LEFT_OUT) ## everything

BACKEND ?= qemu
PORT ?= 8080
DIR ?= $(abspath $(B)/stack)
run: ## installs, builds, and brings up a demo host with a guest; DIR=, BACKEND=, PORT=
	@packaging/deps/install run || [ $$? = 3 ] # without root it goes on with what is there
	@$(MAKE) --no-print-directory all
	@packaging/run '$(B)/bin' '$(DIR)' '$(BACKEND)' '$(PORT)'

install: $(INSTALLS) ## into DESTDIR= PREFIX=/usr

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed 's/:.*## /\t/' | expand -t 16

clean: ## removes build/ (the cache of packages and images stays)
	rm -rf build

-include $(DEPFILES)
