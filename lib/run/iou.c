/* Intersection over union, from a confusion matrix. */
#include <math.h>

#include "run/run.h"

double et_iou(const uint64_t *confusion, int k, double *iou)
{
	size_t n = (size_t)k, found = 0;
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t both = confusion[i * n + i], labelled = 0, predicted = 0;
		for (size_t j = 0; j < n; j++) {
			labelled += confusion[i * n + j];
			predicted += confusion[j * n + i];
		}
		uint64_t either = labelled + predicted - both;
		double v = either ? (double)both / (double)either : NAN;
		if (iou)
			iou[i] = v;
		found += either > 0;
		sum += either ? v : 0;
	}
	return found ? sum / (double)found : NAN;
}
