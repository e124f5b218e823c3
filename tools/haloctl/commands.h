/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions of the command table in command.c, a file an object.
 */
#ifndef HALOCTL_COMMANDS_H
#define HALOCTL_COMMANDS_H

#include "haloctl.h"

command_fn cmd_status, cmd_doctor, cmd_stats, cmd_shutdown;
command_fn cmd_node_list, cmd_node_show, cmd_node_drain, cmd_node_replace,
	cmd_node_undrain, cmd_node_fail, cmd_node_rm;
command_fn cmd_route_list, cmd_route_show, cmd_route_why;
command_fn cmd_cluster_freeze, cmd_cluster_thaw;
command_fn cmd_table_dump, cmd_table_load;
command_fn cmd_monitor, cmd_history;
command_fn cmd_simulate, cmd_trace;
command_fn cmd_key_new, cmd_key_list, cmd_key_rm;
command_fn cmd_config_check, cmd_config_reload;
command_fn cmd_report, cmd_service_list;

#endif
