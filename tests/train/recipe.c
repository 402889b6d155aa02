/* recipe.c -- recipes: YAML, groups, overrides, bounds, and the record of a run that
 * reads back to the same configuration. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "config.h"
#include "net_rig.h"
#include "recipe.h"
#include "run_config.h"
#include "yaml_read.h"

static char folder[64] = "/tmp/sluice-recipe-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    REQUIRE(f, "%s", path);
    fputs(text, f);
    fclose(f);
}

static void make_files(void)
{
    char path[256];
    REQUIRE(mkdtemp(folder), "%s", folder);
    setenv("SLUICE_RECIPES", folder, 1);
    snprintf(path, sizeof(path), "%s/dataset", folder);
    mkdir(path, 0777);
    write_file("dataset/small.yaml", "data:\n  train: small.sluice\n  mean: [1, 2.5]\n"
                                     "  std: [3, 4]\n");
    write_file("dataset/large.yaml", "data: {train: large.sluice}\n");
    write_file("base.yaml",
               "training: {epochs: 3, batch_size: 7}\noptimizer.lr: 0.5\n");
    write_file("top.yaml", "# A recipe for tests\n"
                           "defaults:\n  - base\n  - dataset: small\n"
                           "training:\n  epochs: 4\n"
                           "data:\n  augment:\n    - flip\n"
                           "    - translate: {pad: 2, fill: [125, 122, 113]}\n"
                           "    - normalize\n");
    write_file("self_first.yaml",
               "defaults: [_self_, base]\ntraining: {epochs: 9}\nseed: 3\n");
    write_file("loop.yaml", "defaults: [loop]\n");
}

static void remove_files(void)
{
    static const char *const names[] = { "dataset/small.yaml", "dataset/large.yaml",
                                         "base.yaml",          "top.yaml",
                                         "self_first.yaml",    "loop.yaml",
                                         "config.yaml",        "bad.yaml",
                                         "texts.yaml" };
    char path[256];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/dataset", folder);
    rmdir(path);
    rmdir(folder);
}

static struct config load(const char *const *args)
{
    struct sluice_error err = { .message = "" };
    struct config cfg;
    int n = 0;
    while (args[n])
        n++;
    int rc = config_from_recipe(&cfg, args, n, &err);
    CHECK(rc == 0, "%s", err.message);
    return cfg;
}
#define LOAD(...) load((const char *const[]){ __VA_ARGS__, NULL })

static void test_layers(void)
{
    struct config c = LOAD("recipe=top");
    CHECK(c.training.epochs == 4, "the file wins over its defaults: %d",
          c.training.epochs);
    CHECK(c.training.batch_size == 7 && near(c.optimizer.lr, .5, 0, 0), "base");
    CHECK(strcmp(c.data.train, "small.sluice") == 0, "%s", c.data.train);
    CHECK(c.data.mean.count == 2 && near(c.data.mean.at[1], 2.5, 0, 0), "mean");
    CHECK(strcmp(c.data.augment, "flip,translate:pad=2:fill=125/122/113,normalize") ==
              0,
          "%s", c.data.augment);
    CHECK(strcmp(c.run.name, "top") == 0, "%s", c.run.name);

    c = LOAD("training.epochs=11", "recipe=top", "dataset=large",
             "seed=18446744073709");
    CHECK(c.training.epochs == 11, "the command line wins wherever it stands: %d",
          c.training.epochs);
    CHECK(strcmp(c.data.train, "large.sluice") == 0 && c.data.mean.count == 0,
          "the group is replaced, not merged: %s", c.data.train);
    CHECK(c.seed == 18446744073709ull, "seed");

    c = LOAD("recipe=self_first");
    CHECK(c.training.epochs == 3 && c.seed == 3, "_self_: %d", c.training.epochs);
    c = LOAD("training.lr=0.25", "data.batch_size=9",
             "data.augment=[flip, cutout: {size: 4}]", "data.mean=[]",
             "optimizer={name: adam, beta1: 0.8}", "+run.plots=off");
    CHECK(near(c.optimizer.lr, .25, 0, 0) && c.training.batch_size == 9, "aliases");
    CHECK(strcmp(c.data.augment, "flip,cutout:size=4") == 0, "%s", c.data.augment);
    CHECK(c.optimizer.name == 1 && near(c.optimizer.beta1, .8, 0, 0) && !c.run.plots,
          "a mapping on the command line");
    c = LOAD("training={epochs: 4, batch_size: 3}");
    CHECK(c.training.epochs == 4 && c.training.batch_size == 3,
          "a mapping where a group of that name has files");
    c = LOAD("data.augment=flip,cutout:size=4", "data.augment_test=[]");
    CHECK(strcmp(c.data.augment, "flip,cutout:size=4") == 0 && !*c.data.augment_test,
          "text form: %s", c.data.augment);
}

/* Some of a model's options have other names, too. */
static void test_model_aliases(void)
{
    struct config c = LOAD("model=stack", "model.meta_learner.hidden_dims=[64, 32]",
                           "model.meta_learner.dropout_rate=0.25");
    CHECK(strcmp(c.model.values.texts[rig_option("stack", "meta")], "64,32") == 0 &&
              near(c.model.values.numbers[rig_option("stack", "dropout")], 0.25, 0, 0),
          "the last network's layers");
}

