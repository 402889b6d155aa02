/* config.c -- the option table of training runs, and text into values. */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"
#include "models/model.h"

#define AT(field) offsetof(struct config, field), sizeof(((struct config *)0)->field)

const struct config_option config_options[] = {
    /* clang-format off */
    { "seed", CONFIG_UINT64, AT(seed), "0", 0, 9e15, NULL, false,
      "of initial weights, order, augmentation and dropout" },
    { "device", CONFIG_CHOICE, AT(device), "auto", 0, 0, "auto|ref|cpu|cuda", false,
      "where the network runs" },
    { "precision", CONFIG_CHOICE, AT(precision), "auto", 0, 0, "auto|f32|tf32|bf16|f16", false,
      "of activations" },
    { "threads", CONFIG_INT, AT(threads), "0", 0, 1024, NULL, false,
      "of the device; 0: one per CPU" },

    { "model.name", CONFIG_STRING, AT(model.name), "resnet9", 0, 0, NULL, false,
      "which network; its own options are model.<option>" },
    { "model.max_parameters", CONFIG_UINT64, AT(model.max_parameters), "0", 0, 1e15, NULL, false,
      "refuse a larger network; 0: any" },

    { "data.train", CONFIG_STRING, AT(data.train), "", 0, 0, NULL, true,
      "the .sluice file to learn from" },
    { "data.train_range", CONFIG_STRING, AT(data.train_range), "", 0, 0, NULL, false,
      "samples of it, as in 0-39999; empty: all" },
    { "data.validation", CONFIG_STRING, AT(data.validation), "", 0, 0, NULL, true,
      "the file to measure on during training; empty: data.test" },
    { "data.validation_range", CONFIG_STRING, AT(data.validation_range), "", 0, 0, NULL, false,
      "samples of it; empty: all" },
    { "data.test", CONFIG_STRING, AT(data.test), "", 0, 0, NULL, true,
      "the file to measure on at the end, or throughout; empty: none" },
    { "data.test_range", CONFIG_STRING, AT(data.test_range), "", 0, 0, NULL, true,
      "samples of it; empty: all" },
    { "data.label", CONFIG_STRING, AT(data.label), "", 0, 0, NULL, false,
      "the integer field to predict; empty: the first" },
    { "data.order", CONFIG_CHOICE, AT(data.order), "random", 0, 0, "random|sequential|quasi_random", false,
      "of the training images" },
    { "data.drop_last", CONFIG_BOOL, AT(data.drop_last), "true", 0, 0, NULL, false,
      "leave out a short last batch of training" },
    { "data.crop", CONFIG_CHOICE, AT(data.crop), "none", 0, 0, "none|random|center", false,
      "part of each training image, scaled to data.size; tests then take the center" },
    { "data.size", CONFIG_INT, AT(data.size), "224", 1, 16384, NULL, false,
      "height and width of the images behind a crop" },
    { "data.augment", CONFIG_LIST, AT(data.augment), "normalize", 0, 0, NULL, false,
      "operations on training images, in order" },
    { "data.augment_test", CONFIG_LIST, AT(data.augment_test), "auto", 0, 0, NULL, false,
      "the same for test images; auto: `normalize`, if training has it" },
    { "data.mean", CONFIG_VECTOR, AT(data.mean), "[]", -1e6, 1e6, NULL, false,
      "per channel (0..255), for normalize; empty: the training file's" },
    { "data.std", CONFIG_VECTOR, AT(data.std), "[]", 1e-6, 1e6, NULL, false,
      "likewise the standard deviation" },
    { "data.io", CONFIG_CHOICE, AT(data.io), "auto", 0, 0, "auto|resident|uring|direct|pread", true,
      "how files are read" },
    { "data.threads", CONFIG_INT, AT(data.threads), "0", 0, 1024, NULL, true,
      "of the loader; 0: one per CPU" },
    { "data.batches", CONFIG_INT, AT(data.batches), "0", 0, 1024, NULL, true,
      "made ahead; 0: the loader's default" },
    { "data.memory", CONFIG_UINT64, AT(data.memory), "0", 0, 9e15, NULL, true,
      "bytes that resident files may take; 0: a quarter of what is free" },
    { "data.on_error", CONFIG_CHOICE, AT(data.on_error), "raise", 0, 0, "raise|skip|substitute", false,
      "what becomes of damaged training images; those of a test are an error" },

    { "training.epochs", CONFIG_INT, AT(training.epochs), "10", 1, 1000000, NULL, false,
      "passes over the training images" },
    { "training.batch_size", CONFIG_INT, AT(training.batch_size), "128", 1, 1 << 20, NULL, false,
      "images per optimizer step" },
    { "training.steps", CONFIG_UINT64, AT(training.steps), "0", 0, 1e12, NULL, false,
      "stop after so many optimizer steps; 0: epochs decide" },
    { "training.label_smoothing", CONFIG_REAL, AT(training.label_smoothing), "0", 0, 0.999, NULL, false,
      "share of the target spread over all classes" },

    { "optimizer.name", CONFIG_CHOICE, AT(optimizer.name), "sgd", 0, 0, "sgd|adam|adamw|muon", false,
      "update rule" },
    { "optimizer.lr", CONFIG_REAL, AT(optimizer.lr), "0.1", 0, 1e6, NULL, false,
      "base learning rate" },
    { "optimizer.momentum", CONFIG_REAL, AT(optimizer.momentum), "0.9", 0, 0.99999, NULL, false,
      "sgd, and muon's parameters that are no filters" },
    { "optimizer.nesterov", CONFIG_BOOL, AT(optimizer.nesterov), "false", 0, 0, NULL, false,
      "sgd, muon: look ahead" },
    { "optimizer.muon_lr", CONFIG_REAL, AT(optimizer.muon_lr), "0.24", 0, 1e6, NULL, false,
      "muon: of filters; schedules move it along with optimizer.lr" },
    { "optimizer.muon_momentum", CONFIG_REAL, AT(optimizer.muon_momentum), "0.6", 0, 0.99999, NULL, false,
      "muon: of filters" },
    { "optimizer.muon_iterations", CONFIG_INT, AT(optimizer.muon_iterations), "5", 1, 100, NULL, false,
      "muon: of Newton and Schulz" },
    { "optimizer.beta1", CONFIG_REAL, AT(optimizer.beta1), "0.9", 0, 0.99999, NULL, false,
      "adam, adamw" },
    { "optimizer.beta2", CONFIG_REAL, AT(optimizer.beta2), "0.999", 0, 0.9999999, NULL, false,
      "adam, adamw" },
    { "optimizer.eps", CONFIG_REAL, AT(optimizer.eps), "1e-8", 0, 1, NULL, false,
      "adam, adamw" },
    { "optimizer.weight_decay", CONFIG_REAL, AT(optimizer.weight_decay), "0", 0, 1e3, NULL, false,
      "times the weight, added to the gradient (adamw: apart from it)" },
    { "optimizer.clip", CONFIG_REAL, AT(optimizer.clip), "0", 0, 1e6, NULL, false,
      "largest norm of all gradients together; 0: off" },
    { "optimizer.lookahead_every", CONFIG_INT, AT(optimizer.lookahead_every), "0", 0, 1e6, NULL, false,
      "steps between averages of the weights with slow ones; 0: none" },
    { "optimizer.lookahead_decay", CONFIG_REAL, AT(optimizer.lookahead_decay), "0.95", 0, 1, NULL, false,
      "share of the slow weights that stays, a step, at the end of training" },

    { "schedule.name", CONFIG_CHOICE, AT(schedule.name), "constant", 0, 0,
      "constant|onecycle|cosine|linear|step|triangular", false,
      "of the learning rate" },
    { "schedule.max_lr", CONFIG_REAL, AT(schedule.max_lr), "0", 0, 1e6, NULL, false,
      "onecycle, triangular: the peak; 0: optimizer.lr" },
    { "schedule.pct_start", CONFIG_REAL, AT(schedule.pct_start), "0.3", 0, 1, NULL, false,
      "onecycle: share of steps that rise; linear: of warm-up" },
    { "schedule.div", CONFIG_REAL, AT(schedule.div), "25", 1e-6, 1e12, NULL, false,
      "onecycle: starts at peak / div" },
    { "schedule.final_div", CONFIG_REAL, AT(schedule.final_div), "1e4", 1e-6, 1e12, NULL, false,
      "onecycle: ends at start / final_div" },
    { "schedule.linear_anneal", CONFIG_BOOL, AT(schedule.linear_anneal), "false", 0, 0, NULL, false,
      "onecycle: straight lines, not cosines" },
    { "schedule.cycle_momentum", CONFIG_BOOL, AT(schedule.cycle_momentum), "false", 0, 0, NULL, false,
      "onecycle: momentum (or beta1) moves against the rate" },
    { "schedule.base_momentum", CONFIG_REAL, AT(schedule.base_momentum), "0.85", 0, 0.99999, NULL, false,
      "its value at the peak" },
    { "schedule.max_momentum", CONFIG_REAL, AT(schedule.max_momentum), "0.95", 0, 0.99999, NULL, false,
      "its value at both ends" },
    { "schedule.eta_min", CONFIG_REAL, AT(schedule.eta_min), "0", 0, 1e6, NULL, false,
      "cosine: the rate at the end" },
    { "schedule.peak_epoch", CONFIG_REAL, AT(schedule.peak_epoch), "1", 0, 1e6, NULL, false,
      "triangular: rises from 0 until here, then falls to 0" },
    { "schedule.gamma", CONFIG_REAL, AT(schedule.gamma), "0.1", 1e-9, 1e3, NULL, false,
      "step: times gamma ..." },
    { "schedule.step_epochs", CONFIG_REAL, AT(schedule.step_epochs), "30", 1e-6, 1e6, NULL, false,
      "step: ... every so many epochs" },
    { "schedule.end_factor", CONFIG_REAL, AT(schedule.end_factor), "0", 0, 1e3, NULL, false,
      "linear: falls to this share of the base rate" },
    { "schedule.per_epoch", CONFIG_BOOL, AT(schedule.per_epoch), "false", 0, 0, NULL, false,
      "cosine, step: change at the ends of epochs only" },

    { "eval.tta", CONFIG_CHOICE, AT(eval.tta), "none", 0, 0, "none|flip|flip_shift|crops", false,
      "views of each test image whose logits are averaged" },
    { "eval.views", CONFIG_INT, AT(eval.views), "8", 2, 256, NULL, false,
      "crops: the image, its mirror image, and random shifts of up to 4 pixels" },
    { "eval.every", CONFIG_INT, AT(eval.every), "1", 0, 1000000, NULL, false,
      "epochs between tests; 0: at the end only" },
    { "eval.batch_size", CONFIG_INT, AT(eval.batch_size), "0", 0, 1 << 20, NULL, true,
      "images per batch of a test; 0: training.batch_size" },
    { "eval.predictions", CONFIG_CHOICE, AT(eval.predictions), "full", 0, 0, "full|labels", true,
      "predictions.csv: everything, or ID,Labels as contests want it" },

    { "run.dir", CONFIG_STRING, AT(run.dir), "runs", 0, 0, NULL, true,
      "folder of all runs" },
    { "run.name", CONFIG_STRING, AT(run.name), "", 0, 0, NULL, true,
      "last part of the run's folder; empty: the recipe's name" },
    { "run.layout", CONFIG_CHOICE, AT(run.layout), "plain", 0, 0, "plain|outputs", false,
      "outputs: training_runs, best_models, final_models, evaluations in run.dir" },
    { "run.keep_every_epochs", CONFIG_INT, AT(run.keep_every_epochs), "0", 0, 1000000, NULL, true,
      "checkpoints/epoch_N.safetensors every so many; 0: none" },
    { "run.checkpoint_every_epochs", CONFIG_INT, AT(run.checkpoint_every_epochs), "1", 0, 1000000, NULL, true,
      "0: at the end only" },
    { "run.checkpoint_every_seconds", CONFIG_REAL, AT(run.checkpoint_every_seconds), "60", 0, 1e9, NULL, true,
      "in the middle of an epoch too; 0: off" },
    { "run.log_every", CONFIG_INT, AT(run.log_every), "50", 0, 1000000, NULL, true,
      "optimizer steps between lines of steps.csv; 0: none" },
    { "run.plots", CONFIG_BOOL, AT(run.plots), "true", 0, 0, NULL, true,
      "draw plots/*.svg" },
    { "run.profile", CONFIG_BOOL, AT(run.profile), "false", 0, 0, NULL, true,
      "say how long each operator takes, and how fast it is; profile.json" },
    { NULL, CONFIG_BOOL, 0, 0, NULL, 0, 0, NULL, false, NULL },
    /* clang-format on */
};

