// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>

static void add(struct diag_list *list, bool warning, const char *file,
		unsigned line, const char *fmt, va_list ap)
{
	struct diag *d;

	list->errors += !warning;
	if (list->count == DIAG_MAX) {
		list->dropped++;
		return;
	}
	d = &list->items[list->count++];
	d->warning = warning;
	d->line = line;
	snprintf(d->file, sizeof(d->file), "%s", file ? file : "");
	vsnprintf(d->text, sizeof(d->text), fmt, ap);
}

void diag_error(struct diag_list *list, const char *file, unsigned line,
		const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(list, false, file, line, fmt, ap);
	va_end(ap);
}

void diag_warning(struct diag_list *list, const char *file, unsigned line,
		  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(list, true, file, line, fmt, ap);
	va_end(ap);
}
