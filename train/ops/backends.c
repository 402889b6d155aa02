/* backends.c -- what the operators' definitions share: shapes and their checks. */
#include <stdio.h>
#include <string.h>

#include "backends.h"
#include "fusion.h"

void op_shape_activation(struct tensor *t, int n, int h, int w, int c,
                         enum sluice_dtype dtype)
{
    const int shape[4] = { n, h, w, c };
    t->rank = 4;
    memcpy(t->shape, shape, sizeof shape);
    t->dtype = dtype;
}

void op_shape_like(struct tensor *t, const struct tensor *like)
{
    t->rank = like->rank;
    memcpy(t->shape, like->shape, sizeof t->shape);
    t->dtype = like->dtype;
}

void op_shape_vector(struct tensor *t, const char *name, int length)
{
    t->rank = 1;
    t->shape[0] = length;
    t->dtype = SLUICE_F32;
    snprintf(t->name, sizeof t->name, "%s", name);
}

void op_shape_none(struct tensor *t)
{
    if (t)
        t->rank = 0;
}

int op_check_input(const struct op *op, struct sluice_error *err)
{
    char text[64];
    for (int i = 0; i < op->def->inputs; i++) {
        const struct tensor *t = op->in[i];
        bool good = t->rank == 4;
        for (int d = 0; good && d < 4; d++)
            good = t->shape[d] >= 1;
        if (!good)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%s %s: input is %s, expected images x height x width "
                               "x channels",
                               op->def->name, op->name, tensor_shape_text(text, t));
    }
    return 0;
}

int op_shape_sum(struct op *op, struct sluice_error *err)
{
    char a[64], b[64];
    const int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    if (memcmp(op->in[0]->shape, op->in[1]->shape, sizeof op->in[0]->shape) != 0)
        return sluice_fail(err, SLUICE_EINVAL, "%s %s: %s and %s differ", op->def->name,
                           op->name, tensor_shape_text(a, op->in[0]),
                           tensor_shape_text(b, op->in[1]));
    op_shape_like(op->out[0], op->in[0]);
    return 0;
}

int op_shape_random(struct op *op, struct sluice_error *err)
{
    const int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    if (!(op->attr.p >= 0 && op->attr.p < 1))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s %s: probability %g, expected 0 <= p < 1", op->def->name,
                           op->name, (double)op->attr.p);
    op_shape_like(op->out[0], op->in[0]);
    return 0;
}

#ifdef SLUICE_HAVE_ONEDNN
static const struct op_fusion *const of_cpu[] = { &op_gate_add_relu,
                                                  &op_droppath_add_relu,
                                                  &op_batchnorm_add_relu,
                                                  &op_conv2d_maxpool, NULL };
#endif

const struct op_fusion *const *op_fusions(enum device_kind kind)
{
#ifdef SLUICE_HAVE_ONEDNN
    if (kind == DEVICE_CPU)
        return of_cpu;
#endif
    (void)kind;
    return NULL;
}
