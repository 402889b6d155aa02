/* plot.c -- line charts; see plot.h. */
#include <math.h>
#include <stdbool.h>

#include "plot.h"
#include "run_dir.h"

enum {
    WIDTH = 720,
    HEIGHT = 440,
    LEFT = 72,
    RIGHT = 24,
    TOP = 52,
    BOTTOM = 56,
    LEGEND_LINE = 16,
};

/* Okabe and Ito's colours, which the colour-blind tell apart. */
static const char *const colours[] = { "#0072b2", "#d55e00", "#009e73",
                                       "#cc79a7", "#e69f00", "#56b4e9" };

struct axis {
    double low, high, step;
};

/* Round numbers around [low, high], about six steps of 1, 2 or 5 times a power of 10,
 * none of them smaller than `least`. */
static struct axis round_axis(double low, double high, double least)
{
    if (!(high > low)) { /* one point, or none */
        const double about = isfinite(low) ? low : 0;
        low = about - (about != 0 ? fabs(about) / 2 : 1);
        high = about + (about != 0 ? fabs(about) / 2 : 1);
    }
    const double raw = (high - low) / 6, power = pow(10, floor(log10(raw)));
    const double unit = raw / power;
    const double step = fmax(least, power * (unit <= 1   ? 1
                                             : unit <= 2 ? 2
                                             : unit <= 5 ? 5
                                                         : 10));
    return (struct axis){ floor(low / step + 1e-9) * step,
                          ceil(high / step - 1e-9) * step, step };
}

static void widen(double *low, double *high, double x)
{
    if (!isfinite(x))
        return;
    *low = isfinite(*low) && *low < x ? *low : x;
    *high = isfinite(*high) && *high > x ? *high : x;
}

static double place_x(const struct axis *a, double x)
{
    return LEFT + (x - a->low) / (a->high - a->low) * (WIDTH - LEFT - RIGHT);
}

static double place_y(const struct axis *a, double y)
{
    return HEIGHT - BOTTOM -
           (y - a->low) / (a->high - a->low) * (HEIGHT - TOP - BOTTOM);
}

static void put_text(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", to);
        else if (*text == '&')
            fputs("&amp;", to);
        else if (*text == '"')
            fputs("&quot;", to);
        else if ((unsigned char)*text >= 0x20)
            fputc(*text, to);
    }
}

static void label(FILE *to, double x, double y, const char *anchor, const char *extra,
                  const char *text)
{
    fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>", x, y, anchor,
            extra);
    put_text(to, text);
    fputs("</text>\n", to);
}

static void draw_grid(FILE *to, const struct axis *x, const struct axis *y)
{
    char tick[32];
    const int columns = (int)lround((x->high - x->low) / x->step);
    const int rows = (int)lround((y->high - y->low) / y->step);
    fputs("<g stroke=\"#e4e4e4\" stroke-width=\"1\">\n", to);
    for (int i = 0; i <= columns; i++) {
        const double at = place_x(x, x->low + i * x->step);
        fprintf(to, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", at, TOP,
                at, HEIGHT - BOTTOM);
    }
    for (int i = 0; i <= rows; i++) {
        const double at = place_y(y, y->low + i * y->step);
        fprintf(to, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n", LEFT, at,
                WIDTH - RIGHT, at);
    }
    fputs("</g>\n", to);
    for (int i = 0; i <= columns; i++) {
        snprintf(tick, sizeof(tick), "%.6g", x->low + i * x->step);
        label(to, place_x(x, x->low + i * x->step), HEIGHT - BOTTOM + 18, "middle", "",
              tick);
    }
    for (int i = 0; i <= rows; i++) {
        const double value = y->low + i * y->step;
        /* What should be 0 is a rounding error away from it. */
        snprintf(tick, sizeof(tick), "%.6g", fabs(value) < y->step / 1e6 ? 0.0 : value);
        label(to, LEFT - 8, place_y(y, value) + 4, "end", "", tick);
    }
    fprintf(to,
            "<path d=\"M%d %d V%d H%d\" fill=\"none\" stroke=\"#444\" "
            "stroke-width=\"1.2\"/>\n",
            LEFT, TOP, HEIGHT - BOTTOM, WIDTH - RIGHT);
}

