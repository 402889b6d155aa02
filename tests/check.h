/* check.h -- the test framework. A test is a program: it ends with 0 (good), 1 (a check
 * failed) or 77 (skipped, with the reason printed).
 *
 *     CHECK(n == 3, "n is %d", n);          go on after a failure, fail at the end
 *     REQUIRE(p, "no memory");              end at once: what follows needs it
 *     return check_done();                  last line of main */
#ifndef SLUICE_CHECK_H
#define SLUICE_CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int check_failures, check_count;

#define CHECK_REPORT(text, ...)                                                        \
    do {                                                                               \
        check_failures++;                                                              \
        fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, text);                      \
        fprintf(stderr, __VA_ARGS__);                                                  \
        fputc('\n', stderr);                                                           \
    } while (0)

#define CHECK(cond, ...)                                                               \
    do {                                                                               \
        check_count++;                                                                 \
        if (!(cond))                                                                   \
            CHECK_REPORT(#cond, __VA_ARGS__);                                          \
    } while (0)

#define REQUIRE(cond, ...)                                                             \
    do {                                                                               \
        check_count++;                                                                 \
        if (!(cond)) {                                                                 \
            CHECK_REPORT(#cond, __VA_ARGS__);                                          \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

#define SKIP(...)                                                                      \
    do {                                                                               \
        printf("skipped: ");                                                           \
        printf(__VA_ARGS__);                                                           \
        putchar('\n');                                                                 \
        exit(77);                                                                      \
    } while (0)

/* |got - want| <= abs + rel * |want|; false for NaN on either side. */
static inline int near(double got, double want, double abs_tol, double rel_tol)
{
    return fabs(got - want) <= abs_tol + rel_tol * fabs(want);
}

/* The exit status. A test that checked nothing has failed. */
static inline int check_done(void)
{
    if (check_failures || !check_count) {
        fprintf(stderr, "%d of %d checks failed\n", check_failures, check_count);
        return 1;
    }
    printf("%d checks\n", check_count);
    return 0;
}

#endif
