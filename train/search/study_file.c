/* study_file.c -- a study's folder: study.yaml, space.yaml, search_results.csv. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "study.h"
#include "text_write.h"
#include "yaml_read.h"

enum { FIXED_COLUMNS = 7, TABLE_BYTES = 1 << 30 };

static const char *const columns[FIXED_COLUMNS] = { "trial",          "name",
                                                    "state",          "best_accuracy",
                                                    "final_accuracy", "test_accuracy",
                                                    "seconds" };

static const char *in_folder(char buf[RUN_PATH], const struct study *s,
                             const char *file)
{
    snprintf(buf, RUN_PATH, "%s/%s", s->folder, file);
    return buf;
}

/* ---- the table ---- */

/* Quoted where it must be; what breaks lines becomes a space. */
static void put_text(FILE *to, const char *text)
{
    const bool quoted = strpbrk(text, ",\"") || *text == ' ';
    if (quoted)
        fputc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc((unsigned char)*text < 0x20 ? ' ' : *text, to);
    }
    if (quoted)
        fputc('"', to);
}

/* Nothing for NaN. */
static void put_number(FILE *to, double x)
{
    char text[NUMBER_TEXT];
    if (!isnan(x))
        fputs(number_text(text, x), to);
}

static void put_trial(FILE *to, const struct study *s, const struct trial *t)
{
    char text[PARAM_TEXT], state[64];
    choice_name(state, STUDY_STATES, (int)t->state);
    fprintf(to, "%d,", study_number(s, t));
    put_text(to, t->name);
    fprintf(to, ",%s,", state);
    put_number(to, t->best);
    fputc(',', to);
    put_number(to, t->final);
    fputc(',', to);
    put_number(to, t->test);
    fprintf(to, ",%.3f,", t->seconds);
    for (int i = 0; i < s->space.count; i++) {
        put_text(to, param_text(text, &s->space.at[i], t->values[i]));
        fputc(',', to);
    }
    for (int i = 0; i < t->curve.epochs; i++) {
        fputs(i ? " " : "", to);
        if (isnan(t->curve.at[i]))
            fputc('-', to);
        put_number(to, t->curve.at[i]);
    }
    fputc(',', to);
    put_text(to, t->message);
    fputc('\n', to);
}

static void put_heading(FILE *to, const struct study *s)
{
    for (int i = 0; i < FIXED_COLUMNS; i++)
        fprintf(to, "%s,", columns[i]);
    for (int i = 0; i < s->space.count; i++)
        fprintf(to, "%s,", s->space.at[i].key);
    fputs("accuracies,message\n", to);
}

int study_save(const struct study *s, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct new_file f;
    const int rc = file_begin(&f, in_folder(path, s, "search_results.csv"), err);
    if (rc < 0)
        return rc;
    put_heading(f.to, s);
    for (int i = 0; i < s->count; i++)
        put_trial(f.to, s, &s->trials[i]);
    return file_commit(&f, err);
}

/* The next field of a line, unquoted in place; "" behind the last. */
static char *take(char **at)
{
    char *out = *at, *to = *at, *from = *at;
    const bool quoted = *from == '"';
    for (from += quoted; *from; from++) {
        if (quoted && *from == '"' && *++from != '"')
            break;
        if (!quoted && *from == ',')
            break;
        *to++ = *from;
    }
    *at = *from ? from + 1 : from;
    *to = 0;
    return out;
}

/* Nothing is NaN; false: another text than a number from 0 to `most`. */
static bool get_measure(double *out, const char *text, double most)
{
    char *end;
    *out = *text ? strtod(text, &end) : (double)NAN;
    return !*text || (!*end && *out >= 0 && *out <= most);
}

/* Accuracies, the epochs' without one as "-". */
static bool parse_curve(struct curve *c, char *text, struct sluice_error *err, int *rc)
{
    const char *item;
    double accuracy;
    bool good = true;
    if (!*text)
        return true;
    for (int epoch = 1; good && *rc == 0 && (item = strsep(&text, " ")); epoch++) {
        good = *item && get_measure(&accuracy, strcmp(item, "-") == 0 ? "" : item, 1);
        if (good)
            *rc = curve_set(c, epoch, accuracy, err);
    }
    return good;
}

