/* SPDX-License-Identifier: MIT */
/*
 * What the tie to the registry is built on: where it may be (reg_place.c, and
 * reg_etcd.c for etcd), a connection to or from it (reg_stream.c), and serving it
 * (reg_server.c). All run in the tie's thread, under its lock.
 */
#ifndef KECHO_REG_IMPL_H
#define KECHO_REG_IMPL_H

#include <sys/socket.h>

#include "etcd/etcd.h"
#include "registry.h"

enum {
	KE_REG_PLACES = 8,		/* Unix addresses tried, if others hold some */
	KE_REG_TOLD_MAX = 64,		/* nodes that others look for, until they are taken */
	KE_REG_REQUEST_MAX = 512,	/* bytes of a request's body */
	KE_REG_CLIENTS_MAX = 4096,	/* of one server */
	KE_REG_REFUSED_MAX = 32,	/* a place that is bound and refuses is left then */
};

u64 ke_reg_now_ms(void);

/* A descriptor in the tie's epoll. One event is taken at a time, so that nothing
 * that is closed is still named by another. */
struct ke_reg_watch {
	int fd;			/* -1: none */
	void (*ready)(struct ke_reg_watch *w, u32 events);
};

int ke_reg_watch_add(int epoll, struct ke_reg_watch *w, u32 events);
void ke_reg_watch_events(int epoll, struct ke_reg_watch *w, u32 events);
void ke_reg_watch_close(int epoll, struct ke_reg_watch *w);

/* Frames over a socket. It takes one frame to send when none is pending. */
struct ke_reg_stream {
	struct ke_reg_watch sock;
	struct ke_reg_watch peer;	/* a pidfd of the process at the other end */
	int epoll;
	u32 body_max;			/* of what is received */
	u8 *rx;
	u32 rx_len, rx_used;
	u8 *tx;				/* what the socket did not take yet */
	u32 tx_len, tx_sent;
};

/* Takes over @fd and @pidfd (-1: none), on failure too. */
int ke_reg_stream_open(struct ke_reg_stream *s, int epoll, int fd, int pidfd, u32 body_max);
void ke_reg_stream_close(struct ke_reg_stream *s);
/* Reads what is there. -EAGAIN: nothing; -ECONNRESET: the end. */
int ke_reg_stream_recv(struct ke_reg_stream *s);
/* The next whole frame: 1, 0 or -EPROTO. Good until the next call. */
int ke_reg_stream_frame(struct ke_reg_stream *s, struct kecho_frame *f, const u8 **body);
int ke_reg_stream_send(struct ke_reg_stream *s, u8 type, u32 id, u8 *frame, u32 body_len);
int ke_reg_stream_flush(struct ke_reg_stream *s);
static inline bool ke_reg_stream_busy(const struct ke_reg_stream *s)
{
	return s->tx;
}

struct ke_reg_etcd {
	const struct ke_etcd_table *table;	/* NULL: it isn't etcd */
	struct ke_etcd *bridge;
};

/* Where the registry may be. */
struct ke_reg_place {
	bool tcp;
	struct ke_reg_etcd etcd;
	char name[KE_ADDRESS_MAX + 32];	/* for messages */
	struct sockaddr_storage addr;	/* TCP */
	socklen_t addr_len;
	unsigned int refused[KE_REG_PLACES];
};

enum ke_reg_dialled {
	KE_REG_CONNECTED,
	KE_REG_CONNECTING,
	KE_REG_LISTENING,
};

int ke_reg_place_init(struct ke_reg_place *p, const char *address, char *why, size_t size);
/* After all that was dialled is closed. */
void ke_reg_place_fini(struct ke_reg_place *p);
/* Contacts have to be renewed there. */
static inline bool ke_reg_place_leases(const struct ke_reg_place *p)
{
	return p->tcp || p->etcd.table;
}
/*
 * One try to connect, or to become the server. Gives an enum ke_reg_dialled or
 * an error: -EAGAIN is one of a race, the others say in @why what is wrong.
 */
int ke_reg_place_dial(struct ke_reg_place *p, int *fd, int *pidfd, char *why, size_t size);
/* The end of KE_REG_CONNECTING; takes over @fd. */
int ke_reg_place_connected(struct ke_reg_place *p, int *fd, char *why, size_t size);
/* What was dialled, and has been closed, hung up: if it knows why it says so in @why. */
void ke_reg_place_lost(struct ke_reg_place *p, char *why, size_t size);
/* How long the server of this place should create nothing. */
u32 ke_reg_place_grace_ms(const struct ke_reg_place *p, const struct ke_id *self);
/*
 * Whether a Unix socket's peer is of this user, and a pidfd of it, or -1. A child
 * that was forked keeps a dead process's sockets open: only the pidfd tells. The
 * errors: -EPERM another user, -ESRCH dead.
 */
int ke_reg_peer(int fd, int *pidfd);
/* The process at the other end of a Unix socket; 0: it isn't seen from here. */
pid_t ke_reg_peer_pid(int fd);

/* "etcd:" and what it needs; see etcd/etcd.h. -ELIBACC, -ELIBBAD: etcd.so. */
bool ke_reg_is_etcd(const char *address);
int ke_reg_etcd_open(struct ke_reg_etcd *e, const char *address, char *why, size_t size);
void ke_reg_etcd_close(struct ke_reg_etcd *e);
/* As ke_reg_place_dial() and ..._connected(), which is due when the socket can be read. */
int ke_reg_etcd_dial(struct ke_reg_etcd *e, int *fd, char *why, size_t size);
int ke_reg_etcd_connected(struct ke_reg_etcd *e, int *fd, char *why, size_t size);
/* The socket is closed, or its bridge has hung up: waits for the end of the bridge. An
 * error, with @why: that was its own. */
int ke_reg_etcd_over(struct ke_reg_etcd *e, char *why, size_t size);
/* What keeps etcd from answering, if that is known. */
bool ke_reg_etcd_trouble(const struct ke_reg_etcd *e, char *why, size_t size);

struct ke_reg_server;

/* What a client is told unasked: see ke_registry_tells(). */
typedef void (*ke_reg_told_fn)(void *arg, const void *body, u32 len);

/* Takes over @fd, on failure too. */
int ke_reg_server_new(struct ke_reg_server **out, int epoll, int fd, bool tcp, u32 grace_ms,
		      ke_reg_told_fn told, void *arg);
void ke_reg_server_free(struct ke_reg_server *s);
/* A request of the server's own process; its body is @len bytes at @body. */
int ke_reg_server_request(struct ke_reg_server *s, u8 type, const void *body, u32 len,
			  struct ke_out *out);
/* Does what is due; gives when it wants to be called again. */
u64 ke_reg_server_tick(struct ke_reg_server *s, u64 now_ms);

#endif
