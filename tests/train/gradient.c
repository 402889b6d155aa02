/* gradient.c -- every operator's reference gradient against central differences, for
 * its inputs and its parameters, in training and outside of it. */
#include "op_rig.h"

/* The scalar that is differentiated: the loss operator's own, else the outputs weighed
 * by what stands in their gradients. */
static double objective(struct rig *r, const char *what)
{
    double sum = 0;
    rig_forward(r, what);
    if (r->op.def == &op_softmax_xent)
        return r->pass.loss;
    for (int i = 0; i < r->op.def->outputs; i++)
        for (size_t k = 0; k < tensor_elements(&r->out[i]); k++)
            sum += rig_get(&r->out[i], r->out[i].data, k) *
                   rig_get(&r->out[i], r->out[i].grad, k);
    return sum;
}

/* Forward in training moves the running statistics, which gradients must not see. */
static double difference(struct rig *r, float *value, float step, const char *what)
{
    const float kept = *value;
    *value = kept + step;
    const float above = *value;
    const double high = objective(r, what);
    *value = kept - step;
    const float below = *value;
    const double low = objective(r, what);
    *value = kept;
    return (high - low) / ((double)above - (double)below);
}

static double rms(const struct tensor *t)
{
    double sum = 0;
    for (size_t i = 0; i < tensor_elements(t); i++)
        sum += pow((double)((const float *)t->grad)[i], 2);
    return sqrt(sum / (double)tensor_elements(t));
}

/* Elements to try: few where one forward pass is long. */
static size_t samples(const struct rig *r)
{
    const size_t work = tensor_elements(&r->out[0]) *
                        (r->param[0].rank > 1 ? tensor_elements(&r->param[0]) /
                                                    (size_t)r->out[0].shape[3]
                                              : 1);
    return work > 1000000 ? 4 : work > 100000 ? 12 : 32;
}

/* Where two step sizes disagree the function has a kink (ReLU's zero, another maximum)
 * within reach and says nothing; most elements must say something. */
static void check_tensor(struct rig *r, struct tensor *t, const char *what)
{
    const size_t count = tensor_elements(t), most = samples(r);
    const size_t stride = count > most ? count / most | 1 : 1;
    const double scale = rms(t);
    const float *grad = t->grad;
    int tried = 0, kinks = 0;
    for (size_t i = 0; i < count; i++)
        CHECK(isfinite(grad[i]), "%s: gradient %zu is %g", what, i, (double)grad[i]);
    for (size_t i = 0; i < count; i += stride, tried++) {
        float *value = (float *)t->data + i;
        const double wide = difference(r, value, 0x1p-7F, what);
        const double fine = difference(r, value, 0x1p-8F, what);
        if (!near(fine, wide, 0.01 * scale, 0.01)) {
            kinks++;
            continue;
        }
        CHECK(near((double)grad[i], fine, 0.01 * scale + 1e-5, 0.01),
              "%s: gradient %zu is %g, differences say %g", what, i, (double)grad[i],
              fine);
    }
    CHECK(kinks * 3 <= tried, "%s: %d of %d elements lie at kinks", what, kinks, tried);
}

static void check_case(const struct op_def *def, const struct op_case *c,
                       struct device *ref, bool training)
{
    struct rig r;
    char what[160];
    rig_open(&r, def, c, ref);
    r.pass.training = training;
    for (int i = 0; i < 2; i++) {
        if (r.op.in[i])
            memset(r.in[i].grad, 0xff, tensor_bytes(&r.in[i]));
        if (r.op.param[i])
            memset(r.param[i].grad, 0xff, tensor_bytes(&r.param[i]));
    }
    rig_forward(&r, c->name);
    rig_backward(&r, c->name);
    for (int i = 0; i < 2; i++) {
        snprintf(what, sizeof what, "%s %s%s, input %d", def->name, c->name,
                 training ? "" : " (evaluation)", i);
        if (r.op.in[i])
            check_tensor(&r, &r.in[i], what);
        if (r.op.param[i]) {
            snprintf(what, sizeof what, "%s %s, %s", def->name, c->name,
                     r.param[i].name);
            check_tensor(&r, &r.param[i], what);
        }
    }
    rig_close(&r);
}

int main(void)
{
    struct device *ref;
    struct sluice_error err = { 0 };
    REQUIRE(device_open(&ref, "ref", "auto", 0, &err) == 0, "%s", err.message);
    for (int i = 0; op_registry[i]; i++) {
        const struct op_def *def = op_registry[i];
        CHECK(def->help && def->help[0] && def->cases && def->cases[0].name,
              "%s lacks help or cases", def->name);
        for (const struct op_case *c = def->cases; c->name; c++) {
            check_case(def, c, ref, true);
            if (def == &op_batchnorm || def == &op_dropout || def == &op_droppath)
                check_case(def, c, ref, false);
        }
    }
    device_close(ref);
    return check_done();
}
