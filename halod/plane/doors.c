// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/doors.h"

#include <string.h>

void doors_init(struct doors *d, const struct engine_conf *conf)
{
	pthread_mutex_init(&d->lock, NULL);
	d->conf = *conf;
}

void doors_fini(struct doors *d)
{
	pthread_mutex_destroy(&d->lock);
}

void doors_copy(struct engine_conf *to, const struct engine_conf *from)
{
	memcpy(to->vip, from->vip, sizeof(to->vip));
	memcpy(to->services, from->services, sizeof(to->services));
	memcpy(to->nat, from->nat, sizeof(to->nat));
	to->n_services = from->n_services;
	to->no_node_hold_ns = from->no_node_hold_ns;
}

void doors_set(struct doors *d, const struct engine_conf *conf)
{
	pthread_mutex_lock(&d->lock);
	doors_copy(&d->conf, conf);
	pthread_mutex_unlock(&d->lock);
}

struct engine_door doors_find(struct doors *d, const struct endpoint *at,
			      uint8_t protocol, bool *keep)
{
	struct engine_door door;

	pthread_mutex_lock(&d->lock);
	door = engine_door(&d->conf, at, protocol);
	if (keep)
		*keep = door.found && d->conf.services[door.service].keep;
	pthread_mutex_unlock(&d->lock);
	return door;
}

void doors_read(struct doors *d, struct engine_conf *out)
{
	pthread_mutex_lock(&d->lock);
	*out = d->conf;
	pthread_mutex_unlock(&d->lock);
}

uint64_t doors_no_node_hold_ns(struct doors *d)
{
	uint64_t ns;

	pthread_mutex_lock(&d->lock);
	ns = d->conf.no_node_hold_ns;
	pthread_mutex_unlock(&d->lock);
	return ns;
}
