# What is installed beside the daemons.
