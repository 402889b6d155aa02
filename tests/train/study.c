/* study.c -- spaces, pruners, and studies in their folders. */
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "search/study.h"
#include "yaml_read.h"

static char folder[64] = "/tmp/sluice-study-XXXXXX";
static struct sluice_error err;

static int add(struct space *s, const char *yaml)
{
    struct settings from = { 0 };
    int rc = yaml_read(&from, "space.yaml", yaml, strlen(yaml), &err);
    if (rc == 0)
        rc = space_add(s, &from, &err);
    settings_free(&from);
    return rc;
}

static void refuse(const char *yaml, const char *message)
{
    struct space s = { .count = 0 };
    CHECK(add(&s, yaml) == SLUICE_EINVAL && strstr(err.message, message),
          "%s: expected '%s', found '%s'", yaml, message, err.message);
    space_free(&s);
}

static void test_space(void)
{
    static const char *const yaml =
        "optimizer:\n"
        "  name: adamw\n"
        "  lr: {log: [1e-4, 0.1, 4]}\n"
        "data.augment: {choice: \"[flip, normalize]|[normalize]\"}\n"
        "training.epochs: {int: [1, 3]}\n"
        "training.batch_size: {log_int: [8, 128, 3]}\n"
        "model.width: {uniform: [0.25, 2]}\n"
        "run.wandb_notes: {choice: \"a \\\"b\\\" | c: #d\\\\\"}\n";
    struct space s = { .count = 0 }, again = { .count = 0 };
    char text[PARAM_TEXT], *written = NULL, *twice = NULL;
    size_t size;
    int n;
    REQUIRE(add(&s, yaml) == 0, "%s", err.message);
    CHECK(s.count == 6 && s.fixed.count == 1, "%d, %d", s.count, s.fixed.count);
    CHECK(strcmp(param_text(text, &s.at[5], 1), "c: #d\\") == 0, "%s", text);
    CHECK(space_grid_size(&n, &s, &err) == SLUICE_EINVAL &&
              strstr(err.message, "space.yaml:7: model.width: a grid needs"),
          "%s", err.message);
    /* What is written reads back to the same. */
    FILE *to = open_memstream(&written, &size);
    space_write(to, &s);
    fclose(to);
    REQUIRE(add(&again, written) == 0, "%s in\n%s", err.message, written);
    to = open_memstream(&twice, &size);
    space_write(to, &again);
    fclose(to);
    CHECK(strcmp(written, twice) == 0, "%s is not %s", written, twice);
    free(written);
    free(twice);
    space_free(&again);
    space_remove(&s, "run.wandb_notes");
    /* A new word on a key takes the place of the old one. */
    REQUIRE(add(&s, "model.width: 0.5\noptimizer.name: {choice: [sgd, adam]}\n") == 0,
            "%s", err.message);
    CHECK(s.count == 5 && s.fixed.count == 1 &&
              strcmp(s.fixed.at[0].key, "model.width") == 0,
          "%d, %d", s.count, s.fixed.count);
    REQUIRE(space_grid_size(&n, &s, &err) == 0, "%s", err.message);
    CHECK(n == 4 * 2 * 3 * 3 * 2, "a grid of %d", n);
    double x[5], last[5] = { 0.1, 1, 3, 128, 1 };
    space_grid_point(x, &s, 0);
    CHECK(x[0] == 1e-4 && x[1] == 0 && x[2] == 1 && x[3] == 8 && x[4] == 0, "first");
    space_grid_point(x, &s, n - 1);
    for (int i = 0; i < 5; i++)
        CHECK(x[i] == last[i], "last: %d is %g", i, x[i]);
    space_grid_point(x, &s, n / 4 + 3);
    CHECK(x[0] == 1e-3 && x[3] == 32 && x[4] == 1, "%g %g %g", x[0], x[3], x[4]);
    /* Texts of values read back to the same numbers, and whole ones have no exponent.
     */
    REQUIRE(add(&s, "training.steps: {int: [500000, 2000000]}\n") == 0, "%s",
            err.message);
    CHECK(strcmp(param_text(text, &s.at[5], 1e6), "1000000") == 0, "%s", text);
    CHECK(strcmp(param_text(text, &s.at[1], 0), "[flip, normalize]") == 0, "%s", text);
    CHECK(param_value(&s.at[1], "[normalize]") == 1, "a choice's number");
    const double rate = 0.0123456789012345678;
    CHECK(param_value(&s.at[0], param_text(text, &s.at[0], rate)) == rate, "%s", text);
    CHECK(isnan(param_value(&s.at[0], "0.5")) &&
              isnan(param_value(&s.at[0], "1e-3x")) &&
              isnan(param_value(&s.at[1], "flip")),
          "values that are none");
    space_free(&s);
}

