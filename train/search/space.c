/* space.c -- dimensions of a search from settings; see space.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "models/model.h"
#include "recipe.h"
#include "space.h"
#include "text_write.h"

enum { GRID_MOST = 1000000 };

static const char *const kinds[] = { [TPE_REAL] = "uniform",
                                     [TPE_LOG] = "log",
                                     [TPE_INT] = "int",
                                     [TPE_LOG_INT] = "log_int",
                                     [TPE_CHOICE] = "choice" };

static bool is_whole(const struct param *p)
{
    return p->domain.kind == TPE_INT || p->domain.kind == TPE_LOG_INT;
}

static bool is_log(const struct param *p)
{
    return p->domain.kind == TPE_LOG || p->domain.kind == TPE_LOG_INT;
}

/* The kind that ends the key, or -1. */
static int kind_of(const char *key)
{
    const char *dot = strrchr(key, '.');
    for (int i = 0; dot && i <= TPE_CHOICE; i++)
        if (strcmp(dot + 1, kinds[i]) == 0)
            return i;
    return -1;
}

size_t space_key_length(const char *key)
{
    return kind_of(key) < 0 ? 0 : (size_t)(strrchr(key, '.') - key);
}

static void param_free(struct param *p)
{
    free(p->key);
    free(p->where);
    free(p->all);
    free(p->texts);
    *p = (struct param){ .key = NULL };
}

void space_free(struct space *s)
{
    for (int i = 0; i < s->count; i++)
        param_free(&s->at[i]);
    free(s->at);
    settings_free(&s->fixed);
    *s = (struct space){ .count = 0 };
}

static struct param *find(struct space *s, const char *key)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->at[i].key, key) == 0)
            return &s->at[i];
    return NULL;
}

void space_remove(struct space *s, const char *key)
{
    struct param *p = find(s, key);
    settings_remove(&s->fixed, key);
    if (!p)
        return;
    param_free(p);
    s->count--;
    memmove(p, p + 1, (size_t)(s->at + s->count - p) * sizeof(*p));
}

/* ---- one dimension ---- */

static int no_memory(const char *where, struct sluice_error *err)
{
    sluice_fail(err, SLUICE_ENOMEM, "%.200s: out of memory", where);
    return SLUICE_ENOMEM;
}

static char *trim(char *text)
{
    size_t n;
    text += strspn(text, " ");
    n = strlen(text);
    while (n && text[n - 1] == ' ')
        text[--n] = 0;
    return text;
}

/* "a,b" as a list, "a|b" as one text. */
static int set_choices(struct param *p, const struct setting *e,
                       struct sluice_error *err)
{
    const char *separator = e->list ? "," : "|";
    char *rest, *item;
    int n = 1;
    for (const char *c = e->value; *c; c++)
        n += *c == *separator;
    p->all = strdup(e->value);
    p->texts = calloc((size_t)n, sizeof(*p->texts));
    if (!p->all || !p->texts)
        return no_memory(p->where, err);
    rest = p->all;
    for (n = 0; (item = strsep(&rest, separator)); n++) {
        p->texts[n] = trim(item);
        if (strchr(item, '|'))
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.200s: %.80s: expected choices without '|', found "
                               "'%.80s'",
                               p->where, p->key, item);
        if (!*p->texts[n] || strlen(p->texts[n]) + strlen(p->key) + 2 > PARAM_TEXT)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.200s: %.80s: a choice that is empty or longer than "
                               "%d bytes",
                               p->where, p->key, PARAM_TEXT);
        for (int k = 0; k < n; k++)
            if (strcmp(p->texts[k], p->texts[n]) == 0)
                return sluice_fail(err, SLUICE_EINVAL, "%.200s: %.80s: '%.80s' twice",
                                   p->where, p->key, p->texts[n]);
    }
    p->domain.low = 0;
    p->domain.high = n - 1;
    return 0;
}

/* "low,high" or "low,high,points". */
static bool parse_numbers(double out[3], int *count, const struct setting *e)
{
    const char *at = e->value;
    char *end;
    *count = 0;
    for (;;) {
        if (*count == 3)
            return false;
        out[*count] = strtod(at, &end);
        if (end == at || !isfinite(out[*count]))
            return false;
        ++*count;
        if (!*end)
            return *count >= 2;
        if (*end != ',')
            return false;
        at = end + 1;
    }
}

