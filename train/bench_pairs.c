/* bench_pairs.c -- `sluice bench --against`: two ways of loading, run in turn, so that
 * what disturbs the machine disturbs both; medians of each, and of the ratios of pairs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "options.h"
#include "progress.h"

enum { PAIRS_MAX = 1000 };

struct side {
    const struct bench_options *opt;
    struct sluice_augment *aug;
    double speed[PAIRS_MAX];
    struct bench_result last;
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts them. */
static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof(*values), by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static int run_one(struct side *s, const char *path, int pair, struct sluice_error *err)
{
    int rc = s->opt->cold ? bench_drop_cache(path, err) : 0;
    free(s->last.damaged);
    s->last = (struct bench_result){ 0 };
    if (rc == 0)
        rc = bench_run(path, s->opt, s->aug, &s->last, err);
    if (rc == 0)
        s->speed[pair] = bench_speed(s->opt, &s->last);
    return rc;
}

static void print_quoted(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar((unsigned char)*text < ' ' ? ' ' : *text);
    }
    putchar('"');
}

static void print(const char *path, const struct bench_options *opt, struct side *a,
                  struct side *b, double ratio[])
{
    const int n = opt->pairs;
    char text[32];
    const double of_a = median(a->speed, n), of_b = median(b->speed, n);
    const double middle = median(ratio, n);
    if (opt->json) {
        printf("{\"against\": ");
        print_quoted(opt->against);
        printf(", \"pairs\": %d, \"median_samples_per_s\": %.0f, "
               "\"other_median_samples_per_s\": %.0f, \"ratio\": %.4f, "
               "\"ratio_lowest\": %.4f, \"ratio_highest\": %.4f, \"last\": ",
               n, of_a, of_b, middle, ratio[0], ratio[n - 1]);
        bench_print_json(a->opt, &a->last);
        printf(", \"other_last\": ");
        bench_print_json(b->opt, &b->last);
        printf("}\n");
        return;
    }
    printf("%s: %d pairs of runs%s\n", path, n,
           opt->cold ? ", the file dropped from the page cache before each" : "");
    for (int i = 0; i < 2; i++) {
        const struct side *s = i ? b : a;
        printf("%-7s     %s samples/s (%s with %d threads)%s%s\n",
               i ? "against" : "this", text_count(text, (uint64_t)(i ? of_b : of_a)),
               sluice_io_name(s->last.stats.io), s->last.stats.threads, i ? ": " : "",
               i ? opt->against : "");
        printf("            limited by %s\n", bench_verdict(&s->last));
    }
    printf("ratio       %.3f (median; %.3f to %.3f)\n", middle, ratio[0], ratio[n - 1]);
    if (opt->hash)
        printf("hash        %08" PRIx32 " and %08" PRIx32 "\n", a->last.hash,
               b->last.hash);
}

int bench_pairs(const char *path, const struct bench_options *opt,
                const struct bench_options *other, struct sluice_error *err)
{
    static struct side a, b;
    static double ratio[PAIRS_MAX];
    int rc = 0;
    a.opt = opt;
    b.opt = other;
    if (opt->augment)
        rc = bench_make_augment(&a.aug, path, opt, err);
    if (rc == 0 && other->augment)
        rc = bench_make_augment(&b.aug, path, other, err);
    for (int i = 0; i < opt->pairs && rc == 0; i++) {
        /* Who goes first alternates. */
        rc = run_one(i % 2 ? &b : &a, path, i, err);
        if (rc == 0)
            rc = run_one(i % 2 ? &a : &b, path, i, err);
        ratio[i] = rc == 0 ? a.speed[i] / b.speed[i] : 0;
    }
    if (rc == 0)
        print(path, opt, &a, &b, ratio);
    sluice_augment_free(a.aug);
    sluice_augment_free(b.aug);
    free(a.last.damaged);
    free(b.last.damaged);
    return rc < 0 ? rc : a.last.stats.damaged || b.last.stats.damaged;
}
