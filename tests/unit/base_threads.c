/* base_threads.c - the pool runs every chunk exactly once, whatever the numbers. */
#include "base/threads.h"
#include "tap.h"

#include <stdatomic.h>
#include <string.h>

enum { CHUNKS_MOST = 10000 };

static atomic_int ran[CHUNKS_MOST];
static atomic_int bad_worker;

static void count_chunk(void *context, size_t chunk, int worker)
{
	if (worker < 0 || worker >= threads_count() || context != ran)
		atomic_store(&bad_worker, 1);
	atomic_fetch_add(&ran[chunk], 1);
}

static size_t wrong_counts(size_t chunks)
{
	memset(ran, 0, sizeof ran);
	threads_run(chunks, count_chunk, ran);
	size_t wrong = 0;
	for (size_t i = 0; i < CHUNKS_MOST; i++)
		wrong += atomic_load(&ran[i]) != (i < chunks);
	return wrong;
}

int main(void)
{
	TAP_OK(threads_available() >= 1, "there is a CPU");
	TAP_OK(threads_count() == 1 && wrong_counts(100) == 0, "without a pool the caller does all");
	for (int count = 1; count <= 8; count = count * 2 + (count == 1)) {
		TAP_OK(threads_start(count) == 0 && threads_count() == count, "%d threads start", count);
		size_t wrong = 0;
		for (size_t chunks = 0; chunks < 40; chunks++)
			wrong += wrong_counts(chunks);
		wrong += wrong_counts(CHUNKS_MOST);
		for (int round = 0; round < 3000; round++) /* wake-ups that could be lost */
			threads_run(3, count_chunk, ran);
		TAP_OK(wrong == 0, "%d threads run each chunk once", count);
		threads_stop();
		TAP_OK(threads_count() == 1, "%d threads stop", count);
	}
	TAP_OK(!atomic_load(&bad_worker), "workers are numbered within the count");
	return tap_finish();
}
