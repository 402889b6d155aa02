/* jpeg_idct.h -- the inverse DCT's constants, times 2^13. In the odd half the sums of
 * inputs that several outputs share are multiplied out, so that each output is a sum of
 * pairs; the integers added are the same. Letters: inputs a to h, in order. */
#ifndef SLUICE_JPEG_IDCT_H
#define SLUICE_JPEG_IDCT_H

enum {
    IDCT_ONE = 8192,
    K_0_298631336 = 2446,
    K_0_390180644 = 3196,
    K_0_541196100 = 4433,
    K_0_765366865 = 6270,
    K_0_899976223 = 7373,
    K_1_175875602 = 9633,
    K_1_501321110 = 12299,
    K_1_847759065 = 15137,
    K_1_961570560 = 16069,
    K_2_053119869 = 16819,
    K_2_562915447 = 20995,
    K_3_072711026 = 25172,

    C_26_C = K_0_541196100 + K_0_765366865,
    C_26_G = K_0_541196100,
    C_62_C = K_0_541196100,
    C_62_G = K_0_541196100 - K_1_847759065,
    C_Z3_HD = K_1_175875602 - K_1_961570560,
    C_Z_CROSS = K_1_175875602,
    C_Z4_FB = K_1_175875602 - K_0_390180644,
    C_H = K_0_298631336 - K_0_899976223,
    C_B = K_1_501321110 - K_0_899976223,
    C_HB_CROSS = -K_0_899976223,
    C_F = K_2_053119869 - K_2_562915447,
    C_D = K_3_072711026 - K_2_562915447,
    C_FD_CROSS = -K_2_562915447,

    IDCT_SHIFT_1 = 11,
    IDCT_ROUND_1 = 1 << 10,
    IDCT_SHIFT_2 = 18,
    IDCT_ROUND_2 = (1 << 17) + (128 << 18), /* pixels have their zero at 128 */
};

#endif
