/* vq_config.c -- the keys of `sluice vq`; see vq_config.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../run_dir.h"
#include "../yaml_read.h"
#include "vq_config.h"

struct key {
    const char *name;
    enum config_kind kind; /* BOOL, INT, UINT64, REAL, CHOICE or STRING */
    size_t offset, size;   /* size of a text */
    const char *initial;
    double min, max;
    const char *choices;
    bool free; /* may change when a run is continued */
    const char *help;
};

#define AT(member) offsetof(struct vq_config, member)
#define TEXT(member) AT(member), sizeof(((struct vq_config *)0)->member)
#define WHOLE_MOST 2147483647.0
#define LONG_MOST 9007199254740992.0

static const struct key keys[] = {
    /* clang-format off */
    { "data.train", CONFIG_STRING, TEXT(train), "", 0, 0, NULL, true, ".sluice file of 28x28 grey images in 10 classes" },
    { "data.test", CONFIG_STRING, TEXT(test), "", 0, 0, NULL, true, "the same, to measure on" },
    { "data.limit", CONFIG_UINT64, AT(limit), 0, "0", 0, LONG_MOST, NULL, false, "train on so many images, drawn once; 0: all" },
    { "data.mean", CONFIG_REAL, AT(mean), 0, "33.3285", -1e6, 1e6, NULL, false, "of a pixel, 0..255: MNIST's 0.1307" },
    { "data.std", CONFIG_REAL, AT(std), 0, "78.5655", 1e-3, 1e6, NULL, false, "MNIST's 0.3081" },
    { "stages", CONFIG_INT, AT(stages), 0, "40", 1, REFINE_STAGES_MOST, NULL, false, "of the latent code" },
    { "options", CONFIG_INT, AT(options), 0, "4", 1, REFINE_OPTIONS_MOST, NULL, false, "of each stage" },
    { "hidden", CONFIG_INT, AT(hidden), 0, "512", 1, REFINE_HIDDEN_MOST, NULL, false, "units of the hidden layers" },
    { "depth", CONFIG_INT, AT(depth), 0, "2", 1, REFINE_DEPTH_MOST, NULL, false, "layers behind the stage's embedding; 4: extra large" },
    { "bias_only", CONFIG_BOOL, AT(bias_only), 0, "false", 0, 0, NULL, false, "no network: a learned vector for each stage and option" },
    { "inner.lr", CONFIG_REAL, AT(inner.lr), 0, "0.01", 0, 1e6, NULL, false, "rate of the classifier's own steps" },
    { "inner.steps", CONFIG_INT, AT(inner.steps), 0, "1", 1, 10000, NULL, false, "of the classifier, each on its own batch" },
    { "inner.optimizer", CONFIG_CHOICE, AT(inner.optimizer), 0, "sgd", 0, 0, "sgd|adam", false, "of these" },
    { "inner.momentum", CONFIG_REAL, AT(inner.momentum), 0, "0", 0, 1, NULL, false, "of sgd" },
    { "meta.lr", CONFIG_REAL, AT(meta_lr), 0, "1e-4", 0, 1e6, NULL, false, "of Adam, which trains the refinement network" },
    { "meta.batch", CONFIG_INT, AT(meta_batch), 0, "4", 1, REFINE_BATCH_MOST, NULL, false, "latents of a step" },
    { "batch_size", CONFIG_INT, AT(batch_size), 0, "128", 1, 65536, NULL, false, "images of a classifier's step" },
    { "steps", CONFIG_UINT64, AT(steps), 0, "6300", 1, LONG_MOST, NULL, true, "in all" },
    { "log_every", CONFIG_INT, AT(log_every), 0, "10", 1, WHOLE_MOST, NULL, true, "steps between lines, for which test images are looked at, too" },
    { "eval_interval", CONFIG_INT, AT(eval_interval), 0, "500", 0, WHOLE_MOST, NULL, true, "steps between evaluations; 0: at the end alone" },
    { "eval_ensemble", CONFIG_INT, AT(eval_ensemble), 0, "16", 1, 4096, NULL, true, "classifiers of an evaluation" },
    { "seed", CONFIG_UINT64, AT(seed), 0, "0", 0, LONG_MOST, NULL, false, "of first values, latents, order of images" },
    { "device", CONFIG_CHOICE, AT(device), 0, "auto", 0, 0, "auto|cpu|ref", true, "of the classifier; its bits may differ" },
    { "threads", CONFIG_INT, AT(threads), 0, "0", 0, 4096, NULL, true, "0: one for each CPU" },
    { "run.dir", CONFIG_STRING, TEXT(dir), "runs", 0, 0, NULL, true, "runs get a folder within" },
    { "run.name", CONFIG_STRING, TEXT(name), "vq", 0, 0, NULL, true, "part of the folder's name" },
    { "run.checkpoint_every_seconds", CONFIG_REAL, AT(checkpoint_seconds), 0, "600", 0, 1e9, NULL, true, "0: at the end alone" },
    { 0 },
    /* clang-format on */
};

