/* Making of a program: what is fused, how long each tensor lives, how gradients meet. */
#include <stdlib.h>
#include <string.h>

#include "net/program.h"

/* A program being made. */
struct maker {
	struct et_net *net;
	struct et_program *p;
	int n;
	int *uses;  /* [n+1] how often layers read a tensor */
	int *user;  /* [n+1] one that does */
	int *made;  /* [n+1] when it is written */
	int *last;  /* [n+1] when it is used last */
	bool *kept; /* [n+1] backward looks at it */
	bool failed;
};

/* A batch whose tensors could overflow the sums below is out of reach of any machine it could run
 * on: a 32-bit one has 4 GB of addresses. */
static bool addressable(const struct et_net *net, int batch)
{
	double floats = (double)et_shape_count(net->input);

	for (int i = 0; i < net->n; i++)
		for (int k = 0; k < net->nodes[i].n_in; k++) {
			int t = net->nodes[i].in[k];
			floats += (double)et_shape_count(t ? net->nodes[t - 1].out : net->input) +
				  (double)et_shape_count(net->nodes[i].out);
		}
	/* A value, a gradient, a temporary and something saved of each. */
	return floats * 4 * sizeof(float) * batch < (double)(SIZE_MAX / 2);
}

static int backward_time(const struct maker *m, int node)
{
	return 2 * m->n - node;
}

static int new_slot(struct maker *m, size_t bytes, int begin, int end)
{
	struct et_program *p = m->p;

	if (p->n_slots == p->cap_slots) {
		int cap = p->cap_slots ? 2 * p->cap_slots : 64;
		struct et_slot *more = realloc(p->slots, (size_t)cap * sizeof(*more));
		if (!more) {
			m->failed = true;
			return -1;
		}
		p->slots = more;
		p->cap_slots = cap;
	}
	if (m->net->unshared) {
		begin = 0;
		end = 2 * m->n + 1;
	}
	p->slots[p->n_slots] = (struct et_slot){.bytes = bytes, .begin = begin, .end = end};
	return p->n_slots++;
}

static void extend(struct maker *m, int slot, int end)
{
	if (slot >= 0 && m->p->slots[slot].end < end)
		m->p->slots[slot].end = end;
}

static size_t image_bytes(const struct maker *m, int t)
{
	struct et_shape s = t ? m->net->nodes[t - 1].out : m->net->input;
	return et_shape_count(s) * sizeof(float);
}

static size_t tensor_bytes(const struct maker *m, int t)
{
	return (size_t)m->p->batch * image_bytes(m, t);
}

/* Of the gradient of a tensor. */
static size_t gradient_bytes(const struct maker *m, int t)
{
	const struct et_grid *g = et_patches(m->net, t);
	if (!g)
		return tensor_bytes(m, t);
	int c = m->net->nodes[t - 1].out.c;
	return (size_t)m->p->batch * (size_t)g->gh * (size_t)g->gw * (size_t)c * sizeof(float);
}

/* Takes part in backward. */
static bool live_node(const struct maker *m, int i)
{
	return m->p->training && m->net->nodes[i].active;
}

static void find_uses(struct maker *m)
{
	for (int i = 0; i < m->n; i++) {
		const struct et_node *node = &m->net->nodes[i];
		unsigned keeps = live_node(m, i) && node->type->keeps ? node->type->keeps(node) : 0;
		m->made[i + 1] = i;
		for (int k = 0; k < node->n_in; k++) {
			m->uses[node->in[k]]++;
			m->user[node->in[k]] = i;
		}
		if (keeps & ET_KEEP_IN0)
			m->kept[node->in[0]] = true;
		if (keeps & ET_KEEP_IN1)
			m->kept[node->in[1]] = true;
		if (keeps & ET_KEEP_OUT)
			m->kept[i + 1] = true;
	}
}

/* The one layer that reads t and nothing else of which will be missed; -1 if there is none such. */
static int only_user(const struct maker *m, int t)
{
	return m->uses[t] == 1 && !m->kept[t] ? m->user[t] : -1;
}

static bool constant_norm(const struct maker *m, int i)
{
	const struct et_node *node = &m->net->nodes[i];
	return node->type == &et_type_batchnorm2d &&
	       !(live_node(m, i) && (node->bn_batch || node->trains));
}

