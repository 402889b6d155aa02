/* torchvision.c -- weights by the names and shapes that torchvision's ResNets have:
 * each finds its place. The file is what
 *     safetensors.torch.save_file(torchvision.models.resnet18(...).state_dict(), "F")
 * writes, num_batches_tracked included, with values of its own. */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "net_rig.h"
#include "pretrained.h"

enum {
    CLASSES = 1000, /* ImageNet's */
    NAME = 80,
};

struct family {
    const char *name;
    int blocks[4];
    bool bottleneck;
    int tensors, tracked; /* of the state: floats, and whole numbers */
};

static const struct family families[] = {
    { "resnet18", { 2, 2, 2, 2 }, false, 102, 20 },
    { "resnet50", { 3, 4, 6, 3 }, true, 267, 53 },
};

/* The two parts of the file, made in memory. */
struct state {
    char *header, *bytes;
    size_t header_size, byte_count;
    FILE *text, *data;
    size_t at; /* bytes of data so far */
    int tensors, tracked;
};

/* What the values of a tensor come from: FNV-1a of its name; and value i. */
static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261U;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return hash;
}

static float value(uint32_t hash, size_t i)
{
    return (float)((hash + (uint32_t)i * 2654435761U) % 4096) / 4096;
}

static void put_entry(struct state *s, const char *name, const char *dtype,
                      const char *shape, size_t bytes)
{
    fprintf(s->text,
            "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
            s->at ? "," : "{", name, dtype, shape, s->at, s->at + bytes);
    s->at += bytes;
}

static void put_floats(struct state *s, const char *name, const char *shape,
                       size_t count)
{
    const uint32_t hash = hash_of(name);
    float *x = malloc(count * sizeof *x);
    REQUIRE(x, "memory");
    for (size_t i = 0; i < count; i++)
        x[i] = value(hash, i);
    put_entry(s, name, "F32", shape, count * sizeof *x);
    fwrite(x, sizeof *x, count, s->data);
    free(x);
    s->tensors++;
}

static void put_conv(struct state *s, const char *prefix, const char *name, int out,
                     int in, int kernel)
{
    char full[NAME], shape[64];
    snprintf(full, sizeof full, "%s%s.weight", prefix, name);
    snprintf(shape, sizeof shape, "%d,%d,%d,%d", out, in, kernel, kernel);
    put_floats(s, full, shape, (size_t)out * (size_t)in * (size_t)(kernel * kernel));
}

static void put_bn(struct state *s, const char *prefix, const char *name, int channels)
{
    static const char *const parts[] = { "weight", "bias", "running_mean",
                                         "running_var" };
    static const int64_t seen = 1;
    char full[NAME], shape[16];
    snprintf(shape, sizeof shape, "%d", channels);
    for (int i = 0; i < 4; i++) {
        snprintf(full, sizeof full, "%s%s.%s", prefix, name, parts[i]);
        put_floats(s, full, shape, (size_t)channels);
    }
    snprintf(full, sizeof full, "%s%s.num_batches_tracked", prefix, name);
    put_entry(s, full, "I64", "", sizeof seen);
    fwrite(&seen, sizeof seen, 1, s->data);
    s->tracked++;
}

static void put_block(struct state *s, const char *prefix, int in, int width,
                      bool bottleneck, bool shortcut)
{
    const int out = bottleneck ? 4 * width : width;
    put_conv(s, prefix, "conv1", width, in, bottleneck ? 1 : 3);
    put_bn(s, prefix, "bn1", width);
    put_conv(s, prefix, "conv2", width, width, 3);
    put_bn(s, prefix, "bn2", width);
    if (bottleneck) {
        put_conv(s, prefix, "conv3", out, width, 1);
        put_bn(s, prefix, "bn3", out);
    }
    if (shortcut) {
        put_conv(s, prefix, "downsample.0", out, in, 1);
        put_bn(s, prefix, "downsample.1", out);
    }
}

