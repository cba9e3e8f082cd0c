/*
 * Heads of segmentation networks: from features to one vector of logits a pixel of them. FCN and
 * ASPP are torchvision's (models.segmentation: FCNHead, DeepLabHead), PSP and UPer mmsegmentation's
 * (PSPHead, UPerHead), each with the parameter names it has there.
 */
#include <stdio.h>

#include "net/compose.h"

#define SCALES_MAX 8 /* branches of a head */

struct head {
	int64_t out, channels;
	double dropout;
	int n; /* rates of ASPP, or sizes of pooling */
	int scale[SCALES_MAX];
};

/* The keys that all heads have, and of pyramids the list `scales`. */
static int read_head(struct head *h, bool *norms, const struct et_spec_builder *b, const cJSON *o,
		     const char *where, const char *scales, struct et_err *err)
{
	int found = et_spec_width(b, o, where, "out_channels", 1 << 16, &h->out, err);
	ET_TRY(found);
	if (!found)
		return et_fail(err, ET_EDATA, "%s: out_channels is missing", where);
	ET_TRY(et_json_int(o, where, "channels", 1, 1 << 16, &h->channels, err));
	ET_TRY(et_json_num(o, where, "dropout", 0, 0.999, &h->dropout, err));
	ET_TRY(et_json_bool(o, where, "batchnorm", norms, err));
	if (scales)
		ET_TRY(et_compose_list(o, where, scales, 64, h->scale, SCALES_MAX, &h->n, err));
	return ET_OK;
}

static struct et_compose_conv square(int64_t out, int kernel)
{
	return (struct et_compose_conv){.out = (int)out, .kernel = kernel};
}

/* ---- torchvision ----------------------------------------------------------------------------- */

/* Convolution, batch norm and ReLU as members i, i + 1 and i + 2 of a Sequential. */
static void sequence(struct et_compose *c, const char *prefix, int i, struct et_compose_conv conv)
{
	char name[48];

	snprintf(name, sizeof(name), "%s%d", prefix, i);
	et_compose_conv(c, name, conv);
	snprintf(name, sizeof(name), "%s%d", prefix, i + 1);
	et_compose_norm(c, name);
	snprintf(name, sizeof(name), "%s%d", prefix, i + 2);
	et_compose_plain(c, name, &et_type_relu);
}

static const char *const fcn_keys[] = {"out_channels", "channels", "dropout", "batchnorm", NULL};

/* 3x3 to a quarter of the channels, dropout, 1x1. */
static int fcn(struct et_spec_builder *b, const char *name, const cJSON *o, const char *where,
	       const int *in, int n_in, struct et_err *err)
{
	int channels = et_spec_shape(b->spec, in[0]).c / 4;
	struct head h = {.channels = channels ? channels : 1, .dropout = 0.1};
	struct et_compose c = {.b = b, .name = name, .err = err, .at = in[0], .norms = true};
	(void)n_in;

	ET_TRY(read_head(&h, &c.norms, b, o, where, NULL, err));
	sequence(&c, "", 0, square(h.channels, 3));
	et_compose_dropout(&c, "3", h.dropout);
	et_compose_logits(&c, "4", (int)h.out);
	return c.status;
}

static const char *const aspp_keys[] = {"out_channels", "channels",  "rates",
					"dropout",	"batchnorm", NULL};

/*
 * Side by side: 1x1, a 3x3 of each rate, and the mean of all pixels through a 1x1; their channels
 * through a 1x1, dropout, 3x3, 1x1.
 */
static int aspp(struct et_spec_builder *b, const char *name, const cJSON *o, const char *where,
		const int *in, int n_in, struct et_err *err)
{
	struct head h = {.channels = 256, .dropout = 0.5, .n = 3, .scale = {12, 24, 36}};
	struct et_compose c = {.b = b, .name = name, .err = err, .at = in[0], .norms = true};
	int branch[SCALES_MAX + 2];
	char prefix[32], pool[32], resize[32];
	(void)n_in;

	ET_TRY(read_head(&h, &c.norms, b, o, where, "rates", err));
	for (int i = 0; i <= h.n; i++) {
		struct et_compose_conv conv = square(h.channels, i ? 3 : 1);
		conv.dilation = i ? h.scale[i - 1] : 1;
		snprintf(prefix, sizeof(prefix), "0.convs.%d.", i);
		et_compose_from(&c, in[0]);
		sequence(&c, prefix, 0, conv);
		branch[i] = c.at;
	}
	snprintf(pool, sizeof(pool), "0.convs.%d.0", h.n + 1);
	snprintf(prefix, sizeof(prefix), "0.convs.%d.", h.n + 1);
	snprintf(resize, sizeof(resize), "0.convs.%d.resize", h.n + 1);
	et_compose_from(&c, in[0]);
	et_compose_pool(&c, pool, 1);
	sequence(&c, prefix, 1, square(h.channels, 1));
	et_compose_resize(&c, resize, et_spec_shape(b->spec, in[0]));
	branch[h.n + 1] = c.at;
	et_compose_join(&c, "0.concat", &et_type_concat, branch, h.n + 2);
	sequence(&c, "0.project.", 0, square(h.channels, 1));
	et_compose_dropout(&c, "0.project.3", h.dropout);
	sequence(&c, "", 1, square(h.channels, 3));
	et_compose_logits(&c, "4", (int)h.out);
	return c.status;
}

