/* caption_loss.c - ITG (spec 7.2): the token behind each row of a caption, over the whole
 * vocabulary, in pieces of rows so that the logits of a large vocabulary stay within bounds.
 */
#include "train/contrast_stage.h"
#include "num/gradient.h"
#include "train/saves.h"

enum { LOGITS_MOST = 1 << 24 }; /* of a piece: 64 MB */

static int run_piece(struct contrast_pass *pass, const float *rows, size_t n,
    const int32_t *targets, float scale, float *logits, float *drows, struct entropy *entropy)
{
	struct contrast *contrast = pass->contrast;
	struct qformer_network *network = contrast->network;
	if (qformer_network_caption(network, rows, n, pass->training ? contrast->saves : NULL, logits) <
	        0 ||
	    cross_entropy(logits, n, network->vocabulary, targets, contrast->options.smoothing, scale,
	        entropy) < 0)
		return -1;
	return pass->training
	           ? qformer_network_caption_backward(network, n, logits, contrast->saves, drows)
	           : 0;
}

int caption_loss(struct contrast_pass *pass, const float *rows, size_t n, float *drows)
{
	struct contrast *contrast = pass->contrast;
	double weight = contrast->options.itg_weight;
	size_t width = contrast->network->width, vocabulary = contrast->network->vocabulary;
	size_t piece = LOGITS_MOST / vocabulary > 0 ? LOGITS_MOST / vocabulary : 1;
	size_t mark = saves_mark(contrast->workspace), right = 0;
	double sum = 0;
	float *logits = saves_push(contrast->workspace, "logits", (n < piece ? n : piece) * vocabulary);
	if (!logits)
		return -1;
	for (size_t i = 0; i < n; i += piece) {
		struct entropy entropy;
		size_t count = n - i < piece ? n - i : piece;
		float *target = drows ? drows + i * width : NULL;
		if (run_piece(pass, rows + i * width, count, contrast->targets.at + i,
		        (float)(weight / (double)n) * pass->scale, logits, target, &entropy) < 0)
			return -1;
		sum += entropy.loss;
		right += entropy.right;
	}
	saves_reset(contrast->workspace, mark);
	stage_report_add(pass->report, "itg", sum, (double)n);
	stage_report_add(pass->report, "itg-right", (double)right, (double)n);
	pass->report->total += weight * sum / (double)n;
	return 0;
}
