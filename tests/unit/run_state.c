/* run_state.c - checkpoints of training: everything comes back bit for bit; what does not fit or is
 * damaged is refused and changes nothing; a writer that is killed or whose disk is full leaves the
 * earlier one whole.
 */
#define _GNU_SOURCE
#include "tap.h"
#include "toy_weights.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "train/adamw.h"
#include "train/run_state.h"
#include "train/weights.h"

static const struct toy_tensor tensors[] = {
	{ "a.weight", 'E', 60, 50 },
	{ "a.bias", 'f', 0, 60 },
	{ "frozen.weight", 'f', 5, 5 },
};
enum { TENSORS = sizeof tensors / sizeof tensors[0], PARTS = 2 };

static const char settings[] = "stage=contrast\nbatch=64\nrate=1e-4\n";

struct run {
	struct weights *parts[PARTS];
	struct adamw adamw;
	struct run_state state;
};

/* A run with trained parameters in two parts, all numbers its own. */
static struct run begin(uint32_t seed, bool average)
{
	struct run run = { .adamw = { .average = average ? 0.9 : 0, .step = seed + 4 },
		.state = { .step = seed,
		    .best = 1.0 / seed,
		    .best_step = seed + 1,
		    .validated = seed + 2,
		    .seconds = 1.0 / (seed + 3),
		    .since = { .examples = seed + 5 },
		    .settings = settings } };
	stage_report_add(&run.state.since, "itc", 1.0 / (seed + 6), 3);
	stage_report_add(&run.state.since, "itc-right", seed + 7, 1e300);
	static const char *const names[PARTS] = { "vit", "qformer" };
	for (int part = 0; part < PARTS; part++) {
		struct weights *weights = run.parts[part] = weights_open("toy", names[part]);
		if (!weights || parameter_train(weights_find(weights, "a.weight"), 1) < 0 ||
		    parameter_train(weights_find(weights, "a.bias"), 1) < 0 ||
		    !weights_add(weights, "head.weight", 3, 3, false))
			exit(2);
	}
	if (adamw_begin(&run.adamw, run.parts, PARTS) < 0)
		exit(2);
	struct parameter *parameter;
	for (int part = 0; part < PARTS; part++)
		for (size_t i = 0; (parameter = weights_at(run.parts[part], i)); i++)
			for (size_t k = 0; parameter->value && k < parameter->count; k++) {
				parameter->value[k] = toy_random(&seed);
				parameter->first_moment[k] = toy_random(&seed);
				parameter->second_moment[k] = toy_random(&seed);
				if (average)
					parameter->average[k] = toy_random(&seed);
			}
	return run;
}

static void end(struct run *run)
{
	for (int part = 0; part < PARTS; part++)
		weights_close(run->parts[part]);
}

static bool same_values(const float *a, const float *b, size_t count)
{
	return !a == !b && (!a || memcmp(a, b, count * sizeof *a) == 0);
}

static bool same(const struct run *a, const struct run *b)
{
	const struct parameter *one, *two;
	if (a->state.step != b->state.step || a->state.best != b->state.best ||
	    a->state.best_step != b->state.best_step || a->state.validated != b->state.validated ||
	    a->state.seconds != b->state.seconds || a->adamw.step != b->adamw.step ||
	    memcmp(&a->state.since, &b->state.since, sizeof a->state.since) != 0)
		return false;
	for (int part = 0; part < PARTS; part++)
		for (size_t i = 0; (one = weights_at(a->parts[part], i)); i++) {
			two = weights_at(b->parts[part], i);
			if (!same_values(one->value, two->value, one->count) ||
			    !same_values(one->first_moment, two->first_moment, one->count) ||
			    !same_values(one->second_moment, two->second_moment, one->count) ||
			    !same_values(one->average, two->average, one->count))
				return false;
		}
	return true;
}

static int put(const char *path, const struct run *run)
{
	return run_state_write(path, &run->state, &run->adamw, run->parts, PARTS);
}

static int get(const char *path, struct run *run)
{
	return run_state_read(path, &run->state, &run->adamw, run->parts, PARTS);
}

static void test_round_trip(bool average)
{
	struct run first = begin(10, average), second = begin(20, average);
	first.state.best = -INFINITY;
	TAP_OK(get("none", &second) == 0, "there is no checkpoint");
	TAP_OK(put("run", &first) == 0 && !same(&first, &second), "one is written");
	TAP_OK(get("run", &second) == 1 && same(&first, &second), "everything comes back");
	end(&first);
	end(&second);
}

/* run (which differs from the checkpoint) is refused with these words, and stays as it was. */
static void refused(const char *path, struct run *run, const char *words, const char *name)
{
	struct run before = begin(20, run->adamw.average > 0);
	int result = get(path, run);
	TAP_OK(result < 0 && error_kind() == ERROR_SYSTEM && strstr(error_text(), words), "%s: %s",
	    name, result < 0 ? error_text() : "was taken");
	TAP_OK(same(&before, run), "%s: nothing is changed", name);
	end(&before);
}

