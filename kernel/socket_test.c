// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Two linked nodes in kernels while the calls of sockets that our module makes fail now and then:
 * what the nodes are asked meanwhile may fail, and when the calls do well again all does.
 *
 * Each call is a probe's, which lets it return an error before it has begun.
 */
#include <asm/linkage.h>
#include <linux/kprobes.h>

#include "link_test.h"

enum {
	ROUNDS = 8,
	SELDOM = 5,		/* one of so many calls fails; */
	DATA_SELDOM = 37,	/* of those by which all is said */
	MODULE_SIZE = 1 << 21,	/* no less than that of kecho.ko */
};

static const int error[] = { -ENOMEM, -ECONNRESET, -ENOBUFS, -EPIPE, -ETIMEDOUT, -EHOSTUNREACH };

struct failing {
	struct kprobe probe;
	unsigned int seldom;
	atomic_t calls, failed;
};

static int may_fail(struct kprobe *p, struct pt_regs *regs);

#define FAILING(call, of)								\
	{										\
		.probe = { .symbol_name = call, .pre_handler = may_fail }, .seldom = of	\
	}

static struct failing failing[] = {
	FAILING("__sock_create", SELDOM), FAILING("kernel_bind", SELDOM),
	FAILING("kernel_listen", SELDOM), FAILING("kernel_getsockname", SELDOM),
	FAILING("kernel_accept", SELDOM), FAILING("kernel_connect", SELDOM),
	FAILING("kernel_sendmsg", DATA_SELDOM), FAILING("kernel_recvmsg", DATA_SELDOM),
};

static bool fails;

/* Where a call that has failed goes on: where it would have returned from. */
void socket_test_return(void);
asm(".text\n"
    ".globl socket_test_return\n"
    ".type socket_test_return, @function\n"
    "socket_test_return:\n"
    ASM_RET
    ".size socket_test_return, . - socket_test_return\n");

static bool is_ours(unsigned long caller)
{
	unsigned long some = (unsigned long)kecho_close;

	return caller > some - MODULE_SIZE && caller < some + MODULE_SIZE;
}

static int may_fail(struct kprobe *p, struct pt_regs *regs)
{
	struct failing *f = container_of(p, struct failing, probe);
	unsigned int n;

	if (!READ_ONCE(fails) || !is_ours(*(unsigned long *)regs->sp))
		return 0;
	n = atomic_inc_return(&f->calls);
	if (n % f->seldom)
		return 0;
	atomic_inc(&f->failed);
	regs->ax = error[n / f->seldom % ARRAY_SIZE(error)];
	regs->ip = (unsigned long)socket_test_return;
	return 1;
}
NOKPROBE_SYMBOL(may_fail);

static int probe_all(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(failing) && !err; i++)
		err = register_kprobe(&failing[i].probe);
	while (err && --i)
		unregister_kprobe(&failing[i - 1].probe);
	return err;
}

static void probe_none(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(failing); i++)
		unregister_kprobe(&failing[i].probe);
}

/* Until each call has failed, and was made again. */
static bool all_failed(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(failing) && atomic_read(&failing[i].failed); i++)
		;
	return i == ARRAY_SIZE(failing);
}

TEST(fail)
{
	unsigned int i, good = 0;

	if (!link_test_pid)
		skip("there is no other namespace");
	must(!probe_all(), "probes");
	WRITE_ONCE(fails, true);
	for (i = 0; i < ROUNDS || (i < 10 * ROUNDS && !all_failed()); i++)
		good += !talk_once("failing");
	WRITE_ONCE(fails, false);
	probe_none();
	pr_info("# %u rounds, of which %u went well\n", i, good);
	for (i = 0; i < ARRAY_SIZE(failing); i++)
		ok(atomic_read(&failing[i].failed), "%s: it failed", failing[i].probe.symbol_name);
	is_eq(talk_once("failing"), 0, "they do well again");
}

TESTS(socket, fail);