static const struct model_def *model_with_options(void)
{
    for (int i = 0; model_registry[i]; i++)
        if (model_registry[i]->options && model_registry[i]->options[0].name)
            return model_registry[i];
    return NULL;
}

static void test_model_options(void)
{
    const struct model_def *m = model_with_options();
    char name[80], option[80], other[80], text[160];
    REQUIRE(m, "no model has options");
    const struct model_option *o = &m->options[0];
    snprintf(name, sizeof(name), "model=%s", m->name);
    snprintf(option, sizeof(option), "model.%s=%.17g", o->name, o->max);
    struct config c = LOAD(name, option);
    CHECK(near(c.model.values.numbers[0], o->max, 0, 0), "%g",
          c.model.values.numbers[0]);
    /* Options of one network are dropped when another is chosen over it; the limit to
     * its size stays. */
    snprintf(text, sizeof(text),
             "model: {name: %s, %s: %.17g, max_parameters: 12345}\n", m->name, o->name,
             o->max);
    write_file("modelled.yaml", text);
    for (int i = 0; model_registry[i]; i++)
        if (model_registry[i] != m) {
            snprintf(other, sizeof(other), "model=%s", model_registry[i]->name);
            c = LOAD("recipe=modelled", other);
            CHECK(strcmp(c.model.name, model_registry[i]->name) == 0 &&
                      c.model.max_parameters == 12345,
                  "%s of at most %llu parameters", c.model.name,
                  (unsigned long long)c.model.max_parameters);
        }
}

static const char *record_of(const struct config *cfg)
{
    static char text[8192];
    FILE *to = fmemopen(text, sizeof(text), "w");
    REQUIRE(to, "fmemopen");
    config_write(to, cfg, NULL);
    fclose(to);
    return text;
}

/* Options that are texts: lists of numbers, here. Records have them in quotes. */
static void test_model_texts(void)
{
    struct config c = LOAD("model=mlp"), again;
    CHECK(strcmp(c.model.values.texts[0], "128,64") == 0, "%s",
          c.model.values.texts[0]);
    c = LOAD("model=mlp", "model.hidden=[7, 5]");
    CHECK(strcmp(c.model.values.texts[0], "7,5") == 0, "%s", c.model.values.texts[0]);
    CHECK(strstr(record_of(&c), "\n  hidden: \"7,5\"\n"), "%s", record_of(&c));
    write_file("texts.yaml", record_of(&c));
    again = LOAD("recipe=texts");
    CHECK(memcmp(&again, &c, sizeof c) == 0, "read back: %s",
          again.model.values.texts[0]);
    c = LOAD("model=mlp", "model.hidden=[]");
    CHECK(!*c.model.values.texts[0], "%s", c.model.values.texts[0]);
}

