# The runtime that every daemon stands on: an archive of all that lies in this folder.
common_src := $(wildcard common/*.c)
# What the IDL compiler itself is built from; it cannot wait for generated headers.
boot_src := common/mem.c common/arena.c common/sbuf.c common/map.c

common_obj := $(call objects,$(common_src))
DEPFILES += $(common_obj:.o=.d)

# What every call passes through, from the loop to the codec, is optimised as one file: it is small
# functions that call from one file to another, and an eighth of a call's time goes into that. All
# of the tree in this way would gain little more and cost every link some seconds. gcc alone, since
# it makes what is installed; the other ways of building look for faults.
ifeq ($(variant),)
merged_src := $(addprefix common/,codec.c codec_build.c cond.c fiber.c json.c json_write.c loop.c \
	rpc_client.c rpc_conn.c rpc_inbound.c rpc_outbound.c rpc_reader.c rpc_wire.c stream.c \
	timer.c)
merged_obj := $(call objects,$(merged_src))
$(eval $(call remember,$(B)/obj/common/merged.list,$(merged_obj) -flto))
$(merged_obj): $(B)/obj/common/merged.list
$(merged_obj): private override CFLAGS += -flto
$(B)/obj/common/merged.o: $(merged_obj) $(B)/obj/common/merged.list
	$(call say,merge,$@)
	@$(CC) $(CFLAGS) -flto -flto-partition=one -r -flinker-output=nolto-rel -o $@ \
		$(filter %.o,$^)
common_obj := $(filter-out $(merged_obj),$(common_obj)) $(B)/obj/common/merged.o
endif

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
