/* transfer.c -- weights of another network as first values, and parameters that are
 * frozen: what is copied, what is trained, what stays bit for bit, what is refused.
 * argv[1] is the device. */
#include <unistd.h>

#include "checkpoint.h"
#include "freeze.h"
#include "net_rig.h"
#include "pretrained.h"
#include "support/files.h"

static const char *device;
static char path[64];

/* Two blocks and a head, before or behind net_finish. */
static int open_blocks(struct rig *r, int classes, const char *what, bool fixed_stats)
{
    struct model_values options;
    rig_device(r, device);
    r->dev->threads = 1;
    r->model = model_find("block_cnn");
    model_defaults(r->model, &options);
    rig_set_text("block_cnn", &options, "hidden_dims", "16,24,12,8");
    rig_set_text("block_cnn", &options, "layers_per_block", "1,2");
    rig_set_text("block_cnn", &options, "apply_pooling", "1,0");
    rig_set_text("block_cnn", &options, "apply_bn", "1,1");
    rig_set("block_cnn", &options, "dropout", 0);
    const struct model_config config = { .classes = classes,
                                         .options = options.numbers,
                                         .texts = options.texts };
    REQUIRE(net_create(&r->net, r->dev, &(struct net_input){ 8, 8, 8, 3 }, &r->err) ==
                0,
            "%s", r->err.message);
    r->model->build(r->net, &config);
    freeze(r->net, what, fixed_stats);
    const int rc = net_finish(r->net, &r->err);
    if (rc < 0)
        return rc;
    r->model->init(r->net, 7);
    r->pass = (struct pass){ .training = true, .labels = r->labels, .label_stride = 1 };
    return 0;
}

static void open_trained(struct rig *r, int classes, const char *what, bool fixed_stats,
                         const char *optimizer)
{
    REQUIRE(open_blocks(r, classes, what, fixed_stats) == 0, "%s", r->err.message);
    rig_optimizer(r, optimizer);
}

static struct tensor *find(struct net *net, const char *name)
{
    for (int i = 0; i < net_param_count(net) + net_buffer_count(net); i++) {
        const int params = net_param_count(net);
        struct tensor *t = i < params ? net_param(net, i) : net_buffer(net, i - params);
        if (strcmp(t->name, name) == 0)
            return t;
    }
    REQUIRE(0, "no tensor %s", name);
    return NULL;
}

static void fill(struct net *net, float value)
{
    for (int i = 0; i < net_param_count(net); i++)
        init_constant(net_param(net, i), value);
    for (int i = 0; i < net_buffer_count(net); i++)
        init_constant(net_buffer(net, i), value);
}

static int holds(const struct tensor *t, float value)
{
    int same = 1;
    for (size_t i = 0; i < tensor_elements(t); i++)
        same &= ((const float *)t->data)[i] == value;
    return same;
}

/* The published numbers of block_cnn, frozen as for CIFAR-100. */
static void counts(void)
{
    static const struct {
        const char *what;
        size_t trained;
    } all[] = {
        { "none", 5788452 },
        { "backbone", 4273380 },
        { "blocks:2", 5750244 },
        { "blocks:4", 4273380 },
        { "blocks.0,blocks.1.", 5750244 },
        { "fc1.weight", 1594148 },
    };
    struct rig r;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct model_values options;
        rig_device(&r, "ref");
        model_defaults(model_find("block_cnn"), &options);
        const struct model_config config = { .classes = 100,
                                             .options = options.numbers,
                                             .texts = options.texts };
        REQUIRE(
            net_create(&r.net, r.dev, &(struct net_input){ 1, 32, 32, 3 }, &r.err) == 0,
            "%s", r.err.message);
        model_find("block_cnn")->build(r.net, &config);
        freeze(r.net, all[i].what, true);
        REQUIRE(net_finish(r.net, &r.err) == 0, "%s", r.err.message);
        CHECK(net_trainable_elements(r.net) == all[i].trained &&
                  net_param_elements(r.net) == 5788452,
              "%s: %zu", all[i].what, net_trainable_elements(r.net));
        rig_close(&r);
    }
}

static void refusals(void)
{
    static const char *const all[][2] = {
        { "blocks:3", "at most the network's 2 blocks" },
        { "blocks:0", "a number from 1" },
        { "blocks:1x", "a number from 1" },
        { "layer1", "is called 'layer1' or begins so; the first is 'blocks.0.conv1" },
        { "fc", "is called 'fc'" },
        { "fc1,,fc2", "is called ''" },
        { "blocks,fc1,fc2,fc3", "leaves nothing to train" },
    };
    struct rig r;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const int rc = open_blocks(&r, 10, all[i][0], true);
        CHECK(rc == SLUICE_EINVAL && strstr(r.err.message, all[i][1]), "%s: '%s'",
              all[i][0], r.err.message);
        net_free(r.net);
        device_close(r.dev);
    }
}

