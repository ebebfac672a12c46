# idlc, and what it makes of each interface: X.idl gives X.gen.h, X.gen.c (tables), X_client.gen.c
# and X_service.gen.c, all in $(B)/gen and in one archive.
IDLC := $(B)/tools/idlc
idlc_src := $(wildcard idl/*.c)
idlc_obj := $(call objects,$(idlc_src) $(boot_src))
DEPFILES += $(patsubst %.o,%.d,$(call objects,$(idlc_src)))

interfaces := $(patsubst idl/%.idl,%,$(wildcard idl/*.idl))
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
$(B)/gen/%.stamp: idl/%.idl $(IDLC)
	$(call say,idlc,$<)
	@mkdir -p $(@D)
	@$(IDLC) --out $(B)/gen --depfile $(B)/gen/$*.d --target $@ $<
	@touch $@
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
