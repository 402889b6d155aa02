/* op_rig.h -- one operator by itself on one device: memory around it, and numbers in
 * it, for the tests that walk the registry and each operator's case table. */
#ifndef SLUICE_OP_RIG_H
#define SLUICE_OP_RIG_H

#include <string.h>

#include "check.h"
#include "cuda/gpu.h"
#include "ops/op.h"

struct rig {
    struct op op;
    struct tensor in[2], out[2], param[OP_PARAMS], buffer[OP_BUFFERS];
    int64_t labels[64];
    struct sluice_mix mixes[64]; /* of the loss's cases that are called mixed */
    struct pass pass;
    struct device *dev;
    const struct op_backend *be;
};

static inline float bf16_to_float(uint16_t h)
{
    const uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint16_t float_to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline double rig_get(const struct tensor *t, const void *values, size_t i)
{
    if (t->dtype == SLUICE_BF16)
        return (double)bf16_to_float(((const uint16_t *)values)[i]);
    if (t->dtype == SLUICE_F16)
        return (double)f16_value(((const uint16_t *)values)[i]);
    return (double)((const float *)values)[i];
}

static inline void rig_put(const struct tensor *t, void *values, size_t i, float v)
{
    if (t->dtype == SLUICE_BF16)
        ((uint16_t *)values)[i] = float_to_bf16(v);
    else if (t->dtype == SLUICE_F16)
        ((uint16_t *)values)[i] = f16_of(v);
    else
        ((float *)values)[i] = v;
}

/* Uniform in (-1, 1), the same for every type: exact in bf16. */
static inline void rig_fill(const struct tensor *t, void *values, uint32_t seed)
{
    for (size_t i = 0; i < tensor_elements(t); i++) {
        seed = seed * 1664525U + 1013904223U;
        const float v = (float)(seed >> 8) * 0x1p-23F - 1;
        rig_put(t, values, i, bf16_to_float(float_to_bf16(v)));
    }
}

static inline void *rig_memory(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) & ~(size_t)63);
    REQUIRE(p, "no memory");
    return p;
}

static inline void rig_allocate(struct tensor *t)
{
    t->data = rig_memory(tensor_bytes(t));
    t->grad = rig_memory(tensor_bytes(t));
    t->trainable = true;
}

static inline void rig_shape(struct rig *r, const struct op_def *def,
                             const struct op_case *c)
{
    struct sluice_error err = { 0 };
    memset(r, 0, sizeof *r);
    r->op = (struct op){ .def = def, .attr = c->attr, .name = "op", .number = 3 };
    for (int i = 0; i < def->inputs; i++)
        r->op.in[i] = &r->in[i];
    for (int i = 0; i < def->outputs; i++)
        r->op.out[i] = &r->out[i];
    for (int i = 0; i < OP_PARAMS; i++)
        r->op.param[i] = &r->param[i];
    for (int i = 0; i < OP_BUFFERS; i++)
        r->op.buffer[i] = &r->buffer[i];
    for (int i = 0; i < def->inputs; i++) {
        r->in[i] = (struct tensor){ .rank = 4, .shape = { c->n, c->h, c->w, c->c } };
        r->in[i].dtype = SLUICE_F32;
        if (i == 1 && c->second)
            r->in[i].shape[3] = c->second;
        if (i == 1 && def->factors)
            r->in[i].shape[1] = r->in[i].shape[2] = 1;
    }
    REQUIRE(def->shape(&r->op, &err) == 0, "%s %s: %s", def->name, c->name,
            err.message);
}

