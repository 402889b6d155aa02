/* parity_rig.h -- a device against the reference, forward and backward, for one
 * operator and case; also run twice, with unwanted gradients, and with new parameters.
 *
 * Inputs are exact in bf16, so what a bf16 run may differ by is the rounding of each
 * result, and what stays float (gradients of parameters, statistics, probabilities) is
 * as near as in a float run. */
#ifndef SLUICE_PARITY_RIG_H
#define SLUICE_PARITY_RIG_H

#include "op_rig.h"

static struct device *ref;

/* How far a device may be off, beside `relative`: of a result's root mean square. */
struct parity_limits {
    double relative, half; /* half: of results in bf16 and f16 */
    double rms, half_rms;
    double gradient; /* relative, of parameters' gradients in a half precision run */
};

static struct parity_limits limits = { 2e-5, 0x1p-8, 3e-5, 3e-5, 0 };

/* Everything that a forward and a backward write. */
struct written {
    const struct tensor *t;
    void *values;
    const char *what;
};

static int list_written(struct rig *r, struct written out[10])
{
    int n = 0;
    for (int i = 0; i < 2; i++) {
        if (r->op.out[i] && !r->op.def->alias)
            out[n++] = (struct written){ &r->out[i], r->out[i].data, "output" };
        if (r->op.in[i] && r->in[i].grad)
            out[n++] = (struct written){ &r->in[i], r->in[i].grad, "input's gradient" };
        if (r->op.param[i] && r->param[i].grad)
            out[n++] = (struct written){ &r->param[i], r->param[i].grad, "gradient" };
        if (r->op.buffer[i])
            out[n++] = (struct written){ &r->buffer[i], r->buffer[i].data, "buffer" };
    }
    return n;
}

static void start_buffers(struct rig *r)
{
    for (int i = 0; i < OP_BUFFERS; i++)
        for (int k = 0; r->op.buffer[i] && k < r->buffer[i].shape[0]; k++)
            ((float *)r->buffer[i].data)[k] = 0.25F + (float)(i * (k % 5));
}

/* Forward and backward over memory that holds `pattern` where results will stand. */
static void run(struct rig *r, int pattern, const char *what)
{
    struct written w[10];
    for (int i = 0; i < list_written(r, w); i++)
        memset(w[i].values, pattern, tensor_bytes(w[i].t));
    start_buffers(r);
    r->pass.loss = -1;
    r->pass.correct = -1;
    rig_forward(r, what);
    rig_backward(r, what);
}

static double rms(const struct tensor *t, const void *values)
{
    double sum = 0;
    for (size_t i = 0; i < tensor_elements(t); i++)
        sum += pow(rig_get(t, values, i), 2);
    return sqrt(sum / (double)tensor_elements(t));
}

static void compare(const struct written *got, const struct written *want,
                    const char *name)
{
    const double loose = strcmp(got->what, "gradient") == 0 ? limits.gradient : 0;
    const bool half = got->t->dtype != SLUICE_F32;
    const double relative = half ? limits.half : limits.relative + loose;
    const double absolute =
        ((half ? limits.half_rms : limits.rms) + loose) * rms(want->t, want->values) +
        1e-7;
    size_t wrong = 0, first = 0;
    for (size_t i = 0; i < tensor_elements(got->t); i++)
        if (!near(rig_get(got->t, got->values, i), rig_get(want->t, want->values, i),
                  absolute, relative) &&
            !wrong++)
            first = i;
    CHECK(!wrong, "%s: %s %s: %zu of %zu differ, element %zu is %g, expected %g", name,
          got->what, got->t->name, wrong, tensor_elements(got->t), first,
          rig_get(got->t, got->values, first), rig_get(want->t, want->values, first));
}

static void compare_runs(struct rig *r, struct rig *truth, const char *name)
{
    struct written got[10], want[10];
    const int n = list_written(r, got);
    list_written(truth, want);
    for (int i = 0; i < n; i++)
        compare(&got[i], &want[i], name);
    if (r->op.def == &op_softmax_xent) {
        CHECK(near(r->pass.loss, truth->pass.loss, 1e-6, 1e-6),
              "%s: loss %g, expected %g", name, r->pass.loss, truth->pass.loss);
        CHECK(near(r->pass.correct, truth->pass.correct, 1e-9, 0),
              "%s: %g correct, expected %g", name, r->pass.correct,
              truth->pass.correct);
    }
}

/* A copy of all results of the last run. */
struct snapshot {
    struct written w[10];
    void *copy[10];
    int n;
};