/* Frozen: no gradient, no moments, no decay; statistics as they were, unless told. */
static void frozen_stays(bool fixed_stats)
{
    struct rig r, fresh;
    open_trained(&r, 10, "blocks:1", fixed_stats, "adam");
    open_trained(&fresh, 10, "none", false, "adam");
    CHECK(optim_state_count(r.opt) == optim_state_count(fresh.opt) - 4 * 2,
          "%d moments", optim_state_count(r.opt));
    rig_train(&r, 0, 3);
    for (int i = 0; i < net_param_count(r.net); i++) {
        const struct tensor *t = net_param(r.net, i), *u = net_param(fresh.net, i);
        const int same = memcmp(t->data, u->data, tensor_bytes(t)) == 0;
        const int wanted = strncmp(t->name, "blocks.0.", 9) == 0;
        CHECK(same == wanted && (t->grad == NULL) == wanted, "%s %s", t->name,
              same ? "stayed" : "moved");
    }
    for (int i = 0; i < net_buffer_count(r.net); i++) {
        const struct tensor *t = net_buffer(r.net, i), *u = net_buffer(fresh.net, i);
        const int same = memcmp(t->data, u->data, tensor_bytes(t)) == 0;
        CHECK(same == (fixed_stats && strncmp(t->name, "blocks.0.", 9) == 0), "%s %s",
              t->name, same ? "stayed" : "moved");
    }
    rig_close(&r);
    rig_close(&fresh);
}

/* What is trained has the gradients that it had. */
static void gradients_stay(void)
{
    struct rig a, b;
    double worst = 0;
    open_trained(&a, 10, "blocks:1", false, "sgd");
    open_trained(&b, 10, "none", false, "sgd");
    for (int i = 0; i < 2; i++) {
        struct rig *r = i ? &b : &a;
        rig_batch(r, 0);
        REQUIRE(net_forward(r->net, &r->pass, &r->err) == 0 &&
                    net_backward(r->net, &r->pass, &r->err) == 0,
                "%s", r->err.message);
    }
    CHECK(a.pass.loss == b.pass.loss, "loss %g and %g", a.pass.loss, b.pass.loss);
    for (int i = 0; i < net_param_count(a.net); i++) {
        const struct tensor *t = net_param(a.net, i), *u = net_param(b.net, i);
        const float *p = t->grad, *q = u->grad;
        for (size_t k = 0; p && k < tensor_elements(t); k++)
            worst = fmax(worst, fabs((double)p[k] - (double)q[k]));
    }
    CHECK(near(worst, 0, 1e-6, 0), "gradients differ by %g", worst);
    rig_close(&a);
    rig_close(&b);
}

/* A batch norm in front of whatever else is trained: fixed, it is a line. */
static void loss_is_that_of_a_test(void)
{
    struct rig r;
    open_trained(&r, 10, "backbone", true, "sgd");
    rig_batch(&r, 0);
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    const double training = r.pass.loss;
    r.pass.training = false;
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    CHECK(near(training, r.pass.loss, 1e-6, 0), "%g in training, %g in a test",
          training, r.pass.loss);
    rig_close(&r);
}

static void save_source(int classes)
{
    static const struct checkpoint_meta meta = { .model = "block_cnn",
                                                 .best_accuracy = -1 };
    struct rig a;
    open_trained(&a, classes, "none", false, "adam");
    fill(a.net, 0.5F);
    REQUIRE(checkpoint_save(path, a.net, a.opt, &meta, &a.err) == 0, "%s",
            a.err.message);
    rig_close(&a);
}

/* 6 tensors of 3 blocks, 3 times 2 of linear layers, 2 of which are the head's. */
static void copies(int classes, enum pretrained_head head, int copied, int left)
{
    struct pretrained_report r;
    struct rig b;
    open_trained(&b, classes, "blocks:1", true, "adam");
    fill(b.net, 2);
    REQUIRE(pretrained_load(b.net, path, head, &r, &b.err) == 0, "%s", b.err.message);
    CHECK(r.copied == copied && r.left == left && r.unused == 24 - copied &&
              strcmp(r.path, path) == 0,
          "%d classes, head %d: %d copied, %d left, %d unused of %s", classes,
          (int)head, r.copied, r.left, r.unused, r.path);
    CHECK(strcmp(r.names, left ? "fc3.weight, fc3.bias" : "") == 0, "left: %s",
          r.names);
    CHECK(holds(find(b.net, "blocks.1.conv2.weight"), 0.5F) &&
              holds(find(b.net, "blocks.0.bn1.running_var"), 0.5F) &&
              holds(find(b.net, "fc2.bias"), 0.5F) &&
              holds(find(b.net, "fc3.weight"), left ? 2 : 0.5F),
          "values");
    rig_close(&b);
}