static int parse_trial(struct study *s, char *line, const char *path,
                       struct sluice_error *err)
{
    struct trial *t;
    char number[16];
    int rc = study_add_trial(s, &t, err);
    if (rc < 0)
        return rc;
    snprintf(number, sizeof(number), "%d", s->count);
    bool good = strcmp(take(&line), number) == 0;
    snprintf(t->name, sizeof(t->name), "%s", take(&line));
    const int state = choice_index(STUDY_STATES, take(&line));
    t->state = (enum trial_state)state;
    good &= state >= 0;
    good &= get_measure(&t->best, take(&line), 1);
    good &= get_measure(&t->final, take(&line), 1);
    good &= get_measure(&t->test, take(&line), 1);
    good &= get_measure(&t->seconds, take(&line), 1e12) && !isnan(t->seconds);
    for (int i = 0; i < s->space.count; i++) {
        t->values[i] = param_value(&s->space.at[i], take(&line));
        good &= !isnan(t->values[i]);
    }
    good &= parse_curve(&t->curve, take(&line), err, &rc);
    snprintf(t->message, sizeof(t->message), "%s", take(&line));
    good &= !*line;
    return rc < 0 || good ? rc
                          : sluice_fail(err, SLUICE_ECORRUPT,
                                        "%.300s: line %d: not a trial of this study",
                                        path, s->count + 1);
}

static int load_trials(struct study *s, struct sluice_error *err)
{
    char path[RUN_PATH], *text, *heading = NULL, *rest, *line;
    size_t size, n = 0;
    int rc = text_file_read(&text, &size, in_folder(path, s, "search_results.csv"),
                            TABLE_BYTES, err);
    if (rc < 0)
        return rc;
    FILE *to = open_memstream(&heading, &n);
    if (to) {
        put_heading(to, s);
        fclose(to);
    }
    if (!to || strncmp(text, heading, n) != 0)
        rc = sluice_fail(err, SLUICE_ECORRUPT,
                         "%.300s: its columns are not those of space.yaml", path);
    rest = text + (rc == 0 ? n : 0);
    while (rc == 0 && *rest && (line = strsep(&rest, "\n"))) {
        rc = parse_trial(s, line, path, err);
        if (!rest)
            break;
    }
    free(heading);
    free(text);
    return rc;
}

/* ---- what it was told ---- */

static void put_quoted(FILE *to, const char *key, const char *text)
{
    fprintf(to, "%s: ", key);
    write_quoted(to, text);
    fputc('\n', to);
}

static void put_options(FILE *to, const struct study *s)
{
    const struct study_options *o = &s->o;
    char kind[64], sampler[64], pruner[64], key[32];
    choice_name(kind, STUDY_KINDS, (int)o->kind);
    choice_name(sampler, STUDY_SAMPLERS, (int)o->sampler);
    choice_name(pruner, PRUNERS, (int)o->pruner.kind);
    fputs("# What this search was told; sluice search --resume=FOLDER goes on.\n", to);
    put_quoted(to, "name", s->name);
    put_quoted(to, "folder", s->place);
    fprintf(to, "kind: %s\nsampler: %s\nseed: %" PRIu64 "\n", kind, sampler, o->seed);
    fprintf(to, "trials: %d\nfolds: %d\non_test: %s\n", o->trials, o->folds,
            o->on_test ? "true" : "false");
    fprintf(to, "pruner: %s\npatience: %d\nmin_delta: ", pruner, o->pruner.patience);
    put_number(to, o->pruner.min_delta);
    fprintf(to, "\nstartup_trials: %d\nwarmup_epochs: %d\nconfig: \"%s\"\n",
            o->pruner.startup, o->pruner.warmup, s->config_crc);
    for (int i = 0; i < s->arg_count; i++) {
        snprintf(key, sizeof(key), "argument_%d", i + 1);
        put_quoted(to, key, s->args[i]);
    }
}

static void put_experiments(FILE *to, const struct study *s)
{
    for (int i = 0; i < s->experiments.count; i++) {
        write_quoted(to, s->experiments.at[i].key);
        put_quoted(to, "", s->experiments.at[i].value);
    }
}

static int write_definition(const struct study *s, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct new_file f;
    int rc = 0;
    if (s->o.kind != STUDY_FOLDS) {
        const bool list = s->o.kind == STUDY_LIST;
        rc = file_begin(
            &f, in_folder(path, s, list ? "experiments.yaml" : "space.yaml"), err);
        if (rc < 0)
            return rc;
        if (list)
            put_experiments(f.to, s);
        else
            space_write(f.to, &s->space);
        rc = file_commit(&f, err);
    }
    if (rc < 0 || (rc = file_begin(&f, in_folder(path, s, "study.yaml"), err)) < 0)
        return rc;
    put_options(f.to, s);
    return file_commit(&f, err);
}

int study_lock(struct study *s, struct sluice_error *err)
{
    DIR *folder = opendir(s->folder);
    if (!folder)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", s->folder, strerror(errno));
    const int rc = run_dir_lock(dirfd(folder), s->folder, "at this search", err);
    if (rc < 0)
        closedir(folder);
    else
        s->lock = folder;
    return rc;
}

int study_create(struct study *s, struct sluice_error *err)
{
    char path[RUN_PATH];
    int rc;
    if ((rc = make_folder_path(s->folder, err)) < 0 || (rc = study_lock(s, err)) < 0)
        return rc;
    if (access(in_folder(path, s, "study.yaml"), F_OK) == 0)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: there is a search in it; go on with it by "
                           "--resume=%.300s, or say another --out",
                           s->folder, s->folder);
    if ((rc = make_folder(in_folder(path, s, "trials"), err)) < 0 ||
        (rc = study_save(s, err)) < 0)
        return rc;
    return write_definition(s, err);
}

