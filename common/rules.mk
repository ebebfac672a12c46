# The runtime that every daemon stands on: an archive of all that lies in this folder.
common_src := $(wildcard common/*.c)
# What the IDL compiler itself is built from; it cannot wait for generated headers.
boot_src := common/mem.c common/arena.c common/sbuf.c common/map.c

common_obj := $(call objects,$(common_src))
DEPFILES += $(common_obj:.o=.d)

$(eval $(call remember,$(LIBCOMMON:.a=.list),$(common_src)))
$(LIBCOMMON): $(common_obj) $(LIBCOMMON:.a=.list)
	$(call say,ar,$@)
	@mkdir -p $(@D)
	@rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# No shadow stack where stacks are switched by hand: without the mark of this one file the loader
# leaves it off. Jump targets (endbr64) stay.
ifneq ($(filter -fcf-protection,$(HARDEN)),)
$(B)/obj/common/fiber_switch.o: override CFLAGS += -fcf-protection=branch
endif
