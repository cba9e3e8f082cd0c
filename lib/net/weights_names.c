/* Names of other programs for the parameters of the networks they share with this one. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/weights.h"

/* ---- prefixes -------------------------------------------------------------------------------- */

/* The name behind the first prefix, or NULL when there is none. */
static const char *stripped(const char *name)
{
	static const char *const prefixes[] = {"module.", "model.", "backbone.", "_orig_mod."};

	for (size_t i = 0; i < ET_COUNT(prefixes); i++) {
		size_t n = strlen(prefixes[i]);
		if (strncmp(name, prefixes[i], n) == 0)
			return name + n;
	}
	return NULL;
}

/* A name without any of them. */
static const char *bare(const char *name)
{
	for (const char *next; (next = stripped(name));)
		name = next;
	return name;
}

bool et_names_param(const struct et_net *net, const char *name)
{
	for (int i = 0; i < net->n_params; i++)
		if (strcmp(net->params[i].name, name) == 0)
			return true;
	return false;
}

/* A name as the network has it, after as few prefixes as need be; without any, if it has none. */
static const char *own_name(const struct et_net *net, const char *name)
{
	for (const char *at = name; at; at = stripped(at))
		if (et_names_param(net, at))
			return at;
	name = bare(name);
	for (int i = 0; i < net->n_params; i++)
		if (strcmp(bare(net->params[i].name), name) == 0)
			return net->params[i].name;
	return name;
}

/* ---- timm's MobileNetV2 ---------------------------------------------------------------------- */

/*
 * conv_stem, bn1             features.0.0, features.0.1
 * blocks.0.0                 features.1.conv: conv_dw 0.0, bn1 0.1, conv_pw 1, bn2 2
 * blocks.S.B, the i-th       features.i.conv: conv_pw 0.0, bn1 0.1, conv_dw 1.0, bn2 1.1, conv_pwl
 * 2, bn3 3 conv_head, bn2             features.i.0, features.i.1, behind the last block classifier
 * classifier.1
 */
static const struct {
	const char *timm, *torchvision;
} whole[] = {{"conv_stem", "features.0.0"},
	     {"bn1", "features.0.1"},
	     {"classifier", "classifier.1"}},
  first[] = {{"conv_dw", "0.0"}, {"bn1", "0.1"}, {"conv_pw", "1"}, {"bn2", "2"}},
  later[] = {{"conv_pw", "0.0"}, {"bn1", "0.1"},    {"conv_dw", "1.0"},
	     {"bn2", "1.1"},	 {"conv_pwl", "2"}, {"bn3", "3"}};

/* "blocks.S.B.REST" to stage, block and REST. */
static bool block_of(const char *name, unsigned *stage, unsigned *block, const char **rest)
{
	int used = 0;

	if (sscanf(name, "blocks.%3u.%3u.%n", stage, block, &used) < 2 || !used)
		return false;
	*rest = name + used;
	return true;
}

#define STAGE_BLOCKS 1000 /* more than three digits can say */
#define TIMM_TENSORS 4096 /* at most: the largest of theirs has 500 */

/* How many blocks of the file stand before this one, of all stages. */
static unsigned blocks_before(const struct et_st *st, unsigned stage, unsigned block)
{
	unsigned count = 0, s, b;
	const char *rest;

	for (size_t i = 0; i < st->n; i++)
		if (block_of(bare(st->tensors[i].name), &s, &b, &rest) &&
		    strcmp(rest, "bn1.weight") == 0 &&
		    s * STAGE_BLOCKS + b < stage * STAGE_BLOCKS + block)
			count++;
	return count;
}

/* The torchvision name of a module and the rest of a tensor's name behind it, on the heap. */
static char *timm_name(const struct et_st *st, const char *name)
{
	unsigned stage, block;
	const char *rest, *dot = strrchr(name, '.');
	size_t stem = dot ? (size_t)(dot - name) : 0;

	if (block_of(name, &stage, &block, &rest)) {
		bool is_first = stage == 0 && block == 0;
		size_t n = is_first ? ET_COUNT(first) : ET_COUNT(later);
		for (size_t i = 0; i < n; i++) {
			const char *from = is_first ? first[i].timm : later[i].timm;
			size_t length = strlen(from);
			if (strncmp(rest, from, length) == 0 && rest[length] == '.')
				return et_asprintf("features.%u.conv.%s%s",
						   blocks_before(st, stage, block) + 1,
						   is_first ? first[i].torchvision
							    : later[i].torchvision,
						   rest + length);
		}
		return et_strdup(name);
	}
	for (size_t i = 0; i < ET_COUNT(whole); i++)
		if (strlen(whole[i].timm) == stem && strncmp(name, whole[i].timm, stem) == 0)
			return et_asprintf("%s%s", whole[i].torchvision, dot);
	bool conv = stem == 9 && strncmp(name, "conv_head", stem) == 0;
	if (conv || (stem == 3 && strncmp(name, "bn2", stem) == 0))
		return et_asprintf("features.%u.%d%s", blocks_before(st, STAGE_BLOCKS, 0) + 1,
				   conv ? 0 : 1, dot);
	return et_strdup(name);
}

