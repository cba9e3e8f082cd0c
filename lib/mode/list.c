/* Lists of recipes: "exact,filter:4,scale=paper,smd:0.5". */
#include <stdlib.h>
#include <string.h>

#include "mode/mode.h"

static bool is_technique(const char *word, size_t n)
{
	for (size_t i = 0; et_modes[i]; i++)
		if (strlen(et_modes[i]->name) == n && memcmp(et_modes[i]->name, word, n) == 0)
			return true;
	return false;
}

/*
 * Does a recipe end at this comma, behind what is in [begin, at)? Options hold no colon, and stand
 * behind the colon of their technique.
 */
static bool ends_here(const char *begin, const char *at)
{
	size_t word = strcspn(at + 1, ",;:+");
	char next = at[1 + word];

	if (next == ':' || is_technique(at + 1, word))
		return true;
	for (const char *c = at; c > begin && c[-1] != '+'; c--)
		if (c[-1] == ':')
			return false;
	return true;
}

static size_t recipe_length(const char *begin)
{
	const char *at = begin;

	while (*at && *at != ';' && !(*at == ',' && ends_here(begin, at)))
		at++;
	return (size_t)(at - begin);
}

static int copy(const char *at, size_t n, const char *whole, char *to, struct et_err *err)
{
	struct et_recipe recipe;

	if (!n)
		return et_fail(err, ET_EUSAGE,
			       "expected recipes separated by commas, found nothing %s in '%.100s'",
			       *at ? "before a separator" : "at the end", whole);
	if (n >= ET_RECIPE_TEXT)
		return et_fail(err, ET_EUSAGE, "a recipe is too long: '%.60s...'", at);
	memcpy(to, at, n);
	to[n] = 0;
	return et_recipe_parse(to, &recipe, err);
}

int et_recipe_list(const char *text, char (**list)[ET_RECIPE_TEXT], struct et_err *err)
{
	char(*all)[ET_RECIPE_TEXT] = et_calloc(ET_RECIPES, sizeof(*all));
	const char *at = text;
	int n = 0, status = ET_OK;

	*list = NULL;
	if (!all)
		return et_fail(err, ET_ENOMEM, "out of memory");
	for (bool more = true; more && !status; n++) {
		size_t length = recipe_length(at);
		status = n < ET_RECIPES
				 ? copy(at, length, text, all[n], err)
				 : et_fail(err, ET_EUSAGE, "more than %d recipes", ET_RECIPES);
		at += length;
		more = *at != 0;
		at += more;
	}
	if (status) {
		free(all);
		return status;
	}
	*list = all;
	return n;
}
