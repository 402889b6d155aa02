/* sample.c -- one sample: which it is, where it lies, and its way into the batch. */
#include <inttypes.h>
#include <string.h>

#include "core.h"

static uint64_t sample_at(const struct sluice_loader *ld, const struct slot *slot,
                          uint64_t position)
{
    uint64_t i =
        ld->opt.order == SLUICE_RANDOM
            ? sluice_permutation_at(&ld->permutation[slot->batch.epoch & 1], position)
            : position;
    return ld->subset ? ld->subset[i] : i;
}

void sluice_chunk_ids(const struct sluice_loader *ld, struct chunk *c)
{
    struct slot *slot = c->slot;
    int64_t *label = slot->labels + c->from * ld->label_columns;
    for (int i = c->from; i < c->to; i++) {
        slot->ids[i] = sample_at(ld, slot, slot->first + (uint64_t)i);
        for (int k = 0; k < ld->label_columns; k++)
            *label++ = sluice_dataset_integer(ld->file.dataset, ld->label_fields[k],
                                              slot->ids[i]);
    }
}

int sluice_sample_locate(const struct sluice_loader *ld, uint64_t sample,
                         struct sluice_extent *out, struct sluice_error *err)
{
    const struct sluice_shape *s = &ld->source;
    int rc = sluice_dataset_locate(ld->file.dataset, ld->image_field, sample, out, err);
    if (rc < 0)
        return rc;
    if (ld->encoded)
        return 0;
    if (out->size != ld->in_bytes || out->height != (uint32_t)s->height ||
        out->width != (uint32_t)s->width || out->channels != (uint32_t)s->channels)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: sample %" PRIu64 ": expected an image of %dx%dx%d, "
                           "found %" PRIu32 "x%" PRIu32 "x%" PRIu32,
                           ld->file.path, sample, s->height, s->width, s->channels,
                           out->height, out->width, out->channels);
    return 0;
}

int sluice_sample_put(struct worker *w, struct slot *slot, int position,
                      const struct sluice_extent *x, const uint8_t *bytes,
                      struct sluice_error *err)
{
    const struct sluice_loader *ld = w->ld;
    const uint8_t *pixels = bytes;
    if (ld->encoded) {
        const double before = sluice_seconds();
        const int rc = sluice_decode(ld, &w->decoder, slot->ids[position],
                                     slot->batch.epoch, x, bytes, &pixels, err);
        w->decode_seconds += sluice_seconds() - before;
        if (rc < 0)
            return rc;
    }
    uint8_t *to = (uint8_t *)slot->batch.pixels + (size_t)position * ld->out_bytes;
    if (!ld->transform.apply) {
        memcpy(to, pixels, ld->pixel_bytes);
        return 0;
    }
    const struct sluice_image image = {
        .pixels = pixels,
        .height = ld->source.height,
        .width = ld->source.width,
        .channels = ld->source.channels,
        .id = slot->ids[position],
        .epoch = slot->batch.epoch,
    };
    struct sluice_error why = { .message = "no reason given" };
    int rc = ld->transform.apply(ld->transform.arg, &image, to, &why);
    return rc < 0 ? sluice_fail(err, (enum sluice_code)rc,
                                "%s: sample %" PRIu64 ": transform: %.300s",
                                ld->file.path, image.id, why.message)
                  : 0;
}

void sluice_chunk_fail(struct chunk *c, int at, int rc, const struct sluice_error *err)
{
    if (c->rc < 0 && c->at <= at)
        return;
    c->rc = rc;
    c->at = at;
    c->err = *err;
}