static void test_refused(void)
{
    refuse("optimizer.lrr: {log: [1, 2]}\n",
           "optimizer.lrr: no such key; near: optimizer.lr");
    refuse("optimizer.lr: {log: [2, 1]}\n", "expected log: [LOW, HIGH]");
    refuse("optimizer.lr: {log: 1}\n", "expected log: [LOW, HIGH]");
    refuse("optimizer.lr: {log: [1, 2, 3, 4]}\n", "expected log: [LOW, HIGH]");
    refuse("optimizer.lr: {log: [1, nan]}\n", "expected log: [LOW, HIGH]");
    refuse("optimizer.lr: {log: [-1, 1]}\n", "above 0");
    refuse("optimizer.lr: {uniform: [0, 1, 0]}\n", "expected uniform");
    refuse("training.epochs: {int: [0, 3]}\n", "expected a whole number from 1");
    refuse("training.epochs: {uniform: [1, 3.5]}\n", "expected a whole number from 1");
    refuse("model.nothing_like_it: {int: [0, 3]}\n", "no such key");
    refuse("schedule.name: {choice: [cosine, \"\"]}\n", "a choice that is empty");
    refuse("schedule.name: {choice: cosine|cosine}\n", "'cosine' twice");
    refuse("schedule.name: {choice: [cosine, sawtooth]}\n", "expected one of");
}

static bool ends(const struct pruner *p, const double *at, int epochs,
                 const struct curve *const *complete, int count)
{
    struct curve c = { .epochs = epochs };
    double copy[16];
    memcpy(copy, at, (size_t)epochs * sizeof(*at));
    c.at = copy;
    return pruner_ends(p, &c, complete, count);
}

static void test_pruners(void)
{
    const double nan = (double)NAN;
    const struct pruner none = { PRUNER_NONE, 1, 0, 0, 0 };
    const struct pruner plateau = { PRUNER_PLATEAU, 3, 0.01, 0, 0 };
    const struct pruner median = { PRUNER_MEDIAN, 0, 0, 3, 2 };
    const double flat[] = { 0.5, 0.5, 0.505, 0.508, 0.515, 0.52, 0.5, 0.5 };
    CHECK(!ends(&none, flat, 8, NULL, 0), "none");
    /* The second to the fourth bring nothing; small steps that add up are a gain. */
    CHECK(!ends(&plateau, flat, 3, NULL, 0) && ends(&plateau, flat, 4, NULL, 0),
          "three");
    const double creeping[] = { 0.5, 0.505, 0.508, 0.515, 0.52, 0.52, 0.524 };
    CHECK(!ends(&plateau, creeping, 6, NULL, 0) && ends(&plateau, creeping, 7, NULL, 0),
          "creeping");
    const double gaps[] = { 0.5, nan, 0.4, nan, 0.4, nan, 0.4 };
    CHECK(!ends(&plateau, gaps, 6, NULL, 0) && ends(&plateau, gaps, 7, NULL, 0),
          "epochs that were not measured");
    double a[] = { 0.1, 0.2, 0.3, 0.4 }, b[] = { 0.5, 0.6, 0.7, 0.8 },
           c[] = { 0.5, 0.5, 0.5 }, d[] = { 0.9, 0.9, nan, 0.9 };
    const struct curve curves[] = { { 4, a }, { 4, b }, { 3, c }, { 4, d } };
    const struct curve *all[] = { &curves[0], &curves[1], &curves[2], &curves[3] };
    const double low[] = { 0.1, 0.1, 0.45, 0.5 }, early[] = { 0.55, 0.1, 0.1, 0.1 };
    CHECK(!ends(&median, low, 2, all, 4), "in the warm-up");
    CHECK(!ends(&median, low, 3, all, 2), "too few complete ones");
    CHECK(ends(&median, low, 3, all, 4), "0.45 is below the median 0.5");
    CHECK(!ends(&median, early, 3, all, 4), "its best was 0.55");
    CHECK(ends(&median, early, 4, all, 4),
          "of 0.4, 0.8 and 0.9 0.55 is below the median");
    CHECK(!ends(&median, (double[]){ 0, 0, 0.5 }, 3, all, 4), "the median itself");
    CHECK(!ends(&median, (double[]){ 0, 0, 0, 0, 0 }, 5, all, 4), "none came so far");
}

