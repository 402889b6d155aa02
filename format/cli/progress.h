/* progress.h -- one line that tells how far a program is, on standard error: redrawn
 * in place on a terminal, a plain line every ten seconds elsewhere. */
#ifndef SLUICE_CLI_PROGRESS_H
#define SLUICE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *label; /* "writing" */
    const char *unit;  /* "images" */
    uint64_t total;    /* 0: unknown */
    double start, shown;
    bool terminal, quiet;
};

/* `quiet` prints nothing at all. */
void progress_begin(struct progress *p, const char *label, const char *unit,
                    uint64_t total, bool quiet);
/* Show `done` of total, at most ten times a second; `extra` ("loss 1.23"; may be NULL)
 * stands at the end of the line. */
void progress_update(struct progress *p, uint64_t done, const char *extra);
/* Wipe the line on a terminal. */
void progress_end(struct progress *p);

/* "1,234,567" and "12.3 MiB", into a caller's buffer of at least 32 bytes. */
const char *text_count(char *buf, uint64_t n);
const char *text_bytes(char *buf, uint64_t n);
/* Seconds of the monotonic clock. */
double seconds_now(void);

/* `s` with question marks for control characters, as `ls` shows names; into a caller's
 * buffer, cut to it. */
const char *text_name(char *buf, size_t size, const char *s);

#endif
