/* jpeg_idct_plain.h -- the inverse DCT of one block: that of Loeffler, Ligtenberg and
 * Moschytz (1989), 12 multiplications a row, in fixed point of 13 bits; columns first,
 * which keep 2 bits more. Rounding is where libjpeg's JDCT_ISLOW has it, which makes
 * the pixels the same. */
#ifndef SLUICE_JPEG_IDCT_PLAIN_H
#define SLUICE_JPEG_IDCT_PLAIN_H

#include "jpeg_idct.h"
#include "jpeg_kernels.h"

#define IDCT_LANES 1

/* in[0..7] to out[0..7], both `step` apart; `round` is added to each sum, which is
 * shifted by `shift`. */
static inline void idct_line(const int32_t *in, int32_t *out, int step, int32_t round,
                             int shift)
{
    const int32_t a = in[0], b = in[step], c = in[2 * step], d = in[3 * step];
    const int32_t e = in[4 * step], f = in[5 * step], g = in[6 * step],
                  h = in[7 * step];
    const int32_t sum = (a + e) * IDCT_ONE + round, diff = (a - e) * IDCT_ONE + round;
    const int32_t low = c * C_26_C + g * C_26_G, high = c * C_62_C + g * C_62_G;
    const int32_t hd = h + d, fb = f + b;
    const int32_t left = hd * C_Z3_HD + fb * C_Z_CROSS;
    const int32_t right = hd * C_Z_CROSS + fb * C_Z4_FB;
    const int32_t even[4] = { sum + low, diff + high, diff - high, sum - low };
    const int32_t odd[4] = { h * C_HB_CROSS + b * C_B + right,
                             f * C_FD_CROSS + d * C_D + left,
                             f * C_F + d * C_FD_CROSS + right,
                             h * C_H + b * C_HB_CROSS + left };
    for (int i = 0; i < 4; i++) {
        out[i * step] = (even[i] + odd[i]) >> shift;
        out[(7 - i) * step] = (even[i] - odd[i]) >> shift;
    }
}

static void idct(const int16_t *coef, const struct jpeg_target *out)
{
    int32_t work[64];
    for (int i = 0; i < 64; i++)
        work[i] = coef[i];
    for (int x = 0; x < 8; x++)
        idct_line(work + x, work + x, 8, IDCT_ROUND_1, IDCT_SHIFT_1);
    for (int y = 0; y < 8; y++) {
        uint8_t *row = out->at + (size_t)y * out->stride;
        idct_line(work + 8 * y, work + 8 * y, 1, IDCT_ROUND_2, IDCT_SHIFT_2);
        for (int x = 0; x < 8; x++) {
            const int32_t v = work[8 * y + x];
            row[x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
}

#endif
