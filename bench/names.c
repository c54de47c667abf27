/* SPDX-License-Identifier: MIT */
/*
 * What a name costs, by where the registry is: making one, joining one that another node
 * has, and how many requests etcd gets for each. Two nodes' ties to it in one process, in
 * a network namespace of its own; etcd has its data in memory, so no disk is in the figures.
 */
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "measure.h"
#include "options.h"
#include "reg.h"
#include "tests/etcd.h"

enum {
	NAMES = 300,
	NAMES_QUICK = 50,
	WAIT_MS = 10000,
};

static const char about[] =
	"names: the cost of making and joining a channel's name, by where the registry is.\n";

static struct options options;
static struct etcd etcd;

static bool own_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd, err;

	if (unshare(CLONE_NEWNET))
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	err = ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
	return !err;
}

/* Requests that all members have had, watches and renewals too. */
static double requests(void)
{
	static const char counter[] = "\ngrpc_server_started_total{";
	const char *at;
	double sum = 0;
	unsigned int i;

	for (i = 1; i <= etcd.n; i++) {
		at = etcd_http(i, "GET", "/metrics", "");
		while (at && (at = strstr(at, counter))) {
			at += strlen(counter);
			sum += strtod(strchr(at, '}') + 1, NULL);
		}
	}
	return sum;
}

static int tie(struct ke_reg **r, const char *address, u8 id)
{
	struct ke_contact self = { .incarnation = 1, .address = "192.0.2.1:1" };
	char why[KE_REG_WHY_MAX];
	int err;

	memset(&self.node, id, sizeof(self.node));
	err = ke_reg_open(r, address, &self, -1, WAIT_MS, why, sizeof(why));
	if (err)
		fprintf(stderr, "names: %s\n", why);
	return err;
}

/* Joins @n names; their times, in ms. */
static int join_all(struct ke_reg *r, double *ms, unsigned int n)
{
	struct ke_contact contacts[KE_CONTACTS_MAX];
	char name[16], why[KE_REG_WHY_MAX];
	unsigned int i, others;
	struct ke_id uuid;
	u64 begin;
	int err;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		begin = measure_now_ns();
		err = ke_reg_join(r, name, 0, WAIT_MS, &uuid, contacts, &others, why, sizeof(why));
		if (err) {
			fprintf(stderr, "names: %s\n", why);
			return err;
		}
		ms[i] = (measure_now_ns() - begin) / 1e6;
	}
	return 0;
}

static void print(const char *where, const char *what, double *ms, unsigned int n, double asked)
{
	double p50 = measure_percentile(ms, n, 0.5), p99 = measure_percentile(ms, n, 0.99);

	if (options.json)
		printf("{\"registry\":\"%s\",\"what\":\"%s\",\"ms_p50\":%.3f,\"ms_p99\":%.3f,"
		       "\"requests\":%.2f}\n", where, what, p50, p99, asked / n);
	else
		printf("| %-16s | %-5s | %8.3f | %8.3f | %8.2f |\n", where, what, p50, p99,
		       asked / n);
}

static int measure(const char *where, const char *address)
{
	unsigned int n = options.quick ? NAMES_QUICK : NAMES, i;
	struct ke_reg *r[2] = { NULL, NULL };
	static double ms[NAMES];
	double before;
	int err = tie(&r[0], address, 1) ?: tie(&r[1], address, 2);

	for (i = 0; !err && i < 2; i++) {
		before = requests();
		err = join_all(r[i], ms, n);
		if (!err)
			print(where, i ? "join" : "make", ms, n, requests() - before);
	}
	ke_reg_close(r[1], false);
	ke_reg_close(r[0], false);
	return err;
}

static int with_etcd(const char *where, unsigned int members)
{
	unsigned int i;
	int err = -EIO;

	if (etcd_start(&etcd, members, NULL)) {
		for (i = err = 0; i < members; i++)
			err = err ?: etcd_wait(i + 1) ? 0 : -EIO;
		if (!err)
			err = measure(where, etcd.endpoints);
	}
	if (err == -EIO)
		fprintf(stderr, "names: etcd does not run\n");
	etcd_end(&etcd);
	etcd.n = 0;
	return err;
}

int main(int argc, char **argv)
{
	int status = options_parse(&options, argc, argv, about), err;

	if (status >= 0)
		return status;
	if (!own_network()) {
		fprintf(stderr, "names: no network namespace: %s\n", strerror(errno));
		return 2;
	}
	if (!options.json)
		printf("| registry         | what  |   ms p50 |   ms p99 | requests |\n"
		       "| ---------------- | ----- | -------- | -------- | -------- |\n");
	err = measure("Unix socket", NULL) ?: measure("TCP", "127.0.0.1:7390");
	err = err ?: with_etcd("etcd, 1 member", 1) ?: with_etcd("etcd, 3 members", 3);
	return err ? 2 : 0;
}
