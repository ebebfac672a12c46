# smd and its debug CLI. qcow2 images are made by qemu-img, which is looked for at run time.
smd_src := $(filter-out smd/cli.c,$(wildcard smd/*.c))
$(eval $(call program,smd,$(smd_src)))
$(eval $(call installs,$(B)/bin/smd,sbin))
$(eval $(call program,sm-cli,smd/cli.c))
$(eval $(call installs,$(B)/bin/sm-cli,bin))

# What the unit tests of smd need beside the archives.
$(B)/tests/unit/smd/automaton: $(B)/obj/smd/automaton.o
$(B)/tests/unit/smd/qcow2: $(B)/obj/smd/qcow2.o
$(B)/tests/fuzz/replay-qcow2 $(B)/tests/fuzz/fuzz-qcow2: $(B)/obj/smd/qcow2.o