static const char *const aliases[][2] = {
    { "training.lr", "optimizer.lr" },
    { "training.weight_decay", "optimizer.weight_decay" },
    { "training.momentum", "optimizer.momentum" },
    { "training.gradient_clip", "optimizer.clip" },
    { "data.batch_size", "training.batch_size" },
    { "model", "model.name" },
};

const char *config_real_name(const char *key)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
        if (strcmp(aliases[i][0], key) == 0)
            return aliases[i][1];
    return key;
}

static const struct config_option *find(const char *name)
{
    for (const struct config_option *o = config_options; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

bool config_parse_real(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

bool config_parse_bool(const char *text, bool *out)
{
    static const char *const words = "false|true|no|yes|off|on";
    int i = choice_index(words, text);
    *out = i > 0 && i % 2;
    return i >= 0;
}

static bool parse_vector(const char *text, struct config_numbers *out,
                         const struct config_option *o)
{
    struct config_numbers v = { 0 };
    char copy[SETTING_VALUE_MAX + 1], *rest = copy, *item;
    snprintf(copy, sizeof(copy), "%s", strcmp(text, "[]") == 0 ? "" : text);
    while (*copy && (item = strsep(&rest, ","))) {
        double x;
        if (v.count == CONFIG_NUMBERS || !config_parse_real(item, &x) ||
            !(x >= o->min && x <= o->max))
            return false;
        v.at[v.count++] = x;
    }
    *out = v;
    return true;
}

/* The next code point of UTF-8; -1: it is none. */
static int32_t next_code(const unsigned char **p)
{
    const unsigned char first = *(*p)++;
    const int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    int32_t code = more ? first & (0x3f >> more) : first;
    if ((first >= 0x80 && first < 0xc2) || first > 0xf4)
        return -1;
    for (int i = 0; i < more; i++) {
        if ((**p & 0xc0) != 0x80)
            return -1;
        code = code << 6 | (*(*p)++ & 0x3f);
    }
    return (more == 2 && code < 0x800) || (more == 3 && code < 0x10000) ? -1 : code;
}

/* Text that a YAML file holds as it stands: UTF-8 without control characters, line
 * breaks of any kind, byte order marks, and what is no character. */
static bool plain_text(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        const int32_t c = next_code(&p);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
            (c >= 0xd800 && c < 0xe000) || c == 0xfeff || (c & 0xfffe) == 0xfffe ||
            c > 0x10ffff)
            return false;
    }
    return true;
}

static size_t name_length(const char *text)
{
    const size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_");
    return n && (*text < '0' || *text > '9') ? n : 0;
}

/* "name:key=value:key=1/2/3,name": what augmentations are written in. */
static bool parse_list(const struct config_option *o, char *slot, const char *text)
{
    static const char *const in_value = "abcdefghijklmnopqrstuvwxyz"
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
    const char *p = text;
    size_t n;
    for (bool more = *p; more; more = *p == ',', p += more) {
        if (!(n = name_length(p)))
            return false;
        p += n;
        while (*p == ':') {
            if (!(n = name_length(++p)) || p[n] != '=')
                return false;
            p += n;
            do {
                if (!(n = strspn(++p, in_value)))
                    return false;
                p += n;
            } while (*p == '/');
        }
    }
    if (*p || strlen(text) >= o->size)
        return false;
    snprintf(slot, o->size, "%s", text);
    return true;
}

static bool parse_text(const struct config_option *o, char *slot, const char *text)
{
    if (strlen(text) >= o->size || !plain_text(text))
        return false;
    snprintf(slot, o->size, "%s", text);
    return true;
}

/* false: the text is no value of this option. */
static bool parse(const struct config_option *o, struct config *cfg, const char *text)
{
    char *slot = (char *)cfg + o->offset, *end;
    double real;
    switch (o->kind) {
    case CONFIG_BOOL:
        return config_parse_bool(text, (bool *)slot);
    case CONFIG_INT:
        if (!config_parse_real(text, &real) || real != rint(real) ||
            !(real >= o->min && real <= o->max))
            return false;
        *(int *)slot = (int)real;
        return true;
    case CONFIG_UINT64: {
        errno = 0;
        uint64_t n = strtoull(text, &end, 10);
        if (*text < '0' || *text > '9' || *end || errno || !((double)n <= o->max))
            return false;
        *(uint64_t *)slot = n;
        return true;
    }
    case CONFIG_REAL:
        if (!config_parse_real(text, &real) || !(real >= o->min && real <= o->max))
            return false;
        *(double *)slot = real;
        return true;
    case CONFIG_CHOICE: {
        int i = choice_index(o->choices, text);
        if (i >= 0)
            *(int *)slot = i;
        return i >= 0;
    }
    case CONFIG_VECTOR:
        return parse_vector(text, (struct config_numbers *)slot, o);
    case CONFIG_LIST:
        return parse_list(o, slot, strcmp(text, "[]") == 0 ? "" : text);
    case CONFIG_STRING:
        return parse_text(o, slot, text);
    }
    return false;
}

static int wrong_value(const struct config_option *o, const struct setting *s,
                       struct sluice_error *err)
{
    char wanted[160];
    if (o->kind == CONFIG_CHOICE)
        snprintf(wanted, sizeof(wanted), "one of %s", o->choices);
    else if (o->kind == CONFIG_BOOL)
        snprintf(wanted, sizeof(wanted), "true or false");
    else if (o->kind == CONFIG_LIST)
        snprintf(wanted, sizeof(wanted), "a list such as [flip, translate: {pad: 2}]");
    else if (o->kind == CONFIG_STRING)
        snprintf(wanted, sizeof(wanted), "at most %zu bytes of UTF-8 on one line",
                 o->size - 1);
    else
        snprintf(wanted, sizeof(wanted), "%s from %.15g to %.15g",
                 o->kind == CONFIG_REAL     ? "a number"
                 : o->kind == CONFIG_VECTOR ? "a list of numbers"
                                            : "a whole number",
                 o->min, o->max);
    return sluice_fail(err, SLUICE_EINVAL, "%s: %s: expected %s, found '%.80s'",
                       s->where, s->key, wanted, s->value);
}

static int unknown_key(const struct setting *s, const struct model_def *model,
                       struct sluice_error *err)
{
    const char *all[128];
    char own[CONFIG_MODEL_OPTIONS][64], near[240];
    int n = 0;
    for (const struct config_option *o = config_options; o->name; o++)
        all[n++] = o->name;
    for (int i = 0; model->options && model->options[i].name; i++) {
        snprintf(own[i], sizeof(own[i]), "model.%s", model->options[i].name);
        all[n++] = own[i];
    }
    all[n] = NULL;
    names_near(near, sizeof(near), s->key, all);
    return sluice_fail(err, SLUICE_EINVAL, "%s: %.80s: no such key%s%s%s", s->where,
                       s->key, *near ? "; near: " : "", near,
                       strncmp(s->key, "model.", 6) == 0 && !*near ? " in this model"
                                                                   : "");
}

static int find_model(const struct config *cfg, const struct settings *settings,
                      const struct model_def **out, struct sluice_error *err)
{
    const struct setting *s = settings_find(settings, "model.name");
    const char *all[64];
    char names[240];
    int n = 0;
    *out = model_find(cfg->model.name);
    if (*out)
        return 0;
    for (; model_registry[n] && n < 63; n++)
        all[n] = model_registry[n]->name;
    all[n] = NULL;
    names_near(names, sizeof(names), "", all);
    return sluice_fail(err, SLUICE_EINVAL,
                       "%s: model.name: no model '%s'; there are: %s",
                       s ? s->where : "default", cfg->model.name, names);
}

static int apply(struct config *cfg, const struct model_def *model,
                 const struct setting *s, struct sluice_error *err)
{
    const struct config_option *o = find(s->key);
    if (!o) {
        const int rc = config_model_set(cfg, model, s, err);
        return rc > 0 ? unknown_key(s, model, err) : rc;
    }
    if (s->list && o->kind != CONFIG_LIST && o->kind != CONFIG_VECTOR)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: %s: expected one value, found a list", s->where,
                           s->key);
    return parse(o, cfg, s->value) ? 0 : wrong_value(o, s, err);
}

