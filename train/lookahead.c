/* lookahead.c -- see lookahead.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "cuda/gpu.h"
#include "device_memory.h"
#include "lookahead.h"

struct lookahead {
    struct lookahead_config config;
    struct net *net;
    struct arena memory;
    struct tensor *slow; /* (count): parameters, then buffers */
    int count;
};

static struct tensor *fast(const struct lookahead *la, int i)
{
    const int params = net_param_count(la->net);
    return i < params ? net_param(la->net, i) : net_buffer(la->net, i - params);
}

static int describe(struct lookahead *la, struct sluice_error *err)
{
    unsigned char *data = la->memory.base;
    for (int i = 0; i < la->count; i++) {
        const struct tensor *t = fast(la, i);
        struct tensor *s = &la->slow[i];
        char name[sizeof t->name + 16];
        snprintf(name, sizeof name, "lookahead.%s", t->name);
        if (strlen(name) >= sizeof s->name)
            return sluice_fail(err, SLUICE_EINVAL, "the name '%s' is too long", name);
        *s = *t;
        memcpy(s->name, name, strlen(name) + 1);
        s->data = data;
        s->grad = NULL;
        data += arena_round(tensor_bytes(t));
    }
    return 0;
}

int lookahead_create(struct lookahead **out, struct net *net,
                     const struct lookahead_config *config, struct sluice_error *err)
{
    size_t bytes = ARENA_ALIGN;
    int rc = 0;
    *out = NULL;
    if (config->every < 1 || !config->steps ||
        !(config->decay >= 0 && config->decay <= 1))
        return sluice_fail(err, SLUICE_EINVAL,
                           "lookahead every %d steps with decay %g over %llu steps: "
                           "expected at least 1, 0 to 1, and at least 1",
                           config->every, config->decay,
                           (unsigned long long)config->steps);
    struct lookahead *la = calloc(1, sizeof *la);
    if (!la)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for lookahead");
    la->config = *config;
    la->net = net;
    la->count = net_param_count(net) + net_buffer_count(net);
    for (int i = 0; i < la->count; i++)
        bytes += arena_round(tensor_bytes(fast(la, i)));
    la->slow = calloc((size_t)la->count + 1, sizeof *la->slow);
    if (!la->slow)
        rc = sluice_fail(err, SLUICE_ENOMEM, "no memory for lookahead");
    if (rc == 0)
        rc = arena_open_on(&la->memory, net_device(net), bytes, err);
    if (rc == 0)
        rc = describe(la, err);
    if (rc < 0) {
        lookahead_free(la);
        return rc;
    }
    *out = la;
    return 0;
}

void lookahead_free(struct lookahead *la)
{
    if (!la)
        return;
    arena_close(&la->memory);
    free(la->slow);
    free(la);
}

/* On device cuda: all tensors' copies, or their mixture, enqueued. */
static void on_gpu(struct lookahead *la, bool begin, float keep)
{
    struct gpu *gpu = gpu_of(net_device(la->net));
    int rc = 0;
    for (int i = 0; i < la->count && rc == 0; i++) {
        const struct mix_args a = { fast(la, i)->data, la->slow[i].data,
                                    tensor_elements(&la->slow[i]), keep };
        rc = begin ? gpu->run->copy(gpu, a.slow, a.now, a.count * sizeof(float),
                                    COPY_ON_GPU, &gpu->failed)
                   : each_lookahead_mix(gpu, a.count, &a, &gpu->failed);
    }
}

void lookahead_begin(struct lookahead *la)
{
    if (device_has_memory(net_device(la->net))) {
        on_gpu(la, true, 0);
        return;
    }
    for (int i = 0; i < la->count; i++)
        memcpy(la->slow[i].data, fast(la, i)->data, tensor_bytes(&la->slow[i]));
}

static void mix(struct lookahead *la, float keep)
{
    if (device_has_memory(net_device(la->net))) {
        on_gpu(la, false, keep);
        return;
    }
    for (int i = 0; i < la->count; i++) {
        float *restrict slow = la->slow[i].data, *restrict now = fast(la, i)->data;
        const size_t n = tensor_elements(&la->slow[i]);
        for (size_t k = 0; k < n; k++)
            now[k] = slow[k] += (1 - keep) * (now[k] - slow[k]);
    }
}

void lookahead_step(struct lookahead *la, uint64_t step)
{
    const struct lookahead_config *c = &la->config;
    const double at = fmin(1, (double)step / (double)c->steps);
    if (step % (uint64_t)c->every == 0)
        mix(la, (float)(pow(c->decay, c->every) * at * at * at));
    if (step == c->steps)
        mix(la, 1);
}

int lookahead_state_count(const struct lookahead *la)
{
    return la ? la->count : 0;
}

struct tensor *lookahead_state(struct lookahead *la, int i)
{
    return &la->slow[i];
}
