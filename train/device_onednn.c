/* device_onednn.c -- the library: its engine, and products of matrices. */
#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "device_cpu.h"
#include "onednn_parts.h"

const char *onednn_status_text(dnnl_status_t status)
{
    switch (status) {
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "invalid arguments";
    case dnnl_unimplemented:
        return "unimplemented";
    case dnnl_runtime_error:
        return "runtime error";
    default:
        return "error";
    }
}

void onednn_stay_in_thread(void)
{
    if (omp_get_max_threads() != 1)
        omp_set_num_threads(1);
}

const char *onednn_version(char text[32])
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, 32, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

/* Each instruction set's number has the bits of those that it contains. */
bool onednn_has_bf16(void)
{
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) ==
           dnnl_cpu_isa_avx512_core_bf16;
}

static int open_parts(struct onednn *dnn, struct sluice_error *err)
{
    DNNL_TRY(err, dnnl_engine_create(&dnn->engine, dnnl_cpu, 0));
    DNNL_TRY(err, dnnl_primitive_attr_create(&dnn->attr));
    DNNL_TRY(err, dnnl_primitive_attr_set_scratchpad_mode(dnn->attr,
                                                          dnnl_scratchpad_mode_user));
    for (int i = 0; i < dnn->threads; i++)
        DNNL_TRY(err, dnnl_stream_create(&dnn->stream[i], dnn->engine,
                                         dnnl_stream_default_flags));
    return 0;
}

int onednn_open(struct onednn **out, int threads, struct sluice_error *err)
{
    *out = NULL;
    struct onednn *dnn = calloc(1, sizeof *dnn);
    dnnl_stream_t *streams = calloc((size_t)threads, sizeof *streams);
    if (!dnn || !streams) {
        free(dnn);
        free(streams);
        return sluice_fail(err, SLUICE_ENOMEM, "oneDNN: no memory");
    }
    dnn->stream = streams;
    dnn->threads = threads;
    const int rc = open_parts(dnn, err);
    if (rc < 0) {
        onednn_close(dnn);
        return rc;
    }
    *out = dnn;
    return 0;
}

void onednn_close(struct onednn *dnn)
{
    if (!dnn)
        return;
    for (int i = 0; i < dnn->threads; i++)
        if (dnn->stream[i])
            dnnl_stream_destroy(dnn->stream[i]);
    if (dnn->attr)
        dnnl_primitive_attr_destroy(dnn->attr);
    if (dnn->engine)
        dnnl_engine_destroy(dnn->engine);
    free(dnn->stream);
    free(dnn);
}

struct rows {
    const struct onednn_product *p;
    const float *a, *b;
    float *c;
    atomic_bool refused;
};

static void multiply_rows(void *arg, size_t begin, size_t end)
{
    struct rows *r = arg;
    const struct onednn_product *p = r->p;
    const float *a = r->a + begin * (p->transpose_a ? 1 : (size_t)p->k);
    onednn_stay_in_thread();
    if (dnnl_sgemm(p->transpose_a ? 'T' : 'N', p->transpose_b ? 'T' : 'N',
                   (dnnl_dim_t)(end - begin), p->n, p->k, p->alpha, a,
                   p->transpose_a ? p->m : p->k, r->b, p->transpose_b ? p->k : p->n,
                   p->beta, r->c + begin * (size_t)p->n, p->n) != dnnl_success)
        r->refused = true;
}

bool onednn_multiply(const struct device *dev, const struct onednn_product *p,
                     const float *a, const float *b, float *c)
{
    struct rows r = { .p = p, .a = a, .b = b, .c = c };
    threads_for(dev, (size_t)p->m, (size_t)p->n * (size_t)p->k, multiply_rows, &r);
    return !r.refused;
}
