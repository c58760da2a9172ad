/* attention_batch - the attention of training and its gradient against sums in double, whose own
 * gradient is checked by differences; small products against the plain ones. Every CPU level and
 * thread count has a process of its own, because both are settled once.
 */
#include "tap.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/threads.h"
#include "num/attention_batch.h"
#include "num/kernels.h"
#include "num/product.h"

enum { MOST_ITEMS = 4, MASK = 101 };

struct shape {
	const char *name;
	size_t heads, kv_heads, width;
	size_t count;
	struct attention_item items[MOST_ITEMS]; /* starts are filled in */
	float dropout;
	bool shared; /* all items have the keys of the first */
};

static const struct shape shapes[] = {
	{ "one of everything", 1, 1, 1, 1, { { .queries = 1, .keys = 1, .open = 1 } }, 0, false },
	{ "odd sizes", 2, 2, 7, 3,
	    { { .queries = 5, .keys = 3, .open = 3 }, { .queries = 13, .keys = 29, .open = 29 },
	        { .queries = 1, .keys = 17, .open = 17 } },
	    0, false },
	{ "65 rows of 6 heads of 32", 6, 6, 32, 2,
	    { { .queries = 65, .keys = 65, .open = 65 }, { .queries = 17, .keys = 17, .open = 17 } }, 0,
	    false },
	{ "257 keys, width 88", 2, 2, 88, 1, { { .queries = 257, .keys = 257, .open = 257 } }, 0,
	    false },
	{ "causal, grouped heads", 6, 2, 64, 3,
	    { { .queries = 131, .keys = 131, .see = 1 }, { .queries = 3, .keys = 10, .see = 8 },
	        { .queries = 31, .keys = 31, .see = 1 } },
	    0, false },
	{ "open in front, causal behind", 2, 2, 32, 2,
	    { { .queries = 40, .keys = 40, .open = 8, .see = 1 },
	        { .queries = 11, .keys = 11, .open = 8, .see = 1 } },
	    0, false },
	{ "shared keys", 4, 2, 16, 4,
	    { { .queries = 8, .keys = 65, .open = 65 }, { .queries = 9, .keys = 65, .open = 65 },
	        { .queries = 98, .keys = 65, .open = 65 }, { .queries = 2, .keys = 33, .open = 33 } },
	    0, true },
	{ "many keys", 1, 1, 128, 1, { { .queries = 101, .keys = 1027, .see = 927 } }, 0, false },
	{ "a row that sees nothing", 1, 1, 8, 2,
	    { { .queries = 3, .keys = 3 }, { .queries = 2, .keys = 0 } }, 0, false },
	{ "dropout", 3, 3, 40, 3,
	    { { .queries = 23, .keys = 37, .open = 37 }, { .queries = 40, .keys = 40, .see = 1 },
	        { .queries = 1, .keys = 9, .open = 9 } },
	    0.3f, false },
	{ "dropout, shared keys, grouped heads", 4, 2, 40, 2,
	    { { .queries = 11, .keys = 31, .open = 31 }, { .queries = 101, .keys = 31, .open = 31 } },
	    0.1f, true },
};

static uint32_t state = 7;

static void *room(size_t count, size_t size)
{
	void *memory = memory_allocate_zero(count ? count : 1, size);
	if (!memory)
		exit(2);
	return memory;
}

