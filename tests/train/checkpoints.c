/* checkpoints.c -- a checkpoint comes back as it was; every truncation and every
 * flipped bit is refused; what differs is named; a failed save leaves the old file; on
 * any failure the network is as it was. With a path as argument: only write one there,
 * for another reader. */
#include <fcntl.h>
#include <float.h>
#include <glob.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "net_rig.h"

static const struct checkpoint_meta meta = { .model = "mlp",
                                             .seed = UINT64_MAX,
                                             .epoch = 3,
                                             .batch = 17,
                                             .step = 1234567890123,
                                             .best_accuracy = 0.1,
                                             .config_crc = "0badcafe",
                                             .extra = "{\"a\": \"\\\\ \x01 \xc3\xa9\"}",
                                             .recipe = "seed: 1\nrun:\n  \"" };

static char path[64];

/* So small that every bit of its file can be tried. */
static void open_small(struct rig *r, const char *optimizer, int classes, int hidden)
{
    struct model_values options = { 0 };
    rig_device(r, "ref");
    r->model = model_find("mlp");
    char units[16] = "";
    if (hidden)
        snprintf(units, sizeof units, "%d", hidden);
    rig_set_text("mlp", &options, "hidden", units);
    const struct model_config config = { .classes = classes,
                                         .options = options.numbers,
                                         .texts = options.texts };
    REQUIRE(net_create(&r->net, r->dev, &(struct net_input){ 1, 2, 1, 1 }, &r->err) ==
                0,
            "%s", r->err.message);
    r->model->build(r->net, &config);
    REQUIRE(net_finish(r->net, &r->err) == 0, "%s", r->err.message);
    r->model->init(r->net, 7);
    const struct optim_config oc = {
        .name = optimizer, .lr = 1, .beta2 = 0.9, .eps = 1e-8
    };
    REQUIRE(optim_create(&r->opt, r->net, &oc, &r->err) == 0, "%s", r->err.message);
    r->pass = (struct pass){ .training = true, .labels = r->labels, .label_stride = 1 };
    for (int i = 0; i < 3; i++)
        rig_step(r, 0.1);
}

/* Another network of the same shape with other values. */
static void open_other(struct rig *r, const char *optimizer)
{
    open_small(r, optimizer, 2, 2);
    for (int i = 0; i < net_param_count(r->net); i++)
        init_constant(net_param(r->net, i), 42);
}

static int untouched(struct rig *r)
{
    int same = optim_steps(r->opt) == 3;
    for (int i = 0; i < net_param_count(r->net); i++) {
        const struct tensor *t = net_param(r->net, i);
        for (size_t k = 0; k < tensor_elements(t); k++)
            same &= ((const float *)t->data)[k] == 42;
    }
    return same;
}

static void round_trip(void)
{
    struct rig a, b;
    struct checkpoint_meta got;
    open_small(&a, "adam", 2, 2);
    open_other(&b, "adam");
    REQUIRE(checkpoint_save(path, a.net, a.opt, &meta, &a.err) == 0, "%s",
            a.err.message);
    optim_set_steps(b.opt, 99);
    REQUIRE(checkpoint_load(path, b.net, b.opt, &got, &b.err) == 0, "%s",
            b.err.message);
    CHECK(rig_equal(&a, &b) && optim_steps(b.opt) == 3, "not what was saved");
    CHECK(strcmp(got.model, meta.model) == 0 && got.seed == meta.seed &&
              got.epoch == meta.epoch && got.batch == meta.batch &&
              got.step == meta.step && got.best_accuracy == meta.best_accuracy &&
              strcmp(got.config_crc, meta.config_crc) == 0 &&
              strcmp(got.extra, meta.extra) == 0,
          "metadata: '%s'", got.extra);
    memset(&got, 0, sizeof got);
    char *recipe = NULL;
    CHECK(checkpoint_read_meta(path, &got, &recipe, &b.err) == 0 && got.batch == 17 &&
              strcmp(recipe, meta.recipe) == 0 && !got.recipe,
          "metadata, recipe '%s'", recipe);
    free(recipe);
    /* Moments are optional for whoever only evaluates. */
    CHECK(checkpoint_load(path, b.net, NULL, NULL, &b.err) == 0, "%s", b.err.message);
    rig_close(&a);
    rig_close(&b);
}

/* Every byte of the longest texts is six in JSON. */
static void longest_texts(void)
{
    struct checkpoint_meta full = meta, got;
    struct rig r;
    open_small(&r, "sgd", 2, 0);
    memset(full.model, 1, sizeof full.model - 1);
    memset(full.config_crc, 2, sizeof full.config_crc - 1);
    memset(full.extra, 3, sizeof full.extra - 1);
    REQUIRE(checkpoint_save(path, r.net, r.opt, &full, &r.err) == 0, "%s",
            r.err.message);
    CHECK(checkpoint_load(path, r.net, r.opt, &got, &r.err) == 0, "%s", r.err.message);
    CHECK(strcmp(got.model, full.model) == 0 && strcmp(got.extra, full.extra) == 0,
          "another text of %zu bytes", strlen(got.extra));
    rig_close(&r);
}

static void write_bytes(const char *to, const unsigned char *bytes, size_t size)
{
    const int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, "%s", to);
    close(fd);
}

/* The file as it stands at `path`. */
static unsigned char *read_bytes(size_t *size)
{
    struct stat st;
    const int fd = open(path, O_RDONLY);
    REQUIRE(fd >= 0 && fstat(fd, &st) == 0, "%s", path);
    unsigned char *bytes = malloc((size_t)st.st_size + 1);
    REQUIRE(bytes && read(fd, bytes, (size_t)st.st_size) == st.st_size, "%s", path);
    close(fd);
    *size = (size_t)st.st_size;
    return bytes;
}

