/* jpeg_damage.h -- which of libjpeg's warnings mean pixels that were made up. What else
 * it warns of (a wrong version number, bytes between markers) changes none. */
#ifndef SLUICE_JPEG_DAMAGE_H
#define SLUICE_JPEG_DAMAGE_H

#include <stdbool.h>
#include <stdio.h>

#include <jpeglib.h>
/* behind it: */
#include <jerror.h>

static inline bool jpeg_is_damage(int msg_code)
{
    switch (msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
        return true;
    default:
        return false;
    }
}

#endif
