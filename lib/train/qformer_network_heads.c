/* qformer_network_heads.c - the heads of the Q-Former under training: those that are linear layers
 * are opened here and used by the stages; captioning is a transform and the tied decoder (spec 3.5;
 * LAVIS Qformer.py BertLMPredictionHead).
 */
#include "train/qformer_network_layers.h"
#include "base/error.h"
#include "model/parameters.h"
#include "num/gradient.h"
#include "stream/model_file.h"
#include "train/network.h"
#include "train/saves.h"
#include "train/weights.h"

static int open_text_heads(struct qformer_network *network, float eps)
{
	struct weights *weights = network->weights;
	size_t width = network->width;
	network->word_embeddings = network_tensor(
	    weights, "embeddings.word_embeddings.weight", network->vocabulary, width, false);
	if (!network->word_embeddings)
		return -1;
	network->can_caption = weights_find(weights, "cls.predictions.bias") != NULL;
	if (!network->can_caption)
		return 0;
	network->caption_bias =
	    network_tensor(weights, "cls.predictions.bias", 0, network->vocabulary, true);
	network->inside->decoder = (struct dense){ .weight = network->word_embeddings,
		.bias = network->caption_bias,
		.out = network->vocabulary,
		.in = width };
	if (!network->caption_bias || dense_open(&network->caption_dense, weights,
	                                  "cls.predictions.transform.dense", width, width) < 0)
		return -1;
	return trained_norm_open(
	    &network->caption_norm, weights, "cls.predictions.transform.LayerNorm", width, eps, true);
}

int qformer_network_open_heads(struct qformer_network *network, float eps)
{
	struct weights *weights = network->weights;
	size_t width = network->width, contrast_width = network->contrast_width;
	if (network->positions > 0 && open_text_heads(network, eps) < 0)
		return -1;
	if (network->llm_width > 0 && dense_open(&network->language_projection, weights,
	                                  "language_projection", network->llm_width, width) < 0)
		return -1;
	if (contrast_width > 0 && (dense_open(&network->vision_projection, weights, "vision_projection",
	                               contrast_width, width) < 0 ||
	                              dense_open(&network->text_projection, weights, "text_projection",
	                                  contrast_width, width) < 0))
		return -1;
	network->can_match = weights_find(weights, "itm_head.weight") != NULL;
	if (network->can_match && dense_open(&network->match_head, weights, "itm_head", 2, width) < 0)
		return -1;
	if (!weights_find(weights, "temp"))
		return 0;
	network->temperature = network_tensor(weights, "temp", 0, 1, true);
	return network->temperature ? 0 : -1;
}

/* What the decoder reads: norm(gelu(hidden)); active is behind gelu. */
static int transform(const struct qformer_network *network, const float *hidden, size_t n,
    float *active, float *transformed)
{
	gelu_forward(hidden, n * network->width, active);
	return trained_norm_forward(&network->caption_norm, active, n, transformed);
}

int qformer_network_caption(struct qformer_network *network, const float *rows, size_t n,
    struct saves *saves, float *logits)
{
	struct saves *workspace = network->inside->workspace;
	size_t mark = saves_mark(workspace), count = n * network->width;
	int result = -1;
	if (!network->can_caption)
		return error_system("the model has no captioning head");
	float *kept = saves ? saves_push(saves, "caption-rows", count) : NULL;
	float *hidden =
	    saves && !kept ? NULL : saves_push(saves ? saves : workspace, "caption-hidden", count);
	float *active = hidden ? saves_push(workspace, "active", count) : NULL;
	float *transformed = active ? saves_push(workspace, "transformed", count) : NULL;
	if (kept)
		network_copy(kept, rows, count);
	if (transformed &&
	    dense_forward(&network->caption_dense, rows, n, hidden, LINEAR_STORE, NULL, NULL) == 0 &&
	    transform(network, hidden, n, active, transformed) == 0)
		result = dense_forward(
		    &network->inside->decoder, transformed, n, logits, LINEAR_STORE, NULL, NULL);
	saves_reset(workspace, mark);
	return result;
}

static int caption_backward(struct qformer_network *network, size_t n, const float *dlogits,
    const float *rows, const float *hidden, float *drows)
{
	struct saves *workspace = network->inside->workspace;
	size_t count = n * network->width;
	float *active = saves_push(workspace, "active", count);
	float *transformed = active ? saves_push(workspace, "transformed", count) : NULL;
	float *d = transformed ? saves_push(workspace, "dtransformed", count) : NULL;
	if (!d || transform(network, hidden, n, active, transformed) < 0 ||
	    dense_backward(&network->inside->decoder, transformed, n, dlogits, d, false, NULL, NULL,
	        workspace) < 0 ||
	    trained_norm_backward(&network->caption_norm, active, n, d, d, false) < 0)
		return -1;
	gelu_backward(hidden, count, d);
	return dense_backward(&network->caption_dense, rows, n, d, drows, false, NULL, NULL, workspace);
}

int qformer_network_caption_backward(struct qformer_network *network, size_t n,
    const float *dlogits, struct saves *saves, float *drows)
{
	size_t mark = saves_mark(network->inside->workspace), count = n * network->width;
	const float *hidden = saves_pop(saves, "caption-hidden", count);
	const float *rows = hidden ? saves_pop(saves, "caption-rows", count) : NULL;
	int result = rows ? caption_backward(network, n, dlogits, rows, hidden, drows) : -1;
	saves_reset(network->inside->workspace, mark);
	return result;
}
