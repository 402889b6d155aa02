/* vq_config.c -- the keys of `sluice vq`; see vq_config.h. */
#include <stddef.h>
#include <string.h>

#include "../config_parts.h"
#include "../yaml_read.h"
#include "vq_config.h"

#define AT(member)                                                                     \
    offsetof(struct vq_config, member), sizeof(((struct vq_config *)0)->member)
#define WHOLE_MOST 2147483647.0
#define LONG_MOST 9007199254740992.0

static const struct config_option keys[] = {
    /* clang-format off */
    { "data.train", CONFIG_STRING, AT(train), "", 0, 0, NULL, true, ".sluice file of 28x28 grey images in 10 classes" },
    { "data.test", CONFIG_STRING, AT(test), "", 0, 0, NULL, true, "the same, to measure on" },
    { "data.limit", CONFIG_UINT64, AT(limit), "0", 0, LONG_MOST, NULL, false, "train on so many images, drawn once; 0: all" },
    { "data.mean", CONFIG_REAL, AT(mean), "33.3285", -1e6, 1e6, NULL, false, "of a pixel, 0..255: MNIST's 0.1307" },
    { "data.std", CONFIG_REAL, AT(std), "78.5655", 1e-3, 1e6, NULL, false, "MNIST's 0.3081" },
    { "stages", CONFIG_INT, AT(stages), "40", 1, REFINE_STAGES_MOST, NULL, false, "of the latent code" },
    { "options", CONFIG_INT, AT(options), "4", 1, REFINE_OPTIONS_MOST, NULL, false, "of each stage" },
    { "hidden", CONFIG_INT, AT(hidden), "512", 1, REFINE_HIDDEN_MOST, NULL, false, "units of the hidden layers" },
    { "depth", CONFIG_INT, AT(depth), "2", 1, REFINE_DEPTH_MOST, NULL, false, "layers behind the stage's embedding; 4: extra large" },
    { "bias_only", CONFIG_BOOL, AT(bias_only), "false", 0, 0, NULL, false, "no network: a learned vector for each stage and option" },
    { "products", CONFIG_CHOICE, AT(products), "f32", 0, 0, "f32|bf16", false, "of the first layer with the last, made for all stages at once; bf16 is rougher, faster on some CPUs" },
    { "inner.lr", CONFIG_REAL, AT(inner.lr), "0.01", 0, 1e6, NULL, false, "rate of the classifier's own steps" },
    { "inner.steps", CONFIG_INT, AT(inner.steps), "1", 1, 10000, NULL, false, "of the classifier, each on its own batch" },
    { "inner.optimizer", CONFIG_CHOICE, AT(inner.optimizer), "sgd", 0, 0, "sgd|adam", false, "of these" },
    { "inner.momentum", CONFIG_REAL, AT(inner.momentum), "0", 0, 1, NULL, false, "of sgd" },
    { "meta.lr", CONFIG_REAL, AT(meta_lr), "1e-4", 0, 1e6, NULL, false, "of Adam, which trains the refinement network" },
    { "meta.batch", CONFIG_INT, AT(meta_batch), "4", 1, REFINE_BATCH_MOST, NULL, false, "latents of a step" },
    { "batch_size", CONFIG_INT, AT(batch_size), "128", 1, 65536, NULL, false, "images of a classifier's step" },
    { "steps", CONFIG_UINT64, AT(steps), "6300", 1, LONG_MOST, NULL, true, "in all" },
    { "log_every", CONFIG_INT, AT(log_every), "10", 1, WHOLE_MOST, NULL, true, "steps between lines, for which test images are looked at, too" },
    { "eval_interval", CONFIG_INT, AT(eval_interval), "500", 0, WHOLE_MOST, NULL, true, "steps between evaluations; 0: at the end alone" },
    { "eval_ensemble", CONFIG_INT, AT(eval_ensemble), "16", 1, 4096, NULL, true, "classifiers of an evaluation" },
    { "seed", CONFIG_UINT64, AT(seed), "0", 0, LONG_MOST, NULL, false, "of first values, latents, order of images" },
    { "device", CONFIG_CHOICE, AT(device), "auto", 0, 0, "auto|cpu|ref", true, "of the classifier; its bits may differ" },
    { "threads", CONFIG_INT, AT(threads), "0", 0, 4096, NULL, true, "0: one for each CPU" },
    { "run.dir", CONFIG_STRING, AT(dir), "runs", 0, 0, NULL, true, "runs get a folder within" },
    { "run.name", CONFIG_STRING, AT(name), "vq", 0, 0, NULL, true, "part of the folder's name" },
    { "run.checkpoint_every_seconds", CONFIG_REAL, AT(checkpoint_seconds), "600", 0, 1e9, NULL, true, "0: at the end alone" },
    { 0 },
    /* clang-format on */
};

