// SPDX-License-Identifier: MIT
/*
 * kechod - the node of a host.
 *
 *	kechod [-c FILE] [-o KEY=VALUE]...
 */
#include "daemon.h"

#include "address.h"

#include <getopt.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>

#define CONF_FILE "/etc/kecho/kechod.conf"

static void usage(FILE *to)
{
	fprintf(to, "usage: kechod [-c FILE] [-o KEY=VALUE]...\n"
		    "The node of this host, for the processes that attach to it.\n"
		    "  -c FILE       the configuration; " CONF_FILE "\n"
		    "  -o KEY=VALUE  one key of it, instead of what the file says\n"
		    "  -h, -V        this, the version\n");
}

static int set_option(struct kd_conf *conf, char *option)
{
	char *value = strchr(option, '=');
	int err = -EINVAL;

	if (value) {
		*value++ = 0;
		err = kd_conf_set(conf, option, value);
	}
	if (err == -ENOKEY)
		kd_say(LOG_ERR, "-o %s: there is no such key", option);
	else if (err)
		kd_say(LOG_ERR, "-o %s=%s: %s", option, value ?: "", strerror(-err));
	return err;
}

/* Options win over the file, wherever they stand. 1: there is nothing more to do. */
static int read_options(struct kd_conf *conf, int argc, char **argv)
{
	const char *file = NULL;
	int c, err = 0;

	while ((c = getopt(argc, argv, "c:o:hV")) >= 0) {
		if (c == 'c')
			file = optarg;
		if (c == 'h') {
			usage(stdout);
			return 1;
		}
		if (c == 'V') {
			printf("kechod %s\n", KECHO_VERSION);
			return 1;
		}
		if (c == '?')
			err = -EINVAL;
	}
	if (err || optind != argc) {
		usage(stderr);
		return -EINVAL;
	}
	if (file || !access(CONF_FILE, F_OK))
		err = kd_conf_read(conf, file ?: CONF_FILE);
	optind = 1;
	while (!err && (c = getopt(argc, argv, "c:o:hV")) >= 0)
		if (c == 'o')
			err = set_option(conf, optarg);
	return err ?: kd_conf_finish(conf);
}

/* ------------------------------------------------------------------- the node */

static void signal_ready(struct kd_watch *w, u32 events)
{
	struct kd *d = container_of(w, struct kd, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(d->signal_fd, &info, sizeof(info)) == sizeof(info))
		kd_stop(d);
}

static int watch_signals(struct kd *d)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	d->signals.ready = signal_ready;
	return d->signal_fd < 0 ? -errno : kd_watch(d, d->signal_fd, EPOLLIN, &d->signals);
}

static void init_lists(struct kd *d)
{
	struct list_head *list[] = {
		&d->users,
		&d->sessions,
		&d->channels,
		&d->ready,
		&d->rings,
		&d->dead_bells,
		&d->waits,
		&d->over,
		&d->joins,
		&d->judges.due,
		&d->judges.open,
		&d->k.conns,
		&d->k.channels,
		&d->k.shared,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(list); i++)
		INIT_LIST_HEAD(list[i]);
}

/* The library's part: no thread of its own, and one set for all of its descriptors. */
static int init_kecho(struct kecho *k)
{
	k->io = k->unix_fd = k->tcp_fd = k->gates_fd = k->run_fd = k->run_pending = -1;
	k->ep = epoll_create1(EPOLL_CLOEXEC);
	k->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	k->io = k->ep;
	if (k->ep < 0 || k->wake < 0)
		return -errno;
	return conn_watch(k->ep, k->wake, EPOLLIN, &k->wake);
}

static int name_node(struct kd *d)
{
	struct ke_value v = { .kind = KE_VALUE_STRING, .data = d->k.node.name,
			      .len = strlen(d->k.node.name) };

	return ke_node_set(&d->k.node, "name", &v);
}

static const char *text_or_null(const char *s)
{
	return *s ? s : NULL;
}

static int listen_at(struct kd *d, const char *address)
{
	return listen_tcp(&d->k, address, text_or_null(d->conf.advertise),
			  text_or_null(d->conf.registry));
}

/* Where the kechod before us did, if that was free to choose. */
static int listen_again(struct kd *d)
{
	struct sockaddr_storage a;
	char address[64];
	socklen_t len;

	if (!kd_keep_port(d) || address_parse(d->conf.listen, &a, &len) || address_port(&a))
		return -ENOENT;
	address_set_port(&a, kd_keep_port(d));
	address_print(&a, address, sizeof(address));
	if (!listen_at(d, address))
		return 0;
	if (d->k.tcp_fd >= 0)
		close(d->k.tcp_fd);
	d->k.tcp_fd = -1;
	return -EADDRINUSE;
}

