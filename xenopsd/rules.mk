# xenopsd, its backends (shared objects, loaded by name), and its debug CLI.
xenopsd_src := $(filter-out xenopsd/qmp.c xenopsd/backend_%,$(wildcard xenopsd/*.c))
$(eval $(call program,xenopsd,$(xenopsd_src)))
$(eval $(call installs,$(B)/bin/xenopsd,sbin))
$(eval $(call program,xenops-cli,$(wildcard xenopsd/cli/*.c)))
$(eval $(call installs,$(B)/bin/xenops-cli,bin))

# All of common/ and of what idlc made is in the program, for the backends, and exported.
$(B)/bin/xenopsd: override LIBS_GROUP := -Wl,--whole-archive $(LIBS) -Wl,--no-whole-archive
$(B)/bin/xenopsd: override LDFLAGS += -Wl,--export-dynamic

# $(eval $(call backend,NAME,SOURCES,LIBRARIES)): LIB/xenith/xenopsd/NAME.so of these sources.
define backend
PROGRAMS += $(B)/lib/xenith/xenopsd/$(1).so
DEPFILES += $(patsubst %.o,%.d,$(call objects,$(2)))
$(call objects,$(2)): | $(GEN_HEADERS)
$(call objects,$(2)): override CFLAGS += -fPIC
$(call remember,$(B)/obj/xenopsd-$(1).list,$(2) $(3))
# One that was the program's until now is compiled anew.
$(call objects,$(2)): $(B)/obj/xenopsd-$(1).list
$(B)/lib/xenith/xenopsd/$(1).so: $(call objects,$(2)) $(B)/obj/xenopsd-$(1).list $(B)/flags
	$$(call say,link,$$@)
	@mkdir -p $$(@D)
	@$$(CC) $$(filter-out -pie,$$(LDFLAGS)) -shared -o $$@ $(call objects,$(2)) $(3)
$(call installs,$(B)/lib/xenith/xenopsd/$(1).so,lib/xenith/xenopsd)
endef

$(eval $(call backend,simulator,$(wildcard xenopsd/backend_simulator*.c)))

# QEMU alone, by QMP.
$(eval $(call backend,qemu,$(wildcard xenopsd/backend_qemu*.c) xenopsd/qmp.c))
$(B)/tests/unit/xenopsd/qmp: $(B)/obj/xenopsd/qmp.o
$(B)/tests/unit/xenopsd/backend_qemu_accel: $(B)/obj/xenopsd/backend_qemu_accel.o

# The simulator's own process, and a CLI to be the guest or the fault.
$(eval $(call program,xenopsd-simulator,$(filter-out %/cli.c,$(wildcard xenopsd/simulator/*.c))))
$(eval $(call installs,$(B)/bin/xenopsd-simulator,sbin))
$(eval $(call program,xenopsd-simulator-cli,xenopsd/simulator/cli.c))
$(eval $(call installs,$(B)/bin/xenopsd-simulator-cli,bin))

# libxl is looked for here, and used in xenopsd/backend_xenlight*.c alone.
xenlight_packages := xenlight xenstore xentoollog
$(eval $(call optional,HAS_XENLIGHT,$(xenlight_packages),the backend of xenopsd for Xen))
ifeq ($(HAS_XENLIGHT),yes)
$(eval $(call backend,xenlight,$(wildcard xenopsd/backend_xenlight*.c),\
	$(shell $(PKG_CONFIG) --libs $(xenlight_packages))))
endif

# What the unit tests of xenopsd need beside the archives.
xenopsd_model := $(B)/obj/xenopsd/vm.o
$(B)/tests/unit/xenopsd/vm: $(xenopsd_model)
$(B)/tests/unit/xenopsd/queue: $(xenopsd_model) $(B)/obj/xenopsd/queue.o
$(B)/tests/unit/xenopsd/plan: $(xenopsd_model) $(B)/obj/xenopsd/plan.o
$(B)/tests/unit/xenopsd/files: $(xenopsd_model) $(B)/obj/xenopsd/files.o $(B)/obj/xenopsd/damage.o
$(B)/tests/unit/xenopsd/memory_balance: $(B)/obj/xenopsd/memory_balance.o
$(B)/tests/unit/xenopsd/memory: $(xenopsd_model) $(B)/obj/xenopsd/memory.o \
	$(B)/obj/xenopsd/memory_balance.o
$(B)/tests/unit/xenopsd/channel: $(B)/obj/xenopsd/channel.o
$(B)/tests/fuzz/replay-migration $(B)/tests/fuzz/fuzz-migration: $(B)/obj/xenopsd/channel.o
