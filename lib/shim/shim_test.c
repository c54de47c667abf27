// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What core expects of the kernel's helpers. In user space it tests the shim, in
 * the kernel the original: both must pass.
 */
#include "tap.h"

struct item {
	int value;
	struct list_head link;
	struct hlist_node node;
};

/* The values of a list, as decimal digits. */
static int digits(struct list_head *head)
{
	struct item *i;
	int n = 0;

	list_for_each_entry(i, head, link)
		n = n * 10 + i->value;
	return n;
}

static int digits_backwards(struct list_head *head)
{
	struct item *i;
	int n = 0;

	list_for_each_entry_reverse(i, head, link)
		n = n * 10 + i->value;
	return n;
}

TEST(list_order)
{
	struct item item[4] = { { .value = 1 }, { .value = 2 }, { .value = 3 }, { .value = 4 } };
	LIST_HEAD(head);

	ok(list_empty(&head), "a new list");
	list_add(&item[1].link, &head);
	ok(list_is_singular(&head), "one entry");
	list_add(&item[0].link, &head);
	list_add_tail(&item[2].link, &head);
	is_eq(digits(&head), 123, "forwards");
	is_eq(digits_backwards(&head), 321, "backwards");
	ok(list_is_last(&item[2].link, &head) && list_is_first(&item[0].link, &head), "ends");
	list_move(&item[2].link, &head);
	is_eq(digits(&head), 312, "moved to the front");
	list_move_tail(&item[2].link, &head);
	list_replace(&item[1].link, &item[3].link);
	is_eq(digits(&head), 143, "replaced");
	list_del_init(&item[3].link);
	ok(list_empty(&item[3].link), "an entry that was removed and made new");
	is_eq(list_first_entry(&head, struct item, link)->value, 1, "first");
	is_eq(list_last_entry(&head, struct item, link)->value, 3, "last");
	is_eq(digits(&head), 13, "removed");
}

TEST(list_splices)
{
	struct item item[3] = { { .value = 1 }, { .value = 2 }, { .value = 3 } };
	struct item *i, *next;
	LIST_HEAD(one);
	LIST_HEAD(two);

	list_add_tail(&item[0].link, &one);
	list_add_tail(&item[1].link, &two);
	list_add_tail(&item[2].link, &two);
	list_splice_tail_init(&two, &one);
	ok(list_empty(&two), "what was spliced is empty");
	is_eq(digits(&one), 123, "behind");
	list_splice_init(&one, &two);
	list_splice_init(&one, &two);
	is_eq(digits(&two), 123, "an empty list changes nothing");
	list_for_each_entry_safe(i, next, &two, link)
		if (i->value == 2)
			list_del(&i->link);
	is_eq(digits(&two), 13, "removed while walking");
	ok(!list_first_entry_or_null(&one, struct item, link), "no first entry");
}

TEST(hlist_order)
{
	struct item item[3] = { { .value = 1 }, { .value = 2 }, { .value = 3 } };
	struct hlist_node *next;
	HLIST_HEAD(head);
	struct item *i;
	int n = 0;

	INIT_HLIST_NODE(&item[2].node);
	ok(hlist_unhashed(&item[2].node) && hlist_empty(&head), "new");
	hlist_add_head(&item[0].node, &head);
	hlist_add_head(&item[1].node, &head);
	hlist_add_head(&item[2].node, &head);
	hlist_del_init(&item[1].node);
	hlist_del_init(&item[1].node);
	hlist_for_each_entry(i, &head, node)
		n = n * 10 + i->value;
	is_eq(n, 31, "the last one added comes first");
	hlist_for_each_entry_safe(i, next, &head, node)
		hlist_del(&i->node);
	ok(hlist_empty(&head), "all removed");
}

TEST(accesses)
{
	const char *name = "name";
	__le64 wide = cpu_to_le64(1);
	bool flag = true;
	u8 small = 0;

	WRITE_ONCE(wide, cpu_to_le64(1ULL << 40));
	is_eq(le64_to_cpu(READ_ONCE(wide)), 1LL << 40, "64 bits");
	WRITE_ONCE(flag, false);
	ok(!READ_ONCE(flag), "a truth value");
	WRITE_ONCE(small, 255);
	is_eq(READ_ONCE(small), 255, "8 bits");
	is_str(READ_ONCE(name), "name", "a pointer");
	smp_store_release(&name, NULL);
	ok(!smp_load_acquire(&name), "a pointer, in order");
	smp_mb();
	smp_rmb();
	smp_wmb();
}

