/*
 * File formats: JSON (cJSON behind checks that name key and place), safetensors and ONNX. On base
 * only. A file is hostile until checked: every count, offset and product, before anything is
 * allocated.
 */
#ifndef ET_IO_IO_H
#define ET_IO_IO_H

#include "base/base.h"

/* ---- JSON ------------------------------------------------------------------------------------ */

struct cJSON;

/* A tree takes about 100 bytes a token (a value or a key): these keep it small on any board. */
#define ET_JSON_MAX_BYTES  (16u << 20)
#define ET_JSON_MAX_TOKENS 262144u

/*
 * Parses n bytes of strict JSON (whole text, no trailing garbage, nested at most 32 deep, no
 * duplicate keys in any object, no U+0000, numbers within double's range). A byte order mark is let
 * pass. Errors say file:line:column. The caller frees *out with et_json_free().
 */
int et_json_parse(const char *text, size_t n, const char *file, struct cJSON **out,
		  struct et_err *err) ET_MUST_CHECK;
int et_json_read(const char *path, struct cJSON **out, struct et_err *err) ET_MUST_CHECK;
void et_json_free(struct cJSON *json);

/*
 * Fails unless obj is an object whose keys are all among known[0..n). The error names the unknown
 * key, `where` (such as "layer conv1") and the nearest known key.
 */
int et_json_known_keys(const struct cJSON *obj, const char *where, const char *const *known,
		       size_t n, struct et_err *err) ET_MUST_CHECK;

/*
 * Typed members. An absent key leaves *v as it is and returns 0; a present one returns 1; another
 * type, a non-integer, or a value outside [min,max] is ET_EDATA naming `where`, key, what was
 * expected and found. Keys are case-sensitive. Strings are owned by the JSON tree. Integers are
 * those a double holds exactly, up to 2^53 - 1 either way (1e3 and 4.0 are integers): larger ones,
 * such as 64-bit seeds, belong in strings.
 */
int et_json_int(const struct cJSON *obj, const char *where, const char *key, int64_t min,
		int64_t max, int64_t *v, struct et_err *err) ET_MUST_CHECK;
int et_json_num(const struct cJSON *obj, const char *where, const char *key, double min, double max,
		double *v, struct et_err *err) ET_MUST_CHECK;
int et_json_bool(const struct cJSON *obj, const char *where, const char *key, bool *v,
		 struct et_err *err) ET_MUST_CHECK;
int et_json_str(const struct cJSON *obj, const char *where, const char *key, const char **v,
		struct et_err *err) ET_MUST_CHECK;
/* An array of 1..max numbers, or one number (then *n = 1). */
int et_json_nums(const struct cJSON *obj, const char *where, const char *key, double *v, size_t max,
		 size_t *n, struct et_err *err) ET_MUST_CHECK;
/* One integer (copied to both) or an array of two, each in [min,max]: PyTorch's kernel_size. */
int et_json_pair(const struct cJSON *obj, const char *where, const char *key, int64_t min,
		 int64_t max, int v[2], struct et_err *err) ET_MUST_CHECK;

/* ---- safetensors ----------------------------------------------------------------------------- */

enum et_dtype { ET_F32, ET_F16, ET_BF16, ET_F64, ET_I64, ET_I32, ET_U8, ET_DTYPE_OTHER };

/* Caps beyond the reference reader's own, so that a small file cannot cost much memory. */
#define ET_ST_MAX_HEADER  (16u << 20)
#define ET_ST_MAX_TENSORS 65536u
#define ET_ST_MAX_RANK	  8
#define ET_ST_MAX_NAME	  1024

struct et_st_tensor {
	char *name;
	enum et_dtype dtype;
	char dtype_name[16]; /* as written, for messages */
	int rank;
	uint64_t shape[ET_ST_MAX_RANK];
	uint64_t count;	     /* product of the shape; 1 for rank 0; 0 if any side is 0 */
	uint64_t begin, end; /* bytes from the start of the data */
};

/* An open, fully checked file. Tensors are sorted by offset. */
struct et_st {
	char *path;
	int fd;
	uint64_t data;	/* offset of the data in the file */
	uint64_t bytes; /* of the whole file */
	size_t n, n_meta;
	struct et_st_tensor *tensors;
	uint32_t *by_name; /* indices of tensors, sorted by name */
	char **meta;	   /* key, value, key, value ... */
	char *header;	   /* holds the names and the metadata */
};

/*
 * Opens and checks every rule of the format: header length, UTF-8, JSON types, known dtypes, no
 * duplicate names, offsets contiguous from 0, sizes equal to shape x dtype without overflow, last
 * end equal to the file length. Leading and trailing JSON white space is accepted, and unknown
 * members of a tensor's entry are skipped, both as in the reference reader. Dtypes that cannot be
 * read as numbers here are kept as ET_DTYPE_OTHER.
 */