static void test_refusals(void)
{
	struct run first = begin(10, false), other = begin(20, false), more = begin(20, true);
	if (put("run", &first) < 0)
		exit(2);
	other.state.settings = "stage=contrast\nbatch=32\nrate=1e-4\n";
	refused("run", &other, "started with \"batch=64\", now it is \"batch=32\"", "other settings");
	other.state.settings = "stage=contrast\nbatch=64\n";
	refused("run", &other, "started with \"rate=1e-4\", now it is \"\"", "fewer settings");
	other.state.settings = settings;
	refused("run", &more, "no average of a.weight", "an average that was not kept");
	refused("toy/vit.zv", &other, "no checkpoint of training", "a model file");
	if (put("run", &more) < 0)
		exit(2);
	refused("run", &other, "trained more parameters", "an average that is not wanted");
	TAP_OK(run_state_read("run", &more.state, &more.adamw, more.parts, PARTS) == 1,
	    "what was refused can be read by whom it is for");
	end(&more);
	/* The same shapes, other values. */
	toy_write("toy", "vit", "stage=vit\n", tensors, TENSORS, 99);
	more = begin(20, true);
	refused("run", &more, "began with another vit.zv", "another model");
	toy_write("toy", "vit", "stage=vit\n", tensors, TENSORS, 1);
	end(&first);
	end(&other);
	end(&more);
}

static void write_bytes(const char *path, const char *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
		exit(2);
}

/* A bit in every region of the file, and every kind of cut. */
static void test_damage(void)
{
	struct run first = begin(10, false), second = begin(20, false), before = begin(20, false);
	char *bytes;
	size_t size, refusals = 0, changes = 0, tried = 0;
	if (put("run", &first) < 0 || file_read("run", 1 << 26, &bytes, &size) < 0)
		exit(2);
	for (size_t at = 0; at < size; at += at < 4000 ? 61 : 1009, tried++) {
		bytes[at] ^= 4;
		write_bytes("damaged", bytes, size);
		bytes[at] ^= 4;
		/* What is taken had the bit in padding, and is what was written. */
		int result = get("damaged", &second);
		refusals += result < 0;
		changes += result < 0 && !same(&second, &before);
		changes += result > 0 && !same(&second, &first);
		if (result > 0) {
			end(&second);
			second = begin(20, false);
		}
	}
	TAP_OK(refusals > tried * 9 / 10 && changes == 0, "%zu of %zu damaged ones are refused",
	    refusals, tried);
	refusals = tried = 0;
	for (size_t length = 0; length < size; length += length < 4000 ? 97 : 2003, tried++) {
		write_bytes("damaged", bytes, length);
		refusals += get("damaged", &second) < 0;
	}
	TAP_OK(refusals == tried && same(&second, &before), "%zu that are cut off are refused", tried);
	memory_release(bytes);
	end(&first);
	end(&second);
	end(&before);
}

/* Is the file one of the two, whole? */
static bool is_one_of(const char *path, const struct run *old, const struct run *new)
{
	struct run found = begin(3, false);
	bool right = get(path, &found) == 1 && (same(&found, old) || same(&found, new));
	end(&found);
	return right;
}

static void test_disk_full(void)
{
	struct run first = begin(10, false), second = begin(20, false);
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	bool whole = true;
	if (put("run", &first) < 0)
		exit(2);
	signal(SIGXFSZ, SIG_IGN);
	for (rlim_t room = 0; room < 70000; room += 9973) {
		struct rlimit limit = { room, RLIM_INFINITY };
		setrlimit(RLIMIT_FSIZE, &limit);
		int result = put("run", &second);
		setrlimit(RLIMIT_FSIZE, &unlimited);
		whole =
		    whole && result < 0 && error_kind() == ERROR_SYSTEM && is_one_of("run", &first, &first);
	}
	TAP_OK(whole, "a full disk leaves the earlier checkpoint");
	TAP_OK(
	    put("run", &second) == 0 && is_one_of("run", &second, &second), "then there is room again");
	end(&first);
	end(&second);
}

/* kill -9 at any time: the file is the old or the new one. */
static void test_kill(void)
{
	struct run first = begin(10, false), second = begin(20, false);
	bool whole = true;
	uint32_t state = 6;
	if (put("run", &first) < 0)
		exit(2);
	for (int round = 0; round < 20; round++) {
		pid_t child = fork();
		if (child == 0)
			for (int turn = 0;; turn++)
				if (put("run", turn % 2 ? &second : &first) < 0)
					_exit(1);
		struct timespec wait = { 0, (long)((double)(toy_random(&state) + 1) * 4e6) };
		nanosleep(&wait, NULL);
		/* It goes in any case: it would write for ever. */
		int status = 0;
		bool killed = child > 0 && kill(child, SIGKILL) == 0 &&
		              waitpid(child, &status, 0) == child && WIFSIGNALED(status);
		whole = killed && is_one_of("run", &first, &second) && whole;
	}
	TAP_OK(whole, "killed at 20 moments: there is a whole checkpoint");
	end(&first);
	end(&second);
}

int main(void)
{
	toy_write("toy", "vit", "stage=vit\n", tensors, TENSORS, 1);
	toy_write("toy", "qformer", "stage=qformer\n", tensors, TENSORS, 2);
	test_round_trip(false);
	test_round_trip(true);
	test_refusals();
	test_damage();
	test_disk_full();
	test_kill();
	return tap_finish();
}
