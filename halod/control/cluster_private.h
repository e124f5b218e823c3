/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the cluster share. Not for anybody else.
 *
 * A step runs in this order: the event's handler changes what is known of one
 * node; panic_review() and batch_run() turn that into a new placement (who
 * *shall* serve); handover_run() carries the published table (who *does*)
 * towards it and emits the effects; notes come last.
 */
#ifndef HALO_CONTROL_CLUSTER_PRIVATE_H
#define HALO_CONTROL_CLUSTER_PRIVATE_H

#include "control/cluster.h"
#include "control/list.h"
#include "control/placement.h"

#define TAG_MAX	       65534 /* tags are 1..TAG_MAX */
#define BUCKETS	       8192  /* names and links: twice NODES_MAX */
#define APPLY_RETRY    (1 * NS_PER_S)
#define PROBE_PATIENCE (1 * NS_PER_S) /* then a probe counts as unanswered */
#define PROBE_EVERY    (100 * NS_PER_MS)

/* How a node came by its routes in the last batch: words for history. */
enum arrival {
	ARRIVAL_NONE,
	ARRIVAL_JOIN,
	ARRIVAL_RESERVE,
	ARRIVAL_HIGHEST,
	ARRIVAL_REPLACE,
	ARRIVAL_LOAD
};

/* What brought a move about, in words by say_cause(). */
enum cause_kind {
	CAUSE_NONE,
	CAUSE_JOIN,
	CAUSE_LOSS,
	CAUSE_DRAIN,
	CAUSE_GOODBYE,
	CAUSE_REPLACE,
	CAUSE_LOAD
};
struct cause {
	uint8_t kind, lost; /* enum cause_kind, lost_cause */
	node_id node;
	uint16_t more; /* nodes that came or went in the same batch */
};

/*
 * Routes on their way from one node instance to another. Every change of a
 * route's node is one: a forced one is done as soon as it begins. It lives
 * while a route is in it. Owned by the cluster's pool.
 */
struct handover {
	uint32_t id;	   /* of the MOVING its former node was told */
	uint32_t from, to; /* tags; 0: nobody */
	enum move_reason reason;
	bool forced;	/* the former node is gone: nobody to wait for */
	bool inherited; /* retargeted: keeps id and deadline of another */
	bool ready;	/* the former node says it is done */
	bool done;	/* switched by this run */
	uint64_t run;	/* of handover_run() that began it */
	uint64_t began_ns, deadline_ns;
	uint32_t count;	      /* routes in it */
	struct route_set set; /* the same, within a run; in the effects */
	uint16_t *fill;	      /* the next of its ids */
	const char *why;
	struct cause cause;
	struct list all;       /* cluster.handovers, in order of beginning */
	struct handover *next; /* of the same former node; or free */
};

struct member {
	struct node node;  /* first: what the world sees */
	struct list age;   /* cluster.fresh or .silent, oldest beat first */
	struct list queue; /* cluster.joiners, first come first */
	struct member *name_next, *link_next;
	struct handover *leaving; /* handovers that take routes from it */
	struct handover *recent;  /* the last that brought it one */
	enum lost_cause doom;	  /* it is dead; the next batch buries it */
	bool flows_gone; /* drained: nothing is left to wait for */
	bool drain_due;	 /* it shall leave its slot with the next batch */
	bool barred;	 /* failed by the operator, until undrain */
	bool left;	 /* said goodbye: forgotten in the end */
	bool fell;	 /* lost in this step: its flows must end */
	bool assign_due; /* must be told its routes in this step */
	bool told_again; /* ASSIGNED was repeated for divergence */
	bool misread;	 /* its digest of what it was told last is another */
	bool had_routes; /* in this life */
	bool probing;	 /* an answer is awaited */
	bool named;	 /* by the table that is being loaded */
	enum arrival arrival;
	uint64_t rejoin_ns; /* agent away: end of patience; 0: not away */
	uint64_t probe_ns;  /* next probe; 0: none */
	uint64_t probed_ns; /* last probe */
	uint64_t drain_ns;  /* flows of a drained node live until; 0 */
	uint64_t joined_ns; /* this life began */
	uint64_t assigned_ns, assigned_version;
	uint32_t digest;      /* of what it was last told to serve */
	uint32_t serves;      /* routes it has in the published table */
	uint16_t first_route; /* lowest of them, 0: none */
	uint32_t staying;     /* routes of it in cluster.stays */
	uint16_t seat;	      /* of the published table; 0: none */
	struct route_set set; /* within a run: for ASSIGNED … */
	uint16_t *fill;	      /* … the next of its ids */
};

struct cluster {
	struct cluster_conf conf;
	struct placement *place;
	struct table *table; /* published */
	/* made before a step may need them */
	struct table *spare;
	struct member *newcomer;