int et_st_open(struct et_st *st, const char *path, struct et_err *err) ET_MUST_CHECK;
void et_st_close(struct et_st *st);
const struct et_st_tensor *et_st_find(const struct et_st *st, const char *name);
const char *et_st_meta(const struct et_st *st, const char *key);

/* Reads a whole tensor as float32 (from F32, F16, BF16 or F64) into dst[count]. Bits kept for F32.
 */
int et_st_read_f32(const struct et_st *st, const struct et_st_tensor *t, float *dst,
		   struct et_err *err) ET_MUST_CHECK;
/* The same as int64, from I64 or I32. */
int et_st_read_i64(const struct et_st *st, const struct et_st_tensor *t, int64_t *dst,
		   struct et_err *err) ET_MUST_CHECK;
/* The bytes as they stand in the file, of any dtype, into dst[end - begin]. */
int et_st_read_bytes(const struct et_st *st, const struct et_st_tensor *t, void *dst,
		     struct et_err *err) ET_MUST_CHECK;
/* CRC-32 of the whole file as it stands; ET_EIO if its length is no longer what was opened. */
int et_st_crc(const struct et_st *st, uint32_t *crc, struct et_err *err) ET_MUST_CHECK;

/* "[64,3,7,7]" into buf. */
const char *et_st_shape_text(int rank, const uint64_t *shape, char buf[128]);

struct et_st_out {
	const char *name;
	enum et_dtype dtype;
	int rank;
	uint64_t shape[ET_ST_MAX_RANK];
};

/*
 * Writes a file through an open writer: tensors in the reference writer's order (dtype, then name),
 * header padded with spaces to a multiple of 8. put(arg, i, w) writes the bytes of tensors[i],
 * row-major little-endian, with et_writer_put(); the count is checked (ET_EINTERNAL), and a
 * negative result of put is returned. meta holds n_meta key/value pairs. Names, keys and values
 * must be UTF-8 (ET_EDATA). The caller commits or aborts w.
 */
int et_st_write(struct et_writer *w, const struct et_st_out *tensors, size_t n,
		const char *const *meta, size_t n_meta,
		int (*put)(void *arg, size_t i, struct et_writer *w), void *arg,
		struct et_err *err) ET_MUST_CHECK;

/* ---- ONNX ------------------------------------------------------------------------------------ */

#define ET_ONNX_IR    8	 /* version of the file's own structure */
#define ET_ONNX_OPSET 13 /* of the operators */

/*
 * A model under construction: nodes, small constants and texts, all copied; large values are
 * written straight to the file from where they are. Memory that is refused and texts that are not
 * UTF-8 are remembered and reported by et_onnx_write().
 */
struct et_onnx;
struct et_onnx *et_onnx_new(const char *name); /* of the graph; NULL: out of memory */
void et_onnx_free(struct et_onnx *m);

/* A float32 tensor that goes in or comes out; a negative side is any number, "N". */
void et_onnx_input(struct et_onnx *m, const char *name, int rank, const int64_t *shape);
void et_onnx_output(struct et_onnx *m, const char *name, int rank, const int64_t *shape);
/* Nodes stand in the order in which they run, each after those whose outputs it takes. */
void et_onnx_node(struct et_onnx *m, const char *op, const char *name, const char *const *in,
		  size_t n_in, const char *out);
/* Attributes of the node added last. */
void et_onnx_int(struct et_onnx *m, const char *name, int64_t v);
void et_onnx_ints(struct et_onnx *m, const char *name, const int64_t *v, size_t n);
void et_onnx_float(struct et_onnx *m, const char *name, float v);
void et_onnx_text(struct et_onnx *m, const char *name, const char *v);
/* Constants of float32 or int64 (ET_F32, ET_I64). */
void et_onnx_constant(struct et_onnx *m, const char *name, enum et_dtype dtype, int rank,
		      const int64_t *shape, const void *values);
/* One of float32 whose values et_onnx_write() asks for by `id`. */
void et_onnx_weights(struct et_onnx *m, const char *name, int rank, const int64_t *shape,
		     size_t id);
void et_onnx_meta(struct et_onnx *m, const char *key, const char *value);

/*
 * Writes the file. put(arg, id, w) writes the values of a tensor, row-major little-endian, as for
 * et_st_write(); err is the caller's own there too. ET_EDATA: a text is not UTF-8, two values have
 * one name, or the file would exceed the 2 GB of a protobuf. The caller commits or aborts w.
 */
int et_onnx_write(struct et_onnx *m, struct et_writer *w, const char *version,
		  int (*put)(void *arg, size_t id, struct et_writer *w), void *arg,
		  struct et_err *err) ET_MUST_CHECK;

#endif
