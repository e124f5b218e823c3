// SPDX-License-Identifier: GPL-2.0-or-later
/* haloctl cluster freeze, thaw */
#include "client.h"
#include "commands.h"
#include "options.h"
#include "print.h"

static void print_frozen(struct haloctl *ctl, const json_t *answer)
{
	bool frozen = json_is_true(json_object_get(answer, "frozen"));

	fputs(frozen ? "the table is frozen: no route moves until haloctl "
		       "cluster thaw\n"
		     : "the table follows the nodes again\n",
	      ctl->out);
}

static int freeze(struct haloctl *ctl, int argc, char **argv, const char *cmd)
{
	int err = options_parse(ctl, &argc, argv, NULL, 0, 0);

	return err ? err
		   : client_show(ctl, json_pack("{s:s}", "cmd", cmd),
				 print_frozen);
}

int cmd_cluster_freeze(struct haloctl *ctl, int argc, char **argv)
{
	return freeze(ctl, argc, argv, "cluster.freeze");
}

int cmd_cluster_thaw(struct haloctl *ctl, int argc, char **argv)
{
	return freeze(ctl, argc, argv, "cluster.thaw");
}
