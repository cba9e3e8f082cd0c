#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "net_random.h"

#define TENSORS_MAX 40
#define TEXT_MAX    16384
#define SIDE_MAX    16
#define CHANNEL_MAX 12

struct tensor {
	int h, w, c;
	int uses;
};

/* A net being written: t[0] is the input, t[i] the output of the layer named ti. */
struct writer {
	struct et_rng *r;
	bool smooth;
	struct tensor t[TENSORS_MAX];
	int n, convs;
	bool weights[TENSORS_MAX];
	size_t used;
	char text[TEXT_MAX];
};

static void put(struct writer *w, const char *fmt, ...) ET_PRINTF(2, 3);
static void put(struct writer *w, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	w->used += (size_t)vsnprintf(w->text + w->used, TEXT_MAX - w->used, fmt, ap);
	va_end(ap);
	ck_assert_uint_lt(w->used, TEXT_MAX);
}

static const char *name_of(int t, char buf[16])
{
	if (t)
		snprintf(buf, 16, "t%d", t);
	else
		snprintf(buf, 16, "input");
	return buf;
}

static bool chance(struct writer *w, int percent)
{
	return num_int(w->r, 1, 100) <= percent;
}

/* Starts a layer reading t; the caller adds its keys and calls done(). */
static void begin(struct writer *w, const char *type, const int *in, int n_in)
{
	char buf[16];
	put(w, "%s{'name':'t%d','type':'%s','inputs':[", w->n > 1 ? "," : "", w->n, type);
	for (int i = 0; i < n_in; i++) {
		put(w, "%s'%s'", i ? "," : "", name_of(in[i], buf));
		w->t[in[i]].uses++;
	}
	put(w, "]");
}

static int done(struct writer *w, int h, int wd, int c)
{
	put(w, "}");
	ck_assert_int_lt(w->n, TENSORS_MAX);
	w->t[w->n] = (struct tensor){h, wd, c, 0};
	return w->n++;
}

static int plain(struct writer *w, const char *type, int in)
{
	begin(w, type, &in, 1);
	return done(w, w->t[in].h, w->t[in].w, w->t[in].c);
}

static int conv(struct writer *w, int in, int out, int stride)
{
	struct tensor t = w->t[in];
	int k = num_int(w->r, 0, 1) ? 3 : 1, groups = 1;

	if (chance(w, 20)) {
		groups = t.c;
		out = t.c;
	} else if (t.c % 2 == 0 && out % 2 == 0 && chance(w, 20)) {
		groups = 2;
	}
	begin(w, "conv2d", &in, 1);
	put(w, ",'out_channels':%d,'kernel_size':%d,'padding':%d,'stride':%d,'groups':%d,'bias':%s",
	    out, k, k / 2, stride, groups, chance(w, 50) ? "true" : "false");
	w->convs++;
	w->weights[w->n] = true;
	return done(w, (t.h - 1) / stride + 1, (t.w - 1) / stride + 1, out);
}

static int norm(struct writer *w, int in)
{
	w->weights[w->n] = true;
	return plain(w, "batchnorm2d", in);
}

static int activation(struct writer *w, int in)
{
	static const char *const kinds[] = {"sigmoid", "dropout", "relu", "relu6", "hardswish"};
	return plain(w, kinds[num_int(w->r, 0, w->smooth ? 1 : 4)], in);
}

static int block(struct writer *w, int in)
{
	struct tensor t = w->t[in];
	int stride = num_int(w->r, 1, 2), out = chance(w, 60) ? t.c : num_int(w->r, 2, CHANNEL_MAX);
	bool basic = chance(w, 60);

	begin(w, basic ? "basic_block" : "inverted_residual", &in, 1);
	put(w, ",'out_channels':%d,'stride':%d", out, stride);
	if (!basic)
		put(w, ",'expand_ratio':%d", num_int(w->r, 1, 2));
	if (chance(w, 30))
		put(w, ",'batchnorm':false");
	w->weights[w->n] = true;
	return done(w, (t.h - 1) / stride + 1, (t.w - 1) / stride + 1, out);
}

static int pool(struct writer *w, int in)
{
	struct tensor t = w->t[in];

	if (t.h < 2 || t.w < 2 || chance(w, 20)) {
		begin(w, "adaptive_avgpool2d", &in, 1);
		int p = num_int(w->r, 1, 6), q = num_int(w->r, 1, 6);
		put(w, ",'output_size':[%d,%d]", p, q);
		return done(w, p, q, t.c);
	}
	begin(w, w->smooth || chance(w, 40) ? "avgpool2d" : "maxpool2d", &in, 1);
	if (chance(w, 50)) {
		put(w, ",'kernel_size':2");
		return done(w, t.h / 2, t.w / 2, t.c);
	}
	put(w, ",'kernel_size':3,'stride':1,'padding':1");
	return done(w, t.h, t.w, t.c);
}

static int upsample(struct writer *w, int in)
{
	int p = num_int(w->r, 1, SIDE_MAX), q = num_int(w->r, 1, SIDE_MAX);
	begin(w, "upsample2d", &in, 1);
	put(w, ",'size':[%d,%d],'mode':'%s'", p, q, chance(w, 50) ? "nearest" : "bilinear");
	return done(w, p, q, w->t[in].c);
}

