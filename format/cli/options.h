/* options.h -- command lines by table: one list drives parsing, bounds and --help.
 * For the programs only; no library links it.
 *
 * An option is --name=value, --name value, or --name for a flag; `--` ends options.
 * Numbers are parsed whole and checked against their bounds, so "many", "12x" and
 * "nan" are refused. */
#ifndef SLUICE_CLI_OPTIONS_H
#define SLUICE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/format.h>

enum cli_kind {
    CLI_FLAG,   /* bool */
    CLI_INT,    /* int */
    CLI_UINT64, /* uint64_t */
    CLI_SIZE,   /* uint64_t; accepts K, M, G (powers of 1024) */
    CLI_DOUBLE, /* double */
    CLI_STRING, /* const char *, borrowed from argv */
    CLI_CHOICE, /* int: position in `choices`, names joined by '|' */
};

struct cli_option {
    const char *name;
    enum cli_kind kind;
    size_t offset;       /* of the variable in the program's struct */
    double min, max;     /* numbers; both 0: no bounds */
    const char *choices; /* CLI_CHOICE */
    const char *help;    /* with the default in words */
};

struct cli_spec {
    const char *program;              /* "sluice write" */
    const char *arguments;            /* "FORMAT INPUT OUTPUT" */
    const char *summary;              /* a line or more, ends with a newline */
    const struct cli_option *options; /* ends with a NULL name */
    int arguments_min, arguments_max;
    const char *epilogue; /* NULL, or text behind the options: examples */
    bool *given; /* NULL, or as many as options: whether the command line has each */
};

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1, /* also: a check found something */
    CLI_USAGE = 2,
    CLI_IO = 3,      /* the machine or the operating system refused */
    CLI_VERSION = 4, /* file of a later version */
    CLI_CORRUPT = 5, /* file not readable as what it claims to be */
    CLI_INTERRUPTED = 130,
};

/* Parse argv into the struct at `values`, which holds the defaults. Positional
 * arguments are stored in `arguments` (room for spec->arguments_max). Returns their
 * number. On --help or --version it prints to standard output and ends the program with
 * 0; on a usage error it prints one line to standard error and ends it with 2: it is
 * main's hand. */
int cli_parse(const struct cli_spec *spec, int argc, char **argv, void *values,
              const char **arguments);

/* Print "program: message" to standard error; returns the exit status for the code. */
int cli_report(const char *program, const struct sluice_error *err);

/* One line to standard error if a commit slot of the open file is damaged. */
void cli_warn_slot(const char *program, const struct sluice_dataset *ds);

/* Main's last word: `status`, if all of standard output was taken; otherwise say so and
 * return CLI_IO. */
int cli_finish(const char *program, int status);

/* Make SIGINT, SIGTERM and SIGHUP (a terminal that closes; not under nohup) set a flag,
 * a second SIGINT or SIGTERM end the program at once, and ignore SIGPIPE and SIGXFSZ,
 * so that they are errors of the write. */
void cli_catch_signals(void);
int cli_interrupted(void); /* the signal's number, or 0 */

#endif