static float *values(size_t count)
{
	float *x = room(count, sizeof *x);
	for (size_t i = 0; i < count; i++) {
		state = state * 1664525u + 1013904223u;
		x[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
	}
	return x;
}

/* A batch with values, its results and what they should be. Rows are a little wider than heads. */
struct trial {
	struct attention_batch batch;
	struct attention_item items[MOST_ITEMS];
	size_t q_rows, kv_rows;
	float *q, *k, *v, *y, *dy, *dq, *dk, *dv;
	double *mask; /* [item][head][query][key] of at most MASK queries and keys; NULL: all 1 */
};

static void trial_make(const struct shape *shape, struct trial *trial)
{
	*trial = (struct trial){ .q_rows = 0 };
	state = 7; /* the same values in every process */
	memcpy(trial->items, shape->items, sizeof trial->items);
	for (size_t i = 0; i < shape->count; i++) {
		struct attention_item *item = &trial->items[i];
		item->q_start = trial->q_rows + 1;
		trial->q_rows = item->q_start + item->queries;
		item->kv_start = shape->shared ? 2 : trial->kv_rows;
		if (item->kv_start + item->keys > trial->kv_rows)
			trial->kv_rows = item->kv_start + item->keys;
	}
	struct attention_batch *batch = &trial->batch;
	*batch = (struct attention_batch){ .heads = shape->heads,
		.kv_heads = shape->kv_heads,
		.head_width = shape->width,
		.scale = 0.7f };
	batch->q_row = shape->heads * shape->width + 3;
	batch->kv_row = shape->kv_heads * shape->width + 5;
	batch->y_row = shape->heads * shape->width + 2;
	batch->q = trial->q = values(trial->q_rows * batch->q_row);
	batch->k = trial->k = values(trial->kv_rows * batch->kv_row);
	batch->v = trial->v = values(trial->kv_rows * batch->kv_row);
	batch->count = shape->count;
	batch->items = trial->items;
	batch->dropout = shape->dropout;
	batch->seed = 11;
	batch->step = 3;
	batch->place = 5;
	trial->y = values(trial->q_rows * batch->y_row);
	trial->dy = values(trial->q_rows * batch->y_row);
	trial->dq = values(trial->q_rows * batch->q_row);
	trial->dk = values(trial->kv_rows * batch->kv_row);
	trial->dv = values(trial->kv_rows * batch->kv_row);
}

/* What is wanted, in double: y stored where rows of items are, gradients added. */
struct wanted {
	double *y, *dq, *dk, *dv;
};

static double *doubles(const float *x, size_t count)
{
	double *wide = room(count, sizeof *wide);
	for (size_t i = 0; i < count; i++)
		wide[i] = (double)x[i];
	return wide;
}

static double mask_at(const struct trial *trial, size_t item, size_t head, size_t row, size_t key)
{
	size_t place = (item * trial->batch.heads + head) * MASK + row;
	return trial->mask ? trial->mask[place * MASK + key] : 1;
}

/* Weights of one row over the keys it sees. How many. */
static size_t reference_weights(
    const struct attention_batch *batch, const float *q, const float *k, size_t seen, double *p)
{
	double sum = 0;
	for (size_t key = 0; key < seen; key++) {
		double score = 0;
		for (size_t i = 0; i < batch->head_width; i++)
			score += (double)q[i] * (double)k[key * batch->kv_row + i];
		p[key] = exp(score * (double)batch->scale);
		sum += p[key];
	}
	for (size_t key = 0; key < seen; key++)
		p[key] /= sum;
	return seen;
}

/* One query row of one head. */
static void reference_row(
    const struct trial *trial, size_t number, size_t head, size_t row, const struct wanted *wanted)
{
	const struct attention_batch *batch = &trial->batch;
	const struct attention_item *item = &batch->items[number];
	size_t width = batch->head_width, seen = row + item->see,
	       group = batch->heads / batch->kv_heads;
	size_t at = (item->q_start + row) * batch->q_row + head * width;
	size_t out = (item->q_start + row) * batch->y_row + head * width;
	size_t kv = item->kv_start * batch->kv_row + head / group * width;
	seen = seen > item->open ? seen : item->open;
	seen = seen < item->keys ? seen : item->keys;
	double *p = room(seen, sizeof *p), *g = room(seen, sizeof *g), mean = 0;
	reference_weights(batch, trial->q + at, trial->k + kv, seen, p);
	for (size_t i = 0; i < width; i++)
		wanted->y[out + i] = 0;
	for (size_t key = 0; key < seen; key++) {
		double mask = mask_at(trial, number, head, row, key);
		for (size_t i = 0; i < width; i++) {
			size_t value = kv + key * batch->kv_row + i;
			wanted->y[out + i] += p[key] * mask * (double)trial->v[value];
			g[key] += mask * (double)trial->dy[out + i] * (double)trial->v[value];
			wanted->dv[value] += p[key] * mask * (double)trial->dy[out + i];
		}
		mean += p[key] * g[key];
	}
	for (size_t key = 0; key < seen; key++)
		for (size_t i = 0; i < width; i++) {
			size_t value = kv + key * batch->kv_row + i;
			double d = p[key] * (g[key] - mean) * (double)batch->scale;
			wanted->dq[at + i] += d * (double)trial->k[value];
			wanted->dk[value] += d * (double)trial->q[at + i];
		}
	memory_release(p);
	memory_release(g);
}

static struct wanted reference(const struct trial *trial)
{
	const struct attention_batch *batch = &trial->batch;
	size_t q_count = trial->q_rows * batch->q_row, kv_count = trial->kv_rows * batch->kv_row;
	struct wanted wanted = { doubles(trial->y, trial->q_rows * batch->y_row),
		doubles(trial->dq, q_count), doubles(trial->dk, kv_count), doubles(trial->dv, kv_count) };
	for (size_t item = 0; item < batch->count; item++)
		for (size_t head = 0; head < batch->heads; head++)
			for (size_t row = 0; row < batch->items[item].queries; row++)
				reference_row(trial, item, head, row, &wanted);
	return wanted;
}

static void wanted_end(struct wanted *wanted)
{
	memory_release(wanted->y);
	memory_release(wanted->dq);
	memory_release(wanted->dk);
	memory_release(wanted->dv);
}

/* Values that name their key, for every head. */
static float *naming_values(const struct trial *trial)
{
	const struct attention_batch *batch = &trial->batch;
	float *v = room(trial->kv_rows * batch->kv_row, sizeof *v);
	for (size_t item = 0; item < batch->count; item++)
		for (size_t key = 0; key < batch->items[item].keys; key++)
			for (size_t head = 0; head < batch->kv_heads; head++)
				v[(batch->items[item].kv_start + key) * batch->kv_row + head * batch->head_width +
				    key] = 1;
	return v;
}

/* The masks, read off the outputs of equal weights times values that name their key. False: they
 * are not 0 or 1 / (1 - rate), or not about rate of them are 0. */
static bool masks_read(struct trial *trial)
{
	struct attention_batch probe = trial->batch;
	float *v = naming_values(trial), *y = room(trial->q_rows * probe.y_row, sizeof *y);
	double kept = 1 / (1 - (double)probe.dropout), count = 0, dropped = 0;
	bool good = true;
	probe.scale = 0;
	probe.v = v;
	if (attention_batch_forward(&probe, y) < 0)
		exit(2);
	trial->mask = room(probe.count * probe.heads * MASK * MASK, sizeof *trial->mask);
	for (size_t place = 0; place < probe.count * probe.heads * MASK; place++) {
		size_t row = place % MASK, head = place / MASK % probe.heads;
		const struct attention_item *item = &probe.items[place / MASK / probe.heads];
		size_t seen = item->open > 0 ? item->open : row + item->see;
		const float *weights = y + (item->q_start + row) * probe.y_row + head * probe.head_width;
		for (size_t key = 0; row < item->queries && key < seen; key++) {
			double mask = (double)seen * (double)weights[key];
			trial->mask[place * MASK + key] = mask;
			count++;
			dropped += mask == 0;
			good = good && (mask == 0 || fabs(mask / kept - 1) < 1e-4);
		}
	}
	memory_release(v);
	memory_release(y);
	return good && fabs(dropped / count - (double)probe.dropout) < 3 / sqrt(count);
}

/* The largest difference, of a number above 1 relative to it. */
static double off(const float *got, const double *wanted, size_t count)
{
	double most = 0;
	for (size_t i = 0; i < count; i++) {
		double difference = fabs((double)got[i] - wanted[i]) / fmax(1, fabs(wanted[i]));
		if (!(difference <= most))
			most = difference;
	}
	return isnan(most) ? INFINITY : most;
}

/* Sum of dy y over the rows of items: what the gradients are of. */
static double loss(const struct trial *trial)
{
	const struct attention_batch *batch = &trial->batch;
	struct wanted wanted = reference(trial);
	double sum = 0;
	for (size_t item = 0; item < batch->count; item++)
		for (size_t row = 0; row < batch->items[item].queries; row++)
			for (size_t i = 0; i < batch->heads * batch->head_width; i++) {
				size_t at = (batch->items[item].q_start + row) * batch->y_row + i;
				sum += wanted.y[at] * (double)trial->dy[at];
			}
	wanted_end(&wanted);
	return sum;
}

/* How far the gradients of the reference are from differences of its loss, at some places of x
 * (one of the inputs of trial); base: what the gradient was added to. */
static double differences(
    const struct trial *trial, float *x, const double *gradient, const float *base, size_t count)
{
	double most = 0;
	size_t step = count / 7 + 1;
	for (size_t at = count / 11; at < count; at += step) {
		float before = x[at];
		x[at] = before + 0x1p-10f;
		double above = loss(trial), x_above = (double)x[at];
		x[at] = before - 0x1p-10f;
		double below = loss(trial), x_below = (double)x[at];
		x[at] = before;
		double wanted = (above - below) / (x_above - x_below);
		most = fmax(most, fabs(gradient[at] - (double)base[at] - wanted) / fmax(1, fabs(wanted)));
	}
	return most;
}

static uint64_t hash_of(uint64_t hash, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001B3u;
	return hash;
}

/* What a process found of one shape. */
struct result {
	double forward, gradient, differences;
	bool masks;
	uint64_t hash;
};

enum { LEVELS = 3, THREADS = 3, SHAPES = sizeof shapes / sizeof *shapes };

static struct result trial_run(struct trial *trial, bool difference)
{
	const struct attention_batch *batch = &trial->batch;
	struct result result = { .masks = batch->dropout == 0 || masks_read(trial) };
	struct wanted wanted = reference(trial);
	size_t q_count = trial->q_rows * batch->q_row, kv_count = trial->kv_rows * batch->kv_row;
	size_t y_count = trial->q_rows * batch->y_row;
	if (difference)
		result.differences = fmax(differences(trial, trial->q, wanted.dq, trial->dq, q_count),
		    fmax(differences(trial, trial->k, wanted.dk, trial->dk, kv_count),
		        differences(trial, trial->v, wanted.dv, trial->dv, kv_count)));
	if (attention_batch_forward(batch, trial->y) < 0 ||
	    attention_batch_backward(batch, trial->dy, trial->dq, trial->dk, trial->dv) < 0)
		exit(2);
	result.forward = off(trial->y, wanted.y, y_count);
	result.gradient = fmax(off(trial->dq, wanted.dq, q_count),
	    fmax(off(trial->dk, wanted.dk, kv_count), off(trial->dv, wanted.dv, kv_count)));
	result.hash = hash_of(0xCBF29CE484222325u, trial->y, y_count * sizeof(float));
	result.hash = hash_of(result.hash, trial->dq, q_count * sizeof(float));
	result.hash = hash_of(result.hash, trial->dk, kv_count * sizeof(float));
	result.hash = hash_of(result.hash, trial->dv, kv_count * sizeof(float));
	wanted_end(&wanted);
	return result;
}

static void trial_end(struct trial *trial)
{
	float *all[] = { trial->q, trial->k, trial->v, trial->y, trial->dy, trial->dq, trial->dk,
		trial->dv };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		memory_release(all[i]);
	memory_release(trial->mask);
}

/* A product of every ending, around which nothing may change. */
static bool matrix_right(const struct kernels *kernels, size_t m, size_t n, size_t k, bool add)
{
	enum { ROOM = 60000 };
	float *a = values(ROOM), *b = values(ROOM), *c = values(ROOM),
	      *wanted = room(ROOM, sizeof *wanted);
	memcpy(wanted, c, ROOM * sizeof *c);
	struct matrix_product product = { m, n, k, a, b, c + 1, add ? 1 : k + 1, add ? m + 2 : 1, n + 3,
		n + 5, add };
	kernels->matrix(&product);
	product.c = wanted + 1;
	kernels_ref.matrix(&product);
	double most = 0;
	for (size_t i = 0; i < ROOM; i++) {
		bool inside = i > 0 && (i - 1) / (n + 5) < m && (i - 1) % (n + 5) < n;
		double difference = fabs((double)c[i] - (double)wanted[i]);
		most = fmax(most, inside ? difference / 1e-4 : difference > 0 ? 2 : 0);
	}
	memory_release(a);
	memory_release(b);
	memory_release(c);
	memory_release(wanted);
	return most < 1;
}

static bool transpose_right(const struct kernels *kernels, size_t rows, size_t columns)
{
	float *x = values(rows * (columns + 3)), *y = values(columns * (rows + 1));
	bool good = true;
	kernels->transpose(x, columns + 3, rows, columns, y, rows + 1);
	for (size_t i = 0; i < rows * columns; i++)
		good = good && y[i % columns * (rows + 1) + i / columns] ==
		                   x[i / columns * (columns + 3) + i % columns];
	memory_release(x);
	memory_release(y);
	return good;
}

static bool kernels_right(void)
{
	static const size_t columns[] = { 1, 7, 8, 15, 16, 17, 32, 65, 88 },
	                    depths[] = { 0, 1, 5, 193, 400 };
	const struct kernels *kernels = kernels_get();
	bool products = true, turned = true;
	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		for (size_t j = 0; j < sizeof depths / sizeof *depths; j++)
			for (size_t m = 1; m <= 13; m++)
				products = products && matrix_right(kernels, m, columns[i], depths[j], m % 2);
	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
			turned = turned && transpose_right(kernels, columns[i], columns[j]);
	return products && turned;
}

/* A child's whole life: results to descriptor; status 3 if this CPU has not the level,
 * 4 if its small products are wrong. */
static void child(const char *level, int threads, int descriptor)
{
	setenv("ZV_CPU", level, 1);
	if (product_start() < 0)
		_exit(3);
	if (threads_start(threads) < 0)
		_exit(2);
	if (threads == 1 && !kernels_right())
		_exit(4);
	for (size_t i = 0; i < SHAPES; i++) {
		struct trial trial;
		trial_make(&shapes[i], &trial);
		/* The reference is the same for all, so once is enough; large ones take long. */
		bool small = trial.q_rows * trial.kv_rows < 10000;
		struct result result =
		    trial_run(&trial, small && threads == 1 && strcmp(level, "ref") == 0);
		trial_end(&trial);
		if (write(descriptor, &result, sizeof result) != (ssize_t)sizeof result)
			_exit(2);
	}
	threads_stop();
	_exit(0);
}

/* The child's status. */
static int results_of(const char *level, int threads, struct result results[SHAPES])
{
	int ends[2], status;
	fflush(NULL);
	if (pipe(ends) < 0)
		exit(2);
	pid_t process = fork();
	if (process == 0)
		child(level, threads, ends[1]);
	close(ends[1]);
	for (size_t i = 0; i < SHAPES; i++) {
		results[i] = (struct result){ .forward = INFINITY };
		if (read(ends[0], &results[i], sizeof results[i]) != (ssize_t)sizeof results[i])
			break;
	}
	close(ends[0]);
	if (process < 0 || waitpid(process, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void test_level(const char *level)
{
	struct result results[THREADS][SHAPES];
	for (int threads = 1; threads <= THREADS; threads++) {
		int status = results_of(level, threads, results[threads - 1]);
		if (status == 3) {
			tap_skip(level, "this CPU has it not");
			return;
		}
		TAP_OK(status != 4, "%s: small products and transposes", level);
		TAP_OK(status == 0, "%s, %d threads: runs", level, threads);
	}
	for (size_t i = 0; i < SHAPES; i++) {
		const struct result *result = &results[0][i];
		TAP_OK(result->forward < 3e-6, "%s, %s: forward (%.1e off)", level, shapes[i].name,
		    result->forward);
		TAP_OK(result->gradient < 1e-5, "%s, %s: gradients (%.1e off)", level, shapes[i].name,
		    result->gradient);
		TAP_OK(result->masks, "%s, %s: masks", level, shapes[i].name);
		TAP_OK(result->hash == results[1][i].hash && result->hash == results[2][i].hash,
		    "%s, %s: the same bytes by 1, 2 and 3 threads", level, shapes[i].name);
		if (strcmp(level, "ref") == 0)
			TAP_OK(result->differences < 1e-5, "%s: gradients are differences (%.1e off)",
			    shapes[i].name, result->differences);
	}
}

int main(void)
{
	static const char *const levels[LEVELS] = { "ref", "avx2", "avx512" };
	for (int i = 0; i < LEVELS; i++)
		test_level(levels[i]);
	return tap_finish();
}
