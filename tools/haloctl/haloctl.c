// SPDX-License-Identifier: GPL-2.0-or-later
#include "haloctl.h"

#include <stdarg.h>

#include "command.h"

static void print_error_json(struct haloctl *ctl, enum haloctl_exit code,
			     const struct haloctl_error *error)
{
	static const char *const names[] = {
		[HALOCTL_FAILED] = "failed",
		[HALOCTL_USAGE] = "usage",
		[HALOCTL_UNREACHABLE] = "unreachable",
		[HALOCTL_NOT_FOUND] = "not-found",
	};

	haloctl_print_json(
		ctl, json_pack("{s:i, s:{s:s, s:s, s:s?, s:s, s:s?}}", "schema",
			       HALOCTL_SCHEMA, "error", "code", names[code],
			       "what", error->what, "object", error->object,
			       "why", error->why, "try", error->advice));
}

void haloctl_tell(struct haloctl *ctl, const struct haloctl_error *error)
{
	fflush(ctl->out);
	fprintf(ctl->err, "haloctl: %s", error->what);
	if (error->object)
		fprintf(ctl->err, " '%s'", error->object);
	fprintf(ctl->err, ": %s\n", error->why);
	if (error->advice)
		fprintf(ctl->err, "  try: %s\n", error->advice);
}

int haloctl_fail(struct haloctl *ctl, enum haloctl_exit code,
		 const struct haloctl_error *error)
{
	haloctl_tell(ctl, error);
	if (ctl->json)
		print_error_json(ctl, code, error);
	return code;
}

int haloctl_usage(struct haloctl *ctl, const char *fmt, ...)
{
	char why[240];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	fprintf(ctl->err, "haloctl: %s\n", why);
	if (ctl->command)
		command_print_usage(ctl->command, ctl->err);
	if (ctl->json)
		print_error_json(ctl, HALOCTL_USAGE,
				 &(struct haloctl_error){
					 .what = "cannot read the command line",
					 .why = why,
				 });
	return HALOCTL_USAGE;
}

int haloctl_print_json(struct haloctl *ctl, json_t *take_value)
{
	json_dumpf(take_value, ctl->out, JSON_COMPACT);
	fputc('\n', ctl->out);
	json_decref(take_value);
	return HALOCTL_OK;
}