/* conv -> batch norm with constants -> residual add -> activation, as far as it goes. */
static void fuse(struct maker *m, int i)
{
	struct et_fused *f = &m->p->fused[i];
	const struct et_node *nodes = m->net->nodes;
	int next = only_user(m, f->out);

	if (next >= 0 && constant_norm(m, next)) {
		f->bn = next;
		m->p->skip[next] = true;
		f->out = next + 1;
		next = only_user(m, f->out);
	}
	if (next >= 0 && nodes[next].type == &et_type_add && nodes[next].n_in == 2) {
		int other = nodes[next].in[nodes[next].in[0] == f->out];
		if (other != f->out && other != 0 && m->made[other] < i) {
			f->residual = other;
			m->p->skip[next] = true;
			f->out = next + 1;
			next = only_user(m, f->out);
		}
	}
	bool relu = next >= 0 && nodes[next].type == &et_type_relu;
	bool relu6 = next >= 0 && nodes[next].type == &et_type_relu6;
	if ((relu || relu6) && !live_node(m, next)) {
		f->act = relu ? ET_ACT_RELU : ET_ACT_RELU6;
		m->p->skip[next] = true;
		f->out = next + 1;
	}
	m->made[f->out] = i;
}

static void use_until(struct maker *m, int t, int time)
{
	if (m->last[t] < time)
		m->last[t] = time;
}

static void find_last(struct maker *m)
{
	for (int i = 0; i < m->n; i++) {
		const struct et_node *node = &m->net->nodes[i];
		unsigned keeps = live_node(m, i) && node->type->keeps ? node->type->keeps(node) : 0;
		int again = backward_time(m, i);

		/* What a fused chain reads, its convolution reads. */
		for (int k = 0; k < node->n_in && !m->p->skip[i]; k++)
			use_until(m, node->in[k], i);
		if (m->p->fused[i].residual >= 0)
			use_until(m, m->p->fused[i].residual, i);
		if (keeps & ET_KEEP_IN0 && m->p->lazy[node->in[0]].bn < 0)
			use_until(m, node->in[0], again);
		if (keeps & ET_KEEP_IN1 && m->p->lazy[node->in[1]].bn < 0)
			use_until(m, node->in[1], again);
		if (keeps & ET_KEEP_OUT)
			use_until(m, i + 1, again);
		if (m->p->fused[i].left)
			use_until(m, node->in[0], backward_time(m, node->in[0] - 1));
	}
	use_until(m, m->n, m->n); /* the loss reads the logits */
}

static bool in_place(const struct maker *m, int i)
{
	return m->net->nodes[i].type->in_place && !m->net->unshared;
}

/* May node i write its output over its first input? Nobody may need that afterwards. */
static bool overwrites(const struct maker *m, int i)
{
	const struct et_node *node = &m->net->nodes[i];
	int a = node->in[0];

	if (!in_place(m, i) || a == 0 || m->p->y[a] < 0 || m->last[a] != i ||
	    m->p->whole[a] != m->p->whole[m->p->fused[i].out])
		return false;
	for (int k = 1; k < node->n_in; k++)
		if (node->in[k] == a)
			return false;
	return true;
}

/* Tensors that cross from one segment to another, or are of a segment that runs but once. */
static void find_whole(struct maker *m)
{
	struct et_program *p = m->p;

	p->whole[0] = true;
	for (int i = 0; i < m->n; i++) {
		const struct et_segment *s = et_segment_of(p, i);
		int out = p->fused[i].out;
		if (!p->skip[i])
			p->whole[out] = s->chunk == p->batch || m->last[out] >= s->end;
	}
}

/*
 * Memory for a tensor that node i writes. A segment's nodes run again for the next chunk: between
 * the first chunk and the last, nothing may lie where a tensor of all images does.
 */
static int tensor_slot(struct maker *m, int i, int t)
{
	struct et_program *p = m->p;
	const struct et_segment *s = et_segment_of(p, i);
	size_t images = (size_t)(p->whole[t] ? p->batch : s->chunk);
	int begin = p->whole[t] && s->chunk < p->batch ? et_segment_begin(p, s) : i;

	return new_slot(m, images * image_bytes(m, t), begin, m->last[t]);
}

/* The end of a tensor's life: behind the segment that reads it last, if it is whole. */
static int last_use(const struct maker *m, int t)
{
	const struct et_program *p = m->p;

	if (!p->whole[t] || m->last[t] >= m->n)
		return m->last[t];
	const struct et_segment *s = et_segment_of(p, m->last[t]);
	return s->chunk < p->batch ? s->end - 1 : m->last[t];
}

