// SPDX-License-Identifier: GPL-2.0-or-later
#include "control/node.h"

const char *lost_cause_name(enum lost_cause cause)
{
	static const char *const names[LOST_CAUSES] = {
		[LOST_NOT] = "not lost",
		[LOST_MACHINE] = "machine silent",
		[LOST_AGENT] = "agent ended",
		[LOST_SERVER] = "server dead",
		[LOST_OPERATOR] = "by operator",
		[LOST_GOODBYE] = "left",
		[LOST_REVOKED] = "key revoked",
	};

	return cause < LOST_CAUSES ? names[cause] : "unknown";
}
