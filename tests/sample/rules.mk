# The sample daemon and its CLI: what docs/hacking.md explains, and what the launcher, kill and RPC
# tests use. Built into $(B)/tests/sample, never installed.
sample_src := $(filter-out tests/sample/cli.c,$(wildcard tests/sample/*.c))
$(eval $(call test_program,sampled,$(sample_src)))
$(eval $(call test_program,sample-cli,tests/sample/cli.c))