static void place_tensors(struct maker *m)
{
	struct et_program *p = m->p;

	for (int i = 0; i < m->n; i++) {
		const struct et_node *node = &m->net->nodes[i];
		int out = p->fused[i].out;
		const struct et_lazy *lazy = &p->lazy[out];
		if (p->skip[i] || (lazy->bn >= 0 && !lazy->written))
			continue;
		if (overwrites(m, i)) {
			p->y[out] = p->y[node->in[0]];
		} else {
			p->y[out] = tensor_slot(m, i, out);
		}
		extend(m, p->y[out], last_use(m, out));
	}
	for (int i = 0; i < m->n; i++) {
		const struct et_node *node = &m->net->nodes[i];
		size_t bytes = live_node(m, i) && node->type->saved && !p->absorbed[i]
				       ? node->type->saved(m->net, node, p->batch)
				       : 0;
		if (bytes) {
			/* The convolution before it may write there already. */
			int maker = node->in[0] - 1;
			bool early = maker >= 0 && p->fused[maker].moments == i;
			int late = p->fused[i].left ? maker : i;
			/* The one behind it may leave its sums there before its own backward. */
			p->save[i] = new_slot(m, bytes, early ? maker : i, backward_time(m, late));
		}
	}
	for (int t = 1; t <= m->n; t++) {
		struct et_lazy *z = &p->lazy[t];
		if (z->bn >= 0 && z->again >= 0)
			z->slot = new_slot(m, tensor_bytes(m, t), backward_time(m, z->again),
					   backward_time(m, z->until));
	}
}

/* Gradients of parameters that are updated right behind their node's backward. */
static void place_at_once(struct maker *m)
{
	for (int i = 0; i < m->n; i++) {
		const struct et_node *node = &m->net->nodes[i];
		size_t floats = 0;
		for (size_t k = 0; k < ET_COUNT(node->param); k++) {
			const struct et_param *p =
				node->param[k] < 0 ? NULL : &m->net->params[node->param[k]];
			if (p && p->at_once)
				floats += et_dw_stride(p);
		}
		if (floats)
			m->p->dw[i] = new_slot(m, floats * sizeof(float), backward_time(m, i),
					       backward_time(m, i));
	}
}

static void place_gradients(struct maker *m)
{
	struct et_program *p = m->p;
	int n = m->n;

	/* The loss writes its gradient over the logits, which only a sigmoid wants again. */
	if (p->y[n] >= 0 && m->last[n] == n && !m->net->unshared) {
		p->g[n] = p->y[n];
		extend(m, p->g[n], backward_time(m, n - 1));
	} else {
		p->g[n] = new_slot(m, tensor_bytes(m, n), n, backward_time(m, n - 1));
	}
	for (int i = n - 1; i >= 0; i--) {
		const struct et_node *node = &m->net->nodes[i];
		int now = backward_time(m, i);
		for (int k = node->n_in - 1; k >= 0 && node->active && !p->absorbed[i]; k--) {
			int t = node->in[k], at = p->first[i] + k;
			bool in_dy = in_place(m, i) && k == 0;
			if (!m->net->needs_grad[t]) {
				p->dx[at] = ET_DX_NONE;
			} else if (p->g[t] >= 0) {
				p->dx[at] = in_dy ? ET_DX_DY : ET_DX_TEMP;
				if (!in_dy)
					p->temp[at] = new_slot(m, gradient_bytes(m, t), now, now);
			} else {
				/* Alive until its producer's backward, or for good if it is the
				 * input's. */
				int end = t ? backward_time(m, t - 1) : 2 * n + 1;
				p->dx[at] = in_dy ? ET_DX_ALIAS : ET_DX_OWN;
				p->g[t] = in_dy ? p->g[et_dy_tensor(p, node)]
						: new_slot(m, gradient_bytes(m, t), now, end);
				extend(m, p->g[t], end);
			}
		}
		if (p->fused[i].left)
			extend(m, p->g[et_dy_tensor(p, node)], backward_time(m, node->in[0] - 1));
	}
}

static void measure_work(struct maker *m)
{
	struct et_arena work = et_arena_measure();
	struct et_exec x = {.net = m->net, .program = m->p, .work = &work, .n = m->p->batch};

	for (int i = 0; i < m->n; i++) {
		x.n = et_segment_of(m->p, i)->chunk;
		if (m->net->nodes[i].type->measure)
			m->net->nodes[i].type->measure(&x, &m->net->nodes[i], m->p->training);
	}
	struct et_shape end = m->net->nodes[m->n - 1].out;
	struct et_loss_sum sum;
	et_loss_forward(&m->net->ctx, &m->net->loss,
			(size_t)m->p->batch * (size_t)end.h * (size_t)end.w, NULL, NULL, 1, NULL,
			&sum, &work);
	m->p->work = work.peak;
	m->failed |= work.failed;
}