	/* the step in hand */
	uint64_t now;
	struct effects *fx;
	struct effects *later; /* notes, appended when the rest is out */
	bool moves_due;	       /* table and holds may differ from placement */
	bool tell_due;	       /* a node must be told its routes */
	bool store_due;
	const char *refusal;
	char refusal_text[160]; /* where it names something */

	/* members, by everything they are looked up by */
	unsigned n_members;
	struct member *members[NODES_MAX]; /* in order of first HELLO */
	struct member *by_id[NODES_MAX + 1];
	struct member *by_tag[TAG_MAX + 1];
	struct member *by_name[BUCKETS];
	struct member *by_link[BUCKETS];
	uint32_t next_tag;

	struct list fresh, silent, joiners;
	unsigned n_doomed, n_drains_due;
	/* silence is judged by the pace of before as well until slow_until_ns:
	 * by then all have heard of the new one */
	uint64_t slow_suspect_ns, slow_lost_ns, slow_until_ns;
	struct cause cause; /* of the last batch */
	struct member *replaced, *replacer; /* an order of this step; NULL */
	uint64_t still_ns;	/* restored: no planned move before; 0 */
	uint64_t settle_ns;	/* joins are computed; TIME_NEVER: none wait */
	uint64_t timers_ns;	/* earliest of all but beats */
	uint64_t retry_ns;	/* the plane refused the table: again; 0 */
	bool publish_due;	/* … now, changed or not */
	bool loading;		/* a table is loaded: any route may move */
	uint64_t version_floor; /* versions to come are above it */

	bool frozen; /* by the operator */
	bool panicked;
	unsigned panic_of;
	uint64_t panic_since_ns; /* vanished after this: part of it */
	uint64_t thaw_ns;	 /* enough are back: the guard lets go */
	uint64_t guard_off_ns;	 /* an operator thawed: no panic before */

	/* routes 1..N */
	struct list handovers;
	struct handover *pool, *pool_free;
	unsigned pool_used;
	struct handover *orphans; /* handovers from nobody */
	struct handover **moving; /* by route */
	bool *held;		  /* by route: told by HOLD, not yet RELEASE */
	unsigned n_staying;
	bool *stays;	  /* by route, within a run: a move is called off */
	uint16_t *served; /* by route: tag in the table, or just to be */
	uint8_t *reason;  /* by route: of its last move */
	uint64_t *since;  /* by route: version of its last move */
	uint32_t *seat_routes; /* by seat, within a run */
	uint32_t *heir;	       /* by seat, within a run */
	unsigned seats;
	uint64_t run;
	uint64_t run_ns;   /* when it was */
	uint64_t ready_ns; /* the next, for those that are ready */
	uint32_t next_handover;

	node_id batch_active[NODES_MAX], batch_reserve[NODES_MAX],
		batch_gone[NODES_MAX];
};

/* cluster.c: what frames a step */
int cluster_prepare(struct cluster *cl, uint64_t now_ns, struct effects *fx);
void cluster_conclude(struct cluster *cl);

/* member.c: nodes and how they are found */
int member_prepare(struct cluster *cl);
struct member *member_new(struct cluster *cl, const char *name);
void member_forget(struct cluster *cl, struct member *m);
struct member *member_by_name(const struct cluster *cl, const char *name);
struct member *member_by_link(const struct cluster *cl, uint64_t link);
struct member *member_by_tag(const struct cluster *cl, uint32_t tag);
void member_set_state(struct cluster *cl, struct member *m,
		      enum node_state state);
void member_set_link(struct cluster *cl, struct member *m, uint64_t link);
void member_set_tag(struct cluster *cl, struct member *m, uint32_t tag);
uint32_t member_draw_tag(struct cluster *cl);
bool member_is_alive(const struct member *m); /* may go on serving */
bool member_is_active(const struct cluster *cl, const struct member *m);
bool member_is_suspended(const struct member *m); /* its doors are held */
void member_doom(struct cluster *cl, struct member *m, enum lost_cause cause);
void member_pardon(struct cluster *cl, struct member *m);

/* say.c: effects and notes */
struct effect *say_message(struct cluster *cl, uint64_t link,
			   enum message_type type);
void say_error(struct cluster *cl, uint64_t link, enum error_code code,
	       const char *text);
void say_close(struct cluster *cl, uint64_t link);
void say_close_later(struct cluster *cl, uint64_t link);
void say_welcome(struct cluster *cl, const struct member *m);
void say_probe(struct cluster *cl, struct member *m);
struct note *say_note(struct cluster *cl, const struct member *m,
		      enum note_kind kind, const char *why);
