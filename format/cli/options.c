/* options.c -- parsing a command line by table; see options.h. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "near.h"
#include "options.h"
#include "progress.h"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "0"
#endif

enum { LEFT = 28 }; /* width of --help's left column */

static volatile sig_atomic_t caught;

static _Noreturn void usage_error(const struct cli_spec *spec, const char *what,
                                  const char *text)
{
    fprintf(stderr, "%s: %s%s%s (see %s --help)\n", spec->program, what,
            *text ? " " : "", text, spec->program);
    exit(CLI_USAGE);
}

/* `name` ends at `equals`, if it is not NULL. */
static _Noreturn void unknown_option(const struct cli_spec *spec, const char *given,
                                     const char *name, const char *equals)
{
    enum { FAR = 3 };
    char word[64], near[96] = "";
    int least = FAR;
    snprintf(word, sizeof(word), "%.*s",
             (int)(equals ? equals - name : (ptrdiff_t)strlen(name)), name);
    for (const struct cli_option *o = spec->options; o->name; o++) {
        const int far = text_distance(word, o->name);
        if (far < least && far < (int)strlen(o->name)) {
            least = far;
            snprintf(near, sizeof(near), "; near: --%s", o->name);
        }
    }
    if (least == FAR && equals && strstr(spec->arguments, "VALUE"))
        snprintf(near, sizeof(near), "; keys have no dashes: %s", name);
    fprintf(stderr, "%s: unknown option %s%s (see %s --help)\n", spec->program, given,
            near, spec->program);
    exit(CLI_USAGE);
}

static _Noreturn void value_error(const struct cli_spec *spec,
                                  const struct cli_option *o, const char *text)
{
    const char *number = o->kind == CLI_DOUBLE ? "a number" : "a whole number";
    char wanted[256] = "";
    if (o->kind == CLI_CHOICE)
        snprintf(wanted, sizeof(wanted), "one of %s", o->choices);
    else if (o->min != 0 || o->max != 0)
        snprintf(wanted, sizeof(wanted), "%s from %.15g to %.15g%s", number, o->min,
                 o->max, o->kind == CLI_SIZE ? ", as in 64K, 2M or 1G" : "");
    else
        snprintf(wanted, sizeof(wanted), "%s%s", number,
                 o->kind == CLI_UINT64 ? " from 0" : "");
    fprintf(stderr, "%s: --%s=%s: expected %s\n", spec->program, o->name, text, wanted);
    exit(CLI_USAGE);
}

static void print_help(const struct cli_spec *spec)
{
    printf("usage: %s [options] %s\n\n%s", spec->program, spec->arguments,
           spec->summary);
    printf("\noptions:\n");
    for (const struct cli_option *o = spec->options; o->name; o++) {
        char left[96];
        if (o->kind == CLI_FLAG)
            snprintf(left, sizeof(left), "--%s", o->name);
        else if (o->kind == CLI_CHOICE)
            snprintf(left, sizeof(left), "--%s=%s", o->name, o->choices);
        else
            snprintf(left, sizeof(left), "--%s=%s", o->name,
                     o->kind == CLI_STRING ? "TEXT" : "N");
        if (strlen(left) > LEFT)
            printf("  %s\n  %-*s %s\n", left, LEFT, "", o->help);
        else
            printf("  %-*s %s\n", LEFT, left, o->help);
    }
    printf("  %-*s %s\n", LEFT, "--help", "print this and exit");
    printf("  %-*s %s\n", LEFT, "--version", "print the version and exit");
    if (spec->epilogue)
        printf("\n%s", spec->epilogue);
}

static int choice_of(const char *choices, const char *text)
{
    int i = 0;
    for (const char *c = choices; c;
         c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL, i++) {
        size_t n = strcspn(c, "|");
        if (n == strlen(text) && strncmp(c, text, n) == 0)
            return i;
    }
    return -1;
}

/* Bytes with an optional K, M or G; false if the text is anything else. */
static bool parse_u64(const char *text, bool suffixes, uint64_t *out)
{
    char *end;
    uint64_t scale = 1;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno)
        return false;
    if (suffixes && *end) {
        const char *at = strchr("KMG", *end & ~32);
        if (!at || !*at || end[1])
            return false;
        scale = (uint64_t)1 << 10 * (at - "KMG" + 1);
        end++;
    }
    if (*end || *out > UINT64_MAX / scale)
        return false;
    *out *= scale;
    return true;
}

