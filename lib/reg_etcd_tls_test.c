/* SPDX-License-Identifier: MIT */
/*
 * The tie to etcd with TLS and passwords, as etcd has them: who is let in, who is not and
 * hears why, and a token that etcd has forgotten.
 */
#include "reg_test.h"
#include "../tests/etcd.h"

enum { REFUSED_MS = 1500 };	/* for what is tried again and again */

#define KECHO_KEYS	"\"key\":\"L2tlY2hvLw==\",\"range_end\":\"L2tlY2hvMA==\"" /* /kecho/ */

static struct etcd etcd;
static char dir[] = "/dev/shm/kecho-tls-XXXXXX";

static void all_gone(void)
{
	char command[64];

	etcd_end(&etcd);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		pr_info("# %s is left\n", dir);
}

/* Another CA's certificate is for nothing here but to be refused. */
static bool make_certificates(void)
{
	static const char script[] =
		"cd %s && exec 2>log &&"
		"new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch' &&"
		"for ca in ca other; do"
		"  $new -x509 -subj /CN=$ca -keyout $ca.key -out $ca.pem -days 2; done &&"
		"echo subjectAltName=IP:127.0.1.1 >server.ext && : >client.ext &&"
		/* etcd's gateway refuses a client that has a CN. */
		"for who in server client; do"
		"  $new -subj /O=$who -keyout $who.key -out $who.csr &&"
		"  openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial"
		"    -extfile $who.ext -days 2 -out $who.pem || exit; done && chmod 644 *";
	char command[sizeof(script) + sizeof(dir)];

	if (!mkdtemp(dir) || chmod(dir, 0755))
		return false;
	snprintf(command, sizeof(command), script, dir);
	return !system(command);
}

/* root, kecho for our keys, and one who may do nothing. */
static bool make_users(void)
{
	static const char *const requests[][2] = {
		{ "user/add", "{\"name\":\"root\",\"password\":\"r\"}" },
		{ "role/add", "{\"name\":\"root\"}" },
		{ "user/grant", "{\"user\":\"root\",\"role\":\"root\"}" },
		{ "user/add", "{\"name\":\"kecho\",\"password\":\"a:b\"}" },
		{ "role/add", "{\"name\":\"kecho\"}" },
		{ "role/grant", "{\"name\":\"kecho\",\"perm\":{\"permType\":\"READWRITE\","
		  KECHO_KEYS "}}" },
		{ "user/grant", "{\"user\":\"kecho\",\"role\":\"kecho\"}" },
		{ "user/add", "{\"name\":\"nobody\",\"password\":\"n\"}" },
		{ "enable", "{}" },
	};
	char path[32];
	const char *answer;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		snprintf(path, sizeof(path), "/v3/auth/%s", requests[i][0]);
		answer = etcd_http(1, "POST", path, requests[i][1]);
		if (!answer || strstr(answer, "error"))
			return false;
	}
	return true;
}

/* Once. */
static bool secured(void)
{
	if (etcd.n)
		return true;
	atexit(all_gone);
	return make_certificates() && etcd_start(&etcd, 1, dir) && etcd_wait(1) && make_users();
}

static void set_file(const char *variable, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	if (*file)
		setenv(variable, path, 1);
	else
		unsetenv(variable);
}

static void set(const char *ca, const char *certificate, const char *key, const char *user)
{
	set_file("ETCDCTL_CACERT", ca);
	set_file("ETCDCTL_CERT", certificate);
	set_file("ETCDCTL_KEY", key);
	setenv("ETCDCTL_USER", user, 1);
}

TEST(refused)
{
	static const struct {
		const char *ca, *certificate, *key, *user;
		int err;
		const char *why;
	} bad[] = {
		{ "", "client.pem", "client.key", "kecho:a:b", -ETIMEDOUT, "certificate" },
		{ "other.pem", "client.pem", "client.key", "kecho:a:b", -ETIMEDOUT, "certificate" },
		/* Of which the alert may come after the break. */
		{ "ca.pem", "", "", "kecho:a:b", -ETIMEDOUT, "" },
		{ "ca.pem", "other.pem", "other.key", "kecho:a:b", -ETIMEDOUT, "" },
		{ "ca.pem", "client.pem", "client.key", "", -EACCES, "user name is empty" },
		{ "ca.pem", "client.pem", "client.key", "kecho:b", -EACCES,
		  "authentication failed" },
		{ "ca.pem", "client.pem", "client.key", "nobody:n", -EACCES, "permission denied" },
	};
	struct node n[ARRAY_SIZE(bad)] = {};
	unsigned int i;

	ARENA();
	must(secured(), "etcd runs, with certificates and users");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		set(bad[i].ca, bad[i].certificate, bad[i].key, bad[i].user);
		if (node_new(&n[i], i + 1))
			tell(&n[i], OPEN, etcd.endpoints, 0,
			     bad[i].err == -ETIMEDOUT ? REFUSED_MS : LONG_MS);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		is_eq(hear(&n[i]), bad[i].err, "%u: %s", i, n[i].r.why);
		ok(strstr(n[i].r.why, "https://127.0.1.1:2379: ") &&
		   strstr(n[i].r.why, bad[i].why), "%u: %s", i, n[i].r.why);
	}
	nodes_end(n, ARRAY_SIZE(bad));
}

/* A member that starts again knows no tokens: nobody but the bridges notices. */
TEST(let_in)
{
	struct node n[2] = {};
	struct ke_id uuid;

	ARENA();
	must(secured(), "etcd runs, with certificates and users");
	set("ca.pem", "client.pem", "client.key", "kecho:a:b");
	if (nodes_open(n, 2, etcd.endpoints)) {
		is_eq(join(&n[0], "x"), 0, "%s", n[0].r.why);
		uuid = n[0].r.uuid;
		is_eq(join(&n[1], "x"), 0, "%s", n[1].r.why);
		is_eq(n[1].r.n, 1, "the first");
		etcd_kill(&etcd, 1);
		ok(etcd_run(&etcd, 1), "again");
		is_eq(join(&n[0], "y"), 0, "%s", n[0].r.why);
		comes_to(&n[1], "x", 1);
		ok(!ke_id_cmp(&n[1].r.uuid, &uuid), "the same channel");
	}
	nodes_end(n, 2);
}

TESTS(reg_etcd_tls, refused, let_in);
