/* SPDX-License-Identifier: MIT */
/*
 * The bridge between the registry's protocol and etcd, for its files:
 *
 *	open.c		the table of etcd.h: endpoints, files, the thread's beginning and end
 *	bridge.c	the thread, and the requests that come over the socket
 *	call.c		one HTTP request
 *	ask.c		one question, over as many requests to as many endpoints as it takes
 *	auth.c		the token of a user with a password
 *	session.c	the leases, and what others tell us (the watch)
 *	entry.c		keys and values
 *	txn.c		transactions
 *	look.c put.c leave.c list.c	the registry's requests
 *
 * All but open.c runs in the thread, which never blocks but in one poll.
 *
 * In etcd a bridge is a *session*: two leases and a key under them. What it has published
 * goes with them; docs/registry.md has the keys. The rules:
 *
 * - The holds of a name all have one value, the channel's uuid: who adds one compares all
 *   that are there with its own in the same transaction. So a name is of one channel.
 * - Each node that is in the channel has a hold, contact or not: a name is held as long as
 *   one of them lives, and for a long lease more.
 * - The fate of a write is not always known: the member that was asked may carry it out
 *   long after another one was asked again. So each is harmless twice, and each that
 *   publishes compares that this session has withdrawn nothing since it looked: a session's
 *   key is written by each withdrawal.
 * - What is read was written by others: entry.c checks it, and refuses.
 */
#ifndef KE_ETCD_BRIDGE_H
#define KE_ETCD_BRIDGE_H

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>

#include "etcd.h"
#include "reg_impl.h"

enum {
	ENDPOINTS_MAX = 8,
	ENDPOINT_MAX = 300,	/* bytes of a URL */
	/* An endpoint that has not answered for so long is not the only one asked any more; */
	HEDGE_MS = 250,		/* later ones come after so much more each, up to */
	HEDGE_MAX_MS = 500,
	CALL_MS = 2500,		/* that one may take */
	CALLS_MAX = 6,		/* of one question at once */
	ANSWER_MAX = 1 << 20,	/* bytes of an answer, or of a line of the watch */
	RUNNING_MAX = 8,	/* requests of the tie that are worked on at once */
	REQUESTS_MAX = 2 * KE_CHANNELS_MAX + 1024,	/* that wait; more are not read */
	TRIES_MAX = 64,		/* of a transaction that others come in between of */
	KEY_MAX = 512,
	VALUE_MAX = 1024,
	SAID_MAX = 160,		/* of what etcd says, in a sentence */
	LEASE_S = KE_LEASE_MS / 1000,
	LEASE_MAX_S = 3600,	/* more is not believed */
	ENDED_S = 24 * 3600,	/* a destroyed channel is remembered */
	LIST_PAGE = 256,	/* keys */
};

/* gRPC's codes, as far as they matter, and two of our own. */
enum code {
	CODE_TOKEN = -2,	/* the token is no good: another one */
	CODE_ELSEWHERE = -1,	/* another endpoint may know better */
	CODE_OK = 0,
	CODE_INVALID = 3,
	CODE_NOT_FOUND = 5,
	CODE_DENIED = 7,
	CODE_EXHAUSTED = 8,
	CODE_PRECONDITION = 9,
	CODE_RANGE = 11,
	CODE_UNIMPLEMENTED = 12,
	CODE_UNAUTHENTICATED = 16,
};

struct ke_etcd;

/* -------------------------------------------------------------------- call.c */

struct call {
	struct ke_etcd *e;
	CURL *curl;
	struct curl_slist *headers;
	unsigned int endpoint;
	char *text;		/* what came, with a 0 behind it */
	size_t len, room;
	bool too_long, watch;
	char error[CURL_ERROR_SIZE];
	void (*ended)(struct call *c, CURLcode result);
	void *arg;
};

/* @body lives until the call is freed. @limit_ms 0: none. @watch: it is to end when its member
 * loses the others. NULL: no memory. */
struct call *call_new(struct ke_etcd *e, unsigned int endpoint, const char *path,
		      const char *body, const char *token, long limit_ms, bool watch);
void call_free(struct call *c);
/* Takes note of what has ended. */
void calls_run(struct ke_etcd *e);

/* --------------------------------------------------------------------- ask.c */

struct ask {
	struct list_head list;		/* of e->asks; empty: it isn't asked */
	struct ke_etcd *e;
	const char *path;
	char *body;
	bool bare;			/* needs no token */
	bool refused;			/* a token, once */
	bool troubled;			/* not answered by the first that was asked */
	/* @answer: an array of what came. @code: CODE_OK, or what etcd said, which is in
	 * e->said. It may ask again. */
	void (*done)(struct ask *a, enum code code, json_t *answer);
	struct call *call[CALLS_MAX];
	unsigned int endpoint;		/* the next one */
	unsigned int spare;		/* that may be tried at once when one fails */
	u64 next_at;			/* the next is asked then */
	u32 gap_ms;
};

