/* Counts calls of malloc, free, mmap and their kin by any code and thread of this process. */
#ifndef TEST_ALLOC_COUNT_H
#define TEST_ALLOC_COUNT_H

#include <stdbool.h>

/* False where the functions cannot be replaced (sanitizers, other C libraries). */
bool alloc_counts(void);
void alloc_count_start(void);
/* Calls since the start. */
long alloc_count_stop(void);

#endif
