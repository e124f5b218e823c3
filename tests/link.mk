# SPDX-License-Identifier: GPL-2.0-or-later
# What a test program is linked with when the pure layers are not enough:
# LINK_<program> := $(call ar,<layers>) [objects]
LINK_test_probe := $(call ar,io base)
