/* tpe.h -- the next point of a search: at random, on a grid, or by a tree-structured
 * Parzen estimator.
 *
 * Bergstra, Bardenet, Bengio, Kegl: "Algorithms for hyper-parameter optimization" (NIPS
 * 2011), each dimension by itself, with the kernels and constants of Optuna 4.1's
 * TPESampler: the best tenth of the trials (25 at most) makes a density l, the others a
 * density g; of 24 points drawn from l, the one with the largest l / g is taken.
 *
 * Numbers: a mixture of normal distributions cut off at the bounds, one around each
 * observation and a broad one in the middle; a kernel is as wide as the larger distance
 * to its neighbours. The newest 25 observations weigh 1, older ones down to 1 / n.
 * Choices: each observation is a histogram with nearly all of its weight on what was
 * observed. TPE_LOG and TPE_LOG_INT live on logarithms, TPE_INT on whole numbers, whose
 * weight is that of the interval of length 1 around them.
 *
 * Everything is a function of its arguments: draws are Philox(seed; trial, dimension).
 * The best value is the largest. */
#ifndef SLUICE_TPE_H
#define SLUICE_TPE_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/error.h>

enum tpe_kind {
    TPE_REAL,    /* low ... high */
    TPE_LOG,     /* the same, even in its logarithm; low > 0 */
    TPE_INT,     /* whole numbers from low to high, both included */
    TPE_LOG_INT, /* low >= 1 */
    TPE_CHOICE,  /* 0 ... high, without an order; low = 0 */
};

struct tpe_domain {
    enum tpe_kind kind;
    double low, high; /* finite, low <= high */
};

/* What is known of a trial that has ended. */
struct tpe_trial {
    const double *values; /* one of each dimension; NaN: it had none */
    double score;         /* larger is better; of a pruned one its last report */
    bool pruned;
    int step; /* of a pruned one: how far it came; further is better */
};

enum {
    TPE_STARTUP = 10,    /* trials at random before the first by estimation */
    TPE_CANDIDATES = 24, /* points drawn from l */
};

/* Values of trial `number` (0, 1, ...), one of each dimension. */
void random_suggest(double *out, const struct tpe_domain *domains, int dimensions,
                    uint64_t seed, uint64_t number);
/* The same, knowing `count` trials, in the order in which they began. SLUICE_ENOMEM. */
int tpe_suggest(double *out, const struct tpe_domain *domains, int dimensions,
                const struct tpe_trial *trials, int count, uint64_t seed,
                uint64_t number, struct sluice_error *err);

/* ---- its parts ---- */

/* How many of n trials are good ones. */
int tpe_good(int n);
/* The weight of observation i of n (0: the oldest), before they are normalised. */
double tpe_weight(int i, int n);
/* The places of the `good` best trials, then those of the others; each in ascending
 * order. NaN scores come last. SLUICE_ENOMEM. */
int tpe_split(int *places, const struct tpe_trial *trials, int count, int good,
              struct sluice_error *err);

/* A density over one domain. */
struct tpe_density {
    struct tpe_domain domain;
    int kernels; /* observations, and the prior one behind them */
    double *mu;  /* (kernels) in the domain's own scale: logarithms for TPE_LOG */
    double *sigma, *weight;
};

/* From n observations, oldest first. SLUICE_ENOMEM, and nothing to free. */
int tpe_density_make(struct tpe_density *out, const struct tpe_domain *domain,
                     const double *observed, int n, struct sluice_error *err);
void tpe_density_free(struct tpe_density *d);
/* Of TPE_REAL with respect to x, of TPE_LOG and TPE_LOG_INT with respect to log x, else
 * the probability of x. */
double tpe_log_density(const struct tpe_density *d, double x);
/* The point that two uniform numbers in [0, 1) stand for: one chooses a kernel. */
double tpe_draw(const struct tpe_density *d, double which, double where);

#endif