static void fill(struct study *s, const char *path)
{
    *s = (struct study){ .o = { .sampler = SAMPLER_RANDOM,
                                .pruner = { PRUNER_MEDIAN, 4, 0.0025, 7, 9 },
                                .seed = 9007199254740993u,
                                .trials = 12 } };
    snprintf(s->folder, sizeof(s->folder), "%s", path);
    snprintf(s->place, sizeof(s->place), "/a \"place\"\\");
    snprintf(s->name, sizeof(s->name), "name");
    snprintf(s->config_crc, sizeof(s->config_crc), "00c0ffee");
    REQUIRE(study_add_arg(s, "data.augment=[flip, {\"a\": 1}]", &err) == 0, "argument");
    REQUIRE(add(&s->space,
                "optimizer.lr: {log: [0.001, 1]}\n"
                "data.augment: {choice: \"[flip, normalize]|[normalize]\"}\n") == 0,
            "%s", err.message);
}

static void add_trials(struct study *s)
{
    static const enum trial_state states[] = { TRIAL_COMPLETE, TRIAL_FAILED,
                                               TRIAL_PRUNED, TRIAL_COMPLETE,
                                               TRIAL_RUNNING };
    for (int i = 0; i < 5; i++) {
        struct trial *t;
        REQUIRE(study_add_trial(s, &t, &err) == 0, "%s", err.message);
        REQUIRE(study_suggest(s, t, &err) == 0, "%s", err.message);
        t->state = states[i];
        for (int k = 0; k < i; k++)
            curve_set(&t->curve, k + 1, k == 1 ? (double)NAN : 1.0 / (3 + k), &err);
        t->best = i == 1 ? (double)NAN : 0.9 - i / 100.0;
        snprintf(t->message, sizeof(t->message), "%s",
                 i == 1   ? "a, \"b\"\nc"
                 : i == 2 ? " blank"
                          : "");
    }
}

static void compare(const struct trial *a, const struct trial *b, int values)
{
    CHECK(a->state == b->state && strcmp(a->name, b->name) == 0, "state, name");
    CHECK(isnan(a->best) ? isnan(b->best) : a->best == b->best, "%g", b->best);
    CHECK(isnan(b->final) && isnan(b->test), "%g %g", b->final, b->test);
    for (int i = 0; i < values; i++)
        CHECK(a->values[i] == b->values[i], "value %d is %.17g", i, b->values[i]);
    CHECK(a->curve.epochs == b->curve.epochs, "%d epochs", b->curve.epochs);
    for (int i = 0; i < a->curve.epochs; i++)
        CHECK(isnan(a->curve.at[i]) ? isnan(b->curve.at[i])
                                    : a->curve.at[i] == b->curve.at[i],
              "epoch %d: %.17g", i + 1, b->curve.at[i]);
}

/* A word of the table's fourth line, which is that of trial 3, is another. */
static void test_damaged_rows(const char *path)
{
    static const struct {
        const char *was, *is;
    } cases[] = {
        { "3,", "3x," },         { ",0.88,", ",1.88," },  { ",0.88,", ",-0.5," },
        { ",0.88,", ",nan," },   { ",0.88,", ",0.88x," }, { ",0.88,", ",0,88," },
        { ",0.000,", ",-1.0," }, { ",0.000,", ",," },     { ",0.000,", ",1e999," },
        { " -", " x" },          { "0.333", "2.333" },    { "0.333", "-0.333" },
        { " -", "  -" },         { "\" blank\"", "a,b" }, { "\" blank\"", "a" },
    };
    char file[160], line[512], *text, *rest;
    size_t size;
    snprintf(file, sizeof(file), "%s/search_results.csv", path);
    REQUIRE(text_file_read(&text, &size, file, 1 << 20, &err) == 0, "%s", err.message);
    rest = text;
    for (int i = 0; i < 3; i++)
        rest = strchr(rest, '\n') + 1;
    snprintf(line, sizeof(line), "%.*s", (int)strcspn(rest, "\n") + 1, rest);
    const int before = (int)(rest - text);
    rest += strlen(line);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct study t = { .count = 0 };
        const char *was = strstr(line, cases[i].was);
        REQUIRE(was, "case %zu: no '%s' in %s", i, cases[i].was, line);
        FILE *f = fopen(file, "w");
        REQUIRE(f, "%s", file);
        fprintf(f, "%.*s%.*s%s%s%s", before, text, (int)(was - line), line, cases[i].is,
                was + strlen(cases[i].was), rest);
        fclose(f);
        const int rc = study_load(&t, path, &err);
        const bool message = i + 1 == sizeof(cases) / sizeof(*cases);
        CHECK(rc == (message ? 0 : SLUICE_ECORRUPT), "case %zu: %d", i, rc);
        CHECK(message || strstr(err.message, "line 4: not a trial"), "case %zu: %s", i,
              err.message);
        study_free(&t);
    }
    free(text);
}

