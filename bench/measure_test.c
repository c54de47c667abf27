/* SPDX-License-Identifier: MIT */
/* The statistics that verdicts rest on, against values worked out by hand. */
#include "measure.h"

#include "tap.h"

#include <errno.h>

static void count_up(double *v, unsigned int n)
{
	unsigned int i;

	/* In an order that is not sorted: 7 divides none of the sizes. */
	for (i = 0; i < n; i++)
		v[i * 7 % n] = i + 1;
}

TEST(percentiles)
{
	double v[100];

	count_up(v, 100);
	is_eq(measure_percentile(v, 100, 0.5), 50, "p50");
	is_eq(measure_percentile(v, 100, 0.99), 99, "p99");
	is_eq(measure_percentile(v, 100, 0), 1, "least");
	is_eq(measure_percentile(v, 100, 1), 100, "most");
	is_eq(measure_percentile(v, 1, 0.5), 1, "of one value");
}

/* Of n values the k-th and the (n + 1 - k)-th enclose the median with 95 %. */
TEST(interval_of_a_median)
{
	static const struct {
		unsigned int n, k;
	} known[] = { { 5, 1 }, { 6, 1 }, { 9, 2 }, { 24, 7 }, { 25, 8 }, { 100, 40 } };
	struct interval m;
	double v[100];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		count_up(v, known[i].n);
		m = measure_median(v, known[i].n);
		is_eq(m.low, known[i].k, "low end of %u", known[i].n);
		is_eq(m.high, known[i].n + 1 - known[i].k, "high end of %u", known[i].n);
		is_eq(2 * m.median, known[i].n + 1, "median of %u", known[i].n);
	}
}

TEST(verdicts)
{
	struct interval below = { 1.0, 0.9, 1.1 }, across = { 1.2, 1.1, 1.3 };
	struct interval above = { 1.4, 1.3, 1.5 };

	is_eq(measure_judge(below, AT_MOST, 1.2), VERDICT_MET, "below an upper bar");
	is_eq(measure_judge(across, AT_MOST, 1.2), VERDICT_NOT_DECIDED, "across an upper bar");
	is_eq(measure_judge(above, AT_MOST, 1.2), VERDICT_MISSED, "above an upper bar");
	is_eq(measure_judge(below, AT_LEAST, 1.2), VERDICT_MISSED, "below a lower bar");
	is_eq(measure_judge(across, AT_LEAST, 1.2), VERDICT_NOT_DECIDED, "across a lower bar");
	is_eq(measure_judge(above, AT_LEAST, 1.2), VERDICT_MET, "above a lower bar");
	is_eq(measure_judge(above, AT_MOST, 0), VERDICT_NONE, "no bar");
}

/* A machine that slows down by a percent a measurement, and a subject of twice the floor. */
struct drift {
	unsigned int taken, renewed;
	int fail_at;
};

static int drift_renew(void *arg)
{
	struct drift *d = arg;

	d->renewed++;
	return 0;
}

static int drift_measure(void *arg, enum measure_arm arm, double *value)
{
	struct drift *d = arg;

	if (++d->taken == (unsigned int)d->fail_at)
		return -EIO;
	*value = (arm == ARM_SUBJECT ? 2.0 : 1.0) * (1 + 0.01 * d->taken);
	return 0;
}

static struct claim drift_claim(struct drift *d)
{
	return (struct claim){
		.name = "drift",
		.unit = "s",
		.side = AT_MOST,
		.bar = 2.1,
		.pairs = MEASURE_PAIRS_MIN,
		.set = 6,
		.renew = drift_renew,
		.measure = drift_measure,
		.arg = d,
	};
}

TEST(drift_cancels)
{
	struct drift d = { 0 };
	struct claim c = drift_claim(&d);
	struct comparison r;

	must(!measure_claim(&c, &r), "measured");
	is_eq(d.taken, 3 * MEASURE_PAIRS_MIN, "three arms a pair");
	is_eq(d.renewed, MEASURE_PAIRS_MIN / 6, "sets");
	ok(r.ratio.low > 1.9 && r.ratio.high < 2.1, "ratio %d per mille",
	   (int)(r.ratio.median * 1000));
	ok(r.control.low <= 1 && r.control.high >= 1, "control");
	is_eq(r.verdict, VERDICT_MET, "verdict");
}

TEST(a_value_without_a_floor)
{
	struct drift d = { 0 };
	struct claim c = drift_claim(&d);
	struct comparison r;

	c.absolute = true;
	c.bar = 2.2;
	must(!measure_claim(&c, &r), "measured");
	is_eq(d.taken, MEASURE_PAIRS_MIN, "only the subject");
	ok(r.ratio.median > 2.2 && r.ratio.median < 2.3, "the value itself");
	is_eq(r.verdict, VERDICT_NOT_DECIDED, "2.14 to 2.36 against 2.2");
}

TEST(refusals)
{
	struct drift d = { .fail_at = 5 };
	struct claim c = drift_claim(&d);
	struct comparison r;

	is_eq(measure_claim(&c, &r), -EIO, "a measurement that fails");
	c.pairs = MEASURE_PAIRS_MIN - 6;
	is_eq(measure_claim(&c, &r), -EINVAL, "too few pairs");
	c.pairs = MEASURE_PAIRS_MIN;
	c.set = 7;
	is_eq(measure_claim(&c, &r), -EINVAL, "sets that don't fit");
}

TESTS(measure, percentiles, interval_of_a_median, verdicts, drift_cancels, a_value_without_a_floor,
      refusals);