static int listen_for_nodes(struct kd *d)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	int err;

	if (!d->conf.listen[0])
		return 0;
	err = listen_again(d) ? listen_at(d, d->conf.listen) : 0;
	if (err)
		kd_say(LOG_ERR, "%s", kecho_explain());
	else if (!getsockname(d->k.tcp_fd, (void *)&a, &len))
		kd_keep_listens(d, address_port(&a));
	return err;
}

/* No other node shares memory with us: the host is ours alone. */
static int make_node(struct kd *d)
{
	struct ke_contact self = kd_keep_self(d);
	char host[KE_LINK_NAME_MAX + 1] = "";

	gethostname(host, sizeof(host) - 1);
	kd_house_init(d);
	ke_node_init(&d->k.node, &d->house, &d->k, &self, d->conf.name[0] ? d->conf.name : host);
	return listen_for_nodes(d) ?: name_node(d);
}

static int open_registry(struct kd *d)
{
	struct kecho *k = &d->k;
	char why[KE_REG_WHY_MAX];
	int err = ke_reg_open(&k->reg, text_or_null(d->conf.registry), &k->node.self, k->wake,
			      d->conf.timeout_ms, why, sizeof(why));

	if (err)
		kd_say(LOG_ERR, "registry: %s", why);
	return err;
}

/* As many processes as the system lets us have. */
static void raise_limits(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static int start(struct kd *d)
{
	int err;

	d->started_ms = lib_deadline(0);
	d->ep = epoll_create1(EPOLL_CLOEXEC);
	if (d->ep < 0)
		return -errno;
	raise_limits();
	if (mkdir(d->conf.run, 0755) && errno != EEXIST) {
		kd_say(LOG_ERR, "cannot make %s: %m", d->conf.run);
		return -errno;
	}
	err = kd_lock_run(d);
	if (!err) {
		err = kd_take_over_begin(d);
		if (err)
			kd_say(LOG_ERR, "cannot keep anything in %s: %s", d->conf.run,
			       strerror(-err));
	}
	err = err ?: watch_signals(d) ?: init_kecho(&d->k) ?: make_node(d) ?: open_registry(d);
	if (err)
		return err;
	kd_take_over(d);
	return kd_joins_init(d) ?: kd_sessions_open(d);
}

/* What is queued for other nodes goes out while it may. */
static void flush_conns(struct kd *d)
{
	struct conn *c;

	list_for_each_entry(c, &d->k.conns, list)
		if (c->open && !c->closing)
			conn_kick(c);
}

/* Processes that are attached go on without us, and with the next kechod: to other nodes
 * the link breaks, and nobody leaves. */
static void leave_all(struct kd *d)
{
	struct conn *c;

	d->leaving = true;
	kd_keep_leave(d);
	list_for_each_entry(c, &d->k.conns, list)
		conn_hangup(c);
}

static void finish(struct kd *d)
{
	bool stays = kd_is_left(d);
	struct kd_session *s;
	struct conn *c;

	unlink(d->conf.socket);
	if (stays)
		leave_all(d);
	list_for_each_entry(s, &d->sessions, list)
		kd_session_cut(s, NULL);
	kd_sessions_reap(d);
	kd_joins_end(d);
	kd_sources_abandon(d);
	flush_conns(d);
	ke_reg_close(d->k.reg, stays);
	d->k.reg = NULL;
	ke_node_fini(&d->k.node);
	kd_keep_leave(d);
	kd_bells_reap(d);
	d->k.stop = true;
	list_for_each_entry(c, &d->k.conns, list)
		c->closing = true;
	conn_reap(&d->k);
}

int main(int argc, char **argv)
{
	static struct kd d;
	int err;

	kd_journal_open();
	init_lists(&d);
	kd_conf_init(&d.conf);
	err = read_options(&d.conf, argc, argv);
	if (err)
		return err > 0 ? EXIT_SUCCESS : 2;
	err = start(&d);
	if (err) {
		kd_say(LOG_ERR, "cannot start: %s", strerror(-err));
		return EXIT_FAILURE;
	}
	kd_say(LOG_INFO, "node %s listens on %s%s%s", d.k.node.name, d.conf.socket,
	       d.k.node.self.address[0] ? " and " : "", d.k.node.self.address);
	sd_notify(0, "READY=1");
	err = kd_loop(&d);
	finish(&d);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