static void damage(void)
{
    struct rig r;
    size_t size;
    int accepted = 0, codes = 0;
    unsigned char *bytes = read_bytes(&size);
    char copy[sizeof path + 8];
    snprintf(copy, sizeof copy, "%s.bad", path);
    open_other(&r, "adam");
    for (size_t i = 0; i < size; i++) {
        write_bytes(copy, bytes, i);
        const int rc = checkpoint_load(copy, r.net, r.opt, NULL, &r.err);
        accepted += rc >= 0;
        codes += rc != SLUICE_ECORRUPT || !strstr(r.err.message, copy);
    }
    CHECK(accepted == 0 && codes == 0, "truncated: %d accepted, %d of another kind",
          accepted, codes);
    for (size_t i = 0; i < size * 8; i++) {
        struct checkpoint_meta got;
        bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        accepted += checkpoint_parse(copy, bytes, size, &got, &r.err) >= 0;
        if (i % 53 == 0) {
            write_bytes(copy, bytes, size);
            accepted += checkpoint_load(copy, r.net, r.opt, NULL, &r.err) >= 0;
        }
        bytes[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    CHECK(accepted == 0, "%d flipped bits accepted", accepted);
    bytes[size] = 0;
    write_bytes(copy, bytes, size + 1);
    CHECK(checkpoint_load(copy, r.net, r.opt, NULL, &r.err) == SLUICE_ECORRUPT,
          "a longer file");
    CHECK(untouched(&r), "a failed load has changed the network");
    unlink(copy);
    free(bytes);
    rig_close(&r);
}

/* The message names the tensor and both shapes. */
static void differences(void)
{
    struct rig r;
    open_small(&r, "adam", 3, 2);
    CHECK(checkpoint_load(path, r.net, r.opt, NULL, &r.err) == SLUICE_EINVAL &&
              strstr(r.err.message, "fc2.weight") && strstr(r.err.message, "3x2") &&
              strstr(r.err.message, "2x2"),
          "%s", r.err.message);
    rig_close(&r);
    open_small(&r, "sgd", 2, 2);
    CHECK(checkpoint_load(path, r.net, r.opt, NULL, &r.err) == SLUICE_EINVAL &&
              strstr(r.err.message, "optimizer.sgd.momentum.fc1.weight"),
          "%s", r.err.message);
    rig_close(&r);
    open_small(&r, "adam", 2, 0);
    CHECK(checkpoint_load(path, r.net, NULL, NULL, &r.err) == SLUICE_EINVAL &&
              strstr(r.err.message, "fc2"),
          "%s", r.err.message);
    CHECK(checkpoint_load("/nonexistent/x", r.net, NULL, NULL, &r.err) == SLUICE_EIO &&
              strstr(r.err.message, "/nonexistent/x"),
          "%s", r.err.message);
    CHECK(checkpoint_load(".", r.net, NULL, NULL, &r.err) == SLUICE_EINVAL, "a folder");
    rig_close(&r);
}

/* The disk refuses in the middle, or training has diverged: the old file stays, nothing
 * half-written does. */
static void failed_save(void)
{
    struct rig r;
    size_t size, after;
    unsigned char *bytes = read_bytes(&size);
    char pattern[sizeof path + 8];
    glob_t left;
    struct rlimit before, low;
    open_other(&r, "adam");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    low = before;
    low.rlim_cur = size / 2;
    setrlimit(RLIMIT_FSIZE, &low);
    const int rc = checkpoint_save(path, r.net, r.opt, &meta, &r.err);
    setrlimit(RLIMIT_FSIZE, &before);
    CHECK(rc == SLUICE_EIO && strstr(r.err.message, path), "%d: %s", rc, r.err.message);
    static const float diverged[] = { NAN, INFINITY, -INFINITY };
    for (int i = 0; i < 3; i++) {
        float *last = (float *)net_param(r.net, 1)->data + 1;
        *last = diverged[i];
        CHECK(
            checkpoint_save(path, r.net, r.opt, &meta, &r.err) == SLUICE_EINVAL &&
                strstr(r.err.message, "'fc1.bias' has values that are NaN or infinite"),
            "%g: %s", (double)*last, r.err.message);
        *last = FLT_MAX;
    }
    unsigned char *now = read_bytes(&after);
    CHECK(after == size && memcmp(now, bytes, size) == 0, "the old file has changed");
    snprintf(pattern, sizeof pattern, "%s.tmp*", path);
    CHECK(glob(pattern, 0, NULL, &left) == GLOB_NOMATCH, "%s is left",
          left.gl_pathv[0]);
    globfree(&left);
    CHECK(checkpoint_save("/nonexistent/x", r.net, NULL, &meta, &r.err) == SLUICE_EIO,
          "into a folder that is not there");
    free(bytes);
    free(now);
    rig_close(&r);
}

static int write_one(const char *to)
{
    struct rig r;
    snprintf(path, sizeof path, "%s", to);
    rig_open(&r, "ref", "sgd");
    for (int i = 0; i < net_param_count(r.net); i++)
        for (size_t k = 0; k < tensor_elements(net_param(r.net, i)); k++)
            ((float *)net_param(r.net, i)->data)[k] = (float)(i * 1000) + (float)k;
    CHECK(checkpoint_save(to, r.net, r.opt, &meta, &r.err) == 0, "%s", r.err.message);
    rig_close(&r);
    return check_done();
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return write_one(argv[1]);
    snprintf(path, sizeof path, "checkpoint-%ld.safetensors", (long)getpid());
    round_trip();
    damage();
    differences();
    failed_save();
    longest_texts();
    unlink(path);
    return check_done();
}
