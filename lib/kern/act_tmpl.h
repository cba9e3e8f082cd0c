/* Activations of vectors and of single values; NaN stays NaN. */

ET_INLINE vf act_vf(vf v, enum et_act act)
{
	if (act != ET_ACT_NONE)
		v = vf_max_nan(v, (vf){0});
	if (act == ET_ACT_RELU6)
		v = vf_min_nan(v, vf_set1(6));
	return v;
}

ET_INLINE float act_f(float v, enum et_act act)
{
	if (act != ET_ACT_NONE)
		v = v < 0 ? 0 : v;
	if (act == ET_ACT_RELU6)
		v = v > 6 ? 6 : v;
	return v;
}
