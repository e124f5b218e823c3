# SPDX-License-Identifier: GPL-2.0-or-later
# What a test program is linked with when the pure layers are not enough:
# LINK_<program> := $(call ar,<layers>) [objects]
LINK_test_probe := $(call ar,io base)
LINK_test_control_socket := $(call ar,io base)
LINK_test_assign := $(call ar,table base)
LINK_test_table := $(call ar,table base)
LINK_test_placement := $(call ar,control table wire base)
LINK_test_simulate := $(call ar,control table wire base)
LINK_bench_assign := $(call ar,table base)
LINK_halo_load := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/demo/load/*.c)) $(call ar,base)
LINK_udp_who := $(call ar,base)
LINK_udp_ask := $(call ar,base)
LINK_halo_reconnect := $(call ar,base)
LINK_halo_show := $(call ar,base)