/* Options that are words: their places are the numbers, records have the words. */
static void test_model_choices(void)
{
    struct config c = LOAD("model=resnet18", "model.stem=cifar", "model.channels=12",
                           "model.drop_scaling=inverted", "model.long_skips=true");
    const struct model_option *o = model_find("resnet18")->options;
    for (int i = 0; o[i].name; i++) {
        const double want = strcmp(o[i].name, "stem") == 0           ? 0
                            : strcmp(o[i].name, "channels") == 0     ? 12
                            : strcmp(o[i].name, "drop_scaling") == 0 ? 2
                            : strcmp(o[i].name, "long_skips") == 0   ? 1
                                                                     : o[i].initial;
        CHECK(c.model.values.numbers[i] == want, "%s: %g", o[i].name,
              c.model.values.numbers[i]);
    }
    CHECK(strstr(record_of(&c), "\n  stem: cifar\n") &&
              strstr(record_of(&c), "\n  drop_scaling: inverted\n"),
          "%s", record_of(&c));
}

static void test_round_trip(void)
{
    struct sluice_error err = { .message = "" };
    struct config c = LOAD("recipe=top", "data.train=/tmp/a b: \"c\".sluice",
                           "model=resnet34", "model.stem=imagenet", "model.drop=0.3",
                           "optimizer.lr=0.1234567890123456", "run.name=null",
                           "data.test=\xc3\xa9.sluice", "data.label=#1",
                           "training.label_smoothing=1e-3", "seed=9000000000000000"),
                  back;
    char path[256], a[16], b[16];
    snprintf(path, sizeof(path), "%s/config.yaml", folder);
    FILE *f = fopen(path, "w");
    REQUIRE(f, "%s", path);
    config_write(f, &c, "heading");
    fclose(f);
    CHECK(config_from_run(&back, folder, NULL, 0, true, &err) == 0, "%s", err.message);
    CHECK(memcmp(&c, &back, sizeof(c)) == 0, "the record reads back differently");
    config_crc(a, &c);
    config_crc(b, &back);
    CHECK(strcmp(a, b) == 0, "%s %s", a, b);
    snprintf(path, sizeof(path), "recipe=%s/config.yaml", folder);
    back = LOAD(path);
    CHECK(memcmp(&c, &back, sizeof(c)) == 0, "as a recipe it is another run");

    const char *const allowed[] = { "run.plots=false" };
    const char *const refused[] = { "optimizer.lr=1" };
    CHECK(config_from_run(&back, folder, allowed, 1, true, &err) == 0, "%s",
          err.message);
    config_crc(b, &back);
    CHECK(strcmp(a, b) == 0, "a free option changed the checksum");
    CHECK(config_from_run(&back, folder, refused, 1, true, &err) < 0, "lr changed");
    CHECK(strstr(err.message, "cannot change"), "%s", err.message);
    back = c;
    back.optimizer.lr = 1;
    config_crc(b, &back);
    CHECK(strcmp(a, b) != 0, "the checksum does not see the learning rate");
}

/* A run that was begun with the program of 2026-11-22 has this sum in its checkpoints.
 * If it changes, as by a new key, such runs cannot be continued any more: say so where
 * the change is described. */
static void test_older_runs(void)
{
    char sum[16];
    struct config c = LOAD("recipe=mnist_cnn", "optimizer.eps=1e-8");
    config_crc(sum, &c);
    CHECK(strcmp(sum, "7883c349") == 0, "%s", sum);

    /* Later keys count where they are set. */
    c.eval.sure = 0.5;
    config_crc(sum, &c);
    CHECK(strcmp(sum, "7883c349") != 0, "the checksum does not see eval.sure");
    c = LOAD("model=airbench94", "optimizer.eps=1e-8");
    config_crc(sum, &c);
    CHECK(strcmp(sum, "25ab4282") == 0, "%s", sum);
    c = LOAD("model=airbench94", "model.activation=silu", "optimizer.eps=1e-8");
    config_crc(sum, &c);
    CHECK(strcmp(sum, "25ab4282") != 0, "the checksum does not see the activation");
}

struct bad {
    const char *yaml, *argument; /* one of them */
    const char *want;            /* part of the message */
};

