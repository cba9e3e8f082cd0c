/* Comparison of the oracle's results with numbers worked out by hand. */
#ifndef TESTS_REF_HAND_H
#define TESTS_REF_HAND_H

#include "num.h"

#define HAND(r, ...)                                               \
	do {                                                       \
		const double hand_[] = {__VA_ARGS__};              \
		ck_assert_uint_eq((r).n, ET_COUNT(hand_));         \
		num_label("line %d", __LINE__);                    \
		num_check_hand(#r, (r).v, hand_, ET_COUNT(hand_)); \
	} while (0)

#endif
