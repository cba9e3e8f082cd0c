/* What predict found, in its three formats. */
#include "names.h"
#include "predict.h"

void predict_text(FILE *out, const struct et_prediction *p, bool one)
{
	name_put(out, p->image);
	if (p->mask) {
		fputs("  ", out);
		name_put(out, p->mask);
	}
	if (!one)
		fputc('\n', out);
	for (int i = 0; i < p->n; i++) {
		const struct et_class *c = &p->top[i];
		fprintf(out, "  %.4f  %5d", c->share, c->index);
		if (c->name) {
			fputs("  ", out);
			name_put(out, c->name);
		}
		fputc('\n', out);
	}
}

void predict_csv_header(FILE *out, bool masks)
{
	fprintf(out, "image,rank,class,label,%s\n", masks ? "share" : "probability");
}

void predict_csv(FILE *out, const struct et_prediction *p, bool one)
{
	(void)one;
	for (int i = 0; i < p->n; i++) {
		const struct et_class *c = &p->top[i];
		et_csv_text(out, p->image);
		fprintf(out, ",%d,%d,", i + 1, c->index);
		if (c->name)
			et_csv_text(out, c->name);
		fprintf(out, ",%.6g\n", c->share);
	}
}

void predict_json(FILE *out, const struct et_prediction *p, bool one)
{
	(void)one;
	fputs("{\"image\":", out);
	name_put_json(out, p->image);
	if (p->mask) {
		fputs(",\"mask\":", out);
		name_put_json(out, p->mask);
	}
	if (p->overlay) {
		fputs(",\"overlay\":", out);
		name_put_json(out, p->overlay);
	}
	fputs(",\"predictions\":[", out);
	for (int i = 0; i < p->n; i++) {
		const struct et_class *c = &p->top[i];
		fprintf(out, "%s{\"rank\":%d,\"class\":%d,\"label\":", i ? "," : "", i + 1,
			c->index);
		if (c->name)
			name_put_json(out, c->name);
		else
			fputs("null", out);
		fprintf(out, ",\"%s\":%.6g}", p->mask ? "share" : "probability", c->share);
	}
	fputs("]}\n", out);
}
