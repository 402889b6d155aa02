/* exif.h -- the orientation that a camera left in a JPEG's APP1 marker (Exif 2.3, JEITA
 * CP-3451C, 4.6: a TIFF file behind "Exif\0\0"; tag 0x0112 of the first directory) or,
 * without those six bytes, in a PNG's chunk eXIf (PNG 3rd edition, 11.3.4.4). */
#ifndef SLUICE_EXIF_H
#define SLUICE_EXIF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t exif_number(const uint8_t *p, int bytes, int big_endian)
{
    uint32_t n = 0;
    for (int i = 0; i < bytes; i++)
        n |= (uint32_t)p[i] << 8 * (big_endian ? bytes - 1 - i : i);
    return n;
}

/* Sets *orientation if the TIFF file says one of 1 to 8. */
static inline void exif_tiff_orientation(const uint8_t *tiff, size_t length,
                                         int *orientation)
{
    if (length < 8)
        return;
    const int big = tiff[0] == 'M';
    const uint32_t at = exif_number(tiff + 4, 4, big);
    if (memcmp(tiff, big ? "MM\0*" : "II*\0", 4) != 0 || at > length - 2)
        return;
    const uint32_t count = exif_number(tiff + at, 2, big);
    for (uint32_t i = 0; i < count && at + 2 + 12 * (size_t)(i + 1) <= length; i++) {
        const uint8_t *entry = tiff + at + 2 + 12 * (size_t)i;
        const uint32_t value = exif_number(entry + 8, 2, big);
        if (exif_number(entry, 2, big) == 0x0112 &&
            exif_number(entry + 2, 2, big) == 3 && value >= 1 && value <= 8)
            *orientation = (int)value;
    }
}

/* As the marker says. */
static inline void exif_orientation(const uint8_t *data, size_t size, int *orientation)
{
    if (size >= 6 && memcmp(data, "Exif\0\0", 6) == 0)
        exif_tiff_orientation(data + 6, size - 6, orientation);
}

#endif
