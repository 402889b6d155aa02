/* distill.c -- learning from a teacher's logits: the loss and its gradient, on every
 * device that has it; what a share becomes with time; the logits' file; whole runs. */
#include <unistd.h>

#include "gpu_on_host.h"
#include "op_rig.h"
#include "ops/distill.h"
#include "run_config.h"
#include "support/files.h"
#include "teacher.h"
#include "tiny_set.h"
#include "trainer.h"

enum {
    IMAGES = 3,
    CLASSES = 4,
};

static const float logits[IMAGES * CLASSES] = {
    1.5F, -0.25F, 0.75F, 2, -1, 0.5F, 3, 0.125F, 0, -2.5F, 1.25F, -0.5F
};
static const float master[IMAGES * CLASSES] = { 2, 0.5F, -1,     0.25F, 0.75F, -0.5F,
                                                4, 1,    -0.25F, 1.5F,  0.5F,  -3 };
/* PyTorch 2's for alpha 0.3, temperature 2 and label smoothing 0.1: cross_entropy,
 * kl_div with batchmean of log_softmax and softmax, in double. */
static const double hard = 1.703588429, soft = 1.098918651, both = 2.81354917;
static const double slope[IMAGES * CLASSES] = {
    0.02821293908,  -0.0358438249, 0.09271447167,  -0.08508358585,
    -0.02584586858, 0.06671360893, -0.04891322611, 0.008045485751,
    0.09448998823,  -0.5488865739, 0.348261123,    0.1061354627
};

static void known_numbers(const char *kind, const char *precision)
{
    static const int64_t labels[IMAGES] = { 3, 2, 1 };
    const struct op_case c = { "teacher", IMAGES,  1,
                               1,         CLASSES, { .label_smoothing = 0.1F } };
    struct distill from = { .teacher = master, .alpha = 0.3, .temperature = 2 };
    struct sluice_error err = { 0 };
    struct device *dev;
    struct rig r;
    if (device_open(&dev, kind, precision, 2, &err) < 0) {
        printf("%s: %s\n", kind, err.message);
        return;
    }
    rig_open(&r, &op_softmax_xent, &c, dev);
    const bool half = r.in[0].dtype != SLUICE_F32;
    for (size_t i = 0; i < IMAGES * CLASSES; i++)
        rig_put(&r.in[0], r.in[0].data, i, logits[i]);
    r.pass.labels = labels;
    r.pass.distill = &from;
    rig_forward(&r, "forward");
    rig_backward(&r, "backward");
    CHECK(near(from.hard, hard, 1e-7, 0) && near(from.soft, soft, 1e-7, 0) &&
              near(r.pass.loss, both, 1e-7, 0),
          "%s: losses %.9g, %.9g, together %.9g", kind, from.hard, from.soft,
          r.pass.loss);
    for (size_t i = 0; i < IMAGES * CLASSES; i++)
        CHECK(near(rig_get(&r.in[0], r.in[0].grad, i), slope[i], 1e-7,
                   half ? 0x1p-8 : 1e-6),
              "%s %s: gradient %zu is %.9g, expected %.9g", kind, precision, i,
              rig_get(&r.in[0], r.in[0].grad, i), slope[i]);
    rig_close(&r);
    device_close(dev);
}

/* Of a network with several losses the own one alone has a teacher: a part's loss and
 * gradient are those without. */
static void parts_have_none(const char *kind)
{
    static const int64_t labels[IMAGES] = { 3, 2, 1 };
    const struct op_case c = { "part", IMAGES,  1,
                               1,      CLASSES, { .head = 1, .loss_weight = 0.5F } };
    struct distill from = { .teacher = master, .alpha = 0.3, .temperature = 2 };
    struct sluice_error err = { 0 };
    struct device *dev;
    struct rig r;
    double loss = 0;
    float grad[IMAGES * CLASSES];
    if (device_open(&dev, kind, "f32", 2, &err) < 0) {
        printf("%s: %s\n", kind, err.message);
        return;
    }
    rig_open(&r, &op_softmax_xent, &c, dev);
    for (size_t i = 0; i < IMAGES * CLASSES; i++)
        rig_put(&r.in[0], r.in[0].data, i, logits[i]);
    r.pass.labels = labels;
    for (int taught = 0; taught < 2; taught++) {
        r.pass.distill = taught ? &from : NULL;
        rig_forward(&r, "forward");
        rig_backward(&r, "backward");
        if (!taught) {
            loss = r.pass.loss;
            memcpy(grad, r.in[0].grad, sizeof grad);
        }
    }
    CHECK(loss > 0 && r.pass.loss == loss && from.hard == 0 && from.soft == 0 &&
              memcmp(grad, r.in[0].grad, sizeof grad) == 0,
          "%s: a part's loss is %g with a teacher, %g without", kind, r.pass.loss,
          loss);
    rig_close(&r);
    device_close(dev);
}

