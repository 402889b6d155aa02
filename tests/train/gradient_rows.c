/* gradient_rows.c -- quartiles and norms of gradients, and the file that a run writes
 * of them. */
#include "check.h"
#include "gradient_stats.h"
#include "run_config.h"
#include "support/files.h"
#include "tiny_set.h"
#include "trainer.h"

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Against sorting, with many equal numbers and few. */
static void any_numbers(void)
{
    float g[97], sorted[97], room[97];
    for (uint64_t i = 0; i < 3000; i++) {
        struct sluice_rng rng = sluice_rng_at(5, i, 0);
        const size_t n = 1 + sluice_rng_below(&rng, 97);
        const uint32_t values = i % 2 ? 5 : 100000;
        double squares = 0;
        for (size_t k = 0; k < n; k++) {
            g[k] = (float)sluice_rng_below(&rng, values) - (float)values / 2;
            sorted[k] = fabsf(g[k]);
            squares += (double)g[k] * (double)g[k];
        }
        qsort(sorted, n, sizeof *sorted, by_value);
        const struct gradient_stats s = gradient_stats(g, n, room);
        for (int q = 0; q < 3; q++) {
            const double at = 0.25 * (q + 1) * (double)(n - 1);
            const size_t below = (size_t)at, above = below + (at > (double)below);
            const double want =
                (double)sorted[below] +
                (at - (double)below) * (double)(sorted[above] - sorted[below]);
            CHECK(near(s.quartile[q], want, 1e-9, 1e-6),
                  "%zu numbers: quartile %d is "
                  "%g, expected %g",
                  n, q + 1, s.quartile[q], want);
        }
        CHECK(near(s.norm, sqrt(squares), 0, 1e-12), "norm %g", s.norm);
    }
}

/* NumPy's percentile of the absolute values. */
static void known_numbers(void)
{
    const float g[] = { -4, 1, 0.5F, -2, 8, -0.25F };
    float room[6];
    const struct gradient_stats s = gradient_stats(g, 6, room);
    CHECK(near(s.quartile[0], 0.625, 1e-12, 0) && near(s.quartile[1], 1.5, 1e-12, 0) &&
              near(s.quartile[2], 3.5, 1e-12, 0) &&
              near(s.norm, 9.236476600955584, 1e-9, 0),
          "%g %g %g %g", s.quartile[0], s.quartile[1], s.quartile[2], s.norm);
    const float none[] = { 1, (float)NAN };
    CHECK(isnan(gradient_stats(none, 2, room).quartile[1]), "of what is no number");
}

static int stop_after; /* steps; 0: never */
static uint64_t step_now;

static void on_step(void *ctx, const struct trainer_progress *p)
{
    (void)ctx;
    step_now = p->step;
}

static int is_stopped(void *ctx)
{
    (void)ctx;
    return stop_after && step_now >= (uint64_t)stop_after;
}

static const struct trainer_watch watch = { .step = on_step, .stopped = is_stopped };

/* gradients.csv of a run of 8 steps that was stopped after some and continued. */
static char *rows_of(const char *folder, int stop, const char *names)
{
    static struct config cfg;
    char set[160], dir[160], list[64], path[400];
    struct trainer_result result;
    struct sluice_error err = { 0 };
    size_t size;
    snprintf(set, sizeof set, "data.train=%s/train.sluice", folder);
    snprintf(dir, sizeof dir, "run.dir=%s/%d-%s", folder, stop, names);
    snprintf(list, sizeof list, "run.gradients=%s", names);
    const char *const args[] = { set,
                                 dir,
                                 "device=ref",
                                 "model.name=mlp",
                                 "model.hidden=8,6",
                                 "training.batch_size=20",
                                 "training.epochs=2",
                                 "run.gradients_every=3",
                                 list };
    stop_after = stop;
    step_now = 0;
    REQUIRE(config_from_recipe(&cfg, args, 9, &err) == 0, "%s", err.message);
    int rc = trainer_run(&cfg, &watch, &result, &err);
    snprintf(path, sizeof path, "%s/%d-%s/latest", folder, stop, names);
    if (rc == SLUICE_ESTOPPED) {
        stop_after = 0;
        REQUIRE(config_from_run(&cfg, path, NULL, 0, true, &err) == 0, "%s",
                err.message);
        rc = trainer_resume(&cfg, path, &watch, &result, &err);
    }
    REQUIRE(rc == 0, "%s", err.message);
    strcat(path, "/gradients.csv");
    char *text = (char *)file_read(path, &size);
    text[size] = 0;
    return text;
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

static void of_runs(const char *folder)
{
    char *all = rows_of(folder, 0, ""), *again = rows_of(folder, 5, "");
    char *some = rows_of(folder, 0, "fc3,fc1.weight");
    CHECK(strncmp(all,
                  "step,epoch,parameter,quartile1,median,quartile3,norm\n3,1,"
                  "fc1.weight,",
                  60) == 0 &&
              count(all, "\n") == 1 + 2 * 7 && count(all, "\n6,2,") == 7 &&
              count(all, ",all,,,,") == 2,
          "%s", all);
    CHECK(strcmp(all, again) == 0, "stopped and continued:\n%s", again);
    CHECK(count(some, "\n") == 1 + 2 * 4 && count(some, ",fc3.bias,") == 2 &&
              count(some, ",fc1.weight,") == 2 && count(some, ",fc1.bias,") == 0,
          "%s", some);
    /* Norms of parts and whole. */
    double squares = 0, whole = 0;
    for (const char *line = strchr(all, '\n') + 1; strncmp(line, "3,", 2) == 0;
         line = strchr(line, '\n') + 1) {
        const char *comma = line, *name = strchr(strchr(line, ',') + 1, ',') + 1;
        for (int i = 0; i < 6; i++)
            comma = strchr(comma, ',') + 1;
        const double norm = strtod(comma, NULL);
        if (strncmp(name, "all,", 4) == 0)
            whole = norm;
        else
            squares += norm * norm;
    }
    CHECK(whole > 0 && near(whole, sqrt(squares), 0, 1e-6),
          "norm %g of all, %g of parts", whole, sqrt(squares));
    free(all);
    free(again);
    free(some);
}

static void refuses(const char *folder)
{
    static struct config cfg;
    char set[160], dir[160];
    struct trainer_result result;
    struct sluice_error err = { 0 };
    snprintf(set, sizeof set, "data.train=%s/train.sluice", folder);
    snprintf(dir, sizeof dir, "run.dir=%s/none", folder);
    const char *const args[] = { set,
                                 dir,
                                 "device=ref",
                                 "model.name=mlp",
                                 "run.gradients_every=1",
                                 "training.batch_size=20",
                                 "run.gradients=fc1,fc9" };
    REQUIRE(config_from_recipe(&cfg, args, 7, &err) == 0, "%s", err.message);
    CHECK(trainer_run(&cfg, &watch, &result, &err) == SLUICE_EINVAL &&
              strstr(err.message,
                     "run.gradients: expected layers or parameters of model "
                     "mlp") &&
              strstr(err.message, "found 'fc9'"),
          "%s", err.message);
}

int main(void)
{
    const struct tiny_set set = { 80, 9, 1, 4, 0, true, 1 };
    char path[160];
    const char *folder = folder_make();
    snprintf(path, sizeof path, "%s/train.sluice", folder);
    tiny_set_write(path, &set);
    any_numbers();
    known_numbers();
    of_runs(folder);
    refuses(folder);
    folder_remove(folder);
    return check_done();
}
