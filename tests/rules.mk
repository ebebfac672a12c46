# Tests: unit programs in C (one a source file), behaviour tests from outside in Python, fuzz
# targets and their corpora, benches. tests/run runs them and ends with
# "N passed, N failed, N skipped".

include tests/sample/rules.mk
include tests/door/rules.mk

# ---- unit tests ----
unit_src := $(wildcard tests/unit/*/*.c tests/unit/*/*/*.c)
unit_bin := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(unit_src))
DEPFILES += $(patsubst %.o,%.d,$(call objects,$(unit_src)))

$(call objects,$(unit_src)): | $(GEN_HEADERS)
$(unit_bin): $(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(LIBS) $(B)/flags
	$(call say,link,$@)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBS_GROUP) -lcmocka $(LDLIBS)
# What a unit test needs beside the archives.
unit_helpers := $(call objects,$(wildcard tests/unit/*.c))
DEPFILES += $(unit_helpers:.o=.d)
$(unit_helpers): | $(GEN_HEADERS)
$(B)/tests/unit/common/json: $(B)/obj/tests/unit/json_oracle.o
FUZZ_OBJ_json := $(B)/obj/tests/unit/json_oracle.o
$(B)/tests/unit/bench/bench: $(B)/obj/tests/bench/bench.o
$(B)/tests/unit/idl/roundtrip $(B)/tests/unit/xapid/xmldb/value: \
	$(B)/obj/tests/unit/random_value.o
DEPFILES += $(B)/obj/tests/unit/random_value.d
$(foreach t,tests/unit/idl/roundtrip tests/fuzz/fuzz-codec,$(B)/obj/$(t).o $(B)/warned/$(t).ok): \
	CPPFLAGS += '-DINTERFACES=$(foreach i,$(interfaces),X($(i)))'

# ---- fuzz targets: tests/fuzz/fuzz-NAME.c, its corpus in tests/fuzz/corpus/NAME/ ----
# As a plain program that replays its corpus (make test), and with libFuzzer (make fuzz).
fuzz_names := $(patsubst tests/fuzz/fuzz-%.c,%,$(wildcard tests/fuzz/fuzz-*.c))
fuzz_replays := $(patsubst %,$(B)/tests/fuzz/replay-%,$(fuzz_names))
fuzz_bin := $(patsubst %,$(B)/tests/fuzz/fuzz-%,$(fuzz_names))
fuzz_obj := $(call objects,$(wildcard tests/fuzz/*.c))
DEPFILES += $(fuzz_obj:.o=.d)

$(fuzz_obj): | $(GEN_HEADERS)
# What a target needs beside the archives: FUZZ_OBJ_NAME, set in the folder that has it.
$(foreach n,$(fuzz_names),\
	$(eval $(B)/tests/fuzz/replay-$(n) $(B)/tests/fuzz/fuzz-$(n): $(FUZZ_OBJ_$(n))))
$(fuzz_replays): $(B)/obj/tests/fuzz/replay.o
$(fuzz_replays): $(B)/tests/fuzz/replay-%: $(B)/obj/tests/fuzz/fuzz-%.o $(LIBS) $(B)/flags
	$(call say,link,$@)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBS_GROUP) $(LDLIBS)
$(fuzz_bin): $(B)/tests/fuzz/fuzz-%: $(B)/obj/tests/fuzz/fuzz-%.o $(LIBS) $(B)/flags
	$(call say,link,$@)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(LIBS_GROUP) $(LDLIBS)

# ---- benches: tests/bench/bench_NAME.c; what it compares with is tests/bench/base_NAME.c ----
bench_names := $(patsubst tests/bench/bench_%.c,%,$(wildcard tests/bench/bench_*.c))
base_names := $(patsubst tests/bench/base_%.c,%,$(wildcard tests/bench/base_*.c))
bench_bin := $(patsubst %,$(B)/tests/bench/bench_%,$(bench_names))
base_bin := $(patsubst %,$(B)/tests/bench/base_%,$(base_names))
bench_obj := $(call objects,$(wildcard tests/bench/*.c))
DEPFILES += $(bench_obj:.o=.d)

$(bench_obj): | $(GEN_HEADERS)
$(bench_bin): $(B)/obj/tests/bench/bench.o
$(B)/tests/bench/bench_rpc $(B)/tests/bench/bench_codec: $(B)/obj/tests/bench/vm_record.o
$(B)/tests/bench/bench_xenopsd: $(B)/obj/tests/bench/host.o
$(B)/tests/bench/bench_xapid: $(patsubst %,$(B)/obj/tests/bench/%.o,host bare_http xapid_client \
	xapid_calls xapid_records xapid_storm crowd)
$(bench_bin): $(B)/tests/bench/bench_%: $(B)/obj/tests/bench/bench_%.o $(LIBS) $(B)/flags
	$(call say,link,$@)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBS_GROUP) $(LDLIBS)
# A base has no code of the project in it: it is linked with libraries alone, and with what several
# bases share (bare_*).
$(B)/tests/bench/base_fdatasync: $(patsubst %,$(B)/obj/tests/bench/bare_%.o,http sync)
$(B)/tests/bench/base_evhttp: $(patsubst %,$(B)/obj/tests/bench/bare_%.o,http evhttp)
$(B)/tests/bench/base_call: $(patsubst %,$(B)/obj/tests/bench/bare_%.o,http evhttp sync commit)
$(base_bin): $(B)/tests/bench/base_%: $(B)/obj/tests/bench/base_%.o $(B)/flags
	$(call say,link,$@)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -levent_extra $(LDLIBS)

# ---- programs that behaviour tests run: tests/tools/NAME.c ----
tools_bin := $(patsubst tests/tools/%.c,$(B)/tests/tools/%,$(wildcard tests/tools/*.c))
tools_obj := $(call objects,$(wildcard tests/tools/*.c))
DEPFILES += $(tools_obj:.o=.d)

$(tools_obj): | $(GEN_HEADERS)
$(tools_bin): $(B)/tests/tools/%: $(B)/obj/tests/tools/%.o $(LIBS) $(B)/flags
	$(call say,link,$@)
	@mkdir -p $(@D)
	@$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LIBS_GROUP) $(LDLIBS)

# The messages of the XenAPI, for tests/lint/coverage-page.
MESSAGES_TOOL := $(B)/tests/tools/messages-tool
$(MESSAGES_TOOL): $(call objects,xapid/gate/message.c)
lint api-coverage: $(MESSAGES_TOOL)
lint api-coverage: export MESSAGES_TOOL := $(MESSAGES_TOOL)

# ---- what one calls ----
# T=tests/unit/common/map.c builds that one program only.
test_source := $(firstword $(subst ::, ,$(T)))
test_one := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(filter tests/unit/%.c,$(test_source)))
test_built := $(or $(test_one),all unit tools fuzz-replays)
test_run = $(PYTHON) tests/run --build $(B) $(if $(filter thread,$(SAN)),--marked threads) $(T)
proofs_run = $(PYTHON) tests/proofs --build $(B)

.PHONY: unit tools fuzz-replays test long proofs proofs-check
.PHONY: xen-bed test-xen bench bench-check fuzz
unit: $(unit_bin)
tools: $(tools_bin) $(TEST_PROGRAMS)
fuzz-replays: $(fuzz_replays)

# MUTATE=VM.clone asks whether the tests that send this message notice when it is not there.
MUTATE ?=
test: $(test_built) ## unit and behaviour tests; T=tests/unit/common/map.c[::name] for one
	@BUDGET=$${BUDGET:-3} $(if $(MUTATE),$(proofs_run) $(MUTATE),$(test_run))

long: $(test_built) ## the tests with everything that is exhaustive run whole
	@BUDGET=0 $(test_run)
	@$(if $(T),,$(proofs_run))

proofs-check: $(test_built) ## whether tests/proved.txt is true, BUDGET seconds long; 0: all
	@$(proofs_run)
proofs: $(test_built) ## adds to tests/proved.txt what the tests sent when they last ran
	@$(proofs_run) --write

xen-bed: ## what test-xen runs on: Xen and a dom0, built into XENITH_CACHE
	@tests/xen/bed

# T=test_networkd[::name], or as tests/run has it.
xen_test := $(if $(T),$(if $(findstring /,$(T)),$(T),xen/$(T)))
test-xen: all ## tests on a real Xen in QEMU; T=test_networkd for one module
	@bed=$$(tests/xen/bed) && XENITH_XEN_BED=$$bed \
		$(PYTHON) tests/run --build $(B) --xen $(xen_test)

# bench-NAME is a target of its own for each bench; together they run one after the other.
bench_wanted := $(or $(BENCH),$(bench_names))
bench_run = BENCH_OUT=$(B)/bench/$(1).json BENCH_BASES=$(B)/tests/bench $(B)/tests/bench/bench_$(1)
bench: $(addprefix $(B)/tests/bench/bench_,$(bench_wanted)) $(base_bin) ## benchmarks; B=rpc for one
	@mkdir -p $(B)/bench
	@$(foreach n,$(bench_wanted),$(call bench_run,$(n)) &&) true
$(addprefix bench-,$(bench_names)): bench-%: $(B)/tests/bench/bench_% $(base_bin)
	@mkdir -p $(B)/bench
	@$(call bench_run,$*)
bench-check: ## fails when a row of build/bench/*.json missed its goal
	@$(PYTHON) tests/bench/check $(B)/bench
.PHONY: $(addprefix bench-,$(bench_names))

SECONDS ?= 60
fuzz: ## each fuzz target for SECONDS=60, with libFuzzer
	@$(MAKE) --no-print-directory FOR=fuzz fuzz-run SECONDS=$(SECONDS)
fuzz-run: $(fuzz_bin)
	@$(PYTHON) tests/fuzz/run --build $(B) --seconds $(SECONDS) $(fuzz_names)
.PHONY: fuzz-run

# ---- the tree itself: tests/lint holds one script a rule ----
.PHONY: lint format api-coverage check check-static check-warnings built
lint: ## rules of the tree and its format; compiles nothing
	@tests/lint/all
format: api-coverage ## formats all C as .clang-format says, and writes docs/coverage.md
	@git ls-files -co --exclude-standard -z '*.c' '*.h' | xargs -0 -r clang-format -i
api-coverage: ## writes docs/coverage.md: which messages of the XenAPI are built
	@WRITE=1 tests/lint/coverage-page

# What the compilers are to be quiet about: all that is compiled.
built: all unit tools fuzz-replays $(bench_bin) $(base_bin)
# clang only reads the sources, which takes a third of the time, and is when it warns: SAN=thread
# builds and runs what clang makes of them.
sources := $(wildcard $(shell git ls-files -co --exclude-standard '*.c' 2>/dev/null || \
	find $(FOLDERS) -name '*.c'))
warned := $(patsubst %.c,$(B)/warned/%.ok,$(filter-out $(if $(HAS_NL),,networkd/%),$(sources)))
check-warnings: $(warned)
$(B)/warned/%.ok: %.c $(B)/flags | $(GEN_HEADERS)
	$(call say,warn,$<)
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) -fsyntax-only -MMD -MP -MT $@ -MF $(@:.ok=.d) $<
	@touch $@
DEPFILES += $(warned:.ok=.d)
# One after the other, since they build the same objects; each tells what it found.
check: ## lint, both compilers, static analysis
	@failed=; \
	$(MAKE) --no-print-directory lint || failed="$$failed lint"; \
	$(MAKE) --no-print-directory -k CC=gcc built || failed="$$failed gcc"; \
	$(MAKE) --no-print-directory -k CC=clang check-warnings || failed="$$failed clang"; \
	$(MAKE) --no-print-directory -k CC=gcc check-static || failed="$$failed static"; \
	[ -z "$$failed" ] || { echo "check:$$failed failed"; exit 1; }
# clang-tidy looks again at what was compiled again. Which checks: tests/tidy.
tidy_ok := $(patsubst %.c,$(B)/tidy/%.ok,$(filter-out tests/%,$(sources)))
check-static: $(tidy_ok)
$(B)/tidy/%.ok: %.c $(B)/obj/%.o tests/tidy
	$(call say,tidy,$<)
	@mkdir -p $(@D)
	@tests/tidy $< -- $(CPPFLAGS) -std=gnu17
	@touch $@

# ---- how much of the code the tests reach ----
.PHONY: coverage coverage-run
coverage: ## build/coverage/: which lines the tests reach
	@$(MAKE) --no-print-directory FOR=coverage coverage-run
coverage-run: all unit tools fuzz-replays
	@find $(B) -name '*.gcda' -delete
	-@$(test_run)
	@$(PYTHON) tests/coverage --build $(B)
