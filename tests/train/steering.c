/* steering.c -- plateau against rates recorded from PyTorch's ReduceLROnPlateau, to the
 * last bit; when early stopping ends a run. */
#include <math.h>

#include "check.h"
#include "steering.h"

static const double losses[] = { 2.3,  1.9,    1.9,  1.89995, 1.8,  1.85, 1.9,
                                 1.81, 1.7999, 1.79, 1.95,    1.9,  1.9,  1.9,
                                 1.9,  1.9,    1.7,  1.71,    1.72, 1.73, 1.69999,
                                 1.8,  1.8,    1.8,  1.8,     1.8,  1.8,  1.8 };
static const double accuracies[] = { 0.1,  0.3,  0.3,  0.30001, 0.35, 0.35, 0.34,
                                     0.36, 0.33, 0.3,  0.3,     0.3,  0.3,  0.37,
                                     0.37, 0.37, 0.37, 0.37,    0.37, 0.37, 0.37,
                                     0.4,  0.1,  0.1,  0.1,     0.1,  0.1,  0.1 };
static const double halved[] = { 0.1,
                                 0.1,
                                 0.1,
                                 0.1,
                                 0.1,
                                 0.1,
                                 0.1,
                                 0.05,
                                 0.05,
                                 0.05,
                                 0.05,
                                 0.05,
                                 0.025,
                                 0.025,
                                 0.025,
                                 0.0125,
                                 0.0125,
                                 0.0125,
                                 0.0125,
                                 0.00625,
                                 0.00625,
                                 0.00625,
                                 0.003125,
                                 0.003125,
                                 0.003125,
                                 0.0015625000000000001,
                                 0.0015625000000000001,
                                 0.0015625000000000001 };
static const double cooled[] = { 0.1,
                                 0.1,
                                 0.1,
                                 0.010000000000000002,
                                 0.010000000000000002,
                                 0.010000000000000002,
                                 0.010000000000000002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002,
                                 0.002 };
static const double by_accuracy[] = { 0.1,    0.1,     0.1,     0.1,    0.1,    0.1,
                                      0.1,    0.1,     0.05,    0.05,   0.05,   0.05,
                                      0.025,  0.025,   0.025,   0.025,  0.025,  0.0125,
                                      0.0125, 0.0125,  0.0125,  0.0125, 0.0125, 0.0125,
                                      0.0125, 0.00625, 0.00625, 0.00625 };

enum {
    COUNT = sizeof losses / sizeof *losses,
};

static void follows(const char *what, const struct plateau_config *c,
                    const double *rates)
{
    struct plateau p;
    plateau_begin(&p, 0.1);
    for (int i = 0; i < COUNT; i++) {
        const struct measured m = { losses[i], accuracies[i] };
        const double before = p.lr;
        const bool moved = plateau_take(&p, c, &m);
        CHECK(p.lr == rates[i], "%s, %d: rate %.17g, expected %.17g", what, i, p.lr,
              rates[i]);
        CHECK(moved == (p.lr != before), "%s, %d: moved", what, i);
    }
}

static void plateau(void)
{
    follows("halved",
            &(struct plateau_config){ .factor = 0.5, .patience = 2, .threshold = 1e-4 },
            halved);
    follows("cooled",
            &(struct plateau_config){ .factor = 0.1,
                                      .patience = 1,
                                      .threshold = 1e-4,
                                      .cooldown = 2,
                                      .min_lr = 0.002 },
            cooled);
    follows(
        "accuracy",
        &(struct plateau_config){
            .metric = STEER_ACCURACY, .factor = 0.5, .patience = 3, .threshold = 0.05 },
        by_accuracy);
    /* A change below 1e-8 is none. */
    struct plateau p;
    plateau_begin(&p, 1e-8);
    const struct plateau_config c = { .factor = 0.5 };
    plateau_take(&p, &c, &(struct measured){ 1, 0 });
    CHECK(!plateau_take(&p, &c, &(struct measured){ 2, 0 }) && p.lr == 1e-8, "%g",
          p.lr);
}

/* After how many of the values the run ends, and why. */
static int ends(const struct stop_config *c, const double *values, int count,
                enum stop_reason *why)
{
    struct stop s = { 0 };
    for (int i = 0; i < count; i++) {
        const struct measured m = { values[i], values[i] };
        if ((*why = stop_take(&s, c, &m))) {
            CHECK(stop_take(&s, c, &m) == *why, "it goes on");
            return i + 1;
        }
    }
    return 0;
}

static void stops(void)
{
    static const double falls[] = { 3, 2, 2, 2.1, 2.1, 1.9, 2, 1.95, 1.91, 1.91 };
    static const double rises[] = { .3, .5, .505, .5, .52, .6, .55, .605, .61, .7 };
    static const double lost[] = { (double)NAN, (double)NAN, 1,
                                   (double)NAN, (double)NAN, (double)NAN };
    static const struct {
        const char *what;
        struct stop_config config;
        const double *values;
        int count, after;
        enum stop_reason why;
    } all[] = {
        /* An equal loss counts as better: the counter stands at 2 before 1.9. */
        { "loss", { .patience = 3 }, falls, 10, 9, STOP_PATIENCE },
        { "patience 2", { .patience = 2 }, falls, 10, 5, STOP_PATIENCE },
        { "patience 5", { .patience = 5 }, falls, 10, 0, STOP_NOT },
        { "loss by 0.5", { .patience = 4, .delta = 0.5 }, falls, 10, 6, STOP_PATIENCE },
        { "none", { 0 }, falls, 10, 0, STOP_NOT },
        { "accuracy", { STEER_ACCURACY, .patience = 2 }, rises, 10, 0, STOP_NOT },
        { "accuracy by 0.01",
          { STEER_ACCURACY, .patience = 2, .delta = 0.01 },
          rises,
          10,
          4,
          STOP_PATIENCE },
        { "accuracy from 0",
          { STEER_ACCURACY, .patience = 2, .delta = 0.55 },
          rises,
          10,
          2,
          STOP_PATIENCE },
        { "target", { .patience = 9, .target = 0.6 }, rises, 10, 6, STOP_TARGET },
        { "no number", { .patience = 3 }, lost, 6, 6, STOP_PATIENCE },
        { "no number first", { .patience = 2 }, lost, 6, 2, STOP_PATIENCE },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        enum stop_reason why = STOP_NOT;
        const int after = ends(&all[i].config, all[i].values, all[i].count, &why);
        CHECK(after == all[i].after && why == all[i].why, "%s: after %d, %d",
              all[i].what, after, (int)why);
    }
}

int main(void)
{
    plateau();
    stops();
    return check_done();
}
