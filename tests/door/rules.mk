# The door of xapid behind a gate of the tests' own (doord): what its behaviour tests and its bench
# talk to. Built into $(B)/tests, never installed.
door_src := $(wildcard tests/door/*.c xapid/door/*.c)
$(eval $(call test_program,doord,$(door_src)))

FUZZ_OBJ_http := $(call objects,xapid/door/http.c)
FUZZ_OBJ_xapi_rpc := $(call objects,xapid/door/rpc_json.c xapid/door/rpc_xml.c)
FUZZ_OBJ_thin := $(call objects,xapid/cli/thin.c)
