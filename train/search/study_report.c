/* study_report.c -- results of a study; see study_report.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run_config.h"
#include "study_report.h"
#include "text_write.h"

enum { BEST_SHOWN = 10, FAILED_SHOWN = 10 };

static int count_state(const struct study *s, enum trial_state state)
{
    int n = 0;
    for (int i = 0; i < s->count; i++)
        n += s->trials[i].state == state;
    return n;
}

static const char *last_part(const char *key)
{
    const char *dot = strrchr(key, '.');
    return dot ? dot + 1 : key;
}

const char *trial_text(char *buf, size_t size, const struct study *s,
                       const struct trial *t)
{
    char text[PARAM_TEXT];
    size_t used = (size_t)snprintf(buf, size, "%s", t->name);
    for (int i = 0; i < s->space.count && used < size; i++) {
        const struct param *p = &s->space.at[i];
        if (p->domain.kind == TPE_CHOICE)
            param_text(text, p, t->values[i]);
        else
            snprintf(text, sizeof(text), "%.4g", t->values[i]);
        used += (size_t)snprintf(buf + used, size - used, "%s%s=%s", used ? " " : "",
                                 last_part(p->key), text);
    }
    return buf;
}

/* Mean and deviation (of a sample) over the complete trials; their number. */
static int mean_of(const struct study *s, double (*value)(const struct trial *),
                   double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    int n = 0;
    *mean = 0;
    for (int pass = 0; pass < 2; pass++) {
        n = 0;
        for (int i = 0; i < s->count; i++) {
            const double x = value(&s->trials[i]);
            if (s->trials[i].state != TRIAL_COMPLETE || isnan(x))
                continue;
            n++;
            if (pass)
                squares += (x - *mean) * (x - *mean);
            else
                sum += x;
        }
        *mean = n ? sum / n : (double)NAN;
    }
    *deviation = n > 1 ? sqrt(squares / (n - 1)) : (double)NAN;
    return n;
}

static double final_of(const struct trial *t)
{
    return t->final;
}

static double best_accuracy_of(const struct trial *t)
{
    return t->best;
}

static double test_of(const struct trial *t)
{
    return t->test;
}

/* ---- files ---- */

static void put_number(FILE *to, const char *key, double x)
{
    if (isnan(x))
        fprintf(to, "%s: null\n", key);
    else
        fprintf(to, "%s: %.9g\n", key, x);
}

