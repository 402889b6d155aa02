/* tpe.c -- kernels, densities and the choice between points; see tpe.h. */
#include <math.h>
#include <stdlib.h>

#include <sluice/rng.h>

#include "tpe.h"

enum {
    GOOD_MOST = 25,
    NEWEST = 25, /* observations of full weight */
    HALVINGS = 80,
};

static bool is_log(const struct tpe_domain *d)
{
    return d->kind == TPE_LOG || d->kind == TPE_LOG_INT;
}

static bool is_whole(const struct tpe_domain *d)
{
    return d->kind == TPE_INT || d->kind == TPE_LOG_INT;
}

/* The interval that kernels live on: whole numbers own half a unit on either side. */
static double own_low(const struct tpe_domain *d)
{
    const double low = d->low - (is_whole(d) ? 0.5 : 0);
    return is_log(d) ? log(low) : low;
}

static double own_high(const struct tpe_domain *d)
{
    const double high = d->high + (is_whole(d) ? 0.5 : 0);
    return is_log(d) ? log(high) : high;
}

static double to_own(const struct tpe_domain *d, double x)
{
    return is_log(d) ? log(x) : x;
}

/* Back from the kernels' scale, never past a bound by rounding. */
static double from_own(const struct tpe_domain *d, double y)
{
    double x = is_log(d) ? exp(y) : y;
    if (is_whole(d))
        x = rint(x);
    return fmin(fmax(x, d->low), d->high);
}

static double normal_below(double z)
{
    return 0.5 * erfc(-z * M_SQRT1_2);
}

/* Probability that a standard normal number lies in (a, b). On the side where both
 * tails are small, so that little is lost by subtraction. */
static double normal_between(double a, double b)
{
    return a > 0 ? normal_below(-a) - normal_below(-b)
                 : normal_below(b) - normal_below(a);
}

int tpe_good(int n)
{
    const int tenth = (n + 9) / 10;
    return tenth < GOOD_MOST ? tenth : GOOD_MOST;
}

/* A straight line from 1 / n to 1 over the older ones. */
double tpe_weight(int i, int n)
{
    const int old = n - NEWEST;
    if (i >= old)
        return 1;
    if (old == 1)
        return 1.0 / n;
    return 1.0 / n + (1 - 1.0 / n) * i / (old - 1);
}

/* ---- which trials are good ones ---- */

struct ranked {
    int place;
    const struct tpe_trial *trial;
};

