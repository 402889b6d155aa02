/* train_report.c -- lines and bar of a run; see train_report.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "options.h"
#include "progress.h"
#include "train_report.h"

void report_begin(struct train_report *r, bool quiet)
{
    const char *term = getenv("TERM");
    struct winsize size;
    *r = (struct train_report){ .quiet = quiet, .columns = 80 };
    r->terminal = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
    if (r->terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        r->columns = size.ws_col;
    r->shown = seconds_now();
}

static void wipe(const struct train_report *r)
{
    if (r->terminal && !r->quiet)
        fputs("\r\x1b[K", stderr);
}

static void show_message(void *ctx, const char *line)
{
    const struct train_report *r = ctx;
    if (r->quiet)
        return;
    wipe(r);
    fprintf(stderr, "%s\n", line);
}

static void show_epoch(void *ctx, const struct epoch_row *row, int epochs)
{
    char line[256];
    wipe(ctx);
    puts(epoch_line(line, row, epochs));
    fflush(stdout);
}

static void show_step(void *ctx, const struct trainer_progress *p)
{
    enum { WIDTH = 12 };
    struct train_report *r = ctx;
    const double now = seconds_now();
    char bar[WIDTH + 1], rate[32], line[256];
    if (r->quiet || now - r->shown < (r->terminal ? 0.1 : 10))
        return;
    r->shown = now;
    const double share = (double)p->step / (double)p->steps;
    const unsigned left = (unsigned)(p->seconds_left + 0.5);
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < (int)(share * WIDTH) ? '#' : '.';
    bar[WIDTH] = 0;
    snprintf(line, sizeof(line),
             "epoch %d/%d [%s] %3.0f%%  %s img/s  loss %.4f  acc %.2f%%  lr %.3g  "
             "wait %.1f%%  ETA %u:%02u",
             p->epoch, p->epochs, bar, 100 * share,
             text_count(rate, (uint64_t)p->images_per_second), p->loss,
             100 * p->accuracy, p->lr, 100 * p->wait, left / 60, left % 60);
    if (r->terminal)
        fprintf(stderr, "\r%.*s\x1b[K", r->columns - 1, line);
    else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
}

static int interrupted(void *ctx)
{
    (void)ctx;
    return cli_interrupted();
}

struct trainer_watch report_watch(struct train_report *r)
{
    return (struct trainer_watch){ .ctx = r,
                                   .message = show_message,
                                   .step = show_step,
                                   .epoch = show_epoch,
                                   .stopped = interrupted };
}
