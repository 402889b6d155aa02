/* search_setup.c -- what varies and what does not; see search_setup.h. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"
#include "recipe.h"
#include "search_setup.h"
#include "trial_run.h"
#include "yaml_read.h"

static const char *value_of(const char *arg, const char *key)
{
    const size_t n = strlen(key);
    return strncmp(arg, key, n) == 0 && arg[n] == '=' ? arg + n + 1 : NULL;
}

static int load_space(struct study *s, const char *name, struct sluice_error *err)
{
    char path[PATH_MAX];
    struct settings varied = { 0 };
    int rc = recipe_find_choice(path, "command line", "search_space", name, err);
    if (rc == 0)
        rc = yaml_read_file(&varied, path, err);
    if (rc == 0)
        rc = space_add(&s->space, &varied, err);
    settings_free(&varied);
    return rc;
}

/* What study.yaml could not hold. */
static int refuse_lines(const char *what, const char *text, struct sluice_error *err)
{
    const int shown = (int)strcspn(text, "\r\n");
    return config_plain_text(text)
               ? 0
               : sluice_fail(err, SLUICE_EINVAL,
                             "%s'%.*s': expected a line of UTF-8 without control "
                             "characters",
                             what, shown < 80 ? shown : 80, text);
}

/* "key={log: [1, 2]}"; 1: it is no such argument. A group, "optimizer={name: adam}",
 * takes keys in braces; a key of one takes nothing else than how it varies. */
static int take_dimension(struct study *s, const char *arg, struct sluice_error *err)
{
    const char *equals = strchr(arg, '=');
    struct settings one = { 0 };
    char key[160];
    int rc = refuse_lines("", arg, err);
    if (rc < 0)
        return rc;
    if (!equals || equals[1] != '{' || (size_t)(equals - arg) >= sizeof(key))
        return 1;
    snprintf(key, sizeof(key), "%.*s", (int)(equals - arg), arg);
    const bool single = strchr(key, '.') || config_find(config_options, key);
    rc = yaml_read_value(&one, "command line", key, equals + 1, err);
    bool varies = rc == 0 && one.count > 0;
    for (int i = 0; i < one.count; i++)
        varies = varies && space_key_length(one.at[i].key);
    if (varies)
        rc = space_add(&s->space, &one, err);
    else if (rc == 0 && single)
        rc = sluice_fail(err, SLUICE_EINVAL,
                         "command line: %s: expected one of {log: [LOW, HIGH]}, "
                         "uniform, int, log_int and {choice: [A, B]}, found '%.60s'",
                         key, equals + 1);
    settings_free(&one);
    return varies || single ? rc : 1;
}

/* A plain key: fixed, and no dimension. */
static int take_key(struct study *s, const char *arg, struct sluice_error *err)
{
    char key[160];
    const char *plain = arg + strspn(arg, "+");
    const int rc = refuse_lines("", arg, err);
    snprintf(key, sizeof(key), "%.*s", (int)strcspn(plain, "="), plain);
    space_remove(&s->space, config_real_name(key));
    return rc < 0 ? rc : study_add_arg(s, arg, err);
}

/* Everything that the study is told again by its files. */
static int check_names(const struct study *s, struct sluice_error *err)
{
    int rc = refuse_lines("working folder: ", s->place, err);
    for (int i = 0; i < s->experiments.count && rc == 0; i++) {
        const char *key = s->experiments.at[i].key;
        rc = strcspn(key, ".") < TRIAL_NAME
                 ? refuse_lines("experiments: ", key, err)
                 : sluice_fail(err, SLUICE_EINVAL,
                               "experiments: expected names of at most %d bytes, found "
                               "'%.80s...'",
                               TRIAL_NAME - 1, key);
    }
    return rc;
}

static int check_kind(struct study *s, bool list, struct sluice_error *err)
{
    const bool varies = s->space.count > 0;
    if (list + varies + (s->o.folds > 0) > 1)
        return sluice_fail(err, SLUICE_EINVAL,
                           "expected one of a space, experiments=FILE and --folds");
    if (!list && !varies && !s->o.folds)
        return sluice_fail(err, SLUICE_EINVAL,
                           "nothing varies: say search_space=NAME, KEY={log: [LOW, "
                           "HIGH]}, experiments=FILE or --folds=K");
    if (list && !s->experiments.count)
        return sluice_fail(err, SLUICE_EINVAL,
                           "experiments: expected lines NAME: {KEY: VALUE, ...}, found "
                           "none");
    s->o.kind = list ? STUDY_LIST : varies ? STUDY_SPACE : STUDY_FOLDS;
    return check_names(s, err);
}

int search_setup(struct study *s, const char *const *list, int count,
                 struct sluice_error *err)
{
    const char *value;
    bool listed = false;
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++)
        if ((value = value_of(list[i], "search_space")))
            rc = load_space(s, value, err);
    for (int i = 0; i < count && rc == 0; i++) {
        if (value_of(list[i], "search_space"))
            continue;
        if ((value = value_of(list[i], "experiments"))) {
            listed = true;
            rc = yaml_read_names(&s->experiments, value, err);
        } else if ((rc = take_dimension(s, list[i], err)) > 0) {
            rc = take_key(s, list[i], err);
        }
    }
    return rc < 0 ? rc : check_kind(s, listed, err);
}

int search_check(struct study *s, struct config *cfg, struct sluice_error *err)
{
    static const struct trainer_watch nobody = { 0 };
    int rc = trial_config(cfg, s, NULL, err);
    if (rc == 0)
        rc = trial_check_watched(cfg, s, err);
    if (rc < 0)
        return rc;
    snprintf(s->name, sizeof(s->name), "%.63s", cfg->run.name);
    config_crc(s->config_crc, cfg);
    if (s->o.kind == STUDY_FOLDS && *cfg->data.fold)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "data.fold: expected none beside --folds, which takes each in "
            "turn, found '%.30s'",
            cfg->data.fold);
    if (s->o.kind == STUDY_FOLDS)
        snprintf(cfg->data.fold, sizeof(cfg->data.fold), "1/%d", s->o.folds);
    /* Experiments may name their own data. */
    return s->o.kind == STUDY_LIST ? 0 : trainer_plan(cfg, &nobody, err);
}

int search_check_same(struct study *s, struct sluice_error *err)
{
    struct config *cfg = calloc(1, sizeof(*cfg));
    char crc[16] = "";
    int rc = cfg ? trial_config(cfg, s, NULL, err)
                 : sluice_fail(err, SLUICE_ENOMEM, "out of memory");
    if (rc == 0)
        config_crc(crc, cfg);
    free(cfg);
    if (rc == 0 && strcmp(crc, s->config_crc) != 0)
        rc = sluice_fail(err, SLUICE_EINVAL,
                         "%.300s: the recipe has changed since (%s, not %s)", s->folder,
                         crc, s->config_crc);
    return rc;
}
