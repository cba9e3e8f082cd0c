/* The option table as help text. */
#include <string.h>

#include "options.h"

#define WIDTH  80
#define COLUMN 29 /* where the sentences begin */

/* Prints text from column `at`, wrapped between words, further lines indented to COLUMN. */
static size_t print_wrapped(FILE *out, const char *text, size_t at)
{
	bool first = true;
	while (*text) {
		size_t n = strcspn(text, " ");
		if (!first && at + 1 + n >= WIDTH) {
			fprintf(out, "\n%*s", COLUMN, "");
			at = COLUMN;
		} else if (!first) {
			fputc(' ', out);
			at++;
		}
		fwrite(text, 1, n, out);
		at += n;
		text += n + strspn(text + n, " ");
		first = false;
	}
	return at;
}

static void print_option(const struct option *opt, FILE *out)
{
	int at = opt->letter ? fprintf(out, "  -%c, ", opt->letter) : fprintf(out, "      ");
	at += fprintf(out, "--%s", opt->name);
	if (opt->arg)
		at += fprintf(out, "=%s", opt->arg);
	if (at >= COLUMN - 1) {
		fputc('\n', out);
		at = 0;
	}
	fprintf(out, "%*s", COLUMN - at, "");
	size_t end = print_wrapped(out, opt->help, COLUMN);
	if (opt->initial && *opt->initial) {
		/* On a line of its own if it does not fit behind the sentence. */
		if (end + strlen(" [default: ]") + strlen(opt->initial) >= WIDTH) {
			fprintf(out, "\n%*s[default: ", COLUMN, "");
			end = COLUMN + strlen("[default: ");
		} else {
			fprintf(out, " [default: ");
			end += strlen(" [default: ");
		}
		print_wrapped(out, opt->initial, end);
		fputc(']', out);
	}
	fputc('\n', out);
}

void options_help(const struct options *o, FILE *out)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->all[i].kind == OPTION_HEADING)
			fprintf(out, "\n%s:\n", o->all[i].help);
		else
			print_option(&o->all[i], out);
	}
}
