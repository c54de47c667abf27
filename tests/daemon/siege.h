/* SPDX-License-Identifier: MIT */
/*
 * A node that is attacked by processes of user A, while B and C use it: who they are, that all
 * of them come on, and what was tried. One file includes it.
 */
#ifndef KECHO_SIEGE_H
#define KECHO_SIEGE_H

#include "attack.h"
#include "good.h"

enum {
	USER_A = 10001, USER_B, USER_C,
	ATTACKERS = 4,
};

struct siege {
	const struct kechod *node;	/* NULL: the kernel's */
	unsigned int patience_s;	/* so long nobody may stand still */
	void (*more)(struct attacker *a);	/* as that of an attacker */
	void (*look)(void);		/* at others than B and C; may be NULL */
	bool spared[NKINDS];		/* what can't be tried there */
};

static struct siege siege;
static gid_t friends;		/* the group of B and C */
static struct good good[SOURCES_MAX + SINKS_MAX];
static pid_t pid[SOURCES_MAX + SINKS_MAX];
static u32 ngood;

static inline struct good *one_good(const struct kechod *node, uid_t uid, u32 index)
{
	good[ngood] = (struct good){ .node = node, .uid = uid, .gid = friends,
				     .index = index };
	return &good[ngood++];
}

static inline struct good *add_source(const char *channel, const struct kechod *node)
{
	strcpy(tally->source[tally->nsources].channel, channel);
	return one_good(node, USER_B, tally->nsources++);
}

static inline struct good *add_sink(const char *channel, const struct kechod *node, uid_t uid,
				    const char *name)
{
	strcpy(tally->sink[tally->nsinks].channel, channel);
	tally->sink[tally->nsinks].name = name;
	return one_good(node, uid, tally->nsinks++);
}

static inline bool all_ready(void)
{
	u32 i;

	for (i = 0; i < tally->nsinks; i++)
		if (!READ_ONCE(tally->sink[i].ready))
			return false;
	for (i = 0; i < tally->nsources; i++)
		if (!READ_ONCE(tally->source[i].member) && READ_ONCE(tally->source[0].member))
			return false;
	return true;
}

/* Sinks first: they are to see all. */
static inline bool start_good(void)
{
	u32 i;

	for (i = 0; i < tally->nsinks; i++)
		pid[i] = spawn(good_sink, &good[i]);
	if (!comes_true(all_ready() || tally->failed) || tally->failed)
		return false;
	for (; i < ngood; i++)
		pid[i] = spawn(good_source, &good[i]);
	return comes_true((tally->source[0].member && all_ready()) || tally->failed) &&
	       !tally->failed;
}

static inline bool all_get(void)
{
	u32 i, j;

	for (i = 0; i < tally->nsinks; i++)
		for (j = 0; j < tally->nsources; j++)
			if (!strcmp(tally->sink[i].channel, tally->source[j].channel) &&
			    !READ_ONCE(tally->sink[i].got[j]))
				return false;
	return true;
}

/* ---------------------------------------------------------------------- attacks */

struct attack_told {
	u64 seed;
	enum role role;
};

static inline int one_attack(void *arg)
{
	const struct attack_told *t = arg;
	gid_t own = USER_A;

	if (!become(USER_A, USER_A, 1, t->role == HOLD ? &friends : &own))
		return wrong("no user A");
	return attack(siege.node, t->seed, t->role, siege.more);
}

static inline pid_t start_attack(u64 *rng)
{
	static u32 n;
	struct attack_told t = { .seed = next_random(rng), .role = n++ % ROLES };

	return spawn(one_attack, &t);
}

