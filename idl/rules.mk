# idlc, and what it makes of each interface: X.idl gives X.gen.h, X.gen.c (tables), X_client.gen.c
# and X_service.gen.c, all in $(B)/gen and in one archive.
IDLC := $(B)/tools/idlc
idlc_src := $(wildcard idl/*.c)
idlc_obj := $(call objects,$(idlc_src) $(boot_src))
DEPFILES += $(patsubst %.o,%.d,$(call objects,$(idlc_src)))

# The interfaces lie in this folder; that of the sample daemon lies beside it.
idl_files := $(wildcard idl/*.idl) tests/sample/sample.idl
interfaces := $(notdir $(basename $(idl_files)))
GEN_HEADERS := $(patsubst %,$(B)/gen/%.gen.h,$(interfaces))
gen_names := $(foreach i,$(interfaces),$(i) $(i)_client $(i)_service)
gen_obj := $(patsubst %,$(B)/obj/gen/%.gen.o,$(gen_names))
DEPFILES += $(gen_obj:.o=.d)

$(eval $(call remember,$(B)/tools/idlc.list,$(idlc_src) $(boot_src)))
$(B)/tools/idlc: $(idlc_obj) $(B)/tools/idlc.list $(B)/flags
	$(call say,link,$@)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^)

# The stamp is newer than the IDL file; the outputs only change when their content does.
define interface
$(B)/gen/$(1).stamp: $(2) $(IDLC)
	$$(call say,idlc,$(2))
	@mkdir -p $$(@D)
	@$(IDLC) --import idl --out $(B)/gen --depfile $(B)/gen/$(1).d --target $$@ $(2)
	@touch $$@
endef
$(foreach f,$(idl_files),$(eval $(call interface,$(notdir $(basename $(f))),$(f))))
$(patsubst %,$(B)/gen/%.gen.h,$(interfaces)) $(patsubst %,$(B)/gen/%.gen.c,$(gen_names)): ;
$(foreach i,$(interfaces),$(eval $(B)/gen/$(i).gen.h $(foreach n,$(i) $(i)_client $(i)_service,$(B)/gen/$(n).gen.c): $(B)/gen/$(i).stamp))
DEPFILES += $(patsubst %,$(B)/gen/%.d,$(interfaces))

$(eval $(call remember,$(LIBGEN:.a=.list),$(gen_names)))
$(LIBGEN): $(gen_obj) $(LIBGEN:.a=.list)
	$(call say,ar,$@)
	@mkdir -p $(@D)
	@rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# Everything but idlc itself is compiled after the generated headers are there.
$(filter-out $(idlc_obj),$(common_obj)) $(gen_obj): | $(GEN_HEADERS)