static int set_numbers(struct param *p, const struct setting *e,
                       struct sluice_error *err)
{
    double x[3] = { 0 };
    int n;
    if (!parse_numbers(x, &n, e) || !(x[0] <= x[1]) || (is_log(p) && !(x[0] > 0)) ||
        (is_whole(p) && (x[0] != rint(x[0]) || x[1] != rint(x[1]) ||
                         !(fabs(x[0]) <= 1e9 && fabs(x[1]) <= 1e9))) ||
        (n == 3 && (x[2] != rint(x[2]) || !(x[2] >= 1 && x[2] <= GRID_MOST))))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.200s: %.80s: expected %s: [LOW, HIGH] or [LOW, HIGH, "
                           "POINTS]%s%s, found '%.60s'",
                           p->where, p->key, kinds[p->domain.kind],
                           is_whole(p) ? ", whole numbers" : "",
                           is_log(p) ? ", above 0" : "", e->value);
    p->domain.low = x[0];
    p->domain.high = x[1];
    p->points = n == 3 ? (int)x[2] : 0;
    return 0;
}

/* The first model that has this option; NULL: none has, or it is no option. */
static const char *model_with(const char *key)
{
    if (strncmp(key, "model.", 6) != 0)
        return NULL;
    for (int i = 0; model_registry[i]; i++) {
        const struct model_option *o = model_registry[i]->options;
        for (; o && o->name; o++)
            if (strcmp(o->name, key + 6) == 0)
                return model_registry[i]->name;
    }
    return NULL;
}

/* One value of the key, as any recipe would have it. */
static int check_value(const struct param *p, double value, struct sluice_error *err)
{
    static const char *const said = "command line: ";
    struct settings s = { 0 };
    struct sluice_error own;
    struct config *cfg = calloc(1, sizeof(*cfg));
    char arg[2 * PARAM_TEXT], text[PARAM_TEXT];
    const char *model = model_with(p->key);
    int rc = cfg ? 0 : no_memory(p->where, err);
    snprintf(arg, sizeof(arg), "%s=%s", p->key, param_text(text, p, value));
    if (rc == 0 && model)
        rc = settings_set(&s, "model.name", model, false, p->where, err);
    if (rc == 0 && ((rc = recipe_override(&s, arg, &own)) < 0 ||
                    (rc = config_resolve(cfg, &s, &own)) < 0)) {
        const size_t skip = strncmp(own.message, said, strlen(said)) ? 0 : strlen(said);
        sluice_fail(err, rc, "%.160s: %.300s", p->where, own.message + skip);
    }
    settings_free(&s);
    free(cfg);
    return rc;
}

static int check_values(const struct param *p, struct sluice_error *err)
{
    int rc = 0;
    if (p->domain.kind == TPE_CHOICE) {
        for (int i = 0; i <= (int)p->domain.high && rc == 0; i++)
            rc = check_value(p, i, err);
        return rc;
    }
    rc = check_value(p, p->domain.low, err);
    return rc < 0 ? rc : check_value(p, p->domain.high, err);
}

static int param_make(struct param *p, const struct setting *e,
                      struct sluice_error *err)
{
    char key[160];
    int rc;
    *p = (struct param){ .domain.kind = (enum tpe_kind)kind_of(e->key) };
    snprintf(key, sizeof(key), "%.*s", (int)space_key_length(e->key), e->key);
    p->key = strdup(config_real_name(key));
    p->where = strdup(e->where);
    if (!p->key || !p->where)
        return no_memory(e->where, err);
    rc = p->domain.kind == TPE_CHOICE ? set_choices(p, e, err) : set_numbers(p, e, err);
    return rc < 0 ? rc : check_values(p, err);
}

/* ---- all of them ---- */

static int put(struct space *s, struct param *p, struct sluice_error *err)
{
    struct param *old = find(s, p->key), *at;
    settings_remove(&s->fixed, p->key);
    if (old) {
        param_free(old);
        *old = *p;
        return 0;
    }
    if (!(at = realloc(s->at, (size_t)(s->count + 1) * sizeof(*at))))
        return no_memory(p->where, err);
    s->at = at;
    s->at[s->count++] = *p;
    return 0;
}

int space_add(struct space *s, const struct settings *from, struct sluice_error *err)
{
    int rc = 0;
    for (int i = 0; i < from->count && rc == 0; i++) {
        const struct setting *e = &from->at[i];
        struct param p = { .key = NULL };
        if (kind_of(e->key) < 0) {
            const char *key = config_real_name(e->key);
            space_remove(s, key);
            rc = settings_set(&s->fixed, key, e->value, e->list, e->where, err);
            continue;
        }
        if ((rc = param_make(&p, e, err)) == 0)
            rc = put(s, &p, err);
        if (rc != 0)
            param_free(&p);
    }
    return rc;
}

