// SPDX-License-Identifier: GPL-2.0-or-later
#include "plane/plane_nft_drift.h"

#include "io/clock.h"
#include "plane/plane_nft_text.h"

int plane_nft_drift_init(struct plane_nft_drift *d)
{
	int err = nft_foreign_init(&d->watch, PLANE_NFT_TABLE);

	if (err)
		return err;
	pthread_mutex_init(&d->lock, NULL);
	d->since_ns = 0;
	d->rewriting = true;
	return 0;
}

void plane_nft_drift_fini(struct plane_nft_drift *d)
{
	nft_foreign_fini(&d->watch);
	pthread_mutex_destroy(&d->lock);
}

int plane_nft_drift_fd(struct plane_nft_drift *d)
{
	int fd;

	pthread_mutex_lock(&d->lock);
	fd = d->rewriting ? -1 : nft_foreign_fd(&d->watch);
	pthread_mutex_unlock(&d->lock);
	return fd;
}

void plane_nft_drift_set_port(struct plane_nft_drift *d, unsigned which,
			      uint32_t port)
{
	pthread_mutex_lock(&d->lock);
	d->watch.ports[which] = port;
	pthread_mutex_unlock(&d->lock);
}

static bool note(struct plane_nft_drift *d, bool news)
{
	if (news && !d->since_ns)
		d->since_ns = clock_monotonic_ns();
	return news;
}

bool plane_nft_drift_look(struct plane_nft_drift *d)
{
	bool news;

	pthread_mutex_lock(&d->lock);
	news = note(d, !d->rewriting && nft_foreign_drain(&d->watch));
	pthread_mutex_unlock(&d->lock);
	return news;
}

uint64_t plane_nft_drift_take(struct plane_nft_drift *d)
{
	uint64_t since_ns;

	pthread_mutex_lock(&d->lock);
	since_ns = d->since_ns;
	d->since_ns = 0;
	pthread_mutex_unlock(&d->lock);
	return since_ns;
}

void plane_nft_drift_begin_rewrite(struct plane_nft_drift *d)
{
	pthread_mutex_lock(&d->lock);
	d->rewriting = true;
	pthread_mutex_unlock(&d->lock);
}

bool plane_nft_drift_end_rewrite(struct plane_nft_drift *d)
{
	bool news;

	pthread_mutex_lock(&d->lock);
	news = note(d, nft_foreign_since(&d->watch, PLANE_NFT_LAYOUT_SET));
	d->rewriting = false;
	pthread_mutex_unlock(&d->lock);
	return news;
}