/* As published for 0.9 to 0.05 in 50 epochs. */
static void anneals(void)
{
    static const struct {
        uint64_t epoch;
        double alpha;
    } known[] = { { 0, .900 },  { 5, .879 },  { 10, .819 }, { 18, .656 },
                  { 25, .475 }, { 49, .051 }, { 50, .050 }, { 199, .050 } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CHECK(near(teacher_anneal(0.9, 0.05, 50, known[i].epoch), known[i].alpha, 5e-4,
                   0),
              "epoch %d: %g", (int)known[i].epoch,
              teacher_anneal(0.9, 0.05, 50, known[i].epoch));
    CHECK(near(teacher_anneal(0.9, 0.5, 0, 0), 0.5, 0, 0), "without a time");
}

static void write_at(const char *path, long at, char byte)
{
    FILE *f = fopen(path, "r+");
    REQUIRE(f && fseek(f, at, SEEK_SET) == 0 && putc(byte, f) == byte && fclose(f) == 0,
            "%s", path);
}

static void file_of_logits(const char *folder)
{
    float values[] = { 1, 2, 3, 4, 5, 6 };
    const uint64_t ids[] = { 12, 10 }, other[] = { 13 };
    const struct data_info info = { .first = 10, .count = 3 };
    struct teacher t = { .logits = values, .first = 10, .count = 3, .classes = 2 };
    struct teacher back;
    struct run_dir run = { .layout = RUN_PLAIN };
    struct sluice_error err = { 0 };
    const float *rows;
    char path[RUN_PATH];
    snprintf(run.path, sizeof run.path, "%s", folder);
    REQUIRE(teacher_save(&t, &run, &err) == 0, "%s", err.message);
    REQUIRE(teacher_load(&back, &run, &info, 2, -1, &err) == 0, "%s", err.message);
    const double crc = back.crc;
    CHECK(memcmp(back.logits, values, sizeof values) == 0, "other logits");
    REQUIRE(teacher_rows(&back, ids, 2, 2, &rows, &err) == 0, "%s", err.message);
    CHECK(rows[0] == 5 && rows[1] == 6 && rows[2] == 1 && rows[3] == 2, "other rows");
    CHECK(teacher_rows(&back, other, 1, 2, &rows, &err) == SLUICE_EINVAL &&
              strcmp(err.message, "sample 13: the teacher saw 10 to 12") == 0,
          "%s", err.message);
    teacher_free(&back);
    CHECK(teacher_load(&back, &run, &info, 3, crc, &err) == SLUICE_ECORRUPT &&
              strstr(err.message, "expected 3x3 logits"),
          "%s", err.message);
    write_at(run_file(path, &run, "teacher_logits.npy"), 130, 'x');
    CHECK(teacher_load(&back, &run, &info, 2, crc, &err) == SLUICE_ECORRUPT &&
              strstr(err.message, "teacher_logits.npy: damaged: checksum"),
          "%s", err.message);
    CHECK(unlink(path) == 0 && teacher_load(&back, &run, &info, 2, crc, &err) < 0,
          "a file that is gone");
}

static int never(void *ctx)
{
    (void)ctx;
    return 0;
}

static char said[2000];

static void message(void *ctx, const char *line)
{
    (void)ctx;
    if (strncmp(line, "teacher ", 8) == 0)
        snprintf(said, sizeof said, "%s", line);
}

/* A run of `more`, on the set in `folder`; where it lies. */
static int train(const char *folder, const char *const more[5], char run[256],
                 struct sluice_error *err)
{
    static struct config cfg;
    const struct trainer_watch watch = { .message = message, .stopped = never };
    struct trainer_result result = { .rank = 0 };
    char set[160], dir[160];
    snprintf(set, sizeof set, "data.train=%s/train.sluice", folder);
    snprintf(dir, sizeof dir, "run.dir=%s", folder);
    const char *const args[] = { set,
                                 dir,
                                 "device=ref",
                                 "model.name=mlp",
                                 "model.hidden=8",
                                 "training.batch_size=16",
                                 "training.epochs=3",
                                 "optimizer={name: adam, lr: 0.01}",
                                 more[0],
                                 more[1],
                                 more[2],
                                 more[3],
                                 more[4] };
    int rc = config_from_recipe(&cfg, args, (int)(sizeof args / sizeof *args), err);
    if (rc == 0)
        rc = trainer_run(&cfg, &watch, &result, err);
    if (rc == 0)
        snprintf(run, 256, "%.250s", result.run.path);
    return rc;
}

/* What the student was told is what the teacher says of images as they are: with
 * alpha 0 and T = 1 a student of the same weights has nothing to learn. */
static void whole_runs(const char *folder)
{
    const char *const plain[5] = { "seed=1", "seed=1", "seed=1", "seed=1", "seed=1" };
    char teacher[256], student[256], key[300], from[320], path[600];
    struct sluice_error err = { 0 };
    double row[7];
    size_t size;
    REQUIRE(train(folder, plain, teacher, &err) == 0, "%s", err.message);
    snprintf(key, sizeof key, "distill.teacher=%s", teacher);
    snprintf(from, sizeof from,
             "init={head: keep, from: %s/checkpoints/last.safetensors}", teacher);
    const char *const alike[5] = { key, from, "distill.weights=last",
                                   "distill={alpha_start: 0, alpha_final: 0}",
                                   "optimizer.lr=0" };
    REQUIRE(train(folder, alike, student, &err) == 0, "%s", err.message);
    CHECK(strstr(said, "last.safetensors: mlp, ") && strstr(said, "images right"), "%s",
          said);
    snprintf(path, sizeof path, "%s/distill.csv", student);
    char *text = (char *)file_read(path, &size), *line;
    text[size] = 0;
    line = strchr(text, '\n') + 1;
    for (int i = 0; i < 7; i++, line += *line == ',')
        row[i] = strtod(line, &line);
    CHECK(row[0] == 1 && near(row[2], 0, 1e-6, 0) && row[3] > 0.1 &&
              near(row[4], 0, 1e-6, 0) && row[5] == 0 && row[6] == 1,
          "loss %g, by labels %g, by the teacher %g, alpha %g, T %g", row[2], row[3],
          row[4], row[5], row[6]);
    free(text);
}

static void refuses(const char *folder)
{
    char run[256], other[256], key[300];
    struct sluice_error err = { 0 };
    const char *const plain[5] = { "seed=2", "seed=2", "seed=2", "seed=2", "seed=2" };
    REQUIRE(train(folder, plain, other, &err) == 0, "%s", err.message);
    snprintf(key, sizeof key, "distill.teacher=%s", other);
    const char *const mixed[5] = { key, "data.augment=[normalize, mixup]", "seed=2",
                                   "seed=2", "seed=2" };
    CHECK(train(folder, mixed, run, &err) == SLUICE_EINVAL &&
              strstr(err.message, "images that are mixed"),
          "%s", err.message);
    const char *const gone[5] = { "distill.teacher=/nowhere", "seed=2", "seed=2",
                                  "seed=2", "seed=2" };
    CHECK(train(folder, gone, run, &err) < 0 && strstr(err.message, "/nowhere"), "%s",
          err.message);
    const char *const best[5] = { key, "seed=2", "seed=2", "seed=2", "seed=2" };
    CHECK(train(folder, best, run, &err) < 0 && /* it measured nothing: no best */
              strstr(err.message, "best.safetensors"),
          "%s", err.message);
    char five[160];
    snprintf(five, sizeof five, "data.train=%s/five.sluice", folder);
    const char *const classes[5] = { key, "distill.weights=last", five, "seed=2",
                                     "seed=2" };
    CHECK(train(folder, classes, run, &err) == SLUICE_EINVAL &&
              strstr(err.message, "expected 5 classes as in data.train, found 4"),
          "%s", err.message);
    const char *const cuda[5] = { key, "distill.weights=last", "device=cuda",
                                  "precision=f32", "seed=2" };
    CHECK(train(folder, cuda, run, &err) == SLUICE_EUNBUILT &&
              strstr(err.message, "distill.teacher: not on device cuda"),
          "%s", err.message);
}

int main(void)
{
    const struct tiny_set set = { 80, 9, 1, 4, 0, true, 1 };
    const struct tiny_set five = { 80, 9, 1, 5, 0, true, 1 };
    char path[160];
    const char *folder = folder_make();
    known_numbers("ref", "f32");
    known_numbers("cpu", "f32");
    known_numbers("cpu", "bf16");
    parts_have_none("ref");
    parts_have_none("cpu");
    anneals();
    file_of_logits(folder);
    snprintf(path, sizeof path, "%s/train.sluice", folder);
    tiny_set_write(path, &set);
    snprintf(path, sizeof path, "%s/five.sluice", folder);
    tiny_set_write(path, &five);
    whole_runs(folder);
    gpu_on_host(true);
    refuses(folder);
    folder_remove(folder);
    return check_done();
}