static void draw_series(FILE *to, const struct plot *p, int which, const struct axis *x,
                        const struct axis *y)
{
    const struct series *s = &p->series[which];
    bool drawing = false;
    fprintf(to,
            "<path fill=\"none\" stroke=\"%s\" stroke-width=\"2\" "
            "stroke-linejoin=\"round\" d=\"",
            colours[which]);
    for (int i = 0; i < p->count; i++) {
        if (!isfinite(s->y[i]))
            continue; /* the line bridges what was not measured */
        fprintf(to, "%s%.1f %.1f ", drawing ? "L" : "M", place_x(x, p->x[i]),
                place_y(y, s->y[i]));
        drawing = true;
    }
    fputs("\"/>\n", to);
    for (int i = 0; i < p->count && p->count <= 60; i++)
        if (isfinite(s->y[i]))
            fprintf(to, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\" fill=\"%s\"/>\n",
                    place_x(x, p->x[i]), place_y(y, s->y[i]), colours[which]);
}

/* A legend's entry: a stroke, and a text of about this width. */
static double entry_width(const char *name)
{
    double width = 50;
    for (; *name; name++)
        width += ((unsigned char)*name & 0xc0) == 0x80 ? 0 : 7.5; /* of UTF-8 */
    return width;
}

/* Lines of the legend in all, and where entry `which` stands. */
static int place_entry(const struct plot *p, int which, double *x)
{
    int line = 1;
    double at = LEFT;
    for (int i = 0; i <= which && i < p->series_count; i++) {
        const double width = entry_width(p->series[i].name);
        if (at > LEFT && at + width - 24 > WIDTH) {
            at = LEFT;
            line++;
        }
        *x = at;
        at += width;
    }
    return line;
}

static void draw_legend(FILE *to, const struct plot *p)
{
    for (int i = 0; i < p->series_count; i++) {
        double x = LEFT;
        const int y = 40 + LEGEND_LINE * (place_entry(p, i, &x) - 1);
        fprintf(to,
                "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"%s\" "
                "stroke-width=\"3\"/>\n",
                x, y, x + 20, y, colours[i]);
        label(to, x + 26, y + 4, "start", "", p->series[i].name);
    }
}

static void draw(FILE *to, const struct plot *p)
{
    const double none = (double)NAN;
    double x0 = none, x1 = none, y0 = none, y1 = none;
    char turned[64];
    double ignored;
    const int more = LEGEND_LINE * (place_entry(p, p->series_count - 1, &ignored) - 1);
    for (int i = 0; i < p->count; i++) {
        widen(&x0, &x1, p->x[i]);
        for (int k = 0; k < p->series_count; k++)
            widen(&y0, &y1, p->series[k].y[i]);
    }
    const struct axis x = round_axis(x0, x1, 1), y = round_axis(y0, y1, 0);
    fprintf(to,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\" "
            "fill=\"#333\">\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
            WIDTH, HEIGHT + more, WIDTH, HEIGHT + more, WIDTH, HEIGHT + more);
    label(to, LEFT, 24, "start", " font-size=\"16\" font-weight=\"bold\"", p->title);
    draw_legend(to, p);
    fprintf(to, "<g transform=\"translate(0 %d)\">\n", more);
    draw_grid(to, &x, &y);
    label(to, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 14, "middle", "", p->x_label);
    snprintf(turned, sizeof(turned), " transform=\"rotate(-90 18 %d)\"",
             (TOP + HEIGHT - BOTTOM) / 2);
    label(to, 18, (TOP + HEIGHT - BOTTOM) / 2.0, "middle", turned, p->y_label);
    for (int k = 0; k < p->series_count; k++)
        draw_series(to, p, k, &x, &y);
    fputs("</g>\n</svg>\n", to);
}

int plot_write(const char *path, const struct plot *p, struct sluice_error *err)
{
    struct new_file f;
    int rc;
    if (p->series_count > (int)(sizeof(colours) / sizeof(*colours)))
        return sluice_fail(err, SLUICE_EINVAL, "%.300s: %d lines in one plot", path,
                           p->series_count);
    if ((rc = file_begin(&f, path, err)) < 0)
        return rc;
    draw(f.to, p);
    return file_commit(&f, err);
}