static void refuse(struct rig *b, enum pretrained_head head, const char *from,
                   const char *message)
{
    struct pretrained_report r;
    fill(b->net, 2);
    const int rc = pretrained_load(b->net, from, head, &r, &b->err);
    CHECK(rc < 0 && strstr(b->err.message, message), "%s: '%s'", from, b->err.message);
    CHECK(holds(find(b->net, "fc1.weight"), 2) && r.copied == 0, "%s: changed", from);
}

static void write_file(const char *header, const void *data, size_t size)
{
    const uint64_t length = strlen(header);
    FILE *f = fopen(path, "wb");
    REQUIRE(f && fwrite(&length, 8, 1, f) == 1 && fputs(header, f) >= 0 &&
                fwrite(data, 1, size, f) == size && fclose(f) == 0,
            "%s", path);
}

/* A file of somebody else's, without a checksum, with what this network has not. */
static void foreign(struct rig *b)
{
    static const float values[10] = { 3, 3, 3, 3, 3, 3, 3, 3, -1, -2 };
    struct pretrained_report r;
    write_file("{\"fc2.bias\":{\"dtype\":\"F32\",\"shape\":[8],"
               "\"data_offsets\":[0,32]},\"bn.num_batches_tracked\":{\"dtype\":\"I64\","
               "\"shape\":[],\"data_offsets\":[32,40]}}",
               values, 40);
    REQUIRE(pretrained_load(b->net, path, HEAD_RESET, &r, &b->err) == 0, "%s",
            b->err.message);
    CHECK(r.copied == 1 && r.left == 23 && r.unused == 1 && r.elements == 8 &&
              holds(find(b->net, "fc2.bias"), 3) && strstr(r.names, ", ..."),
          "%d copied, %d left: %s", r.copied, r.left, r.names);
    write_file("{\"fc2.bias\":{\"dtype\":\"F16\",\"shape\":[8],"
               "\"data_offsets\":[0,16]}}",
               values, 16);
    refuse(b, HEAD_RESET, path, "tensor 'fc2.bias' is F16, expected F32");
    write_file("{\"fc2.bias\":{\"dtype\":\"F32\",\"shape\":[2,4],"
               "\"data_offsets\":[0,32]}}",
               values, 32);
    refuse(b, HEAD_RESET, path, "none of its 1 tensors fits");
}

static void from_files(void)
{
    struct rig b;
    size_t size;
    save_source(10);
    copies(10, HEAD_RESET, 22, 2);
    copies(10, HEAD_AUTO, 24, 0);
    copies(10, HEAD_KEEP, 24, 0);
    copies(3, HEAD_RESET, 22, 2);
    copies(3, HEAD_AUTO, 22, 2);
    open_trained(&b, 3, "none", false, "sgd");
    refuse(&b, HEAD_KEEP, path, "'fc3.weight' is 10x8, expected 3x8");
    refuse(&b, HEAD_RESET, "nothere", "init.from: nothere: No such file");
    refuse(&b, HEAD_RESET, "/", "no run");
    uint8_t *bytes = file_read(path, &size);
    bytes[size - 3] ^= 1;
    file_write(path, bytes, size);
    refuse(&b, HEAD_RESET, path, "checksum");
    free(bytes);
    file_write(path, "PK\3\4 a zip archive", 18);
    refuse(&b, HEAD_RESET, path,
           "expected a safetensors file, found one of torch.save");
    file_write(path, "\x80\2\x8a\nl\xfc\x9c and on", 14);
    refuse(&b, HEAD_RESET, path,
           "expected a safetensors file, found one of torch.save");
    foreign(&b);
    rig_close(&b);
}

int main(int argc, char **argv)
{
    device = argc > 1 ? argv[1] : "ref";
    snprintf(path, sizeof path, "transfer-%ld.safetensors", (long)getpid());
    counts();
    refusals();
    frozen_stays(true);
    frozen_stays(false);
    gradients_stay();
    loss_is_that_of_a_test();
    from_files();
    unlink(path);
    return check_done();
}
