/* pretrained.c -- see pretrained.h. */
#include "pretrained.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint_parts.h"
#include "whole_file.h"

/* What is asked of the file, and how it goes. */
struct loading {
    struct net *net;
    struct safetensors st;
    void *bytes;
    size_t size;
    const struct op *head; /* NULL: no linear layer */
    enum pretrained_head mode;
    struct pretrained_report *report;
};

static int tensor_count(struct net *net)
{
    return net_param_count(net) + net_buffer_count(net);
}

static struct tensor *tensor_at(struct net *net, int i)
{
    const int params = net_param_count(net);
    return i < params ? net_param(net, i) : net_buffer(net, i - params);
}

static const struct op *find_head(struct net *net)
{
    for (int i = net_op_count(net) - 1; i >= 0; i--)
        if (net_op_at(net, i)->def == &op_linear)
            return net_op_at(net, i);
    return NULL;
}

static bool is_heads(const struct loading *l, const struct tensor *t)
{
    return l->head && (t == l->head->param[0] || t == l->head->param[1]);
}

static bool same_shape(const struct safetensors_entry *e, const struct tensor *t)
{
    bool same = e->rank == t->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = e->shape[i] == (uint64_t)t->shape[i];
    return same;
}

static const char *entry_text(char text[64], const struct safetensors_entry *e)
{
    struct tensor theirs = { .rank = e->rank < 4 ? e->rank : 4 };
    for (int i = 0; i < theirs.rank; i++)
        theirs.shape[i] = (int)e->shape[i];
    return tensor_shape_text(text, &theirs);
}

static int refuse_head(const struct loading *l, const struct tensor *t,
                       const struct safetensors_entry *e, struct sluice_error *err)
{
    char theirs[64], ours[64];
    if (!e)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: has no tensor '%s', which init.head=keep asks for",
                           l->report->path, t->name);
    return sluice_fail(
        err, SLUICE_EINVAL, "%.300s: tensor '%s' is %s, expected %s by init.head=keep",
        l->report->path, t->name, entry_text(theirs, e), tensor_shape_text(ours, t));
}

static void name_left(struct pretrained_report *r, const char *name)
{
    const size_t at = strlen(r->names);
    if (at + strlen(name) + 8 < sizeof r->names)
        snprintf(r->names + at, sizeof r->names - at, "%s%s", at ? ", " : "", name);
    else if (strcmp(r->names + (at < 3 ? 0 : at - 3), "...") != 0)
        snprintf(r->names + at, sizeof r->names - at, ", ...");
}

/* The file's entry that goes into this tensor, or NULL. */
static int match(const struct loading *l, const struct tensor *t,
                 const struct safetensors_entry **out, struct sluice_error *err)
{
    const struct safetensors_entry *e = safetensors_find(&l->st, t->name);
    const bool fits = e && same_shape(e, t), head = is_heads(l, t);
    *out = fits && !(head && l->mode == HEAD_RESET) ? e : NULL;
    if (head && l->mode == HEAD_KEEP && !fits)
        return refuse_head(l, t, e, err);
    if (*out && strcmp(e->dtype, "F32") != 0)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: tensor '%s' is %s, expected F32", l->report->path,
                           t->name, e->dtype);
    return 0;
}

static bool is_moment(const struct safetensors_entry *e)
{
    return strncmp(e->name, CHECKPOINT_MOMENTS, strlen(CHECKPOINT_MOMENTS)) == 0;
}

/* Tensors that are no optimizer's, and the first of them. */
static int others(const struct safetensors *st, const char **first)
{
    int n = 0;
    for (int i = st->entries - 1; i >= 0; i--)
        if (!is_moment(&st->entry[i])) {
            n++;
            *first = st->entry[i].name;
        }
    return n;
}

static int refuse_all(const struct loading *l, struct sluice_error *err)
{
    const char *theirs = "", *ours = "";
    const int count = others(&l->st, &theirs);
    if (tensor_count(l->net))
        ours = tensor_at(l->net, 0)->name;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.200s: none of its %d tensors fits one of the network's by "
                       "name and shape: '%.60s' there, '%.60s' here",
                       l->report->path, count, theirs, ours);
}

/* Weights that no training could go on from. */
static int check_values(const struct loading *l, const struct tensor *t,
                        const struct safetensors_entry *e, struct sluice_error *err)
{
    const char *at = (const char *)l->bytes + l->st.data_at + e->begin;
    for (size_t i = 0; i < tensor_elements(t); i++) {
        float value;
        memcpy(&value, at + i * sizeof(value), sizeof(value));
        if (!isfinite(value))
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.300s: tensor '%s' has values that are NaN or "
                               "infinite",
                               l->report->path, t->name);
    }
    return 0;
}

/* First everything is compared, then everything is copied. */
static int copy(const struct loading *l, struct sluice_error *err)
{
    struct pretrained_report *r = l->report;
    const struct safetensors_entry *e;
    int rc = 0, fitting = 0;
    for (int i = 0; i < tensor_count(l->net) && rc == 0; i++) {
        rc = match(l, tensor_at(l->net, i), &e, err);
        fitting += e != NULL;
        if (rc == 0 && e)
            rc = check_values(l, tensor_at(l->net, i), e, err);
    }
    if (rc < 0)
        return rc;
    if (!fitting)
        return refuse_all(l, err);
    for (int i = 0; i < tensor_count(l->net); i++) {
        struct tensor *t = tensor_at(l->net, i);
        (void)match(l, t, &e, NULL);
        if (!e) {
            r->left++;
            name_left(r, t->name);
            continue;
        }
        memcpy(t->data, (const char *)l->bytes + l->st.data_at + e->begin,
               tensor_bytes(t));
        r->copied++;
        r->elements += tensor_elements(t);
    }
    return 0;
}

/* What torch.save writes: a zip archive, or, before PyTorch 1.6, pickles, the first of
 * them a number of ten bytes. As lengths of headers both are out of bounds. */
static bool is_torch_save(const struct loading *l)
{
    return l->size > 4 && (memcmp(l->bytes, "PK\3\4", 4) == 0 ||
                           memcmp(l->bytes, "\x80\2\x8a\n", 4) == 0);
}

/* Other programs' files have no checksum. */
static int open_file(struct loading *l, struct sluice_error *err)
{
    const char *path = l->report->path;
    int rc = whole_file_read(path, &l->bytes, &l->size, UINT64_MAX, err);
    if (rc == 0 && is_torch_save(l))
        rc =
            sluice_fail(err, SLUICE_EINVAL,
                        "%.300s: expected a safetensors file, found one of torch.save; "
                        "safetensors.torch.save_file(torch.load(...), ...) makes it",
                        path);
    if (rc == 0)
        rc = safetensors_parse(&l->st, path, l->bytes, l->size, err);
    if (rc == 0 && safetensors_text(&l->st, "crc32c"))
        rc = checkpoint_check_crc(&l->st, path, l->bytes, l->size, err);
    return rc;
}

int pretrained_load(struct net *net, const char *from, enum pretrained_head head,
                    struct pretrained_report *report, struct sluice_error *err)
{
    struct loading l = {
        .net = net, .head = find_head(net), .mode = head, .report = report
    };
    *report = (struct pretrained_report){ 0 };
    int rc = run_checkpoint(report->path, "init.from: ", from, err);
    if (rc == 0)
        rc = open_file(&l, err);
    if (rc == 0)
        rc = copy(&l, err);
    if (rc == 0) {
        const char *first;
        report->unused = others(&l.st, &first) - report->copied;
        net_params_changed(net);
    }
    safetensors_free(&l.st);
    free(l.bytes);
    return rc;
}