/* Better ones first: complete ones by score, then pruned ones by how far they came. */
static int compare_ranks(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    const struct tpe_trial *s = x->trial, *t = y->trial;
    const double p = isnan(s->score) ? -(double)INFINITY : s->score;
    const double q = isnan(t->score) ? -(double)INFINITY : t->score;
    if (s->pruned != t->pruned)
        return s->pruned ? 1 : -1;
    if (s->pruned && s->step != t->step)
        return s->step > t->step ? -1 : 1;
    if (p != q)
        return p > q ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static int compare_places(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

int tpe_split(int *places, const struct tpe_trial *trials, int count, int good,
              struct sluice_error *err)
{
    struct ranked *all = calloc((size_t)count + 1, sizeof(*all));
    if (!all)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d trials", count);
    for (int i = 0; i < count; i++)
        all[i] = (struct ranked){ i, &trials[i] };
    qsort(all, (size_t)count, sizeof(*all), compare_ranks);
    for (int i = 0; i < count; i++)
        places[i] = all[i].place;
    free(all);
    qsort(places, (size_t)good, sizeof(*places), compare_places);
    qsort(places + good, (size_t)(count - good), sizeof(*places), compare_places);
    return 0;
}

/* ---- densities ---- */

struct seen {
    double mu;
    int kernel;
};

static int compare_seen(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    return x->mu != y->mu ? (x->mu > y->mu ? 1 : -1)
                          : (x->kernel > y->kernel) - (x->kernel < y->kernel);
}

/* Widths from neighbours, the prior kernel's middle among them. The outermost kernels
 * look inwards only. */
static void set_widths(struct tpe_density *d, struct seen *sorted)
{
    const double low = own_low(&d->domain), high = own_high(&d->domain);
    const int n = d->kernels;
    const double widest = high - low, narrowest = widest / fmin(100.0, 1.0 + (double)n);
    for (int i = 0; i < n; i++)
        sorted[i] = (struct seen){ d->mu[i], i };
    qsort(sorted, (size_t)n, sizeof(*sorted), compare_seen);
    for (int i = 0; i < n; i++) {
        const double left = i ? sorted[i].mu - sorted[i - 1].mu : 0;
        const double right = i < n - 1 ? sorted[i + 1].mu - sorted[i].mu : 0;
        d->sigma[sorted[i].kernel] = fmin(fmax(fmax(left, right), narrowest), widest);
    }
    d->sigma[n - 1] = widest;
}

int tpe_density_make(struct tpe_density *out, const struct tpe_domain *domain,
                     const double *observed, int n, struct sluice_error *err)
{
    const size_t room = (size_t)n + 1;
    double *all = calloc(3 * room, sizeof(*all)), sum = 0;
    struct seen *sorted = calloc(room, sizeof(*sorted));
    if (!all || !sorted) {
        free(all);
        free(sorted);
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d observations", n);
    }
    *out = (struct tpe_density){ *domain, n + 1, all, all + room, all + 2 * room };
    for (int i = 0; i <= n; i++) {
        out->weight[i] = i < n ? tpe_weight(i, n) : 1;
        sum += out->weight[i];
    }
    for (int i = 0; i <= n; i++)
        out->weight[i] /= sum;
    for (int i = 0; i < n; i++)
        out->mu[i] = to_own(domain, observed[i]);
    out->mu[n] = 0.5 * (own_low(domain) + own_high(domain));
    if (domain->kind != TPE_CHOICE)
        set_widths(out, sorted);
    free(sorted);
    return 0;
}

void tpe_density_free(struct tpe_density *d)
{
    free(d->mu);
    *d = (struct tpe_density){ .kernels = 0 };
}

/* A choice's share in kernel i: 1 / kernels for each, and 1 more for the observed one;
 * the prior one has nothing but the shares. */
static double choice_share(const struct tpe_density *d, int i, double x)
{
    const double choices = d->domain.high + 1, each = 1.0 / d->kernels;
    if (i == d->kernels - 1)
        return 1 / choices;
    return (each + (d->mu[i] == x ? 1 : 0)) / (choices * each + 1);
}

static double number_share(const struct tpe_density *d, int i, double y)
{
    const double mu = d->mu[i], sigma = d->sigma[i];
    const double low = own_low(&d->domain), high = own_high(&d->domain);
    const double all = normal_between((low - mu) / sigma, (high - mu) / sigma);
    const double z = (y - mu) / sigma;
    if (d->domain.kind == TPE_INT)
        return normal_between((fmax(y - 0.5, low) - mu) / sigma,
                              (fmin(y + 0.5, high) - mu) / sigma) /
               all;
    return exp(-0.5 * z * z) / (sqrt(2 * M_PI) * sigma) / all;
}

double tpe_log_density(const struct tpe_density *d, double x)
{
    const double y = to_own(&d->domain, x);
    double sum = 0;
    if (d->domain.high == d->domain.low)
        return 0;
    for (int i = 0; i < d->kernels; i++)
        sum += d->weight[i] * (d->domain.kind == TPE_CHOICE ? choice_share(d, i, x)
                                                            : number_share(d, i, y));
    return log(sum);
}

static double draw_choice(const struct tpe_density *d, int kernel, double where)
{
    const int last = (int)d->domain.high;
    double sum = 0;
    for (int x = 0; x < last; x++)
        if ((sum += choice_share(d, kernel, x)) > where)
            return x;
    return last;
}

/* The inverse of the kernel's distribution function, by halving its interval: bounds
 * are kept whatever rounding does. */
static double draw_number(const struct tpe_density *d, int kernel, double where)
{
    const double mu = d->mu[kernel], sigma = d->sigma[kernel];
    double low = own_low(&d->domain), high = own_high(&d->domain);
    const double first = (low - mu) / sigma;
    const double want = where * normal_between(first, (high - mu) / sigma);
    for (int i = 0; i < HALVINGS; i++) {
        const double middle = 0.5 * (low + high);
        if (normal_between(first, (middle - mu) / sigma) > want)
            high = middle;
        else
            low = middle;
    }
    return from_own(&d->domain, 0.5 * (low + high));
}

double tpe_draw(const struct tpe_density *d, double which, double where)
{
    int kernel = 0;
    if (d->domain.high == d->domain.low)
        return d->domain.low;
    for (double sum = d->weight[0]; kernel < d->kernels - 1 && sum <= which;)
        sum += d->weight[++kernel];
    return d->domain.kind == TPE_CHOICE ? draw_choice(d, kernel, where)
                                        : draw_number(d, kernel, where);
}

/* ---- points ---- */

/* Uniform in [0, 1), 53 bits. */
static double unit(struct sluice_rng *rng)
{
    const uint64_t high = sluice_rng_u32(rng), low = sluice_rng_u32(rng);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

/* Each dimension of each trial has a stream of its own. */
static struct sluice_rng stream(uint64_t seed, uint64_t number, int dimension)
{
    return sluice_rng_at(seed, number, (uint64_t)dimension << 32);
}

static double random_point(const struct tpe_domain *d, struct sluice_rng *rng)
{
    const double u = unit(rng);
    if (d->kind == TPE_CHOICE)
        return fmin(floor(u * (d->high + 1)), d->high);
    return from_own(d, own_low(d) + u * (own_high(d) - own_low(d)));
}

void random_suggest(double *out, const struct tpe_domain *domains, int dimensions,
                    uint64_t seed, uint64_t number)
{
    for (int i = 0; i < dimensions; i++) {
        struct sluice_rng rng = stream(seed, number, i);
        out[i] = random_point(&domains[i], &rng);
    }
}

/* Of these trials those that have a value of this dimension. */
static int gather(double *out, const struct tpe_trial *trials, const int *places, int n,
                  int dimension)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        const double x = trials[places[i]].values[dimension];
        if (!isnan(x))
            out[kept++] = x;
    }
    return kept;
}

static double best_of_draws(const struct tpe_density *l, const struct tpe_density *g,
                            struct sluice_rng *rng)
{
    double best = 0, gain = -(double)INFINITY;
    for (int i = 0; i < TPE_CANDIDATES; i++) {
        const double which = unit(rng), where = unit(rng);
        const double x = tpe_draw(l, which, where);
        const double log_ratio = tpe_log_density(l, x) - tpe_log_density(g, x);
        if (i == 0 || log_ratio > gain) {
            best = x;
            gain = log_ratio;
        }
    }
    return best;
}

int tpe_suggest(double *out, const struct tpe_domain *domains, int dimensions,
                const struct tpe_trial *trials, int count, uint64_t seed,
                uint64_t number, struct sluice_error *err)
{
    const int good = tpe_good(count);
    int rc = 0;
    if (count < TPE_STARTUP) {
        random_suggest(out, domains, dimensions, seed, number);
        return 0;
    }
    int *places = calloc((size_t)count, sizeof(*places));
    double *seen = calloc((size_t)count, sizeof(*seen));
    if (!places || !seen)
        rc = sluice_fail(err, SLUICE_ENOMEM, "no memory for %d trials", count);
    else
        rc = tpe_split(places, trials, count, good, err);
    for (int i = 0; i < dimensions && rc == 0; i++) {
        struct sluice_rng rng = stream(seed, number, i);
        struct tpe_density l = { .kernels = 0 }, g = { .kernels = 0 };
        int n = gather(seen, trials, places, good, i);
        if ((rc = tpe_density_make(&l, &domains[i], seen, n, err)) == 0) {
            n = gather(seen, trials, places + good, count - good, i);
            rc = tpe_density_make(&g, &domains[i], seen, n, err);
        }
        if (rc == 0)
            out[i] = best_of_draws(&l, &g, &rng);
        tpe_density_free(&l);
        tpe_density_free(&g);
    }
    free(places);
    free(seen);
    return rc;
}
