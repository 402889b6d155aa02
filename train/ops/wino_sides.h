/* wino_sides.h -- one side of each of the transforms of F(4x4, 3x3): see
 * conv_wino_f32.h.
 *
 * The points of interpolation are 0, A, -A, B, -B and infinity. With 1 and 2 for A and
 * B most factors would be whole, but results more than twice as far off; of symmetric
 * points, these are about the best.
 */
#ifndef SLUICE_WINO_SIDES_H
#define SLUICE_WINO_SIDES_H

#include "vector.h"

#define WINO_A 0.625F
#define WINO_B 1.5625F
#define WINO_AA (WINO_A * WINO_A)
#define WINO_BB (WINO_B * WINO_B)
/* Products of a point's differences from the others. */
#define WINO_N0 (WINO_AA * WINO_BB)
#define WINO_NA (2 * WINO_AA * (WINO_AA - WINO_BB))
#define WINO_NB (2 * WINO_BB * (WINO_BB - WINO_AA))

/* Of B' x B, of values `step` apart. */
INLINE void spread_side(const vf *x, int step, vf *to, int to_step)
{
    const vf x1 = x[step], x2 = x[2 * step], x3 = x[3 * step], x4 = x[4 * step];
    const vf even = x4 - WINO_BB * x2, odd = WINO_A * (x3 - WINO_BB * x1);
    const vf even2 = x4 - WINO_AA * x2, odd2 = WINO_B * (x3 - WINO_AA * x1);
    const vf first = WINO_N0 * x[0] - (WINO_AA + WINO_BB) * x2 + x4;
    const vf last = WINO_N0 * x1 - (WINO_AA + WINO_BB) * x3 + x[5 * step];
    to[0] = first;
    to[to_step] = even + odd;
    to[2 * to_step] = even - odd;
    to[3 * to_step] = even2 + odd2;
    to[4 * to_step] = even2 - odd2;
    to[5 * to_step] = last;
}

/* Of A dy A'. */
INLINE void unfold_side(const vf *y, int step, vf *to, int to_step)
{
    const vf y0 = y[0], y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
    const vf even = y0 + WINO_AA * y2, odd = WINO_A * (y1 + WINO_AA * y3);
    const vf even2 = y0 + WINO_BB * y2, odd2 = WINO_B * (y1 + WINO_BB * y3);
    to[0] = y0;
    to[to_step] = even + odd;
    to[2 * to_step] = even - odd;
    to[3 * to_step] = even2 + odd2;
    to[4 * to_step] = even2 - odd2;
    to[5 * to_step] = y3;
}

/* Of A' m A. */
INLINE void fold_side(const vf *m, int step, vf *to, int to_step)
{
    const vf sum = m[step] + m[2 * step];
    const vf difference = WINO_A * (m[step] - m[2 * step]);
    const vf sum2 = m[3 * step] + m[4 * step];
    const vf difference2 = WINO_B * (m[3 * step] - m[4 * step]);
    to[0] = m[0] + sum + sum2;
    to[to_step] = difference + difference2;
    to[2 * to_step] = WINO_AA * sum + WINO_BB * sum2;
    to[3 * to_step] = WINO_AA * difference + WINO_BB * difference2 + m[5 * step];
}

/* Of G w G'. */
INLINE void widen_side(const vf *w, int step, vf *to, int to_step)
{
    const vf w0 = w[0], w1 = w[step], w2 = w[2 * step];
    const vf ends = w0 * (1 / WINO_NA) + w2 * (WINO_AA / WINO_NA);
    const vf ends2 = w0 * (1 / WINO_NB) + w2 * (WINO_BB / WINO_NB);
    const vf middle = w1 * (WINO_A / WINO_NA), middle2 = w1 * (WINO_B / WINO_NB);
    to[0] = w0 * (1 / WINO_N0);
    to[to_step] = ends + middle;
    to[2 * to_step] = ends - middle;
    to[3 * to_step] = ends2 + middle2;
    to[4 * to_step] = ends2 - middle2;
    to[5 * to_step] = w2;
}

/* Of G' s G. */
INLINE void narrow_side(const vf *s, int step, vf *to, int to_step)
{
    const vf sum = (s[step] + s[2 * step]) * (1 / WINO_NA);
    const vf sum2 = (s[3 * step] + s[4 * step]) * (1 / WINO_NB);
    const vf difference = (s[step] - s[2 * step]) * (WINO_A / WINO_NA);
    const vf difference2 = (s[3 * step] - s[4 * step]) * (WINO_B / WINO_NB);
    to[0] = s[0] * (1 / WINO_N0) + sum + sum2;
    to[to_step] = difference + difference2;
    to[2 * to_step] = WINO_AA * sum + WINO_BB * sum2 + s[5 * step];
}

#endif