void space_write(FILE *to, const struct space *s)
{
    char low[PARAM_TEXT], high[PARAM_TEXT];
    for (int i = 0; i < s->fixed.count; i++) {
        const struct setting *e = &s->fixed.at[i];
        fprintf(to, "%s: ", e->key);
        write_quoted(to, e->value);
        fputc('\n', to);
    }
    for (int i = 0; i < s->count; i++) {
        const struct param *p = &s->at[i];
        fprintf(to, "%s: {%s: ", p->key, kinds[p->domain.kind]);
        if (p->domain.kind != TPE_CHOICE) {
            fprintf(to, "[%s, %s", param_text(low, p, p->domain.low),
                    param_text(high, p, p->domain.high));
            fprintf(to, p->points ? ", %d]}\n" : "]}\n", p->points);
            continue;
        }
        fputc('"', to);
        for (int k = 0; k <= (int)p->domain.high; k++) {
            fputs(k ? "|" : "", to);
            write_escaped(to, p->texts[k]);
        }
        fputs("\"}\n", to);
    }
}

/* ---- values ---- */

const char *param_text(char buf[PARAM_TEXT], const struct param *p, double value)
{
    if (p->domain.kind == TPE_CHOICE) {
        snprintf(buf, PARAM_TEXT, "%s", p->texts[(int)value]);
        return buf;
    }
    if (is_whole(p)) { /* keys of 64 bits take no exponent */
        snprintf(buf, PARAM_TEXT, "%.0f", value);
        return buf;
    }
    return number_text(buf, value);
}

double param_value(const struct param *p, const char *text)
{
    char *end;
    for (int i = 0; p->domain.kind == TPE_CHOICE && i <= (int)p->domain.high; i++)
        if (strcmp(p->texts[i], text) == 0)
            return i;
    const double x = strtod(text, &end);
    const bool good = p->domain.kind != TPE_CHOICE && end != text && !*end &&
                      x >= p->domain.low && x <= p->domain.high;
    return good ? x : (double)NAN;
}

/* ---- grids ---- */

/* Points of one dimension; 0: nobody said. */
static int grid_points(const struct param *p)
{
    const double whole = p->domain.high - p->domain.low + 1;
    if (p->domain.kind == TPE_CHOICE)
        return (int)p->domain.high + 1;
    if (p->domain.low == p->domain.high)
        return 1;
    if (!is_whole(p))
        return p->points;
    return p->points && p->points < whole ? p->points
           : whole <= GRID_MOST           ? (int)whole
                                          : 0;
}

int space_grid_size(int *trials, const struct space *s, struct sluice_error *err)
{
    *trials = 1;
    for (int i = 0; i < s->count; i++) {
        const struct param *p = &s->at[i];
        const int points = grid_points(p);
        if (!points)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.200s: %.80s: a grid needs a third number, of its "
                               "points, as in %s: [LOW, HIGH, 5]",
                               p->where, p->key, kinds[p->domain.kind]);
        if (points > GRID_MOST / *trials)
            return sluice_fail(err, SLUICE_EINVAL, "a grid of more than %d trials",
                               GRID_MOST);
        *trials *= points;
    }
    return 0;
}

static double grid_value(const struct param *p, int i, int points)
{
    const double share = points > 1 ? (double)i / (points - 1) : 0.5;
    const double low = p->domain.low, high = p->domain.high;
    if (p->domain.kind == TPE_CHOICE)
        return i;
    if (points > 1 && (i == 0 || i == points - 1))
        return i ? high : low;
    double x = is_log(p) ? exp(log(low) + share * (log(high) - log(low)))
                         : low + share * (high - low);
    /* 0.1 rather than 0.0999999999999999. */
    char text[40];
    snprintf(text, sizeof(text), "%.12g", x);
    x = strtod(text, NULL);
    return fmin(fmax(is_whole(p) ? rint(x) : x, low), high);
}

void space_grid_point(double *out, const struct space *s, int trial)
{
    for (int i = s->count - 1; i >= 0; i--) {
        const int known = grid_points(&s->at[i]), points = known ? known : 1;
        out[i] = grid_value(&s->at[i], trial % points, points);
        trial /= points;
    }
}