static bool alloc_program(struct maker *m)
{
	struct et_program *p = m->p;
	size_t n = (size_t)m->n, inputs = 0;

	for (int i = 0; i < m->n; i++)
		inputs += (size_t)m->net->nodes[i].n_in;
	p->y = et_calloc(n + 1, sizeof(int));
	p->g = et_calloc(n + 1, sizeof(int));
	p->save = et_calloc(n, sizeof(int));
	p->dw = et_calloc(n, sizeof(int));
	p->first = et_calloc(n + 1, sizeof(int));
	p->dx = et_calloc(inputs, sizeof(*p->dx));
	p->temp = et_calloc(inputs, sizeof(int));
	p->fused = et_calloc(n, sizeof(*p->fused));
	p->skip = et_calloc(n, sizeof(bool));
	p->whole = et_calloc(n + 1, sizeof(bool));
	p->absorbed = et_calloc(n, sizeof(bool));
	p->lazy = et_calloc(n + 1, sizeof(*p->lazy));
	m->uses = et_calloc(5 * (n + 1), sizeof(int));
	m->kept = et_calloc(n + 1, sizeof(bool));
	if (!p->y || !p->g || !p->save || !p->dw || !p->first || !p->dx || !p->temp || !p->fused ||
	    !p->skip || !p->whole || !p->absorbed || !p->lazy || !m->uses || !m->kept)
		return false;
	m->user = m->uses + n + 1;
	m->made = m->user + n + 1;
	m->last = m->made + n + 1;
	for (int i = 0; i <= m->n; i++) {
		p->y[i] = p->g[i] = -1;
		p->lazy[i] = (struct et_lazy){.bn = -1, .again = -1, .until = -1, .slot = -1};
	}
	for (int i = 0, at = 0; i < m->n; i++) {
		p->first[i] = at;
		at += m->net->nodes[i].n_in;
		p->save[i] = p->dw[i] = -1;
		p->fused[i] = (struct et_fused){.bn = -1,
						.residual = -1,
						.act = ET_ACT_NONE,
						.out = i + 1,
						.moments = -1,
						.through = -1,
						.sums = -1};
	}
	return true;
}

int et_program_make(struct et_program **program, struct et_net *net, bool training, int batch,
		    struct et_err *err)
{
	struct maker m = {.net = net, .n = net->n, .p = et_calloc(1, sizeof(struct et_program))};

	if (!m.p)
		return et_fail(err, ET_ENOMEM, "out of memory");
	if (!addressable(net, batch)) {
		free(m.p);
		return et_fail(err, ET_EFIT, "a batch of %d exceeds the addresses of this machine",
			       batch);
	}
	m.p->training = training;
	m.p->batch = batch;
	if (!alloc_program(&m)) {
		m.failed = true;
	} else {
		if (training)
			et_net_chain(net);
		find_uses(&m);
		for (int i = 0; i < m.n && !net->unfused; i++)
			if (net->nodes[i].type == &et_type_conv2d ||
			    net->nodes[i].type == &et_type_linear)
				fuse(&m, i);
		if (training && !net->unfused)
			et_program_lazy(m.p, net);
		find_last(&m);
		m.failed |= !et_program_cut(m.p, net) || !et_program_chunk(m.p, net);
	}
	if (!m.failed) {
		find_whole(&m);
		place_tensors(&m);
		if (training) {
			place_gradients(&m);
			place_at_once(&m);
		}
	}
	if (!m.failed) {
		m.p->live = et_slots_place(m.p->slots, m.p->n_slots);
		for (int i = 0; i < m.p->n_slots; i++)
			if (m.p->slots[i].begin < m.n && m.p->slots[i].end > m.n &&
			    i != m.p->g[m.n])
				m.p->saved += m.p->slots[i].bytes;
		measure_work(&m);
	}
	free(m.uses);
	free(m.kept);
	if (m.failed) {
		et_program_free(m.p);
		return et_fail(err, ET_ENOMEM, "out of memory");
	}
	*program = m.p;
	return ET_OK;
}

void et_program_free(struct et_program *p)
{
	if (!p)
		return;
	free(p->y);
	free(p->g);
	free(p->save);
	free(p->dw);
	free(p->first);
	free(p->dx);
	free(p->temp);
	free(p->fused);
	free(p->skip);
	free(p->whole);
	free(p->segments);
	free(p->absorbed);
	free(p->lazy);
	free(p->cut);
	free(p->slots);
	free(p);
}
