// SPDX-License-Identifier: GPL-2.0-or-later
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "options.h"
#include "session.h"

#define EXIT_USAGE 2

int main(int argc, char **argv)
{
	struct session *session;
	struct options options;
	struct ev_loop *loop;
	char err[512];

	if (options_parse(&options, argc, argv, err, sizeof(err))) {
		fprintf(stderr, "halo-agent: %s\n", err);
		return EXIT_USAGE;
	}
	if (options.help || options.version) {
		fputs(options.help ? options_usage
				   : "halo-agent " HALO_VERSION "\n",
		      stdout);
		return EXIT_SUCCESS;
	}
	signal(SIGPIPE, SIG_IGN); /* of a log that nobody reads */
	log_set_level(options.log_level);
	loop = ev_default_loop(0);
	if (!loop || session_open(&session, loop, &options, err, sizeof(err))) {
		fprintf(stderr, "halo-agent: %s\n",
			loop ? err : "no event loop");
		return EXIT_FAILURE;
	}
	session_run(session);
	session_free(session);
	ev_loop_destroy(loop);
	return EXIT_SUCCESS;
}
