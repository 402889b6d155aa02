/* checkpoint.c -- a network and its optimizer to and from a safetensors file. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>

#include "checkpoint_parts.h"
#include "device_memory.h"
#include "json_cursor.h"
#include "whole_file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors lie as in memory");

enum {
    ENTRY_TEXT = SAFETENSORS_NAME + 256, /* at most, of one tensor in the header */
    QUOTED = 6,                          /* bytes at most, of one in JSON: \u0001 */
    /* The metadata: its own texts, and keys and numbers around them. */
    META_TEXT = sizeof(struct checkpoint_meta) * QUOTED + 2048,
};

struct inventory {
    struct checkpoint_item *item; /* of the network or the optimizer */
    int count;
    size_t bytes;
};

static void add_item(struct inventory *inv, const char *prefix, struct tensor *t)
{
    struct checkpoint_item *item = &inv->item[inv->count++];
    _Static_assert(sizeof t->name + sizeof CHECKPOINT_MOMENTS <= sizeof item->name,
                   "names fit");
    snprintf(item->name, sizeof item->name, "%s%s", prefix, t->name);
    item->tensor = t;
    inv->bytes += tensor_bytes(t);
}

static int take_inventory(struct inventory *inv, struct net *net, struct optim *opt,
                          struct sluice_error *err)
{
    const int states = opt ? optim_state_count(opt) : 0;
    const int count = net_param_count(net) + net_buffer_count(net) + states;
    *inv = (struct inventory){ .item = calloc((size_t)count + 1, sizeof *inv->item) };
    if (!inv->item)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a checkpoint's index");
    for (int i = 0; i < net_param_count(net); i++)
        add_item(inv, "", net_param(net, i));
    for (int i = 0; i < net_buffer_count(net); i++)
        add_item(inv, "", net_buffer(net, i));
    for (int i = 0; i < states; i++)
        add_item(inv, CHECKPOINT_MOMENTS, optim_state(opt, i));
    return 0;
}

/* The header while it is written. */
struct text {
    char *at;
    size_t size, room, crc_at;
};

static void put(struct text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(t->at + t->size, t->room - t->size, fmt, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < t->room - t->size);
    t->size += (size_t)n;
}

static void put_quoted(struct text *t, const char *text)
{
    const size_t n = json_quote(t->at + t->size, t->room - t->size, text);
    assert(n > 0);
    t->size += n;
}

static const char *recipe_of(const struct checkpoint_meta *m)
{
    return m->recipe ? m->recipe : "";
}

static void put_meta(struct text *t, const struct checkpoint_meta *m,
                     uint64_t optimizer_steps)
{
    put(t, "{\"__metadata__\":{\"format\":\"pt\",\"sluice\":\"%d\",\"crc32c\":\"",
        CHECKPOINT_VERSION);
    t->crc_at = t->size;
    put(t, CHECKPOINT_NO_CRC "\",\"model\":");
    put_quoted(t, m->model);
    put(t,
        ",\"seed\":\"%" PRIu64 "\",\"epoch\":\"%" PRIu64 "\",\"batch\":\"%" PRIu64
        "\",\"step\":\"%" PRIu64 "\",\"optimizer_steps\":\"%" PRIu64
        "\",\"best_accuracy\":\"%.17g\",\"config_crc\":",
        m->seed, m->epoch, m->batch, m->step, optimizer_steps, m->best_accuracy);
    put_quoted(t, m->config_crc);
    put(t, ",\"extra\":");
    put_quoted(t, m->extra);
    put(t, ",\"recipe\":");
    put_quoted(t, recipe_of(m));
    put(t, "}");
}

static void put_entry(struct text *t, const struct checkpoint_item *item, size_t begin)
{
    put(t, ",");
    put_quoted(t, item->name);
    put(t, ":{\"dtype\":\"F32\",\"shape\":[");
    for (int i = 0; i < item->tensor->rank; i++)
        put(t, i ? ",%d" : "%d", item->tensor->shape[i]);
    put(t, "],\"data_offsets\":[%zu,%zu]}", begin, begin + tensor_bytes(item->tensor));
}