static bool has_tensor(const struct et_st *st, const char *name)
{
	for (size_t i = 0; i < st->n; i++)
		if (strcmp(bare(st->tensors[i].name), name) == 0)
			return true;
	return false;
}

static bool is_timm(const struct et_st *st)
{
	return st->n <= TIMM_TENSORS && has_tensor(st, "conv_stem.weight") &&
	       has_tensor(st, "blocks.0.0.conv_dw.weight") &&
	       has_tensor(st, "blocks.1.0.conv_pwl.weight");
}

/* ---- the table ------------------------------------------------------------------------------- */

int et_names_open(struct et_names *names, const struct et_net *net, const struct et_st *st,
		  struct et_err *err)
{
	bool timm = is_timm(st) && !et_names_param(net, "conv_stem.weight");

	*names = (struct et_names){.st = st, .name = et_calloc(st->n + 1, sizeof(char *))};
	if (!names->name)
		return et_fail(err, ET_ENOMEM, "out of memory");
	for (size_t i = 0; i < st->n; i++) {
		const char *name = st->tensors[i].name;
		char *other = timm ? timm_name(st, bare(name)) : NULL;
		if (!timm || other)
			names->name[i] = et_strdup(own_name(net, other ? other : name));
		free(other);
		if (!names->name[i]) {
			et_names_close(names);
			return et_fail(err, ET_ENOMEM, "out of memory");
		}
	}
	names->renamed = timm ? "timm's MobileNetV2" : NULL;
	return ET_OK;
}

void et_names_close(struct et_names *names)
{
	for (size_t i = 0; names->name && i < names->st->n; i++)
		free(names->name[i]);
	free(names->name);
	names->name = NULL;
}

ptrdiff_t et_names_find(const struct et_names *names, const char *param)
{
	const struct et_st_tensor *exact = et_st_find(names->st, param);

	if (exact)
		return exact - names->st->tensors;
	for (size_t i = 0; i < names->st->n; i++)
		if (strcmp(names->name[i], param) == 0)
			return (ptrdiff_t)i;
	return -1;
}

/* ---- batch norm behind a convolution --------------------------------------------------------- */

/* The batch norm that goes with a convolution by its name, into buf; false where none can. */
static bool norm_name(const char *conv, char *buf, size_t n)
{
	const char *last = strrchr(conv, '.');
	size_t stem = last ? (size_t)(last + 1 - conv) : 0;

	last = conv + stem;
	if (strncmp(last, "conv", 4) == 0 && !strchr(last, '_'))
		snprintf(buf, n, "%.*sbn%s", (int)stem, conv, last + 4);
	else if (isdigit((unsigned char)*last) && strlen(last) <= 4)
		snprintf(buf, n, "%.*s%d", (int)stem, conv, atoi(last) + 1);
	else
		return false;
	return true;
}

static ptrdiff_t member(const struct et_names *names, const char *layer, const char *which)
{
	char name[ET_ST_MAX_NAME + 32];

	snprintf(name, sizeof(name), "%s.%s", layer, which);
	return et_names_find(names, name);
}

static bool norm_of(const struct et_names *names, const char *conv, struct et_names_pair *pair)
{
	char bn[ET_ST_MAX_NAME];

	pair->weight = member(names, conv, "weight");
	pair->bias = member(names, conv, "bias");
	if (pair->weight < 0 || !norm_name(conv, bn, sizeof(bn)))
		return false;
	pair->gamma = member(names, bn, "weight");
	pair->beta = member(names, bn, "bias");
	pair->mean = member(names, bn, "running_mean");
	pair->var = member(names, bn, "running_var");
	pair->tracked = member(names, bn, "num_batches_tracked");
	return pair->gamma >= 0 && pair->beta >= 0 && pair->mean >= 0 && pair->var >= 0;
}

bool et_names_norm(const struct et_names *names, const char *conv, struct et_names_pair *pair)
{
	char inner[ET_ST_MAX_NAME];

	if (norm_of(names, conv, pair))
		return true;
	snprintf(inner, sizeof(inner), "%s.conv", conv);
	return norm_of(names, inner, pair);
}
