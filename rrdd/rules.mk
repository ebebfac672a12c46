# rrdd and its debug CLI. librrd is looked for here, and used in rrdd/rrd_file.c alone.
rrdd_src := $(filter-out rrdd/cli.c,$(wildcard rrdd/*.c))
$(eval $(call optional,HAS_RRD,librrd,rrdd))

ifeq ($(HAS_RRD),yes)
rrd_libs := $(shell $(PKG_CONFIG) --libs librrd) -lm
$(eval $(call program,rrdd,$(rrdd_src),$(rrd_libs)))
$(eval $(call installs,$(B)/bin/rrdd,sbin))
endif
$(eval $(call program,rrd-cli,rrdd/cli.c))
$(eval $(call installs,$(B)/bin/rrd-cli,bin))

# What the unit tests of rrdd need beside the archives.
$(B)/tests/unit/rrdd/series: $(B)/obj/rrdd/series.o
$(B)/tests/unit/rrdd/sources: $(B)/obj/rrdd/source_host.o $(B)/obj/rrdd/source_vm.o
$(B)/tests/unit/rrdd/rrd_file $(B)/tests/unit/rrdd/owner: LDLIBS += $(rrd_libs)
ifeq ($(HAS_RRD),yes)
$(B)/tests/unit/rrdd/owner: $(addprefix $(B)/obj/rrdd/,owner.o series.o rrd_file.o)
endif