static void test_refusals(void)
{
    static const struct bad all[] = {
        { "a: [1\n", NULL, "bad.yaml:2: not YAML" },
        { "training:\n  epoch: 3\n", NULL,
          "bad.yaml:2: training.epoch: no such key; near: training.epochs" },
        { "seed: 1\n\nseed: 2\n", NULL, "bad.yaml:3: seed: written twice" },
        { "training: {epochs: many}\n", NULL,
          "bad.yaml:1: training.epochs: expected a whole number from 1" },
        { "optimizer:\n  lr: nan\n", NULL,
          "bad.yaml:2: optimizer.lr: expected a number" },
        { "optimizer.lr: .inf\n", NULL, "optimizer.lr: expected a number" },
        { "optimizer.lr: [1, 2]\n", NULL, "expected one value, found a list" },
        { "device: gpu\n", NULL, "expected one of auto|ref|cpu|cuda, found 'gpu'" },
        { "x: &a 1\ny: *a\n", NULL, "bad.yaml:1: x: anchors" },
        { "y: *a\n", NULL, "bad.yaml:1: y: aliases" },
        { "y: !!int 3\n", NULL, "bad.yaml:1: y: tags" },
        { "- a\n- b\n", NULL, "bad.yaml:1: expected `key: value`" },
        { "just text\n", NULL, "expected `key: value`" },
        { "seed: 1\n---\nseed: 2\n", NULL, "a second document" },
        { "a: {b: {c: {d: {e: {f: {g: {h: {i: {j: 1}}}}}}}}}\n", NULL,
          "nested deeper" },
        { "data: {augment: [[a]]}\n", NULL, "nested too deeply" },
        { "data: {augment: [{a: 1, b: 2}]}\n", NULL,
          "each item of a list has one name" },
        { "data: {augment: [\"a,b\"]}\n", NULL, "none of , : = / may stand here" },
        { "data: {mean: [1]}\n", NULL, "data.mean has 1 numbers, data.std 0" },
        { "defaults: base\n", NULL, "defaults: expected a list" },
        { "defaults: [nothere]\n", NULL, "no recipe 'nothere'; there are: " },
        { "defaults: [{dataset: medium}]\n", NULL,
          "bad.yaml:1: no dataset 'medium'; there are: " },
        { "model: nonet\n", NULL, "model.name: no model 'nonet'; there are: " },
        { "model: {name: resnet18, stem: 7}\n", NULL,
          "bad.yaml:1: model.stem: expected one of cifar|imagenet, found '7'" },
        { "model: {name: resnet18, channels: 4.5}\n", NULL,
          "expected a whole number from 1 to 1024, found '4.5'" },
        { "model: {name: resnet18, width: 2}\n", NULL, "model.width: no such key" },
        { "model: {name: mlp, hidden: \"a\\x01\"}\n", NULL,
          "bad.yaml:1: model.hidden: expected at most 511 bytes of text" },
        { "schedule: {name: onecycle, pct_start: 2}\n", NULL, "schedule.pct_start" },
        { NULL, "recipe=loop", "include each other" },
        { NULL, "recipe=nothere", "no recipe 'nothere'" },
        { NULL, "recipe=./nothere.yaml", "no recipe './nothere.yaml'" },
        { NULL, "dataset=medium", "command line: no dataset 'medium'" },
        { "defaults: [{dataset: nothere}]\n", "dataset=medium",
          "command line: no dataset 'medium'" },
        { NULL, "training.epochs", "expected key=value" },
        { NULL, "training.epochs=0", "command line: training.epochs: expected" },
        { NULL, "training.epochs=1.5", "expected a whole number" },
        { NULL, "training.epochs=", "expected a whole number" },
        { NULL, "seed=-1", "seed: expected a whole number" },
        { NULL, "data.train=a\nb", "data.train: expected at most" },
        { NULL, "data.train=\xff", "data.train: expected at most" },
        { NULL, "data.augment=[a", "command line: not YAML" },
        { NULL, "data.augment=a b", "data.augment: expected a list such as" },
        { NULL, "data.augment=a:b", "data.augment: expected a list such as" },
        { NULL, "data.augment=a,", "data.augment: expected a list such as" },
        { NULL, "data.train=\xc2\x85", "data.train: expected at most" },
        { NULL, "data.train=\xed\xa0\x80", "data.train: expected at most" },
        { NULL, "lr=1", "lr: no such key; near: optimizer.lr" },
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        struct sluice_error err = { .message = "" };
        struct config cfg;
        char arg[256];
        snprintf(arg, sizeof(arg), "recipe=%s/bad.yaml", folder);
        if (all[i].yaml)
            write_file("bad.yaml", all[i].yaml);
        const char *args[2];
        int count = 0;
        if (all[i].yaml)
            args[count++] = arg;
        if (all[i].argument)
            args[count++] = all[i].argument;
        int rc = config_from_recipe(&cfg, args, count, &err);
        CHECK(rc < 0, "case %zu was accepted: %s", i, all[i].want);
        CHECK(strstr(err.message, all[i].want), "case %zu: %s: expected ...%s...", i,
              err.message, all[i].want);
        CHECK(!strchr(err.message, '\n'), "case %zu: more than one line", i);
    }
}

