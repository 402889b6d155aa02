/* plot.h -- line charts as SVG files. */
#ifndef SLUICE_PLOT_H
#define SLUICE_PLOT_H

#include <sluice/error.h>

struct series {
    const char *name;
    const double *y; /* (count); NaN: no point here */
};

struct plot {
    const char *title, *x_label, *y_label;
    const double *x; /* (count), whole numbers */
    int count;
    const struct series *series;
    int series_count; /* at most 6 */
};

int plot_write(const char *path, const struct plot *p, struct sluice_error *err);

#endif
