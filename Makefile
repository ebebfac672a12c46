# Xenith: one non-recursive makefile; each folder adds its rules.mk. `make help` lists the targets.
#
#   make                      everything, into build/
#   make CC=clang             beside it, into build/clang/
#   make SAN=address,undefined   into build/san-address-undefined/; SAN=thread uses clang
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules --no-builtin-variables

comma := ,
empty :=
space := $(empty) $(empty)

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(SAN),thread)
CC := clang
endif
AR := ar
PKG_CONFIG ?= pkg-config
PYTHON ?= python3
PREFIX ?= /usr
DESTDIR ?=

# ---- where things go ----
variant := $(strip $(if $(SAN),san-$(subst $(comma),-,$(SAN)),$(if $(findstring clang,$(CC)),clang)))
B := build$(if $(variant),/$(variant))

# ---- flags: those that packages use, so that what is tested is what ships ----
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
	-Wswitch -Wvla -Wpointer-arith -Wundef -Wno-unused-parameter
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE
ifneq ($(filter x86_64 i686,$(shell uname -m)),)
HARDEN += -fcf-protection
endif
ifeq ($(SAN),)
OPT := -O2 -D_FORTIFY_SOURCE=2
else
OPT := -O1 -fno-omit-frame-pointer -fsanitize=$(SAN) $(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined)
endif
CPPFLAGS += -D_GNU_SOURCE -I. -I$(B)/gen
CFLAGS += -std=gnu17 -g -pthread $(OPT) $(HARDEN) $(WARN)
LDFLAGS += -pie -pthread -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN))

-include local.mk

# ---- what the folders add to ----
PROGRAMS :=
DEPFILES :=

# $(call objects,SOURCES): their object files
objects = $(patsubst %,$(B)/obj/%.o,$(basename $(1)))

# $(eval $(call program,NAME,SOURCES,LIBRARIES)): a program in $(B)/bin, of sources, libcommon, what
# idlc made, and further libraries.
define program
PROGRAMS += $(B)/bin/$(1)
DEPFILES += $(patsubst %.o,%.d,$(call objects,$(2)))
$(B)/bin/$(1): $(call objects,$(2)) $(LIBS) $(MAKEFILE_LIST_ALL)
	$$(call say,link,$$@)
	@mkdir -p $$(@D)
	@$$(CC) $$(LDFLAGS) -o $$@ $(call objects,$(2)) $$(LIBS_GROUP) $(3) $$(LDLIBS)
endef

LIBCOMMON := $(B)/lib/libcommon.a
LIBGEN := $(B)/lib/libgen.a
LIBS := $(LIBCOMMON) $(LIBGEN)
LIBS_GROUP := -Wl,--start-group $(LIBS) -Wl,--end-group
LDLIBS := -ljansson -levent_core -levent_pthreads -lsqlite3 -lssl -lcrypto -lexpat -lsystemd

# One line a step, the whole command with V=1.
ifeq ($(V),1)
say =
.SHELLFLAGS := -xc
else
say = @echo '$(1)	$(2)'
endif

FOLDERS := common idl tests packaging $(foreach d,xapid xenopsd smd networkd rrdd docs,$(if $(wildcard $(d)/rules.mk),$(d)))
include $(wildcard $(addsuffix /rules.mk,$(FOLDERS)))

# ---- how things are made ----
$(B)/obj/%.o: %.c
	$(call say,cc,$<)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/gen/%.o: $(B)/gen/%.c
	$(call say,cc,$<)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

.PHONY: all clean help
all: $(PROGRAMS) ## everything

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed 's/:.*## /\t/' | expand -t 16

clean: ## removes build/ (the cache of packages and images stays)
	rm -rf build

-include $(DEPFILES)
