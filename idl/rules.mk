# idlc, and what it makes of each interface: X.idl gives X.gen.h, X.gen.c (tables), X_client.gen.c
# and X_service.gen.c, all in $(B)/gen and in one archive.
IDLC := $(B)/tools/idlc
idlc_src := $(wildcard idl/*.c)
idlc_obj := $(call objects,$(idlc_src) $(boot_src))
DEPFILES += $(patsubst %.o,%.d,$(call objects,$(idlc_src)))

# An interface is a file idl/X.idl, or a folder idl/X/ of files that all begin with its line. That
# of the sample daemon lies beside the daemon, and is nobody's but the tests'.
interface_dirs := $(patsubst idl/%/,%,$(sort $(dir $(wildcard idl/*/*.idl))))
own_interfaces := $(patsubst idl/%.idl,%,$(wildcard idl/*.idl)) $(interface_dirs)
interfaces := $(own_interfaces) sample
gen_files = $(patsubst %,$(B)/gen/$(1)%,.gen.h .gen.c _client.gen.c _service.gen.c)
interface_src = $(sort $(wildcard idl/$(1).idl idl/$(1)/*.idl tests/$(1)/$(1).idl))
GEN_HEADERS := $(patsubst %,$(B)/gen/%.gen.h,$(interfaces))
gen_names := $(foreach i,$(interfaces),$(i) $(i)_client $(i)_service)
gen_obj := $(patsubst %,$(B)/obj/gen/%.gen.o,$(gen_names))
DEPFILES += $(gen_obj:.o=.d)

$(eval $(call remember,$(B)/tools/idlc.list,$(idlc_src) $(boot_src)))
$(B)/tools/idlc: $(idlc_obj) $(B)/tools/idlc.list $(B)/flags
	$(call say,link,$@)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^)

# The stamp is newer than the interface; the outputs only change when their content does. One that
# somebody removed is made again.
gone = $(if $(filter-out $(wildcard $(1)),$(1)),FORCE)
define interface
$(call remember,$(B)/gen/$(1).list,$(call interface_src,$(1)))
$(B)/gen/$(1).stamp: $(call interface_src,$(1)) $(IDLC) $(B)/gen/$(1).list \
		$(call gone,$(call gen_files,$(1)))
	$$(call say,idlc,$(1))
	@mkdir -p $$(@D)
	@$(IDLC) --import idl --out $(B)/gen --depfile $(B)/gen/$(1).d --target $$@ \
		$(call interface_src,$(1))
	@touch $$@
$(call gen_files,$(1)): $(B)/gen/$(1).stamp ;
endef
$(foreach i,$(interfaces),$(eval $(call interface,$(i))))
DEPFILES += $(patsubst %,$(B)/gen/%.d,$(interfaces))

$(eval $(call remember,$(LIBGEN:.a=.list),$(gen_names)))
$(LIBGEN): $(gen_obj) $(LIBGEN:.a=.list)
	$(call say,ar,$@)
	@mkdir -p $(@D)
	@rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# Everything but idlc itself is compiled after the generated headers are there.
$(filter-out $(idlc_obj),$(common_obj) $(merged_obj)) $(gen_obj): | $(GEN_HEADERS)

# ---- what is read by people and other programs ----
.PHONY: reference api-sum
reference: $(IDLC) ## the interfaces' reference pages and OpenRPC, into build/doc/
	@mkdir -p $(B)/doc
	@$(foreach i,$(own_interfaces),$(IDLC) --markdown $(B)/doc/$(i).md \
		--openrpc $(B)/doc/$(i).json $(call interface_src,$(i)) &&) :

# tests/lint/api-sum compares idl/api.sum with the interfaces; this writes it anew.
api-sum: $(IDLC) ## notes the versions of changed interfaces in idl/api.sum
	@WRITE=1 tests/lint/api-sum
lint: $(IDLC)
lint api-sum: export IDLC := $(IDLC)

# The fuzz target takes idlc's front end apart: all but its main.
FUZZ_OBJ_idlc := $(filter-out $(B)/obj/idl/main.o,$(call objects,$(idlc_src)))
