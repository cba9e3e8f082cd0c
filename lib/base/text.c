/* UTF-8, the nearest known word, choices, name patterns, cells of CSV. */
#include <string.h>

#include "base/base.h"

size_t et_utf8_next(const char *s, size_t n, uint32_t *cp)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *u = (const unsigned char *)s;
	if (n == 0)
		return 0;
	if (u[0] < 0x80) {
		*cp = u[0];
		return 1;
	}
	size_t len = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : u[0] >= 0xc0 ? 2 : 0;
	if (!len || len > n || u[0] > 0xf4)
		return 0;
	uint32_t x = u[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		x = x << 6 | (u[i] & 0x3fu);
	}
	/* Overlong forms and surrogates have more than one spelling or none. */
	if (x < least[len] || x > 0x10ffff || (x >= 0xd800 && x <= 0xdfff))
		return 0;
	*cp = x;
	return len;
}

#define WORD_MAX 64

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Edits (insert, delete, replace, swap two neighbours) from a to b; case does not count. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[3][WORD_MAX + 1];
	size_t *before = row[0], *above = row[1], *here = row[2];
	for (size_t j = 0; j <= m; j++)
		above[j] = j;
	for (size_t i = 1; i <= n; i++) {
		here[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t same = lower(a[i - 1]) == lower(b[j - 1]);
			here[j] = et_min(et_min(above[j], here[j - 1]) + 1, above[j - 1] + !same);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				here[j] = et_min(here[j], before[j - 2] + 1);
		}
		size_t *t = before;
		before = above;
		above = here;
		here = t;
	}
	return above[m];
}

const char *et_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word);
	if (len == 0 || len > WORD_MAX)
		return NULL;
	const char *best = NULL;
	size_t best_cost = SIZE_MAX;
	for (size_t i = 0; i < n; i++) {
		size_t m = strlen(candidates[i]);
		if (m == 0 || m > WORD_MAX)
			continue;
		size_t cost = distance(word, len, candidates[i], m);
		/* A third of the word may be wrong, but not all of it. */
		bool near = cost <= (len + 2) / 3 && cost < et_max(len, m);
		/* An abbreviation is near too, though any misspelling is nearer. */
		if (!near && len >= 3 && strncmp(word, candidates[i], len) == 0) {
			near = true;
			cost += WORD_MAX;
		}
		if (near && cost < best_cost) {
			best = candidates[i];
			best_cost = cost;
		}
	}
	return best;
}

/* One character; a byte that is not UTF-8 stands for itself, apart from all characters. */
static size_t next(const char *s, uint32_t *cp)
{
	size_t len = et_utf8_next(s, strlen(s), cp);
	if (len)
		return len;
	*cp = 0x110000u + (unsigned char)*s;
	return 1;
}

/*
 * Matches c against the set after '['. Returns the text after ']', or NULL if the set is not
 * closed, in which case '[' is an ordinary character.
 */
static const char *match_set(const char *p, uint32_t c, bool *hit)
{
	bool negated = *p == '!' || *p == '^';
	if (negated)
		p++;
	*hit = false;
	for (bool first = true; *p != '\0'; first = false) {
		if (*p == ']' && !first) {
			*hit ^= negated;
			return p + 1;
		}
		uint32_t from, to;
		p += next(p, &from);
		to = from;
		if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
			p++;
			p += next(p, &to);
		}
		if (c >= from && c <= to)
			*hit = true;
	}
	return NULL;
}

/* Matches one character of the name against the head of the pattern; NULL if it does not. */
static const char *match_one(const char *glob, uint32_t c)
{
	if (*glob == '?')
		return glob + 1;
	if (*glob == '[') {
		bool hit;
		const char *after = match_set(glob + 1, c, &hit);
		if (after)
			return hit ? after : NULL;
	}
	uint32_t want;
	size_t len = next(glob, &want);
	return *glob != '\0' && want == c ? glob + len : NULL;
}

bool et_glob_match(const char *glob, const char *name)
{
	/* Only the last star needs to be retried, so the work is at most |glob| * |name|. */
	const char *star = NULL, *retry = NULL;
	while (*name != '\0') {
		if (*glob == '*') {
			star = ++glob;
			retry = name;
			continue;
		}
		uint32_t c;
		size_t len = next(name, &c);
		const char *after = match_one(glob, c);
		if (after) {
			glob = after;
			name += len;
		} else if (star) {
			glob = star;
			retry += next(retry, &c);
			name = retry;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

void et_csv_text(FILE *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

int et_choice_index(const char *choices, const char *word)
{
	size_t len = strlen(word);
	int i = 0;

	for (const char *p = choices; p && len; i++) {
		size_t n = strcspn(p, "|");
		if (n == len && strncmp(p, word, n) == 0)
			return i;
		if (!p[n])
			break;
		p += n + 1;
	}
	return -1;
}

int et_choice_word(const char *choices, int i, const char **word)
{
	for (; i > 0; i--)
		choices += strcspn(choices, "|") + 1;
	*word = choices;
	return (int)strcspn(choices, "|");
}