/* Takes over @body (NULL: no memory), the text of one request or several. */
void ask_text(struct ask *a, struct ke_etcd *e, const char *path, char *body,
	      void (*done)(struct ask *a, enum code code, json_t *answer));
void ask_json(struct ask *a, struct ke_etcd *e, const char *path, json_t *body,
	      void (*done)(struct ask *a, enum code code, json_t *answer));
void ask_cancel(struct ask *a);
bool ask_busy(const struct ask *a);
/* Asks what waited for a token. */
void asks_go_on(struct ke_etcd *e);
/* Does what is due; gives when to call again. */
u64 asks_work(struct ke_etcd *e, u64 now);
/* The texts that came, as an array; NULL: not JSON, and @why. */
json_t *answer_parse(const char *text, size_t len, char *why, size_t size);
/* What is said in it. @said: the message of an error. */
enum code answer_code(json_t *answer, char *said, size_t size);

/* -------------------------------------------------------------------- auth.c */

void auth_begin(struct ke_etcd *e);
bool auth_missing(const struct ke_etcd *e);
/* Its token was refused: the next question brings another. */
void auth_refused(struct ke_etcd *e);

/* --------------------------------------------------------------------- txn.c */

/* A transaction that is being written; what has no memory is found at the end. */
struct txn {
	json_t *compare, *success;
	bool bad;
};

/* @end: "" for the one key. */
struct range {
	char key[KEY_MAX], end[KEY_MAX];
};

void txn_init(struct txn *t);
/* All keys of @r were last written before revision @then, or aren't there. */
void txn_if_unchanged(struct txn *t, const struct range *r, u64 then);
void txn_if_absent(struct txn *t, const struct range *r);
/* There are some, and all have this value. */
void txn_if_value(struct txn *t, const struct range *r, const char *value);
void txn_put(struct txn *t, const char *key, const char *value, s64 lease);
void txn_delete(struct txn *t, const struct range *r);
void txn_get(struct txn *t, const struct range *r, unsigned int limit);
/* The end of @t; NULL: no memory. */
json_t *txn_body(struct txn *t);
json_t *range_body(const struct range *r, unsigned int limit, u64 revision);

json_t *base64_encode(const void *data, size_t len);
/* -EINVAL: it is none, or does not fit. A 0 follows what was decoded. */
ssize_t base64_decode(const char *text, size_t len, char *to, size_t size);
/* A 64-bit number of etcd's JSON: a string, or a number; absent: 0. -EINVAL. */
int json_s64(const json_t *object, const char *name, s64 *to);

/* ------------------------------------------------------------------- entry.c */

enum kind { KIND_CONTACT, KIND_HOLD, KIND_RIVAL };

struct entry {
	bool any;			/* somebody holds the name */
	struct ke_id uuid;
	unsigned int n;
	struct ke_contact contact[KE_CONTACTS_MAX];
	s64 lease[KE_CONTACTS_MAX];	/* of the session that published it */
};

/* A key below a name's. */
struct name_key {
	char name[KE_NAME_MAX + 1];
	enum kind kind;
	struct ke_id node;
};

/* A key and its value, as etcd gives them. */
struct kv {
	char key[KEY_MAX];
	char value[VALUE_MAX];
	s64 lease, revision;
	bool deleted;
};

bool name_good(const char *name);
struct range key_of(const char *name, enum kind kind, const struct ke_id *node);
struct range keys_of_kind(const char *name, enum kind kind);
struct range keys_of_entry(const char *name);	/* its contacts and holds */
struct range keys_of_names(void);
struct range key_of_session(s64 lease, const char *what);	/* "": all of its */
struct range key_of_ended(const struct ke_id *uuid);

void id_print(const struct ke_id *id, char to[33]);
int id_parse(const char *text, size_t len, struct ke_id *id);

int contact_print(const struct ke_contact *c, char *to, size_t size);
/* What a contact's mail says: the channel, and who looks for it. */
int mail_print(const char *name, const struct ke_id *uuid, const struct ke_contact *who,
	       char *to, size_t size);
/* These say in @why which key it is, and what is wrong. -EPROTO. */
int kv_parse(const json_t *json, struct kv *kv, char *why, size_t size);
int name_key_parse(const struct kv *kv, struct name_key *to, char *why, size_t size);
int uuid_parse(const struct kv *kv, struct ke_id *uuid, char *why, size_t size);
int contact_parse(const struct kv *kv, const struct ke_id *node, struct ke_contact *c,
		  char *why, size_t size);
int mail_parse(const struct kv *kv, char name[KE_NAME_MAX + 1], struct ke_id *uuid,
	       struct ke_contact *who, char *why, size_t size);
int entry_parse(const json_t *kvs, const char *name, struct entry *en, char *why, size_t size);
int entry_find(const struct entry *en, const struct ke_id *node);	/* or -1 */

/* ------------------------------------------------------------------ requests */