/* ---- mmsegmentation -------------------------------------------------------------------------- */

/* Its ConvModule. */
static void module(struct et_compose *c, const char *prefix, struct et_compose_conv conv)
{
	char name[48];

	snprintf(name, sizeof(name), "%s.conv", prefix);
	et_compose_conv(c, name, conv);
	snprintf(name, sizeof(name), "%s.bn", prefix);
	et_compose_norm(c, name);
	snprintf(name, sizeof(name), "%s.activate", prefix);
	et_compose_plain(c, name, &et_type_relu);
}

/* What is current and its means over coarser and finer grids, each through a 1x1; then 3x3. */
static void pyramid(struct et_compose *c, const struct head *h)
{
	struct et_shape like = et_compose_shape(c);
	int branch[SCALES_MAX + 1] = {c->at};
	char name[48];

	for (int i = 0; i < h->n; i++) {
		et_compose_from(c, branch[0]);
		snprintf(name, sizeof(name), "psp_modules.%d.0", i);
		et_compose_pool(c, name, h->scale[i]);
		snprintf(name, sizeof(name), "psp_modules.%d.1", i);
		module(c, name, square(h->channels, 1));
		snprintf(name, sizeof(name), "psp_modules.%d.resize", i);
		et_compose_resize(c, name, like);
		branch[i + 1] = c->at;
	}
	et_compose_join(c, "concat", &et_type_concat, branch, h->n + 1);
	module(c, "bottleneck", square(h->channels, 3));
}

static const char *const pyramid_keys[] = {"out_channels", "channels",	"pool_scales",
					   "dropout",	   "batchnorm", NULL};

static int psp(struct et_spec_builder *b, const char *name, const cJSON *o, const char *where,
	       const int *in, int n_in, struct et_err *err)
{
	struct head h = {.channels = 512, .dropout = 0.1, .n = 4, .scale = {1, 2, 3, 6}};
	struct et_compose c = {.b = b, .name = name, .err = err, .at = in[0], .norms = true};
	(void)n_in;

	ET_TRY(read_head(&h, &c.norms, b, o, where, "pool_scales", err));
	pyramid(&c, &h);
	et_compose_dropout(&c, "dropout", h.dropout);
	et_compose_logits(&c, "conv_seg", (int)h.out);
	return c.status;
}

#define LEVELS_MAX 8

/*
 * A feature pyramid: the last input through the pooling pyramid, each other through a 1x1; from the
 * last to the first, each is added to the one before, resized; 3x3 on all but the last; all resized
 * to the first, their channels through a 3x3.
 */
static int uper(struct et_spec_builder *b, const char *name, const cJSON *o, const char *where,
		const int *in, int n_in, struct et_err *err)
{
	struct head h = {.channels = 512, .dropout = 0.1, .n = 4, .scale = {1, 2, 3, 6}};
	struct et_compose c = {.b = b, .name = name, .err = err, .at = in[0], .norms = true};
	int level[LEVELS_MAX], top = n_in - 1;
	char text[48];

	ET_TRY(read_head(&h, &c.norms, b, o, where, "pool_scales", err));
	for (int i = 0; i < top; i++) {
		et_compose_from(&c, in[i]);
		snprintf(text, sizeof(text), "lateral_convs.%d", i);
		module(&c, text, square(h.channels, 1));
		level[i] = c.at;
	}
	et_compose_from(&c, in[top]);
	pyramid(&c, &h);
	level[top] = c.at;
	for (int i = top - 1; i >= 0; i--) {
		snprintf(text, sizeof(text), "lateral_convs.%d.resize", i);
		et_compose_resize(&c, text, et_spec_shape(b->spec, in[i]));
		snprintf(text, sizeof(text), "lateral_convs.%d.add", i);
		et_compose_join(&c, text, &et_type_add, (int[]){level[i], c.at}, 2);
		level[i] = c.at;
	}
	for (int i = 0; i <= top; i++) {
		et_compose_from(&c, level[i]);
		snprintf(text, sizeof(text), "fpn_convs.%d", i);
		if (i < top)
			module(&c, text, square(h.channels, 3));
		snprintf(text, sizeof(text), "fpn_convs.%d.resize", i);
		et_compose_resize(&c, text, et_spec_shape(b->spec, in[0]));
		level[i] = c.at;
	}
	et_compose_join(&c, "fpn_concat", &et_type_concat, level, n_in);
	module(&c, "fpn_bottleneck", square(h.channels, 3));
	et_compose_dropout(&c, "dropout", h.dropout);
	et_compose_logits(&c, "conv_seg", (int)h.out);
	return c.status;
}

const struct et_composite et_fcn = {"fcn", fcn_keys, 1, 1, fcn};
const struct et_composite et_aspp = {"aspp", aspp_keys, 1, 1, aspp};
const struct et_composite et_psp = {"psp", pyramid_keys, 1, 1, psp};
const struct et_composite et_uper = {"uper", pyramid_keys, 2, LEVELS_MAX, uper};
