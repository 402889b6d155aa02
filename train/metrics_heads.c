/* metrics_heads.c -- what is measured of a network with several losses; see metrics.h.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metrics.h"

/* Those of training, or those of the set that is watched. */
static int append(struct head_number *out, const struct epoch_row *row, bool test)
{
    double sum = 0;
    int n = 2;
    for (int i = 1; i < row->heads; i++) {
        const struct head_row *h = &row->head[i];
        struct head_number *loss = &out[n++], *accuracy = &out[n++];
        *loss = (struct head_number){ .test = test,
                                      .value = test ? h->test_loss : h->loss };
        *accuracy =
            (struct head_number){ .test = test,
                                  .value = test ? h->test_accuracy : h->accuracy };
        snprintf(loss->name, sizeof(loss->name), "base_loss_%d", i);
        snprintf(accuracy->name, sizeof(accuracy->name), "base_acc_%d", i);
        sum += loss->value;
    }
    out[0] = (struct head_number){ "meta_loss", test,
                                   test ? row->head[0].test_loss : row->head[0].loss };
    out[1] = (struct head_number){ "base_loss", test, sum };
    return n;
}

int metrics_head_numbers(struct head_number out[HEAD_NUMBERS],
                         const struct epoch_row *row)
{
    if (row->heads < 2)
        return 0;
    const int n = append(out, row, false);
    return n + append(out + n, row, true);
}

/* The text and what is added to it, cut where the room ends. */
static void add(char *buf, size_t size, const char *text)
{
    const size_t at = strlen(buf);
    snprintf(buf + at, size - at, "%s", text);
}

static void add_heads(char buf[1024], const struct epoch_row *row, bool test)
{
    char one[64];
    for (int i = 0; i < row->heads; i++) {
        const struct head_row *h = &row->head[i];
        char name[24] = "meta";
        if (i)
            snprintf(name, sizeof(name), "base %d", i);
        snprintf(one, sizeof(one), "  %s %.4f %.2f%%", name,
                 test ? h->test_loss : h->loss,
                 100 * (test ? h->test_accuracy : h->accuracy));
        add(buf, 1024, one);
    }
}

const char *epoch_heads_line(char buf[1024], const struct epoch_row *row)
{
    snprintf(buf, 1024, "  train");
    add_heads(buf, row, false);
    if (isfinite(row->head[0].test_loss)) {
        add(buf, 1024, row->validated ? "  | val" : "  | test");
        add_heads(buf, row, true);
    }
    return buf;
}
