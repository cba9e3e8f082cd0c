/* Names of files and classes, which may hold anything, as they may be shown. */
#ifndef CMD_NAMES_H
#define CMD_NAMES_H

#include <stddef.h>
#include <stdio.h>

/* With a question mark for each control character and for what is not UTF-8. Returns the columns
 * it takes. */
size_t name_put(FILE *out, const char *name);
size_t name_width(const char *name);
/* The same into out[size], cut off behind a whole character. */
void name_copy(char *out, size_t size, const char *name);
/* As a JSON string, quotes and all; U+FFFD for what is not UTF-8. */
void name_put_json(FILE *out, const char *name);

#endif
