/* product.c - BLIS (see product.h).
 * BLIS picks its kernels by what it knows of the CPU, and an older BLIS knows little of a newer
 * CPU: 0.9 takes haswell on recent Intel servers and the portable C loops on Zen 5. Here the level
 * that cpu.h found decides, unless the user has set BLIS_ARCH_TYPE (figures: SPEED.md).
 */
#include "num/product.h"
#include "base/abort.h"
#include "base/error.h"
#include "base/cpu.h"

#include <blis.h>
#include <stdio.h>
#include <stdlib.h>

static bool started;

/* BLIS's id for a level, or -1 if the library was built without those kernels: an id it does not
 * have would end the process. */
static int architecture(enum cpu_level level)
{
	switch (level) {
	case CPU_AMX:
	case CPU_AVX512:
#if defined(BLIS_CONFIG_SKX)
		return BLIS_ARCH_SKX;
#endif
	case CPU_AVX2:
#if defined(BLIS_CONFIG_HASWELL)
		return BLIS_ARCH_HASWELL;
#endif
	case CPU_REF:
#if defined(BLIS_CONFIG_GENERIC)
		return BLIS_ARCH_GENERIC;
#endif
		break;
	}
	return -1;
}

int product_start(void)
{
	if (started)
		return 0;
	if (cpu_start() < 0)
		return -1;
	int wanted = architecture(cpu_level());
	if (wanted >= 0 && (cpu_forced() || cpu_level() > CPU_REF)) {
		char text[16];
		snprintf(text, sizeof text, "%d", wanted);
		/* Without it other kernels would be taken, and other last bits come out. */
		if (setenv("BLIS_ARCH_TYPE", text, cpu_forced()) < 0)
			return error_memory(sizeof text);
	}
	abort_means_memory(true);
	bli_init();
	abort_means_memory(false);
	started = true;
	return 0;
}

static void run(const struct product *product, int threads)
{
	float one = 1.0f, zero = 0.0f;
	rntm_t runtime = BLIS_RNTM_INITIALIZER;
	abort_means_memory(true);
	bli_rntm_set_num_threads(threads, &runtime);
	bli_sgemm_ex(product->a_transposed ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE,
	    product->b_transposed ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE, (dim_t)product->m,
	    (dim_t)product->n, (dim_t)product->k, &one, (float *)product->a, (inc_t)product->a_row, 1,
	    (float *)product->b, (inc_t)product->b_row, 1, product->add ? &one : &zero, product->c,
	    (inc_t)product->c_row, 1, NULL, &runtime);
	abort_means_memory(false);
}

void product_run(const struct product *product)
{
	run(product, 1);
}

void product_run_threads(const struct product *product, int threads)
{
	run(product, threads);
}

const char *product_version(void)
{
	static char text[80];
	if (product_start() < 0)
		return "kernels none: ZV_CPU asks for what this CPU has not";
	snprintf(text, sizeof text, "kernels %s, BLIS %s %s", cpu_level_name(cpu_level()),
	    bli_info_get_version_str(), bli_arch_string(bli_arch_query_id()));
	return text;
}