/* A list stays one, other text is quoted if it is not plainly a word or a number. */
static void put_value(FILE *to, const char *key, const char *text)
{
    const size_t plain = strspn(
        text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-/");
    const bool as_it_is = *text == '[' || *text == '{' || (*text && !text[plain]);
    fprintf(to, "%s: ", key);
    if (as_it_is)
        fputs(text, to);
    else
        write_quoted(to, text);
    fputc('\n', to);
}

static void put_params(FILE *to, const struct study *s, const struct trial *t,
                       const char *indent)
{
    char text[PARAM_TEXT], key[PARAM_TEXT];
    for (int i = 0; i < s->space.count; i++) {
        snprintf(key, sizeof(key), "%s%s", indent, s->space.at[i].key);
        put_value(to, key, param_text(text, &s->space.at[i], t->values[i]));
    }
}

static void put_mean(FILE *to, const struct study *s, const char *name,
                     double (*value)(const struct trial *))
{
    double mean, deviation;
    char key[64];
    if (!mean_of(s, value, &mean, &deviation))
        return;
    snprintf(key, sizeof(key), "mean_%s_accuracy", name);
    put_number(to, key, mean);
    snprintf(key, sizeof(key), "deviation_%s_accuracy", name);
    put_number(to, key, deviation);
}

static void put_best(FILE *to, const struct study *s, const struct config *cfg)
{
    const struct trial *best = study_best(s);
    char text[64];
    if (!best)
        return;
    put_number(to, "best_accuracy", best->best);
    fprintf(to, "best_trial: %d\nbest_run: trials/%04d\n", study_number(s, best),
            study_number(s, best));
    if (cfg)
        fprintf(to, "optimizer: %s\n",
                config_choice(text, "optimizer.name", cfg->optimizer.name));
    if (s->space.count)
        fputs("params:\n", to);
    put_params(to, s, best, "  ");
}

static int write_summary(const struct study *s, const struct config *cfg,
                         struct sluice_error *err)
{
    char path[RUN_PATH], stamp[32], state[64];
    struct new_file f;
    struct tm tm;
    const time_t now = time(NULL);
    snprintf(path, sizeof(path), "%s/search_results.yaml", s->folder);
    const int rc = file_begin(&f, path, err);
    if (rc < 0)
        return rc;
    localtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(f.to, "timestamp: \"%s\"\nmeasured_on: %s\nn_trials: %d\n", stamp,
            s->o.on_test ? "test" : "validation", s->count);
    for (int k = TRIAL_COMPLETE; k <= TRIAL_FAILED; k++)
        fprintf(f.to, "%s: %d\n", choice_name(state, STUDY_STATES, k),
                count_state(s, (enum trial_state)k));
    if (s->o.kind == STUDY_FOLDS) {
        put_mean(f.to, s, "final", final_of);
        put_mean(f.to, s, "best", best_accuracy_of);
        put_mean(f.to, s, "test", test_of);
    }
    put_best(f.to, s, cfg);
    return file_commit(&f, err);
}

/* Of a resolved recipe the sections that a group `training` has. */
static void put_sections(FILE *to, char *yaml)
{
    static const char *const wanted[] = { "optimizer:", "schedule:", "training:" };
    bool in = false;
    for (char *line; (line = strsep(&yaml, "\n")) && yaml;) {
        if (*line != ' ') {
            in = false;
            for (int i = 0; i < 3; i++)
                in = in || strcmp(line, wanted[i]) == 0;
        }
        if (in)
            fprintf(to, "%s\n", line);
    }
}

static bool in_sections(const char *key)
{
    return strncmp(key, "optimizer.", 10) == 0 || strncmp(key, "schedule.", 9) == 0 ||
           strncmp(key, "training.", 9) == 0;
}

static int write_best(const struct study *s, const struct trial *best,
                      const struct config *cfg, struct sluice_error *err)
{
    char path[RUN_PATH], text[PARAM_TEXT], *yaml = NULL;
    size_t size = 0;
    struct new_file f;
    FILE *to = open_memstream(&yaml, &size);
    if (to)
        config_write(to, cfg, NULL);
    if (!to || fclose(to)) {
        free(yaml);
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", s->folder);
    }
    snprintf(path, sizeof(path), "%s/best_training.yaml", s->folder);
    int rc = file_begin(&f, path, err);
    if (rc == 0) {
        fprintf(f.to,
                "# Trial %d of %d, accuracy %.4f on the %s set: training=THIS_FILE\n",
                study_number(s, best), s->count, best->best,
                s->o.on_test ? "test" : "validation");
        put_sections(f.to, yaml);
        for (int i = 0; i < s->space.count; i++)
            if (!in_sections(s->space.at[i].key))
                put_value(f.to, s->space.at[i].key,
                          param_text(text, &s->space.at[i], best->values[i]));
        rc = file_commit(&f, err);
    }
    free(yaml);
    return rc;
}

int study_write_results(const struct study *s, struct sluice_error *err)
{
    const struct trial *best = study_best(s);
    struct config *cfg = calloc(1, sizeof(*cfg));
    char path[RUN_PATH];
    int rc = 0;
    if (!cfg)
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", s->folder);
    if (best)
        rc = config_from_run(cfg, trial_folder(path, s, best), NULL, 0, true, err);
    if (rc == 0)
        rc = write_summary(s, best ? cfg : NULL, err);
    if (rc == 0 && best && s->o.kind == STUDY_SPACE)
        rc = write_best(s, best, cfg, err);
    free(cfg);
    return rc;
}

/* ---- for people ---- */

static int compare_trials(const void *a, const void *b)
{
    const struct trial *x = *(const struct trial *const *)a;
    const struct trial *y = *(const struct trial *const *)b;
    const double p = isnan(x->best) ? -1 : x->best, q = isnan(y->best) ? -1 : y->best;
    if ((x->state == TRIAL_COMPLETE) != (y->state == TRIAL_COMPLETE))
        return x->state == TRIAL_COMPLETE ? -1 : 1;
    if (p != q)
        return p > q ? -1 : 1;
    return (x > y) - (x < y);
}

static void percent(char buf[16], double x)
{
    if (isnan(x))
        snprintf(buf, 16, "-");
    else
        snprintf(buf, 16, "%.2f%%", 100 * x);
}

static void print_trial(FILE *to, const struct study *s, const struct trial *t)
{
    char best[16], final[16], test[16], text[512], state[64];
    percent(best, t->best);
    percent(final, t->final);
    percent(test, t->test);
    fprintf(to, "%5d  %-8s  %8s  %8s  %8s  %6d  %8.1f  %s\n", study_number(s, t),
            choice_name(state, STUDY_STATES, (int)t->state), best, final, test,
            t->curve.epochs, t->seconds, trial_text(text, sizeof(text), s, t));
}

static void print_mean(FILE *to, const struct study *s, const char *what,
                       double (*value)(const struct trial *))
{
    double mean, deviation;
    const int n = mean_of(s, value, &mean, &deviation);
    if (n)
        fprintf(to, "%s accuracy over %d folds: mean %.2f%%, deviation %.2f%%\n", what,
                n, 100 * mean, 100 * deviation);
}

static void print_failed(FILE *to, const struct study *s)
{
    int shown = 0;
    for (int i = 0; i < s->count; i++) {
        const struct trial *t = &s->trials[i];
        if (t->state != TRIAL_FAILED ||
            (s->o.kind == STUDY_SPACE && shown == FAILED_SHOWN))
            continue;
        fprintf(to, "trial %d failed: %s\n", i + 1, t->message);
        shown++;
    }
}

void study_print(FILE *to, const struct study *s)
{
    const struct trial **all = calloc((size_t)s->count + 1, sizeof(const void *));
    const int shown =
        s->o.kind == STUDY_SPACE && s->count > BEST_SHOWN ? BEST_SHOWN : s->count;
    if (!all)
        return;
    for (int i = 0; i < s->count; i++)
        all[i] = &s->trials[i];
    if (s->o.kind == STUDY_SPACE)
        qsort(all, (size_t)s->count, sizeof(const void *), compare_trials);
    fputs("trial  state         best     final      test  epochs   seconds\n", to);
    for (int i = 0; i < shown; i++)
        print_trial(to, s, all[i]);
    free(all);
    fprintf(to, "%d trial%s: %d complete, %d pruned, %d failed\n", s->count,
            s->count == 1 ? "" : "s", count_state(s, TRIAL_COMPLETE),
            count_state(s, TRIAL_PRUNED), count_state(s, TRIAL_FAILED));
    print_failed(to, s);
    if (s->o.kind == STUDY_FOLDS) {
        print_mean(to, s, "final", final_of);
        print_mean(to, s, "best", best_accuracy_of);
        print_mean(to, s, "test", test_of);
    }
}
