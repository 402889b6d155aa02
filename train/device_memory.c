/* device_memory.c -- see device_memory.h. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "cuda/gpu.h"
#include "device_memory.h"

bool device_has_memory(const struct device *dev)
{
    return dev->kind == DEVICE_CUDA;
}

int device_allocate(struct device *dev, void **out, size_t bytes,
                    struct sluice_error *err)
{
    struct gpu *gpu = gpu_of(dev);
    int rc = gpu->run->allocate(gpu, out, bytes, err);
    return rc < 0 ? rc : gpu->run->zero(gpu, *out, bytes, err);
}

void device_release(struct device *dev, void *memory)
{
    gpu_of(dev)->run->release(gpu_of(dev), memory);
}

int device_read(struct device *dev, void *to, const void *from, size_t bytes,
                struct sluice_error *err)
{
    if (device_has_memory(dev))
        return gpu_read(gpu_of(dev), to, from, bytes, err);
    memcpy(to, from, bytes);
    return 0;
}

int device_write(struct device *dev, void *to, const void *from, size_t bytes,
                 struct sluice_error *err)
{
    if (device_has_memory(dev))
        return gpu_write(gpu_of(dev), to, from, bytes, err);
    memcpy(to, from, bytes);
    return 0;
}

int device_stamp(struct device *dev, int number, struct sluice_error *err)
{
    return gpu_of(dev)->run->stamp(gpu_of(dev), number, err);
}

int device_wait(struct device *dev, struct sluice_error *err)
{
    return gpu_of(dev)->run->wait(gpu_of(dev), err);
}

int device_between(struct device *dev, int from, int to, double *seconds,
                   struct sluice_error *err)
{
    return gpu_of(dev)->run->between(gpu_of(dev), from, to, seconds, err);
}

static void *pin(void *ctx, size_t size)
{
    void *memory = NULL;
    return gpu_of(ctx)->run->pin(gpu_of(ctx), &memory, size, NULL) < 0 ? NULL : memory;
}

static void unpin(void *ctx, void *memory, size_t size)
{
    (void)size;
    gpu_of(ctx)->run->unpin(gpu_of(ctx), memory);
}

struct sluice_allocator device_pinned(struct device *dev)
{
    return (struct sluice_allocator){ pin, unpin, dev };
}

static int count(struct net *net)
{
    return net_param_count(net) + net_buffer_count(net);
}

static struct tensor *at(struct net *net, int i)
{
    const int params = net_param_count(net);
    return i < params ? net_param(net, i) : net_buffer(net, i - params);
}

int host_view_begin(struct host_view *v, struct net *net, struct sluice_error *err)
{
    size_t bytes = 0;
    int rc = 0;
    *v = (struct host_view){ 0 };
    if (!device_has_memory(net_device(net)))
        return 0;
    for (int i = 0; i < count(net); i++)
        bytes += arena_round(tensor_bytes(at(net, i)));
    v->copies = calloc(1, bytes + 1);
    v->kept = calloc((size_t)count(net) + 1, sizeof(*v->kept));
    if (!v->copies || !v->kept)
        rc = sluice_fail(err, SLUICE_ENOMEM, "no memory for a copy of the parameters");
    unsigned char *copy = v->copies;
    for (int i = 0; i < count(net) && rc == 0; i++) {
        struct tensor *t = at(net, i);
        rc = device_read(net_device(net), copy, t->data, tensor_bytes(t), err);
        copy += arena_round(tensor_bytes(t));
    }
    if (rc < 0) {
        free(v->copies);
        free(v->kept);
        *v = (struct host_view){ 0 };
        return rc;
    }
    copy = v->copies;
    for (int i = 0; i < count(net); i++) {
        v->kept[i] = at(net, i)->data;
        at(net, i)->data = copy;
        copy += arena_round(tensor_bytes(at(net, i)));
    }
    v->net = net;
    return 0;
}

int host_view_end(struct host_view *v, struct sluice_error *err)
{
    int rc = 0;
    if (!v->net)
        return 0;
    for (int i = 0; i < count(v->net); i++) {
        struct tensor *t = at(v->net, i);
        const void *copy = t->data;
        t->data = v->kept[i];
        if (rc == 0)
            rc = device_write(net_device(v->net), t->data, copy, tensor_bytes(t), err);
    }
    net_params_changed(v->net);
    free(v->copies);
    free(v->kept);
    *v = (struct host_view){ 0 };
    return rc;
}