static int refuse(const struct key *k, const struct setting *s, const char *expected,
                  struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_EINVAL, "%.100s: %s: expected %s, found '%.80s'",
                       s->where, k->name, expected, s->value);
}

static int read_number(void *to, const struct key *k, const struct setting *s,
                       struct sluice_error *err)
{
    char expected[120], *end;
    errno = 0;
    const double value = strtod(s->value, &end);
    const bool whole = k->kind != CONFIG_REAL;
    snprintf(expected, sizeof expected, "a %snumber from %.10g to %.10g",
             whole ? "whole " : "", k->min, k->max);
    if (end == s->value || *end || !(value >= k->min && value <= k->max) ||
        (whole && value != (double)(int64_t)value))
        return refuse(k, s, expected, err);
    if (k->kind == CONFIG_REAL)
        *(double *)to = value;
    else if (k->kind == CONFIG_UINT64)
        *(uint64_t *)to = (uint64_t)value;
    else
        *(int *)to = (int)value;
    return 0;
}

static int read_value(struct vq_config *cfg, const struct key *k,
                      const struct setting *s, struct sluice_error *err)
{
    void *to = (char *)cfg + k->offset;
    int found;
    switch (k->kind) {
    case CONFIG_STRING:
        if (strlen(s->value) >= k->size)
            return refuse(k, s, "a shorter text", err);
        snprintf(to, k->size, "%s", s->value);
        return 0;
    case CONFIG_CHOICE:
    case CONFIG_BOOL:
        found =
            choice_index(k->kind == CONFIG_BOOL ? "false|true" : k->choices, s->value);
        if (found < 0)
            return refuse(k, s, k->kind == CONFIG_BOOL ? "true or false" : k->choices,
                          err);
        if (k->kind == CONFIG_BOOL)
            *(bool *)to = found;
        else
            *(int *)to = found;
        return 0;
    default:
        return read_number(to, k, s, err);
    }
}

static const struct key *find(const char *name)
{
    for (const struct key *k = keys; k->name; k++)
        if (strcmp(k->name, name) == 0)
            return k;
    return NULL;
}

static int no_such_key(const char *where, const char *name, struct sluice_error *err)
{
    const char *names[sizeof keys / sizeof *keys] = { 0 };
    char near[300];
    for (size_t i = 0; keys[i].name; i++)
        names[i] = keys[i].name;
    names_near(near, sizeof near, name, names);
    return sluice_fail(err, SLUICE_EINVAL, "%.100s: no key '%.60s'; there is %s", where,
                       name, near);
}

static int resolve(struct vq_config *cfg, const struct settings *s,
                   struct sluice_error *err)
{
    int rc = 0;
    memset(cfg, 0, sizeof *cfg);
    for (const struct key *k = keys; k->name && rc == 0; k++) {
        char text[64];
        snprintf(text, sizeof text, "%s", k->initial);
        const struct setting initial = { .value = text, .where = "default" };
        rc = read_value(cfg, k, &initial, err);
    }
    for (int i = 0; i < s->count && rc == 0; i++) {
        const struct key *k = find(s->at[i].key);
        rc = k ? read_value(cfg, k, &s->at[i], err)
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
    const struct key *k = find(name);
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

/* The position's name in "a|b|c". */
static void write_choice(FILE *to, const char *choices, int position)
{
    while (position-- > 0)
        choices = strchr(choices, '|') + 1;
    fprintf(to, "%.*s", (int)strcspn(choices, "|"), choices);
}

void vq_config_write(FILE *to, const struct vq_config *cfg)
{
    for (const struct key *k = keys; k->name; k++) {
        const void *at = (const char *)cfg + k->offset;
        fprintf(to, "%s: ", k->name);
        if (k->kind == CONFIG_STRING) {
            fputc('"', to);
            write_json_text(to, at);
            fputc('"', to);
        } else if (k->kind == CONFIG_CHOICE)
            write_choice(to, k->choices, *(const int *)at);
        else if (k->kind == CONFIG_BOOL)
            fputs(*(const bool *)at ? "true" : "false", to);
        else if (k->kind == CONFIG_INT)
            fprintf(to, "%d", *(const int *)at);
        else if (k->kind == CONFIG_UINT64)
            fprintf(to, "%" PRIu64, *(const uint64_t *)at);
        else
            fprintf(to, "%.17g", *(const double *)at);
        fputc('\n', to);
    }
}

void vq_config_help(FILE *to)
{
    fputs("keys:\n", to);
    for (const struct key *k = keys; k->name; k++) {
        fprintf(to, "  %-30s %s", k->name, k->help);
        if (k->choices)
            fprintf(to, "; %s", k->choices);
        if (*k->initial)
            fprintf(to, " [%s]", k->initial);
        fputc('\n', to);
    }
}

const char *vq_config_device(const struct vq_config *cfg)
{
    static const char *const names[] = { "auto", "cpu", "ref" };
    return names[cfg->device];
}
