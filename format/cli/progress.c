/* progress.c -- the progress line; see progress.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *text_count(char *buf, uint64_t n)
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n),
        at = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = 0;
    return buf;
}

const char *text_bytes(char *buf, uint64_t n)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double value = (double)n;
    int unit = 0;
    while (value >= 1024 && unit < 5) {
        value /= 1024;
        unit++;
    }
    snprintf(buf, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return buf;
}

void progress_begin(struct progress *p, const char *label, const char *unit,
                    uint64_t total, bool quiet)
{
    const char *term = getenv("TERM");
    memset(p, 0, sizeof(*p));
    p->label = label;
    p->unit = unit;
    p->total = total;
    p->quiet = quiet;
    p->terminal = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
    p->start = p->shown = seconds_now();
}

static void draw_bar(const struct progress *p, uint64_t done)
{
    enum { WIDTH = 24 };
    char bar[WIDTH + 1];
    const int full = (int)((double)done / (double)p->total * WIDTH);
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, " [%s] %3.0f%%", bar, 100.0 * (double)done / (double)p->total);
}

void progress_update(struct progress *p, uint64_t done, const char *extra)
{
    char count[32], rate[32];
    const double now = seconds_now(), passed = now - p->start;
    if (p->quiet || now - p->shown < (p->terminal ? 0.1 : 10))
        return;
    p->shown = now;
    const double per_second = passed > 0 ? (double)done / passed : 0;
    fprintf(stderr, "%s%s", p->terminal ? "\r" : "", p->label);
    if (p->total)
        draw_bar(p, done);
    fprintf(stderr, "  %s %s  %s/s", text_count(count, done), p->unit,
            text_count(rate, (uint64_t)per_second));
    if (p->total && per_second > 0) {
        const unsigned left = (unsigned)((double)(p->total - done) / per_second + 0.5);
        fprintf(stderr, "  ETA %u:%02u", left / 60, left % 60);
    }
    if (extra)
        fprintf(stderr, "  %s", extra);
    fputs(p->terminal ? "\x1b[K" : "\n", stderr);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (!p->quiet && p->terminal)
        fputs("\r\x1b[K", stderr);
}

const char *text_name(char *buf, size_t size, const char *s)
{
    snprintf(buf, size, "%s", s);
    for (char *at = buf; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return buf;
}