static void snapshot_take(struct snapshot *s, struct rig *r)
{
    s->n = list_written(r, s->w);
    for (int i = 0; i < s->n; i++) {
        s->copy[i] = rig_memory(tensor_bytes(s->w[i].t));
        memcpy(s->copy[i], s->w[i].values, tensor_bytes(s->w[i].t));
    }
}

static void snapshot_free(struct snapshot *s)
{
    for (int i = 0; i < s->n; i++)
        free(s->copy[i]);
}

/* Bit for bit what it was; `except` is not looked at. */
static void snapshot_same(const struct snapshot *s, const void *except,
                          const char *name, const char *why)
{
    for (int i = 0; i < s->n; i++)
        CHECK(s->w[i].values == except ||
                  memcmp(s->w[i].values, s->copy[i], tensor_bytes(s->w[i].t)) == 0,
              "%s: %s %s changes %s", name, s->w[i].what, s->w[i].t->name, why);
}

/* Without each of the gradients in turn, the others are what they were. */
static void check_unwanted(struct rig *r, const struct snapshot *s, const char *name)
{
    struct tensor *wanted[4] = { r->op.in[0], r->op.in[1], r->op.param[0],
                                 r->op.param[1] };
    for (int i = 0; i < 4; i++) {
        if (!wanted[i])
            continue;
        void *grad = wanted[i]->grad;
        wanted[i]->grad = NULL;
        run(r, 0x3f, name);
        wanted[i]->grad = grad;
        snapshot_same(s, grad, name, "without another gradient");
    }
}

/* New parameters take effect in the next run. */
static void check_params_changed(struct rig *r, struct rig *truth, const char *name)
{
    for (int i = 0; i < OP_PARAMS; i++)
        if (r->op.param[i]) {
            rig_fill(&r->param[i], r->param[i].data, 77 + (uint32_t)i);
            rig_fill(&truth->param[i], truth->param[i].data, 77 + (uint32_t)i);
        }
    if (r->be->params_changed)
        r->be->params_changed(&r->op);
    run(r, 0xff, name);
    run(truth, 0xff, name);
    compare_runs(r, truth, name);
}

/* Gradients that may lie in one place. */
static void check_alias_grad(struct rig *r, const char *name)
{
    void *kept[2] = { r->in[0].grad, r->in[1].grad };
    struct tensor *out = &r->out[0];
    void *copy = rig_memory(tensor_bytes(out));
    memcpy(copy, out->grad, tensor_bytes(out));
    r->in[0].grad = r->in[1].grad = out->grad;
    rig_backward(r, name);
    CHECK(memcmp(copy, out->grad, tensor_bytes(out)) == 0, "%s: gradient moved", name);
    r->in[0].grad = kept[0];
    r->in[1].grad = kept[1];
    free(copy);
}

/* Gradients that are the same may lie in one place of their own. */
static void check_shared_grad(struct rig *r, const char *name)
{
    void *second = r->in[1].grad;
    const size_t bytes = tensor_bytes(&r->in[0]);
    rig_backward(r, name);
    CHECK(memcmp(r->in[0].grad, second, bytes) == 0, "%s: gradients differ", name);
    r->in[1].grad = r->in[0].grad;
    memset(r->in[0].grad, 0x3f, bytes);
    rig_backward(r, name);
    CHECK(memcmp(r->in[0].grad, second, bytes) == 0, "%s: shared", name);
    r->in[1].grad = second;
}

static void check_case(const struct op_def *def, const struct op_case *c,
                       struct device *dev, const char *isa)
{
    struct rig r, truth;
    struct snapshot first;
    char name[200];
    snprintf(name, sizeof name, "%s %s, %s, %s, %d threads", def->name, c->name, isa,
             sluice_dtype_name(dev->compute), dev->threads);
    rig_open(&r, def, c, dev);
    rig_open(&truth, def, c, ref);
    truth.pass.mixes = r.pass.mixes; /* device cuda does not mix */
    run(&truth, 0xff, name);
    run(&r, 0xff, name); /* all bits set: NaN in both types */
    compare_runs(&r, &truth, name);
    snapshot_take(&first, &r);
    run(&r, 0x3f, name);
    snapshot_same(&first, NULL, name, "when run again");
    check_unwanted(&r, &first, name);
    snapshot_free(&first);
    if (def->alias_grad)
        check_alias_grad(&r, name);
    if (def->shared_grad)
        check_shared_grad(&r, name);
    check_params_changed(&r, &truth, name);
    r.pass.training = truth.pass.training = false;
    run(&truth, 0xff, name);
    run(&r, 0xff, name);
    strncat(name, " (evaluation)", sizeof name - strlen(name) - 1);
    compare_runs(&r, &truth, name);
    rig_close(&r);
    rig_close(&truth);
}

#endif
