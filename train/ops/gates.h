/* gates.h -- GELU, x Phi(x), and SiLU, x sigmoid(x), and their derivatives; for results
 * that become bf16 by quartics over sixteen segments, whose coefficients are looked up
 * in registers: a third of the work of the formulas in vector.h, which float results
 * need.
 *
 * Phi, the sigmoid and both derivatives are 1/2 and an odd function of x. Segment k is
 * the one around k times a segment's width; the last one is the constant to which the
 * functions tend. Coefficients are of least squares at Chebyshev's nodes. The errors
 * are 3e-7 of Phi and 7e-6 of GELU's derivative (1e-6 where |x| < 5), 2e-6 of the
 * sigmoid and 2e-5 of SiLU's derivative (6e-6 where |x| < 13), where rounding to bf16
 * costs up to 2e-3. */
#ifndef SLUICE_GATES_H
#define SLUICE_GATES_H

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

INLINE vf silu(vf x)
{
    return x * sigmoid(x);
}

INLINE vf silu_slope(vf x)
{
    return sigmoid(x) * (1.0F + x * sigmoid(-x));
}

#ifdef __AVX512F__
#define GELU_SEGMENT 0.345F
#define SILU_SEGMENT 0.93F

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
static const float silu_sigmoid_table[5][LANES] __attribute__((aligned(64))) = {
    { 7.9407855e-08F, 0.00010533728F, -0.01754812F, -0.07014188F, -0.06011162F, 0.037495032F, 0.16557276F, 0.27912918F, 0.36311752F, 0.4190957F, 0.4539315F, 0.47455606F, 0.48630318F, 0.49278715F, 0.4962735F, 0.5F },
    { 0.2499914F, 0.24907319F, 0.29578343F, 0.38905135F, 0.37950265F, 0.28653154F, 0.18584403F, 0.11018988F, 0.061693884F, 0.03318396F, 0.01731626F, 0.008820001F, 0.00440325F, 0.002161149F, 0.0010452399F, 0.0F },
    { 0.00014953064F, 0.0032201132F, -0.04369828F, -0.10620271F, -0.10309094F, -0.06980086F, -0.040066868F, -0.021142777F, -0.010632378F, -0.005183455F, -0.0024715343F, -0.0011584243F, -0.0005354489F, -0.00024461886F, -0.0001106392F, 0.0F },
    { -0.02174772F, -0.026462048F, -0.0052145263F, 0.013537993F, 0.013167562F, 0.0078566065F, 0.0039474345F, 0.0018410513F, 0.000827747F, 0.0003645725F, 0.00015846285F, 6.822505e-05F, 2.9157165e-05F, 1.2385394e-05F, 5.2340997e-06F, 0.0F },
    { 0.0023051035F, 0.0051221033F, 0.0014555502F, -0.00066838803F, -0.00066075823F, -0.00034223968F, -0.0001491884F, -6.1163635e-05F, -2.4496654e-05F, -9.722342e-06F, -3.844898e-06F, -1.5184074e-06F, -5.9930954e-07F, -2.3649346e-07F, -9.3314654e-08F, 0.0F },
};
static const float silu_slope_table[5][LANES] __attribute__((aligned(64))) = {
    { 4.5908118e-07F, -0.00047886092F, -0.1022894F, -0.17870212F, 0.18181859F, 0.64805084F, 0.91335654F, 0.97099996F, 0.91263175F, 0.8149139F, 0.7198699F, 0.6439613F, 0.58969986F, 0.5537014F, 0.53110206F, 0.5F },
    { 0.49995014F, 0.50114673F, 0.77953655F, 0.9353899F, 0.49669975F, 0.045398783F, -0.16600218F, -0.2056532F, -0.17252319F, -0.1230244F, -0.07985965F, -0.048649658F, -0.028276494F, -0.01584172F, -0.0086141545F, 0.0F },
    { 0.00087001215F, 0.0041254107F, -0.28617108F, -0.403763F, -0.20283493F, -0.0386079F, 0.024656788F, 0.03488552F, 0.02782864F, 0.018419378F, 0.011063861F, 0.0062495926F, 0.0033799682F, 0.0017687127F, 0.0009016696F, 0.0F },
    { -0.0886826F, -0.101495214F, 0.03554302F, 0.07457016F, 0.033512525F, 0.006887113F, -0.0015398497F, -0.0027126735F, -0.0020441117F, -0.0012486076F, -0.00069121463F, -0.0003610084F, -0.00018129691F, -8.847531e-05F, -4.223436e-05F, 0.0F },
    { 0.01360444F, 0.024375388F, -0.00035340595F, -0.005171494F, -0.0020132638F, -0.00039070207F, 3.0822703e-05F, 8.1253456e-05F, 5.7483536e-05F, 3.224482e-05F, 1.6396396e-05F, 7.899295e-06F, 3.6772476e-06F, 1.6713706e-06F, 7.4632493e-07F, 0.0F },
};
/* clang-format on */

INLINE vf look_up(const float table[LANES], vi k)
{
    return (vf)_mm512_permutexvar_ps((__m512i)k, _mm512_load_ps(table));
}

/* A NaN becomes one. */
INLINE vf segment_quartic(const float table[5][LANES], float width, vf magnitude)
{
    const vf u = (vf)_mm512_min_ps((__m512)splat(15 * width), (__m512)magnitude);
    /* To the nearest integer, in the low bits: the lookups take four of them */
    const vi k = (vi)(u * (1 / width) + 0x1p23F);
    vf p = look_up(table[4], k) * u + look_up(table[3], k);
    p = p * u + look_up(table[2], k);
    p = p * u + look_up(table[1], k);
    return p * u + look_up(table[0], k);
}

/* x (1/2 + odd(x)), from the table of odd. */
INLINE vf gated(const float table[5][LANES], float width, vf x)
{
    const vf magnitude = absolute(x);
    return 0.5F * x + magnitude * segment_quartic(table, width, magnitude);
}

/* 1/2 + odd(x) */
INLINE vf half_and_odd(const float table[5][LANES], float width, vf x)
{
    const vf odd = segment_quartic(table, width, absolute(x));
    return 0.5F + (vf)((vi)odd ^ ((vi)x & INT32_MIN));
}

INLINE vf gelu_bf16(vf x)
{
    return gated(gelu_cdf_table, GELU_SEGMENT, x);
}

INLINE vf gelu_slope_bf16(vf x)
{
    return half_and_odd(gelu_slope_table, GELU_SEGMENT, x);
}

INLINE vf silu_bf16(vf x)
{
    return gated(silu_sigmoid_table, SILU_SEGMENT, x);
}

INLINE vf silu_slope_bf16(vf x)
{
    return half_and_odd(silu_slope_table, SILU_SEGMENT, x);
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

INLINE vf silu_bf16(vf x)
{
    return silu(x);
}

INLINE vf silu_slope_bf16(vf x)
{
    return silu_slope(x);
}
#endif

#endif