TEST(exchanges)
{
	u64 word = 5;

	is_eq(xchg(&word, 6), 5, "what was there");
	is_eq(cmpxchg(&word, 6, 7), 6, "as expected");
	is_eq(cmpxchg(&word, 6, 8), 7, "not as expected");
	is_eq(word, 7, "left as it was");
}

TEST(byte_order)
{
	static const u8 wire[] = { 0xff, 1, 2, 3, 4, 5, 6, 7, 8 };
	u8 out[sizeof(wire)] = { 0xff };
	__le32 word;

	is_eq(get_unaligned_le16(wire + 1), 0x0201, "16 bits");
	is_eq(get_unaligned_le32(wire + 1), 0x04030201, "32 bits");
	is_eq(get_unaligned_le64(wire + 1), 0x0807060504030201LL, "64 bits");
	put_unaligned_le64(0x0807060504030201ULL, out + 1);
	is_mem(out, wire, sizeof(wire), "64 bits");
	put_unaligned_le16(0x0100, out + 7);
	is_mem(out + 7, "\0\1", 2, "16 bits");
	memcpy(&word, wire + 1, sizeof(word));
	is_eq(le32_to_cpu(word), 0x04030201, "aligned");
	is_eq(le16_to_cpu(cpu_to_le16(0x1234)), 0x1234, "there and back");
}

TEST(arithmetic)
{
	u64 product;
	u32 sum;
	u8 least = 3;
	int x = 1, y = 2;

	is_eq(min(x, y) * 10 + max(x, y), 12, "min, max");
	is_eq(min_t(u32, -1, 7), 7, "as unsigned");
	is_eq(clamp(9, 1, 5) * 10 + clamp(-9, 1, 5), 51, "clamp");
	swap(x, y);
	is_eq(x * 10 + y, 21, "swap");
	is_eq(ALIGN(13u, 8) + ALIGN(16u, 8), 32, "ALIGN");
	is_eq(ALIGN_DOWN(15u, 8), 8, "ALIGN_DOWN");
	is_eq(ALIGN(1ULL << 40 | 1, 8u), (1LL << 40) + 8, "no bits are lost");
	is_eq(round_up(9u, 8) + round_down(9u, 8), 24, "round_up, round_down");
	is_eq(roundup(10u, 3) + rounddown(10u, 3), 21, "roundup, rounddown");
	is_eq(DIV_ROUND_UP(9, 8) + DIV_ROUND_UP(8, 8), 3, "DIV_ROUND_UP");
	ok(IS_ALIGNED(16u, 8) && !IS_ALIGNED(12u, 8), "IS_ALIGNED");
	is_eq(div64_u64(1ULL << 40, 1ULL << 38) + div_u64(10, 3), 7, "divisions");
	ok(check_add_overflow(U32_MAX, 1u, &sum) && !sum, "too large a sum");
	ok(!check_mul_overflow(1ULL << 32, 1ULL << 31, &product) && product == 1ULL << 63,
	   "a product that fits");
	is_eq(array_size(SIZE_MAX, least), SIZE_MAX, "saturates");
}

TEST(bits)
{
	ok(is_power_of_2(1) && is_power_of_2(4096) && !is_power_of_2(0) && !is_power_of_2(12),
	   "is_power_of_2");
	is_eq(ilog2(1) + ilog2(4096) + ilog2(8191ULL), 24, "ilog2");
	is_eq(fls(0) + fls(1) + fls64(1ULL << 63), 65, "fls, fls64");
	is_eq(__ffs(12), 2, "__ffs");
	is_eq(roundup_pow_of_two(5) + roundup_pow_of_two(8), 16, "roundup_pow_of_two");
	is_eq(rounddown_pow_of_two(5) + rounddown_pow_of_two(8), 12, "rounddown_pow_of_two");
	is_eq(hweight64(0xf0f0ULL) + hweight32(7), 11, "hweight");
	is_eq(BIT(3) + BIT_ULL(4) + GENMASK_ULL(7, 4), 8 + 16 + 0xf0, "masks");
}

struct tail {
	u32 n;
	u32 word[];
};