/* "k0000000016: 1" and spaces: 16 bytes, one setting. */
static const char *numbered_line(unsigned i)
{
    static char line[32];
    snprintf(line, sizeof(line), "k%010u: 1 \n ", i);
    return line;
}

static void test_bounds(void)
{
    struct sluice_error err = { .message = "" };
    struct settings s = { 0 };
    size_t size = YAML_SIZE_MAX + 1;
    char *text = malloc(size + 1);
    REQUIRE(text, "no memory");
    memset(text, '[', size);
    CHECK(yaml_read(&s, "big", text, size, &err) < 0, "too large");
    CHECK(yaml_read(&s, "deep", text, 100000, &err) < 0, "too deep");
    for (size_t at = 0; at + 16 < 64000; at += 16)
        memcpy(text + at, numbered_line((unsigned)at), 16);
    CHECK(yaml_read(&s, "many", text, 63984, &err) < 0, "too many settings");
    CHECK(strstr(err.message, "more than"), "%s", err.message);
    CHECK(s.count <= SETTINGS_MAX, "%d", s.count);
    settings_free(&s);
    CHECK(yaml_read(&s, "zero", "a: \"x\\0y\"\n", 10, &err) < 0, "a zero byte");
    CHECK(yaml_read(&s, "empty", "", 0, &err) == 0 && s.count == 0, "%s", err.message);
    CHECK(yaml_read(&s, "comment", "# x\n", 4, &err) == 0, "%s", err.message);
    CHECK(yaml_read(&s, "null", "~\n", 2, &err) == 0, "%s", err.message);
    settings_free(&s);
    free(text);
}

/* Every option has help, a default that parses, and a name of its own. */
static void test_table(void)
{
    for (const struct config_option *o = config_options; o->name; o++) {
        CHECK(o->help && *o->help && o->initial, "%s", o->name);
        CHECK(config_real_name(o->name) == o->name, "%s is an alias too", o->name);
        for (const struct config_option *p = config_options; p != o; p++)
            CHECK(strcmp(p->name, o->name) != 0, "%s twice", o->name);
    }
}

/* Names of the table's choices and of what there is, in one order. */
static void check_choices(const char *option, const char *(*name_of)(int))
{
    char buf[64];
    int i = 0;
    for (; name_of(i); i++)
        CHECK(strcmp(config_choice(buf, option, i), name_of(i)) == 0,
              "%s: choice %d is '%s', expected '%s'", option, i, buf, name_of(i));
    CHECK(strcmp(config_choice(buf, option, i), name_of(i - 1)) == 0,
          "%s: '%s' is nothing", option, buf); /* behind the last, the last again */
}

int main(void)
{
    check_choices("optimizer.name", optim_name);
    check_choices("schedule.name", schedule_name);
    make_files();
    test_table();
    test_layers();
    test_model_aliases();
    test_model_options();
    test_model_texts();
    test_model_choices();
    test_round_trip();
    test_older_runs();
    test_refusals();
    test_bounds();
    remove_files();
    return check_done();
}