/* A tensor like t in height and width, and in channels too if asked; t itself if none is found. */
static int like(struct writer *w, int t, bool channels)
{
	int from = num_int(w->r, 0, w->n - 1);
	for (int i = 0; i < w->n; i++) {
		int u = (from + i) % w->n;
		if (w->t[u].h == w->t[t].h && w->t[u].w == w->t[t].w &&
		    (!channels || w->t[u].c == w->t[t].c) && (u != t || chance(w, 15)))
			return u;
	}
	return t;
}

static int add(struct writer *w, int in)
{
	int ins[3] = {in, like(w, in, true), like(w, in, true)};
	if (chance(w, 50)) {
		ins[0] = ins[1];
		ins[1] = in;
	}
	begin(w, "add", ins, chance(w, 80) ? 2 : 3);
	return done(w, w->t[in].h, w->t[in].w, w->t[in].c);
}

static int mul(struct writer *w, int in)
{
	struct tensor t = w->t[in];
	int ins[2] = {in, like(w, in, true)};

	if (chance(w, 50)) {
		int at = plain(w, "global_avgpool2d", in);
		w->t[at].h = w->t[at].w = 1;
		if (chance(w, 70)) {
			begin(w, "linear", &at, 1);
			put(w, ",'out_features':%d", t.c);
			w->weights[w->n] = true;
			at = done(w, 1, 1, t.c);
		}
		ins[1] = plain(w, "sigmoid", at);
	}
	begin(w, "mul", ins, 2);
	return done(w, t.h, t.w, t.c);
}

static int concat(struct writer *w, int in)
{
	struct tensor t = w->t[in];
	int ins[2] = {in, like(w, in, false)};
	int c = t.c + w->t[ins[1]].c;

	if (c > 3 * CHANNEL_MAX)
		return add(w, in);
	begin(w, "concat", ins, 2);
	return done(w, t.h, t.w, c);
}

static int layer(struct writer *w, int in)
{
	int out = num_int(w->r, 2, CHANNEL_MAX), stride = chance(w, 25) ? 2 : 1;

	switch (num_int(w->r, 0, 13)) {
	case 0:
		return conv(w, in, out, stride);
	case 1:
		return norm(w, conv(w, in, out, stride));
	case 2:
	case 3:
		return activation(w, norm(w, conv(w, in, out, stride)));
	case 4: /* the pattern that residual fusion looks for, in both orders of its inputs */
	case 5:
		return activation(w, add(w, norm(w, conv(w, in, w->t[in].c, 1))));
	case 6:
		return add(w, conv(w, in, w->t[in].c, 1));
	case 7:
		return activation(w, in);
	case 8:
		return norm(w, in);
	case 9:
		return w->smooth ? norm(w, in) : block(w, in);
	case 10:
		return pool(w, in);
	case 11:
		return chance(w, 50) ? upsample(w, in) : concat(w, in);
	case 12:
		return mul(w, in);
	default:
		return add(w, in);
	}
}

/* What nothing has read yet meets in one vector, and the classifier reads that. */
static void finish(struct writer *w, int classes)
{
	int open[TENSORS_MAX] = {0}, n = 0, end = w->n;

	for (int i = 1; i < end; i++)
		if (!w->t[i].uses && n < 15) {
			open[n] = plain(w, "global_avgpool2d", i);
			w->t[open[n]].h = w->t[open[n]].w = 1;
			n++;
		}
	int at = open[0], c = 0;
	for (int i = 0; i < n; i++)
		c += w->t[open[i]].c;
	if (n > 1) {
		begin(w, "concat", open, n);
		at = done(w, 1, 1, c);
	} else if (chance(w, 50)) {
		begin(w, "flatten", &at, 1);
		at = done(w, 1, 1, c);
	}
	begin(w, "linear", &at, 1);
	put(w, ",'out_features':%d", classes);
	w->weights[w->n] = true;
	done(w, 1, 1, classes);
}

static void select_some(struct writer *w, struct random_net *net)
{
	char *globs = num_alloc(TENSORS_MAX * 8, 1);

	net->trainable = globs;
	if (w->convs && chance(w, 25)) {
		net->last = num_int(w->r, 1, w->convs);
		return;
	}
	if (chance(w, 40))
		return;
	for (int i = 1; i < w->n; i++)
		if (w->weights[i] && chance(w, 35))
			sprintf(globs + strlen(globs), "%st%d%s", *globs ? "," : "", i,
				chance(w, 30) ? ".*" : "");
}

struct random_net random_net(struct et_rng *r, bool smooth)
{
	struct writer *w = num_alloc(1, sizeof(*w));
	struct random_net net = {0};
	int classes = num_int(r, 2, 5), layers = num_int(r, 1, 9);

	w->r = r;
	w->smooth = smooth;
	w->t[0] = (struct tensor){num_int(r, 3, 11), num_int(r, 3, 11), chance(w, 70) ? 3 : 1, 0};
	w->n = 1;
	for (int i = 0; i < layers && w->n < TENSORS_MAX - 24; i++)
		layer(w, chance(w, 70) ? w->n - 1 : num_int(r, 0, w->n - 1));
	finish(w, classes);
	select_some(w, &net);
	net.text = net_text(w->t[0].c, w->t[0].h, w->t[0].w, classes, w->text);
	return net;
}