static int no_such_key(const char *where, const char *name, struct sluice_error *err)
{
    const char *names[sizeof keys / sizeof *keys] = { 0 };
    char near[300];
    for (size_t i = 0; keys[i].name; i++)
        names[i] = keys[i].name;
    names_near(near, sizeof near, name, names);
    return sluice_fail(err, SLUICE_EINVAL, "%.100s: %.60s: no such key%s%s", where,
                       name, *near ? "; near: " : "", near);
}

static int resolve(struct vq_config *cfg, const struct settings *s,
                   struct sluice_error *err)
{
    memset(cfg, 0, sizeof *cfg);
    int rc = config_set_defaults(cfg, keys, err);
    for (int i = 0; i < s->count && rc == 0; i++) {
        const struct config_option *k = config_find(keys, s->at[i].key);
        rc = k ? config_set(cfg, k, &s->at[i], err)
               : no_such_key(s->at[i].where, s->at[i].key, err);
    }
    if (rc == 0 && strchr(cfg->name, '/'))
        rc = sluice_fail(err, SLUICE_EINVAL, "run.name: '%s' has a '/'", cfg->name);
    return rc;
}

static int add_argument(struct settings *s, const char *arg, bool free_alone,
                        struct sluice_error *err)
{
    const char *equals = strchr(arg, '=');
    char name[64];
    if (!equals || equals == arg)
        return sluice_fail(err, SLUICE_EINVAL, "expected KEY=VALUE, found '%.80s'",
                           arg);
    snprintf(name, sizeof name, "%.*s", (int)(equals - arg), arg);
    const struct config_option *k = config_find(keys, name);
    if (!k)
        return no_such_key("command line", name, err);
    if (free_alone && !k->free)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: cannot change when a run continues: the run has it "
                           "from its beginning",
                           name);
    return settings_set(s, name, equals + 1, false, "command line", err);
}

int vq_config_read(struct vq_config *cfg, const char *where, const char *yaml,
                   const char *const *args, int count, bool free_alone,
                   struct sluice_error *err)
{
    struct settings s = { 0 };
    int rc = yaml ? yaml_read(&s, where, yaml, strlen(yaml), err) : 0;
    for (int i = 0; i < count && rc == 0; i++)
        rc = add_argument(&s, args[i], free_alone, err);
    if (rc == 0)
        rc = resolve(cfg, &s, err);
    settings_free(&s);
    for (char *c = err ? err->message : ""; rc < 0 && *c; c++)
        if ((unsigned char)*c < 0x20) /* what was typed may hold anything */
            *c = '?';
    return rc;
}

void vq_config_write(FILE *to, const struct vq_config *cfg)
{
    for (const struct config_option *k = keys; k->name; k++) {
        fprintf(to, "%s:", k->name);
        config_write_value(to, k, cfg);
    }
}

void vq_config_help(FILE *to)
{
    config_help_options(to, keys);
}

const char *vq_config_device(const struct vq_config *cfg)
{
    static const char *const names[] = { "auto", "cpu", "ref" };
    return names[cfg->device];
}
