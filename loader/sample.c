/* sample.c -- one sample: which it is, where it lies, and its way into the batch. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

uint64_t sluice_view_sample(const struct sluice_loader *ld, uint64_t index)
{
    return ld->subset ? ld->subset[index] : index;
}

static struct sluice_epoch_order order_of(const struct sluice_loader *ld,
                                          uint32_t epoch)
{
    struct sluice_epoch_order o = { .kind = ld->opt.order,
                                    .count = ld->count,
                                    .seed = ld->opt.seed,
                                    .epoch = epoch,
                                    .block = ld->opt.block,
                                    .open = ld->opt.open_blocks,
                                    .draws = ld->draws.edges ? &ld->draws : NULL };
    sluice_epoch_order_init(&o);
    return o;
}

void sluice_order_begin(struct sluice_loader *ld, uint32_t epoch)
{
    ld->order[epoch & 1] = order_of(ld, epoch);
}

uint64_t sluice_view_index(const struct sluice_loader *ld, uint32_t epoch,
                           uint64_t position)
{
    struct sluice_window window = { .open = false };
    return sluice_epoch_order_at(&ld->order[epoch & 1], &window, position);
}

void sluice_slot_name(const struct sluice_loader *ld, struct slot *slot, int position,
                      uint64_t sample)
{
    int64_t *label = slot->labels + (size_t)position * (size_t)ld->label_columns;
    slot->ids[position] = sample;
    for (int k = 0; k < ld->label_columns; k++)
        label[k] =
            sluice_dataset_integer(ld->file.dataset, ld->label_fields[k], sample);
}

void sluice_chunk_ids(const struct sluice_loader *ld, struct chunk *c)
{
    struct slot *slot = c->slot;
    const struct sluice_epoch_order *order = &ld->order[slot->batch.epoch & 1];
    struct sluice_window window = { .open = false };
    for (int i = c->from; i < c->to; i++) {
        const uint64_t at =
            sluice_epoch_order_at(order, &window, slot->first + (uint64_t)i);
        sluice_slot_name(ld, slot, i, sluice_view_sample(ld, at));
    }
}

int sluice_loader_ids(struct sluice_loader *ld, uint32_t epoch, uint64_t batch,
                      uint64_t *ids, int capacity, struct sluice_error *err)
{
    const struct sluice_epoch_order order = order_of(ld, epoch);
    struct sluice_window window = { .open = false };
    uint64_t first;
    if (ld->pid != getpid())
        return sluice_loader_forked(ld, err);
    pthread_mutex_lock(&ld->lock);
    const struct sluice_share share = sluice_share_of(ld, epoch);
    pthread_mutex_unlock(&ld->lock);
    if (batch >= sluice_share_batches(&share))
        return sluice_fail(err, SLUICE_EINVAL, "%s: batch %" PRIu64 " of %" PRIu64,
                           ld->file.path, batch, sluice_share_batches(&share));
    const int n = (int)sluice_share_batch(&share, batch, &first);
    if (n > capacity)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: batch %" PRIu64 " has %d samples, room for %d",
                           ld->file.path, batch, n, capacity);
    for (int i = 0; i < n; i++)
        ids[i] = sluice_view_sample(
            ld, sluice_epoch_order_at(&order, &window, first + (uint64_t)i));
    return n;
}

int sluice_extent_check(const struct sluice_loader *ld, uint64_t sample,
                        const struct sluice_extent *x, struct sluice_error *err)
{
    const uint64_t area = (uint64_t)x->height * x->width, pixels = area * x->channels;
    if (pixels && area <= INT32_MAX && pixels <= INT32_MAX &&
        x->height <= INT32_MAX / 4 && x->width <= INT32_MAX / 4 &&
        (x->codec == SLUICE_CODEC_JPEG ||
         pixels == (x->codec == SLUICE_CODEC_ZSTD ? x->plain : x->size)))
        return 0;
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "%s: sample %" PRIu64 ": an image of %ux%ux%u in %u bytes",
                       ld->file.path, sample, x->height, x->width, x->channels,
                       x->size);
}

int sluice_sample_locate(const struct sluice_loader *ld, uint64_t sample,
                         struct sluice_extent *out, struct sluice_error *err)
{
    const struct sluice_shape *s = &ld->source;
    int rc = sluice_dataset_locate(ld->file.dataset, ld->image_field, sample, out, err);
    if (rc < 0)
        return rc;
    if (ld->encoded)
        return sluice_extent_check(ld, sample, out, err);
    if (out->size != ld->in_bytes || out->height != (uint32_t)s->height ||
        out->width != (uint32_t)s->width || out->channels != (uint32_t)s->channels)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: sample %" PRIu64 ": expected an image of %dx%dx%d, "
                           "found %" PRIu32 "x%" PRIu32 "x%" PRIu32,
                           ld->file.path, sample, s->height, s->width, s->channels,
                           out->height, out->width, out->channels);
    return 0;
}

int sluice_sample_show(struct worker *w, struct slot *slot, int position,
                       const struct sluice_extent *x, const uint8_t *bytes,
                       bool *damaged, struct sluice_error *err)
{
    const struct sluice_loader *ld = w->ld;
    const uint8_t *pixels = bytes;
    *damaged = false;
    if (ld->encoded) {
        const double before = sluice_seconds();
        const int rc = sluice_decode(ld, &w->decoder, slot->ids[position],
                                     slot->batch.epoch, x, bytes, &pixels, err);
        w->decode_seconds += sluice_seconds() - before;
        if (rc < 0) {
            *damaged = rc != SLUICE_ENOMEM;
            return rc;
        }
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
