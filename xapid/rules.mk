# xapid and its debug CLI. All but main.c is an archive for the unit tests, which take what they
# need of it; the daemon itself is linked of the objects, so that no handler is left out.
xapid_programs := xapid/main.c xapid/cli.c xapid/cli/xe.c xapid/pam/main.c
xapid_src := $(filter-out $(xapid_programs),$(wildcard xapid/*.c xapid/*/*.c))
$(eval $(call program,xapid,xapid/main.c $(xapid_src),-larchive))
$(eval $(call installs,$(B)/bin/xapid,sbin))
$(eval $(call program,xapid-cli,xapid/cli.c))
$(eval $(call installs,$(B)/bin/xapid-cli,bin))
$(eval $(call program,xe,xapid/cli/xe.c xapid/cli/thin.c xapid/cli/fetch.c))
$(eval $(call installs,$(B)/bin/xe,bin))
$(eval $(call installs,packaging/completion/xe,share/bash-completion/completions,644))

# Asks PAM who may log in. The file of the service is the administrator's once it is there.
$(eval $(call program,xapid-pam,xapid/pam/main.c,-lpam))
$(eval $(call installs,$(B)/bin/xapid-pam,libexec/xenith))
$(eval $(call installs,packaging/syslog-reconfigure,libexec/xenith))
INSTALLS += install-pam.d
install-pam.d: packaging/pam.d/xapid
	@[ -e '$(DESTDIR)/etc/pam.d/xapid' ] || \
		install -D -m 644 $< '$(DESTDIR)/etc/pam.d/xapid'
.PHONY: install-pam.d

LIBXAPID := $(B)/lib/libxapid.a
$(eval $(call remember,$(LIBXAPID:.a=.list),$(xapid_src)))
$(LIBXAPID): $(call objects,$(xapid_src)) $(LIBXAPID:.a=.list)
	$(call say,ar,$@)
	@mkdir -p $(@D)
	@rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# A test xapid/door/http.c is tests/unit/xapid/door/http.c.
xapid_tests := $(filter $(B)/tests/unit/xapid/%,$(unit_bin))
$(xapid_tests): $(LIBXAPID)
$(xapid_tests): LIBS_GROUP = -Wl,--start-group $(LIBXAPID) $(LIBS) -Wl,--end-group

# Handlers are weak, so an archive does not give them by itself.
$(B)/tests/unit/xapid/gate/gate: $(call objects,$(addprefix xapid/api/,session.c task.c event.c))

# So do the benches that make databases.
xapid_benches := $(addprefix $(B)/tests/bench/bench_,db xapid)
$(xapid_benches): $(LIBXAPID)
$(xapid_benches): LIBS_GROUP = -Wl,--start-group $(LIBXAPID) $(LIBS) -Wl,--end-group

# So does the fuzz target of its XML.
fuzz_xmldb := $(addprefix $(B)/tests/fuzz/,replay-xmldb fuzz-xmldb)
$(fuzz_xmldb): $(LIBXAPID)
$(fuzz_xmldb): LIBS_GROUP = -Wl,--start-group $(LIBXAPID) $(LIBS) -Wl,--end-group
