/* vq_session.c -- opening what `sluice vq` works with; see vq_session.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../workers.h"
#include "vq_session.h"

enum {
    AT_ONCE = 16, /* latents that are sampled together */
};

/* `auto` is the CPU's fast way where this build has it. */
static int open_device(struct vq_session *s, struct sluice_error *err)
{
    const char *kind = vq_config_device(s->cfg);
    const bool any = strcmp(kind, "auto") == 0;
    int rc = device_open(&s->dev, any ? "cpu" : kind, "f32", s->cfg->threads, err);
    if (any && rc == SLUICE_EUNBUILT)
        rc = device_open(&s->dev, "ref", "f32", s->cfg->threads, err);
    if (rc < 0)
        return rc;
    s->workers = s->dev->workers;
    s->threads = s->dev->threads;
    if (s->workers)
        return 0;
    s->threads = s->cfg->threads ? s->cfg->threads : sluice_cpus();
    rc = s->threads > 1 ? workers_open(&s->own, s->threads, err) : 0;
    s->workers = s->own;
    return rc;
}

static int open_parts(struct vq_session *s, enum vq_needs needs,
                      struct sluice_error *err)
{
    struct vq_config *cfg = s->cfg;
    int rc = 0;
    if (needs != VQ_TO_SAMPLE)
        rc = vq_data_open(&s->data, cfg, needs == VQ_TO_ENCODE, err);
    if (rc < 0 || (rc = open_device(s, err)) < 0 ||
        (rc = vq_inner_open(&s->inner, s->dev, cfg->batch_size, cfg, err)) < 0)
        return rc;
    const int samples = cfg->eval_ensemble < AT_ONCE && cfg->eval_ensemble > 4
                            ? cfg->eval_ensemble
                            : AT_ONCE;
    s->options = (struct refiner_options){
        .shape = { cfg->stages, cfg->options, cfg->hidden, cfg->depth,
                   vq_inner_size(s->inner), cfg->bias_only },
        .batch = cfg->meta_batch,
        .samples = samples,
        .training = needs == VQ_TO_TRAIN,
        .bf16 = cfg->products == VQ_PRODUCTS_BF16,
    };
    return 0;
}

int vq_session_open(struct vq_session *s, struct vq_config *cfg, enum vq_needs needs,
                    struct sluice_error *err)
{
    s->cfg = cfg;
    return open_parts(s, needs, err);
}

/* A number of bytes in a file of the kernel, behind `label` (NULL: at its beginning);
 * UINT64_MAX where there is none. */
static uint64_t read_bytes(const char *path, const char *label, uint64_t unit)
{
    FILE *from = fopen(path, "r");
    char line[256];
    uint64_t value = UINT64_MAX;
    while (from && fgets(line, sizeof line, from)) {
        const size_t skip = label ? strlen(label) : 0;
        char *end;
        if (label && strncmp(line, label, skip) != 0)
            continue;
        const uint64_t found = strtoull(line + skip, &end, 10);
        value = end == line + skip ? UINT64_MAX : found * unit;
        break;
    }
    if (from)
        fclose(from);
    return value;
}

/* Bytes that this process may still take. */
static uint64_t available_memory(void)
{
    const uint64_t machine = read_bytes("/proc/meminfo", "MemAvailable:", 1024);
    const uint64_t most = read_bytes("/sys/fs/cgroup/memory.max", NULL, 1);
    const uint64_t used = read_bytes("/sys/fs/cgroup/memory.current", NULL, 1);
    if (most == UINT64_MAX || used == UINT64_MAX || used > most)
        return machine;
    return most - used < machine ? most - used : machine;
}

const char *vq_session_memory(const struct vq_session *s, char buf[256])
{
    const double numbers = 4 * (double)refine_count(&s->options.shape) / 1e6;
    const double all = (double)refine_bytes(&s->options) / 1e6;
    if (s->options.training)
        snprintf(buf, 256,
                 "%.0f MB: %.0f for the numbers, as many for each of Adam's two "
                 "moments, %.0f for traces; no gradients are kept",
                 all, numbers, all - 3 * numbers);
    else
        snprintf(buf, 256, "%.0f MB: %.0f for the numbers, %.0f for traces", all,
                 numbers, all - numbers);
    return buf;
}

int vq_session_open_refiner(struct vq_session *s, struct sluice_error *err)
{
    const uint64_t need = refine_bytes(&s->options), there = available_memory();
    if (need > there)
        return sluice_fail(
            err, SLUICE_ENOMEM,
            "the refinement network needs %.0f MB of memory, %.0f MB are "
            "free: fewer stages or options, or a smaller hidden, take "
            "less, and bias_only=true least",
            (double)need / 1e6, (double)there / 1e6);
    return refiner_open(&s->refiner, &s->options, s->workers, s->threads, err);
}

void vq_session_close(struct vq_session *s)
{
    refiner_close(s->refiner);
    vq_inner_close(s->inner);
    vq_data_close(&s->data);
    workers_close(s->own);
    device_close(s->dev);
    memset(s, 0, sizeof *s);
}

int vq_session_sample(struct vq_session *s, enum vq_draw what, uint64_t step,
                      uint32_t first, int n, float *thetas, struct sluice_error *err)
{
    const struct refine_shape *shape = &s->options.shape;
    const int most =
        s->options.samples > s->options.batch ? s->options.samples : s->options.batch;
    uint8_t *latents = malloc((size_t)most * (size_t)shape->stages);
    if (!latents)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d latents", most);
    for (int done = 0; done < n; done += most) {
        const int some = n - done < most ? n - done : most;
        vq_draw_latents(latents, some, shape->stages, shape->options, s->cfg->seed,
                        what, step, first + (uint32_t)done);
        refiner_sample(s->refiner, latents, some, thetas + (size_t)done * shape->size);
    }
    free(latents);
    return 0;
}