/* The operator of case `c` on dev, its primitives planned and its inputs filled. */
static inline void rig_open(struct rig *r, const struct op_def *def,
                            const struct op_case *c, struct device *dev)
{
    struct sluice_error err = { 0 };
    rig_shape(r, def, c);
    for (int i = 0; i < def->inputs; i++)
        r->in[i].dtype = dev->compute;
    REQUIRE(def->shape(&r->op, &err) == 0, "%s %s: %s", def->name, c->name,
            err.message);
    for (int i = 0; i < def->inputs; i++) {
        rig_allocate(&r->in[i]);
        rig_fill(&r->in[i], r->in[i].data, 1 + (uint32_t)i);
    }
    for (int i = 0; i < def->outputs; i++) {
        rig_allocate(&r->out[i]);
        rig_fill(&r->out[i], r->out[i].grad, 11 + (uint32_t)i);
        if (def->alias) {
            free(r->out[i].data);
            r->out[i].data = r->in[0].data;
        }
    }
    for (int i = 0; i < OP_PARAMS; i++)
        if (r->param[i].rank) {
            rig_allocate(&r->param[i]);
            rig_fill(&r->param[i], r->param[i].data, 21 + (uint32_t)i);
        } else {
            r->op.param[i] = NULL;
        }
    for (int i = 0; i < OP_BUFFERS; i++)
        if (r->buffer[i].rank) {
            rig_allocate(&r->buffer[i]);
            for (int k = 0; k < r->buffer[i].shape[0]; k++) /* means 0.25, variances */
                ((float *)r->buffer[i].data)[k] = 0.25F + (float)(i * (k % 5));
        } else {
            r->op.buffer[i] = NULL;
        }
    for (int i = 0; i < 64; i++)
        r->labels[i] = (i * 7 + 3) % c->c;
    for (int i = 0; i < c->n && i < 64; i++)
        r->mixes[i] = (struct sluice_mix){ .partner = (i + 2) % c->n,
                                           .share = (float)(i % 5) / 4 };
    r->pass = (struct pass){
        .training = true, .seed = 42, .step = 7, .labels = r->labels, .label_stride = 1
    };
    if (def == &op_softmax_xent && strstr(c->name, "mixed"))
        r->pass.mixes = r->mixes;
    r->dev = dev;
    r->be = def->on[dev->kind];
    if (r->be->plan)
        REQUIRE(r->be->plan(&r->op, dev, &err) == 0, "%s %s: %s", def->name, c->name,
                err.message);
}

static inline void rig_close(struct rig *r)
{
    if (r->be->release)
        r->be->release(&r->op);
    for (int i = 0; i < 2; i++) {
        free(r->in[i].data);
        free(r->in[i].grad);
        if (!r->op.def->alias)
            free(r->out[i].data);
        free(r->out[i].grad);
        free(r->param[i].data);
        free(r->param[i].grad);
        free(r->buffer[i].data);
        free(r->buffer[i].grad);
    }
}

/* On device cuda the operator works on twins of the rig's memory, in the GPU's. */
struct rig_twin {
    void *host, *gpu;
    size_t bytes;
};

static inline void rig_twin(struct gpu *gpu, struct rig_twin twin[20], void **pointer,
                            size_t bytes)
{
    struct sluice_error err;
    int i = 0;
    if (!*pointer)
        return;
    while (twin[i].host && twin[i].host != *pointer)
        i++;
    if (!twin[i].host) {
        twin[i] = (struct rig_twin){ .host = *pointer, .bytes = bytes };
        REQUIRE(gpu->run->allocate(gpu, &twin[i].gpu, bytes, &err) == 0 &&
                    gpu_write(gpu, twin[i].gpu, *pointer, bytes, &err) == 0,
                "%s", err.message);
    }
    *pointer = twin[i].gpu;
}

static inline void rig_on_gpu(struct rig *r, bool forward, const char *what)
{
    struct rig_twin twin[20] = { { 0 } };
    struct gpu *gpu = gpu_of(r->dev);
    struct sluice_error err = { 0 };
    struct rig kept = *r;
    struct tensor *all[] = { &r->in[0],    &r->in[1],    &r->out[0],    &r->out[1],
                             &r->param[0], &r->param[1], &r->buffer[0], &r->buffer[1] };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        rig_twin(gpu, twin, &all[i]->data, tensor_bytes(all[i]));
        rig_twin(gpu, twin, &all[i]->grad, tensor_bytes(all[i]));
    }
    REQUIRE((forward ? r->be->forward : r->be->backward)(&r->op, r->dev, &r->pass,
                                                         &err) == 0,
            "%s: %s", what, err.message);
    for (int i = 0; twin[i].host; i++) {
        REQUIRE(gpu_read(gpu, twin[i].host, twin[i].gpu, twin[i].bytes, &err) == 0,
                "%s: %s", what, err.message);
        gpu->run->release(gpu, twin[i].gpu);
    }
    memcpy(r->in, kept.in, sizeof r->in);
    memcpy(r->out, kept.out, sizeof r->out);
    memcpy(r->param, kept.param, sizeof r->param);
    memcpy(r->buffer, kept.buffer, sizeof r->buffer);
}

static inline void rig_forward(struct rig *r, const char *what)
{
    struct sluice_error err = { 0 };
    if (r->dev->kind == DEVICE_CUDA) {
        rig_on_gpu(r, true, what);
        return;
    }
    REQUIRE(r->be->forward(&r->op, r->dev, &r->pass, &err) == 0, "%s: %s", what,
            err.message);
}

static inline void rig_backward(struct rig *r, const char *what)
{
    struct sluice_error err = { 0 };
    if (r->dev->kind == DEVICE_CUDA) {
        rig_on_gpu(r, false, what);
        return;
    }
    REQUIRE(r->be->backward(&r->op, r->dev, &r->pass, &err) == 0, "%s: %s", what,
            err.message);
}

#endif
