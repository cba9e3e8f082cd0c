/*
 * Dropout's numbers and their use. Philox4x32-10 as et_philox() has it, written over 16 blocks at a
 * time for the compiler to vectorise.
 */

static void philox(const uint32_t key[2], const uint32_t counter[4], size_t n, uint32_t *out)
{
	enum { LANES = 16 };

	for (size_t i = 0; i < n; i += LANES) {
		uint32_t x[4][LANES], k0 = key[0], k1 = key[1];
		for (uint32_t l = 0; l < LANES; l++) {
			x[0][l] = counter[0] + (uint32_t)i + l;
			x[1][l] = counter[1];
			x[2][l] = counter[2];
			x[3][l] = counter[3];
		}
		for (int round = 0; round < 10; round++) {
			for (int l = 0; l < LANES; l++) {
				uint64_t p0 = (uint64_t)0xD2511F53u * x[0][l];
				uint64_t p1 = (uint64_t)0xCD9E8D57u * x[2][l];
				x[0][l] = (uint32_t)(p1 >> 32) ^ x[1][l] ^ k0;
				x[1][l] = (uint32_t)p1;
				x[2][l] = (uint32_t)(p0 >> 32) ^ x[3][l] ^ k1;
				x[3][l] = (uint32_t)p0;
			}
			k0 += 0x9E3779B9u;
			k1 += 0xBB67AE85u;
		}
		for (size_t l = 0; l < LANES && i + l < n; l++)
			for (size_t w = 0; w < 4; w++)
				out[(i + l) * 4 + w] = x[w][l];
	}
}

static void drop(size_t n, const uint32_t *number, uint32_t least, float keep, const float *x,
		 float *y, uint32_t *bits)
{
	size_t i = 0;

	for (; i + 32 <= n; i += 32) {
		uint32_t word = 0;
		for (int j = 0; j < 32; j += VL) {
			vu u;
			memcpy(&u, number + i + j, sizeof(u));
			vi pass = (vi)(u >> 8) >= (int32_t)least;
			word |= vi_bits(pass) << j;
			vf m = (vf)((vi)vf_set1(keep) & pass);
			vf_store(y + i + j, vf_load(x + i + j) * m);
		}
		if (bits)
			bits[i / 32] = word;
	}
	if (i < n) {
		uint32_t word = 0;
		for (size_t j = 0; i + j < n; j++) {
			bool pass = number[i + j] >> 8 >= least;
			word |= (uint32_t)pass << j;
			y[i + j] = x[i + j] * (pass ? keep : 0);
		}
		if (bits)
			bits[i / 32] = word;
	}
}
