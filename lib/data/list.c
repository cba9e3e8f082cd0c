/* Pictures at hand, without classes: files, and what is below directories. */
#include <stdlib.h>
#include <string.h>

#include "data/folder.h"
#include "data/walk.h"

struct list {
	struct et_dataset *ds;
	struct et_err *err;
	void (*failed)(void *arg, const struct et_err *why);
	void *arg;
	size_t found; /* below the directory that is gone through */
	struct et_walk walk;
};

/* Of a path that cannot be used: told, unless it is the machine that failed. */
static int pass_over(struct list *l, int status, const struct et_err *why)
{
	if (!et_status_is_bad_picture(status)) {
		*l->err = *why;
		return status;
	}
	l->failed(l->arg, why);
	return ET_OK;
}

static int add(struct list *l, const char *path)
{
	struct et_header head;
	struct et_err why = {0};
	int status = et_picture_header(path, &head, &why);

	l->found++;
	if (status)
		return pass_over(l, status, &why);
	return et_folder_add(l->ds, path, &head, ET_SPLIT_TEST, 0, l->err);
}

static int add_found(void *arg)
{
	struct list *l = arg;
	return add(l, l->walk.path);
}

static int add_below(struct list *l, const char *path)
{
	struct et_err why = {0};
	size_t n = strlen(path);

	if (n >= sizeof(l->walk.path))
		return et_fail(l->err, ET_EDATA, "a path is too long, more than %zu bytes: %.300s",
			       sizeof(l->walk.path) - 1, path);
	memcpy(l->walk.path, path, n + 1);
	l->found = l->walk.n_seen = 0;
	ET_TRY(et_walk_pictures(&l->walk));
	if (l->found)
		return ET_OK;
	return pass_over(l, et_fail(&why, ET_EDATA, "Found 0 pictures in %s", path), &why);
}

static int add_all(struct list *l, const char *const *paths, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ET_TRY(et_path_is_dir(paths[i]) ? add_below(l, paths[i]) : add(l, paths[i]));
	return ET_OK;
}

/* Paths are what they are, relative to nothing. */
static int open_empty(struct et_dataset **out, struct et_err *err)
{
	struct et_dataset *ds = et_calloc(1, sizeof(*ds));
	struct folder *own = et_calloc(1, sizeof(*own));

	if (ds && own && (own->root = et_strdup(""))) {
		ds->format = &et_format_folder;
		ds->own = own;
		*out = ds;
		return ET_OK;
	}
	free(own);
	free(ds);
	return et_fail(err, ET_ENOMEM, "out of memory");
}

int et_dataset_list(struct et_dataset **out, const char *const *paths, size_t n,
		    const volatile sig_atomic_t *stop,
		    void (*failed)(void *arg, const struct et_err *why), void *arg,
		    struct et_err *err)
{
	/* The path alone is too much for some stacks. */
	struct list *l = et_calloc(1, sizeof(*l));
	*out = NULL;
	int status = l ? open_empty(out, err) : et_fail(err, ET_ENOMEM, "out of memory");

	if (!status) {
		*l = (struct list){.ds = *out, .err = err, .failed = failed, .arg = arg};
		l->walk.stop = stop;
		l->walk.err = err;
		l->walk.found = add_found;
		l->walk.arg = l;
		status = add_all(l, paths, n);
		et_walk_free(&l->walk);
	}
	if (status && *out) {
		et_dataset_close(*out);
		*out = NULL;
	}
	free(l);
	return status;
}