TEST(memory)
{
	u32 *words = kcalloc(4, sizeof(*words), GFP_KERNEL);
	void *none = kmalloc(0, GFP_KERNEL);
	struct tail *tail = NULL;

	ok(none && ZERO_OR_NULL_PTR(none), "no bytes");
	none = krealloc(none, 8, GFP_KERNEL);
	ok(!ZERO_OR_NULL_PTR(none), "grown from no bytes");
	none = krealloc(none, 0, GFP_KERNEL);
	ok(ZERO_OR_NULL_PTR(none), "back to no bytes");
	kfree(none);
	kfree(NULL);
	must(words, "memory");
	ok(!memchr_inv(words, 0, 4 * sizeof(*words)), "zeroed");
	words[3] = 7;
	words = krealloc(words, 4096, GFP_KERNEL);
	must(words, "memory");
	is_eq(words[3], 7, "kept");
	kfree(words);
	ok(!kmalloc_array(SIZE_MAX / 2, 4, GFP_KERNEL), "an overflow");
	ok(!kcalloc(SIZE_MAX / 2, 4, GFP_KERNEL), "an overflow");
	is_eq(struct_size(tail, word, 3), 16, "struct_size");
	words = kvzalloc(1 << 20, GFP_KERNEL);
	ok(words && !memchr_inv(words, 0, 1 << 20), "a megabyte");
	kvfree(words);
}

TEST(copies)
{
	char *s = kstrdup("abc", GFP_KERNEL), *cut = kstrndup("abc", 2, GFP_KERNEL);
	void *bytes = kmemdup("xyz", 3, GFP_KERNEL);

	if (ok(s && cut && bytes, "memory")) {
		is_str(s, "abc", "kstrdup");
		is_str(cut, "ab", "kstrndup");
		is_mem(bytes, "xyz", 3, "kmemdup");
	}
	kfree(s);
	kfree(cut);
	kfree(bytes);
	ok(!kstrdup(NULL, GFP_KERNEL), "nothing of nothing");
}

TEST(strings)
{
	char buf[4];
	u8 bytes[40] = { 0 };

	is_eq(strscpy(buf, "abc", sizeof(buf)), 3, "fits");
	is_eq(strscpy(buf, "xyzw", sizeof(buf)), -E2BIG, "is cut");
	is_str(buf, "xyz", "and ended");
	is_eq(strscpy(buf, "", 0), -E2BIG, "no room");
	is_eq(scnprintf(buf, sizeof(buf), "%d", 12345), 3, "what was written");
	is_str(buf, "123", "and ended");
	is_eq(scnprintf(buf, 0, "%d", 1), 0, "no room");
	ok(!memchr_inv(bytes, 0, sizeof(bytes)), "all the same");
	bytes[33] = 1;
	ok(memchr_inv(bytes, 0, sizeof(bytes)) == bytes + 33, "but for one");
	memzero_explicit(bytes, sizeof(bytes));
	ok(!memchr_inv(bytes, 0, sizeof(bytes)), "zeroed");
	is_eq(str_has_prefix("name=x", "name=") * 10 + str_has_prefix("na", "name="), 50, "prefix");
}

TEST(error_pointers)
{
	void *p = ERR_PTR(-ENOMEM);
	int x;

	ok(IS_ERR(p) && IS_ERR_OR_NULL(p) && IS_ERR_OR_NULL(NULL), "errors");
	ok(!IS_ERR(NULL) && !IS_ERR(&x) && !IS_ERR_OR_NULL(&x), "none");
	is_eq(PTR_ERR(p), -ENOMEM, "which");
	is_eq(PTR_ERR_OR_ZERO(p) + PTR_ERR_OR_ZERO(&x), -ENOMEM, "or none");
	ok(IS_ERR(ERR_PTR(-MAX_ERRNO)) && !IS_ERR(ERR_PTR(-MAX_ERRNO - 1)), "the last one");
}

TEST(warnings)
{
	is_eq(WARN_ON(0) + WARN_ON_ONCE(0), 0, "no reason to warn");
}

TEST(types)
{
	struct item item, *i = &item;

	ok(container_of(&i->link, struct item, link) == i, "container_of");
	is_eq(ARRAY_SIZE(((struct kvec[3]){})), 3, "ARRAY_SIZE");
	is_eq(offsetofend(struct tail, n), 4, "offsetofend");
	ok(U64_MAX == ~0ULL && S64_MAX == U64_MAX / 2 && S64_MIN == -S64_MAX - 1, "64 bits");
	ok(S8_MIN == -128 && U8_MAX == 255 && U16_MAX == 65535 && S32_MIN < 0, "fewer bits");
	BUILD_BUG_ON(sizeof(u64) != 8 || sizeof(__le16) != 2);
}

TESTS(shim, list_order, list_splices, hlist_order, accesses, exchanges, byte_order, arithmetic,
      bits, memory, copies, strings, error_pointers, warnings, types);