/* Length and JSON; spaces until the data is aligned. */
static int make_header(struct text *t, const struct checkpoint_item *items, int count,
                       const struct checkpoint_meta *meta, uint64_t optimizer_steps,
                       struct sluice_error *err)
{
    size_t begin = 0;
    *t = (struct text){ .room = (size_t)count * ENTRY_TEXT + META_TEXT +
                                QUOTED * strlen(recipe_of(meta)),
                        .size = 8 };
    t->at = malloc(t->room);
    if (!t->at)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a checkpoint's header");
    put_meta(t, meta, optimizer_steps);
    for (int i = 0; i < count; i++) {
        put_entry(t, &items[i], begin);
        begin += tensor_bytes(items[i].tensor);
    }
    put(t, "}");
    while (t->size % 64)
        put(t, " ");
    for (int i = 0; i < 8; i++)
        t->at[i] = (char)((t->size - 8) >> (8 * i));
    return 0;
}

int checkpoint_write(const char *path, const struct checkpoint_item *items, int count,
                     const struct file_part *bytes, uint64_t optimizer_steps,
                     const struct checkpoint_meta *meta, struct sluice_error *err)
{
    struct text header = { 0 };
    struct file_part *parts = calloc((size_t)count + 1, sizeof *parts);
    char digits[CHECKPOINT_CRC_DIGITS + 1];
    uint32_t crc = 0;
    int rc = parts ? make_header(&header, items, count, meta, optimizer_steps, err)
                   : sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    if (rc < 0)
        goto out;
    parts[0] = (struct file_part){ header.at, header.size };
    memcpy(parts + 1, bytes, (size_t)count * sizeof *parts);
    for (int i = 0; i <= count; i++)
        crc = sluice_crc32c(crc, parts[i].bytes, parts[i].size);
    snprintf(digits, sizeof digits, "%08" PRIx32, crc);
    memcpy(header.at + header.crc_at, digits, CHECKPOINT_CRC_DIGITS);
    rc = whole_file_replace(path, parts, count + 1, err);
out:
    free(parts);
    free(header.at);
    return rc;
}

/* Where the tensors' bytes lie for the host; in copies, which the caller frees, if the
 * device has memory of its own. */
static int fetch(struct file_part *parts, const struct inventory *inv,
                 struct device *dev, void **copies, struct sluice_error *err)
{
    const bool far = device_has_memory(dev);
    unsigned char *copy = far ? malloc(inv->bytes + 1) : NULL;
    int rc = 0;
    *copies = copy;
    if (far && !copy)
        return sluice_fail(err, SLUICE_ENOMEM,
                           "no memory for a copy of the parameters");
    for (int i = 0; i < inv->count && rc == 0; i++) {
        const struct tensor *t = inv->item[i].tensor;
        parts[i] = (struct file_part){ far ? copy : t->data, tensor_bytes(t) };
        if (far)
            rc = device_read(dev, copy, t->data, tensor_bytes(t), err);
        copy = far ? copy + tensor_bytes(t) : NULL;
    }
    return rc;
}

/* A network that diverged does not take the place of the one that was saved before. */
static int check_finite(const char *path, const struct inventory *inv,
                        const struct file_part *parts, uint64_t step,
                        struct sluice_error *err)
{
    const uint32_t exponent = 0x7f800000; /* NaN and infinity have all of its bits */
    for (int i = 0; i < inv->count; i++) {
        const uint32_t *bits = parts[i].bytes;
        bool bad = false;
        for (size_t k = 0; k < parts[i].size / sizeof *bits; k++)
            bad |= (bits[k] & exponent) == exponent;
        if (bad)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.300s: not written: after step %" PRIu64
                               " '%.200s' has values that are NaN or infinite: "
                               "training diverged",
                               path, step, inv->item[i].name);
    }
    return 0;
}

int checkpoint_save(const char *path, struct net *net, struct optim *opt,
                    const struct checkpoint_meta *meta, struct sluice_error *err)
{
    struct inventory inv;
    struct file_part *bytes = NULL;
    void *copies = NULL;
    int rc = take_inventory(&inv, net, opt, err);
    if (rc < 0)
        return rc;
    bytes = calloc((size_t)inv.count + 1, sizeof *bytes);
    rc = bytes ? fetch(bytes, &inv, net_device(net), &copies, err)
               : sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    if (rc == 0)
        rc = check_finite(path, &inv, bytes, meta->step, err);
    if (rc == 0)
        rc = checkpoint_write(path, inv.item, inv.count, bytes,
                              opt ? optim_steps(opt) : 0, meta, err);
    free(copies);
    free(bytes);
    free(inv.item);
    return rc;
}