static void set_value(const struct cli_spec *spec, const struct cli_option *o,
                      void *values, const char *text)
{
    char *slot = (char *)values + o->offset, *end;
    const bool bounded = o->min != 0 || o->max != 0;
    double real = 0;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)slot = true;
        return;
    case CLI_STRING:
        *(const char **)slot = text;
        return;
    case CLI_CHOICE: {
        int i = choice_of(o->choices, text);
        if (i < 0)
            value_error(spec, o, text);
        *(int *)slot = i;
        return;
    }
    case CLI_UINT64:
    case CLI_SIZE: {
        uint64_t n;
        if (!parse_u64(text, o->kind == CLI_SIZE, &n) ||
            (bounded && !((double)n >= o->min && (double)n <= o->max)))
            value_error(spec, o, text);
        *(uint64_t *)slot = n;
        return;
    }
    case CLI_INT: {
        errno = 0;
        long n = strtol(text, &end, 10);
        if (errno || end == text || *end || n != (int)n ||
            (bounded && !((double)n >= o->min && (double)n <= o->max)))
            value_error(spec, o, text);
        *(int *)slot = (int)n;
        return;
    }
    case CLI_DOUBLE:
        real = strtod(text, &end);
        if (end == text || *end || !isfinite(real) ||
            (bounded && !(real >= o->min && real <= o->max)))
            value_error(spec, o, text);
        *(double *)slot = real;
        return;
    }
}

static const struct cli_option *find(const struct cli_spec *spec, const char *name,
                                     size_t n)
{
    for (const struct cli_option *o = spec->options; o->name; o++)
        if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

int cli_parse(const struct cli_spec *spec, int argc, char **argv, void *values,
              const char **arguments)
{
    int count = 0;
    bool only_arguments = false;
    const struct cli_option *texts[16]; /* those given */
    int text_total = 0;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (only_arguments || a[0] != '-' || !a[1]) {
            if (count == spec->arguments_max)
                usage_error(spec, "one argument too many:", a);
            arguments[count++] = a;
            continue;
        }
        if (strcmp(a, "--") == 0) {
            only_arguments = true;
            continue;
        }
        if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
            print_help(spec);
            exit(cli_finish(spec->program, CLI_OK));
        }
        if (strcmp(a, "--version") == 0) {
            printf("%s %s\n", spec->program, SLUICE_VERSION);
            exit(cli_finish(spec->program, CLI_OK));
        }
        const char *name = a + strspn(a, "-"), *equals = strchr(name, '=');
        const struct cli_option *o =
            find(spec, name, equals ? (size_t)(equals - name) : strlen(name));
        if (!o || a[1] != '-')
            unknown_option(spec, a, name, equals);
        if (o->kind == CLI_FLAG && equals)
            usage_error(spec, "takes no value:", a);
        if (o->kind != CLI_FLAG && !equals && i + 1 == argc)
            usage_error(spec, "needs a value:", a);
        for (int k = 0; k < text_total; k++)
            if (texts[k] == o)
                usage_error(spec, "given twice:", a);
        if (o->kind == CLI_STRING && text_total < 16)
            texts[text_total++] = o;
        if (spec->given)
            spec->given[o - spec->options] = true;
        set_value(spec, o, values,
                  o->kind == CLI_FLAG ? ""
                  : equals            ? equals + 1
                                      : argv[++i]);
    }
    if (count < spec->arguments_min)
        usage_error(spec, "expected", spec->arguments);
    return count;
}

int cli_report(const char *program, const struct sluice_error *err)
{
    char line[sizeof(err->message)];
    /* It may name a file that is called anything. */
    fprintf(stderr, "%s: %s\n", program, text_name(line, sizeof(line), err->message));
    switch (err->code) {
    case SLUICE_EINVAL:
    case SLUICE_EUNBUILT:
        return CLI_USAGE;
    case SLUICE_EIO:
    case SLUICE_ENOMEM:
    case SLUICE_EDEVICE:
        return CLI_IO;
    case SLUICE_EVERSION:
        return CLI_VERSION;
    case SLUICE_ECORRUPT:
        return CLI_CORRUPT;
    case SLUICE_ESTOPPED:
        return CLI_INTERRUPTED;
    default:
        return CLI_FAILED;
    }
}

void cli_warn_slot(const char *program, const struct sluice_dataset *ds)
{
    const int slot = sluice_dataset_damaged_slot(ds);
    char name[400];
    if (slot < 0)
        return;
    fprintf(stderr,
            "%s: warning: %s: commit slot %d is damaged: the last append may be lost; "
            "%" PRIu64 " samples are there\n",
            program, text_name(name, sizeof(name), sluice_dataset_name(ds)), slot,
            sluice_dataset_count(ds));
}

int cli_finish(const char *program, int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "%s: standard output: %s\n", program,
            strerror(errno ? errno : EIO));
    return CLI_IO;
}

static void on_signal(int number)
{
    if (caught && number == SIGHUP)
        return; /* of a closed terminal kernel and shell both tell */
    if (caught)
        _exit(128 + number);
    caught = number;
}

void cli_catch_signals(void)
{
    struct sigaction act = { .sa_handler = on_signal }, before;
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &act, NULL); /* not under nohup */
    act.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &act, NULL);
    sigaction(SIGXFSZ, &act, NULL);
}

int cli_interrupted(void)
{
    return caught;
}