/* "loss of web-2: server dead", "join of web-3 and 4 more" */
void say_cause(const struct cluster *cl, const struct cause *c, char *out,
	       unsigned size);
void say_end_flows(struct cluster *cl, uint32_t tag,
		   const struct route_set *routes, bool forced);

/* admission.c: agents come and go */
int admission_hello(struct cluster *cl, const struct event *ev);
int admission_goodbye(struct cluster *cl, const struct event *ev);
int admission_closed(struct cluster *cl, const struct event *ev);
int admission_revoked(struct cluster *cl, const struct event *ev);
void admission_link_ended(struct cluster *cl, struct member *m);
bool admission_is_ready(const struct cluster *cl, const struct member *m);
void admission_register(struct cluster *cl, struct member *m);

/* liveness.c: beats, silence, probes */
bool liveness_beat_is_plain(const struct cluster *cl, const struct member *m,
			    const struct message_beat *beat);
void liveness_note_divergence(struct cluster *cl, struct member *m,
			      uint64_t version);
void liveness_answer(struct cluster *cl, struct member *m,
		     const struct message_beat *beat);
int liveness_beat(struct cluster *cl, const struct event *ev);
void liveness_heard(struct cluster *cl, struct member *m);
void liveness_health(struct cluster *cl, struct member *m,
		     enum node_health health);
void liveness_away(struct cluster *cl, struct member *m, uint64_t patience);
void liveness_back(struct cluster *cl, struct member *m);
void liveness_probe(struct cluster *cl, struct member *m);
void liveness_probe_promoted(struct cluster *cl);
int liveness_probed(struct cluster *cl, const struct event *ev);
int liveness_refused(struct cluster *cl, const struct event *ev);
void liveness_change_pace(struct cluster *cl, const struct cluster_conf *to);
void liveness_judge(struct cluster *cl);
uint64_t liveness_deadline(const struct cluster *cl);

/* timers.c: what else falls due for one node */
void timers_fire(struct cluster *cl);
void timers_set(struct cluster *cl);

/* quarantine.c: how long a node that failed stays out */
void quarantine_count(struct cluster *cl, struct member *m);
uint64_t quarantine_hold_down(const struct cluster *cl, uint32_t failures);
void quarantine_begin(struct cluster *cl, struct member *m, uint64_t until);
void quarantine_end_if_due(struct cluster *cl, struct member *m);

/* panic.c: the guard, and frozen tables */
bool panic_trips(const struct cluster *cl, unsigned *missing, unsigned *of);
void panic_begin(struct cluster *cl, unsigned missing, unsigned of);
void panic_review(struct cluster *cl);
void panic_thaw(struct cluster *cl, const char *why);
unsigned panic_missing(const struct cluster *cl);

/* batch.c: joins and deaths → placement */
void batch_run(struct cluster *cl);
int batch_flows_gone(struct cluster *cl, const struct event *ev);
void batch_finish_drains(struct cluster *cl);

/* handover.c: the published table follows the placement */
int handover_prepare(struct cluster *cl);
void handover_run(struct cluster *cl);
int handover_moved_ok(struct cluster *cl, const struct event *ev);
int handover_assigned_ok(struct cluster *cl, const struct event *ev);
/* Taken without a whole step, when nothing but the books changes: true. */
bool handover_moved_plainly(struct cluster *cl, const struct event *ev);
bool handover_assigned_plainly(struct cluster *cl, const struct event *ev);
uint64_t handover_deadline(const struct cluster *cl);
uint32_t handover_served(const struct cluster *cl, unsigned route);
void handover_tell(struct cluster *cl, struct member *m);

/* announce.c: what a run has to tell, after the table has changed */
void announce_stays(struct cluster *cl);
void announce_moves(struct cluster *cl);
void announce_assigned(struct cluster *cl);
void announce_notes(struct cluster *cl);

/* publish.c: tags wanted by route → seats of a new table */
int publish_prepare(struct cluster *cl);
void publish_table(struct cluster *cl, bool tidy);
int publish_failed(struct cluster *cl, const struct event *ev);

/* load.c: another gateway's table */
#define VERSION_LOADED_MAX (UINT64_C(1) << 62)
int load_run(struct cluster *cl, const struct event *ev);

/* operator.c */
int operator_drain(struct cluster *cl, const struct event *ev);
int operator_replace(struct cluster *cl, const struct event *ev);
int operator_undrain(struct cluster *cl, const struct event *ev);
int operator_fail(struct cluster *cl, const struct event *ev);
int operator_rm(struct cluster *cl, const struct event *ev);
int operator_freeze(struct cluster *cl, const struct event *ev);
int operator_thaw(struct cluster *cl, const struct event *ev);

#endif