struct reader {
    const struct settings *from;
    const char *path;
    struct sluice_error *err;
    int rc;
};

/* "" and a failure if it is not there. */
static const char *get(struct reader *r, const char *key)
{
    const struct setting *e = settings_find(r->from, key);
    if (!e && r->rc == 0)
        r->rc = sluice_fail(r->err, SLUICE_ECORRUPT, "%.300s: no %s", r->path, key);
    return e ? e->value : "";
}

static double get_number(struct reader *r, const char *key, double least, double most)
{
    const char *text = get(r, key);
    char *end;
    const double x = strtod(text, &end);
    if (r->rc == 0 && (end == text || *end || !(x >= least && x <= most)))
        r->rc =
            sluice_fail(r->err, SLUICE_ECORRUPT,
                        "%.300s: %s: expected a number from %g to %g, found '%.40s'",
                        r->path, key, least, most, text);
    return r->rc == 0 ? x : least;
}

static uint64_t get_seed(struct reader *r)
{
    const char *text = get(r, "seed");
    char *end;
    errno = 0;
    const uint64_t seed = strtoull(text, &end, 10);
    if (r->rc == 0 && (*text < '0' || *text > '9' || *end || errno))
        r->rc = sluice_fail(r->err, SLUICE_ECORRUPT,
                            "%.300s: seed: expected a whole number, found '%.40s'",
                            r->path, text);
    return seed;
}

static int get_choice(struct reader *r, const char *key, const char *choices)
{
    const char *text = get(r, key);
    const int i = choice_index(choices, text);
    if (r->rc == 0 && i < 0)
        r->rc = sluice_fail(r->err, SLUICE_ECORRUPT,
                            "%.300s: %s: expected one of %s, found '%.40s'", r->path,
                            key, choices, text);
    return i < 0 ? 0 : i;
}

static void get_options(struct reader *r, struct study *s)
{
    struct study_options *o = &s->o;
    char key[32];
    snprintf(s->name, sizeof(s->name), "%s", get(r, "name"));
    snprintf(s->place, sizeof(s->place), "%s", get(r, "folder"));
    snprintf(s->config_crc, sizeof(s->config_crc), "%.15s", get(r, "config"));
    o->kind = (enum study_kind)get_choice(r, "kind", STUDY_KINDS);
    o->sampler = (enum study_sampler)get_choice(r, "sampler", STUDY_SAMPLERS);
    o->seed = get_seed(r);
    o->trials = (int)get_number(r, "trials", 0, 1e6);
    o->folds = (int)get_number(r, "folds", 0, 1e6);
    o->on_test = get_choice(r, "on_test", "false|true");
    o->pruner.kind = (enum pruner_kind)get_choice(r, "pruner", PRUNERS);
    o->pruner.patience = (int)get_number(r, "patience", 1, 1e6);
    o->pruner.min_delta = get_number(r, "min_delta", 0, 1);
    o->pruner.startup = (int)get_number(r, "startup_trials", 0, 1e6);
    o->pruner.warmup = (int)get_number(r, "warmup_epochs", 0, 1e6);
    for (int i = 1; r->rc == 0; i++) {
        snprintf(key, sizeof(key), "argument_%d", i);
        const struct setting *e = settings_find(r->from, key);
        if (!e)
            break;
        r->rc = *e->value ? study_add_arg(s, e->value, r->err)
                          : sluice_fail(r->err, SLUICE_ECORRUPT,
                                        "%.300s: %s: expected an argument, found none",
                                        r->path, key);
    }
}

static int load_varied(struct study *s, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct settings varied = { 0 };
    int rc;
    if (s->o.kind == STUDY_FOLDS)
        return 0;
    if (s->o.kind == STUDY_LIST)
        return yaml_read_file(&s->experiments, in_folder(path, s, "experiments.yaml"),
                              err);
    rc = yaml_read_file(&varied, in_folder(path, s, "space.yaml"), err);
    if (rc == 0)
        rc = space_add(&s->space, &varied, err);
    settings_free(&varied);
    return rc;
}

int study_load(struct study *s, const char *folder, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct settings told = { 0 };
    snprintf(s->folder, sizeof(s->folder), "%s", folder);
    int rc = yaml_read_file(&told, in_folder(path, s, "study.yaml"), err);
    if (rc == 0) {
        struct reader r = { &told, path, err, 0 };
        get_options(&r, s);
        rc = r.rc;
    }
    settings_free(&told);
    if (rc < 0 || (rc = load_varied(s, err)) < 0)
        return rc;
    return load_trials(s, err);
}