/* Whether all have come on since the last look: there @was. */
static inline bool none_starves(struct tally *was)
{
	u32 i, j;

	for (i = 0; i < tally->nsources; i++)
		if (READ_ONCE(tally->source[i].published) == was->source[i].published)
			wrong("source %u in %s has not come on for %u s", i,
			      tally->source[i].channel, siege.patience_s);
	for (i = 0; i < tally->nsinks; i++)
		for (j = 0; j < tally->nsources; j++)
			if (!strcmp(tally->sink[i].channel, tally->source[j].channel) &&
			    READ_ONCE(tally->sink[i].got[j]) == was->sink[i].got[j])
				wrong("%s has got nothing of source %u for %u s",
				      tally->sink[i].name, j, siege.patience_s);
	if (siege.look)
		siege.look();
	*was = *tally;
	return !tally->failed;
}

/* Those that have ended are followed by others; now and then one is killed. */
static inline void go_round(pid_t *attacker, u64 *rng)
{
	int i, status;

	for (i = 0; i < ATTACKERS; i++) {
		if (attacker[i] && next_random(rng) % 400 == 0) {
			kill(attacker[i], SIGKILL);
			count(KILLED);
		}
		if (attacker[i] && waitpid(attacker[i], &status, WNOHANG) != attacker[i])
			continue;
		if (attacker[i] && !WIFSIGNALED(status) && WEXITSTATUS(status))
			wrong("an attacker ended with %d", WEXITSTATUS(status));
		if (attacker[i] && WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
			wrong("an attacker ended by signal %d", WTERMSIG(status));
		attacker[i] = start_attack(rng);
	}
}

static inline bool all_tried(void)
{
	u32 i;

	for (i = 1; i < COMMANDS; i++)
		if (!READ_ONCE(tally->message[i]))
			return false;
	for (i = 0; i < NKINDS; i++)
		if (!siege.spared[i] && !READ_ONCE(tally->kind[i]))
			return false;
	return true;
}

/* A busy machine comes to the rarest only later. */
static inline void attack_for(unsigned int seconds, u64 seed)
{
	u64 until = now_ns() + seconds * 1000000000ull;
	u64 at_most = until + SOON_MS * 1000000ull;
	u64 patience_ns = siege.patience_s * 1000000000ull, look = now_ns() + patience_ns;
	static struct tally was;
	pid_t attacker[ATTACKERS] = { 0 };
	u64 rng = seed;
	int i;

	was = *tally;
	while (now_ns() < (all_tried() ? until : at_most) && !READ_ONCE(tally->failed)) {
		go_round(attacker, &rng);
		sleep_us(PACE_US);
		if (now_ns() < look)
			continue;
		look = now_ns() + patience_ns;
		none_starves(&was);
	}
	for (i = 0; i < ATTACKERS; i++)
		put_down(attacker[i]);
}

/* ------------------------------------------------------------------- what was tried */

static inline void print_tally(void)
{
	u64 worst = 0, got = 0;
	u32 i, j;

	printf("# messages:");
	for (i = 1; i < COMMANDS; i++)
		printf(" %u: %llu", i, (unsigned long long)tally->message[i]);
	printf("\n# done:");
	for (i = 0; i < NKINDS; i++)
		printf(" %s %llu", kind_text[i], (unsigned long long)tally->kind[i]);
	for (i = 0; i < tally->nsinks; i++) {
		worst = max(worst, tally->sink[i].worst_ns);
		for (j = 0; j < tally->nsources; j++)
			got += tally->sink[i].got[j];
	}
	printf("\n# %llu events of B's came to B and C, the latest after %llu ms\n",
	       (unsigned long long)got, (unsigned long long)worst / 1000000);
}

static inline void all_was_tried(void)
{
	u32 i;

	for (i = 1; i < COMMANDS; i++)
		ok(tally->message[i], "command %u was never said", i);
	for (i = 0; i < NKINDS; i++)
		ok(siege.spared[i] || tally->kind[i], "%s was never done", kind_text[i]);
}

static inline u64 choose_seed(void)
{
	const char *s = getenv("KECHO_SEED");
	u64 seed = s ? strtoull(s, NULL, 0) : now_ns();

	printf("# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

#endif
