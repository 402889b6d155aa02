/* gelu.h -- GELU and its derivative for results that become bf16: quartics over sixteen
 * segments, whose coefficients are looked up in registers. A third of the work of the
 * formulas in vector.h, which float results need.
 *
 * Both functions are 1/2 and an odd function of x. Segment k, of SEGMENT's width, is
 * the one around k SEGMENT; the last one is the constant to which both functions tend.
 * The errors are 3e-7 of Phi and 7e-6 of the derivative (1e-6 where |x| < 5), where
 * rounding to bf16 costs up to 2e-3. */
#ifndef SLUICE_GELU_H
#define SLUICE_GELU_H

#include "vector.h"

INLINE vf gelu(vf x)
{
    vf gauss;
    return x * normal_cdf(x, &gauss);
}

INLINE vf gelu_slope(vf x)
{
    vf gauss;
    const vf cdf = normal_cdf(x, &gauss);
    return cdf + x * gauss * 0.398942280F;
}

#ifdef __AVX512F__
#define SEGMENT 0.345F

/* Coefficients of 1, |x|, ... |x|^4, for each segment */
/* clang-format off */
static const float gelu_cdf_table[5][LANES] __attribute__((aligned(64))) = {
    { 2.93264946e-09F, 2.74178929e-05F, 0.000451368396F, -0.00213988451F, -0.0237336755F, -0.0785807297F, -0.145016387F, -0.165898249F, -0.0986817405F, 0.0436880514F, 0.207155198F, 0.341495574F, 0.427315593F, 0.471617252F, 0.490516275F, 0.5F },
    { 0.398941427F, 0.398476958F, 0.395141631F, 0.406186283F, 0.476403087F, 0.617391288F, 0.758584917F, 0.797591388F, 0.694894969F, 0.500930309F, 0.300996512F, 0.152074486F, 0.0651169345F, 0.0237885881F, 0.0074553648F, 0.0F },
    { 3.94659437e-05F, 0.00305784075F, 0.0131205805F, -0.0045352676F, -0.0904816315F, -0.226732522F, -0.339446962F, -0.366751522F, -0.307869047F, -0.208702445F, -0.116949253F, -0.0550132021F, -0.0219593905F, -0.00749689899F, -0.00220210571F, 0.0F },
    { -0.0671322197F, -0.0762803033F, -0.0900677592F, -0.0775212422F, -0.0305820704F, 0.0280876234F, 0.0681437328F, 0.0766330957F, 0.0616168082F, 0.0390675142F, 0.0203425679F, 0.00888889655F, 0.00330270338F, 0.00105266424F, 0.000289609685F, 0.0F },
    { 0.00426790025F, 0.0154749509F, 0.022698883F, 0.0193548333F, 0.00970271043F, 0.000205051809F, -0.00514159864F, -0.00613081455F, -0.0046936539F, -0.00276950258F, -0.00133567618F, -0.000541028508F, -0.000186866135F, -5.55552106e-05F, -1.4307122e-05F, 0.0F },
};
static const float gelu_slope_table[5][LANES] __attribute__((aligned(64))) = {
    { 1.75110682e-08F, 0.000151243934F, 0.00115864293F, -0.0273387153F, -0.173920885F, -0.417451799F, -0.4664011F, -0.0232419055F, 0.794117332F, 1.50802433F, 1.75336015F, 1.55465102F, 1.17619133F, 0.846634209F, 0.645805895F, 0.5F },
    { 0.797879457F, 0.795302749F, 0.786122859F, 0.911289155F, 1.39155114F, 2.02404976F, 2.139534F, 1.35758758F, 0.093171671F, -0.887130082F, -1.19238424F, -0.97536236F, -0.593629539F, -0.286976367F, -0.113712035F, 0.0F },
    { 0.000235742104F, 0.0171116889F, 0.0484616347F, -0.158697575F, -0.751137614F, -1.36868715F, -1.46990132F, -0.951957762F, -0.217795357F, 0.287336975F, 0.429801106F, 0.340890765F, 0.196447253F, 0.0894096047F, 0.0333380178F, 0.0F },
    { -0.269797891F, -0.321458042F, -0.369044751F, -0.215833023F, 0.110305957F, 0.378939271F, 0.418062568F, 0.265421271F, 0.0757920966F, -0.0399683006F, -0.06952627F, -0.0533323064F, -0.0290314686F, -0.0124209421F, -0.00435396144F, 0.0F },
    { 0.0255412739F, 0.0895530805F, 0.116641454F, 0.0738953128F, 0.00628939364F, -0.0376357287F, -0.0432706475F, -0.026383033F, -0.00799898524F, 0.00195583957F, 0.00425610458F, 0.00314967753F, 0.00161597005F, 0.000649027701F, 0.000213689927F, 0.0F },
};
/* clang-format on */

INLINE vf look_up(const float table[LANES], vi k)
{
    return (vf)_mm512_permutexvar_ps((__m512i)k, _mm512_load_ps(table));
}

/* A NaN becomes one. */
INLINE vf segment_quartic(const float table[5][LANES], vf magnitude)
{
    const vf u = (vf)_mm512_min_ps((__m512)splat(15 * SEGMENT), (__m512)magnitude);
    /* To the nearest integer, in the low bits: the lookups take four of them */
    const vi k = (vi)(u * (1 / SEGMENT) + 0x1p23F);
    vf p = look_up(table[4], k) * u + look_up(table[3], k);
    p = p * u + look_up(table[2], k);
    p = p * u + look_up(table[1], k);
    return p * u + look_up(table[0], k);
}

INLINE vf gelu_bf16(vf x)
{
    const vf magnitude = absolute(x);
    return 0.5F * x + magnitude * segment_quartic(gelu_cdf_table, magnitude);
}

INLINE vf gelu_slope_bf16(vf x)
{
    const vf odd = segment_quartic(gelu_slope_table, absolute(x));
    return 0.5F + (vf)((vi)odd ^ ((vi)x & INT32_MIN));
}
#else
INLINE vf gelu_bf16(vf x)
{
    return gelu(x);
}

INLINE vf gelu_slope_bf16(vf x)
{
    return gelu_slope(x);
}
#endif

#endif
