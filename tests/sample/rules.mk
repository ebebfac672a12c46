# The sample daemon and its CLI: what docs/hacking.md explains and the launcher and kill tests use.
