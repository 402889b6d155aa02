/* steering.h -- what the measurements of an epoch change: the rate of schedule
 * `plateau`, and whether the run ends before its last epoch.
 *
 * Both are state machines without anything else in them, so that a checkpoint can hold
 * them and a run that is continued decides as one that never stopped. */
#ifndef SLUICE_STEERING_H
#define SLUICE_STEERING_H

#include <stdbool.h>

/* What is watched; loss should fall, accuracy (0..1) rise. */
enum steering_metric {
    STEER_LOSS = 0,
    STEER_ACCURACY = 1,
};

struct measured {
    double loss, accuracy;
};

/* PyTorch's ReduceLROnPlateau with threshold_mode=rel and eps=1e-8: a loss is better
 * below best (1 - threshold), an accuracy above best (1 + threshold); after more than
 * `patience` that are not, the rate is multiplied by `factor`, and the next `cooldown`
 * are not counted. */
struct plateau_config {
    enum steering_metric metric;
    double factor, threshold, min_lr;
    int patience, cooldown;
};

/* A loss of at most best - delta is an improvement, and an accuracy above best + delta;
 * the first loss is one, and best accuracy is 0 at first. `patience` measurements
 * without one end the run (0: none do), and an accuracy of at least `target` (0: none
 * is). */
struct stop_config {
    enum steering_metric metric;
    double delta, target;
    int patience;
};

enum stop_reason {
    STOP_NOT = 0,
    STOP_PATIENCE = 1,
    STOP_TARGET = 2,
};

struct plateau {
    double lr, best;
    bool any; /* `best` is one */
    int bad, cooling;
};

struct stop {
    double best;
    bool any;
    int bad;
    enum stop_reason over;
};

void plateau_begin(struct plateau *p, double lr);
/* true: p->lr is another one. */
bool plateau_take(struct plateau *p, const struct plateau_config *c,
                  const struct measured *m);
/* p->over from then on, which it returns. */
enum stop_reason stop_take(struct stop *s, const struct stop_config *c,
                           const struct measured *m);

#endif