/* The schedule's own check, with numbers of steps that any run could have. */
static int check_together(const struct config *cfg, struct sluice_error *err)
{
    const struct schedule_config schedule = config_schedule(cfg, 100);
    if (cfg->data.mean.count != cfg->data.std.count)
        return sluice_fail(err, SLUICE_EINVAL,
                           "data.mean has %d numbers, data.std %d: expected as many",
                           cfg->data.mean.count, cfg->data.std.count);
    return schedule_check(&schedule, err);
}

int config_resolve(struct config *cfg, const struct settings *settings,
                   struct sluice_error *err)
{
    const struct model_def *model = NULL;
    const struct setting *name = settings_find(settings, "model.name");
    int rc = 0;
    memset(cfg, 0, sizeof(*cfg));
    for (const struct config_option *o = config_options; o->name; o++)
        if (!parse(o, cfg, o->initial))
            return sluice_fail(err, SLUICE_EINVAL, "%s: default '%s' is no value",
                               o->name, o->initial);
    if (name && (rc = apply(cfg, NULL, name, err)) < 0)
        return rc;
    if ((rc = find_model(cfg, settings, &model, err)) < 0)
        return rc;
    for (int i = 0; model->options && model->options[i].name; i++)
        cfg->model.options[i] = model->options[i].initial;
    for (int i = 0; i < settings->count && rc == 0; i++)
        rc = apply(cfg, model, &settings->at[i], err);
    return rc < 0 ? rc : check_together(cfg, err);
}
