# networkd and its debug CLI. libnl is looked for here, and used in networkd/nl*.c alone; so is
# libnftables, in networkd/nft.c.
nl_packages := libnl-3.0 libnl-route-3.0 libnftables
networkd_src := $(filter-out networkd/cli.c,$(wildcard networkd/*.c))
$(eval $(call optional,HAS_NL,$(nl_packages),networkd))

ifeq ($(HAS_NL),yes)
nl_libs := $(shell $(PKG_CONFIG) --libs $(nl_packages))
nl_users := $(call objects,$(networkd_src)) \
	$(foreach d,tidy warned,$(patsubst %.c,$(B)/$(d)/%.ok,$(networkd_src)))
$(nl_users): override CPPFLAGS += $(shell $(PKG_CONFIG) --cflags $(nl_packages))
$(eval $(call program,networkd,$(networkd_src),$(nl_libs)))
$(eval $(call installs,$(B)/bin/networkd,sbin))
endif
$(eval $(call program,networkd-cli,networkd/cli.c))
$(eval $(call installs,$(B)/bin/networkd-cli,bin))

# What the unit tests of networkd need beside the archives.
$(B)/tests/unit/networkd/check: $(B)/obj/networkd/check.o
$(B)/tests/unit/networkd/config: $(B)/obj/networkd/config.o
$(B)/tests/unit/networkd/guest: $(B)/obj/networkd/guest.o
