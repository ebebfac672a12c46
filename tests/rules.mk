# Tests: unit programs in C (one a source file), behaviour tests from outside in Python, benches,
# fuzz targets. tests/run runs them and ends with "N passed, N failed, N skipped".
unit_src := $(wildcard tests/unit/*/*.c)
unit_bin := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(unit_src))
DEPFILES += $(patsubst %.o,%.d,$(call objects,$(unit_src)))

$(call objects,$(unit_src)): | $(GEN_HEADERS)
$(unit_bin): $(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(LIBS)
	$(call say,link,$@)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $< $(LIBS_GROUP) -lcmocka $(LDLIBS)

.PHONY: unit
unit: $(unit_bin)
