/* scratch.c - see scratch.h. */
#include "num/scratch.h"
#include "base/memory.h"
#include "base/threads.h"

static struct {
	float *memory[THREADS_MOST];
	size_t count[THREADS_MOST];
} scratch;

int scratch_reserve(size_t count)
{
	for (int worker = 0; worker < threads_count(); worker++) {
		if (scratch.count[worker] >= count)
			continue;
		memory_release(scratch.memory[worker]);
		scratch.count[worker] = 0;
		scratch.memory[worker] = memory_allocate(count, sizeof(float));
		if (!scratch.memory[worker])
			return -1;
		scratch.count[worker] = count;
	}
	return 0;
}

float *scratch_of(int worker)
{
	return scratch.memory[worker];
}