static void put_network(struct state *s, const struct family *f)
{
    int in = 64;
    put_conv(s, "", "conv1", 64, 3, 7);
    put_bn(s, "", "bn1", 64);
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < f->blocks[stage]; i++) {
            const int width = 64 << stage, out = f->bottleneck ? 4 * width : width;
            char prefix[32];
            snprintf(prefix, sizeof prefix, "layer%d.%d.", stage + 1, i);
            put_block(s, prefix, in, width, f->bottleneck,
                      i == 0 && (stage > 0 || in != out));
            in = out;
        }
    char shape[32];
    snprintf(shape, sizeof shape, "%d,%d", CLASSES, in);
    put_floats(s, "fc.weight", shape, (size_t)CLASSES * (size_t)in);
    put_floats(s, "fc.bias", "1000", CLASSES);
}

static void write_state(const char *path, const struct family *f)
{
    struct state s = { .at = 0 };
    uint64_t length;
    s.text = open_memstream(&s.header, &s.header_size);
    s.data = open_memstream(&s.bytes, &s.byte_count);
    REQUIRE(s.text && s.data, "memory");
    put_network(&s, f);
    fputc('}', s.text);
    REQUIRE(fclose(s.text) == 0 && fclose(s.data) == 0 && s.byte_count == s.at,
            "memory");
    CHECK(s.tensors == f->tensors && s.tracked == f->tracked, "%s: %d and %d tensors",
          f->name, s.tensors, s.tracked);
    FILE *file = fopen(path, "wb");
    length = s.header_size;
    REQUIRE(file && fwrite(&length, sizeof length, 1, file) == 1 &&
                fwrite(s.header, s.header_size, 1, file) == 1 &&
                fwrite(s.bytes, s.byte_count, 1, file) == 1 && fclose(file) == 0,
            "%s", path);
    free(s.header);
    free(s.bytes);
}

/* All values of the tensor are the file's. */
static int holds(const struct tensor *t)
{
    const uint32_t hash = hash_of(t->name);
    const float *x = t->data;
    for (size_t i = 0; i < tensor_elements(t); i++)
        if (x[i] != value(hash, i))
            return 0;
    return 1;
}

static void open_model(struct rig *r, const char *name, int classes)
{
    struct model_values values;
    rig_device(r, "ref");
    r->model = model_find(name);
    model_defaults(r->model, &values);
    const struct model_config config = { .classes = classes,
                                         .options = values.numbers,
                                         .texts = values.texts };
    REQUIRE(net_create(&r->net, r->dev, &(struct net_input){ 1, 32, 32, 3 }, &r->err) ==
                0,
            "%s", r->err.message);
    r->model->build(r->net, &config);
    REQUIRE(net_finish(r->net, &r->err) == 0, "%s: %s", name, r->err.message);
    for (int i = 0; i < net_param_count(r->net); i++)
        init_constant(net_param(r->net, i), 2);
}

/* With ImageNet's classes everything is copied, with others all but the head. */
static void loads(const char *path, const struct family *f, int classes,
                  enum pretrained_head head)
{
    const int left = head == HEAD_KEEP ? 0 : 2;
    struct pretrained_report report;
    struct rig r;
    open_model(&r, f->name, classes);
    const int params = net_param_count(r.net), all = params + net_buffer_count(r.net);
    REQUIRE(pretrained_load(r.net, path, head, &report, &r.err) == 0, "%s",
            r.err.message);
    CHECK(all == f->tensors && report.copied == all - left && report.left == left &&
              report.unused == f->tracked + left &&
              strcmp(report.names, left ? "fc.weight, fc.bias" : "") == 0,
          "%s: of %d tensors %d copied, %d unused; %d left: %s", f->name, all,
          report.copied, report.unused, report.left, report.names);
    for (int i = 0; i < all; i++) {
        const struct tensor *t =
            i < params ? net_param(r.net, i) : net_buffer(r.net, i - params);
        const int is_head = strncmp(t->name, "fc.", 3) == 0;
        CHECK(holds(t) == !(is_head && left), "%s: %s", f->name, t->name);
    }
    rig_close(&r);
}

int main(void)
{
    char path[64];
    snprintf(path, sizeof path, "torchvision-%ld.safetensors", (long)getpid());
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        write_state(path, &families[i]);
        loads(path, &families[i], CLASSES, HEAD_KEEP);
        loads(path, &families[i], 10, HEAD_RESET);
    }
    unlink(path);
    return check_done();
}