static void test_folder(void)
{
    struct study s, t = { .count = 0 };
    char path[128], file[160];
    snprintf(path, sizeof(path), "%s/new/study", folder);
    fill(&s, path);
    REQUIRE(study_create(&s, &err) == 0, "%s", err.message);
    add_trials(&s);
    REQUIRE(study_save(&s, &err) == 0, "%s", err.message);
    CHECK(study_create(&s, &err) == SLUICE_EINVAL, "made twice");
    snprintf(t.folder, sizeof(t.folder), "%s", path);
    CHECK(study_lock(&t, &err) == SLUICE_EINVAL &&
              strstr(err.message, "another process is at this search"),
          "%s", err.message);
    study_free(&t);
    closedir(s.lock);
    s.lock = NULL;
    CHECK(study_create(&s, &err) == SLUICE_EINVAL &&
              strstr(err.message, "there is a search in it"),
          "%s", err.message);
    REQUIRE(study_load(&t, path, &err) == 0, "%s", err.message);
    const struct pruner *p = &t.o.pruner;
    CHECK(p->kind == PRUNER_MEDIAN && p->patience == 4 && p->min_delta == 0.0025 &&
              p->startup == 7 && p->warmup == 9,
          "pruner");
    CHECK(t.o.seed == s.o.seed && t.o.trials == 12 && t.o.sampler == SAMPLER_RANDOM,
          "options");
    CHECK(strcmp(s.place, t.place) == 0 && strcmp(s.config_crc, t.config_crc) == 0 &&
              t.arg_count == 1 && strcmp(s.args[0], t.args[0]) == 0,
          "%s, %s", t.place, t.arg_count ? t.args[0] : "no argument");
    REQUIRE(t.count == 5, "%d trials", t.count);
    for (int i = 0; i < 5; i++)
        compare(&s.trials[i], &t.trials[i], 2);
    CHECK(strcmp(t.trials[1].message, "a, \"b\" c") == 0, "'%s'", t.trials[1].message);
    CHECK(strcmp(t.trials[2].message, " blank") == 0, "'%s'", t.trials[2].message);
    CHECK(study_best(&t) == &t.trials[0], "the best");
    t.trials[0].best = (double)NAN;
    CHECK(study_best(&t) == &t.trials[3], "the best behind one without accuracy");
    study_free(&t);
    test_damaged_rows(path);
    /* Damaged. */
    snprintf(file, sizeof(file), "%s/search_results.csv", path);
    REQUIRE(truncate(file, 30) == 0, "%s", file);
    CHECK(study_load(&t, path, &err) == SLUICE_ECORRUPT, "%s", err.message);
    study_free(&t);
    snprintf(file, sizeof(file), "%s/study.yaml", path);
    REQUIRE(truncate(file, 90) == 0, "%s", file);
    CHECK(study_load(&t, path, &err) < 0, "%s", err.message);
    study_free(&t);
    study_free(&s);
}

static void test_experiments(void)
{
    struct study s = { .o = { .kind = STUDY_LIST } };
    static const char yaml[] =
        "a: {seed: 1}\nab:\nb.seed: 2\na.model.width: 3\n'x: #\"y\".seed': 5\n";
    static const char *const names[] = { "a", "ab", "b", "x: #\"y\"" };
    struct study again = { .count = 0 };
    char name[TRIAL_NAME];
    int n;
    REQUIRE(yaml_read(&s.experiments, "list.yaml", yaml, strlen(yaml), &err) == 0, "%s",
            err.message);
    CHECK(study_size(&s, &n, &err) == 0 && n == 4, "%d experiments", n);
    for (int i = 0; i < n; i++)
        CHECK(study_experiment(&s, i, name) && strcmp(name, names[i]) == 0, "%s", name);
    CHECK(!study_experiment(&s, n, name), "a fifth");
    /* Written, and read again. */
    snprintf(s.folder, sizeof(s.folder), "%s/list", folder);
    snprintf(s.config_crc, sizeof(s.config_crc), "00c0ffee");
    s.o.pruner.patience = 1;
    REQUIRE(study_create(&s, &err) == 0, "%s", err.message);
    REQUIRE(study_load(&again, s.folder, &err) == 0, "%s", err.message);
    for (int i = 0; i < n; i++)
        CHECK(study_experiment(&again, i, name) && strcmp(name, names[i]) == 0, "%s",
              name);
    study_free(&again);
    study_free(&s);
}

int main(void)
{
    REQUIRE(mkdtemp(folder), "%s", folder);
    test_space();
    test_refused();
    test_pruners();
    test_folder();
    test_experiments();
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK(system(command) == 0, "%s", command);
    return check_done();
}