/* Where in the file's data this tensor begins. */
static int match(const struct checkpoint_file *l, const char *path,
                 const struct checkpoint_item *item, uint64_t *begin,
                 struct sluice_error *err)
{
    const struct safetensors_entry *e = safetensors_find(&l->st, item->name);
    char text[64];
    if (!e)
        return sluice_fail(err, SLUICE_EINVAL, "%s: has no tensor '%s'", path,
                           item->name);
    struct tensor theirs = { .rank = e->rank < 4 ? e->rank : 4 };
    bool same = e->rank == item->tensor->rank && strcmp(e->dtype, "F32") == 0;
    for (int i = 0; i < theirs.rank; i++) {
        theirs.shape[i] = (int)e->shape[i];
        same = same && e->shape[i] == (uint64_t)item->tensor->shape[i];
    }
    if (!same) {
        char wanted[64];
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: tensor '%s' is %s %s, expected F32 %s", path,
                           item->name, e->dtype, tensor_shape_text(text, &theirs),
                           tensor_shape_text(wanted, item->tensor));
    }
    *begin = e->begin;
    return 0;
}

/* Does the file hold tensors that nobody asked for? The optimizer's moments do not
 * count if they are not wanted (`with_moments` is false). */
static int check_rest(const struct checkpoint_file *l, const char *path,
                      const struct inventory *inv, bool with_moments,
                      struct sluice_error *err)
{
    int expected = inv->count;
    for (int i = 0; i < l->st.entries && !with_moments; i++)
        expected += strncmp(l->st.entry[i].name, CHECKPOINT_MOMENTS,
                            strlen(CHECKPOINT_MOMENTS)) == 0;
    if (l->st.entries == expected)
        return 0;
    for (int i = 0; i < l->st.entries; i++) {
        bool known = !with_moments && strncmp(l->st.entry[i].name, CHECKPOINT_MOMENTS,
                                              strlen(CHECKPOINT_MOMENTS)) == 0;
        for (int k = 0; k < inv->count && !known; k++)
            known = strcmp(inv->item[k].name, l->st.entry[i].name) == 0;
        if (!known)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%s: its tensor '%s' is none of the network's", path,
                               l->st.entry[i].name);
    }
    return 0;
}

int checkpoint_load(const char *path, struct net *net, struct optim *opt,
                    struct checkpoint_meta *meta, struct sluice_error *err)
{
    struct inventory inv;
    struct checkpoint_file l = { 0 };
    uint64_t *begin = NULL;
    int rc = take_inventory(&inv, net, opt, err);
    if (rc < 0)
        return rc;
    /* No optimizer keeps more than a few times the network: a larger file is refused
     * before it is read. */
    const uint64_t limit = (uint64_t)inv.bytes * 8 + SAFETENSORS_HEADER_MAX;
    if ((rc = checkpoint_file_open(&l, path, limit, err)) < 0)
        goto out;
    begin = calloc((size_t)inv.count + 1, sizeof *begin);
    if (!begin) {
        rc = sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
        goto out;
    }
    for (int i = 0; i < inv.count && rc == 0; i++)
        rc = match(&l, path, &inv.item[i], &begin[i], err);
    if (rc == 0)
        rc = check_rest(&l, path, &inv, opt != NULL, err);
    if (rc < 0)
        goto out;
    /* From here on only a GPU can fail. */
    for (int i = 0; i < inv.count && rc == 0; i++)
        rc = device_write(net_device(net), inv.item[i].tensor->data,
                          (const char *)l.bytes + l.st.data_at + begin[i],
                          tensor_bytes(inv.item[i].tensor), err);
    if (rc < 0)
        goto out;
    if (opt)
        optim_set_steps(opt, l.optimizer_steps);
    if (meta)
        *meta = l.meta;
    net_params_changed(net);
out:
    free(begin);
    checkpoint_file_close(&l);
    free(inv.item);
    return rc;
}
