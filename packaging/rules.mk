# What is installed beside the daemons, and what installs what the tree needs.
.PHONY: deps deps-run
deps: ## installs what building, running and testing need
	@packaging/deps/install
deps-run:
	@packaging/deps/install run

$(eval $(call installs,LICENSE,share/doc/xenith,644))
$(eval $(call installs,README.md,share/doc/xenith,644))

# The launcher.
$(eval $(call program,xenith,$(wildcard packaging/xenith/*.c),))
