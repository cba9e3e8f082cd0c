/* edgetrain info: what a network, a run or a file of weights is made of. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "names.h"

struct info {
	struct et_info_request request;
	const char *init, *format;
};

static const char *const keys[] = {"trainable", "last", "bn", "mode", "modes", NULL};

static int options(struct call *c, struct options *o, struct et_err *err)
{
	struct info *i = c->own;
	i->format = "text";
	const struct option own[] = {
		{OPTION_CHOICE, 0, "format", "text|csv", &i->format, .initial = "text",
		 .help = "print a table for people, or CSV"},
		{OPTION_INT, 0, "classes", "N", &i->request.classes, .min = 1, .max = 1 << 20,
		 .initial = "as SPEC says", .help = "so many classes"},
		{OPTION_TEXT, 0, "init", "FILE", &i->init,
		 .help = "say what trains when starting from weights, which freezes batch norm; "
			 "FILE is not read"},
	};
	ET_TRY(add_heading(o, "Info", err));
	ET_TRY(options_add(o, own, sizeof(own) / sizeof(own[0]), err));
	ET_TRY(options_add_settings(o, c->conf, keys, err));
	return add_machine_options(o, c, err);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static int wider(int column, const char *text)
{
	int n = (int)name_width(text);
	return n > column ? n : column;
}

static void print_text(const char *text, int column)
{
	int n = (int)name_put(stdout, text);
	printf("%*s", n < column ? column - n : 0, "");
}

/* "112x112x64", or "512" of a vector. */
static const char *size_text(const struct et_info_layer *l, char buf[64])
{
	if (l->height == 1 && l->width == 1)
		snprintf(buf, 64, "%d", l->channels);
	else
		snprintf(buf, 64, "%dx%dx%d", l->height, l->width, l->channels);
	return buf;
}

static const char *trains_text(const struct et_info_layer *l)
{
	return *l->mode ? l->mode : l->trains ? "yes" : "";
}

static void print_layers(const struct et_info *info)
{
	int name = 5, type = 4;
	char size[64];

	for (int i = 0; i < info->layers; i++) {
		name = wider(name, info->layer[i].name);
		type = wider(type, info->layer[i].type);
	}
	printf("\n%-*s  %-*s  %14s  %10s  %13s  trains\n", name, "layer", type, "type", "output",
	       "parameters", "multiply-adds");
	for (int i = 0; i < info->layers; i++) {
		const struct et_info_layer *l = &info->layer[i];
		print_text(l->name, name);
		printf("  %-*s  %14s  %10llu  %13.0f", type, l->type, size_text(l, size),
		       (unsigned long long)l->parameters, l->mac);
		printf(l->trains ? "  %s\n" : "\n", trains_text(l));
	}
}

static const char *shape_text(const struct et_info_tensor *t, char buf[200])
{
	size_t used = 1;

	buf[0] = '[';
	for (int i = 0; i < t->rank; i++)
		used += (size_t)snprintf(buf + used, 200 - used, i ? ",%llu" : "%llu",
					 (unsigned long long)t->shape[i]);
	snprintf(buf + used, 200 - used, "]");
	return buf;
}

static void print_tensors(const struct et_info *info)
{
	int name = 6;
	char shape[200];

	for (size_t i = 0; i < info->tensors; i++)
		name = wider(name, info->tensor[i].name);
	printf("\n%-*s  %-5s  %10s  shape\n", name, "tensor", "type", "elements");
	for (size_t i = 0; i < info->tensors; i++) {
		const struct et_info_tensor *t = &info->tensor[i];
		print_text(t->name, name);
		printf("  %-5s  %10llu  %s\n", t->dtype, (unsigned long long)t->count,
		       shape_text(t, shape));
	}
}

static void print_notes(const struct et_info *info)
{
	for (size_t i = 0; i < info->notes; i++) {
		print_text(info->note[i].key, 14);
		putchar(' ');
		print_text(info->note[i].value, 0);
		putchar('\n');
	}
}

static void print_info(const struct et_info *info)
{
	char buf[32];

	if (info->kind == ET_INFO_WEIGHTS) {
		printf("tensors        %zu\nelements       %llu\nbytes          %s\n",
		       info->tensors, (unsigned long long)info->parameters,
		       et_human_bytes(info->bytes, buf));
		print_notes(info);
		print_tensors(info);
		return;
	}
	printf("name           ");
	print_text(info->name, 0);
	printf("\ninput          %dx%dx%d\nclasses        %d\n", info->height, info->width,
	       info->channels, info->classes);
	printf("parameters     %llu, %llu of them trained\nmultiply-adds  %.4g million\n",
	       (unsigned long long)info->parameters, (unsigned long long)info->trainable,
	       info->mac / 1e6);
	print_notes(info);
	print_layers(info);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void print_csv(const struct et_info *info)
{
	if (info->kind == ET_INFO_WEIGHTS)
		printf("name,dtype,shape,elements,bytes\n");
	else
		printf("name,type,height,width,channels,parameters,multiply_adds,trained,mode\n");
	for (size_t i = 0; i < info->tensors; i++) {
		const struct et_info_tensor *t = &info->tensor[i];
		et_csv_text(stdout, t->name);
		printf(",%s,", t->dtype);
		for (int k = 0; k < t->rank; k++)
			printf(k ? "x%llu" : "%llu", (unsigned long long)t->shape[k]);
		printf(",%llu,%llu\n", (unsigned long long)t->count, (unsigned long long)t->bytes);
	}
	for (int i = 0; i < info->layers; i++) {
		const struct et_info_layer *l = &info->layer[i];
		et_csv_text(stdout, l->name);
		printf(",%s,%d,%d,%d,%llu,%.0f,%llu,", l->type, l->height, l->width, l->channels,
		       (unsigned long long)l->parameters, l->mac, (unsigned long long)l->trainable);
		et_csv_text(stdout, l->mode);
		putchar('\n');
	}
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run(struct call *c, struct et_err *err)
{
	struct info *i = c->own;
	struct et_info info;

	if (c->operands > 1)
		return et_fail(err, ET_EUSAGE,
			       "unexpected operand '%s' after SPEC, RUN or a file of weights",
			       c->operand[1]);
	if (c->operands == 0)
		return et_fail(err, ET_EUSAGE,
			       "expected SPEC, RUN or a file of weights, found nothing");
	i->request.path = c->operand[0];
	i->request.init = i->init != NULL;
	i->request.conf = c->conf;
	ET_TRY(et_info(&c->env, &i->request, &info, err));
	if (strcmp(i->format, "csv") == 0)
		print_csv(&info);
	else
		print_info(&info);
	et_info_free(&info);
	return ET_OK;
}

const struct command command_info = {
	"info",
	"layers of a network or a run, or tensors of a file of weights",
	"Usage: edgetrain info [OPTION]... SPEC|RUN|FILE.safetensors\n"
	"Print layers, shapes, parameters, multiply-adds and what trains; or tensors and "
	"metadata.\n",
	sizeof(struct info),
	options,
	run,
};