struct request {
	struct list_head list;
	struct ke_etcd *e;
	struct ask ask;
	u8 type;
	u32 id;
	bool running;
	unsigned int tries;
	/* the request */
	u8 how;
	char name[KE_NAME_MAX + 1];	/* "": of no name */
	struct ke_id uuid;
	struct ke_contact who;
	u64 after;
	/* what is known by now */
	struct entry entry;
	u64 revision;			/* when that was so */
	void (*looked)(struct request *q);
	struct ke_id target;		/* PUT: the channel that it comes to */
	bool contact;			/* PUT: as a contact */
	bool ended;
	s64 lease;			/* END: of what remembers it */
	struct page *page;		/* LIST */
	u8 *frame;			/* the answer; it is whole when: */
	bool done;
	u32 frame_len;
};

/* Begins the answer's body. */
bool request_reply(struct request *q, struct ke_out *out, u32 size, u8 status);
void request_done(struct request *q, const struct ke_out *out);
void request_answer(struct request *q, u8 status);	/* that and nothing more */
void request_refuse(struct request *q, const char *why);
/* The session has gone while it was worked on: from the beginning, when there is another. */
void request_again(struct request *q);
/* Something that the tie is told unasked. */
void bridge_tell(struct ke_etcd *e, const char *name, const struct ke_id *uuid,
		 const struct ke_contact *who);

/* look.c: looks at the entry and at our own session, then calls @looked; once more only so
 * often, after others came in between: then it is refused. */
void request_look(struct request *q, void (*looked)(struct request *q));
/* What has come of a transaction that was made after a look: true if it went through; else
 * all was done, and @looked will be called. */
bool request_acted(struct request *q, enum code code, const json_t *answer,
		   void (*looked)(struct request *q));
/* REG_ENTRY for GET and PUT: what is known of the entry, and @self if it is a contact too. */
void request_entry(struct request *q, const struct ke_contact *self);

void put_run(struct request *q);
void get_run(struct request *q);
void drop_run(struct request *q);
void end_run(struct request *q);
void list_run(struct request *q);
void renew_run(struct request *q);

/* ----------------------------------------------------------------- session.c */

struct session {
	bool up;
	bool lost;		/* something, of which the tie was not told */
	s64 contacts, holds;	/* its leases: of contacts, and the longer one */
	u64 renewed_at;
	struct ask ask;
	struct ask renew;	/* of our own; the tie's have theirs */
	struct call *watch;
	char *watch_body;
	unsigned int watch_endpoint;
	u64 watch_at;		/* when to watch again; NEVER: it does */
	u32 watch_pause_ms;
	u64 watch_from;		/* revision */
};

void session_begin(struct ke_etcd *e);
void session_lost(struct ke_etcd *e);
void session_end(struct ke_etcd *e);
u64 session_work(struct ke_etcd *e, u64 now);
/* Nothing is heard from @endpoint: the watch may not know. */
void session_doubts(struct ke_etcd *e, unsigned int endpoint);
/* Renews both leases; @done gives its answer to session_renewed(): are they alive? */
void session_renew(struct ke_etcd *e, struct ask *a,
		   void (*done)(struct ask *a, enum code code, json_t *answer));
bool session_renewed(struct ke_etcd *e, enum code code, json_t *answer);

/* -------------------------------------------------------------------- bridge */

/* Where a listing is; see list.c. */
struct listing {
	u64 serial;			/* of the entry that comes last */
	u64 revision;			/* all of it is of one */
	char from[KEY_MAX];		/* the next key */
	bool over;
	char name[KE_NAME_MAX + 1];	/* what has not come whole: its contacts, uuid, rival */
	u8 contacts;
	bool any, has_rival;
	struct ke_id uuid, rival;
	s64 rival_revision;
};

struct ke_etcd {
	/* since open */
	char endpoint[ENDPOINTS_MAX][ENDPOINT_MAX + 1];
	unsigned int endpoints;
	char *cacert, *cert, *key, *user, *password;	/* NULL: none */

	pthread_t thread;
	bool started;
	pthread_mutex_t lock;		/* of trouble */
	char trouble[ENDPOINT_MAX + SAID_MAX + 8];

	/* the thread's */
	int fd, epoll;
	int err;			/* it ends for that */
	bool over;
	CURLM *multi;
	struct ke_reg_stream stream;
	struct list_head asks, requests;
	unsigned int running, waiting;
	unsigned int current;		/* the endpoint that answered last */
	u64 seen;			/* the newest revision */
	char said[SAID_MAX];
	char *token;
	bool no_auth;			/* etcd knows no users */
	struct ask auth;
	bool greeted;			/* the tie knows that etcd has answered */
	struct session session;
	struct listing listing;
};

void bridge_main(struct ke_etcd *e);
/* It cannot go on. */
void bridge_give_up(struct ke_etcd *e, int err, const char *why);
void bridge_trouble(struct ke_etcd *e, unsigned int endpoint, const char *what);
void bridge_well(struct ke_etcd *e);
/* etcd has answered: the tie may ask. */
void bridge_greet(struct ke_etcd *e);
/* The revision in an answer's header; the newest is kept. */
u64 bridge_revision(struct ke_etcd *e, const json_t *answer);

#endif
